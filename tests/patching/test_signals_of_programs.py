"""Signal handlers and timers that a program sets in a world end with the world."""

from __future__ import annotations

import signal
import threading

import pytest

pytestmark = pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals are set in the main thread")


@pytest.fixture
def alarm():
    """The handler and the timer of somebody who had them before."""

    def theirs(number, frame):
        struck.append(number)

    struck: list[int] = []
    before, timer = signal.signal(signal.SIGALRM, theirs), signal.setitimer(signal.ITIMER_REAL, 100, 50)
    yield theirs
    signal.setitimer(signal.ITIMER_REAL, *timer)
    signal.signal(signal.SIGALRM, before)


def test_a_handler_of_the_program_is_gone_after_its_world_and_what_was_there_is_there(world, alarm):
    with world():
        assert signal.getsignal(signal.SIGALRM) is alarm
        assert signal.signal(signal.SIGALRM, print) is alarm
        assert signal.signal(signal.SIGALRM, repr) is print
        signal.signal(signal.SIGUSR1, print)
    assert signal.getsignal(signal.SIGALRM) is alarm
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_handlers_of_before_are_as_they_were_also_where_nothing_is_patched(world, alarm):
    import simsock

    with simsock.Simulation(patch=False):
        pass
    assert signal.getsignal(signal.SIGALRM) is alarm


@pytest.mark.parametrize("set_it", [lambda: signal.alarm(5), lambda: signal.setitimer(signal.ITIMER_REAL, 3)])
def test_a_timer_of_the_program_is_gone_and_one_of_before_goes_on(world, alarm, set_it):
    with world():
        set_it()
        set_it()
    rest, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 90 < rest <= 100 and interval == 50


def test_a_timer_that_nobody_had_before_is_gone(world):
    with world():
        signal.signal(signal.SIGVTALRM, print)
        signal.setitimer(signal.ITIMER_VIRTUAL, 30)
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)


def test_they_go_when_the_world_fails_as_well(world, alarm):
    with pytest.raises(LookupError), world():
        signal.signal(signal.SIGUSR1, print)
        signal.alarm(50)
        raise LookupError
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    assert 90 < signal.getitimer(signal.ITIMER_REAL)[0] <= 100


def test_a_handler_that_strikes_in_a_world_is_called_with_its_number(world):
    struck = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: struck.append(number))
    try:
        with world():
            signal.raise_signal(signal.SIGUSR1)
            assert struck == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)
