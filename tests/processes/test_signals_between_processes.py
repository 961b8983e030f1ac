"""``os.kill`` among the processes of a world, handlers in children, and SIGCHLD."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from simsock import KilledBySignal, LeakWarning, Simulation, Unsupported
from simsock.kernel import session
from tests.processes.children import child, status_of


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_a_signal_that_a_child_does_not_handle_ends_it(world, number):
    pid = child(time.sleep, 1e6)
    time.sleep(1)
    os.kill(pid, number)
    assert status_of(pid) == -number
    assert round(world.now) == 1


def test_a_child_that_has_not_begun_can_be_killed(world):
    pid = child(time.sleep, 1e6)
    os.kill(pid, signal.SIGKILL)
    assert status_of(pid) == -signal.SIGKILL


def test_a_child_can_end_itself_by_a_signal(world):
    assert status_of(child(lambda: os.kill(os.getpid(), signal.SIGKILL))) == -signal.SIGKILL
    assert status_of(child(signal.raise_signal, signal.SIGTERM)) == -signal.SIGTERM


def test_to_look_whether_a_process_is_there(world):
    pid = child(time.sleep, 5)
    os.kill(pid, 0)
    time.sleep(6)
    os.kill(pid, 0)  # it has ended, and was not waited for
    os.waitpid(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_handler_of_a_child_runs_in_its_wait_which_goes_on_afterwards(world):
    reading, writing = os.pipe()

    def sleeper():
        signal.signal(signal.SIGTERM, lambda number, frame: os.write(writing, b"term at %d " % time.monotonic()))
        time.sleep(10)
        os.write(writing, b"woke at %d" % time.monotonic())
        return 5

    pid = child(sleeper)
    time.sleep(3)
    os.kill(pid, signal.SIGTERM)
    assert status_of(pid) == 5
    assert os.read(reading, 100) == b"term at 1003 woke at 1010"


def test_what_a_handler_raises_ends_the_wait_of_its_child(world):
    class Stop(Exception):
        pass

    def stop(number, frame):
        raise Stop

    def sleeper():
        signal.signal(signal.SIGUSR1, stop)
        try:
            time.sleep(100)
        except Stop:
            time.sleep(1)
            return 6

    pid = child(sleeper)
    time.sleep(3)
    os.kill(pid, signal.SIGUSR1)
    assert status_of(pid) == 6
    assert round(world.now) == 4


def test_a_child_inherits_handlers_and_may_ignore_a_signal(world):
    signal.signal(signal.SIGUSR1, lambda number, frame: os._exit(9))

    def ignore():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(10)
        return 4

    heir, deaf = child(time.sleep, 50), child(ignore)
    time.sleep(1)
    os.kill(heir, signal.SIGUSR1)
    os.kill(deaf, signal.SIGTERM)
    assert [status_of(heir), status_of(deaf)] == [9, 4]


def test_sigint_is_a_keyboard_interrupt_in_a_child(world):
    def sleeper():
        try:
            time.sleep(100)
        except KeyboardInterrupt:
            return 3

    pid = child(sleeper)
    time.sleep(1)
    os.kill(pid, signal.SIGINT)
    assert status_of(pid) == 3


def test_a_child_signals_its_parent_and_its_sibling(world):
    came = []
    signal.signal(signal.SIGUSR1, lambda number, frame: came.append(round(world.now)))
    sleeper = child(time.sleep, 100)

    def talk():
        time.sleep(2)
        os.kill(os.getppid(), signal.SIGUSR1)
        os.kill(sleeper, signal.SIGTERM)

    assert status_of(child(talk)) == 0
    assert came == [2]
    assert status_of(sleeper) == -signal.SIGTERM


def test_the_end_of_a_child_is_told_by_sigchld(world):
    came = []
    signal.signal(signal.SIGCHLD, lambda number, frame: came.append(round(world.now)))
    pid = child(time.sleep, 3)
    time.sleep(10)
    assert came == [3]
    assert round(world.now) == 10
    assert status_of(pid) == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # a real fork, beside the watchdog
def test_the_end_of_a_child_is_written_to_the_wakeup_descriptor_of_its_parent(world):
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(theirs.fileno())
    ours.settimeout(5)
    pid = child(lambda: None)
    assert ours.recv(10) == bytes((signal.SIGCHLD,))
    assert status_of(pid) == 0
    with subprocess.Popen([sys.executable, "-c", "pass"]):
        assert ours.recv(10) == bytes((signal.SIGCHLD,))
    signal.set_wakeup_fd(-1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # a real fork, beside the watchdog
def test_a_handler_from_before_the_world_hears_of_the_world_s_children_by_the_world_alone():
    came = []

    def handler(number, frame):
        came.append(round(world.now) if session.active is not None else "outside")

    before = signal.signal(signal.SIGCHLD, handler)
    try:
        for _ in range(2):
            with Simulation() as world:
                pid = child(time.sleep, 3)
                time.sleep(10)
                assert status_of(pid) == 0
                came.append("end")
        assert came == [3, "end", 3, "end"]
        assert signal.getsignal(signal.SIGCHLD) is handler
        pid = os.fork()
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        assert came[4:] == ["outside"]
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # a real fork, beside the watchdog
def test_a_child_from_before_the_world_that_ends_beside_the_world_s_is_told_after_it():
    came = []
    before = signal.signal(signal.SIGCHLD, lambda number, frame: came.append(session.active is not None))
    told, tell = os.pipe()
    try:
        real = os.fork()
        if not real:
            os.read(told, 1)
            os._exit(0)

        def run():
            with Simulation():
                child(time.sleep, 100)
                library = ctypes.CDLL(None)
                library.write(tell, b"x", 1)  # the real one
                library.waitid(int(os.P_PID), real, ctypes.create_string_buffer(512), os.WEXITED | os.WNOWAIT)
                assert came == []

        with pytest.warns(LeakWarning, match="process-1"):
            run()
        assert came == [False]
        os.waitpid(real, 0)
    finally:
        signal.signal(signal.SIGCHLD, before)
        os.close(told)
        os.close(tell)


def test_who_ignores_sigchld_has_no_children_to_wait_for(world):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    pid = child(lambda: 0)
    time.sleep(1)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)


def test_a_group_of_processes_is_signalled_at_once(world):
    def leader():
        os.setpgid(0, 0)
        time.sleep(100)

    pid = child(leader)
    time.sleep(1)
    os.killpg(pid, signal.SIGTERM)
    assert status_of(pid) == -signal.SIGTERM


def test_a_signal_of_a_child_that_would_end_home_ends_the_world():
    with pytest.raises(KilledBySignal, match="SIGTERM"), Simulation():
        child(lambda: os.kill(os.getppid(), signal.SIGTERM) or time.sleep(5))
        time.sleep(3)


def test_what_is_not_simulated_in_a_child_is_refused_by_name(world):
    world.expect_errors(Unsupported, match=r"socket\.setdefaulttimeout in a child process")
    pid = os.fork()
    if not pid:
        socket.setdefaulttimeout(1)
    assert status_of(pid) == 1


def test_timers_ring_in_the_child_that_has_set_them_and_in_no_other(world):
    rang = []
    signal.signal(signal.SIGALRM, lambda number, frame: rang.append(round(world.now)))
    signal.alarm(3)

    def ring():
        assert signal.alarm(7) == 0  # none is inherited
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 7
        time.sleep(10)
        assert rang == [7]
        signal.setitimer(signal.ITIMER_REAL, 1, 1)
        signal.pause()
        signal.pause()
        return len(rang)

    pid = child(ring)
    time.sleep(5)
    assert rang == [3]
    assert status_of(pid) == 3

    def end():
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(2)
        time.sleep(9)

    assert status_of(child(end)) == -signal.SIGALRM


def test_a_child_blocks_signals_and_waits_for_them(world):
    def wait():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
        time.sleep(2)
        assert signal.sigpending() == {signal.SIGTERM}
        assert signal.sigwait([signal.SIGTERM, signal.SIGUSR1]) == signal.SIGTERM
        assert signal.sigtimedwait([signal.SIGUSR1], 1) is None
        assert signal.sigwaitinfo([signal.SIGUSR1]).si_signo == signal.SIGUSR1
        assert signal.pthread_sigmask(signal.SIG_SETMASK, []) == {signal.SIGTERM, signal.SIGUSR1}
        return round(time.monotonic()) - 1000

    pid = child(wait)
    time.sleep(1)
    os.kill(pid, signal.SIGTERM)
    time.sleep(5)
    os.kill(pid, signal.SIGUSR1)
    assert status_of(pid) == 6


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGURG])
def test_a_blocked_signal_that_a_child_comes_to_ignore_is_pending_no_more(world, number):
    def ignore():
        ran = []
        signal.signal(number, lambda *_: ran.append(1))
        signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        os.kill(os.getpid(), number)
        before = signal.sigpending()
        signal.signal(number, signal.SIG_DFL if number == signal.SIGURG else signal.SIG_IGN)
        after = signal.sigpending()
        signal.signal(number, lambda *_: ran.append(1))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        return len(before), len(after), len(ran)

    pid = child(lambda: int(ignore() != (1, 0, 0)))
    assert status_of(pid) == 0


def test_each_thread_of_a_child_has_a_mask_and_waits_for_signals_of_its_own(world):
    def wait():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
        came = []
        signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))

        def take(number):
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            came.append(signal.sigwait([number]))

        threads = [threading.Thread(target=take, args=(number,)) for number in (signal.SIGUSR1, signal.SIGUSR2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return 0 if came == [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2] else 1

    pid = child(wait)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        time.sleep(1)
        os.kill(pid, number)
    assert status_of(pid) == 0


def test_nobody_waits_for_sigkill(world):
    pid = child(signal.sigwait, signal.valid_signals())
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)
    assert status_of(pid) == -signal.SIGKILL


def test_a_program_has_its_starters_mask_and_no_wakeup_descriptor(world):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    code = "import signal; print(*map(int, signal.pthread_sigmask(signal.SIG_BLOCK, [])), signal.set_wakeup_fd(-1))"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"%d -1\n" % signal.SIGUSR1


def test_a_child_is_woken_by_a_descriptor_when_a_signal_comes(world):
    def wait():
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        assert signal.set_wakeup_fd(writing) == -1
        signal.signal(signal.SIGUSR1, lambda number, frame: None)
        return 0 if os.read(reading, 1) == bytes((signal.SIGUSR1,)) else 1

    pid = child(wait)
    time.sleep(1)
    os.kill(pid, signal.SIGUSR1)
    assert status_of(pid) == 0
