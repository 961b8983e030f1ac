"""Interval timers on the virtual clock: alarm(2), setitimer(2).

Owns when they ring and what is left of them. Law: time of computing passes with the clock, as it does for the clocks of the standard library, so
ITIMER_VIRTUAL and ITIMER_PROF ring by the same clock as ITIMER_REAL.
"""

from __future__ import annotations

import signal as _real
from typing import TYPE_CHECKING

from simsock.kernel.signals import TIMER, signals_of

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.timers import Timer

_RINGS = (int(getattr(_real, "SIGALRM", 14)), int(getattr(_real, "SIGVTALRM", 26)), int(getattr(_real, "SIGPROF", 27)))
"""What each sends: ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF."""
KINDS = range(len(_RINGS))


class IntervalTimers:
    """``kernel.room(IntervalTimers)``: those of one world."""

    def __init__(self) -> None:
        self._timers: dict[int, Timer] = {}
        self._intervals: dict[int, int] = {}

    def set(self, kernel: Kernel, which: int, ns: int, interval_ns: int) -> tuple[int, int]:
        """Ring in ``ns`` and then every ``interval_ns``, 0: never; returns what was left of the one before, and its interval."""
        before = self.left(kernel, which)
        if which in self._timers:
            kernel.timers.cancel(self._timers.pop(which))
        self._intervals[which] = interval_ns if ns else 0
        if ns:
            self._start(kernel, which, kernel.now + ns)
        return before

    def _start(self, kernel: Kernel, which: int, deadline: int) -> None:
        self._timers[which] = kernel.timers.add(deadline, lambda _: self._ring(kernel, which), which)

    def left(self, kernel: Kernel, which: int) -> tuple[int, int]:
        """How long until it rings, 0 if it does not, and its interval."""
        timer = self._timers.get(which)
        return (0 if timer is None else max(timer.deadline - kernel.now, 1_000)), self._intervals.get(which, 0)

    def _ring(self, kernel: Kernel, which: int) -> None:
        deadline = self._timers.pop(which).deadline
        if self._intervals[which]:
            self._start(kernel, which, deadline + self._intervals[which])
        self.send(kernel, _RINGS[which])

    def send(self, kernel: Kernel, number: int) -> None:
        """It rings."""
        signals_of(kernel).send(number, TIMER)

    def end(self, kernel: Kernel) -> None:
        """None of them rings any more."""
        for timer in self._timers.values():
            kernel.timers.cancel(timer)
        self._timers.clear()


__all__ = ["KINDS", "IntervalTimers"]
