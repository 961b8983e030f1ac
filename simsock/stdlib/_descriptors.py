"""What programs do to descriptors of the world with ``read``, ``write`` and their kin.

Owns the way from a descriptor's number to its open file, and the waiting of files that are no sockets. Does not know ``os``'s names. Law: a
simulated descriptor never reaches the real system, where its number may mean something else.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from zlib import crc32

from simsock.kernel import session
from simsock.kernel.failures import would_block
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.kernel.leftover_numbers import is_left, not_open
from simsock.net.pipes import EventCounter, PipeEnd
from simsock.net.sockets import Socket, os_error
from simsock.stdlib._socketobject import socket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsock.kernel.core import Kernel


_fstat = os.fstat
"""Taken now: a world replaces the name."""


def world_of(fd: Any) -> Kernel | None:
    """The world that a descriptor belongs to; None when it is a real one, or no descriptor. ``OSError`` EBADF when it was one of the world before."""
    if not isinstance(fd, int) or fd < FIRST_DESCRIPTOR:
        return None
    kernel = session.active
    if kernel is None:
        return None
    if fd in kernel.files:
        return kernel
    if is_left(kernel, fd) and not _is_real(fd):
        raise not_open(kernel, fd)
    return None


def _is_real(fd: int) -> bool:
    try:
        _fstat(fd)
    except OSError:
        return False
    return True


def file_of(fd: int) -> Any:
    """The open file of a simulated descriptor, at a scheduling point."""
    kernel = session.kernel()
    kernel.point()
    try:
        return kernel.files[fd]
    except KeyError:
        raise not_open(kernel, fd) from None


@contextmanager
def borrowed(file: Any, fd: int) -> Iterator[Any]:
    """A socket object that borrows a simulated descriptor, and blocks as the open file says."""
    if not isinstance(file, Socket):  # an epoll object: there is nothing in it
        raise os_error(errno.EINVAL)
    sock = socket.__new__(socket)
    sock._kernel, sock._fd, sock._io_refs, sock._closed = file.kernel, fd, 0, False
    sock._sim_family, sock._sim_type, sock._sim_proto = file.family, file.type, file.protocol
    sock._wait_ns = 0 if file.nonblocking else None
    try:
        yield sock
    finally:
        sock._fd = -1


def read(fd: int, count: int) -> bytes:
    """read(2) of a simulated descriptor."""
    file = file_of(fd)
    if not isinstance(file, (PipeEnd, EventCounter)):
        with borrowed(file, fd) as sock:
            return sock.recv(count)  # type: ignore[no-any-return]  # bytes
    data = file.read(count)
    while data is None:
        if file.nonblocking:
            file.kernel.fruitless()
            raise would_block()
        file.wait_readable(None, "read")
        data = file.read(count)
    _log(file, "read", data)
    return data


def write(fd: int, view: Any) -> int:
    """write(2) to a simulated descriptor: all of it, unless it is not to wait, or nobody can read any more."""
    file = file_of(fd)
    if not isinstance(file, (PipeEnd, EventCounter)):
        with borrowed(file, fd) as sock:
            return sock.send(view)  # type: ignore[no-any-return]  # a number
    view = memoryview(view)
    written = 0
    while True:
        try:
            taken = file.write(view[written:])
        except BrokenPipeError:
            if not written:
                raise
            break
        written += taken or 0
        if written == len(view) or (taken and isinstance(file, EventCounter)):
            break
        if file.nonblocking:
            if not written:
                file.kernel.fruitless()
                raise would_block()
            break
        file.wait_writable(None, "write")
    _log(file, "write", view[:written])
    return written


def _log(file: Any, what: str, data: Any) -> None:
    kernel = file.kernel
    kernel.log.append((kernel.now, kernel.current.path, what, file.title, len(data), crc32(data)))
