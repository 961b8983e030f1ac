"""Real sockets from before a world: using one inside it is an error that names it, and nothing goes through."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from simsock import Fenced


@pytest.fixture
def pair():
    """Two real sockets that are connected to each other."""
    one, other = socket.socketpair()
    other.settimeout(0.01)
    yield one, other
    one.close()
    other.close()


CALLS = {
    "send": lambda sock: sock.send(b"x"),
    "sendall": lambda sock: sock.sendall(b"x"),
    "recv": lambda sock: sock.recv(1),
    "recv_into": lambda sock: sock.recv_into(bytearray(1)),
    "makefile": lambda sock: sock.makefile("rb").read(1),
    "shutdown": lambda sock: sock.shutdown(socket.SHUT_WR),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_call_goes_through_and_the_error_names_the_socket(world, pair, name):
    with world(), pytest.raises(Fenced, match=rf"socket\.{name} of <socket\.socket fd={pair[0].fileno()}, .*it is a real one, made outside this world.*`sim`"):
        CALLS[name](pair[0])
    with pytest.raises(TimeoutError):
        pair[1].recv(1)


def test_a_listener_and_a_datagram_socket(world):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for call in (lambda: listener.accept(), lambda: datagrams.sendto(b"x", ("127.0.0.1", 9)), lambda: datagrams.connect(("127.0.0.1", 9))):
            with world(), pytest.raises(Fenced, match="made outside this world"):
                call()


def test_one_that_a_thread_swallows_fails_the_test(world, pair):
    def run():
        with contextlib.suppress(Exception):
            pair[0].send(b"x")

    with pytest.raises(Fenced, match=r"socket\.send of"), world():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()


def test_other_threads_of_the_process_and_the_time_after_a_world_are_free(world, pair):
    go, gone = [], []

    def outside():
        while not go:
            time.sleep(0.001)
        pair[0].send(b"from outside")
        gone.append(True)

    thread = threading.Thread(target=outside)
    thread.start()
    names = dict(vars(socket.socket))
    with world():
        go.append(True)
        while not gone:  # the other thread's time is real
            pass
    thread.join()
    assert pair[1].recv(100) == b"from outside"
    assert pair[1].send(b"x") == 1 and dict(vars(socket.socket)) == names
