"""The classic mistakes of programs that fork, each found by a search and told in a few lines: a lost child, a double accept, a fork beside a lock."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time

import pytest

import simsock

LINES_MAX = 3


def found(program, words, **options):
    """The verdict of a search that has to find a mistake."""
    verdict = simsock.explore(program, schedules=100, preempt="calls", **options)
    assert verdict.status == "fails", verdict
    assert 1 <= len(verdict.deviations) <= LINES_MAX, [str(step) for step in verdict.deviations]
    assert any(words in str(step) for step in verdict.deviations), [str(step) for step in verdict.deviations]
    with pytest.raises(type(verdict.error)):
        simsock.replay(program, verdict.token)
    return verdict


def reaping(reap):
    """Two children end, and a handler waits for them: ``reap`` is given the list of those that were waited for."""

    def program(sim):
        reaped = []
        signal.signal(signal.SIGCHLD, lambda number, frame: reap(reaped))
        for number in range(2):
            if not os.fork():
                for _ in range(number):
                    time.sleep(0)
                os._exit(0)
        time.sleep(1)
        assert len(reaped) == 2, "a child was never waited for"

    return program


def one_child(reaped):
    """Signals do not queue: two children may end before the handler has run once."""
    reaped.append(os.waitpid(-1, os.WNOHANG)[0])


def all_children(reaped):
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        reaped.append(pid)


def test_a_lost_child():
    verdict = found(reaping(one_child), "process-2")
    assert "main" in str(verdict.story) and "process-2" in str(verdict.story)
    assert simsock.explore(reaping(all_children), schedules=8, preempt="calls").status in ("inconclusive", "holds")


def accepting(blocks):
    """Two workers look whether a client is there before they accept one, and end when they are told to by a byte."""

    def program(sim):
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(blocks)
        reading, writing = os.pipe()

        def work():
            while True:
                ready = select.select([listener, reading], [], [])[0]
                if reading in ready:
                    os._exit(0)
                try:
                    connection, _ = listener.accept()
                except BlockingIOError:
                    continue
                connection.sendall(b"served")
                connection.close()

        for _ in range(2):
            if not os.fork():
                work()
        client = socket.create_connection(listener.getsockname())
        assert client.recv(10) == b"served"
        os.write(writing, b"xx")
        listener.close()
        os.wait()
        os.wait()

    return program


def test_a_double_accept():
    verdict = found(accepting(True), "accept")
    assert isinstance(verdict.error, simsock.Deadlock)
    assert "process-1" in str(verdict.story) and "process-2" in str(verdict.story)
    assert simsock.explore(accepting(False), schedules=8, preempt="calls").status in ("inconclusive", "holds")


def a_fork_while_another_thread_logs(sim):
    lock, lines = threading.Lock(), []

    def log(text):
        with lock:
            lines.append((time.time(), text))

    def note():
        for number in range(3):
            log(f"note {number}")

    thread = threading.Thread(target=note, name="noter")
    thread.start()
    pid = os.fork()
    if not pid:
        log("the child is here")
        os._exit(0)
    thread.join()
    os.waitpid(pid, 0)


def test_a_fork_while_another_thread_holds_a_lock():
    verdict = found(a_fork_while_another_thread_logs, "main")
    assert isinstance(verdict.error, simsock.Deadlock)
    assert "held by noter, which was not copied into this process" in str(verdict.error)
    assert "noter" in str(verdict.story)
