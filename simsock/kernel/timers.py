"""Timers in one total order.

Owns what is due and when; knows nothing of what a timer does. Laws: equal deadlines fire in the order in which they were set;
a cancelled timer costs nothing but its place, and places of cancelled timers never outnumber live ones for long.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

_COMPACT_OVER = 256
"""Below so many dead entries a clean-up is not worth its time."""


class Timer:
    """One call of ``action(argument)`` at ``deadline`` (nanoseconds of virtual time). ``action`` is None once fired or cancelled."""

    __slots__ = ("action", "argument", "deadline")

    def __init__(self, deadline: int, action: Callable[[Any], object] | None, argument: Any) -> None:
        self.deadline = deadline
        self.action = action
        self.argument = argument


class Timers:
    """The timers of one world."""

    __slots__ = ("_dead", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._serial = 0
        self._dead = 0

    def __len__(self) -> int:
        return len(self._heap) - self._dead

    @property
    def were_set(self) -> bool:
        """Whether any ever was."""
        return self._serial > 0

    def add(self, deadline: int, action: Callable[[Any], object], argument: Any) -> Timer:
        """Set a timer for an absolute virtual time."""
        timer = Timer(deadline, action, argument)
        self._serial = serial = self._serial + 1
        heappush(self._heap, (deadline, serial, timer))
        return timer

    def cancel(self, timer: Timer) -> None:
        """Take a timer out; nothing happens if it fired already."""
        if timer.action is not None:
            timer.action = timer.argument = None
            self._dead += 1
            if self._dead > _COMPACT_OVER and self._dead * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2].action is not None]
                heapify(self._heap)
                self._dead = 0

    def pending(self) -> list[Timer]:
        """The live timers, in no order that means anything."""
        return [timer for _, _, timer in self._heap if timer.action is not None]

    def next_deadline(self) -> int | None:
        """When the next live timer is due, or None."""
        heap = self._heap
        while heap:
            if heap[0][2].action is not None:
                return heap[0][0]
            heappop(heap)
            self._dead -= 1
        return None

    def pop_due(self, now: int) -> Timer | None:
        """Take out the next live timer with a deadline up to ``now``, or None."""
        heap = self._heap
        while heap:
            deadline, _, timer = heap[0]
            if timer.action is None:
                self._dead -= 1
            elif deadline > now:
                return None
            else:
                return heappop(heap)[2]
            heappop(heap)
        return None
