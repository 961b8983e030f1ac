"""Signal handlers and timers that a program sets in a world are the world's: what there is outside stays what it was, during it and after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import simsock
from tests.real_signals import strike

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
    with simsock.Simulation(patch=False):
        pass
    assert signal.getsignal(signal.SIGALRM) is alarm


def test_a_real_timer_from_before_runs_on_during_the_world_which_does_not_see_it(world, alarm):
    with world():
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        signal.setitimer(signal.ITIMER_REAL, 7, 2)
        assert signal.alarm(5) == 7
        time.sleep(1)
    rest, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 90 < rest <= 100 and interval == 50


def test_no_real_timer_is_left_by_a_world_however_it_ends(world):
    with pytest.raises(LookupError), world():
        signal.signal(signal.SIGALRM, print)
        signal.alarm(1)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
        raise LookupError
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert not 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1  # pytest-timeout's, if anybody's
    assert signal.getsignal(signal.SIGALRM) is not print


def test_an_alarm_that_is_due_when_the_world_ends_strikes_nobody(world):
    struck = []
    with world():
        signal.signal(signal.SIGALRM, lambda *_: struck.append(time.time()))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
    assert struck == []


def test_a_world_begins_without_the_handlers_timers_and_masks_of_the_one_before(world):
    with world():
        signal.signal(signal.SIGUSR1, print)
        signal.alarm(100)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        os.kill(os.getpid(), signal.SIGUSR2)
    with world():
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
        assert signal.alarm(0) == 0
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set() == signal.sigpending()


def test_a_handler_from_before_is_called_with_its_number(world):
    struck = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: struck.append(number))
    try:
        with world():
            signal.raise_signal(signal.SIGUSR1)
            assert struck == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_ctrl_c_is_python_s_to_the_program_and_stays_the_user_s_when_it_sets_another_handler(world):
    struck = []
    with pytest.raises(KeyboardInterrupt), world():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, lambda *_: struck.append(1))
        signal.raise_signal(signal.SIGINT)
        strike(signal.SIGINT)
        pytest.fail("went on")
    assert struck == [1]


def test_the_watchdog_s_own_signal_is_the_program_s_to_use(world):
    struck = []
    with pytest.raises(simsock.RealTimeLimit), world(max_real_time=0.3):
        signal.signal(signal.SIGUSR2, lambda *_: struck.append(1))
        os.kill(os.getpid(), signal.SIGUSR2)
        _spin()
    assert struck == [1]


def _spin():
    while True:
        pass


def test_worlds_off_the_main_thread_have_no_signals_as_cpython_has_none_there(world):
    said = []

    def run():
        with world():
            for call in (lambda: signal.signal(signal.SIGUSR1, print), lambda: os.kill(os.getpid(), signal.SIGUSR1)):
                with pytest.raises((ValueError, simsock.Unsupported)) as caught:
                    call()
                said.append(str(caught.value))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert said[0] == "signal only works in main thread of the main interpreter"
    assert "another thread than the main one" in said[1]


def test_a_process_that_was_started_with_signals_ignored_has_the_same_worlds():
    """As `nohup` starts one, and a shell in the background: asyncio, for one, looks whether Ctrl-C has Python's own handler."""
    program = (
        "import asyncio, signal, simsock\n"
        "with simsock.Simulation() as sim:\n"
        "    asyncio.run(asyncio.sleep(1))\n"
        "    print(signal.getsignal(signal.SIGHUP).name, signal.getsignal(signal.SIGPIPE).name, signal.getsignal(signal.SIGINT).__name__, sim._kernel.steps)\n"
    )

    def ignore():
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    told = [subprocess.run([sys.executable, "-c", program], preexec_fn=how, capture_output=True, text=True).stdout for how in (None, ignore)]
    assert told[0] == told[1]
    assert told[0].startswith("SIG_DFL SIG_IGN default_int_handler ")


def test_a_signal_that_a_program_ignored_before_its_world_is_ignored_in_it():
    former = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        with simsock.Simulation():
            assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
            signal.raise_signal(signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, former)
