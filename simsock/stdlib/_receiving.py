"""The socket object's ways to receive.

PYTEST_DONT_REWRITE

Owns buffers, flags and waiting on the receiving side. Does not know how bytes travel.
"""

from __future__ import annotations

import errno
import sys
from operator import index
from typing import Any
from zlib import crc32

from simsock.errors import Unsupported
from simsock.kernel.files import POLLERR, POLLHUP, POLLIN
from simsock.net.addresses import AF_UNIX
from simsock.net.besides import Incoming
from simsock.net.sockets import Received, os_error
from simsock.net.tcp import urgent
from simsock.net.tcp.stream import StreamSocket
from simsock.stdlib import _ancillary
from simsock.stdlib._addresses import reported
from simsock.stdlib._buffers import FAILURES, shed, writable_view
from simsock.stdlib._socketbase import (
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_KNOWN,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    SocketBase,
)

_BUFFERS_MAX = 1024
"""Linux's UIO_MAXIOV."""
_ROOM_MAX = 0x7FFF_FFFF
_PADS_MESSAGES = sys.version_info >= (3, 15)
"""With MSG_TRUNC, ``recvmsg`` returns as many bytes of a datagram as ``recv`` does; before 3.15, those that there was room for."""


class Receiving(SocketBase):
    """recv and its relatives."""

    __slots__ = ()

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """1 to ``bufsize`` bytes of a stream (``b""`` at its end), or one datagram cut to ``bufsize``."""
        if type(bufsize) is not int:
            bufsize = index(bufsize)
        if bufsize <= 0:
            if bufsize:
                raise ValueError("negative buffersize in recv")
            self._kernel.point()
            return b""  # CPython asks nobody
        file = self._file()
        if flags or not file.carries_bytes:
            received, _, size = self._receive_alone(file, bufsize, flags)
            return _padded(received, size, flags) if flags else received
        data = file.read(bufsize)
        if data is None:
            if file.odd:
                data = self._read_oddly(file, bufsize)
            deadline = self._deadline() if data is None else None
            while data is None:
                if not file.wait_readable(deadline, "recv"):
                    if file.odd and self._wait_ns is None and (data := urgent.at_once(file, bufsize)) is not None:
                        break
                    raise self._too_late(file)
                if self._fd < 0:
                    self._check_open()
                data = file.read(bufsize)
                if data is None and file.odd:
                    data = self._read_oddly(file, bufsize)
        kernel = self._kernel
        if kernel.watchers is not None:
            kernel.watchers.moves(kernel.current, data)
        kernel.log.append((kernel.now, kernel.current.path, "recv", file.title, len(data), crc32(data)))
        return data  # type: ignore[no-any-return]  # bytes by now

    def _receive_alone(self, file: Any, count: int, flags: int) -> tuple[bytes, Any, int]:
        """Data, the sender's address as the net knows it, the datagram's whole length; what came besides is closed."""
        data, source, size, passed = self._receive(file, count, flags)
        if passed is not None:
            passed.discard()
        return data, source, size

    def _receive(self, file: Any, count: int, flags: int) -> Received:
        """The general receive."""
        if flags & ~MSG_KNOWN:
            if flags & MSG_OOB and isinstance(file, StreamSocket):
                return self._receive_urgent(file, count, flags)
            _refuse(file, flags)
        peek = bool(flags & MSG_PEEK)
        found: Received | None = file.receive(count, peek)
        if found is None:
            if file.odd:
                found = self._receive_oddly(file, count, flags)
            deadline = self._deadline(flags) if found is None else None
            while found is None:
                if self._wait_ns is None and file.read_shut:
                    return b"", None, 0, None
                if not file.wait_readable(deadline, "recv"):
                    found = self._receive_oddly(file, count, flags | MSG_DONTWAIT) if file.odd and self._wait_ns is None else None
                    if found is None:
                        raise self._too_late(file)
                    break
                self._check_open()
                found = file.receive(count, peek)
                if found is None and file.odd:
                    found = self._receive_oddly(file, count, flags)
        if flags & MSG_WAITALL and self._wait_ns is None and not flags & MSG_DONTWAIT and not peek and file.carries_bytes:
            found = self._receive_rest(file, count, found)
        if self._kernel.watchers is not None:
            self._kernel.watchers.moves(self._kernel.current, found[0])
        self._log("recv", file, found[2], crc32(found[0]))
        if flags & MSG_TRUNC and isinstance(file, StreamSocket):
            return b"", None, found[2], None  # tcp(7): thrown away, and counted
        return found

    def _read_oddly(self, file: Any, count: int, flags: int = 0) -> bytes | None:
        """A call that reads goes over an urgent byte, also when it finds nothing behind it; one that does not wait takes what there is.

        With a timeout CPython waits before it calls.
        """
        if self._wait_ns:
            return None
        peek = bool(flags & MSG_PEEK)
        if not peek:
            urgent.skip(file)
        if self._wait_ns == 0 or flags & MSG_DONTWAIT or file.nonblocking:
            return urgent.at_once(file, count, peek)
        return None

    def _receive_oddly(self, file: Any, count: int, flags: int) -> Received | None:
        data = self._read_oddly(file, count, flags)
        return None if data is None else (data, None, len(data), None)

    def _receive_urgent(self, file: StreamSocket, count: int, flags: int) -> Received:
        """MSG_OOB, which does not wait; with a timeout CPython waits for other bytes, an end or an error before it calls, and as long as it is told EAGAIN."""
        wait = self._wait_ns
        deadline = self._deadline() if wait else None
        while True:
            while wait and not file.poll() & (POLLIN | POLLERR | POLLHUP):
                if not file.wait_readable(deadline, "recv"):
                    raise self._too_late(file)
                self._check_open()
            try:
                data = urgent.receive(file, count, bool(flags & MSG_PEEK))
            except BlockingIOError:
                if not wait:
                    raise self._in_vain() from None
                if not file.wait_readable(deadline, "recv"):
                    raise self._too_late(file) from None
                continue
            self._log("recv", file, len(data), crc32(data))
            return data, None, 1 if data or not count else 0, None

    @staticmethod
    def _receive_rest(file: Any, count: int, found: Received) -> Received:
        """MSG_WAITALL, of a socket that blocks: all of ``count`` bytes, unless the stream ends; an error then waits for the next call."""
        data, source, _, passed = found
        while data and len(data) < count and passed is None:
            if file.urgent is not None and not file.urgent.ahead:
                break
            if file.error and not file.rx and not file.eof:
                break
            more = file.receive(count - len(data))
            if more is None:
                file.wait_readable(None, "recv")
            elif more[0]:
                data += more[0]
                passed = more[3]
            else:
                break
        return data, source, len(data), passed

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer; returns the number of bytes (with MSG_TRUNC the datagram's, even if it is more than the buffer has)."""
        view: Any = None
        try:
            view = buffer if type(buffer) is memoryview and buffer.format == "B" else writable_view(buffer, "recv_into")
            if nbytes < 0:
                raise ValueError("negative buffersize in recv_into")
            count = nbytes or len(view)
            if count > len(view):
                raise ValueError("buffer too small for requested bytes")
            if flags & MSG_TRUNC and count:
                data, _, size = self._receive_alone(self._file(), count, flags)
                view[: len(data)] = data
                return size
            data = self.recv(count, flags)
        except FAILURES as error:
            del buffer, view
            shed(error)
            raise
        size = len(data)
        view[:size] = data
        return size

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """(data, the sender's address)."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        file = self._file()
        data, source, size = self._receive_alone(file, bufsize, flags)
        return _padded(data, size, flags), _sender(file, source)

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into a buffer; returns (number of bytes, the sender's address)."""
        view: Any = None
        try:
            view = writable_view(buffer, "recvfrom_into")
            if nbytes < 0:
                raise ValueError("negative buffersize in recvfrom_into")
            if nbytes > len(view):
                raise ValueError("nbytes is greater than the length of the buffer")
            file = self._file()
            data, source, size = self._receive_alone(file, nbytes or len(view), flags)
        except FAILURES as error:
            del buffer, view
            shed(error)
            raise
        view[: len(data)] = data
        return size if flags & MSG_TRUNC else len(data), _sender(file, source)

    # -- messages ----------------------------------------------------------------------------------------------------------------------

    def recvmsg(self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        """(data, ancillary data as (level, type, data), flags such as MSG_TRUNC and MSG_CTRUNC, the sender's address)."""
        if bufsize < 0:
            raise ValueError("negative buffer size in recvmsg()")
        data, size, *rest = self._receive_message(bufsize, ancbufsize, flags)
        return _padded(data, size, flags) if _PADS_MESSAGES or self._discards else data, *rest

    def recvmsg_into(self, buffers: Any, ancbufsize: int = 0, flags: int = 0, /) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        """As ``recvmsg``, into one buffer after the other; returns the number of bytes first."""
        views: list[memoryview] = []
        try:
            views = _writable_views(buffers)
            data, size, *rest = self._receive_message(sum(map(len, views)), ancbufsize, flags)
        except FAILURES as error:
            del buffers, views
            shed(error)
            raise
        place = 0
        for view in views if not (flags & MSG_TRUNC and self._discards) else ():
            part = data[place : place + len(view)]
            view[: len(part)] = part
            place += len(part)
        return size if flags & MSG_TRUNC else len(data), *rest

    @property
    def _discards(self) -> bool:
        """Whether MSG_TRUNC throws away what it receives: no buffer is touched."""
        return isinstance(self._kernel.files.get(self._fd), StreamSocket)

    def _receive_message(self, count: int, room: int, flags: int) -> tuple[bytes, int, list[tuple[int, int, bytes]], int, Any]:
        """As ``recvmsg``, with the size of what there was second."""
        if not 0 <= room <= _ROOM_MAX:
            raise ValueError("invalid ancillary data buffer length")
        file = self._file()
        data, source, size, passed = self._receive(file, count, flags)
        credentials = file.family == AF_UNIX and file.pass_credentials
        if isinstance(passed, Incoming):
            messages, short = _ancillary.fitting(passed.messages(), room)
        else:
            messages, short = _ancillary.unpack(passed, self._kernel.process, room, credentials, not int(flags) & MSG_CMSG_CLOEXEC)
        told = int(flags) & MSG_CMSG_CLOEXEC
        if size > len(data) and not isinstance(file, StreamSocket):
            told |= MSG_TRUNC
        if short:
            told |= MSG_CTRUNC
        if flags & MSG_OOB and isinstance(file, StreamSocket):
            told |= MSG_OOB if data else MSG_OOB | MSG_TRUNC if size else 0
        return data, size, messages, told, _sender(file, source)


def _writable_views(buffers: Any) -> list[memoryview]:
    try:
        items = list(buffers)
    except TypeError:
        raise TypeError("recvmsg_into() argument 1 must be an iterable") from None
    try:
        views = [writable_view(item, "recvmsg_into") for item in items]
    except TypeError:
        raise TypeError("recvmsg_into() argument 1 must be an iterable of single-segment read-write buffers") from None
    if len(views) > _BUFFERS_MAX:
        raise os_error(errno.EMSGSIZE)
    return views


def _refuse(file: Any, flags: int) -> None:
    if flags & MSG_OOB and not file.carries_bytes:
        if file.family == AF_UNIX:
            raise os_error(errno.EOPNOTSUPP)
        flags &= ~MSG_OOB  # udp(7) does not know it
        if not flags & ~MSG_KNOWN:
            return
    raise Unsupported(f"recv: flags {flags:#x} include some that are not simulated; MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_TRUNC and (of TCP) MSG_OOB are")


def _padded(data: bytes, size: int, flags: int) -> bytes:
    """With MSG_TRUNC CPython returns as many bytes as the message had; those that were cut off, or thrown away, have no defined value there."""
    return data.ljust(size, b"\0") if flags & MSG_TRUNC else data


def _sender(file: Any, source: Any) -> Any:
    return None if source is None else reported(file.family, source)
