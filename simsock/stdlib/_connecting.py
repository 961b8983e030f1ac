"""The socket object's calls about addresses and connections.

PYTEST_DONT_REWRITE

Owns Python's way of binding and connecting: argument checks, waiting, the errors of a timeout. Does not know how a connection
comes about.
"""

from __future__ import annotations

import errno
import os
import socket as _real
from typing import Any

from simsock.kernel import failures
from simsock.kernel.failures import timed_out
from simsock.net.datagrams import DatagramSocket
from simsock.net.sockets import os_error
from simsock.net.tcp import handshake
from simsock.net.tcp.states import FAILED, NEW, SYN_SENT
from simsock.net.tcp.stream import StreamSocket
from simsock.net.unix.common import UnixSocket
from simsock.net.unix.connections import UnixConnection
from simsock.stdlib._addresses import own_address, peer_address
from simsock.stdlib._addresses import target as target_of
from simsock.stdlib._allowed import connect_for_real
from simsock.stdlib._buffers import c_int
from simsock.stdlib._refusals import explain, explained, name_refused
from simsock.stdlib._room import Room
from simsock.stdlib._socketbase import SocketBase
from simsock.stdlib._waiting import tried_in_vain

_NOBODY = (errno.ECONNREFUSED, errno.ENOENT)
"""How a try ends when nobody listens there."""
_SHUT = {0: (True, False), 1: (False, True), 2: (True, True)}


class Connecting(SocketBase):
    """bind, listen, connect, shutdown and the names of both ends."""

    __slots__ = ()

    def bind(self, address: Any, /) -> None:
        """Take a local address."""
        target = target_of(self._sim_family, address, "bind")
        file = self._file()
        if isinstance(file, UnixSocket):
            file.bind_name(target)
        else:
            file.bind(*target)
        self._log("bind", file)

    def listen(self, backlog: int = 128, /) -> None:
        """Accept connections; ``backlog`` (+ 1, as on Linux) may wait to be accepted."""
        backlog = c_int(backlog)
        file = self._file()
        if isinstance(file, StreamSocket):
            handshake.listen(file, backlog)
        elif isinstance(file, UnixConnection):
            file.listen(backlog)
        else:
            raise os_error(errno.EOPNOTSUPP)
        self._log("listen", file)  # without the backlog, which Pythons do not agree on: what comes of one that is too short is written down

    def connect(self, address: Any, /) -> None:
        """Connect; waits up to the timeout."""
        try:
            number = self._connect(address)
        except ConnectionRefusedError as error:
            if self._sim_family == _real.AF_UNIX and not str(address).startswith("\0"):
                explain(error, name_refused(os.fsdecode(address)))
            raise
        if number == errno.ECONNREFUSED:
            raise self._refused(address)
        if number:
            raise os_error(number) if number != -1 else timed_out()

    def _refused(self, address: Any) -> OSError:
        """Linux's error, with a note for people."""
        error = os_error(errno.ECONNREFUSED)
        file = self._file()
        if isinstance(file, StreamSocket):
            explain(error, explained(file.fabric, file.host, str(address[0]), address[1]))
        return error

    def connect_ex(self, address: Any, /) -> int:
        """Connect and return the error's number, 0 for success."""
        try:
            number = self._connect(address, "connect_ex")
        except _real.gaierror:
            raise
        except OSError as error:
            if error.errno is None:
                raise
            return error.errno
        if number:
            failures.tell(number if number != -1 else errno.EAGAIN)
        return number if number != -1 else errno.EAGAIN

    def _connect(self, address: Any, what: str = "connect") -> int:
        """0, an errno, or -1 for "timed out". A try that is refused at once counts as a poll: programs wait so until somebody listens."""
        kernel = self._kernel
        now, wakes, polls = kernel.now, kernel.wakes, kernel.current.polls
        try:
            number = self._try(address, what)
        except OSError as error:
            if error.errno in _NOBODY and kernel.now == now:
                tried_in_vain(kernel, polls, wakes)
            raise
        if number in _NOBODY and kernel.now == now:
            tried_in_vain(kernel, polls, wakes)
        return number

    def _try(self, address: Any, what: str) -> int:
        """The states are those of __inet_stream_connect() in Linux's af_inet.c."""
        target = target_of(self._sim_family, address, what)
        file = self._file()
        if isinstance(file, UnixSocket):
            return self._connect_name(file, target)
        if isinstance(file, DatagramSocket):
            file.connect(target)
            return 0
        if file.unreported:
            file.unreported = False
            return 0 if file.connected else self._take_failure(file)
        if file.state is FAILED:
            return self._take_failure(file)
        if file.state is NEW and tuple(target[:2]) in self._kernel.room(Room).allowed:
            return connect_for_real(self, (target[0], target[1]), what)
        if file.state is NEW:
            self._log("connect", file, f"{target[0]} {target[1]}")
            file.fabric.connect(file, target)
            if self._wait_ns == 0:
                return errno.EINPROGRESS
        elif file.state is not SYN_SENT:
            return errno.EISCONN if file.listening or file.remote is not None else errno.EINVAL
        elif self._wait_ns is not None:
            return errno.EALREADY
        if file.state is SYN_SENT:
            deadline = self._deadline(sending=True)
            while file.state is SYN_SENT:
                if not file.wait_writable(deadline, "connect"):
                    return -1 if self._wait_ns is not None else errno.EINPROGRESS
        if self._wait_ns is None:
            file.unreported = False
            return self._take_failure(file) if file.state in (FAILED, NEW) else 0
        # With a timeout CPython polls and reads SO_ERROR: the system still waits for somebody to call connect(2) again.
        return int(file.pop_error())

    def _connect_name(self, file: UnixSocket, name: bytes) -> int:
        """A Unix socket is connected at once, or waits for room in the listener's queue; with a timeout Linux says EAGAIN, and CPython believes it."""
        self._log("connect", file)
        while not file.connect_name(name):
            if self._wait_ns is not None or file.nonblocking:
                self._kernel.fruitless()
                return errno.EAGAIN
            file.wait_writable(None, "connect")
        return 0

    @staticmethod
    def _take_failure(file: StreamSocket) -> int:
        file.start_over()
        return file.pop_error() or errno.ECONNABORTED

    def shutdown(self, how: int, /) -> None:
        """Half-close: ``SHUT_RD``, ``SHUT_WR`` or ``SHUT_RDWR``."""
        how = c_int(how)
        file = self._file()
        if how not in _SHUT:
            raise os_error(errno.EINVAL)
        self._log("shutdown", file, int(how))
        file.shutdown(*_SHUT[how])

    def getsockname(self) -> Any:
        """The local address."""
        file = self._file()
        return own_address(file)

    def getpeername(self) -> Any:
        """The peer's address; ENOTCONN without one."""
        file = self._file()
        if not file.has_peer:
            raise os_error(errno.ENOTCONN)
        return peer_address(file)
