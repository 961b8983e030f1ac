"""What is made for each request: the handler classes.

Owns ``setup``, ``handle``, ``finish`` and the files that a handler reads and writes. Does not know servers (``self.server`` may be any
object) nor networks: a handler has the request, and uses that. Laws of the file:

* ``finish()`` is called whatever ``handle()`` raises;
* a ``write`` to a stream handler's ``wfile`` writes everything or raises.
"""

from __future__ import annotations

import socket
from io import BufferedIOBase, BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class BaseRequestHandler:
    """Handles one request, as it is made: ``setup()``, ``handle()``, ``finish()``.

    ``finish()`` is called whatever ``handle()`` raises, but not if ``setup()`` raises.
    """

    def __init__(self, request: Any, client_address: Any, server: Any) -> None:
        self.request = request
        self.client_address = client_address
        self.server = server
        self.setup()
        try:
            self.handle()
        finally:
            self.finish()

    def setup(self) -> None:
        """Called before ``handle()``. May be overridden."""

    def handle(self) -> None:
        """All the work of a request. To be overridden."""

    def finish(self) -> None:
        """Called after ``handle()``. May be overridden."""


class StreamRequestHandler(BaseRequestHandler):
    """A handler with ``rfile`` and ``wfile``, files to read the request from and to write the reply to."""

    timeout: float | None = None
    """A timeout in seconds for the connection, None to leave it as it is."""

    rbufsize: int = -1
    """Buffer size of ``rfile``: -1 is the default size, 0 unbuffered."""

    wbufsize: int = 0
    """Buffer size of ``wfile``: 0 writes through, and writes everything; otherwise ``finish()`` flushes what is left."""

    disable_nagle_algorithm: bool = False
    """Whether ``TCP_NODELAY`` is set; for use with a ``wbufsize``, or small packets are the result."""

    def setup(self) -> None:
        """Make ``connection``, ``rfile`` and ``wfile``."""
        self.connection = self.request
        if self.timeout is not None:
            self.connection.settimeout(self.timeout)
        if self.disable_nagle_algorithm:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.rfile: Any = self.connection.makefile("rb", self.rbufsize)
        self.wfile: Any = _SocketWriter(self.connection) if self.wbufsize == 0 else self.connection.makefile("wb", self.wbufsize)

    def finish(self) -> None:
        """Flush and close both files. A peer that has gone is no error here."""
        try:
            try:
                if not self.wfile.closed:
                    self.wfile.flush()
            finally:
                self.wfile.close()  # which flushes once more, fails once more, and closes
        except OSError:
            pass
        finally:
            self.rfile.close()


class _SocketWriter(BufferedIOBase):
    """A file whose ``write`` sends everything before it returns, and so never has anything to flush."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self._sock.sendall(data)
        with memoryview(data) as view:
            return view.nbytes

    def fileno(self) -> int:
        return self._sock.fileno()  # type: ignore[no-any-return]  # a socket of whichever network


class DatagramRequestHandler(BaseRequestHandler):
    """A handler with ``rfile`` and ``wfile``, files in memory; what was written becomes one datagram to the client at the end."""

    def setup(self) -> None:
        """Make ``packet``, ``socket``, ``rfile`` and ``wfile``."""
        self.packet, self.socket = self.request
        self.rfile = BytesIO(self.packet)
        self.wfile = BytesIO()

    def finish(self) -> None:
        """Send the reply, even an empty one."""
        self.socket.sendto(self.wfile.getvalue(), self.client_address)
