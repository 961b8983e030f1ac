"""Where in a program CPython would run a signal's handler.

Owns the judgement about a frame. Does not know signals. Laws:

* a simulated call may be interrupted before it does anything, and while it waits, unless its function is marked with ``uninterruptible``: what gives
  something back (a lock, a descriptor) is one step in CPython, so a handler that raises cannot keep it from being done;
* between two lines, handlers run where CPython looks for them: at a function's first line and where a loop begins anew. Anywhere else an error could
  be raised between a ``with`` block and its ``__exit__``.
"""

from __future__ import annotations

from types import CodeType, FrameType
from typing import Any, TypeVar

from simsock.kernel import preempt
from simsock.kernel.bytecode import instructions_of
from simsock.kernel.program_lines import room_of

_uninterruptible: set[CodeType] = set()
_Function = TypeVar("_Function", bound=Any)
_BETWEEN_LINES = vars(preempt)


def uninterruptible(function: _Function) -> _Function:
    """Mark a function of a stand-in in which no handler runs: it runs when that is done."""
    _uninterruptible.add(function.__code__)
    return function


def may_run(frame: FrameType | None) -> bool:
    """Whether a handler may run in a task whose innermost frame this is."""
    at_a_line = False
    while frame is not None and room_of(frame):
        if frame.f_code in _uninterruptible:
            return False
        at_a_line = at_a_line or frame.f_globals is _BETWEEN_LINES
        frame = frame.f_back
    return not at_a_line or frame is None or _looks_for_signals(frame.f_code, frame.f_lasti)


def _looks_for_signals(code: CodeType, offset: int) -> bool:
    first = 0
    for found in instructions_of(code):
        if found.name == "RESUME" and not first:
            first = found.offset + 2
        if "JUMP_BACKWARD" in found.name and offset in (found.offset, found.value):
            return True
    return offset <= first


def shown_to_handler(frame: FrameType | None) -> FrameType | None:
    """The frame that a handler is given: the innermost one that is none of simsock's."""
    while frame is not None and room_of(frame):
        frame = frame.f_back
    return frame


__all__ = ["may_run", "shown_to_handler", "uninterruptible"]
