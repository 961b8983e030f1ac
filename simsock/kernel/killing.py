"""A task that is to die while its world goes on: it was cancelled, or its host crashed.

PYTEST_DONT_REWRITE

Owns how the kill reaches it although code on the way swallows it: an ``except`` clause that catches everything, a ``__del__`` method, whose errors
Python itself ignores. Laws: it stays pending until the task has ended and is raised anew at each point and after each wait; not while it is on its
way, so ``finally`` blocks may make calls; a task that will not have it ends the run with an error that names it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from simsock.errors import TaskKilled, TaskWillNotEnd
from simsock.kernel.program_lines import place_of_current

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

SWALLOWED_MAX = 1_000


def cancel(kernel: Kernel, task: Task) -> bool:
    """``Task.cancel``."""
    if task.dead:
        return False
    if task is kernel.current:
        raise RuntimeError("a task cannot cancel itself; return or raise instead")
    if task is kernel.first:
        raise RuntimeError("the world's first task cannot be cancelled; leave the world instead")
    kernel.log.append((kernel.now, kernel.current.path, "cancel", task.path))
    task.pending = TaskKilled("cancelled")
    if task.queue is not None:
        kernel.detach(task)
        kernel.runq.append(task)
    return True


def raise_in(kernel: Kernel, task: Task, error: BaseException) -> None:
    """Raise what was pending for the current task, which stands where that can be done."""
    try:
        if isinstance(error, TaskKilled):
            _kill(kernel, task, error)
        else:
            raise error
    finally:
        del error


def _kill(kernel: Kernel, task: Task, error: TaskKilled) -> None:
    task.pending = error
    kernel.alarm = 0  # its next point tells it again
    if task.killed and _on_its_way(error):
        return
    task.killed = True
    task.refusals += 1
    if task.refusals > SWALLOWED_MAX and not kernel.ending:
        task.pending = None
        place = place_of_current()
        kernel.fatal(TaskWillNotEnd(f"task {task.path} would not end: it swallows TaskKilled at {place}", place=place))
    try:
        raise error
    finally:
        del error


def _on_its_way(error: TaskKilled) -> bool:
    """Whether it is being handled right here: in a ``finally``, in an ``except`` clause, or in one of another error that came of it."""
    handled = sys.exception()
    while handled is not None:
        if handled is error:
            return True
        handled = handled.__context__
    return False


__all__ = ["cancel", "raise_in"]
