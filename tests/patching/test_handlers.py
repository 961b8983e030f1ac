"""Errors of handlers in servers of the standard library, and of the fence: the test fails by them."""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import subprocess
import threading

import pytest

from simsock import Fenced


class Divides(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        1 / 0  # noqa: B018  # it is to raise


class Answers(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())


class Hides(socketserver.ThreadingTCPServer):
    def handle_error(self, request, client_address):
        """A program's own, which tells nobody."""


class DividesOverHTTP(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        1 / 0  # noqa: B018  # likewise


def ask(server_class, handler):
    """Run a server in a thread, ask it once, stop it."""
    server = server_class(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with socket.create_connection(server.server_address) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = client.recv(100)
    server.shutdown()
    thread.join()
    server.server_close()
    return answer


@pytest.mark.parametrize(
    ("server_class", "handler"),
    [(socketserver.TCPServer, Divides), (socketserver.ThreadingTCPServer, Divides), (Hides, Divides), (http.server.ThreadingHTTPServer, DividesOverHTTP)],
)
def test_what_a_handler_of_a_standard_server_raises_is_raised_at_the_worlds_end(world, server_class, handler, capsys):
    with pytest.raises(ZeroDivisionError) as caught, world():
        assert ask(server_class, handler) == b""
    assert any("raised in task" in text for text in caught.value.__notes__)
    printed = capsys.readouterr().err
    assert ("Exception occurred during processing of request" in printed) is (server_class is not Hides)


def test_it_can_be_expected(world, capsys):
    with world() as sim, sim.expect_errors(ZeroDivisionError) as expected:
        ask(socketserver.ThreadingTCPServer, Divides)
    assert len(expected.errors) == 1 and "ZeroDivisionError" in capsys.readouterr().err


def test_an_error_of_the_fence_that_a_thread_swallows_is_raised_at_the_worlds_end(world):
    def run():
        with contextlib.suppress(Exception):
            subprocess.run(["true"])

    with pytest.raises(Fenced, match=r"subprocess\.Popen"), world():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()


def test_what_the_first_task_catches_itself_is_its_own_business(world):
    with world(), pytest.raises(Fenced):
        subprocess.run(["true"])


def test_outside_worlds_the_standard_classes_are_as_they_were(world):
    before = dict(vars(socketserver.BaseServer))
    with world():
        assert vars(socketserver.BaseServer)["finish_request"] is not before["finish_request"]
    assert dict(vars(socketserver.BaseServer)) == before
