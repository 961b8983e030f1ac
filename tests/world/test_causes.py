"""What simsock says of an error is told where it is seen, however many errors a library makes of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time

import pytest

from simsock import Deadlock, Fenced, Simulation


def refused():
    socket.create_connection(("127.0.0.1", 9))


def wrapped():
    try:
        refused()
    except OSError as error:
        try:
            raise LookupError("no connection") from error
        except LookupError:
            raise RuntimeError("max retries exceeded")  # noqa: B904  # as libraries do


def hidden():
    try:
        wrapped()
    except RuntimeError:
        raise KeyError("service") from None


def in_a_group():
    try:
        refused()
    except OSError as error:
        raise ExceptionGroup("all attempts failed", [error]) from None


def by_a_loop():
    asyncio.run(asyncio.open_connection("127.0.0.1", 9))


def by_a_loop_at_many_addresses():
    asyncio.run(asyncio.open_connection("localhost", 9, happy_eyeballs_delay=0.1))


def in_a_thread():
    thread = threading.Thread(target=wrapped)
    thread.start()
    thread.join()


@pytest.mark.parametrize("fails", [refused, wrapped, hidden, in_a_group, by_a_loop, by_a_loop_at_many_addresses, in_a_thread])
def test_why_a_connection_is_refused_is_the_first_note_of_the_error_that_is_raised(fails):
    with pytest.raises(Exception) as caught, Simulation():  # noqa: PT011  # each is another one
        fails()
    first, *more = caught.value.__notes__
    assert "nobody listens on port 9 of " in first
    assert not any("nobody listens" in text for text in more)


def test_a_refusal_of_something_real_is_told_on_what_a_library_makes_of_it():
    def starts():
        import subprocess

        try:
            subprocess.Popen(["true"])
        except Exception:
            raise RuntimeError("cannot start the helper") from None

    with pytest.raises(RuntimeError) as caught, Simulation() as sim:
        sim.expect_errors(Fenced)
        starts()
    assert caught.value.__notes__[0].startswith("it came of Fenced: a real subprocess.Popen(")


def test_an_error_of_another_kind_is_told_nothing():
    with pytest.raises(KeyError) as caught, Simulation():
        try:
            refused()
        except OSError:
            pass
        raise KeyError("service")
    assert not getattr(caught.value, "__notes__", [])


def test_what_comes_of_a_call_that_the_fence_stopped_says_so_first():
    """Somebody swallows its error, and nothing ends the wait that was to end."""

    def reads(sock, done):
        with contextlib.suppress(Exception):
            sock.recv(1)
            done.set()

    def program(sock):
        done = threading.Event()
        threading.Thread(target=reads, args=(sock, done)).start()
        done.wait()

    one, other = socket.socketpair()
    with one, other, pytest.raises(Deadlock) as caught, Simulation():
        program(other)
    assert caught.value.__notes__[0].startswith("before it the fence stopped a call: socket.recv of <socket.socket fd=")
    assert sum("it is a real one" in text for text in caught.value.__notes__) == 1


@pytest.mark.real
@pytest.mark.parametrize("is_plain", [True, False])
def test_who_looks_in_vain_whether_a_server_is_up_is_told_that_a_real_one_has_its_port(is_plain):
    def come_up(address):
        for _ in range(3):
            with socket.socket() as sock:
                if sock.connect_ex(address) == 0:
                    return
            time.sleep(1)
        raise AssertionError("the server did not come up")

    def program(address):
        if is_plain:
            come_up(address)
        else:
            with pytest.raises(AssertionError):
                come_up(address)
            threading.Event().wait()

    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(AssertionError if is_plain else Deadlock) as caught, Simulation():
        program(server.getsockname())
    assert caught.value.__notes__[0].startswith("before it a connection was refused: nobody in this world listens on port ")
    assert "a real socket of this process does" in caught.value.__notes__[0]
    with pytest.raises(AssertionError) as caught, Simulation():
        come_up(("127.0.0.1", 9))
    assert not getattr(caught.value, "__notes__", [])
