"""What a handler under ``SelectorMixIn`` can wait for, and the handler class whose methods return it.

Owns the waits (a line, some bytes, room to write, time) and ``SelectorRequestHandler``. Does not know selectors nor sockets: a wait looks
at the bytes that have come and says whether that is enough. Laws of the file:

* what comes in is kept up to ``read_limit`` bytes and what goes out up to ``write_limit`` and one ``write()``: more is an error that names
  the limit;
* nothing is read from a connection that nobody waits for, so a client that says more than is asked for is slowed down by the network.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.socketserver.handlers import BaseRequestHandler

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from _typeshed import ReadableBuffer

_WHATEVER = 1 << 62
"""A size that no limit reaches."""

NOT_YET = object()
"""What a wait answers while it has to go on."""


class Wait:
    """Something to ``yield``."""

    __slots__ = ("seconds", "told")

    reads = False
    """Whether it waits for bytes of the client."""

    def __init__(self, told: str, seconds: float | None) -> None:
        self.told = told
        self.seconds = seconds

    def look(self, incoming: bytearray, ended: bool, outgoing: int) -> Any:
        """The answer, or ``NOT_YET``: by the bytes that have come, whether the client has said its last, and how many are still to be sent."""
        raise NotImplementedError


class _ForBytes(Wait):
    __slots__ = ("_enough", "_limit", "_size")

    reads = True

    def __init__(self, told: str, seconds: float | None, size: int, enough: int, limit: int) -> None:
        super().__init__(told, seconds)
        self._size = size  # how many are taken at most
        self._enough = enough  # how many there have to be, if there are more to come
        self._limit = limit

    def look(self, incoming: bytearray, ended: bool, outgoing: int) -> Any:
        if len(incoming) < self._enough and not ended:
            return NOT_YET
        if len(incoming) > self._limit:
            raise _too_much(self.told, self._limit)
        return _taken(incoming, self._size)


class _ForLine(Wait):
    __slots__ = ("_limit", "_searched", "_size")

    reads = True

    def __init__(self, told: str, seconds: float | None, size: int, limit: int) -> None:
        super().__init__(told, seconds)
        self._size = size
        self._limit = limit
        self._searched = 0  # no newline up to here: a long line that comes in small pieces is not searched again and again

    def look(self, incoming: bytearray, ended: bool, outgoing: int) -> Any:
        found = incoming.find(b"\n", self._searched) + 1
        self._searched = len(incoming)
        if not found and len(incoming) < self._size:
            if len(incoming) > self._limit:
                raise _too_much(self.told, self._limit)
            if not ended:
                return NOT_YET
        return _taken(incoming, min(found or len(incoming), self._size))


class ForRoom(Wait):
    __slots__ = ("_limit",)

    def __init__(self, told: str, seconds: float | None, limit: int) -> None:
        super().__init__(told, seconds)
        self._limit = limit

    def look(self, incoming: bytearray, ended: bool, outgoing: int) -> Any:
        return NOT_YET if outgoing > self._limit else None


class ForTime(Wait):
    """The only one whose end of time is an answer and no error."""

    __slots__ = ()

    def look(self, incoming: bytearray, ended: bool, outgoing: int) -> Any:
        return NOT_YET


def _taken(incoming: bytearray, size: int) -> bytes:
    data = bytes(memoryview(incoming)[:size])
    del incoming[: len(data)]
    return data


def _too_much(told: str, limit: int) -> ValueError:
    return ValueError(f"{told}: the client has sent {limit} bytes and more without it (read_limit)")


class SelectorRequestHandler(BaseRequestHandler):
    """A handler for servers with ``SelectorMixIn``: ``handle()`` is a generator that yields what it waits for.

    It reads as a handler in a thread does, with ``yield`` in front of each wait; helpers are called with ``yield from``. What has been
    read so far, and what comes next, are local variables and the place in the code.

        >>> class Upper(SelectorRequestHandler):
        ...     timeout = 30
        ...
        ...     def handle(self):
        ...         while line := (yield self.readline()):
        ...             yield self.write(line.upper())

    ``setup()`` is called before ``handle()`` and ``finish()`` after it, whatever it raised, as with any handler; neither can wait. What was
    written is sent before the connection is shut down, also after an error, unless the error is an ``OSError``: a client that has gone, or
    one that took too long. Not for blocking calls: while one handler blocks, every connection of the server waits.
    """

    timeout: float | None = None
    """How many seconds each wait may take, from its beginning: then ``TimeoutError`` is raised in ``handle()``. None is for ever."""

    read_limit: int = 1 << 16
    """How many bytes of the client may be kept for a wait that is not satisfied by them: then ``ValueError`` is raised in ``handle()``."""

    write_limit: int = 1 << 16
    """How many bytes may be left to send when ``write()`` is called, and up to how many a ``yield`` of it waits for."""

    def __init__(self, request: Any, client_address: Any, server: Any) -> None:
        if not hasattr(server, "_connections"):
            raise UsageError(f"{type(self).__name__} is a SelectorRequestHandler and needs a server with SelectorMixIn, not a {type(server).__name__}")
        self.request = request
        self.client_address = client_address
        self.server = server
        self.outgoing = bytearray()
        self.setup()

    def readline(self, size: int = -1) -> Wait:
        """To be yielded: a line with its newline, or its first ``size`` bytes; at the end of what the client says what is left, and then b""."""
        return _ForLine(f"readline({size})", self.timeout, size if size >= 0 else _WHATEVER, self.read_limit)

    def read(self, size: int = -1) -> Wait:
        """To be yielded: ``size`` bytes, all that come when negative; fewer at the end of what the client says."""
        if size > self.read_limit:
            raise ValueError(f"read({size}): {self.read_limit} bytes are kept at most (read_limit); take them as they come, with recv()")
        whole = self.read_limit + 1
        return _ForBytes(f"read({size})", self.timeout, size if size >= 0 else whole, size if size >= 0 else whole, whole if size >= 0 else self.read_limit)

    def recv(self, size: int = 1 << 16) -> Wait:
        """To be yielded: what is there, at least one byte and at most ``size``; b"" at the end of what the client says."""
        return _ForBytes(f"recv({size})", self.timeout, size, min(size, 1), _WHATEVER)

    def write(self, data: ReadableBuffer) -> Wait:
        """Send all of ``data``, in the background. Yielded, it waits until there is room for more.

        Small answers need no ``yield``. Who writes more than ``write_limit`` without one gets ``BufferError``.
        """
        if len(self.outgoing) > self.write_limit:
            raise BufferError(f"write(): {len(self.outgoing)} bytes are not sent yet, more than write_limit={self.write_limit}; yield what write() returns")
        self.outgoing += memoryview(data).cast("B")
        return ForRoom("write()", self.timeout, self.write_limit)

    def sleep(self, seconds: float) -> Wait:
        """To be yielded: let so much time pass, and the other connections go on."""
        if not seconds >= 0:
            raise ValueError(f"sleep({seconds!r}): seconds must be 0 or more")
        return ForTime(f"sleep({seconds})", seconds)

    def _steps(self) -> Generator[Wait, Any, None]:
        """All that is left of a request after ``setup()``."""
        try:
            waits: Any = self.handle()
            if isinstance(waits, GeneratorType):
                yield from waits
            elif waits is not None:
                raise TypeError(f"{type(self).__name__}.handle() returned {waits!r:.80}: expected a generator (yield in it) or None")
        finally:
            self.finish()

    if TYPE_CHECKING:

        def handle(self) -> Iterator[Wait] | None:  # type: ignore[override]  # more than what the base class may return
            """All the work of a request. To be overridden."""
