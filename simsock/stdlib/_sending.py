"""The socket object's ways to send.

PYTEST_DONT_REWRITE

Owns buffers, flags and waiting on the sending side. Does not know how bytes travel.
"""

from __future__ import annotations

import errno
import os
import socket as _real
from io import UnsupportedOperation
from stat import S_ISREG
from typing import TYPE_CHECKING, Any
from zlib import crc32

from simsock.errors import Unsupported
from simsock.net.addresses import AF_UNIX
from simsock.net.sockets import os_error
from simsock.net.tcp.stream import StreamSocket
from simsock.net.tcp.urgent import Urgently
from simsock.stdlib import _ancillary
from simsock.stdlib._addresses import target as target_of
from simsock.stdlib._buffers import FAILURES, bytes_view, c_int, shed
from simsock.stdlib._socketbase import MSG_DONTWAIT, MSG_KNOWN_SENDING, MSG_MORE, MSG_OOB, SocketBase

if TYPE_CHECKING:
    from simsock.net.besides import Outgoing
    from simsock.net.unix.ancillary import Passed

_BUFFERS_MAX = 1024
"""Linux's UIO_MAXIOV."""
_PART_BYTES = 1 << 17
_fstat = os.fstat
GiveupOnSendfile: type[Exception] = _real._GiveupOnSendfile  # type: ignore[attr-defined]  # programs that call the two methods below know it


class Sending(SocketBase):
    """send and its relatives."""

    __slots__ = ()

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send, and return how many bytes were taken: all of them when the socket blocks, else what fits."""
        view: Any = None
        try:
            view = bytes_view(data)
            file = self._file()
            if flags & ~MSG_KNOWN_SENDING:
                file = _with_flags(file, "send", flags)
            return self._send(file, view, flags)
        except FAILURES as error:
            del data, view
            shed(error)
            raise

    def _send(self, file: Any, view: Any, flags: int, target: Any = None, passed: Passed | Outgoing | None = None) -> int:
        """The general send."""
        size = len(view)
        if not file.carries_bytes:
            count = self._send_message(file, bytes(view), flags, target, passed)
        else:
            if file.shortener is not None and size > 1 and file.connected:
                view = memoryview(view)[: file.shortener(size)]
                size = len(view)
            count = file.write(view) if passed is None else file.write(view, passed)
            if count < size:
                if not count:
                    count = self._send_some(file, view, flags, passed)
                if self._wait_ns is None and not flags & MSG_DONTWAIT and not file.nonblocking:
                    count = self._send_all(file, view, count)
        if self._kernel.watchers is not None:
            self._kernel.watchers.moves(self._kernel.current, view[:count])
        self._log("send", file, count, crc32(view[:count]))
        return count

    def _send_message(self, file: Any, data: bytes, flags: int, target: Any = None, passed: Passed | Outgoing | None = None) -> int:
        """A whole datagram, as soon as there is room for it."""
        count: int | None = file.send(data, target, passed)
        if count is None:
            deadline = self._deadline(flags, True)
            while count is None:
                if not file.wait_writable(deadline, "send"):
                    raise self._too_late(file)
                self._check_open()
                count = file.send(data, target, passed)
        return count

    def _send_some(self, file: Any, view: Any, flags: int, passed: Passed | Outgoing | None) -> int:
        """Wait for room, and use it."""
        deadline = self._deadline(flags, True)
        count = 0
        while not count:
            if not file.wait_writable(deadline, "send"):
                raise self._too_late(file)
            self._check_open()
            count = file.write(view) if passed is None else file.write(view, passed)
        return count

    @staticmethod
    def _send_all(file: Any, view: Any, sent: int) -> int:
        """send(2) on a blocking socket: all of it, or as much as was taken when the connection broke; the next call hears of the error."""
        size = len(view)
        view = memoryview(view)
        while sent < size and not file.error and not file.write_shut and file.connected:
            count = file.write(view[sent:])
            sent += count
            if not count:
                file.wait_writable(None, "send")
        return sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send everything; waits while the buffers are full. The timeout is for the whole call."""
        view: Any = None
        try:
            view = bytes_view(data)
            file = self._file()
            size = len(view)
            if flags & ~MSG_KNOWN_SENDING:
                file = _with_flags(file, "sendall", flags)
            if type(file) is not StreamSocket and not file.carries_bytes:
                self._send_message(file, bytes(view), flags)
            else:
                sent = file.write(view)
                if sent < size:
                    self._send_rest(file, view, sent, flags)
        except FAILURES as error:
            del data, view
            shed(error)
            raise
        kernel = self._kernel
        if kernel.watchers is not None:
            kernel.watchers.moves(kernel.current, view)
        kernel.log.append((kernel.now, kernel.current.path, "send", file.title, size, crc32(view)))

    def _send_rest(self, file: Any, view: Any, sent: int, flags: int) -> None:
        deadline = self._deadline(flags, True)
        view = memoryview(view)  # slices of bytes would be copies
        while sent < len(view):
            count = file.write(view[sent:])
            sent += count
            if not count:
                if not file.wait_writable(deadline, "sendall"):
                    raise self._too_late(file)
                self._check_open()

    def sendto(self, data: Any, *args: Any) -> int:
        """``sendto(data, address)`` or ``sendto(data, flags, address)``."""
        view: Any = None
        try:
            if len(args) not in (1, 2):
                raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
            flags, address = args if len(args) == 2 else (0, args[0])
            flags = c_int(flags)
            view = bytes_view(data)
            target = target_of(self._sim_family, address, "sendto")
            file = self._file()
            return self._send_to(file, view, flags, target, None, "sendto")
        except FAILURES as error:
            del data, view
            shed(error)
            raise

    def _send_to(self, file: Any, view: Any, flags: int, target: Any, passed: Passed | Outgoing | None, what: str) -> int:
        if flags & ~MSG_KNOWN_SENDING:
            file = _with_flags(file, what, flags)
        if target is not None and file.carries_bytes and file.family == AF_UNIX:
            raise os_error(errno.EISCONN if file.connected else errno.EOPNOTSUPP)
        return self._send(file, view, flags, target, passed)

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None, /) -> int:
        """Send the bytes of several buffers as one message, with ancillary data; returns how many bytes were taken."""
        try:
            return self._send_parts(buffers, ancdata, flags, address)
        except FAILURES as error:
            del buffers, ancdata
            shed(error)
            raise

    def _send_parts(self, buffers: Any, ancdata: Any, flags: int, address: Any) -> int:
        try:
            items = list(buffers)
        except TypeError:
            raise TypeError("sendmsg() argument 1 must be an iterable") from None
        data = b"".join([bytes(bytes_view(item)) for item in items])
        messages = _ancillary.checked(ancdata)
        target = target_of(self._sim_family, address, "sendmsg") if address is not None else None
        file = self._file()
        if len(items) > _BUFFERS_MAX:
            raise os_error(errno.EMSGSIZE)
        passed = _ancillary.pack(file, self._kernel.process, messages)
        try:
            return self._send_to(file, data, flags, target, passed, "sendmsg")
        except BaseException:
            if passed is not None:
                passed.discard()
            raise

    # -- files -------------------------------------------------------------------------------------------------------------------------

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a regular file from ``offset`` on, or what else has ``read``; returns how many bytes were sent. The timeout is for each part."""
        try:
            return self._sendfile_use_sendfile(file, offset, count)
        except GiveupOnSendfile:
            return int(super()._sendfile_use_send(file, offset, count))  # type: ignore[misc]  # the standard class's

    def _sendfile_use_sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        self._check_sendfile_params(file, offset, count)  # type: ignore[attr-defined]  # the standard class's
        try:
            fd = file.fileno()
            if fd in self._kernel.files:
                raise UnsupportedOperation("not a regular file")
            size = _fstat(fd).st_size
        except (AttributeError, UnsupportedOperation, OSError) as error:
            raise GiveupOnSendfile(error) from error  # not a regular file
        if not size:
            return 0  # an empty one, or one that says so
        if self._wait_ns == 0:
            raise ValueError("non-blocking sockets are not supported")
        if not S_ISREG(_fstat(fd).st_mode):
            raise GiveupOnSendfile("not a regular file")
        end = size if count is None else min(size, offset + count)
        place = offset
        try:
            while place < end:
                data = os.pread(fd, min(_PART_BYTES, end - place), place)
                if not data:
                    break
                place += self.send(data)
            return place - offset
        finally:
            if place > offset:
                file.seek(place)


def _with_flags(file: Any, what: str, flags: int) -> Any:
    """Flags that some sockets know and others do not; returns what is written to."""
    if flags & MSG_OOB:
        if not file.carries_bytes:
            if file.family != AF_UNIX:
                file.bind_to_send(None)
            raise os_error(errno.EOPNOTSUPP)
        if isinstance(file, StreamSocket):
            file, flags = Urgently(file), flags & ~MSG_OOB
    accepted = MSG_KNOWN_SENDING | (MSG_MORE if file.carries_bytes or file.family == AF_UNIX else 0)
    if flags & ~accepted:
        raise Unsupported(f"{what}: flags {flags:#x} include some that are not simulated; MSG_DONTWAIT and MSG_NOSIGNAL are, and MSG_OOB on TCP")
    return file
