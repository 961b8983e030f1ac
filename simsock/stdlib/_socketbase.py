"""What every part of the socket object stands on: the descriptor, its open file, its timeout.

PYTEST_DONT_REWRITE

Owns timeouts and the look-up of the open file. Does not know what is done with it. Law: ``_file()`` is the scheduling point of a call.
"""

from __future__ import annotations

import errno
import socket as _real
from math import ceil
from typing import TYPE_CHECKING, Any

from simsock.errors import WorldEnded
from simsock.kernel import session
from simsock.kernel.files import bad_descriptor
from simsock.kernel.units import NS
from simsock.net.sockets import os_error
from simsock.net.streams import StreamSocket
from simsock.stdlib._errors import would_block
from simsock.stdlib._waiting import TIMEOUT_MAX

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

MSG_PEEK, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL, MSG_TRUNC = 0x2, 0x40, 0x4000, 0x100, 0x20
MSG_KNOWN = MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL | MSG_TRUNC


def _timeout_ns(value: Any) -> int | None:
    """Nanoseconds of a timeout, rounded up; CPython's errors."""
    if value is None:
        return None
    if not isinstance(value, (int, float)):
        raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
    if value != value:
        raise ValueError("Invalid value NaN (not a number)")
    if value < 0:
        raise ValueError("Timeout value out of range")
    if value > TIMEOUT_MAX:
        raise OverflowError("timestamp out of range for platform time_t")
    return ceil(value * NS)


def getdefaulttimeout() -> float | None:
    """The timeout of new sockets in seconds, or None."""
    wait_ns = session.kernel().state.get("default_timeout_ns")
    return None if wait_ns is None else wait_ns / NS


def setdefaulttimeout(timeout: float | None) -> None:
    """Set the timeout of new sockets in seconds, or None for none."""
    session.kernel().state["default_timeout_ns"] = _timeout_ns(timeout)


class SocketBase(_real.socket):
    """The state of a simulated socket object, and what all its methods need."""

    __slots__ = ("_fd", "_inheritable", "_kernel", "_sim_family", "_sim_proto", "_sim_type", "_wait_ns")

    _fd: int
    _inheritable: bool
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

    def _file(self) -> Any:
        """The open file, at a scheduling point."""
        kernel = self._kernel
        if kernel is not session.active:
            raise WorldEnded("this socket belongs to a world that has ended")
        kernel.point()
        try:
            return kernel.files[self._fd]
        except KeyError:
            raise bad_descriptor() from None

    def _log(self, what: str, file: Any, *more: Any) -> None:
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, what, file.title, *more))

    def _stream(self, what: str) -> StreamSocket:
        file = self._file()
        if not isinstance(file, StreamSocket):
            raise os_error(errno.EOPNOTSUPP)
        return file

    # -- timeouts --------------------------------------------------------------------------------------------------------------------

    def settimeout(self, value: float | None) -> None:
        """Set the timeout in seconds; None blocks for ever, 0 never."""
        wait = _timeout_ns(value)
        if self._fd < 0:
            raise bad_descriptor()
        self._wait_ns = wait

    def gettimeout(self) -> float | None:
        """The timeout in seconds, or None."""
        return self.timeout

    def setblocking(self, flag: bool) -> None:
        """True is ``settimeout(None)``, False is ``settimeout(0)``."""
        if self._fd < 0:
            raise bad_descriptor()
        self._wait_ns = None if flag else 0

    def getblocking(self) -> bool:
        """Whether calls may wait."""
        return self._wait_ns != 0

    def _deadline(self, flags: int = 0) -> int | None:
        """When a call that has to wait gives up; raises EAGAIN if it must not wait at all."""
        wait = self._wait_ns
        if wait == 0 or flags & MSG_DONTWAIT:
            self._kernel.fruitless()
            raise would_block()
        return None if wait is None else self._kernel.now + wait

    def _check_open(self) -> None:
        """After a wait with a timeout: CPython polls, then calls again with a descriptor that may have been closed meanwhile."""
        if self._fd < 0 and self._wait_ns is not None:
            raise bad_descriptor()
