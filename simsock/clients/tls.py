"""The client that hangs in the midst of a TLS handshake.

Owns its first words, a ClientHello in bytes (RFC 8446, 4.1.2), and that no other follow. Knows nothing of ``ssl``: it never gets so far. Law: the hello
is one that any server of today answers, and the same in every run.
"""

from __future__ import annotations

from struct import pack
from typing import Any

from simsock.clients.outcome import CLOSED, Line, Outcome, patient, seconds
from simsock.errors import UsageError
from simsock.kernel.units import Duration

_TLS12, _TLS13 = 0x0303, 0x0304
_CIPHERS = (0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030)
_X25519, _P256 = 0x001D, 0x0017
_SIGNATURES = (0x0403, 0x0804, 0x0805, 0x0401, 0x0503, 0x0501)
_BASE_POINT = b"\x09" + bytes(31)
"""The public key of whoever has 1 as a private one."""


def _list(numbers: tuple[int, ...]) -> bytes:
    return pack(f">H{len(numbers)}H", 2 * len(numbers), *numbers)


def _extension(number: int, data: bytes) -> bytes:
    return pack(">HH", number, len(data)) + data


def _hello() -> bytes:
    name = b"server"
    extensions = b"".join(
        (
            _extension(0, pack(">HBH", len(name) + 3, 0, len(name)) + name),
            _extension(10, _list((_X25519, _P256))),
            _extension(11, b"\x01\x00"),
            _extension(13, _list(_SIGNATURES)),
            _extension(43, pack(">BHH", 4, _TLS13, _TLS12)),
            _extension(51, pack(">HHH", 36, _X25519, 32) + _BASE_POINT),
        )
    )
    body = pack(">H", _TLS12) + bytes(range(32)) + b"\x00" + _list(_CIPHERS) + b"\x01\x00" + pack(">H", len(extensions)) + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return pack(">BHH", 22, 0x0301, len(message)) + message


HELLO = _hello()


def tls_staller(address: Any, *, after: int | None = None, hold: Duration = 300) -> Outcome:
    """Begins a TLS handshake and never ends it: says the first ``after`` bytes of its hello (all of it, without), hears what the server says to that, and
    stays until the server closes or ``hold`` is over. ``after=0`` says nothing at all.
    Raises ``UsageError`` for an ``after`` that the hello has not.
    """
    if after is not None and (isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= len(HELLO)):
        raise UsageError(f"after: expected a whole number from 0 to {len(HELLO)}, the length of the hello, got {after!r:.80}")

    def act(line: Line) -> str:
        if after != 0:
            line.send(HELLO[:after])
        while line.hear():
            pass
        return CLOSED

    return patient("tls-staller", Line(address, seconds(hold, "hold")), act)


__all__ = ["HELLO", "tls_staller"]
