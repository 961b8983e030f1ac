"""A hang beside a task that polls: nothing will ever happen any more, although the clock goes on.

PYTEST_DONT_REWRITE

Owns the rule by which it is told as the deadlock that it is, instead of after days of virtual time. Laws:

* a moment is vain if the clock would move, nothing is on its way, and since the last such moment nobody was woken or started, nothing was recorded
  but who runs next, and no function of the program looked at the clock;
* after 64, 128, 256 ... vain moments in a row the state of all tasks that have timers is taken down. The same three times in a row, with
  no timer of one time still there the next, means that it stays the same for ever: what a task does depends on nothing else;
* where the state cannot be taken down there is no judgement, and the limits of the world hold as ever.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simsock.kernel.fingerprints import WAITING, Unreadable, fingerprint
from simsock.kernel.program_lines import room_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from simsock.kernel.core import Kernel
    from simsock.kernel.timers import Timer

FIRST_LOOK = 64
EQUAL_MAX = 3
LOOKS_MAX = 1 << 20
"""Moments after which nobody looks any more."""


class Polling:
    """Of one world."""

    # What a new world has: none of it is set before it changes, since every world begins with one of these.
    vain = 0
    """Vain moments in a row."""
    _news: Any = None
    _print = b""
    _equal = 0
    _timers: Sequence[Timer] = ()

    def is_vain_for_ever(self, kernel: Kernel) -> bool:
        """The clock is about to move: whether that is in vain for good."""
        log = kernel.log
        news = (kernel.wakes, kernel._serial, log.count_flushed + len(log._buffer) - len(kernel.tape.deviations))
        if kernel.in_flight or news != self._news:
            self._news = news
            self.vain = self._equal = 0
            return False
        self.vain = vain = self.vain + 1
        return vain >= FIRST_LOOK and not vain & (vain - 1) and vain <= LOOKS_MAX and self._stays(kernel)

    def looked_at_clock(self, frame: FrameType | None) -> None:
        """``frame`` and those below it are of a call that reads the clock. The library's waiting functions do so all the time."""
        while frame is not None and room_of(frame):
            frame = frame.f_back
        if frame is None or frame.f_globals.get("__name__") not in WAITING:
            self.vain = self._equal = 0

    def _stays(self, kernel: Kernel) -> bool:
        before, self._timers = self._timers, kernel.timers.pending()
        expires = kernel._expired
        if any(timer.action != expires for timer in self._timers) or (kernel.current.queue is None and not kernel.current.dead):
            self._equal = 0
            return False
        tasks = sorted((timer.argument for timer in self._timers), key=lambda task: task.serial)
        if not any(task.queue is not None and task.timer is None for task in kernel.tasks.values()):
            return False  # nobody waits for those that poll
        try:
            taken = fingerprint(tasks, sys._getframe(1))
        except Unreadable:
            self._equal = 0
            return False
        if taken != self._print or any(timer.action is not None for timer in before):
            self._print = taken
            self._equal = 0
        self._equal += 1
        return self._equal >= EQUAL_MAX


__all__ = ["Polling"]
