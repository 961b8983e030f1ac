"""What clients have asked: a request as a value, and how one of HTTP is read from a connection.

Owns ``Request`` and the limits of what is read. Does not know what is said to it. Law: what is no HTTP is ``Malformed``, with the words that were found.
"""

from __future__ import annotations

from json import loads
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LINE_BYTES_MAX = 65_536
HEADERS_MAX = 200
BODY_BYTES_MAX = 64 * 1024 * 1024


class Malformed(ValueError):
    """What came is no request of HTTP."""


class Request(NamedTuple):
    """A request that a stub got.

    ``line``: without its end; of HTTP ``"GET /users?id=1"``. ``body``: of HTTP, or all that a client of ``data=`` has said. ``headers``: by their names in
    lower case. ``at``: seconds since the stub began (virtual ones in a world). ``connection``: its number, from 1. ``client``: its address.
    """

    line: str
    body: bytes = b""
    headers: dict[str, str] = {}
    at: float = 0.0
    connection: int = 1
    client: Any = None

    @property
    def method(self) -> str:
        """Of HTTP: ``"GET"``."""
        return self.line.partition(" ")[0]

    @property
    def target(self) -> str:
        """Of HTTP: path and query, as they came."""
        return self.line.partition(" ")[2]

    @property
    def path(self) -> str:
        """Of HTTP: the target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """Of HTTP: what stands behind the question mark."""
        return self.target.partition("?")[2]

    def json(self) -> Any:
        """The body, read as JSON."""
        return loads(self.body)


class Heard(NamedTuple):
    """A request of HTTP as it was read, and whether the client means to send another."""

    line: str
    headers: dict[str, str]
    body: bytes
    keeps: bool


def hear_http(file: Any, say: Callable[[bytes], object]) -> Heard | None:
    """The next request, None when the client has gone or has said only a part of one. ``say`` sends an interim answer."""
    first = _line(file)
    if first == b"\r\n":  # an empty line in front of a request is passed over (RFC 9112, 2.2)
        first = _line(file)
    if first is None:
        return None
    words = first.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Malformed(f"expected a line such as 'GET / HTTP/1.1', got {first[:80]!r}")
    method, target, version = words
    headers: dict[str, str] = {}
    for number in range(HEADERS_MAX + 1):
        line = _line(file)
        if line is None:
            return None
        if line in (b"\r\n", b"\n"):
            break
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed(f"expected a header, got {line[:80]!r}")
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        if number == HEADERS_MAX:
            raise Malformed(f"a request has at most {HEADERS_MAX} headers")
    length, is_chunked = _length(headers)
    if (length or is_chunked) and headers.get("expect", "").lower() == "100-continue":
        say(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _chunks(file) if is_chunked else file.read(length)
    if body is None or (not is_chunked and len(body) < length):
        return None
    wish = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    keeps = "close" not in wish and (version != "HTTP/1.0" or "keep-alive" in wish)
    return Heard(f"{method} {target}", headers, body, keeps)


def _line(file: Any) -> bytes | None:
    line: bytes = file.readline(LINE_BYTES_MAX + 1)
    if len(line) > LINE_BYTES_MAX:
        raise Malformed(f"a line has at most {LINE_BYTES_MAX:,} bytes, got {line[:80]!r}...")
    return line if line.endswith(b"\n") else None


def _length(headers: dict[str, str]) -> tuple[int, bool]:
    """How many bytes the body has, and whether it comes in chunks instead."""
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise Malformed(f"expected Transfer-Encoding: chunked, got {headers['transfer-encoding']!r:.80}")
        return 0, True
    said = headers.get("content-length", "0")
    if not said.isascii() or not said.isdigit() or len(said) > 12:
        raise Malformed(f"expected a Content-Length, got {said!r:.80}")
    if int(said) > BODY_BYTES_MAX:
        raise Malformed(f"a body has at most {BODY_BYTES_MAX:,} bytes, got Content-Length: {said}")
    return int(said), False


def _chunks(file: Any) -> bytes | None:
    """A body in chunks (RFC 9112, 7.1) and whatever headers come after it, which are passed over."""
    body = bytearray()
    while True:
        line = _line(file)
        if line is None:
            return None
        said = line.partition(b";")[0].strip()
        try:
            size = int(said, 16)
        except ValueError:
            size = -1
        if not 0 <= size <= BODY_BYTES_MAX - len(body) or not said.isalnum():
            raise Malformed(f"expected the size of a chunk, got {line[:80]!r}")
        if size == 0:
            break
        data = file.read(size + 2)
        if len(data) < size + 2:
            return None
        body += data[:size]
    for _ in range(HEADERS_MAX):
        line = _line(file)
        if line is None:
            return None
        if line in (b"\r\n", b"\n"):
            return bytes(body)
    raise Malformed(f"a request has at most {HEADERS_MAX} headers behind its body")


__all__ = ["Heard", "Malformed", "Request", "hear_http"]
