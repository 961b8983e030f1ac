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
