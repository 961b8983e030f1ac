"""The receiving half of a stream over an imperfect way: what comes out of order waits, everything is acknowledged.

PYTEST_DONT_REWRITE

Owns the segments behind holes, the window that the sender was told, and what a dead end answers (RFC 9293, 3.10.7.1: a reset, unless the
end was closed in an orderly way: then its last acknowledgement was lost, and is repeated). Laws: every segment is acknowledged at once; the
window never shrinks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.net.tcp import urgent
from simsock.net.tcp.segments import ACK, SEGMENT_BYTES_MAX, Segment, carry
from simsock.net.tcp.states import ENDED

if TYPE_CHECKING:
    from simsock.net.tcp.sender import Sender
    from simsock.net.tcp.stream import StreamSocket

Answer = tuple[int, int, tuple[tuple[int, int], ...], int]
"""An acknowledgement: up to where all is here, up to where there is room, what is here behind holes, and when what it answers was sent (-1:
unknown), as a timestamp tells (RFC 7323)."""
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
        answer = self.process(*packet)
        if answer is not None:
            self._send(answer)

    def process(self, segment: Segment, sent_at: int) -> Answer | None:
        """Take in a segment that was sent at a virtual time; returns its acknowledgement. None: there is none, or a reset has set out."""
        stream = self.stream
        if not stream.state.connected:
            return self._meets_dead_end()
        if stream.keepalive is not None:
            stream.keepalive.hears()
        if stream.on_handshake_complete is not None:
            stream.on_handshake_complete()  # it acknowledges the handshake as well
            if not stream.state.connected or stream.on_handshake_complete is not None:
                return None
        if stream.sender is not None and segment.ack > stream.sender.una:
            stream.sender.answered((segment.ack, 0, (), -1))
        if segment.data and stream.refuses_data and segment.end > self.nxt:
            stream.meets_nobody()
            return None
        if self.sender.stream.urgent_out:
            urgent.arrives(stream, segment, self.nxt)
        if segment.seq == self.nxt:
            self._accept(segment)
            return self._answer(sent_at)
        if segment.seq > self.nxt and segment.seq not in self._early:
            self._early[segment.seq] = segment
            self._early_bytes += len(segment.data)
            self._add_block(segment.seq, segment.end)
        return self._answer()

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

    def _answer(self, sent_at: int = -1) -> Answer:
        """What is here and how much room there is; of what came in order, when it was sent."""
        stream, nxt = self.stream, self.nxt
        most = stream.receive_bytes_max
        room = most - len(stream.rx) - self._early_bytes
        edge = nxt + room if room >= SEGMENT_BYTES_MAX or room >= most // 2 else nxt  # as _room() says
        if edge > self._edge:
            self._edge = edge
        return nxt, self._edge, self.blocks if self._blocks else (), sent_at

    def _send(self, answer: Answer) -> None:
        stream = self.stream
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
                self._send(self._answer())

    def has_no_news(self, edge: int) -> bool:
        """Whether a sender that knows of room up to ``edge`` would learn nothing."""
        return self.stream.state.connected and self.nxt + self._room() <= edge

    def probed(self, _: Any) -> None:
        """The sender asks whether anybody is there."""
        stream = self.stream
        answer: Answer | None
        if not stream.state.connected:
            answer = self._meets_dead_end()
        else:
            if stream.keepalive is not None:
                stream.keepalive.hears()
            answer = self._answer()
        if answer is not None:
            self._send(answer)

    def _meets_dead_end(self) -> Answer | None:
        stream = self.stream
        if stream.state is ENDED:
            return self._answer()
        if not (stream.vanished and stream.host.down):
            stream.refuse(self.sender.stream)
        return None
