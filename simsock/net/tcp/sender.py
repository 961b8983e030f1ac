"""The sending half of a stream over an imperfect way: what is on its way, what was lost, when it is sent again.

PYTEST_DONT_REWRITE

Owns the segments without acknowledgement, the retransmission timer (RFC 6298), the finding of losses (three segments acknowledged behind a
hole: RFC 5681's three duplicates, counted as in RFC 6675) and probes of a closed window (RFC 9293, 3.8.6.1). Does not know sockets' calls.
Laws:

* no more is on its way than the congestion window and the receiver's window allow;
* every segment is acknowledged, or the stream is given up with ETIMEDOUT: after Linux's retries, or TCP_USER_TIMEOUT.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.net.tcp.congestion import Congestion
from simsock.net.tcp.probe_timer import Background
from simsock.net.tcp.receiver import Answer, Receiver
from simsock.net.tcp.round_trip import RTO_CEILING_NS, RoundTrip
from simsock.net.tcp.segments import ACK, FIN, PSH, Segment, carry
from simsock.net.tcp.urgent import POINTER_MAX

if TYPE_CHECKING:
    from simsock.net.tcp.stream import StreamSocket

GIVE_UP_NS = 924_600_000_000
"""Linux: net.ipv4.tcp_retries2 of 15 means the first timeout after 924.6 s (ip-sysctl.rst)."""
ORPHAN_GIVE_UP_NS = 102_200_000_000
"""The same for net.ipv4.tcp_orphan_retries, whose 0 means 8."""
DUPLICATES = 3
_BACKOFF_MAX = 16

Blocks = tuple[tuple[int, int], ...]


class Sender:
    """One end's half of the machine; made when its stream first meets an imperfect link, dropped when all is well again."""

    __slots__ = (
        "_asked_at",
        "_backoff",
        "_deadline",
        "_edge",
        "_edge_most",
        "_fast",
        "_flying",
        "_limited",
        "_lost",
        "_progress_at",
        "_recover",
        "_timer",
        "congestion",
        "kernel",
        "nxt",
        "over",
        "probe",
        "receiver",
        "round_trip",
        "segment_bytes",
        "segments",
        "stream",
        "una",
    )

    def __init__(self, stream: StreamSocket, peer: StreamSocket, room: int) -> None:
        self.stream = stream
        self.kernel = stream.kernel
        self.una = self.nxt = stream.sent
        """The first sequence number without acknowledgement, and the next to be sent."""
        self.receiver = Receiver(peer, self, stream.sent, room)
        self.segments: deque[Segment] = deque()
        self.round_trip = RoundTrip(stream.first_round_trip_ns)
        self.segment_bytes = stream.segment_bytes
        self.congestion = Congestion(self.segment_bytes)
        self.over = False
        self._edge = self.una + room
        """Up to where the receiver has room."""
        self._edge_most = room
        self._flying = 0
        """Bytes on their way: neither acknowledged nor taken for lost."""
        self._lost = 0
        """How many segments wait to be sent again."""
        self._recover = -1
        """While losses are repaired: what was sent when the first was found."""
        self._fast = False
        """They were found by acknowledgements and not by the timer."""
        self._limited = False
        """The congestion window was in the way when there was more to send."""
        self._progress_at = 0
        self._timer: Any = None
        self._deadline = 0
        self.probe = Background(stream, self._probe, lambda: self._asked_at < 0 and self.receiver.has_no_news(self._edge))
        self._backoff = 0
        self._asked_at = -1
        """When the first probe without an answer was sent; -1 when there is none."""

    @property
    def idle(self) -> bool:
        """Whether everything that was sent is acknowledged."""
        return not self.segments

    def stop(self) -> None:
        """The stream has ended, or needs no machine any more."""
        self.over = True
        self.segments.clear()
        self.probe.stop()
        if self._timer is not None:
            self.kernel.call_off(self._timer)
            self._timer = None

    # -- sending -------------------------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Send what may be sent: first again what was lost, then what is new."""
        stream, congestion = self.stream, self.congestion
        while self._lost:
            if self._flying and self._flying + self.segment_bytes > congestion.window:
                return
            self._repair()
        tx = stream.tx
        if tx:
            self.segment_bytes = stream.segment_bytes  # the link may have changed
        while tx:
            size = min(len(tx), self.segment_bytes)
            if stream.trouble is not None:
                size = stream.trouble.piece(size, self.nxt)
            if self._flying and self._flying + size > congestion.window:
                self._limited = True
                return
            room = self._edge - self.nxt
            if size > room:
                # Not in drips, unless there is nothing else to wait for (RFC 9293, 3.8.6.2.1).
                if room <= 0 or (self.segments and room < self._edge_most // 2):
                    break
                size = room
            data = bytes(tx[:size])
            del tx[:size]
            self._send(data, False)
        if tx:
            if not self.segments and not self.probe.armed:
                self.probe.arm(self.kernel.now + self._probe_wait_ns())
        elif stream.state.closes and not stream.fin_sent:
            stream.fin_sent = True
            stream.refuses_data = stream.refuses_data or stream.read_shut
            self._send(b"", True)

    def _send(self, data: bytes, fin: bool) -> None:
        now = self.kernel.now
        segment = Segment(self.nxt, data, fin, now)
        if not self.segments:
            if now - self._progress_at > self.round_trip.timeout_ns and self._progress_at:
                self.congestion.restart()
            self._progress_at = now
            self._arm(now + self.round_trip.timeout_ns)
        self.segments.append(segment)
        self.nxt = segment.end
        self._transmit(segment)

    def _repair(self) -> None:
        """Send the first lost segment again."""
        for segment in self.segments:
            if segment.lost:
                segment.lost = False
                segment.again = True
                self._lost -= 1
                self._transmit(segment)
                return

    def _transmit(self, segment: Segment) -> None:
        stream = self.stream
        segment.sent_at = self.kernel.now
        segment.flying = True
        self._flying += segment.end - segment.seq
        receiver = stream.peer_receiver
        segment.ack = receiver.nxt if receiver is not None else 0
        if stream.urgent_out:
            segment.urgent = stream.urgent_out if segment.seq <= stream.urgent_out <= segment.seq + POINTER_MAX else 0
        assert stream.wire is not None
        carry(stream.wire, stream, ACK | FIN if segment.fin else ACK | PSH, segment.seq, segment.data, self.receiver.arrives, (segment, segment.sent_at))

    # -- acknowledgements ------------------------------------------------------------------------------------------------------------

    def answered(self, answer: Answer) -> None:
        """An acknowledgement arrived."""
        if self.over:
            return
        ack, edge, blocks, sent_at = answer
        stream = self.stream
        if stream.keepalive is not None:
            stream.keepalive.hears()
        self._asked_at = -1
        if edge > self._edge:
            self._edge = edge
            self._edge_most = max(self._edge_most, edge - ack)
            self._backoff = 0
            self.probe.stop()
        elif self.probe.armed:
            self.probe.answered()
        if ack > self.una:
            self._advance(ack, sent_at)
        if blocks and self._mark(blocks):
            self._find_losses()
        if self._lost or stream.tx or stream.state.closes:
            self.pump()
        if (stream.writers or stream.pollers) and stream.unsent_and_unacknowledged < stream.send_bytes_max:
            stream.wake_writers()
        if stream.fin_sent and not self.segments:
            stream.fin_acknowledged()

    def _advance(self, ack: int, sent_at: int) -> None:
        """Everything before ``ack`` has arrived."""
        now, round_trip, segments = self.kernel.now, self.round_trip, self.segments
        flying_before, acknowledged = self._flying, ack - self.una
        self.una = ack
        self._progress_at = now
        while segments and segments[0].end <= ack:
            segment = segments.popleft()
            if segment.flying:
                self._flying -= segment.end - segment.seq
            elif segment.lost:
                self._lost -= 1
        if sent_at >= 0:
            round_trip.measured(now - sent_at)
        else:
            round_trip.renew()
        if ack >= self._recover:
            self._recover = -1
            self._fast = False
        if not self._fast and (self._limited or flying_before + self.segment_bytes >= self.congestion.window):
            self._limited = False
            self.congestion.grow(acknowledged)
        if segments:
            self._arm(now + round_trip.timeout_ns)
        elif self._timer is not None:
            self.kernel.call_off(self._timer)
            self._timer = None

    def _mark(self, blocks: Blocks) -> bool:
        """Note what arrived behind holes; False when all of it is known."""
        new = False
        for start, end in blocks:
            for segment in self.segments:
                if segment.seq >= end:
                    break
                if segment.seq >= start and not segment.sacked:
                    segment.sacked = new = True
                    if segment.flying:
                        segment.flying = False
                        self._flying -= segment.end - segment.seq
                    elif segment.lost:
                        segment.lost = False
                        self._lost -= 1
        return new

    def _find_losses(self) -> None:
        """What has three behind it that arrived is lost."""
        behind = 0
        found = False
        for segment in reversed(self.segments):
            if segment.sacked:
                behind += 1
            elif behind >= DUPLICATES and segment.flying and not segment.again:
                segment.flying = False
                self._flying -= segment.end - segment.seq
                segment.lost = found = True
                self._lost += 1
        if found and self._recover < 0:
            self._recover = self.nxt
            self._fast = True
            self.congestion.halve(self.nxt - self.una)
            self.stream.tell_retransmission("fast retransmit", self.segments[0].seq)
            self._repair()  # at once, whatever the window says (RFC 5681, 3.2)

    # -- the timer -----------------------------------------------------------------------------------------------------------------

    def _arm(self, deadline: int) -> None:
        """Run the timer until then. One that is set already is left alone unless it is too late: it looks at the deadline when it fires."""
        timeout_ns = self.stream.user_timeout_ns
        if timeout_ns and self.segments:
            deadline = min(deadline, max(self._waiting_since(), 0) + timeout_ns)
        self._deadline = deadline
        timer = self._timer
        if timer is None:
            self._timer = self.kernel.call_at(deadline, self._fires, None)
        elif timer.deadline > deadline:
            self.kernel.call_off(timer)
            self._timer = self.kernel.call_at(deadline, self._fires, None)

    def _waiting_since(self) -> int:
        """Since when the first segment waits in vain."""
        return max(self.segments[0].first_at, self._progress_at)

    def _fires(self, _: Any) -> None:
        self._timer = None
        if self.over or not self.segments:
            return
        now = self.kernel.now
        if now < self._deadline:
            self._timer = self.kernel.call_at(self._deadline, self._fires, None)
        elif now - self._waiting_since() >= self._patience_ns():
            self.stream.reset(errno.ETIMEDOUT)
        else:
            self._time_out(now)

    def _patience_ns(self) -> int:
        """How long data may wait for an acknowledgement."""
        stream = self.stream
        return stream.user_timeout_ns or (ORPHAN_GIVE_UP_NS if stream.orphan else GIVE_UP_NS)

    def _time_out(self, now: int) -> None:
        """Whatever is not acknowledged counts as lost (RFC 5681, 3.1; RFC 6298, 5.4 to 5.6)."""
        first = self.segments[0]
        self.stream.tell_retransmission("retransmission timeout", first.seq)
        self.congestion.collapse(None if first.again else self.nxt - self.una)
        self.round_trip.back_off()
        for segment in self.segments:
            if not segment.sacked and not segment.lost:
                segment.lost = True
                self._lost += 1
            segment.flying = False
        self._flying = 0
        self._recover = self.nxt
        self._fast = False
        self._arm(now + self.round_trip.timeout_ns)
        self.pump()

    # -- a closed window -------------------------------------------------------------------------------------------------------------

    def _probe_wait_ns(self) -> int:
        return min(self.round_trip.timeout_ns << self._backoff, RTO_CEILING_NS)

    def _probe(self) -> None:
        """Ask a receiver without room whether it is still there, and still without room."""
        stream, now = self.stream, self.kernel.now
        if self.over or not stream.tx or self.segments:
            return
        if self._asked_at < 0:
            self._asked_at = now
        elif now - self._asked_at >= self._patience_ns():
            stream.reset(errno.ETIMEDOUT)
            return
        self._backoff = min(self._backoff + 1, _BACKOFF_MAX)
        self.probe.arm(now + self._probe_wait_ns())
        assert stream.wire is not None
        carry(stream.wire, stream, ACK, self.una - 1, b"", self.receiver.probed, None)
