"""From what programs pass as "a file" to an open file of the world.

Owns the look-up shared by ``select``, ``selectors`` and ``socket``, and what pollers are told of real files: regular files are always ready, as
on Linux; for a real socket or pipe nothing inside a world can wait, which is an error that says so.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel.files import FIRST_DESCRIPTOR, POLLIN, POLLOUT, OpenFile
from simsock.kernel.leftover_numbers import not_open
from simsock.net.sockets import os_error
from simsock.stdlib._buffers import c_int
from simsock.stdlib._room import Room

if TYPE_CHECKING:
    from simsock.kernel import Kernel

_fstat = os.fstat
"""Taken now: a world replaces the name."""


class _RealFile(OpenFile):
    """A regular file, a directory or a device of the real system: never waited for."""

    __slots__ = ()

    kind = "real file"

    def poll(self) -> int:
        return POLLIN | POLLOUT


def pollable(kernel: Kernel, fd: int, who: str) -> OpenFile | None:
    """The open file behind a descriptor for select(2) and poll(2), None when it is not open. ``Unsupported`` for real sockets and pipes."""
    file = kernel.files.get(fd)
    if file is None and (peer := kernel.room(Room).peers_by_number.get(fd)) is not None:
        raise Unsupported(
            f"{who}: descriptor {fd} is a real socket: nothing inside a world can wait for it; it talks to {peer} (allow=): let it block, with a timeout, "
            "in a thread"
        )
    if file is None and fd < FIRST_DESCRIPTOR:
        kind = _kind_of(fd)
        if kind is None:
            return None
        if not kind:
            return _RealFile(kernel)
        _refuse(kernel, fd, kind, who)
        raise Unsupported(f"{who}: descriptor {fd} is a real {kind}: nothing inside a world can wait for it; make it inside the world")
    return file


def refuse_real(kernel: Kernel | None, fd: int, who: str) -> None:
    """A descriptor is to be waited for later: a patched world refuses a real socket or pipe at once."""
    if fd < FIRST_DESCRIPTOR and kernel is not None and fd not in kernel.files and (kind := _kind_of(fd)):
        _refuse(kernel, fd, kind, who)


def _refuse(kernel: Kernel, fd: int, kind: str, who: str) -> None:
    ask = kernel.room(Room).ask_waited
    if ask is not None:
        ask(who, fd, kind)


def registrable(kernel: Kernel, fd: int) -> OpenFile:
    """The same for epoll(7), which takes no regular files (EPERM) and no descriptor that is not open (EBADF)."""
    file = pollable(kernel, fd, "epoll")
    if file is None:
        raise not_open(kernel, fd)
    if isinstance(file, _RealFile):
        raise os_error(errno.EPERM)
    return file


def _kind_of(fd: int) -> str | None:
    """Of a real descriptor: what it is if one may have to wait for it, nothing in words if not, None if it is not open."""
    try:
        mode = _fstat(fd).st_mode
    except OSError:
        return None
    return "socket" if stat.S_ISSOCK(mode) else "pipe" if stat.S_ISFIFO(mode) else "" if stat.S_IFMT(mode) else "descriptor of the kernel's"


def descriptor_of(fileobj: Any) -> int:
    """The descriptor of an integer or of an object with ``fileno()``; errors as in CPython's fileobject.c."""
    if isinstance(fileobj, int):
        fd = fileobj
    else:
        method = getattr(fileobj, "fileno", None)
        if method is None:
            raise TypeError("argument must be an int, or have a fileno() method.")
        fd = method()
        if not isinstance(fd, int):
            raise TypeError("fileno() returned a non-integer")
    fd = c_int(fd)
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd
