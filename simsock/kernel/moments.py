"""Moments that the tape chooses, at which something comes from outside.

PYTEST_DONT_REWRITE

Owns the drawing of a moment and its coming. Does not know what comes. Laws: the dull answer is at once; a moment is after so many lines and simulated
calls of the program, whosever they are, or after so much virtual time, whichever of both was drawn; it never comes later than it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.choices.tape import Stream
    from simsock.kernel.core import Kernel

BITS = 12
"""Steps are drawn from nothing to two to this power, each doubling as often as the next; time up to what was asked for, near more often than far."""


def _steps(near: int) -> int:
    """Of an answer below two to the power of ``BITS``: more the greater it is."""
    doublings, rest = divmod(near * (BITS + 1), 1 << BITS)
    return (1 << doublings) - 1 + (rest << doublings >> BITS)


class Moment:
    """One that is to come. ``comes`` is told whether the clock has brought it: then no task is at a point."""

    __slots__ = ("_timer", "at", "comes", "kernel", "kind")

    def __init__(self, kernel: Kernel, kind: str, stream: Stream, within_ns: int, is_plain: bool, comes: Callable[[bool], object]) -> None:
        self.kernel = kernel
        self.kind = kind
        """What comes, in one word: ``"signal"``, ``"kill"``."""
        self.comes = comes
        self.at: int | None = None
        ns = within_ns
        answer = 0 if is_plain and hasattr(kernel.tape.source, "seed") else stream.choose(1 << BITS + 1)
        near = answer >> 1
        if answer & 1:
            ns = (within_ns * near**2) >> 2 * BITS
        else:
            self.at = kernel.steps + _steps(near)
        self._timer: Any = kernel.timers.add(kernel.now + ns, self._rings, None)
        kernel.room(Moments).waiting.append(self)
        kernel.alarm = 0  # the next point looks when it is due

    def _rings(self, _: Any) -> None:
        self.kernel.room(Moments).waiting.remove(self)
        self.comes(True)

    def look(self) -> None:
        """Some steps have passed."""
        if self.at is not None and self.kernel.steps >= self.at:
            self.call_off()
            self.comes(False)

    def call_off(self) -> None:
        """Neither steps nor the clock bring it any more."""
        self.kernel.timers.cancel(self._timer)
        self.kernel.room(Moments).waiting.remove(self)


class Moments:
    """Of one world: ``kernel.room(Moments)``."""

    __slots__ = ("counts", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Moment] = []
        self.counts: dict[str, int] = {}

    def number(self, kind: str) -> int:
        """Of the next one of a kind, from 1."""
        self.counts[kind] = number = self.counts.get(kind, 0) + 1
        return number

    def call_off(self, kind: str) -> None:
        """None of this kind comes any more."""
        for moment in [moment for moment in self.waiting if moment.kind == kind]:
            moment.call_off()


def due(kernel: Kernel) -> int | None:
    """At a point: what is due comes. Returns the step at which the next one does."""
    waiting = kernel.room(Moments).waiting
    for moment in tuple(waiting):
        if moment in waiting:  # one may call off others
            moment.look()
    return min((moment.at for moment in waiting if moment.at is not None), default=None)


__all__ = ["Moment", "Moments", "due"]
