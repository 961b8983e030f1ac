"""Processes that are forked by processes that were forked, or started, themselves."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import psutil
import pytest

import simsock
from simsock import Deadlock, Simulation
from simsock.kernel.identity import PROCESS
from tests.processes.children import child, status_of


def test_a_child_forks_and_waits_for_its_own_children(world):
    reading, writing = os.pipe()

    def grandchild():
        time.sleep(60)
        os.write(writing, f"{os.getpid()} {os.getppid()}\n".encode())
        return 7

    def middle():
        pid = child(grandchild)
        os.write(writing, f"{pid}\n".encode())
        return status_of(pid) + 1

    pid = child(middle)
    assert status_of(pid) == 8
    assert os.read(reading, 100) == b"%d\n%d %d\n" % (PROCESS + 2, PROCESS + 2, PROCESS + 1)
    assert round(world.now) == 60
    with pytest.raises(ChildProcessError):
        os.waitpid(PROCESS + 2, 0)  # another one's child


def test_memory_is_copied_from_the_one_that_forks(world):
    seen, (reading, writing) = ["home"], os.pipe()

    def last():
        os.write(writing, " ".join(seen).encode())

    def middle():
        seen.append("child")
        pid = child(last)
        seen.append("later")
        return status_of(pid)

    seen_by_home = child(middle)
    seen.append("never seen")
    assert status_of(seen_by_home) == 0
    assert os.read(reading, 100) == b"home child"


def test_many_generations(world):
    def generation(left):
        return status_of(child(generation, left - 1)) + 1 if left else 0

    assert generation(12) == 12


def test_descriptors_are_shared_and_closed_on_each_side(world):
    ours, theirs = socket.socketpair()

    def middle():
        ours.close()
        child(lambda: theirs.sendall(b"from below") or time.sleep(1))
        os._exit(0)  # its child goes on

    pid = child(middle)
    theirs.close()
    assert status_of(pid) == 0
    assert ours.recv(100) == b"from below"
    assert ours.recv(100) == b""
    assert round(world.now) == 1


def test_who_has_lost_its_parent_belongs_to_nobody(world):
    reading, writing = os.pipe()

    def orphan():
        time.sleep(2)
        os.write(writing, b"%d" % os.getppid())

    assert status_of(child(lambda: child(orphan) and 0)) == 0
    assert os.read(reading, 10) == b"1"


def test_a_daemon_is_made_by_two_forks(world, tmp_path):
    log = tmp_path / "log"

    def daemonize():
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        with open(os.devnull) as null:
            os.dup2(null.fileno(), 0)
        with socket.create_server(("127.0.0.1", 7000)) as server:
            log.write_text(f"{os.getppid() in (1, os.getpgrp())}")
            server.accept()[0].sendall(b"at your service")
        os._exit(0)

    if not (pid := os.fork()):
        daemonize()
    assert status_of(pid) == 0
    time.sleep(1)
    assert world.connect(("127.0.0.1", 7000)).recv(100) == b"at your service"
    assert log.read_text() == "True"


def test_signals_reach_them(world):
    def handles():
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(9))
        time.sleep(100)

    def middle():
        pid = child(handles)
        time.sleep(1)
        os.kill(pid, signal.SIGTERM)
        return status_of(pid)

    assert status_of(child(middle)) == 9


def test_a_parent_below_is_told_of_its_childs_end(world):
    def middle():
        told = []
        signal.signal(signal.SIGCHLD, lambda number, frame: told.append(os.waitpid(-1, os.WNOHANG)[0]))
        pid = child(time.sleep, 3)
        time.sleep(10)
        return 0 if told == [pid] else 1

    assert status_of(child(middle)) == 0


def test_a_thread_of_a_child_forks_and_is_alone_in_what_it_forks(world):
    reading, writing = os.pipe()

    def forks():
        pid = child(lambda: os.write(writing, f"{threading.active_count()} {threading.current_thread() is threading.main_thread()}".encode()) and 0)
        assert status_of(pid) == 0

    def middle():
        other = threading.Thread(target=time.sleep, args=(50,), daemon=True)
        other.start()
        thread = threading.Thread(target=forks)
        thread.start()
        thread.join()

    assert status_of(child(middle)) == 0
    assert os.read(reading, 100) == b"1 True"


def test_each_has_chance_of_its_own(world):
    import random

    reading, writing = os.pipe()

    def draw():
        os.write(writing, b"%d\n" % random.getrandbits(32))

    def middle():
        draw()
        for _ in range(2):
            status_of(child(draw))

    assert status_of(child(middle)) == 0
    assert len(set(os.read(reading, 1000).split())) == 3


def test_what_it_raises_fails_the_test(capfd):
    with pytest.raises(ZeroDivisionError) as caught, Simulation():
        child(lambda: status_of(child(lambda: 1 // 0)))
        time.sleep(1)
    assert f"in process {PROCESS + 2}" in str(caught.value.__notes__)


def test_a_real_crash_of_one_is_its_exit_status(world):
    import ctypes
    import faulthandler

    def crash():
        faulthandler.disable()
        ctypes.string_at(0)

    assert status_of(child(lambda: -status_of(child(crash)))) == signal.SIGSEGV


def _deadlocked(sim):
    ours, theirs = socket.socketpair()
    child(lambda: status_of(child(lambda: len(theirs.recv(1)))))
    ours.recv(1)


def test_a_deadlock_among_three_generations_is_told():
    with pytest.raises(Deadlock) as caught, Simulation() as sim:
        _deadlocked(sim)
    table = [line.split("  ") for line in str(caught.value).splitlines() if ".py:" in line]
    assert [row[0].strip() for row in table] == ["main", "process-1", "process-1/process-1"]
    here = _deadlocked.__code__.co_firstlineno
    assert [f"test_descendants.py:{here + number} in _deadlocked" in "  ".join(row) for row, number in zip(table, (3, 2, 2), strict=True)] == [
        True,
        False,
        True,
    ]
    assert "children.py:17 in status_of" in "  ".join(table[1])


def test_servers_fork_in_a_program_that_was_started(world, tmp_path):
    script = tmp_path / "server.py"
    script.write_text(
        "import os, socketserver\n"
        "class Handler(socketserver.StreamRequestHandler):\n"
        "    def handle(self):\n"
        "        self.wfile.write(b'%d %d' % (os.getpid(), os.getppid()))\n"
        "socketserver.ForkingTCPServer(('127.0.0.1', 7000), Handler).serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, str(script)]) as process:
        time.sleep(1)
        replies = [world.connect(("127.0.0.1", 7000)).recv(100) for _ in range(2)]
        process.terminate()
    assert replies == [b"%d %d" % (process.pid + number, process.pid) for number in (1, 2)]


def _square(number):
    return number * number


def test_multiprocessing_works_in_a_process(world):
    context = multiprocessing.get_context("fork")

    def middle():
        queue = context.Queue()
        process = context.Process(target=lambda: queue.put(os.getpid()))
        process.start()
        found = queue.get()
        process.join()
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            squares = list(pool.map(_square, range(5)))
        return 0 if found == process.pid and squares == [0, 1, 4, 9, 16] else 1

    assert status_of(child(middle)) == 0


def _leave_two_generations(sim):
    with sim:
        child(lambda: status_of(child(time.sleep, 1000)))
        time.sleep(1)


def test_nothing_is_left_of_them():
    before = psutil.Process().num_fds()
    for _ in range(5):
        sim = Simulation()
        with pytest.warns(simsock.LeakWarning):
            _leave_two_generations(sim)
    assert psutil.Process().num_fds() == before
    assert psutil.Process().children() == []


def _two_grandchildren_count(sim):
    counter = socket.socketpair()
    counter[1].sendall(b"0")

    def count():
        seen = int(counter[0].recv(10, socket.MSG_PEEK))
        counter[0].recv(10)
        counter[1].sendall(b"%d" % (seen + 1))

    def middle():
        for pid in [child(count) for _ in range(2)]:
            status_of(pid)

    status_of(child(middle))
    assert counter[0].recv(10) == b"2"


def test_a_race_between_them_is_found_and_repeated():
    verdict = simsock.explore(_two_grandchildren_count, schedules=100)
    assert verdict.status == "fails"
    assert len(verdict.deviations) == 1
    assert "process-1/process-" in str(verdict.deviations[0])
    with pytest.raises(AssertionError):
        simsock.replay(_two_grandchildren_count, verdict.token)


def test_too_many_processes_are_the_systems_error_in_the_one_that_forks(world, monkeypatch):
    from simsock.processes import births

    monkeypatch.setattr(births, "CHILDREN_MAX", 2)

    def middle():
        child(time.sleep, 1)
        with pytest.raises(simsock.Unsupported, match="more than 2 processes"):
            os.fork()
        time.sleep(2)
        return errno.EAGAIN

    assert status_of(child(middle)) == errno.EAGAIN


def test_what_is_registered_for_forks_runs_in_the_world(world, monkeypatch):
    reading, writing = os.pipe()

    def says(word):
        def say():
            time.sleep(1)
            os.write(writing, f"{word} {os.getpid() - PROCESS}\n".encode())

        return say

    def fails():
        raise LookupError("before a fork")

    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", lambda about: ignored.append(repr(about.exc_value)))
    os.register_at_fork(before=says("first"), after_in_parent=says("parent"), after_in_child=says("child"))
    os.register_at_fork(before=says("last"))
    os.register_at_fork(after_in_parent=fails)
    with pytest.raises(TypeError, match="'before' must be callable, not int"):
        os.register_at_fork(before=3)
    with pytest.raises(TypeError, match="At least one argument is required"):
        os.register_at_fork()
    assert status_of(child(lambda: status_of(child(int)))) == 0
    said = os.read(reading, 1000).decode().splitlines()
    assert said[:2] == ["last 0", "first 0"]
    assert sorted(said[2:4]) == ["child 1", "parent 0"]
    assert said[4:6] == ["last 1", "first 1"]
    assert sorted(said[6:]) == ["child 2", "parent 1"]
    assert ignored == ["LookupError('before a fork')"]
    said.clear()
    os.waitpid(subprocess.Popen([sys.executable, "-c", "import os; os.fork()"]).pid, 0)  # another program has registered nothing
    os.set_blocking(reading, False)
    with pytest.raises(BlockingIOError):
        os.read(reading, 1000)


def test_what_was_registered_is_forgotten_with_the_world():
    called = []
    with Simulation():
        os.register_at_fork(before=lambda: called.append(1))
    with Simulation():
        status_of(child(int))
    assert called == []
