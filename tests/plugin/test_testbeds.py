"""The fixture ``testbed``: one test on a simulated network, on loopback, or on both."""

from __future__ import annotations

import pytest

ECHO = """
    def test_echo(testbed):
        served = testbed.serve(Counter, Count)
        assert visit(testbed, served) == b"1\\n"
        assert testbed.spawn(visit, testbed, served).result() == b"2\\n"
        print("\\nran on", testbed.kind)
"""
REFUSED = """
    def test_refused(testbed):
        assert visit(testbed, testbed.serve(Refuse)) == b""
"""


@pytest.mark.parametrize(
    ("network", "kinds"),
    [(None, ["sim"]), ("sim", ["sim"]), pytest.param("real", ["real"], marks=pytest.mark.real), pytest.param("both", ["sim", "real"], marks=pytest.mark.real)],
)
def test_the_network_is_that_of_the_command_line(project, network, kinds):
    project.write(ECHO)
    result = project.run("-s", "-v", *([] if network is None else [f"--simsock-network={network}"]))
    result.assert_outcomes(passed=len(kinds))
    assert [line.split()[2] for line in result.outlines if line.startswith("ran on")] == kinds
    for kind in kinds:
        result.stdout.fnmatch_lines([f"test_it.py::test_echo[[]{kind}[]]*"])


@pytest.mark.real
def test_what_a_handler_raises_fails_the_call_on_both_networks(project):
    project.write(REFUSED)
    reports = [report for report in project.reports("--simsock-network=both") if report.failed]
    assert [(report.nodeid.partition("[")[2], report.when) for report in reports] == [("sim]", "call"), ("real]", "call")]
    assert all("ValueError: refused" in report.longreprtext for report in reports)


@pytest.mark.real
def test_expected_errors_do_not_fail_the_test_on_both_networks(project):
    project.write(REFUSED.replace("assert", "testbed.expect_errors(ValueError, match='refused')\n        assert"))
    project.run("--simsock-network=both").assert_outcomes(passed=2)


@pytest.mark.real
def test_fixtures_that_depend_on_the_testbed_are_finished_before_it_ends(project):
    project.write(
        """
        @pytest.fixture
        def served(testbed):
            served = testbed.serve(Counter, Count)
            yield served
            assert visit(testbed, served) == b"2\\n"

        def test_it(served, testbed):
            assert visit(testbed, served) == b"1\\n"
        """
    )
    project.run("--simsock-network=both").assert_outcomes(passed=2)


@pytest.mark.real
def test_a_test_may_say_itself_which_networks_it_runs_on(project):
    project.write("@pytest.mark.parametrize('testbed', ['real'], indirect=True)", ECHO)
    result = project.run("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["ran on real"])


def test_an_override_of_the_testbed_gets_ours(project):
    project.write("@pytest.fixture\ndef testbed(testbed):\n    testbed.expect_errors(ValueError)\n    return testbed\n", REFUSED)
    result = project.run("-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_refused[[]sim[]]*"])


def test_a_testbed_shares_the_world_of_sim(project):
    project.write("def test_it(testbed, sim):\n    visit(testbed, testbed.serve(Counter, Count))\n    assert testbed.sim is sim and sim.records")
    project.run().assert_outcomes(passed=1)


def test_a_real_testbed_beside_a_world_is_an_error(project):
    project.write("def test_it(testbed, sim):\n    pass\ndef test_other(sim, testbed):\n    pass")
    result = project.run("--simsock-network=real")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*asks for both sim and testbed cannot run on the real network"])
