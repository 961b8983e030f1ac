"""The socket object's ways to receive.

PYTEST_DONT_REWRITE

Owns buffers, flags and waiting on the receiving side. Does not know how bytes travel.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from simsock.errors import Unsupported
from simsock.net.datagrams import DatagramSocket
from simsock.net.streams import StreamSocket
from simsock.stdlib._buffers import writable_view
from simsock.stdlib._errors import timed_out
from simsock.stdlib._names import reported
from simsock.stdlib._socketbase import MSG_DONTWAIT, MSG_KNOWN, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, SocketBase


class Receiving(SocketBase):
    """recv and its relatives."""

    __slots__ = ()

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """1 to ``bufsize`` bytes of a stream (``b""`` at its end), or one datagram cut to ``bufsize``."""
        if bufsize <= 0:
            if bufsize:
                raise ValueError("negative buffersize in recv")
            self._kernel.point()
            return b""  # CPython asks nobody
        file = self._file()
        if flags or type(file) is not StreamSocket:
            received, _, size = self._receive(file, bufsize, flags)
            return _padded(received, size, flags) if flags else received
        data = file.read(bufsize)
        if data is None:
            deadline = self._deadline()
            while data is None:
                if not file.wait_readable(deadline, "recv"):
                    raise timed_out()
                if self._fd < 0:
                    self._check_open()
                data = file.read(bufsize)
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, "recv", file.title, len(data), crc32(data)))
        return data

    def _receive(self, file: Any, count: int, flags: int) -> tuple[bytes, Any, int]:
        """The general receive: data, the sender's endpoint, the datagram's whole length."""
        if flags & ~MSG_KNOWN:
            raise Unsupported(f"recv: flags {flags:#x} include some that are not simulated; MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT and MSG_TRUNC are")
        data, source = self._read(file, count, flags)
        if data is None:
            deadline = self._deadline(flags)
            while data is None:
                if self._wait_ns is None and file.read_shut:
                    return b"", None, 0
                if not file.wait_readable(deadline, "recv"):
                    raise timed_out()
                self._check_open()
                data, source = self._read(file, count, flags)
        if flags & MSG_WAITALL and self._wait_ns is None and not flags & (MSG_DONTWAIT | MSG_PEEK) and type(file) is StreamSocket:
            data = self._receive_rest(file, count, data)
        self._log("recv", file, len(data), crc32(data))
        return data[:count], source, len(data)

    @staticmethod
    def _read(file: Any, count: int, flags: int) -> tuple[Any, Any]:
        if type(file) is StreamSocket:
            return file.read(count, bool(flags & MSG_PEEK)), file.remote
        return file.read(bool(flags & MSG_PEEK)) or (None, None)

    @staticmethod
    def _receive_rest(file: StreamSocket, count: int, data: bytes) -> bytes:
        """MSG_WAITALL, of a socket that blocks: all of ``count`` bytes, unless the stream ends; an error then waits for the next call."""
        while data and len(data) < count:
            if file.error and not file.rx and not file.eof:
                break
            more = file.read(count - len(data))
            if more is None:
                file.wait_readable(None, "recv")
            elif more:
                data += more
            else:
                break
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer; returns the number of bytes (with MSG_TRUNC the datagram's, even if it is more than the buffer has)."""
        view = buffer if type(buffer) is memoryview and buffer.format == "B" else writable_view(buffer, "recv_into")
        if nbytes < 0:
            raise ValueError("negative buffersize in recv_into")
        count = nbytes or len(view)
        if count > len(view):
            raise ValueError("buffer too small for requested bytes")
        if flags & MSG_TRUNC and count:
            data, _, size = self._receive(self._file(), count, flags)
            view[: len(data)] = data
            return size
        data = self.recv(count, flags)
        size = len(data)
        view[:size] = data
        return size

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """(data, the sender's address)."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        file = self._file()
        data, source, size = self._receive(file, bufsize, flags)
        return _padded(data, size, flags), _sender(file, source)

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into a buffer; returns (number of bytes, the sender's address)."""
        view = writable_view(buffer, "recvfrom_into")
        if nbytes < 0:
            raise ValueError("negative buffersize in recvfrom_into")
        if nbytes > len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        file = self._file()
        data, source, size = self._receive(file, nbytes or len(view), flags)
        view[: len(data)] = data
        return size if flags & MSG_TRUNC else len(data), _sender(file, source)


def _padded(data: bytes, size: int, flags: int) -> bytes:
    """With MSG_TRUNC CPython returns as many bytes as the datagram had; those that were cut off have no defined value there."""
    return data.ljust(size, b"\0") if flags & MSG_TRUNC else data


def _sender(file: Any, source: Any) -> Any:
    return reported(file.family, source) if source is not None and isinstance(file, DatagramSocket) else None
