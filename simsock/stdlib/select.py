"""Stand-in for ``select``: ``select``, ``poll`` and ``epoll`` over simulated descriptors.

Owns the conversion between Python's calling conventions and ``kernel.files.wait_ready``. Descriptors are the world's, or those of regular
files, which are always ready; a real socket or pipe is an error, because nothing inside a world can wait for it.
"""

from __future__ import annotations

import errno
import select as _real
import sys
from math import ceil
from typing import Any

from simsock.errors import WorldEnded
from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.kernel.files import POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, OpenFile, wait_ready
from simsock.kernel.identity import over
from simsock.kernel.leftover_numbers import not_open
from simsock.kernel.units import NS
from simsock.stdlib._epoll import epoll
from simsock.stdlib._errors import UnsupportedName
from simsock.stdlib._files import descriptor_of, pollable, refuse_real
from simsock.stdlib._waiting import poll_ns, timeout_number

error = OSError
PIPE_BUF = _real.PIPE_BUF
POLLRDHUP = 0x2000
POLLRDNORM, POLLRDBAND, POLLWRNORM, POLLWRBAND, POLLMSG = 0x40, 0x80, 0x100, 0x200, 0x400

EPOLLIN, EPOLLPRI, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLONESHOT = 0x1, 0x2, 0x4, 0x8, 0x10, 0x2000, 1 << 30
EPOLLRDNORM, EPOLLRDBAND, EPOLLWRNORM, EPOLLWRBAND, EPOLLMSG, EPOLLEXCLUSIVE, EPOLLET = 0x40, 0x80, 0x100, 0x200, 0x400, 1 << 28, 1 << 31
EPOLL_CLOEXEC = 0x80000

__all__ = ["PIPE_BUF", "POLLERR", "POLLHUP", "POLLIN", "POLLNVAL", "POLLOUT", "POLLPRI", "POLLRDHUP", "epoll", "error", "poll", "select"]

_READ = POLLIN | POLLHUP | POLLERR | POLLNVAL
_WRITE = POLLOUT | POLLERR | POLLNVAL
_OTHER = POLLPRI | POLLNVAL


def __getattr__(name: str) -> Any:
    if hasattr(_real, name) and not name.startswith("_"):
        raise UnsupportedName(f"select.{name} is not simulated yet; select, poll and epoll are")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def select(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None) -> tuple[list[Any], list[Any], list[Any]]:
    """select(2): the objects of each list that are ready; three empty lists when ``timeout`` (seconds; None never) passed first."""
    kernel = session.kernel()
    kernel.point()
    deadline = _deadline(kernel.now, timeout)
    readers, writers, others = _entries(rlist), _entries(wlist), _entries(xlist)
    masks: dict[int, int] = {}
    for entries, mask in ((readers, POLLIN), (writers, POLLOUT), (others, POLLPRI)):
        for fd, _ in entries:
            masks[fd] = masks.get(fd, 0) | mask
    files = kernel.files
    watched = []
    for fd, mask in masks.items():
        file = files.get(fd) or pollable(kernel, fd, "select")
        if file is None:
            raise not_open(kernel, fd)
        watched.append((fd, file, mask))
    while True:
        ready = dict(wait_ready(kernel, watched, deadline, "select", files))
        found = (
            [obj for fd, obj in readers if ready.get(fd, 0) & _READ],
            [obj for fd, obj in writers if ready.get(fd, 0) & _WRITE],
            [obj for fd, obj in others if ready.get(fd, 0) & _OTHER],
        )
        if any(found) or not ready:
            if not ready and timeout == 0:
                kernel.fruitless()
            return found
        # Only a hang-up that nobody asked about, which select(2) does not report: wait for something else.
        watched = [entry for entry in watched if entry[0] not in ready]


def _entries(objects: Any) -> list[tuple[int, Any]]:
    """(descriptor, object) of each. A list is gone through as it is: ``fileno`` of one of them may shorten it, and the rest is not asked."""
    if not isinstance(objects, (list, tuple)):
        try:
            objects = list(objects)
        except TypeError:
            raise TypeError("arguments 1-3 must be sequences") from None
    return [(descriptor_of(obj), obj) for obj in objects]


def _deadline(now: int, timeout: float | None) -> int | None:
    if timeout is None:
        return None
    timeout = timeout_number(timeout, "a float")
    if timeout < 0:
        raise ValueError("timeout must be non-negative")
    return now + ceil(timeout * NS)


class poll:
    """poll(2) with its descriptors registered beforehand."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}
        self._waits = False
        self._world = session.active

    def register(self, fd: Any, eventmask: int = POLLIN | POLLPRI | POLLOUT, /) -> None:
        """Watch a descriptor; registering it again changes its mask."""
        number = descriptor_of(fd)
        refuse_real(session.active, number, "poll")
        self._masks[number] = _checked(eventmask)

    def modify(self, fd: Any, eventmask: int, /) -> None:
        """Change a mask; ``OSError`` ENOENT when the descriptor is not registered."""
        number = descriptor_of(fd)
        refuse_real(session.active, number, "poll")
        if number not in self._masks:
            raise os_error(errno.ENOENT)
        self._masks[number] = _checked(eventmask)

    def unregister(self, fd: Any, /) -> None:
        """Stop watching; ``KeyError`` when the descriptor is not registered."""
        del self._masks[descriptor_of(fd)]

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        """(descriptor, events) of what is ready; waits up to ``timeout`` milliseconds (before 3.15 whole ones, rounded up), for ever when None or negative."""
        ns = -1 if timeout is None else poll_ns(timeout)
        if self._waits:
            raise RuntimeError("concurrent poll() invocation")
        if self._world is not None and self._world.ended:
            raise WorldEnded(f"this poll object belongs to a world that {over(self._world)}")
        kernel = session.kernel()
        kernel.point()
        files = kernel.files
        watched: list[tuple[int, OpenFile, int]] = []
        invalid = []
        for fd, mask in self._masks.items():
            file = files.get(fd) or pollable(kernel, fd, "poll")
            if file is None:
                invalid.append((fd, POLLNVAL))
            else:
                watched.append((fd, file, mask))
        deadline = kernel.now if invalid else None if ns < 0 else kernel.now + ns
        self._waits = True
        try:
            ready = wait_ready(kernel, watched, deadline, "poll", files)
        finally:
            self._waits = False
        if not ready and not invalid and ns == 0:
            kernel.fruitless()
        return invalid + ready


def _checked(eventmask: int) -> int:
    new = sys.version_info >= (3, 14)
    if not isinstance(eventmask, int):
        raise TypeError(f"{type(eventmask).__name__!r} object cannot be interpreted as an integer" if new else "an integer is required")
    if eventmask < 0:
        raise ValueError("Cannot convert negative int" if new else "value must be positive")
    if eventmask > 0xFFFF:
        raise OverflowError("Python int too large for C unsigned short")
    return eventmask
