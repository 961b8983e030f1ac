"""Looking into a replay at one step of its story.

Owns the watcher that opens a debugger there. Does not know which steps a story has. Law: the clock and the tasks stand still meanwhile; what is only
looked at changes nothing.
"""

from __future__ import annotations

import pdb  # noqa: T100 (what --step is)
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simsock.kernel.program_lines import program_frame
from simsock.kernel.watchdog import watchdog
from simsock.kernel.watchers import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsock.kernel import Task


class StopAtStep(Watcher):
    """Opens the debugger where the ``step``-th answer that was not the dull one switches tasks, in the task that would have run on.

    ``reached`` says afterwards whether there was such a step.
    """

    def __init__(self, step: int) -> None:
        self._left = step
        self.step = step
        self.reached = False

    def deviates(self, task: Task, index: int, chosen: Task) -> None:
        self._left -= 1
        if self._left:
            return
        self.reached = True
        frame = program_frame(sys._getframe(1))
        print(f"step {self.step}: task {task.path} stands here, and {chosen.path} goes on instead", flush=True)
        watchdog.hold()
        try:
            with _traced_as_before():
                debugger = pdb.Pdb(nosigint=True)
                debugger.reset()
                debugger.interaction(frame, None)
        finally:
            watchdog.let_go()


@contextmanager
def _traced_as_before() -> Iterator[None]:
    """A debugger that lets the program go on takes every trace function away, with which lines were seen: the story of the run would miss some."""
    trace = sys.gettrace()
    own = []
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        own.append((frame, frame.f_trace))
    try:
        yield
    finally:
        sys.settrace(trace)
        for frame, traced in own:
            if traced is not None and frame.f_trace is not traced:
                frame.f_trace = traced


__all__ = ["StopAtStep"]
