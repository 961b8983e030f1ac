"""Files in pcapng (draft-ietf-opsawg-pcapng): one section, an interface a host, times in nanoseconds.

Owns the format. Does not know what is in a packet. Law: what has been written so far can be read, up to the last block.
"""

from __future__ import annotations

from struct import pack
from typing import IO

from simsock.escaping import printable

SECTION, INTERFACE, PACKET, SECRETS = 0x0A0D0D0A, 1, 6, 10
RAW_IP = 101
"""LINKTYPE_RAW: packets begin with their IP header."""
_COMMENT, _APPLICATION, _NAME, _DESCRIPTION, _FLAGS, _RESOLUTION = 1, 4, 2, 3, 2, 9
_NANOSECONDS = b"\x09"
_TLS_KEY_LOG = 0x544C534B
_INBOUND, _OUTBOUND = 1, 2


class Writer:
    """A file that is being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._interfaces = 0
        self._block(SECTION, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _option(_APPLICATION, b"simsock") + _END)

    def interface(self, name: str, description: str) -> int:
        """A new interface; returns its number."""
        options = _option(_NAME, _text(name)) + _option(_DESCRIPTION, _text(description)) + _option(_RESOLUTION, _NANOSECONDS)
        self._block(INTERFACE, pack("<HHI", RAW_IP, 0, 0) + options + _END)
        self._interfaces += 1
        return self._interfaces - 1

    def packet(self, interface: int, ns: int, data: bytes, outgoing: bool, comment: str = "") -> None:
        """A packet that an interface saw, ``ns`` after 1970."""
        options = _option(_COMMENT, _text(comment)) if comment else b""
        options += _option(_FLAGS, pack("<I", _OUTBOUND if outgoing else _INBOUND))
        head = pack("<IIIII", interface, ns >> 32 & 0xFFFFFFFF, ns & 0xFFFFFFFF, len(data), len(data))
        self._block(PACKET, head + _padded(data) + options + _END)

    def secrets(self, lines: bytes) -> None:
        """What opens the TLS of packets that follow: lines as of an SSLKEYLOGFILE."""
        self._block(SECRETS, pack("<II", _TLS_KEY_LOG, len(lines)) + _padded(lines) + _END)

    def _block(self, kind: int, body: bytes) -> None:
        length = pack("<I", 12 + len(body))
        self._file.write(pack("<I", kind) + length + body + length)


def _text(text: str) -> bytes:
    return printable(text).encode()


_END = pack("<HH", 0, 0)


def _option(code: int, value: bytes) -> bytes:
    return pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
