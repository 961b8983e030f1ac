"""Loops that make simulated calls and get nowhere: ``while not future.done(): pass``, a flag that is looked at under a lock.

PYTEST_DONT_REWRITE

Owns what happens to a task that has gone on for many steps, and the judgement that it goes round and round. Laws:

* it is asked every so many steps; since the last time nobody was woken or started, nothing was recorded but who runs next, and the clock stood still;
* the task's frames, and what is reachable from them, are as they were at an earlier look: what it does next depends on nothing else, so it does
  the same again until somebody else runs;
* where that cannot be taken down there is no judgement; looks become rarer while nothing comes of them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simsock.harness import is_harness
from simsock.kernel.fingerprints import Part, Unreadable, fingerprint_of_frames, names_between
from simsock.kernel.program_lines import BOTTOM, room_of
from simsock.kernel.spinning import SPINNING, counters_of, loops_of, next_event

if TYPE_CHECKING:
    from types import FrameType

    from simsock.kernel.core import Kernel

_LOOKS_MAX = 1 << 12
"""Questions in a row after which nobody looks any more."""
_OBJECTS_MAX = 2_000
"""What is reachable from more than these is not looked at: programs that work take locks, too, and are not to be held up."""


class Circling:
    """Of one world."""

    __slots__ = ("_news", "_rounds", "_seen", "_switches", "_vain")

    def __init__(self) -> None:
        self._news: Any = None
        self._vain = 0
        """How often it was asked without news."""
        self._seen: set[bytes] = set()
        """States since the last news."""
        self._rounds: set[bytes] = set()
        """States from which a task has come back to the same state by itself."""
        self._switches = -1

    def be_fair(self, kernel: Kernel) -> None:
        """The current task has gone on for many steps: others run before it, and time passes if it does nothing but go round."""
        is_alone = self._switches == kernel.switches
        if not kernel.atomic and not (is_alone and kernel.preemption is not None and kernel.preemption.let_wait(kernel)):
            if self.goes_round(kernel):
                _wait_for_anything(kernel)
            elif is_alone:
                kernel.yield_()
        self._switches = kernel.switches

    def goes_round(self, kernel: Kernel) -> bool:
        """Whether the current task will do the same for ever if nobody else does anything."""
        log = kernel.log
        news = (kernel.now, kernel.wakes, kernel._serial, log.count_flushed + len(log._buffer) - len(kernel.tape.deviations))
        if news != self._news:
            self._news, self._vain = news, 0
            self._seen.clear()
            return False
        self._vain = vain = self._vain + 1
        if (vain == 1 and not self._rounds) or vain & (vain - 1) or vain > _LOOKS_MAX:
            return False
        try:
            taken = fingerprint_of_frames(_frames(kernel, sys._getframe(1)), _OBJECTS_MAX)
        except Unreadable:
            return False
        if taken in self._rounds:
            return True
        if taken in self._seen:
            self._rounds.add(taken)
            return True
        self._seen.add(taken)
        return False


def _wait_for_anything(kernel: Kernel) -> None:
    """Others run, or else time passes until something happens."""
    deadline = None if kernel.runq else next_event(kernel)
    if deadline is not None:
        kernel._sleep_until(deadline, SPINNING)
    elif kernel.runq or kernel.held:
        kernel.held.append(kernel.current)
        kernel._park()


def _frames(kernel: Kernel, frame: FrameType | None) -> list[Part]:
    """The current task's, innermost first, outwards to the outermost that stands in a loop: whoever waits for that frame to return does nothing.

    Loops that began before the world go round between worlds, and a loop's plain counters make no difference to it.
    """
    found: list[Part] = []
    statement = kernel.with_statement if kernel.current is kernel.first else None
    while frame is not None and room_of(frame) != BOTTOM:
        if not room_of(frame):
            if is_harness(str(frame.f_globals.get("__name__"))):
                break
            code, at = frame.f_code, frame.f_lasti
            is_entry = statement is not None and statement.code is code
            since = statement.offset if is_entry and statement is not None else -1
            loops = [loop for loop in loops_of(code) if since < loop[0] <= at <= loop[1]]
            counters: frozenset[str] = frozenset().union(*(counters_of(code, *loop) for loop in loops))
            names = names_between(code, min(loops)[0], max(loop[1] for loop in loops)) if loops else None
            found.append(Part(frame, since, counters if loops else _NO_LOOP, names))
            if is_entry:
                break
        frame = frame.f_back
    while found and found[-1].without is _NO_LOOP:
        found.pop()
    if not found:
        raise Unreadable("no loop")
    return found


_NO_LOOP: frozenset[str] = frozenset([""])
"""Instead of a loop's counters: there is none."""

__all__ = ["Circling"]
