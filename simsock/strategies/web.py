"""Strategies for requests of HTTP/1.1 (RFC 9110, RFC 9112).

Owns ``http_requests``: a request is drawn as its parts, one of which may be spoilt, and then written down.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from simsock.errors import UsageError
from simsock.strategies.checks import check_range, check_wrong
from simsock.strategies.names import hostnames
from simsock.strategies.pieces import assemble

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
WITH_BODY = ("POST", "PUT", "PATCH")
OVERLONG = 70_000

_TAKEN = ("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer")
_VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=10)


class Parts:
    """A request in its parts; ``body`` is as it goes over the wire."""

    __slots__ = ("body", "first", "headers")

    def __init__(self, first: list[bytes], headers: list[bytes], body: bytes) -> None:
        self.first = first
        self.headers = headers
        self.body = body

    def written(self) -> bytes:
        """As bytes."""
        return b"\r\n".join([b" ".join(self.first), *self.headers, b"", self.body])


def _with_header(header: bytes) -> Callable[[Parts], bytes]:
    def spoil(parts: Parts) -> bytes:
        parts.headers.append(header)
        return parts.written()

    return spoil


def _with_first(place: int, word: bytes) -> Callable[[Parts], bytes]:
    def spoil(parts: Parts) -> bytes:
        parts.first[place] = word
        return parts.written()

    return spoil


def _with_framing(*headers: bytes, body: bytes) -> Callable[[Parts], bytes]:
    def spoil(parts: Parts) -> bytes:
        kept = [header for header in parts.headers if not header.lower().startswith((b"content-length", b"transfer-encoding"))]
        return Parts([b"POST", *parts.first[1:]], [*kept, *headers], body).written()

    return spoil


def _without_host(parts: Parts) -> bytes:
    return Parts(parts.first, parts.headers[1:], parts.body).written()


def _two_words(parts: Parts) -> bytes:
    return Parts(parts.first[:2], parts.headers, parts.body).written()


def _without_end(parts: Parts) -> bytes:
    return Parts(parts.first, parts.headers, b"").written()[:-2]


_WRONG: tuple[Callable[[Parts], bytes], ...] = (
    _without_host,
    _with_header(b"Host: b"),
    _without_end,
    _two_words,
    _with_first(0, b"G\tET"),
    _with_first(1, b""),
    _with_first(1, b"/" + b"x" * OVERLONG),
    _with_first(2, b"HTTP/1"),
    _with_first(2, b"HTTP/9.9"),
    _with_header(b"no colon"),
    _with_header(b"Space : before the colon"),
    _with_header(b": no name"),
    _with_header(b" folded"),
    _with_header(b"Zero: \0"),
    _with_header(b"Long: " + b"x" * OVERLONG),
    _with_framing(b"Content-Length: one", body=b"0"),
    _with_framing(b"Content-Length: -1", body=b""),
    _with_framing(b"Content-Length: 1", b"Content-Length: 2", body=b"00"),
    _with_framing(b"Content-Length: 2", body=b"0"),
    _with_framing(b"Content-Length: 99999999999999999999", body=b"0"),
    _with_framing(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n0"),
    _with_framing(b"Transfer-Encoding: chunked", body=b"x\r\n0\r\n0\r\n\r\n"),
    _with_framing(b"Transfer-Encoding: chunked", body=b"2\r\n0\r\n0\r\n\r\n"),
    _with_framing(b"Transfer-Encoding: chunked", body=b"1\r\n0\r\n"),
)
"""One thing wrong each; the order is that in which Hypothesis finds them simple."""


@st.composite
def _parts(draw: st.DrawFn, methods: tuple[str, ...], max_headers: int, max_body: int) -> Parts:
    method = draw(st.sampled_from(methods))
    path = "/" + draw(st.text("abc/123-_.~", max_size=10))
    names = st.text(TOKEN, min_size=1, max_size=8).map(str.capitalize).filter(lambda name: name.lower() not in _TAKEN)
    headers = [f"Host: {draw(hostnames())}"]
    headers += [f"{name}: {draw(_VALUES)}" for name in draw(st.lists(names, max_size=max_headers, unique_by=str.lower))]
    body = b""
    if method in WITH_BODY:
        body = draw(st.binary(max_size=max_body))
        if body and draw(st.booleans()):
            headers.append("Transfer-Encoding: chunked")
            cut = draw(st.integers(1, len(body)))
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part) + b"0\r\n\r\n"
        else:
            headers.append(f"Content-Length: {len(body)}")
    return Parts([method.encode(), path.encode(), b"HTTP/1.1"], [header.encode() for header in headers], body)


def http_requests(
    *,
    min_requests: int = 1,
    max_requests: int = 1,
    max_headers: int = 3,
    max_body: int = 20,
    methods: tuple[str, ...] = METHODS,
    wrong: str = "never",
) -> st.SearchStrategy[bytes]:
    """Requests of HTTP/1.1, pipelined if there are several, with a Host, some headers, and a body by Content-Length or in chunks.

    Wrong may be, among others: no Host or two, no end of the headers, a first line of two words, a version that does not exist, a header without
    a colon or folded, a first line or header of 70,000 bytes, a Content-Length that is no number, negative, twice, larger than the body, or beside
    Transfer-Encoding, a chunk whose size is none or not its own, chunks without an end.
    Raises ``UsageError`` for what are no methods.
    """
    check_range("http_requests", "requests", min_requests, max_requests)
    check_range("http_requests", "headers", 0, max_headers)
    check_range("http_requests", "body", 0, max_body)
    wrong = check_wrong("http_requests", wrong)
    if (
        not isinstance(methods, (tuple, list))
        or not methods
        or not all(isinstance(method, str) and method.isascii() and method.isalpha() for method in methods)
    ):
        raise UsageError(f"http_requests: methods: expected names of methods, got {methods!r}")
    parts = _parts(tuple(methods), max_headers, max_body)
    broken = st.tuples(parts, st.sampled_from(_WRONG)).map(lambda both: both[1](both[0]))
    return assemble(parts.map(Parts.written), broken, min_requests, max_requests, wrong)
