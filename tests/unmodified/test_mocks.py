"""Programs and tests that put something of their own in the place of ``socket.socket``, as ``mock.patch`` does."""

from __future__ import annotations

import socket
import unittest.mock

import pytest

import simsock

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


def test_the_class_is_exactly_what_socket_socket_says():
    outside = socket.socket
    with simsock.Simulation() as sim:
        listener = socket.create_server(("", 0))
        client = socket.create_connection(("localhost", listener.getsockname()[1]))
        server, _ = listener.accept()
        one, other = socket.socketpair()
        sockets = [listener, client, server, one, other, client.dup(), sim.datagram(), sim.connect(listener.getsockname(), host="localhost")]
        assert {type(made) for made in sockets} == {socket.socket}
        assert all(isinstance(made, socket.socket) and isinstance(made, outside) for made in sockets)
        assert issubclass(Counting, socket.socket)
        assert issubclass(socket.socket, outside)
        assert type(captured()) is socket.socket
        for made in sockets:
            made.close()
    assert socket.socket is outside
    with socket.socket() as real:
        assert type(real) is outside


captured = socket.socket


def test_an_attribute_of_the_class_that_is_patched_inside_or_before_is_the_world_s(run):
    calls = []

    def connect(self, address):
        calls.append(address)
        raise TimeoutError("patched")

    def program(sim):
        with unittest.mock.patch("socket.socket.connect", connect), pytest.raises(TimeoutError, match="patched"):
            socket.create_connection(("127.0.0.1", 80))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 80))
        return calls.pop()

    assert run(program) == ("127.0.0.1", 80)
    assert not calls
    with unittest.mock.patch("socket.socket.connect", connect), simsock.Simulation(), pytest.raises(TimeoutError, match="patched"):
        socket.create_connection(("127.0.0.1", 81))
    assert calls == [("127.0.0.1", 81)]
    with simsock.Simulation(), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 81))


def test_a_class_made_in_a_world_is_one_of_real_sockets_after_it():
    with simsock.Simulation():

        class Made(socket.socket):
            def twice(self):
                return 2 * self.fileno()

        with Made() as inside:
            assert inside.twice() == 2 * inside.fileno() >= 20_000
            assert isinstance(inside, Made)
    with Made() as outside:
        assert 0 < outside.twice() < 20_000
        assert Made.__mro__[1] is socket.socket


def test_methods_that_were_captured_as_functions_work_for_both():
    take = {"recv": socket.socket.recv, "accept": socket.socket.accept}
    for _ in range(2):
        with simsock.Simulation(), socket.create_server(("", 0)) as listener, socket.create_connection(("localhost", listener.getsockname()[1])) as client:
            server, _ = take["accept"](listener)
            client.sendall(b"simulated")
            assert take["recv"](server, 100) == b"simulated"
            server.close()
        one, other = socket.socketpair()
        with one, other:
            one.sendall(b"real")
            assert take["recv"](other, 100) == b"real"
