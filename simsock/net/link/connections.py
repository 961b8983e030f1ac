"""What a link does to single connections: resets, ends, silence after so many bytes or so long; late ends; bytes in slices.

Owns how such settings are read, and the state of one direction of one connection. Does not know what a stream does about it, nor how links
draw. The names are those of Toxiproxy's toxics in our words (reset_peer, limit_data, timeout, slow_close, slicer, toxicity). Laws: a
connection that is spared asks one question, and the dull answer spares it; bytes are counted as the program at the far end gets them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.units import duration_ns, size_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simsock.kernel.happened import Fault
    from simsock.net.link.settings import Link

AFTER = ("reset_after", "close_after", "blackhole_after")
SLICE_GAP_NS = 1_000
"""Slices arrive this far apart, so that the receiver has the time to look."""
SLICES_MAX = 1_000


def read_after(value: Any, what: str) -> tuple[int, int]:
    """(bytes, nanoseconds) of a value that is one of them; both 0 for never. Whole numbers and sizes are bytes, the rest is a duration."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, timedelta)):
        raise UsageError(f'{what}: expected bytes such as 10_000 or "64KiB", or a duration such as 1.5 or "5s", got {value!r}')
    if isinstance(value, int):
        return size_bytes(value, what), 0
    if isinstance(value, str):
        try:
            return size_bytes(value, what), 0
        except UsageError:
            pass
    ns = duration_ns(value, what)
    if not ns:
        raise UsageError(f"{what}: {value!r} is no time; expected more, or 0 for never")
    return 0, ns


def read_sizes(value: Any, what: str) -> tuple[int, ...]:
    """The sizes of slices: one or several, repeated; none of them 0."""
    sizes = tuple(value) if isinstance(value, (list, tuple)) else (value,) if value else ()
    if len(sizes) > SLICES_MAX or not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
        raise UsageError(f"{what}: expected a number of bytes from 1, or up to {SLICES_MAX:,} of them, got {value!r}")
    return sizes


class Trouble:
    """One direction of a connection that suffers."""

    __slots__ = ("_passed", "_seen", "_sizes", "_total", "fin_late_ns", "limit_bytes", "silence_bytes", "silent", "times", "what_at_limit")

    def __init__(self, link: Link, seen: Mapping[str, Fault] | None = None) -> None:
        self._seen: Mapping[str, Fault] = seen if seen is not None else {}
        self.silent = False
        """Nothing of it arrives any more."""
        self.silence_bytes = link.blackhole_after_bytes
        self.fin_late_ns = link.slow_close_ns
        limits = [(count, what) for count, what in ((link.reset_after_bytes, "reset"), (link.close_after_bytes, "close")) if count]
        self.limit_bytes, self.what_at_limit = min(limits) if limits else (0, "")
        self._passed = 0
        self._sizes: tuple[int, ...] = link.slice
        self._total = sum(link.slice)
        times = ((link.reset_after_ns, "reset"), (link.close_after_ns, "close"), (link.blackhole_after_ns, "blackhole"))
        self.times = sorted((ns, what) for ns, what in times if ns)
        """What strikes when, after the connection was made."""

    @property
    def sliced(self) -> bool:
        """Whether bytes arrive in pieces."""
        return bool(self._total)

    def piece(self, size: int, seq: int) -> int:
        """How many of ``size`` bytes from sequence number ``seq`` on belong into one segment."""
        if not self._total:
            return size
        place = (seq - 1) % self._total
        for piece in self._sizes:
            if place < piece:
                if size > piece - place:
                    self.saw("slice")
                return min(size, piece - place)
            place -= piece
        return size

    def swallows(self, seq: int, count: int) -> bool:
        """Whether a segment of ``count`` bytes meets silence: it begins with the first that goes over the limit."""
        if self.silence_bytes and count and seq - 1 + count > self.silence_bytes:
            self.silent = True
        if self.silent:
            self.saw("blackhole")
        return self.silent

    def saw(self, what: str) -> None:
        """Count what took effect."""
        fault = self._seen.get(what)
        if fault is not None:
            fault.times += 1

    def passes(self, count: int) -> tuple[int, str]:
        """(how many of ``count`` bytes that arrive get through, what strikes then or ``""``)."""
        limit = self.limit_bytes
        if not limit:
            return count, ""
        room = limit - self._passed
        self._passed += count
        return (count, "") if count < room else (max(room, 0), self.what_at_limit)
