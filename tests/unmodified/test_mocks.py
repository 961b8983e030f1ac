"""Programs and tests that put something of their own in the place of ``socket.socket``, as ``mock.patch`` does."""

from __future__ import annotations

import socket
import unittest.mock

import pytest

from .servers import Pages, ThreadingServer, serving


class Counting(socket.socket):
    """A subclass from before the world that counts what it sends."""

    sent = 0

    def sendall(self, data, *flags):
        self.sent += len(data)
        return super().sendall(data, *flags)


def test_a_subclass_in_the_place_of_the_class_is_what_create_connection_makes(run):
    def program(sim):
        with serving(ThreadingServer(Pages)) as port, unittest.mock.patch("socket.socket", Counting):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(b"GET /a HTTP/1.0\r\n\r\n")
                answer = sock.makefile("rb").read()
            return type(sock).__name__, isinstance(sock, Counting), sock.sent, answer.partition(b"\r\n\r\n")[2]

    assert run(program) == ("Counting", True, 19, b"hello from /a")


def test_a_mock_in_the_place_of_the_class_is_asked_instead(run):
    def program(sim):
        with unittest.mock.patch("socket.socket") as made:
            made.return_value.connect.side_effect = TimeoutError("timed out")
            with pytest.raises(TimeoutError):
                socket.create_connection(("127.0.0.1", 80))
            return made.return_value.connect.call_args.args

    assert run(program) == (("127.0.0.1", 80),)
