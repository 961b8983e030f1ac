"""The socket object's ways to send.

PYTEST_DONT_REWRITE

Owns buffers, flags and waiting on the sending side. Does not know how bytes travel.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from simsock.errors import Unsupported
from simsock.net.streams import CONNECTED, StreamSocket
from simsock.stdlib._buffers import bytes_view
from simsock.stdlib._errors import timed_out
from simsock.stdlib._names import endpoint
from simsock.stdlib._socketbase import MSG_DONTWAIT, MSG_KNOWN, SocketBase


class Sending(SocketBase):
    """send and its relatives."""

    __slots__ = ()

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send, and return how many bytes were taken: all of them when the socket blocks, else what fits."""
        file = self._file()
        if flags & ~MSG_KNOWN:
            raise Unsupported(f"send: flags {flags:#x} include some that are not simulated; MSG_DONTWAIT and MSG_NOSIGNAL are")
        view = bytes_view(data)
        size = len(view)
        if type(file) is not StreamSocket:
            count: int = file.send(bytes(view), None)
        else:
            count = file.write(view)
            if count < size:
                if not count:
                    count = self._send_some(file, view, flags)
                if self._wait_ns is None and not flags & MSG_DONTWAIT:
                    count = self._send_all(file, view, count)
        self._log("send", file, count, crc32(view[:count]))
        return count

    def _send_some(self, file: StreamSocket, view: Any, flags: int) -> int:
        """Wait for room, and use it."""
        deadline = self._deadline(flags)
        count = 0
        while not count:
            if not file.wait_writable(deadline, "send"):
                raise timed_out()
            self._check_open()
            count = file.write(view)
        return count

    @staticmethod
    def _send_all(file: StreamSocket, view: Any, sent: int) -> int:
        """send(2) on a blocking socket: all of it, or as much as was taken when the connection broke; the next call hears of the error."""
        size = len(view)
        view = memoryview(view)
        while sent < size and not file.error and not file.write_shut and file.state is CONNECTED:
            count = file.write(view[sent:])
            sent += count
            if not count:
                file.wait_writable(None, "send")
        return sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send everything; waits while the buffers are full. The timeout is for the whole call."""
        file = self._file()
        view = bytes_view(data)
        size = len(view)
        if flags & ~MSG_KNOWN:
            raise Unsupported(f"sendall: flags {flags:#x} include some that are not simulated; MSG_DONTWAIT and MSG_NOSIGNAL are")
        if type(file) is not StreamSocket:
            file.send(bytes(view), None)
        else:
            sent = file.write(view)
            if sent < size:
                self._send_rest(file, view, sent, flags)
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, "send", file.title, size, crc32(view)))

    def _send_rest(self, file: StreamSocket, view: Any, sent: int, flags: int) -> None:
        deadline = self._deadline(flags)
        view = memoryview(view)  # slices of bytes would be copies
        while sent < len(view):
            count = file.write(view[sent:])
            sent += count
            if not count:
                if not file.wait_writable(deadline, "sendall"):
                    raise timed_out()
                self._check_open()

    def sendto(self, data: Any, *args: Any) -> int:
        """``sendto(data, address)`` or ``sendto(data, flags, address)``."""
        if len(args) not in (1, 2):
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
        flags, address = args if len(args) == 2 else (0, args[0])
        file = self._file()
        if flags & ~MSG_KNOWN:
            raise Unsupported(f"sendto: flags {flags:#x} include some that are not simulated")
        view = bytes_view(data)
        target = endpoint(self._sim_family, address, "sendto")
        if isinstance(file, StreamSocket):
            return self.send(view, flags)
        count = file.send(bytes(view), target)
        self._log("send", file, count, crc32(view))
        return int(count)
