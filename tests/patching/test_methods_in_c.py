"""Methods of the class of sockets in C, by which a program may reach one past ``socket.socket``: real sockets are refused there as well, a world's work."""

from __future__ import annotations

import _socket
import socket

import pytest

from simsock import Fenced

OF_C = {
    "send": lambda sock: _socket.socket.send(sock, b"x"),
    "sendall": lambda sock: _socket.socket.sendall(sock, b"x"),
    "recv": lambda sock: _socket.socket.recv(sock, 1),
    "recvfrom_into": lambda sock: _socket.socket.recvfrom_into(sock, bytearray(1)),
    "sendmsg": lambda sock: type(sock).__base__.sendmsg(sock, [b"x"]),
    "shutdown": lambda sock: vars(_socket.socket)["shutdown"](sock, socket.SHUT_WR),
    "connect": lambda sock: _socket.socket.connect(sock, "/nowhere"),
    "setsockopt": lambda sock: _socket.socket.setsockopt(sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
}


@pytest.mark.parametrize("name", OF_C)
def test_no_method_of_the_class_in_c_goes_through_either(world, pair, name):
    pair[1].send(b"y")
    before = dict(vars(_socket.socket))
    with world(), pytest.raises(Fenced, match=rf"socket\.{name} of <socket\.socket fd={pair[0].fileno()}, .*it is a real one, made outside this world"):
        OF_C[name](pair[0])
    with pytest.raises(TimeoutError):
        pair[1].recv(1)
    assert pair[0].recv(2) == b"y" and dict(vars(_socket.socket)) == before


def test_methods_of_the_class_in_c_take_a_worlds_sockets(world):
    with world():
        one, other = socket.socketpair()
        with one, other:
            _socket.socket.sendall(one, b"word")
            assert _socket.socket.recv(other, 10) == b"word"
