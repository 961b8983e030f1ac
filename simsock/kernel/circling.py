"""Loops that make simulated calls and get nowhere: ``while not future.done(): pass``, a flag that is looked at under a lock.

PYTEST_DONT_REWRITE

Owns what happens to a task that has gone on for many steps, and the judgement that it goes round and round. Laws:

* nobody was woken or started in between, nothing was recorded but who runs next, and the clock stood still;
* the task is where it was some steps ago, and all that is reachable from its frames is as it was: what it does next depends on nothing else, so it
  does the same again until somebody else does something;
* one of several that do so is held back until the others have been seen to do so as well; then time passes for each, whoever has what the others want;
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
    from simsock.kernel.task import Task

_LOOKS_MAX = 1 << 12
"""Looks without news after which there are no more."""
_TASKS_MAX = 64
"""With so many that go round they are no longer looked at one after the other."""
_STEPS_MAX = 500
"""Steps that once round may take."""
_STARTS_MAX = 8
"""How often others may run meanwhile, or be woken."""
_OBJECTS_MAX = 2_000
"""What is reachable from more than these is not looked at: programs that work take locks, too, and are not to be held up."""

TICKS_MAX = 16
"""How often in a row a task that gives way may be chosen again."""


class Circling:
    """Of one world."""

    # What a new world has: none of it is set before it changes, since every world begins with one of these.
    _switches = -1
    _news: Any = None
    _vain = 0
    """How often it was asked without news."""
    _rounds = False
    """Whether a task was seen to go round in this world."""
    _steps_left = 0
    """Steps for which it is looked at each: until the task is where it was when that began."""
    _ticks = 0
    """How often in a row whoever gave way was chosen again."""
    _task: Task | None = None
    _place: Any = None
    _state = b""
    _between: Any = None
    _starts_left = 0
    _going: frozenset[int] = frozenset()
    """The numbers of the tasks that were seen to go round since something has happened."""

    def give_way(self, kernel: Kernel) -> None:
        """The others run first. A strategy may choose the current task again; for ever, if it is one that goes by priorities: then it stays back."""
        switches = kernel.switches
        if self._ticks < TICKS_MAX:
            kernel.yield_()
        else:
            kernel.held.append(kernel.current)
            kernel._park()
        self._ticks = self._ticks + 1 if kernel.switches == switches else 0

    def be_fair(self, kernel: Kernel) -> None:
        """The current task has gone on for many steps: others run before it, and time passes if it does nothing but go round."""
        if self._steps_left:
            if self._comes_back(kernel):
                self._wait_for_anything(kernel)
            return
        is_alone = self._switches == kernel.switches
        if not kernel.atomic and not (is_alone and kernel.preemption is not None and kernel.preemption.let_wait(kernel)):
            if is_alone:
                kernel.yield_()
            if self._may_go_round(kernel):
                self._begin(kernel)
        self._switches = kernel.switches

    def _has_news(self, kernel: Kernel) -> bool:
        """Whether anything has happened but that tasks woke each other, as those do that want the same lock."""
        before = self._news
        self._news = news(kernel)
        return bool(self._news != before)

    def _may_go_round(self, kernel: Kernel) -> bool:
        """Whether it is time to look closely."""
        if self._has_news(kernel):
            self._vain = 0
            self._going = frozenset()
            return False
        self._vain = vain = self._vain + 1
        if vain > _LOOKS_MAX:
            return False
        return (not vain & (vain - 1) and (vain > 1 or self._rounds)) or 0 < len(self._going) < _TASKS_MAX

    def _begin(self, kernel: Kernel) -> None:
        """Where and how does the current task stand? From now on each step is looked at."""
        try:
            parts = loops_around(kernel, sys._getframe(1))
            self._state = fingerprint_of_frames(parts, _OBJECTS_MAX)
        except Unreadable:
            return
        self._task, self._place, self._steps_left = kernel.current, _place(parts), _STEPS_MAX
        self._between, self._starts_left = (kernel.wakes, kernel.switches), _STARTS_MAX
        kernel.alarm = kernel.steps + 1

    def _comes_back(self, kernel: Kernel) -> bool:
        """Whether the task is where it was, as it was: it will do the same for ever if nobody else does anything."""
        self._steps_left -= 1
        if kernel.atomic or self._has_news(kernel):
            self._steps_left = 0
            return False
        if kernel.current is not self._task:  # a strategy has chosen another one
            kernel.alarm = kernel.steps + 1
            return False
        between = kernel.wakes, kernel.switches
        if between != self._between:  # others ran, or it has let go of what they stand in line for: all that it did before does not count
            self._between, self._state, self._starts_left = between, b"", self._starts_left - 1
            if not self._starts_left:
                self._steps_left = 0
                return False
        try:
            parts = loops_around(kernel, sys._getframe(1))
            if _place(parts) != self._place:
                if self._steps_left:
                    kernel.alarm = kernel.steps + 1
                return False
            before, self._state = self._state, fingerprint_of_frames(parts, _OBJECTS_MAX)
            if not before and self._steps_left:
                kernel.alarm = kernel.steps + 1
                return False
            self._steps_left = 0
            is_same = self._state == before
        except Unreadable:
            self._steps_left = 0
            return False
        if is_same:
            self._rounds = True
            self._going |= {kernel.current.serial}
        return is_same

    def goes_round(self, kernel: Kernel) -> bool:
        """The current task is known to go round: others run, or else time passes. Whether there was anything to wait for."""
        if self._has_news(kernel):
            self._going = frozenset()
        self._going |= {kernel.current.serial}
        return self._wait_for_anything(kernel)

    def _wait_for_anything(self, kernel: Kernel) -> bool:
        """Others run, or else time passes until something happens; False if nothing will."""
        others = [task for task in (*kernel.runq, *kernel.held) if task.serial not in self._going]
        deadline = None if others else next_event(kernel)
        if deadline is not None:
            kernel._sleep_until(deadline, SPINNING)
        elif kernel.runq or kernel.held:
            kernel.held.append(kernel.current)
            kernel._park()
        else:
            return False
        return True


def news(kernel: Kernel) -> tuple[int, int, int]:
    """The same twice mean that nothing has happened in between."""
    log = kernel.log
    return kernel.now, kernel._serial, log.count_flushed + len(log._buffer) - len(kernel.tape.deviations)


def _place(parts: list[Part]) -> list[tuple[object, int]]:
    return [(part.frame.f_code, part.frame.f_lasti) for part in parts]


def loops_around(kernel: Kernel, frame: FrameType | None) -> list[Part]:
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

__all__ = ["Circling", "loops_around", "news"]
