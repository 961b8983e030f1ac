"""What programs do to descriptors of sockets with ``os``, ``fcntl`` and ``socket``, and what becomes of sockets that nobody closes."""

from __future__ import annotations

import errno
import fcntl as real_fcntl
import gc
import os as real_os
import stat
import warnings

import pytest

from simsock.errors import Unsupported
from simsock.stdlib import fcntl as sim_fcntl
from simsock.world.simulation import Simulation


def modules(net):
    return (real_os, real_fcntl) if net.kind == "real" else (net.sim.network.os, sim_fcntl)


@pytest.mark.real
def test_descriptors_of_sockets_are_read_written_and_asked_as_on_linux(twins):
    def program(net, notes):
        os, fcntl = modules(net)
        one, other = map(net.keep, net.socket.socketpair())
        fd = one.fileno()
        notes("write", os.write, fd, b"hello")
        notes("read", os.read, other.fileno(), 3)
        notes("kind", lambda: stat.S_ISSOCK(os.fstat(fd).st_mode))
        notes("terminal", os.isatty, fd)
        notes("blocking", os.get_blocking, fd)
        os.set_blocking(fd, False)
        notes("now", lambda: (os.get_blocking(fd), one.gettimeout()))
        notes("the object still waits, says Python; the system does not", one.recv, 1)
        notes("flags", lambda: fcntl.fcntl(fd, real_fcntl.F_GETFL) & real_os.O_NONBLOCK)
        fcntl.fcntl(fd, real_fcntl.F_SETFL, 0)
        notes("blocking", os.get_blocking, fd)
        notes("inherited", lambda: (one.get_inheritable(), os.get_inheritable(fd), fcntl.fcntl(fd, real_fcntl.F_GETFD)))
        os.set_inheritable(fd, True)
        notes("inherited", lambda: (one.get_inheritable(), os.get_inheritable(fd), fcntl.fcntl(one, real_fcntl.F_GETFD)))
        fcntl.fcntl(fd, real_fcntl.F_SETFD, real_fcntl.FD_CLOEXEC)
        notes("inherited", one.get_inheritable)
        again = fcntl.fcntl(fd, real_fcntl.F_DUPFD, 0)
        notes("again", lambda: (os.get_inheritable(again), os.write(again, b"x"), os.close(again)))
        notes("closed", os.read, again, 1)
        os.close(fd)
        notes("closed behind its back", one.send, b"x")
        notes("and closed again", one.close)

    twins(program)


@pytest.mark.real
def test_a_descriptor_makes_a_socket_object_only_if_it_is_one(twins, tmp_path):
    def program(net, notes):
        with open(tmp_path / "file", "wb") as file:
            notes("a file", lambda: net.socket.socket(fileno=file.fileno()))
            notes("a file", lambda: net.socket.socket(2, 1, fileno=file.fileno()))
        for bad in (-1, "a", 1.5, 999_999):
            notes(bad, lambda bad=bad: net.socket.socket(fileno=bad))
        listener = net.listener()
        copy = net.keep(net.socket.fromfd(listener.fileno(), 2, 1))
        notes("a copy", lambda: copy.getsockname() == listener.getsockname() and copy.fileno() != listener.fileno())
        copy.settimeout(5)
        listener.settimeout(None)
        copy.setblocking(False)
        notes("what one sets holds for the other", listener.accept)
        flagged = net.keep(net.socket.socket(2, 1 | 0o4000 | 0o2000000))
        notes("flags in the type", lambda: (int(flagged.type), flagged.gettimeout(), flagged.getblocking(), flagged.get_inheritable()))
        notes("closed", lambda: (flagged.detach() > 0, flagged.fileno()))
        for name in ("getsockname", "get_inheritable", "listen"):
            notes(name, getattr(flagged, name))
        for name, argument in (("shutdown", 1 << 31), ("shutdown", 7), ("listen", 1 << 31), ("setblocking", 1)):
            notes(name, getattr(listener, name), argument)

    def without_texts(net, notes):
        """C code words them in several ways."""
        program(net, lambda label, fn, *args: notes.append((label, _kind_of(fn, *args))))

    twins(without_texts)


def _kind_of(fn, *args):
    try:
        return fn(*args)
    except Exception as error:
        return type(error).__name__, getattr(error, "errno", None)


def test_a_real_socket_has_no_place_in_a_world():
    import socket

    with socket.socket() as real, Simulation(patch=False) as sim, pytest.raises(Unsupported, match=r"descriptor \d+ is a real socket"):
        sim.network.socket.socket(fileno=real.fileno())


def test_a_socket_closed_while_a_task_waits_for_it_says_so_to_its_peer_after_the_wait(net):
    one, other = map(net.keep, net.socket.socketpair())
    waiting = net.spawn(net.select.select, [one], [], [], 0.3)
    net.settle()
    one.close()
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(1)
    waiting.result(10)  # which Linux answers with a descriptor that is none any more
    net.nap()
    assert other.recv(1) == b""


def test_a_socket_that_is_dropped_unclosed_is_told(net):
    sock = net.socket.socket()
    shown = repr(sock)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del sock
        gc.collect()
    assert [(warning.category, str(warning.message)) for warning in caught] == [(ResourceWarning, f"unclosed {shown}")]


def test_a_closed_socket_and_a_world_that_ends_tell_nothing():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        with Simulation(patch=False) as sim:
            sim.network.socket.socket().close()
            kept = sim.network.socket.socket()
        del kept
        gc.collect()
    assert [str(warning.message) for warning in caught if "unclosed" in str(warning.message)] == []


def test_a_patched_world_knows_its_descriptors_and_leaves_real_ones_alone(tmp_path):
    import fcntl
    import os
    import socket

    with Simulation(patch=True):
        one, other = socket.socketpair()
        assert os.write(one.fileno(), b"hello") == 5 and os.read(other.fileno(), 10) == b"hello"
        assert fcntl.fcntl(one, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        assert os.write(fd, b"content") == 7 and stat.S_ISREG(os.fstat(fd).st_mode)
        assert os.sendfile(one.fileno(), fd, 0, 100) == 7 and other.recv(100) == b"content"
        assert socket.if_nameindex() == [(1, "lo"), (2, "eth0")] and socket.if_nametoindex("lo") == 1
        os.close(fd)
        with pytest.raises(OSError, match="Bad file descriptor") as caught:
            os.fstat(fd)
        assert caught.value.errno == errno.EBADF
        one.close()
        other.close()
    assert os.write is real_os.write and not hasattr(os.write, "__wrapped__")


@pytest.mark.parametrize("value", [None, 0, 1.5, False])
def test_a_timeout_of_a_descriptor_that_another_object_has_closed_is_ebadf(net, value):
    one = net.tcp()
    other = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_STREAM, 0, one.fileno())
    one.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        other.setblocking(value) if value is False else other.settimeout(value)
    assert other.gettimeout() == (0 if value is False else value)
    other.detach()
