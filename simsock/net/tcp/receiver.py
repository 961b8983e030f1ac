"""The receiving half of a stream over an imperfect way: what comes out of order waits, everything is acknowledged.

PYTEST_DONT_REWRITE

Owns the segments behind holes, the window that the sender was told, and what a dead end answers (RFC 9293, 3.10.7.1: a reset, unless the
end was closed in an orderly way: then its last acknowledgement was lost, and is repeated). Laws: every segment is acknowledged at once; the
window never shrinks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.net.states import CONNECTED
from simsock.net.tcp.segments import ACK, SEGMENT_BYTES_MAX, Segment, carry

if TYPE_CHECKING:
    from simsock.net.tcp.sender import Sender
    from simsock.net.tcp.stream import StreamSocket

BLOCKS_MAX = 3
"""Selective acknowledgements that fit into a segment's options beside others (RFC 2018)."""


class Receiver:
    """What one end knows of the other's bytes."""

    __slots__ = ("_blocks", "_early", "_early_bytes", "_edge", "nxt", "sender", "stream")

    def __init__(self, stream: StreamSocket, sender: Sender, nxt: int, room: int) -> None:
        self.stream = stream
        self.sender = sender
        self.nxt = nxt
        """Everything before this sequence number has arrived."""
        self._edge = nxt + room
        """Up to where the sender was told there is room."""
        self._early: dict[int, Segment] = {}
        self._early_bytes = 0
        self._blocks: list[tuple[int, int]] = []
        """Stretches behind holes, the latest first."""

    def arrives(self, packet: tuple[Segment, int]) -> None:
        """A segment is there, and when it was sent."""
        stream = self.stream
        segment, sent_at = packet
        if stream.state is not CONNECTED:
            self._meets_dead_end()
            return
        if stream.keepalive is not None:
            stream.keepalive.hears()
        if stream.embryo is not None:
            stream.embryo()  # it acknowledges the handshake as well
            if stream.state is not CONNECTED or stream.embryo is not None:
                return
        if stream.flow is not None and segment.ack > stream.flow.una:
            stream.flow.answered((segment.ack, 0, (), -1))
        if segment.data and stream.deaf and segment.end > self.nxt:
            stream.meets_nobody()
            return
        if segment.seq == self.nxt:
            self._accept(segment)
            self.acknowledge(sent_at)
            return
        if segment.seq > self.nxt and segment.seq not in self._early:
            self._early[segment.seq] = segment
            self._early_bytes += len(segment.data)
            self._add_block(segment.seq, segment.end)
        self.acknowledge()

    def _accept(self, segment: Segment | None) -> None:
        """In order, with all that waited for it."""
        stream, early = self.stream, self._early
        while segment is not None:
            self.nxt = segment.end
            if segment.data:
                stream.arrive_bytes(segment.data)
            if segment.fin:
                stream.fin_arrives()
            segment = early.pop(self.nxt, None)
            if segment is not None:
                self._early_bytes -= len(segment.data)
        if self._blocks:
            self._blocks = [block for block in self._blocks if block[1] > self.nxt]

    def _add_block(self, start: int, end: int) -> None:
        others = []
        for block in self._blocks:
            if block[1] < start or block[0] > end:
                others.append(block)
            else:
                start, end = min(start, block[0]), max(end, block[1])
        self._blocks = [(start, end), *others]

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """What selective acknowledgements tell."""
        return tuple(self._blocks[:BLOCKS_MAX])

    @property
    def window(self) -> int:
        """How much room the sender was told of, and has not used."""
        return self._edge - self.nxt

    # -- what the sender hears -------------------------------------------------------------------------------------------------------

    def _room(self) -> int:
        """The window: none rather than a silly one (RFC 9293, 3.8.6.2.2)."""
        stream = self.stream
        room = stream.receive_bytes_max - len(stream.rx) - self._early_bytes
        return room if room >= min(SEGMENT_BYTES_MAX, stream.receive_bytes_max // 2) else 0

    def acknowledge(self, sent_at: int = -1) -> None:
        """Tell the sender what is here and how much room there is; of what came in order, when it was sent."""
        stream = self.stream
        self._edge = max(self._edge, self.nxt + self._room())
        answer = (self.nxt, self._edge, self.blocks if self._blocks else (), sent_at)
        wire = stream.wire
        assert wire is not None
        if wire.perfect and stream.last_arrival <= stream.kernel.now:
            if stream.fabric.tap is not None:
                stream.fabric.tap.signal(wire, stream, ACK, stream.next_seq)
            self.sender.answered(answer)
        else:
            carry(wire, stream, ACK, stream.next_seq, b"", self.sender.answered, answer)

    def consumed(self) -> None:
        """The program read: the sender hears of the room when it is at least twice what it knows of (Linux's tcp_cleanup_rbuf())."""
        known = self._edge - self.nxt
        if known * 2 <= self.stream.receive_bytes_max:
            room = self._room()
            if room and room >= 2 * known:
                self.acknowledge()

    def has_no_news(self, edge: int) -> bool:
        """Whether a sender that knows of room up to ``edge`` would learn nothing."""
        return self.stream.state is CONNECTED and self.nxt + self._room() <= edge

    def probed(self, _: Any) -> None:
        """The sender asks whether anybody is there."""
        stream = self.stream
        if stream.state is not CONNECTED:
            self._meets_dead_end()
        else:
            if stream.keepalive is not None:
                stream.keepalive.hears()
            self.acknowledge()

    def _meets_dead_end(self) -> None:
        stream = self.stream
        if stream.finished:
            self.acknowledge()
        elif not (stream.vanished and stream.host.down):
            stream.refuse(self.sender.stream)
