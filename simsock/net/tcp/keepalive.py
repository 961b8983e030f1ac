"""Keepalive: whether a peer that says nothing is still there (RFC 1122, 4.2.3.6; tcp(7)).

PYTEST_DONT_REWRITE

Owns the probes of one idle connection. Does not know options' names. Law: who hears nothing for as long as tcp(7) says gives up with
ETIMEDOUT; a peer that is there answers, and no program notices.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from simsock.kernel.units import NS
from simsock.net.tcp.probe_timer import Background
from simsock.net.tcp.segments import ACK, carry

if TYPE_CHECKING:
    from simsock.net.tcp.stream import StreamSocket


class Keepalive:
    """The timer of one end that has SO_KEEPALIVE."""

    __slots__ = ("_heard_at", "_stream", "_timer", "_unanswered")

    def __init__(self, stream: StreamSocket) -> None:
        self._stream = stream
        self._unanswered = 0
        self._heard_at = stream.kernel.now
        self._timer = Background(stream, self._fires, lambda: stream.peer is not None and stream.peer.state.connected)
        self.set_again()

    def set_again(self) -> None:
        """The times may have changed."""
        self._timer.arm(max(self._stream.kernel.now, self._heard_at + self._stream.keepalive_times[0] * NS))

    def stop(self) -> None:
        """No more probes."""
        self._timer.stop()

    def hears(self) -> None:
        """Something came from the peer."""
        self._heard_at = self._stream.kernel.now
        self._unanswered = 0
        self._timer.busy()
        if not self._timer.armed:
            self.set_again()

    def _fires(self) -> None:
        stream = self._stream
        if not stream.state.connected:
            return
        idle_s, interval_s, count = stream.keepalive_times
        now = stream.kernel.now
        if stream.unsent_and_unacknowledged:
            self._timer.arm(now + idle_s * NS)  # there is a timer for that already
            return
        if now < self._heard_at + idle_s * NS:
            self._timer.arm(self._heard_at + idle_s * NS)
            return
        patience = stream.user_timeout_ns
        if self._unanswered >= count if not patience else self._unanswered and now - self._heard_at >= patience:
            peer = stream.peer
            stream.reset(errno.ETIMEDOUT)
            if peer is not None:
                stream.refuse(peer)
            return
        self._unanswered += 1
        self._timer.arm(now + interval_s * NS)
        self._ask()

    def _ask(self) -> None:
        stream = self._stream
        peer, wire = stream.peer, stream.wire
        assert peer is not None and wire is not None
        if wire.perfect:
            if stream.fabric.tap is not None:
                stream.fabric.tap.signal(wire, stream, ACK, stream.next_seq - 1)
            self._asked(peer)
        else:
            carry(wire, stream, ACK, stream.next_seq - 1, b"", self._asked, peer)

    def _asked(self, peer: Any) -> None:
        """The probe is there."""
        if not peer.state.connected:
            if not (peer.vanished and peer.host.down):
                peer.refuse(self._stream)
            return
        wire = peer.wire
        if wire.perfect:
            if peer.fabric.tap is not None:
                peer.fabric.tap.signal(wire, peer, ACK, peer.next_seq)
            self._answered(None)
        else:
            carry(wire, peer, ACK, peer.next_seq, b"", self._answered, None)

    def _answered(self, _: Any) -> None:
        if self._stream.keepalive is self:
            self.hears()
            self._timer.answered()
