"""A timeout that strikes in the middle of a search, at one call after another: it ends that search, and harms nothing else."""

from __future__ import annotations

import re

STRIKES = """
    import ctypes
    import signal
    import sys

    import pytest
    from pytest_simsock import shelter

    def strike(number, frame):
        pytest.fail("Timeout (>1.0s) from pytest-timeout.")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(item):
        after = item.get_closest_marker("strikes_after")
        if after is None:
            return (yield)
        calls = 0

        def count(frame, event, argument):
            nonlocal calls
            calls += shelter.is_active()  # from where the search begins
            if calls == after.args[0] and shelter.is_active():
                ctypes.PyDLL(None)["raise"](signal.SIGALRM)

        before = signal.signal(signal.SIGALRM, strike)
        sys.setprofile(count)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            signal.signal(signal.SIGALRM, before)

    def pytest_configure(config):
        config.addinivalue_line("markers", "strikes_after(calls): a timeout of our own")
"""

SEARCHES = """
    import gc

    import pytest

    @pytest.fixture
    def before(sim):
        spend(sim)
        yield
        spend(sim)

    def spend(sim):
        for _ in range(30):
            sim.sleep(1)

    def test_first():
        pass  # other plugins' fixtures of the session are made for it: struck, they would fail every test, as without a search

    {tests}

    def test_next(sim):
        assert sim.now == 0
"""


def search(calls):
    return f"""
    @pytest.mark.strikes_after({calls})
    @pytest.mark.simsock(schedules=1000000, preempt="calls")
    def test_{calls}(sim, before):
        spend(sim)
"""


def test_a_strike_at_any_call_ends_its_search_and_harms_no_other_test(project):
    numbers = [*range(1, 3_000, 171), *range(2_001, 2_015)]
    project.write_plain(STRIKES, name="conftest")
    project.write_plain(SEARCHES.format(tests="".join(map(search, numbers))))
    result = project.run_apart("-rfEp")
    came = re.findall(r"^(FAILED|ERROR|PASSED) test_it.py::(\w+)", result.stdout.str(), re.MULTILINE)
    assert sorted(name for what, name in came if what != "PASSED") == sorted(f"test_{number}" for number in numbers)
    assert ("PASSED", "test_next") in came
    assert len(re.findall(r"^E +Failed: Timeout \(>1.0s\) from pytest-timeout.$", result.stdout.str(), re.MULTILINE)) >= len(numbers)


def test_a_strike_that_a_finalizer_swallows_comes_again(project):
    project.write_plain(STRIKES, name="conftest")
    project.write_plain(
        """
        import ctypes
        import signal
        import sys

        import pytest

        class Finalized:
            def __del__(self):
                struck.append(1)
                ctypes.PyDLL(None)["raise"](signal.SIGALRM)  # raises here, where Python prints what is raised, and goes on

        struck = []

        @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
        @pytest.mark.strikes_after(-1)
        @pytest.mark.simsock(schedules=1000000, preempt="calls")
        def test_it(sim):
            if not struck:
                Finalized()

        def test_after():
            assert struck == [1]
        """
    )
    result = project.run_apart()
    result.assert_outcomes(passed=1, failed=1)


def test_the_handler_is_the_owners_again_after_a_search(project):
    project.write_plain(STRIKES, name="conftest")
    project.write_plain(
        """
        import signal

        import pytest
        from pytest_simsock import shelter

        @pytest.mark.strikes_after(-1)
        @pytest.mark.simsock(schedules=2, preempt="calls")
        def test_it(sim):
            assert shelter.is_active()
            assert shelter._shelter.exposed == 1

        def test_after():
            assert not shelter.is_active() and signal.getsignal(signal.SIGALRM) in (signal.SIG_DFL, signal.SIG_IGN)
        """
    )
    project.run_apart().assert_outcomes(passed=2)
