"""Strategies for requests: lines and length-prefixed frames, and one face for all protocols.

Owns ``requests``, ``lines`` and ``frames``. A request is bytes: valid pieces, and if something is to be wrong a last piece that has exactly
one thing wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from simsock.errors import UsageError
from simsock.strategies.checks import check_drawn, check_range, check_strategy, check_wrong
from simsock.strategies.pieces import assemble
from simsock.strategies.web import http_requests

ENDS = (b"\n", b"\r\n", b"\r", b"\0")
PREFIXES = (1, 2, 4, 8)
OVERLONG = 70_000
"""Bytes of a line that is longer than programs expect: more than 64 KiB, where the standard library draws its lines."""

_PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)


def lines(
    *,
    min_lines: int = 1,
    max_lines: int = 5,
    min_length: int = 0,
    max_length: int = 20,
    end: bytes = b"\n",
    contents: st.SearchStrategy[bytes] | None = None,
    wrong: str = "never",
) -> st.SearchStrategy[bytes]:
    """Lines of printable ASCII, or of ``contents``, each with its ``end``.

    Wrong may be: no end, half an end or another one, a zero byte, bytes that are not UTF-8, a line of 70,000 bytes.
    Raises ``UsageError`` for an ``end`` that lines do not have.
    """
    check_range("lines", "lines", min_lines, max_lines)
    check_range("lines", "length", min_length, max_length)
    wrong = check_wrong("lines", wrong)
    if end not in ENDS:
        raise UsageError(f"lines: end: expected one of {ENDS!r}, got {end!r}")
    if contents is None:
        words: st.SearchStrategy[bytes] = st.text(_PRINTABLE, min_size=min_length, max_size=max_length).map(str.encode)
    else:
        words = check_strategy("lines", "contents", contents).map(lambda said: check_drawn("lines", "contents", said))
    other = b"\n" if end == b"\r\n" else b"\r\n"
    spoil: list[Callable[[bytes], bytes]] = [
        lambda line: line or b"x",
        lambda line: line + other,
        lambda line: line + b"\0" + end if end != b"\0" else line + b"\n" + end,
        lambda line: line + b"\xff" + end,
        lambda line: line + b"x" * (OVERLONG - len(line)) + end,
    ]
    if len(end) > 1:
        spoil.append(lambda line: line + end[:1])
    broken = st.tuples(words, st.sampled_from(spoil)).map(lambda both: both[1](both[0]))
    return assemble(words.map(lambda line: line + end), broken, min_lines, max_lines, wrong)


def frames(
    *,
    min_frames: int = 1,
    max_frames: int = 5,
    min_size: int = 0,
    max_size: int = 20,
    prefix: int = 4,
    byteorder: str = "big",
    contents: st.SearchStrategy[bytes] | None = None,
    wrong: str = "never",
) -> st.SearchStrategy[bytes]:
    """Frames: a length of ``prefix`` bytes, then so many bytes (any, or ``contents``).

    Wrong may be: a length cut short, a body cut short, a length that is one too large, one too small, or the largest there is.
    Raises ``UsageError`` for contents that are longer than a prefix can say, and for other values that make no sense.
    """
    check_range("frames", "frames", min_frames, max_frames)
    if prefix not in PREFIXES or isinstance(prefix, bool):
        raise UsageError(f"frames: prefix: expected a length of {', '.join(map(str, PREFIXES))} bytes, got {prefix!r}")
    if byteorder not in ("big", "little"):
        raise UsageError(f"frames: byteorder: expected 'big' or 'little', got {byteorder!r}")
    largest = (1 << 8 * prefix) - 1
    check_range("frames", "size", min_size, max_size, 0, largest)
    wrong = check_wrong("frames", wrong)
    if contents is None:
        bodies: st.SearchStrategy[bytes] = st.binary(min_size=min_size, max_size=max_size)
    else:
        bodies = check_strategy("frames", "contents", contents).map(lambda body: check_drawn("frames", "contents", body))

    def framed(body: bytes, claimed: int | None = None) -> bytes:
        size = len(body) if claimed is None else claimed
        if size > largest:
            raise UsageError(f"frames: contents: a frame with a prefix of {prefix} bytes holds {largest:,} bytes, got {len(body):,}")
        return size.to_bytes(prefix, "big" if byteorder == "big" else "little") + body

    spoil: list[Callable[[bytes], bytes]] = [
        lambda body: framed(body, len(body) + 1) if len(body) < largest else framed(body)[:-1],
        lambda body: framed(body or b"\0")[:-1],
        lambda body: framed(body or b"\0", max(len(body), 1) - 1),
        lambda body: framed(body[:1], largest),
    ]
    if prefix > 1:
        spoil.append(lambda body: framed(body)[: prefix - 1])
    broken = st.tuples(bodies, st.sampled_from(spoil)).map(lambda both: both[1](both[0]))
    return assemble(bodies.map(framed), broken, min_frames, max_frames, wrong)


def requests(protocol: str, *, wrong: str = "maybe", **options: Any) -> st.SearchStrategy[bytes]:
    """What a client sends in ``"lines"``, ``"frames"`` or ``"http"``; the options are those of ``lines``, ``frames`` and ``http_requests``.

    ``wrong`` is ``"never"``, ``"maybe"`` or ``"always"``: whether one thing in it is wrong.
    Raises ``UsageError`` for a protocol or an option that does not exist.
    """
    makers: dict[str, Callable[..., st.SearchStrategy[bytes]]] = {"lines": lines, "frames": frames, "http": http_requests}
    if protocol not in makers:
        raise UsageError(f"requests: protocol: expected {', '.join(map(repr, makers))}, got {protocol!r}")
    try:
        return makers[protocol](wrong=wrong, **options)
    except TypeError as error:
        raise UsageError(f"requests: {protocol}: {error}") from None
