"""How much may be on its way at once: slow start and congestion avoidance by RFC 5681, counted in bytes.

PYTEST_DONT_REWRITE

Owns the congestion window and the slow start threshold. Does not know segments: who finds a loss says so.
"""

from __future__ import annotations

INITIAL_SEGMENTS = 10
"""RFC 6928, Linux's TCP_INIT_CWND."""
_NO_THRESHOLD = 1 << 62


class Congestion:
    """``window``: bytes that may be on their way. ``threshold``: below it the window grows exponentially."""

    __slots__ = ("_counted", "_segment_bytes", "threshold", "window")

    def __init__(self, segment_bytes: int) -> None:
        self._segment_bytes = segment_bytes
        self._counted = 0
        self.window = INITIAL_SEGMENTS * segment_bytes
        self.threshold = _NO_THRESHOLD

    def grow(self, acknowledged: int) -> None:
        """So many bytes were acknowledged, and the window was in use: by as much in slow start, by a segment a window after it."""
        window = self.window
        if window < self.threshold:
            self.window = min(window + acknowledged, max(self.threshold, window + self._segment_bytes))
            return
        self._counted += acknowledged
        if self._counted >= window:
            self._counted -= window
            self.window += self._segment_bytes

    def halve(self, flying: int) -> None:
        """A segment was lost, and those behind it arrive (RFC 5681, 3.2). ``flying`` is the RFC's FlightSize: all that is not acknowledged in order."""
        self.threshold = self.window = max(flying // 2, 2 * self._segment_bytes)
        self._counted = 0

    def collapse(self, flying: int | None) -> None:
        """Nothing arrives any more (RFC 5681, 3.1). None: the same segment is lost once more, so the threshold stays."""
        if flying is not None:
            self.threshold = max(flying // 2, 2 * self._segment_bytes)
        self.window = self._segment_bytes
        self._counted = 0

    def restart(self) -> None:
        """Nothing was sent for longer than a timeout (RFC 5681, 4.1)."""
        self.window = min(self.window, INITIAL_SEGMENTS * self._segment_bytes)
