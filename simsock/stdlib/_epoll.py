"""Stand-in for ``select.epoll``.

Owns the interest list of one epoll object. Level-triggered unless ``EPOLLET`` is asked for, which is not simulated; ``EPOLLONESHOT`` is. Does not
know selectors. Law: a registered file that is closed everywhere leaves the list by itself, as in epoll(7).
"""

from __future__ import annotations

import errno
import select as _real
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.files import OpenFile, bad_descriptor, wait_ready
from simsock.kernel.units import NS
from simsock.net.sockets import os_error
from simsock.stdlib._buffers import c_int
from simsock.stdlib._files import descriptor_of, registrable
from simsock.stdlib._waiting import timeout_number

_ONESHOT = getattr(_real, "EPOLLONESHOT", 1 << 30)
_ET = getattr(_real, "EPOLLET", 1 << 31)


class _EpollFile(OpenFile):
    __slots__ = ("interest",)

    kind = "epoll"

    def __init__(self, kernel: Any) -> None:
        super().__init__(kernel)
        self.interest: dict[int, tuple[OpenFile, int]] = {}

    def poll(self) -> int:
        return int(any(file.poll() & (mask | 0x18) for file, mask in self.interest.values()))

    def released(self) -> None:
        self.interest.clear()


class epoll:
    """A set of descriptors to wait for."""

    def __init__(self, sizehint: int = -1, flags: int = 0) -> None:
        self._kernel = session.kernel()
        self._kernel.point()
        self._fd = self._kernel.process.open(_EpollFile(self._kernel))

    @classmethod
    def fromfd(cls, fd: int, /) -> epoll:
        """An epoll object over the descriptor of another one."""
        self = cls.__new__(cls)
        self._kernel = session.kernel()
        self._kernel.point()
        self._fd = c_int(fd)
        return self

    def _file(self) -> _EpollFile:
        if self._fd < 0:
            raise ValueError("I/O operation on closed epoll object")
        file = self._kernel.files.get(self._fd)
        if not isinstance(file, _EpollFile):
            raise bad_descriptor()
        return file

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._fd < 0

    def fileno(self) -> int:
        """The epoll object's own descriptor."""
        self._file()
        return self._fd

    def close(self) -> None:
        """Give the descriptor back."""
        fd, self._fd = self._fd, -1
        if fd >= 0 and self._kernel is session.active and fd in self._kernel.files:
            self._kernel.process.close(fd)

    def __enter__(self) -> epoll:
        self._file()
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            self._kernel.finalize(self.close)

    def register(self, fd: Any, eventmask: int = 7) -> None:
        """Watch a descriptor; EEXIST when it is watched already, EBADF when it is not open."""
        interest = self._file().interest
        number = descriptor_of(fd)
        file = registrable(self._kernel, number)
        known = interest.get(number)
        if known is not None and known[0] is file:
            raise os_error(errno.EEXIST)
        interest[number] = (file, _checked(eventmask))

    def modify(self, fd: Any, eventmask: int) -> None:
        """Change a mask; ENOENT when the descriptor is not watched."""
        interest = self._file().interest
        number = descriptor_of(fd)
        if number not in interest:
            raise os_error(errno.ENOENT)
        interest[number] = (interest[number][0], _checked(eventmask))

    def unregister(self, fd: Any) -> None:
        """Stop watching; ENOENT when the descriptor is not watched, EBADF when it is not open."""
        interest = self._file().interest
        number = descriptor_of(fd)
        if number not in self._kernel.files:
            interest.pop(number, None)
            raise bad_descriptor()
        if interest.pop(number, None) is None:
            raise os_error(errno.ENOENT)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """(descriptor, events) of what is ready; waits up to ``timeout`` seconds, for ever when None or negative."""
        if maxevents == 0 or maxevents < -1:
            raise ValueError(f"maxevents must be greater than 0, got {maxevents}")
        if timeout is not None:
            timeout = timeout_number(timeout, "an integer")
        kernel = self._kernel
        kernel.point()
        file = self._file()
        interest = file.interest
        for number in [number for number, (watched, _) in interest.items() if not watched.references]:
            del interest[number]
        deadline = None if timeout is None or timeout < 0 else kernel.now + round(timeout * NS)
        entries = [(number, watched, mask & ~_ONESHOT) for number, (watched, mask) in interest.items() if mask & ~_ONESHOT]
        ready = wait_ready(kernel, entries, deadline, "epoll")
        if not ready and timeout == 0:
            kernel.fruitless()
        if maxevents > 0:
            ready = ready[:maxevents]
        for number, _ in ready:
            if number in interest and interest[number][1] & _ONESHOT:
                interest[number] = (interest[number][0], _ONESHOT)
        return ready


def _checked(eventmask: int) -> int:
    if eventmask & _ET:
        raise Unsupported(f"epoll: edge-triggered events (mask {eventmask:#x}) are not simulated; level-triggered ones are")
    return eventmask
