"""A failure of the plain schedule has a story too: what each task did last, which calls failed and why, and what was set up."""

from __future__ import annotations

import socket
import socketserver
import threading
import time

import pytest

import simsock
from simsock.socketserver import BaseRequestHandler


def story_of(test, **options):
    verdict = simsock.explore(test, schedules=1, **options)
    assert verdict.failed
    return verdict.story.text()


def relay(sim):
    """Closes both ways when one has ended, so that the answer to a client that has shut its side is lost."""

    class Backend(BaseRequestHandler):
        def handle(self):
            seen = b""
            while data := self.request.recv(100):
                seen += data
            self.request.sendall(b"%d bytes\x1b[31m" % len(seen))

    class Relay(BaseRequestHandler):
        def handle(self):
            up = socket.create_connection(backend.address)

            def pump(source, sink):
                try:
                    while data := source.recv(100):
                        sink.sendall(data)
                except OSError:
                    pass
                for end in (source, sink):
                    end.close()

            thread = threading.Thread(target=pump, args=(self.request, up), name="forth")
            thread.start()
            time.sleep(0)  # it has closed both by then
            pump(up, self.request)
            thread.join()

    backend = sim.serve(Backend, host="backend")
    served = sim.serve(Relay, host="relay")
    client = sim.connect(served)
    client.sendall(b"hello")
    client.shutdown(socket.SHUT_WR)
    answer = client.recv(100)
    assert answer


def test_the_last_lines_of_each_task_and_the_reason_of_a_reset_are_told():
    text = story_of(relay)
    head, columns = text.split("\n\n")
    assert "answered with a reset, since data came after it was closed: 1 time" in head
    assert "forth" in columns.splitlines()[1]
    assert "end.close()" in columns
    assert "socket.recv fails: EBADF" in columns
    assert columns.splitlines()[-1].strip().startswith("AssertionError")
    assert "assert answer" in columns.splitlines()[-2]


def test_payloads_are_shown_as_bytes_escaped_and_cut():
    def test(sim):
        left, right = socket.socketpair()
        left.sendall(b"\x1b[31m" + b"x" * 100)
        right.recv(1_000)
        raise AssertionError

    text = story_of(test, preempt="calls")
    assert "send b'\\x1b[31m" + "x" * 35 + "'… (105 bytes)" in text
    assert "recv b'\\x1b[31m" in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"chunks": "bytes"}, "set up with chunks='bytes'"), ({"link": simsock.Link(latency="5ms")}, "set up with link=")],
)
def test_options_that_were_set_are_told(options, said):
    def test(sim):
        raise AssertionError

    text = story_of(test, **options)
    assert text.startswith("nothing left to chance is needed: it fails with the plain schedule\n" + said)


def test_a_wait_is_called_by_what_the_program_called():
    def test(sim):
        done = threading.Event()
        held = []

        def work():
            held.append(1)
            done.wait()
            held.append(2)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        done.set()
        for thread in threads:
            thread.join()
        assert held != [1, 2, 1, 2]
        assert held == [1, 2, 1, 2]

    verdict = simsock.explore(test, schedules=50, preempt="calls")
    for inside in ("Lock.acquire", "allocate_lock", "_bootstrap", "Condition."):
        assert inside not in str(verdict)


def test_what_dying_tasks_print_is_kept_and_not_shown(capsys):
    def talk():
        try:
            threading.Event().wait()
        finally:
            print("last words", "x" * 200_000)

    with simsock.Simulation() as sim:
        threading.Thread(target=talk, daemon=True).start()
        sim.sleep(1)
        print("before")
        kernel = sim._kernel
    print("after")
    assert capsys.readouterr() == ("before\nafter\n", "")
    assert kernel.last_words.startswith("last words x")
    assert "… and " in kernel.last_words
    assert len(kernel.last_words) < 101_000


def test_a_call_that_fails_in_a_thread_of_a_library_has_its_own_name():
    class Closes(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.close()  # and the server, which shuts it down, passes over the error

    def test(sim):
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Closes) as server:
            client = socket.create_connection(server.server_address)
            server.handle_request()
        assert client.recv(10)

    text = story_of(test)
    assert "socket.shutdown fails: EBADF" in text
    assert "Thread.run" not in text
