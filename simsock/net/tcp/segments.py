"""Segments of a stream on an imperfect way, and the one place where each of them sets out.

PYTEST_DONT_REWRITE

Owns what a sender remembers about a segment, and the questions to the wire. Does not know why a segment is sent. Sequence numbers count
from 0, which is the SYN's (RFC 9293). Laws: whatever a stream sends over an imperfect way passes ``carry``; segments keep their order
unless the link reorders on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.net.link.connections import SLICE_GAP_NS
from simsock.net.link.wire import SEGMENT_HEADERS_BYTES

if TYPE_CHECKING:
    from simsock.net.addresses import Endpoint
    from simsock.net.link.wire import Wire
    from simsock.net.tcp.stream import StreamSocket

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
"""RFC 9293's bits."""
SEGMENT_BYTES_MAX = 1460
"""What an Ethernet frame leaves to a segment: 1500 bytes without the headers."""
NOWHERE = ("", 0)


class Segment:
    """Bytes, or a FIN, that are to be acknowledged."""

    __slots__ = ("ack", "again", "data", "end", "fin", "first_at", "flying", "lost", "sacked", "sent_at", "seq", "urgent")

    urgent: int
    """The sequence number of the urgent byte that it points to; there only when its stream has one."""

    def __init__(self, seq: int, data: bytes, fin: bool, now: int) -> None:
        self.seq = seq
        self.data = data
        self.fin = fin
        self.end = seq + len(data) + fin
        """The sequence number after it; a FIN takes one."""
        self.first_at = self.sent_at = now
        """Virtual nanoseconds: of the first try, of the latest."""
        self.ack = 0
        """What its sender acknowledged with the latest try."""
        self.flying = False
        """Counted among the bytes that are on their way."""
        self.sacked = False
        """Acknowledged out of order (RFC 2018)."""
        self.lost = False
        """Taken for lost, and not sent again since."""
        self.again = False
        """Sent more than once."""


def segment_bytes_max(out: Wire | None, back: Wire | None, limit: int = 0) -> int:
    """How many bytes a segment of a connection over these two ways has at most (RFC 9293, 3.7.1); ``limit`` is what TCP_MAXSEG says, 0 for nothing."""
    mtu = out.link.mtu if out is not None else 0
    other = back.link.mtu if back is not None else 0
    if other and (not mtu or other < mtu):
        mtu = other
    size = mtu - SEGMENT_HEADERS_BYTES if mtu else SEGMENT_BYTES_MAX
    return min(size, limit) if limit else size


def carry(wire: Wire, end: StreamSocket, flags: int, seq: int, data: bytes, action: Any, argument: Any, heard: bool = False) -> bool:
    """Put a segment of ``end`` on the wire: ``action(argument)`` on arrival. False when it is lost. ``heard``: whoever listens in knows of it."""
    tap = end.fabric.tap
    if tap is not None and not heard:
        frame = tap.segment(wire, end, flags, seq, data)
        arrives = carry(wire, end, flags, seq, data, tap.lands, (wire, frame, action, argument), True)
        tap.departs(wire, frame, not arrives)
        return arrives
    size = SEGMENT_HEADERS_BYTES + len(data)
    kernel = end.kernel
    if wire.governed and (after := wire.ruling("tcp", size, data, _addresses(end, flags), _names(flags))) is not None:
        if after >= 0:
            wire.launch(kernel.now + after, action, argument)
        return after >= 0
    trouble = end.trouble
    if (trouble is not None and trouble.swallows(seq, len(data))) or wire.lost(size):
        return False
    arrival = kernel.now + wire.delay_ns(size)
    if trouble is not None and data and trouble.sliced:
        arrival = max(arrival, end.last_arrival + SLICE_GAP_NS)
    if arrival >= end.last_arrival:
        end.last_arrival = arrival
    elif not wire.link.reorder and not wire.link.reorder_every:
        arrival = end.last_arrival
    if trouble is not None and flags & FIN:
        arrival += trouble.fin_late_ns
        trouble.saw("slow_close")
    wire.launch(arrival, action, argument)
    return True


def _addresses(end: StreamSocket, flags: int) -> tuple[Endpoint, Endpoint]:
    """From where to where. What refuses a connection has no socket of its own, and sets out as that of the end that tries to connect.

    The wire does not tell the two apart: over a loopback both are on one host.
    """
    local, remote = end.local or NOWHERE, end.remote or NOWHERE
    return (remote, local) if flags & RST and end.attempt is not None else (local, remote)


def _names(flags: int) -> str:
    return " ".join(name for name, bit in (("FIN", FIN), ("SYN", SYN), ("RST", RST), ("PSH", PSH), ("ACK", ACK)) if flags & bit)
