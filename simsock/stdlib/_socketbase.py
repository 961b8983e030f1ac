"""What every part of the socket object stands on: the descriptor, its open file, its timeout.

PYTEST_DONT_REWRITE

Owns timeouts and the look-up of the open file. Does not know what is done with it. Law: ``_file()`` is the scheduling point of a call.
"""

from __future__ import annotations

import socket as _real
from _thread import get_ident
from math import ceil
from typing import TYPE_CHECKING, Any

from simsock.errors import WorldEnded
from simsock.kernel import session
from simsock.kernel.failures import bad_descriptor, timed_out, would_block
from simsock.kernel.identity import over
from simsock.kernel.units import NS
from simsock.stdlib._room import Room
from simsock.stdlib._waiting import TIMEOUT_MAX, TIMEOUT_TOO_LARGE, real_number

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_TRUNC, MSG_DONTWAIT, MSG_EOR, MSG_WAITALL = 0x1, 0x2, 0x4, 0x8, 0x20, 0x40, 0x80, 0x100
MSG_CONFIRM, MSG_NOSIGNAL, MSG_MORE, MSG_CMSG_CLOEXEC = 0x800, 0x4000, 0x8000, 0x4000_0000
MSG_KNOWN = MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL | MSG_TRUNC | MSG_CMSG_CLOEXEC
MSG_KNOWN_SENDING = MSG_KNOWN | MSG_DONTROUTE | MSG_EOR | MSG_CONFIRM
"""Flags that have their effect, or none on Linux either."""


def _timeout_ns(value: Any) -> int | None:
    """Nanoseconds of a timeout, rounded up; CPython's errors."""
    if value is None:
        return None
    number = real_number(value)
    if number != number:
        raise ValueError("Invalid value NaN (not a number)")
    if number < 0:
        raise ValueError("Timeout value out of range")
    if number > TIMEOUT_MAX:
        raise OverflowError(TIMEOUT_TOO_LARGE)
    return ceil(number * NS)


def getdefaulttimeout() -> float | None:
    """The timeout of new sockets in seconds, or None."""
    wait_ns = session.kernel().room(Room).default_timeout_ns
    return None if wait_ns is None else wait_ns / NS


def setdefaulttimeout(timeout: float | None) -> None:
    """Set the timeout of new sockets in seconds, or None for none."""
    session.kernel().room(Room).default_timeout_ns = _timeout_ns(timeout)


class SocketBase(_real.socket):
    """The state of a simulated socket object, and what all its methods need."""

    __slots__ = ("_fd", "_hashed", "_kernel", "_sim_family", "_sim_proto", "_sim_type", "_wait_ns")

    _fd: int
    _hashed: int
    _kernel: Kernel
    _sim_family: int
    _sim_proto: int
    _sim_type: int
    _wait_ns: int | None
    _io_refs: int
    _closed: bool

    def fileno(self) -> int:
        """The descriptor, or -1 when closed."""
        return self._fd

    def __hash__(self) -> int:
        """Programs keep sockets in sets and walk through them: the next number of the world, and not an address, which would be another one in every run."""
        try:
            return self._hashed
        except AttributeError:
            kernel = session.active
            if kernel is None or kernel.thread != get_ident():
                self._hashed = object.__hash__(self)
            else:
                room = kernel.room(Room)
                self._hashed = room.sockets_hashed = room.sockets_hashed + 1
            return self._hashed

    def _file(self) -> Any:
        """The open file, at a scheduling point."""
        kernel = self._kernel
        if kernel is not session.active:
            raise WorldEnded(f"this socket belongs to a world that {over(kernel)}")
        kernel.point()
        try:
            return kernel.files[self._fd]
        except KeyError:
            raise bad_descriptor() from None

    def _log(self, what: str, file: Any, *more: Any) -> None:
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, what, file.title, *more))

    # -- timeouts --------------------------------------------------------------------------------------------------------------------

    def settimeout(self, value: float | None) -> None:
        """Set the timeout in seconds; None blocks for ever, 0 never."""
        wait = _timeout_ns(value)
        self._wait_ns = wait
        if self._fd < 0:
            raise bad_descriptor()
        self._mark(wait is not None)

    def _mark(self, nonblocking: bool) -> None:
        """Whatever waits, CPython waits for it itself: the open file, which others may share, is non-blocking from now on."""
        file = self._kernel.files.get(self._fd)
        if file is not None:
            file.nonblocking = nonblocking
        elif not self._kernel.ended:
            raise bad_descriptor()  # another socket object had the same descriptor, and has closed it

    def gettimeout(self) -> float | None:
        """The timeout in seconds, or None."""
        return self.timeout

    def setblocking(self, flag: bool) -> None:
        """True is ``settimeout(None)``, False is ``settimeout(0)``."""
        self._wait_ns = None if flag else 0
        if self._fd < 0:
            raise bad_descriptor()
        self._mark(not flag)

    def getblocking(self) -> bool:
        """Whether calls may wait."""
        return self._wait_ns != 0

    def _deadline(self, flags: int = 0, sending: bool = False) -> int | None:
        """When a call that has to wait gives up; raises EAGAIN if it must not wait at all.

        A socket with a timeout is waited for by CPython itself, before it makes the call: then MSG_DONTWAIT comes too late to matter.
        """
        wait = self._wait_ns
        if wait == 0:
            raise self._in_vain()
        if wait is None:
            file = self._kernel.files.get(self._fd)
            if flags & MSG_DONTWAIT or (file is not None and file.nonblocking):  # another descriptor for it was made so
                raise self._in_vain()
            limit = None if file is None else getattr(file, "send_timeout_ns" if sending else "receive_timeout_ns", None)
            return None if limit is None else self._kernel.now + limit
        return self._kernel.now + wait

    def _in_vain(self) -> OSError:
        kernel = self._kernel
        error = would_block(kernel.files.get(self._fd))
        kernel.fruitless()
        return error

    def _too_late(self, file: Any) -> OSError:
        """What a wait that came to its end raises: the socket object's own timeout, or SO_RCVTIMEO and SO_SNDTIMEO, which the system heeds."""
        if self._wait_ns is None:
            return would_block(file)
        # CPython polls, and a descriptor that was closed meanwhile looks ready to it in the end.
        return timed_out(file) if self._kernel.files.get(self._fd) is not None else bad_descriptor()

    def _check_open(self) -> None:
        """After a wait with a timeout: CPython polls, then calls again with a descriptor that may have been closed meanwhile."""
        if self._fd < 0 and self._wait_ns is not None:
            raise bad_descriptor()
