"""Options of the command line and of the ini file: the seed, the network, tokens; and the header that shows them."""

from __future__ import annotations

import pytest

import simsock

SEED = "def test_it(simsock_seed, sim):\n    print('\\nseed', repr(simsock_seed))\n    assert sim.seed == simsock_seed\n"


def seed_in(result):
    """The seed that the test printed."""
    return next(line for line in result.outlines if line.startswith("seed ")).partition(" ")[2]


def header_of(result):
    """The plugin's line of the header."""
    found = [line for line in result.outlines if line.startswith("simsock ")]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(("args", "seed"), [((), "0"), (("--simsock-seed=12",), "12"), (("--simsock-seed=-1",), "-1")])
def test_the_seed_is_that_of_the_command_line_or_0_and_the_header_shows_it(project, args, seed):
    project.write_plain(SEED)
    result = project.run("-s", *args)
    assert seed_in(result) == seed
    assert header_of(result) == f"simsock {simsock.__version__}, seed {seed}, network sim"


def test_a_random_seed_is_another_one_each_time_and_is_shown(project):
    project.write_plain(SEED)
    results = [project.run("-s", "--simsock-seed=random") for _ in range(3)]
    seeds = [seed_in(result) for result in results]
    assert len(set(seeds)) > 1
    assert [header_of(result) for result in results] == [f"simsock {simsock.__version__}, seed {seed}, network sim" for seed in seeds]


def test_the_last_seed_is_remembered_in_pytests_cache(project):
    project.write_plain(SEED)
    first = project.pytester.runpytest_inprocess(*project.without, "-s", "--simsock-seed=random")
    project.pytester.runpytest_inprocess(*project.without, "-s")  # the default is nothing to remember
    assert seed_in(project.pytester.runpytest_inprocess(*project.without, "-s", "--simsock-seed=last")) == seed_in(first)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--simsock-seed=rnadom",), "--simsock-seed: expected a whole number, 'random' or 'last', got 'rnadom'"),
        (("--simsock-seed=last",), "--simsock-seed=last: no seed is remembered here*"),
        (("--simsock-seed=last", "-p", "no:cacheprovider"), "--simsock-seed=last needs pytest's cache, which is switched off*"),
        (("--simsock-schedules=0",), "--simsock-schedules: expected a whole number from 1, got '0'"),
        (("--simsock-schedules=many",), "--simsock-schedules: expected a whole number from 1, got 'many'"),
        (("--simsock-network=moon",), "--simsock-network: expected one of sim, real, both, got 'moon'"),
        (("--simsock-replay=simsock1.abc",), "--simsock-replay: the token *"),
        (("--simsock-replay=hello",), "--simsock-replay: this is no simsock token*"),
    ],
)
def test_an_option_that_makes_no_sense_stops_pytest_and_says_why(project, args, said):
    project.write_plain(SEED)
    result = project.pytester.runpytest_inprocess(*project.without, *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}"])


@pytest.mark.parametrize(("line", "said"), [("simsock_seed = x", "simsock_seed: expected*'x'"), ("simsock_network = x", "simsock_network: expected*'x'")])
def test_a_mistake_in_the_ini_file_names_the_option(project, line, said):
    project.pytester.makeini(f"[pytest]\n{line}\n")
    project.run().stderr.fnmatch_lines([f"ERROR: ini option {said}"])


def test_the_ini_file_gives_defaults(project):
    project.pytester.makeini("[pytest]\nsimsock_seed = 9\nsimsock_network = both\n")
    project.write_plain(SEED)
    assert header_of(project.run()) == f"simsock {simsock.__version__}, seed 9, network both"
    assert seed_in(project.run("-s", "--simsock-seed=4")) == "4"


def test_a_seed_fixture_does_not_need_a_world(project):
    project.write_plain("def test_it(simsock_seed):\n    assert simsock_seed == 3\n")
    project.run("--simsock-seed=3").assert_outcomes(passed=1)


def test_a_replay_runs_every_selected_test_once_when_the_token_names_none_of_them(project):
    token = simsock.Simulation(seed=5).token
    project.write_plain("import pytest\n@pytest.mark.simsock(schedules=9)\ndef test_it(sim, simsock_seed):\n    print('\\nrun with', simsock_seed)\n")
    result = project.run("-s", f"--simsock-replay={token}")
    result.assert_outcomes(passed=1)
    assert [line for line in result.outlines if line.startswith("run")] == ["run with 5"]


def test_a_replay_does_not_let_the_test_out_of_its_world_unless_its_marker_does(project):
    token = simsock.Simulation(patch=False).token
    project.write_plain("import pytest\ndef test_it(sim): pass\n")
    result = project.run(f"--simsock-replay={token}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*; a token, which asks for: patch=False", "*lets the program reach out of its world*"])
    project.write_plain("import pytest\n@pytest.mark.simsock(patch=False)\ndef test_it(sim): assert not sim.options.patch\n")
    project.run(f"--simsock-replay={token}").assert_outcomes(passed=1)
