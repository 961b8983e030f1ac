"""IP, TCP, UDP and UDP-Lite headers as bytes, with their checksums (RFC 791, 768, 1071, 3828, 8200, 9293).

Owns how a packet looks on the wire. Does not know sockets nor files. Simpler than reality: a datagram is one packet however long it is, and
every packet has a time to live of 64.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from ipaddress import ip_address
from struct import pack
from typing import TYPE_CHECKING

from simsock.net.addresses import is_v6, mapped, unmapped
from simsock.net.tap import WINDOW_SHIFT

if TYPE_CHECKING:
    from simsock.net.tap import Frame

PROTOCOLS = {"tcp": 6, "udp": 17, "udplite": 136}
_TTL = 64
_DONT_FRAGMENT = 0x4000
_SYN = 0x02


def packet(frame: Frame) -> bytes:
    """The whole IP packet."""
    source, destination = unmapped(frame.local[0]), unmapped(frame.remote[0])
    v6 = is_v6(source) or is_v6(destination)
    if v6:
        source, destination = mapped(source), mapped(destination)
    here, there = _packed(source), _packed(destination)
    number = PROTOCOLS[frame.protocol]
    ports = pack("!HH", frame.local[1], frame.remote[1])
    if frame.protocol != "tcp":
        size = 8 + len(frame.data)
        before, after = ports + pack("!H", (frame.covers if 0 < frame.covers < size else size) & 0xFFFF), frame.data
    else:
        options = _options(frame)
        offset = (5 + len(options) // 4) << 4
        window = min(frame.window if frame.flags & _SYN else frame.window >> WINDOW_SHIFT, 0xFFFF)
        before = ports + pack("!IIBBH", frame.seq & 0xFFFFFFFF, frame.ack & 0xFFFFFFFF, offset, frame.flags, window)
        after = pack("!H", frame.urgent) + options + frame.data
        size = len(before) + 2 + len(after)
    pseudo = here + there + (pack("!II", size, number) if v6 else pack("!HH", number, size & 0xFFFF))
    covered = after if not frame.covers else after[: frame.covers - 8]
    total = checksum(pseudo + before + (b"" if frame.protocol == "tcp" else b"\0\0") + covered)
    if frame.protocol != "tcp":
        total = total or 0xFFFF  # 0 would mean that there is none
    body = before + pack("!H", total) + after
    return (_header_v6(here, there, number, size) if v6 else _header_v4(here, there, number, size)) + body


def _options(frame: Frame) -> bytes:
    """Maximum segment size, permission for selective acknowledgements and window scale of a SYN (RFC 9293, 2018, 7323); what is there behind
    holes."""
    if frame.mss:
        return pack("!BBH BB BBB B", 2, 4, frame.mss, 4, 2, 3, 3, WINDOW_SHIFT, 1) + b"\0\0"
    if frame.blocks:
        return pack("!BBBB", 1, 1, 5, 2 + 8 * len(frame.blocks)) + b"".join(pack("!II", start & 0xFFFFFFFF, end & 0xFFFFFFFF) for start, end in frame.blocks)
    return b""


def _header_v4(here: bytes, there: bytes, number: int, size: int) -> bytes:
    start, rest = pack("!BBHHHBB", 0x45, 0, min(20 + size, 0xFFFF), 0, _DONT_FRAGMENT, _TTL, number), here + there
    return start + pack("!H", checksum(start + b"\0\0" + rest)) + rest


def _header_v6(here: bytes, there: bytes, number: int, size: int) -> bytes:
    return pack("!IHBB", 6 << 28, min(size, 0xFFFF), number, _TTL) + here + there


@lru_cache(maxsize=4096)
def _packed(ip: str) -> bytes:
    return ip_address(ip).packed


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): its sum does not mind the order of bytes, as long as the result is turned like its parts."""
    if len(data) % 2:
        data += b"\0"
    total = sum(memoryview(data).cast("H"))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    total ^= 0xFFFF
    return total if sys.byteorder == "big" else (total >> 8) | (total & 0xFF) << 8
