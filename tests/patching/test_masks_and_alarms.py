"""Blocked and pending signals, waiting for them, and interval timers, on the virtual clock, with the errors of CPython."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time

import pytest

import simsock

pytestmark = pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals are set in the main thread")

ONE, TWO = signal.SIGUSR1, signal.SIGUSR2


def send(number=ONE):
    os.kill(os.getpid(), number)


@pytest.fixture
def seen(world):
    """Within a world, the numbers of the signals that were handled, each with the time."""
    with world() as sim:
        noted = []
        for number in (ONE, TWO, signal.SIGALRM):
            signal.signal(number, lambda number, frame: noted.append((number, round(sim.now, 4))))
        yield noted


def test_what_is_blocked_is_pending_once_and_handled_when_it_is_let_in(seen):
    assert signal.pthread_sigmask(signal.SIG_BLOCK, [ONE, signal.SIGKILL]) == set()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == {ONE}
    send()
    send()
    assert (seen, signal.sigpending()) == ([], {ONE})
    assert signal.pthread_sigmask(signal.SIG_UNBLOCK, [ONE]) == {ONE}
    assert (seen, signal.sigpending()) == ([(ONE, 0)], set())


def test_real_time_signals_are_kept_one_by_one(seen):
    number = signal.SIGRTMIN + 1
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    send(number)
    send(number)
    assert [signal.sigtimedwait([number], 0) is not None for _ in range(3)] == [True, True, False]


def test_a_blocked_signal_that_is_ignored_is_pending_all_the_same(seen):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    send(signal.SIGCHLD)
    assert signal.sigpending() == {signal.SIGCHLD}
    assert signal.sigwait([signal.SIGCHLD]) == signal.SIGCHLD


def test_threads_begin_with_the_mask_of_who_starts_them(seen):
    signal.pthread_sigmask(signal.SIG_BLOCK, [ONE])
    masks = []
    thread = threading.Thread(target=lambda: masks.append(signal.pthread_sigmask(signal.SIG_SETMASK, [TWO])))
    thread.start()
    thread.join()
    assert masks == [{ONE}]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == {ONE}


def test_the_first_thread_that_does_not_block_it_takes_it_and_the_handler_runs_in_the_main_one(seen):
    def other():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [ONE])
        time.sleep(3)

    signal.pthread_sigmask(signal.SIG_BLOCK, [ONE])
    thread = threading.Thread(target=other)
    thread.start()
    threading.Timer(1, send).start()
    time.sleep(2)
    assert seen == [(ONE, 2)]
    thread.join()


def test_a_thread_that_waits_for_signals_takes_them(seen):
    signal.pthread_sigmask(signal.SIG_BLOCK, [ONE, signal.SIGTERM])
    took = []

    def wait():
        while signal.SIGTERM not in took:
            took.append(signal.sigwait([ONE, signal.SIGTERM]))

    thread = threading.Thread(target=wait)
    thread.start()
    for number in (ONE, ONE, signal.SIGTERM):
        time.sleep(1)
        send(number)
    thread.join()
    assert took == [ONE, ONE, signal.SIGTERM]
    assert seen == []


def test_sigwaitinfo_says_who_sent_it_and_sigtimedwait_how_long_it_waited(seen):
    signal.pthread_sigmask(signal.SIG_BLOCK, [ONE, signal.SIGALRM])
    threading.Timer(1, send).start()
    found = signal.sigwaitinfo([ONE])
    assert (found.si_signo, found.si_code, found.si_pid, found.si_uid) == (ONE, 0, os.getpid(), os.getuid())
    signal.setitimer(signal.ITIMER_REAL, 1)
    found = signal.sigtimedwait([signal.SIGALRM], 5)
    assert (found.si_signo, found.si_code, found.si_pid) == (signal.SIGALRM, 0x80, 0)
    before = time.monotonic()
    assert signal.sigtimedwait([ONE], 2.5) is None
    assert round(time.monotonic() - before, 4) == 2.5


def test_a_loop_that_looks_for_signals_in_vain_lets_time_pass(seen):
    signal.pthread_sigmask(signal.SIG_BLOCK, [ONE])
    threading.Timer(1, send).start()
    while signal.sigtimedwait([ONE], 0) is None:
        pass
    assert time.monotonic() >= 1001


def test_a_loop_on_what_is_pending_lets_time_pass(seen):
    signal.pthread_sigmask(signal.SIG_BLOCK, [ONE])
    threading.Timer(1, send).start()
    while ONE not in signal.sigpending():
        pass


def test_pause_ends_with_a_handler_in_whichever_thread_it_is(seen):
    signal.alarm(3)
    signal.pause()
    assert seen == [(signal.SIGALRM, 3)]
    thread = threading.Thread(target=signal.pause)
    thread.start()
    time.sleep(1)
    assert thread.is_alive()
    signal.pthread_kill(thread.ident, ONE)
    thread.join()
    assert seen[1:] == [(ONE, 4)]


def test_a_pause_that_nobody_ends_is_a_deadlock(world):
    with pytest.raises(simsock.Deadlock, match="pause"), world():
        signal.pause()
    with pytest.raises(simsock.Deadlock, match="sigwait SIGUSR1 or SIGUSR2"), world():
        signal.sigwait([ONE, TWO])


def test_timers_ring_when_they_are_set_to_and_say_what_is_left(seen):
    assert signal.setitimer(signal.ITIMER_REAL, 0.2, 0.3) == (0, 0)
    time.sleep(1)
    assert seen == [(signal.SIGALRM, at) for at in (0.2, 0.5, 0.8)]
    rest, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    assert (round(rest, 4), interval) == (0.1, 0.3)
    time.sleep(1)
    assert len(seen) == 3
    assert [signal.alarm(seconds) for seconds in (5, 3, 0, 0)] == [0, 5, 3, 0]
    for left, told in ((2.2, 2), (2.7, 3), (0.2, 1)):  # rounded, but never to nothing
        signal.setitimer(signal.ITIMER_REAL, left)
        assert signal.alarm(0) == told
    assert signal.setitimer(signal.ITIMER_REAL, 0, 5) == signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_timers_of_processor_time_go_by_the_same_clock(world):
    rang = []
    with world() as sim:
        for number in (signal.SIGVTALRM, signal.SIGPROF):
            signal.signal(number, lambda number, frame: rang.append((number, sim.now)))
        signal.setitimer(signal.ITIMER_VIRTUAL, 2)
        signal.setitimer(signal.ITIMER_PROF, 1)
        time.sleep(5)
    assert rang == [(signal.SIGPROF, 1), (signal.SIGVTALRM, 2)]


def test_an_alarm_breaks_a_loop_that_works_in_python_only_at_lines(world):
    def late(number, frame):
        raise TimeoutError

    def work():
        number = 0
        while True:
            number += len(str(number))
            time.monotonic()

    with world() as sim:
        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        with pytest.raises(TimeoutError):
            work()
        assert 0.01 <= sim.now < 0.02


def test_the_numbers_of_signals_are_written_to_the_wakeup_descriptor(seen):
    a, b = socket.socketpair()
    reader, writer = os.pipe()
    with a, b:
        with pytest.raises(ValueError, match=f"the fd {b.fileno()} must be in non-blocking mode"):
            signal.set_wakeup_fd(b.fileno())
        b.setblocking(False)
        assert signal.set_wakeup_fd(b.fileno()) == -1
        threading.Timer(1, send).start()
        assert select.select([a], [], [], 5)[0] == [a]
        assert a.recv(10) == bytes((ONE,))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send(signal.SIGTERM)
        send(TWO)
        assert a.recv(10) == bytes((TWO,))
        os.set_blocking(writer, False)
        assert signal.set_wakeup_fd(writer) == b.fileno()
        send()
        assert os.read(reader, 10) == bytes((ONE,))
        assert signal.set_wakeup_fd(-1) == writer
        with pytest.raises(OSError, match="Bad file"):
            signal.set_wakeup_fd(98765)
        with pytest.raises(simsock.Unsupported, match=r"set_wakeup_fd\(0\): a real descriptor"):
            signal.set_wakeup_fd(0)
    os.close(reader)
    os.close(writer)


def test_a_wakeup_descriptor_without_room_is_told_once_the_signal_comes(seen, capsys, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, bytes(65536))
    signal.set_wakeup_fd(writer)
    send()
    assert "Exception ignored when trying to write to the signal wakeup fd:\nBlockingIOError" in capsys.readouterr().err
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    send()
    assert capsys.readouterr().err == ""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told_of: told.append((told_of.exc_type, str(told_of.exc_value), told_of.object)))
    signal.set_wakeup_fd(writer)
    send()
    assert told == [(BlockingIOError, "[Errno 11] Resource temporarily unavailable", None)]
    assert len(seen) == 3
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: signal.sigtimedwait([ONE], -1), ValueError, "timeout must be non-negative"),
        (lambda: signal.pthread_sigmask(99, []), OSError, "Invalid argument"),
        (lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [0]), ValueError, r"signal number 0 out of range \[1; 64\]"),
        (lambda: signal.pthread_sigmask(signal.SIG_BLOCK, 5), TypeError, "not iterable"),
        (lambda: signal.raise_signal(99), OSError, "Invalid argument"),
        (lambda: os.kill(os.getpid(), 99), OSError, "Invalid argument"),
        (lambda: signal.signal(99, signal.SIG_DFL), ValueError, "signal number out of range"),
        (lambda: signal.signal(signal.SIGKILL, signal.SIG_DFL), OSError, "Invalid argument"),
        (lambda: signal.signal(ONE, None), TypeError, "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object"),
        (lambda: signal.getsignal(65), ValueError, "signal number out of range"),
        (lambda: signal.siginterrupt(0, True), ValueError, "signal number out of range"),
        (lambda: signal.setitimer(9, 1), signal.ItimerError, "Invalid argument"),
        (lambda: signal.setitimer(0, -1), signal.ItimerError, "Invalid argument"),
        (lambda: signal.getitimer(7), signal.ItimerError, "Invalid argument"),
        (lambda: signal.alarm(1 << 40), OverflowError, "too large"),
        (lambda: signal.set_wakeup_fd(-5), OSError, "Bad file"),
    ],
)
def test_wrong_arguments_have_cpython_s_errors(seen, call, error, words):
    with pytest.raises(error, match=words):
        call()
