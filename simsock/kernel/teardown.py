"""The end of a world: every task dies, in order, within limits.

Owns the order written here and nothing else: preemption is off already; simulated calls raise ``WorldEnded`` at once and locks are
granted; tasks in spawn order, daemons last, get ``TaskKilled`` thrown in; a task that swallows it is refused every further call, then
stopped at every line, and in the end named in an error. Law: every task is dead before the last reference to it is dropped.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from simsock.errors import TaskKilled, TaskWillNotEnd
from simsock.kernel.last_words import LastWords
from simsock.kernel.program_lines import is_simsock, place_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

CALLS_REFUSED_MAX = 100
LINES_REFUSED_MAX = 1_000
_LOOPS_BROKEN_MAX = 3
"""How often the watchdog interrupts one task that ends in an endless loop."""

_graveyard: list[Any] = []
"""Greenlets that would not end: dropping the last reference to one would resume it for ever."""


def end(kernel: Kernel, *, collect: bool = False) -> list[TaskWillNotEnd]:
    """Kill every task but the first; returns an error for each that would not end.

    With ``collect``, what was kept open by garbage alone is closed as well: what is left in the descriptor table then has leaked.
    """
    kernel.ending = True
    kernel.alarm = -1
    problems: list[TaskWillNotEnd] = []
    first = kernel.first
    # The reader may be the first task itself or (after Ctrl-C) nobody in particular; either way it is whoever runs now.
    victims = [task for task in kernel.tasks.values() if task is not first]
    if victims:
        said = LastWords()
        try:
            said.begin()
            while victims:
                victims.sort(key=lambda task: (task.daemon, task.serial))
                for task in victims:
                    problem = _kill(kernel, task)
                    if problem is not None:
                        problems.append(problem)
                victims = [task for task in kernel.tasks.values() if task is not first]
        finally:
            said.end()  # also when a signal came while it began
        kernel.last_words = said.text
    kernel.current = first
    if kernel.thread_state is not None:
        kernel.thread_state.tasks_are_over()
    kernel._drain()
    if collect:  # a search collects after many worlds instead: what garbage alone kept open is no part of what happened
        _collect_unwritten(kernel)
    if kernel.timers.were_set:
        kernel.timers = type(kernel.timers)()
    kernel.runq.clear()
    kernel.held.clear()
    kernel.finalized.clear()
    kernel.ended = True
    first.greenlet = None
    kernel.tasks.clear()
    if kernel.watchers is not None:
        kernel.watchers.world_ends(kernel)
        kernel.watchers = None
        kernel.log.tell(None)
    return problems


def collect_forgotten(kernel: Kernel) -> None:
    """Just before the end, for what finalizers tell; what they close is no part of what happened, as of what is collected last."""
    _collect_unwritten(kernel)
    kernel._collected = True  # what is left is not young any more


def _collect_unwritten(kernel: Kernel) -> None:
    kept, kernel.log.append = kernel.log.append, _unwritten
    try:
        kernel.collect_last()
    finally:
        kernel.log.append = kept


def _unwritten(record: Any) -> None:
    """Instead of the log's ``append``."""


def _kill(kernel: Kernel, task: Task) -> TaskWillNotEnd | None:
    kernel.detach(task)
    kernel.current = task
    task.pending = None
    body = task.greenlet
    if not task.started or body is None or body.dead:  # the latter when it was ended, and who ended it interrupted
        task.dead = True
        task.greenlet = task.fn = None
        task.args = ()
        task.kwargs = {}
        kernel.tasks.pop(task.serial, None)
        if kernel.watchers is not None:
            kernel.watchers.task_ends(task)
        return None
    body.parent = getcurrent()
    tracer = sys.gettrace()
    body.throw(TaskKilled("the world has ended"))
    if sys.gettrace() is not tracer:
        sys.settrace(tracer)
    if body.dead:
        return None
    place = place_of(body)
    _graveyard.append(body)
    task.greenlet = None
    kernel.abandoned.append(task)
    task.dead = True
    del kernel.tasks[task.serial]
    return TaskWillNotEnd(f"task {task.path} would not end with its world: it swallows TaskKilled at {place}", place=place)


def refuse(kernel: Kernel, error: BaseException) -> None:
    """A simulated call or wait while the world ends: raise, and be more insistent each time."""
    task = kernel.current
    if kernel.ended or task is kernel.first:
        raise error
    task.refusals += 1
    if task.refusals > CALLS_REFUSED_MAX + LINES_REFUSED_MAX:
        _abandon()
    if task.refusals > CALLS_REFUSED_MAX:
        _refuse_lines(kernel, task)
    raise error


def refuse_loop(kernel: Kernel) -> None:
    """The watchdog or Ctrl-C came while the world ends, in code that makes no simulated call: raise there, a few times."""
    task = kernel.current
    task.refusals += (CALLS_REFUSED_MAX + LINES_REFUSED_MAX) // _LOOPS_BROKEN_MAX
    if task.refusals > CALLS_REFUSED_MAX + LINES_REFUSED_MAX and getcurrent() is task.greenlet:
        _abandon()
    raise TaskKilled("the world has ended")


def _abandon() -> None:
    """Leave the current task for good: its killer is its parent, and nothing switches back."""
    sys.settrace(None)
    getcurrent().parent.switch()  # type: ignore[union-attr]  # a task is never the main greenlet


class _AtALine(TaskKilled):
    """Raised at a line of the program. When whoever caught it lets go of it, it comes again: loops in loops end too, one level a time."""

    def __init__(self, again: Callable[[], object]) -> None:
        super().__init__("the world has ended")
        self._again = again

    def __del__(self) -> None:
        self._again()


def _refuse_lines(kernel: Kernel, task: Task) -> None:
    """Also raise at the next line that this task runs: an ``except`` clause cannot catch what is raised inside it.

    CPython drops a trace function that raises, so this holds for one line.
    """

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if kernel.current is not task or task.dead or kernel.ended or is_simsock(frame.f_code.co_filename):
            return None
        if event == "line":
            raise _AtALine(again)
        return trace

    def again() -> None:
        if kernel.current is task and not kernel.ended and getcurrent() is task.greenlet and task.refusals < CALLS_REFUSED_MAX + LINES_REFUSED_MAX:
            task.refusals += 1
            _refuse_lines(kernel, task)

    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_simsock(frame.f_code.co_filename):
            frame.f_trace = trace
        frame = frame.f_back
    sys.settrace(trace)
