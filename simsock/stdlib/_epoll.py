"""Stand-in for ``select.epoll``.

Owns the checks of masks and the plain case: level-triggered entries, which are asked in the order in which they were registered. What tells edges is
in ``_interest.py``. Does not know selectors. Law: a registered file that is closed everywhere leaves the list by itself, as in epoll(7).
"""

from __future__ import annotations

import errno
from typing import Any

from simsock.errors import WorldEnded
from simsock.kernel import session
from simsock.kernel.files import bad_descriptor, wait_ready
from simsock.kernel.identity import over
from simsock.kernel.units import NS
from simsock.net.sockets import os_error
from simsock.stdlib._buffers import c_int
from simsock.stdlib._files import descriptor_of, registrable
from simsock.stdlib._interest import EXCLUSIVE, EXCLUSIVE_MAY, ONESHOT, EpollFile
from simsock.stdlib._waiting import milliseconds, real_number

_EVENTS_MOST = 1023
"""CPython's FD_SETSIZE - 1, when ``maxevents`` is not given."""
_EPOLL_CLOEXEC = 0x80000
_NUMBERS = frozenset((int, float))
_USUAL_S = 1_000_000
"""Up to here there is nothing to say against a timeout, and loops ask often."""


class epoll:
    """A set of descriptors to wait for."""

    def __init__(self, sizehint: int = -1, flags: int = 0) -> None:
        sizehint, flags = c_int(sizehint), c_int(flags)
        if sizehint != -1 and sizehint <= 0:
            raise ValueError("negative sizehint")
        if flags not in (0, _EPOLL_CLOEXEC):
            raise OSError("invalid flags")
        self._kernel = session.kernel()
        self._kernel.point()
        self._fd = self._kernel.process.open(EpollFile(self._kernel))

    @classmethod
    def fromfd(cls, fd: int, /) -> epoll:
        """An epoll object over the descriptor of another one."""
        self = cls.__new__(cls)
        self._kernel = session.kernel()
        self._kernel.point()
        self._fd = c_int(fd)
        if self._fd == -1:  # CPython then makes one
            self._fd = self._kernel.process.open(EpollFile(self._kernel))
        return self

    def _file(self) -> EpollFile:
        if self._fd < 0:
            raise ValueError("I/O operation on closed epoll object")
        if self._kernel.ended:
            raise WorldEnded(f"this epoll object belongs to a world that {over(self._kernel)}")
        file = self._kernel.files.get(self._fd)
        if not isinstance(file, EpollFile):
            raise bad_descriptor() if file is None else os_error(errno.EINVAL)
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
        epoll = self._file()
        number = descriptor_of(fd)
        file = registrable(self._kernel, number)
        nested = isinstance(file, EpollFile)
        if file is epoll or (eventmask & EXCLUSIVE and (nested or eventmask & ~EXCLUSIVE_MAY)):
            raise os_error(errno.EINVAL)
        if isinstance(file, EpollFile) and file.reaches(epoll):
            raise os_error(errno.ELOOP)
        known = epoll.interest.get(number)
        if known is not None and known[0] is file:
            raise os_error(errno.EEXIST)
        epoll.enter(number, file, eventmask)

    def modify(self, fd: Any, eventmask: int) -> None:
        """Change a mask; ENOENT when the descriptor is not watched."""
        epoll = self._file()
        number = descriptor_of(fd)
        known = epoll.interest.get(number)
        if number not in self._kernel.files:
            raise bad_descriptor()
        if known is None or known[0] is not self._kernel.files[number]:
            raise os_error(errno.ENOENT)
        file, before = known
        if (before | eventmask) & EXCLUSIVE:
            raise os_error(errno.EINVAL)
        epoll.enter(number, file, eventmask)

    def unregister(self, fd: Any) -> None:
        """Stop watching; ENOENT when the descriptor is not watched, EBADF when it is not open."""
        if self._kernel.ended:  # a loop that is closed late does so, and ignores this
            raise bad_descriptor()
        epoll = self._file()
        number = descriptor_of(fd)
        known = epoll.interest.get(number)
        if number not in self._kernel.files:
            if known is not None and not known[0].references:
                epoll.leave(number)
            raise bad_descriptor()
        if known is None or known[0] is not self._kernel.files[number]:
            raise os_error(errno.ENOENT)
        epoll.leave(number)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """(descriptor, events) of what is ready; waits up to ``timeout`` seconds, for ever when None or negative."""
        maxevents = c_int(maxevents)
        file = self._file()
        if timeout is not None and not (type(timeout) in _NUMBERS and -1 <= timeout < _USUAL_S):
            milliseconds(timeout, 1)  # for its errors
            timeout = real_number(timeout)
        if maxevents == 0 or maxevents < -1:
            raise ValueError(f"maxevents must be greater than 0, got {maxevents}")
        kernel = self._kernel
        kernel.point()
        interest = file.interest
        for number in [number for number, (watched, _) in interest.items() if not watched.references]:
            file.leave(number)
        deadline = None if timeout is None or timeout < 0 else kernel.now + round(timeout * NS)
        if file.watches:
            ready = file.wait(maxevents if maxevents > 0 else _EVENTS_MOST, deadline)
        else:
            entries = [(number, watched, mask & ~ONESHOT) for number, (watched, mask) in interest.items() if mask & ~ONESHOT]
            ready = wait_ready(kernel, entries, deadline, "epoll")
        if not ready and timeout == 0:
            kernel.fruitless()
        if 0 < maxevents < len(ready):
            ready = ready[:maxevents]
            for number, _ in ready:  # as on Linux, those that were not told come first the next time
                if number in interest:
                    interest[number] = interest.pop(number)
        for number, _ in ready:
            if number in interest and interest[number][1] & ONESHOT:
                file.disarm(number)
        return ready
