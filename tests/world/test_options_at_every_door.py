"""Options of worlds are named once: every door takes all of them, and the documentation names them."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

import simsock
from pytest_simsock.configuring import MARKER
from simsock import UsageError, testing
from simsock.kernel import strategies
from simsock.net.link.profiles import make_link
from simsock.scenario import importable, read
from simsock.scenario.running import ScenarioTest, search_options
from simsock.scenario.schema import MODELS
from simsock.strategies import simulations
from simsock.world.options import WORLD_OPTIONS, Options
from simsock.world_arguments import ARGUMENTS, add_world_arguments, world_options

ROOT = Path(__file__).resolve().parent.parent.parent
VALUES = {
    "strategy": "random",
    "preempt": "calls",
    "scope": [str(ROOT)],
    "link": "3g",
    "loopback": True,
    "chunks": "bytes",
    "sends": "bytes",
    "stalls": "50ms",
    "collect": "random",
    "asyncio_order": "any",
    "entropy": "tape",
    "start_time": "2020-02-29",
    "max_steps": 5_000,
    "max_time": "1h",
    "max_real_time": 30,
    "patch": False,
    "keep_imports": True,
    "fresh": (),
    "allow": (),
    "require_faults": True,
    "tls_time": "world",
}
"""One value of each; a new option needs one more."""
TOGETHER = {**VALUES, "require_faults": False, "tls_time": "real"}
"""For worlds in which nothing is sent, so that nothing takes effect."""


def named_in(text: str) -> set[str]:
    """The options that a text names as keywords."""
    return set(re.findall(r"\b([a-z_]+)=", text))


def test_there_is_a_value_for_each():
    assert set(VALUES) == set(WORLD_OPTIONS)


@pytest.mark.parametrize("option", WORLD_OPTIONS)
def test_explore_takes_it(option):
    assert simsock.explore(lambda sim: sim.sleep(1), 2, **{option: VALUES[option]}).status == "inconclusive"


@pytest.mark.parametrize("option", WORLD_OPTIONS)
def test_the_command_takes_it(option):
    parser = argparse.ArgumentParser()
    add_world_arguments(parser)
    special = {
        "scope": ["--scope", str(ROOT)],
        "patch": ["--no-patch"],
        "allow": [],
        "fresh": [],
        "loopback": ["--loopback"],
        "keep_imports": ["--keep-imports"],
        "require_faults": ["--require-faults"],
    }
    written = special.get(option, [f"--{option.replace('_', '-')}", str(VALUES[option])])
    given = world_options(parser.parse_args(written))
    assert given == ({option: VALUES[option]} if written else {})
    assert set(ARGUMENTS) == set(WORLD_OPTIONS)
    assert set(strategies.NAMES) <= set(re.findall(r"[\w:]+", ARGUMENTS["strategy"][0]["help"]))


def test_the_command_reads_links_cuts_packages_and_peers():
    parser = argparse.ArgumentParser()
    add_world_arguments(parser)

    def read(*words):
        return world_options(parser.parse_args(words))

    assert repr(read("--link", "loss=1%,latency=80ms")["link"]) == repr(simsock.Link(loss="1%", latency="80ms"))
    changed = read("--link", "3g,keep-order=true", "--link", "loss=0")["link"]
    assert (changed.latency_ns, changed.loss) == (make_link("3g").latency_ns, 0)
    assert read("--chunks", "1,100") == {"chunks": [1, 100]}
    assert read("--fresh", "bank", "--fresh", "till") == {"fresh": ["bank", "till"]}
    assert read("--chunks", "random") == {"chunks": "random"}
    assert read("--max-time", "2.5", "--start-time", "0") == {"max_time": 2.5, "start_time": 0}
    with pytest.raises(UsageError, match="unknown impairment losss"):
        read("--link", "losss=1%")
    with pytest.raises(UsageError, match="neither a folder or file, nor a module"):
        read("--scope", "nowhere.at.all")
    assert read("--allow", "127.0.0.1:80", "--allow", "[::1]:80") == {"allow": ["127.0.0.1:80", "[::1]:80"]}


@pytest.mark.parametrize("option", WORLD_OPTIONS)
def test_simulations_takes_it(option):
    @settings(max_examples=1, database=None, phases=[Phase.generate], deadline=None)
    @given(simulations(**{option: VALUES[option]}))
    def test(sim):
        with sim:
            sim.sleep(1)

    test()


def test_a_test_case_takes_all():
    class Case(testing.SimulationTestCase):
        def test_it(self):
            self.sim.sleep(1)

    for name, value in TOGETHER.items():
        setattr(Case, f"sim_{name}", value)
    assert Case("test_it").run().wasSuccessful()


def test_a_marker_takes_all(pytester):
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.simsock(schedules=3, **{TOGETHER!r})\ndef test_it(sim):\n    sim.sleep(1)\n")
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_scenario_takes_all_but_the_condition_of_links_which_is_a_table_of_its_own():
    assert set(WORLD_OPTIONS) - set(MODELS["search"].model_fields) == {"link"}


@pytest.mark.parametrize("link", ["busy", "phone"])
def test_every_door_takes_a_profile_that_says_what_machines_are_like(link, pytester, tmp_path):
    """Each of them is asked what its world stalls by."""
    stalls = {"busy": "50ms", "phone": "random"}[link]
    seen = []
    simsock.explore(lambda sim: seen.append(sim.options.stalls), 2, link=link)

    @settings(max_examples=1, database=None, phases=[Phase.generate], deadline=None)
    @given(simulations(link=link))
    def drawn(sim):
        with sim:
            seen.append(sim.options.stalls)

    drawn()

    class Case(testing.SimulationTestCase):
        sim_link = link

        def test_it(self):
            seen.append(self.sim.options.stalls)

    assert Case("test_it").run().wasSuccessful()
    parser = argparse.ArgumentParser()
    add_world_arguments(parser)
    for words in (link, f"{link},latency=1ms"):
        seen.append(simsock.Simulation(**world_options(parser.parse_args(["--link", words]))).options.stalls)
    (tmp_path / "asked.py").write_text("import socketserver\n\nclass Handler(socketserver.BaseRequestHandler):\n    pass\n")
    head = "[scenario]\nname = 'asked'\nabout = 'what it is besides'\nexpect = 'inconclusive'\n"
    head += "[server]\nhandler = 'asked:Handler'\n[clients]\ncount = 1\nsend = 'x'\n"
    for table in (f"link = '{link}'\n{head}", f"{head}[link]\nprofile = '{link}'\nlatency = '1ms'\n"):
        (tmp_path / "asked.toml").write_text(table)
        plan = read(str(tmp_path / "asked.toml"))
        with importable(plan, None):
            asked = search_options(ScenarioTest(plan, None), plan)
        seen.append(Options(**{name: value for name, value in asked.items() if name in WORLD_OPTIONS}).stalls)
    assert set(seen) == {stalls} and len(seen) == 8, seen
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.simsock(link={link!r})\ndef test_it(sim):\n    assert sim.options.stalls == {stalls!r}\n")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_the_documentation_names_all():
    text = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    [marker] = re.findall(r"^`@pytest\.mark\.simsock\((.*?)\)`", text, re.MULTILINE | re.DOTALL)
    assert named_in(marker) == named_in(MARKER) - {"N"} == {"seed", "schedules", "world", "runner", *WORLD_OPTIONS}
    assert simsock.Simulation.__doc__ is not None
    assert set(WORLD_OPTIONS) <= set(re.findall(r"``([a-z_]+)``", simsock.Simulation.__doc__))


def test_a_name_that_is_none_is_told_with_the_nearest():
    for door in (lambda **options: simsock.explore(lambda sim: None, **options), simsock.Simulation, lambda **options: simulations(**options)):
        with pytest.raises(UsageError, match="unknown option 'strateg'; did you mean 'strategy'"):
            door(strateg="random")
