"""The tap: what leaves a host and what reaches one, shown to whoever listens in.

PYTEST_DONT_REWRITE

Owns the reading of a packet's header fields off the sockets (over a perfect link there is no packet), and when each side sees it. Does not
know files. Streams come by in ``tcp.segments.carry`` or, over a perfect way, where bytes are handed over; datagrams in
``DatagramSocket.send``. Laws: a world without a tap pays one look at ``fabric.tap``; one with a tap runs exactly as one without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from simsock.net.tcp.segments import ACK, FIN, PSH, RST, SYN, URG, segment_bytes_max
from simsock.net.tcp.states import SYN_SENT
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.net.addresses import Endpoint
    from simsock.net.fabric import Fabric
    from simsock.net.link.wire import Wire
    from simsock.net.tcp.stream import StreamSocket

NOWHERE = ("0.0.0.0", 0)
WINDOW_SHIFT = 3
"""The window scale of every connection (RFC 7323): enough for the largest receive buffer."""
_ANSWERED_EVERY = 2
"""Segments that one acknowledgement covers."""


class Frame(NamedTuple):
    """A packet, as far as its headers tell anything. Sequence numbers count from 0, the SYN's."""

    protocol: str
    local: Endpoint
    """Where it comes from."""
    remote: Endpoint
    data: bytes
    flags: int = 0
    seq: int = 0
    ack: int = 0
    window: int = 0
    """Bytes that the sender has room for."""
    mss: int = 0
    """What a SYN says of the longest segment."""
    blocks: tuple[tuple[int, int], ...] = ()
    """What is acknowledged behind holes."""
    urgent: int = 0
    """How far behind the first byte the urgent data ends, 0 for none."""
    covers: int = 0
    """How many bytes the checksum covers, 0 for all (UDP-Lite)."""


class Sink(Protocol):
    """Who listens in."""

    def take(self, now: int, host: str, outgoing: bool, frame: Frame, lost: bool) -> None:
        """A frame leaves or reaches a host. ``lost``: it leaves, and will not arrive."""


class Tap:
    """All who listen in on one world."""

    __slots__ = ("_fabric", "_told", "sinks")

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.sinks: list[Sink] = []
        self._told: WeakKeyDictionary[StreamSocket, int] = WeakKeyDictionary()
        """Of an end whose peer sends over a perfect way: up to where it said it has room."""

    # -- over an imperfect way -------------------------------------------------------------------------------------------------------

    def departs(self, wire: Wire, frame: Frame, lost: bool) -> None:
        """It has left its host."""
        now = self._fabric.kernel.now
        for sink in self.sinks:
            sink.take(now, wire.source, True, frame, lost)

    def sets_out(self, host: str, frame: Frame) -> None:
        """It has left its host for many, which it does once; on each way it is lost or lands by itself."""
        now = self._fabric.kernel.now
        for sink in self.sinks:
            sink.take(now, host, True, frame, False)

    def lands(self, flight: tuple[Wire, Frame, Callable[[Any], object], Any]) -> None:
        """It is there: seen first, then taken in."""
        wire, frame, action, argument = flight
        if wire.source != wire.destination and wire.destination not in self._fabric.interference.down:  # a loopback is seen once
            now = self._fabric.kernel.now
            for sink in self.sinks:
                sink.take(now, wire.destination, False, frame, False)
        action(argument)

    # -- over a perfect way ----------------------------------------------------------------------------------------------------------

    def passes(self, wire: Wire, frame: Frame) -> None:
        """It leaves, and is there."""
        self.departs(wire, frame, False)
        self.lands((wire, frame, _nothing, None))

    def signal(self, wire: Wire | None, end: StreamSocket, flags: int, seq: int) -> None:
        """A segment without data passes."""
        if wire is not None:
            self.passes(wire, self.segment(wire, end, flags, seq, b""))

    def bytes_pass(self, end: StreamSocket, data: bytes | bytearray, room: int = -1, fin: bool = False) -> None:
        """Bytes that ``end`` has not counted yet, and perhaps its FIN, pass; unless ``room`` is negative they are acknowledged at once, with so
        much room left, as often as RFC 9293 (3.8.6.3) asks for."""
        wire, peer = end.wire, end.peer
        assert wire is not None and peer is not None and peer.wire is not None
        size = end.segment_bytes
        seq, end_seq = end.sent, end.sent + len(data)
        unanswered = 0
        for start in range(0, len(data), size):
            piece = bytes(data[start : start + size])
            if room >= 0 and seq + len(piece) > self._told.get(peer, seq + len(piece)):
                self._answers(peer, seq, room + end_seq - seq)  # it has read meanwhile, which nobody needed to hear of
                unanswered = 0
            self.passes(wire, self.segment(wire, end, ACK | PSH, seq, piece))
            seq += len(piece)
            unanswered += 1
            if unanswered == _ANSWERED_EVERY and room >= 0 and (fin or seq < end_seq):
                self._answers(peer, seq, room + end_seq - seq)
                unanswered = 0
        if fin:
            self.signal(wire, end, ACK | FIN, seq)
            seq += 1
        if room >= 0:
            self._answers(peer, seq, room)

    def _answers(self, peer: StreamSocket, ack: int, room: int) -> None:
        assert peer.wire is not None
        self.passes(peer.wire, self.segment(peer.wire, peer, ACK, peer.next_seq, b"")._replace(ack=ack, window=room))
        self._told[peer] = ack + (room & -(1 << WINDOW_SHIFT))

    def conjured(self, end: StreamSocket, flags: int) -> None:
        """The link itself tells ``end`` that its connection is over, in the peer's name."""
        if end.remote is None or end.local is None:
            return
        frame = Frame("tcp", end.remote, end.local, b"", flags, _expected(end), end.next_seq)
        for sink in self.sinks:
            sink.take(self._fabric.kernel.now, end.host.name, False, frame, False)

    # -- headers -----------------------------------------------------------------------------------------------------------------------

    def segment(self, wire: Wire, end: StreamSocket, flags: int, seq: int, data: bytes) -> Frame:
        """A segment of ``end``. What refuses a connection has no socket: it comes in the name of whoever wanted to connect."""
        local, remote = end.local or NOWHERE, end.remote or NOWHERE
        if flags & RST and end.state is SYN_SENT:
            return Frame("tcp", remote, local, data, flags, seq, 1)
        window = 0 if flags & RST else _room(end)
        expected = _expected(end) if flags & ACK else 0
        self._told[end] = expected + (min(window, 0xFFFF) if flags & SYN else window & -(1 << WINDOW_SHIFT))
        blocks = end.peer_receiver.blocks if end.peer_receiver is not None and flags == ACK else ()
        mss = segment_bytes_max(wire, None, end.segment_limit) if flags & SYN else 0
        pointer = end.urgent_out + 1 - seq if end.urgent_out and data else 0
        if not 0 < pointer <= 0xFFFF:
            return Frame("tcp", local, remote, data, flags, seq, expected, window, mss, blocks)
        return Frame("tcp", local, remote, data, flags | URG, seq, expected, window, mss, blocks, pointer)


def _expected(end: StreamSocket) -> int:
    """The sequence number up to which ``end`` has everything."""
    if end.peer_receiver is not None:
        return end.peer_receiver.nxt
    return end.peer.next_seq if end.peer is not None else 1


def _room(end: StreamSocket) -> int:
    """The window that ``end`` tells of."""
    return end.peer_receiver.window if end.peer_receiver is not None else max(0, end.receive_bytes_max - len(end.rx))


def _nothing(_: Any) -> None:
    """What passes was handed over already, or is about to be."""
