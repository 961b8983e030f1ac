"""What a call leaves behind that failed, or that found nothing new: the caller's buffer is free again, and time passes for who only looks."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading

import pytest

from simsock import Simulation


@pytest.fixture
def ends():
    """Two connected sockets that do not wait, of which the second takes no more; and a pipe that has nothing, and whose reader is closed."""
    with Simulation():
        one, other = socket.socketpair()
        empty, gone = os.pipe(), os.pipe()
        os.close(gone[0])
        os.set_blocking(empty[0], False)
        for sock in (one, other):
            sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                other.send(bytes(100_000))
        yield {"full": other, "empty": empty[0], "gone": gone[1], "alone": socket.socket(socket.AF_INET, socket.SOCK_DGRAM)}


CALLS = {
    "recv_into": lambda ends, buffer: ends["full"].recv_into(buffer),
    "recvfrom_into": lambda ends, buffer: ends["full"].recvfrom_into(buffer),
    "recvmsg_into": lambda ends, buffer: ends["full"].recvmsg_into([buffer]),
    "send": lambda ends, buffer: ends["full"].send(buffer),
    "sendall": lambda ends, buffer: ends["full"].sendall(buffer),
    "sendto": lambda ends, buffer: ends["alone"].sendto(buffer, ("255.255.255.255", 9)),
    "os.readv": lambda ends, buffer: os.readv(ends["empty"], [buffer]),
    "os.write": lambda ends, buffer: os.write(ends["gone"], buffer),
    "FileIO.write": lambda ends, buffer: open(ends["gone"], "wb", 0, closefd=False).write(buffer),  # noqa: SIM115 - the error is looked at
}


@pytest.mark.parametrize("name", CALLS)
def test_the_error_of_a_call_keeps_no_buffer_of_the_caller_s_exported(ends, name):
    buffer = bytearray(100)
    try:
        CALLS[name](ends, buffer)
    except OSError as error:
        kept = error
    buffer.extend(b"more")
    assert kept.__traceback__.tb_next.tb_frame.f_code.co_name == "<lambda>"
    for sock in ("full", "alone"):
        ends[sock].close()


def silent():
    """A socket that has nothing and does not wait."""
    one, other = socket.socketpair()
    one.setblocking(False)
    return one, other


def full():
    """One that takes no more."""
    one, other = silent()
    with pytest.raises(BlockingIOError):
        while True:
            one.send(bytes(100_000))
    return one, other


def alone():
    return (socket.socket(socket.AF_INET, socket.SOCK_DGRAM),)


FAILING = {
    "recv_into": (silent, lambda sock, buffer: sock.recv_into(memoryview(buffer))),
    "recv_into, part": (silent, lambda sock, buffer: sock.recv_into(memoryview(buffer)[1:])),
    "recv_into, negative": (silent, lambda sock, buffer: sock.recv_into(buffer, -1)),
    "recv_into, too many": (silent, lambda sock, buffer: sock.recv_into(buffer, 1000)),
    "recv_into, flags": (silent, lambda sock, buffer: sock.recv_into(buffer, 5, "flags")),
    "recvfrom_into, negative": (silent, lambda sock, buffer: sock.recvfrom_into(buffer, -1)),
    "recvfrom_into, too many": (silent, lambda sock, buffer: sock.recvfrom_into(buffer, 1000)),
    "recvmsg_into": (silent, lambda sock, buffer: sock.recvmsg_into([memoryview(buffer)])),
    "recvmsg_into, negative": (silent, lambda sock, buffer: sock.recvmsg_into([memoryview(buffer)], -1)),
    "recvmsg_into, no buffer": (silent, lambda sock, buffer: sock.recvmsg_into([memoryview(buffer), 5])),
    "send": (full, lambda sock, buffer: sock.send(memoryview(buffer))),
    "send, flags": (full, lambda sock, buffer: sock.send(memoryview(buffer), "flags")),
    "sendall": (full, lambda sock, buffer: sock.sendall(memoryview(buffer))),
    "sendto, no address": (alone, lambda sock, buffer: sock.sendto(buffer, 5, 5)),
    "sendto, no number": (alone, lambda sock, buffer: sock.sendto(memoryview(buffer), ("127.0.0.1", "9"))),
    "sendmsg": (full, lambda sock, buffer: sock.sendmsg([memoryview(buffer)])),
    "sendmsg, no buffer": (full, lambda sock, buffer: sock.sendmsg([memoryview(buffer), 5])),
    "sendmsg, too big": (alone, lambda sock, buffer: sock.sendmsg([memoryview(buffer)] * 900, [], 0, ("127.0.0.1", 9))),
    "setsockopt": (alone, lambda sock, buffer: sock.setsockopt(socket.SOL_SOCKET, 99_999, memoryview(buffer))),
    "closed": (silent, lambda sock, buffer: (sock.close(), sock.recv_into(memoryview(buffer)))),
    "os.readv": (silent, lambda sock, buffer: os.readv(sock.fileno(), [memoryview(buffer)])),
    "os.write": (full, lambda sock, buffer: os.write(sock.fileno(), memoryview(buffer))),
    "os.writev": (full, lambda sock, buffer: os.writev(sock.fileno(), [memoryview(buffer)])),
    "os.writev, no buffer": (full, lambda sock, buffer: os.writev(sock.fileno(), [memoryview(buffer), 5])),
    "os.preadv": (silent, lambda sock, buffer: os.preadv(sock.fileno(), [memoryview(buffer)], 0)),
    "os.pwrite": (full, lambda sock, buffer: os.pwrite(sock.fileno(), memoryview(buffer), 0)),
}


def error_of(make, call):
    """The class of the error of a call, while whose buffer grows."""
    buffer = bytearray(100)
    made = make()
    try:
        call(made[0], buffer)
    except (OSError, TypeError, ValueError) as error:
        buffer.extend(b"more")
        return type(error)
    finally:
        for sock in made:
            sock.close()


@pytest.mark.parametrize("name", FAILING)
def test_a_buffer_that_the_call_alone_had_is_free_while_its_error_is_handled_as_on_linux(name):
    real = error_of(*FAILING[name])
    assert real is not None
    with Simulation():
        assert error_of(*FAILING[name]) is real


def test_an_error_of_a_call_in_a_handler_of_another_has_that_for_its_context_as_on_linux():
    def program():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            try:
                raise KeyError("ours")
            except KeyError:
                sock.sendmsg([5])
        except TypeError as error:
            return repr(error.__context__)
        finally:
            sock.close()

    real = program()
    with Simulation():
        assert program() == real == "KeyError('ours')"


def test_an_error_that_a_handler_raises_in_the_midst_of_a_call_is_shown_with_the_handler():

    def handler(number, frame):
        raise OSError("from the handler")

    def names(trace):
        while trace is not None:
            yield trace.tb_frame.f_code.co_name
            trace = trace.tb_next

    with Simulation():
        signal.signal(signal.SIGALRM, handler)
        signal.alarm(1)
        one, other = socket.socketpair()
        with one, other, pytest.raises(OSError, match="from the handler") as caught:
            one.recv_into(bytearray(1))
        assert "handler" in names(caught.value.__traceback__)


@pytest.mark.parametrize("kind", ["pipe", "file", "pipe under a lock", "file under a lock"])
def test_time_passes_for_a_loop_that_only_asks_for_the_status_of_a_descriptor(kind):
    done, lock = [], threading.Lock()
    with Simulation() as sim, tempfile.TemporaryFile() as file:
        reading, writing = os.pipe()
        fd = reading if kind.startswith("pipe") else file.fileno()
        timer = threading.Timer(5, done.append, (True,))
        timer.start()
        while not done:
            if "lock" in kind:
                with lock:
                    os.fstat(fd)
            else:
                os.fstat(fd)
        assert round(sim.now) == 5
        timer.join()
        os.close(reading)
        os.close(writing)
