"""``--simsock-session``: worlds of one test, or of tests that follow each other, share what stands in for the standard modules."""

from __future__ import annotations

import pytest

TESTS = """
    import time
    import types
    import pytest
    from hypothesis import given, settings
    from simsock import Simulation
    from simsock.strategies import simulations

    seen = []

    def note():
        seen.append(type(time.sleep) is types.BuiltinFunctionType)

    @pytest.fixture
    def before():
        note()
        began = time.perf_counter()
        time.sleep(0.01)
        assert time.perf_counter() - began >= 0.01

    def test_1(before, sim):
        time.sleep(3600)
        assert round(sim.now, 4) == 3600

    def test_2(before, sim):
        time.sleep(7200)
        assert round(sim.now, 4) == 7200

    @pytest.mark.simsock(schedules=3)
    def test_3(before, sim):
        time.sleep(1)

    def test_4():
        note()
        with Simulation():
            time.sleep(1)
        note()

    def test_5(before, sim):
        pass

    @settings(max_examples=3, deadline=None, database=None)
    @given(simulations())
    def test_6(sim):
        note()
        with sim:
            time.sleep(1)

    def test_7():
        note()
        print("SEEN", "".join("xO"[original] for original in seen), "END")
"""


@pytest.mark.parametrize(("arguments", "seen"), [([], "OOOxxOOOOO"), (["--simsock-session=test"], "OOOxxOOOOO"), (["--simsock-session=run"], "OxOxxOOOOO")])
def test_tests_in_worlds_share_them_until_one_comes_that_asks_for_none(pytester, arguments, seen):
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-n0", "-s", *arguments)
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines([f"*SEEN {seen} END*"])


def test_the_ini_file_may_say_so_too_and_a_mistake_is_told(pytester):
    pytester.makepyfile(TESTS)
    pytester.makeini("[pytest]\nsimsock_session = run\n")
    pytester.runpytest_subprocess("-p", "no:randomly", "-n0", "-s").stdout.fnmatch_lines(["*SEEN OxOxxOOOOO END*"])
    result = pytester.runpytest_subprocess("--simsock-session=always")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--simsock-session: expected one of run, test, got 'always'*"])


def test_whatever_ends_the_run_everything_is_as_it_was(pytester):
    pytester.makepyfile(
        """
        import os

        def test_1(sim):
            pass

        def test_2(sim):
            raise KeyboardInterrupt

        def test_3(sim):
            pass
        """
    )
    pytester.makeconftest(
        """
        import time
        import types

        def pytest_unconfigure():
            print("ORIGINAL", type(time.sleep) is types.BuiltinFunctionType)
        """
    )
    for more in (["--simsock-session=test"], ["--simsock-session=run"]):
        result = pytester.runpytest_subprocess("-s", *more)
        result.stdout.fnmatch_lines(["*ORIGINAL True*"])
        assert "ORIGINAL False" not in result.stdout.str()
