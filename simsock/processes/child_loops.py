"""In a child: loops without a simulated call, in which it would compute for ever while its world stands still.

PYTEST_DONT_REWRITE

Owns the judgement that a child goes round and round, and its stop there. Does not know what home does meanwhile. Laws:

* home asks for it by a real signal when the child has computed for long. When that is makes no difference to the world: a loop is stopped only if it made no
  simulated call, and all that is reachable from its frames, counters included, was the same one round ago: it would do the same for ever;
* what of the functions in reach was not called since it is watched counts only as being there: the same round calls the same functions;
* it is stopped at one place, the first line of the round in the outermost frame that comes by, wherever it was when it was looked at;
* where that cannot be told there is no judgement, and the child computes on;
* the trace function of whoever else has one is let alone; what keeps a forked child from its harness is in force again before it can get there.
"""

from __future__ import annotations

import signal as _real
import sys
from typing import TYPE_CHECKING, Any

from simsock.kernel.circling import loops_around
from simsock.kernel.fingerprints import Unreadable, fingerprint_of_frames
from simsock.kernel.preempt import outside_of_tracing
from simsock.kernel.program_lines import BOTTOM, room_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from simsock.kernel import Kernel

SIGNAL = int(_real.SIGURG)
"""The system ignores it where nobody has a handler, as in a child that has yet to begin."""
_EVENTS_MAX = 20_000
"""Lines for which a child is watched without having stopped."""
_TRIES_MAX = 50
"""How often what was reached may be unreadable, or not as it was before."""
_OBJECTS_MAX = 2_000


class Loops:
    """Of this process."""

    def __init__(self, kernel: Kernel, ask: Callable[..., Any], messages: Callable[[], int], doors: Any) -> None:
        self._kernel, self._ask, self._messages, self._doors = kernel, ask, messages, doors
        self._is_watching = False
        self._former: Any = None
        self._since: Any = None
        self._events = self._tries = 0
        self._place: Any = None
        self._state: Any = None
        """Its fingerprint at that place, and how many functions that rests on."""
        self._called: dict[int, CodeType] = {}
        """All that was called since it is watched, by identity: code that was put together by hand need not be hashable."""
        self._first: Any = None
        """The outermost line of this round so far: (how many frames are below it, its offset)."""
        self._stop: Any = None
        """That of a round that is known to be like the one before it."""

    def look(self, number: int, frame: FrameType | None) -> None:
        """Home's signal: the process has computed for long."""
        former = sys.gettrace()
        if self._is_watching or former not in (None, self._doors) or self._kernel.preemption is not None:
            return
        self._is_watching = True
        self._former, self._since = former, self._calls()
        self._begin()
        while frame is not None and room_of(frame) != BOTTOM:
            if frame.f_trace is None:
                frame.f_trace = self._trace
            frame = frame.f_back
        sys.settrace(self._trace)

    def _calls(self) -> tuple[int, int]:
        return self._kernel.steps, self._messages()

    def _begin(self) -> None:
        self._events, self._tries = _EVENTS_MAX, _TRIES_MAX
        self._place = self._first = self._stop = None
        self._called.clear()

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event != "line" or room_of(frame):
            if event == "call":
                self._called[id(frame.f_code)] = frame.f_code
            return self._trace
        self._events -= 1
        if self._calls() != self._since or not self._events or not self._tries:
            self._end(frame)
            return None
        here = _depth(frame), frame.f_lasti
        if self._stop is not None:
            if here == self._stop:
                self._wait(frame)
        elif self._place is None:
            self._take(frame, here)
        elif frame.f_code is self._place[0] and here == self._place[1]:
            first, before = min(self._first, here), self._state
            if self._take(frame, here) and self._state == before:
                self._stop = first
        else:
            self._first = min(self._first, here)
        return self._trace if self._is_watching else None

    def _take(self, frame: FrameType, here: tuple[int, int]) -> bool:
        """How does the process stand here? From now on this place is waited for."""
        self._tries -= 1
        try:
            parts = [part._replace(without=frozenset()) for part in loops_around(self._kernel, frame)]
            self._state = fingerprint_of_frames(parts, _OBJECTS_MAX, self._called), len(self._called)
        except Unreadable:
            self._place = None
            return False
        self._place, self._first = (frame.f_code, here), here
        return True

    def _wait(self, frame: FrameType) -> None:
        """Let the others run, or time pass. A handler of a signal may run meanwhile, and raise."""
        sys.settrace(None)  # not only while this function runs: where a thread is traced outside of it, 3.15 breaks down
        try:
            goes_on = outside_of_tracing(self._ask, "circles")
        except BaseException:
            self._end(frame)
            if self._former is not None:
                sys.setprofile(self._rearm)  # a trace function that raises is forgotten
            raise
        self._since = self._calls()
        self._begin()
        sys.settrace(self._trace)
        if not goes_on:
            self._end(frame)

    def _rearm(self, frame: FrameType, event: str, argument: Any) -> None:
        """The first thing after an error has left the trace function."""
        sys.setprofile(None)
        sys.settrace(self._former)

    def _end(self, frame: FrameType | None) -> None:
        self._is_watching = False
        while frame is not None:
            if frame.f_trace == self._trace:
                frame.f_trace = None
            frame = frame.f_back
        sys.settrace(self._former)


def _depth(frame: FrameType | None) -> int:
    depth = 0
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


__all__ = ["SIGNAL", "Loops"]
