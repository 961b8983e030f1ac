"""Beside other plugins, and where nobody asked for this one."""

from __future__ import annotations

import re

import pytest

PLAIN = """
    import sys

    def test_one():
        pass

    def test_two(tmp_path):
        loaded = sorted(name for name in sys.modules if name.partition(".")[0] == "simsock")
        assert loaded == []
        assert not {"greenlet", "pytest_simsock.worlds", "pytest_simsock.searching", "pytest_simsock.telling"} & set(sys.modules)
"""


def test_nothing_is_loaded_for_a_project_that_does_not_use_it(project):
    project.write_plain(PLAIN)
    result = project.run_apart()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["simsock *, seed 0, network sim"])


def test_it_can_be_switched_off(project):
    project.write_plain(PLAIN)
    result = project.run_apart("-p", "no:pytest_simsock")
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("simsock*")


def test_it_can_be_named_although_it_is_loaded_already(project):
    project.write_plain(PLAIN)
    project.run_apart("-p", "pytest_simsock").assert_outcomes(passed=2)


def test_fixtures_of_a_project_by_the_same_names_are_left_alone(project):
    project.write_plain(
        """
        import pytest

        @pytest.fixture
        def testbed():
            return 1

        @pytest.fixture(scope="session")
        def sim():
            return 2

        def test_it(testbed, sim):
            assert (testbed, sim) == (1, 2)
        """,
        PLAIN,
    )
    result = project.run_apart("--simsock-network=both", "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["test_it.py::test_it PASSED*"])


def test_nothing_is_written_to_the_cache_without_a_seed_to_remember(project):
    project.write_plain(PLAIN)
    project.run_apart()
    assert not list(project.pytester.path.rglob("simsock"))


ENDLESS = """
    import pytest
    import pytest_simsock.searching  # now, and not when the clock runs

    limited = pytest.mark.timeout(0.5)

    def endless():
        while True:
            pass

    def test_before(sim):
        pass  # the first world of the process looks through all that it has: not while the clock runs

    @pytest.fixture
    def endless_fixture(sim):
        endless()

    @limited
    def test_in_the_test(sim):
        endless()

    @limited
    def test_in_a_task(sim):
        sim.spawn(endless).result()

    @limited
    @pytest.mark.parametrize("testbed", ["real"], indirect=True)
    def test_in_a_real_testbed(testbed):
        endless()

    @limited
    def test_in_a_fixture(endless_fixture):
        pass

    @limited
    @pytest.mark.simsock(schedules=1000000)
    def test_in_a_search(sim):
        pass

    @limited
    @pytest.mark.simsock(schedules=5, preempt="calls")
    def test_in_a_schedule(sim):
        endless()

    runs = []

    @limited
    @pytest.mark.simsock(schedules=5, preempt="calls")
    def test_while_shrinking(sim):
        runs.append(1)
        if len(runs) > 1:
            endless()
        assert 0

    def test_next(sim):
        assert sim.now == 0
"""


def test_a_timeout_by_signal_ends_each_test_wherever_it_strikes(project):
    project.write_plain(ENDLESS)
    result = project.run_apart("--timeout-method=signal", "-rfEp")
    came = re.findall(r"^(FAILED|ERROR|PASSED) test_it.py::(\w+)", result.stdout.str(), re.MULTILINE)
    # A search may be anywhere when the time is over: in a call, in a setup, or in a teardown after a call that passed.
    assert {name for what, name in came if what != "PASSED"} == set(re.findall(r"test_in_\w+", ENDLESS)) | {"test_while_shrinking"}
    assert ("PASSED", "test_next") in came and ("FAILED", "test_next") not in came
    assert len(re.findall(r"^E +Failed: Timeout \(>0.5s\) from pytest-timeout.$", result.stdout.str(), re.MULTILINE)) == 6
    result.stdout.fnmatch_lines(["not shrunk: the test's timeout struck while it was"])


BEGINNINGS_AND_ENDS = [
    "simsock.kernel.preempt.Preemption.enter",
    "simsock.kernel.session.Session.enter_world",
    "simsock.world.simulation.Simulation.__enter__",
    "simsock.world.simulation.Simulation._wind_down",
    "simsock.kernel.session.Session.leave_world",
    "pytest_simsock.worlds.Stage.add",
    "pytest_simsock.worlds.World.capture",
]
BETWEEN_PHASES = ["pytest_simsock.searching.Run.__init__", "pytest_simsock.searching.Search._phase"]


@pytest.mark.parametrize(
    ("marker", "where"),
    [("preempt='lines'", where) for where in BEGINNINGS_AND_ENDS] + [("schedules=5", where) for where in BEGINNINGS_AND_ENDS + BETWEEN_PHASES],
)
def test_a_timeout_in_a_moment_when_a_world_begins_or_ends_does_not_reach_the_next_test(project, marker, where):
    owner, _, name = where.rpartition(".")
    module, _, cls = owner.rpartition(".")
    project.write_plain(
        f"""
        import pytest
        from {module} import {cls}

        real = {cls}.{name}

        @pytest.fixture
        def strike(monkeypatch):
            def struck(*args, **options):
                came = real(*args, **options)
                if not strikes:
                    strikes.append(1)
                    pytest.fail("Timeout (>1.0s) from pytest-timeout.")
                return came
            monkeypatch.setattr({cls}, "{name}", struck)

        strikes = []

        @pytest.mark.simsock({marker})
        def test_struck(strike, sim):
            sim.sleep(1)

        def test_next(sim):
            sim.sleep(1)
        """
    )
    result = project.run()
    came = result.parseoutcomes()
    assert came.pop("passed") == 1 and sum(came.values()) == 1
    result.stdout.fnmatch_lines(["*Failed: Timeout (>1.0s) from pytest-timeout.*"])


def test_a_timeout_by_thread_ends_pytest_as_usual(project):
    project.write_plain(ENDLESS)
    result = project.run_apart("--timeout-method=thread", "test_it.py::test_in_a_task")
    assert result.ret == 1
    assert "+ Timeout +" in result.stderr.str() + result.stdout.str()


def test_an_interrupt_in_a_task_ends_the_session_as_usual(project):
    project.write_plain(
        """
        import os, signal

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

        def interrupt():
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(10**8): pass

        def test_it(sim):
            sim.spawn(interrupt).result()

        def test_next(sim):
            pass
        """
    )
    result = project.run_apart()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*", "*no tests ran*"])


def test_a_worlds_own_limit_breaks_an_endless_loop_without_any_plugin(project):
    project.write_plain(
        """
        import pytest

        def endless():
            while True:
                pass

        @pytest.mark.simsock(max_real_time=0.3)
        def test_endless(sim):
            sim.spawn(endless).result()

        @pytest.mark.simsock(max_real_time=0.3, schedules=100)
        def test_searched(sim):
            sim.spawn(endless).result()
        """
    )
    result = project.run_apart()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*RealTimeLimit*task endless-1 at test_it.py:*"])


def test_assertions_are_told_in_full_and_once(project):
    project.write("def test_it(sim):\n    left = [1, 2]\n    sim.settle()\n    assert left == [1, 3]")
    text = project.run().stdout.str()
    assert len(re.findall(r"^E +At index 1 diff: 2 != 3$", text, re.MULTILINE)) == 1


def test_setup_only_and_setup_plan_leave_worlds_as_they_should(project):
    project.write("@pytest.mark.simsock(schedules=5)\ndef test_it(sim): assert False\ndef test_bed(testbed): assert False")
    for option in ("--setup-only", "--setup-plan"):
        result = project.run(option)
        assert result.ret == pytest.ExitCode.OK
        result.stdout.fnmatch_lines(["*SETUP*F sim*"])
