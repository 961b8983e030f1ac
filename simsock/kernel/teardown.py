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
from simsock.kernel.places import place_of

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

CALLS_REFUSED_MAX = 100
LINES_REFUSED_MAX = 1_000

_graveyard: list[Any] = []
"""Greenlets that would not end: dropping the last reference to one would resume it for ever."""


def end(kernel: Kernel) -> list[TaskWillNotEnd]:
    """Kill every task but the first; returns an error for each that would not end."""
    kernel.ending = True
    kernel.alarm = -1
    problems: list[TaskWillNotEnd] = []
    first = kernel.first
    # The reader may be the first task itself or (after Ctrl-C) nobody in particular; either way it is whoever runs now.
    while victims := [task for task in kernel.tasks.values() if task is not first]:
        victims.sort(key=lambda task: (task.daemon, task.serial))
        for task in victims:
            problem = _kill(kernel, task)
            if problem is not None:
                problems.append(problem)
    kernel.current = first
    kernel.timers = type(kernel.timers)()
    kernel.runq.clear()
    kernel.finalized.clear()
    kernel.ended = True
    first.greenlet = None
    kernel.tasks.clear()
    return problems


def _kill(kernel: Kernel, task: Task) -> TaskWillNotEnd | None:
    kernel.detach(task)
    kernel.current = task
    task.pending = None
    if not task.started:
        task.dead = True
        task.greenlet = task.fn = None
        task.args = ()
        task.kwargs = {}
        del kernel.tasks[task.serial]
        return None
    body = task.greenlet
    body.parent = getcurrent()
    body.throw(TaskKilled("the world has ended"))
    if body.dead:
        return None
    place = place_of(body)
    _graveyard.append(body)
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
        sys.settrace(None)
        # The killer is the parent; nothing switches back here.
        getcurrent().parent.switch()  # type: ignore[union-attr]
    if task.refusals > CALLS_REFUSED_MAX:
        _refuse_lines(kernel, task)
    raise error


def _refuse_lines(kernel: Kernel, task: Task) -> None:
    """Also raise at the next line that this task runs: an ``except`` clause cannot catch what is raised inside it.

    CPython drops a trace function that raises, so this holds for one line; the next refused call installs it anew.
    """
    previous = sys.gettrace()

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if kernel.current is not task or task.dead or kernel.ended:
            sys.settrace(previous)
            return None
        if event == "line":
            raise TaskKilled("the world has ended")
        return trace

    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "simsock":
            frame.f_trace = trace
        frame = frame.f_back
    sys.settrace(trace)
