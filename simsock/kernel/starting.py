"""A task that begins at once, and gives back as soon as it has begun.

PYTEST_DONT_REWRITE

Owns the two switches of a thread's start. Does not know threads. Laws: nobody else runs in between, and nothing is asked: to start a thread is
one question, which whoever starts it puts when it has control again; a task that parks or ends instead of giving back lets its starter go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task


def begin_at_once(kernel: Kernel, task: Task) -> None:
    """Switch to a task that was spawned just now; the current one is the next."""
    starter = kernel.current
    kernel.runq.remove(task)
    kernel.runq.appendleft(starter)
    kernel.go_to(task)


def give_back(kernel: Kernel, starter: Task | None) -> None:
    """The current task has begun: its starter goes on, if it is still the next."""
    runq = kernel.runq
    if starter is not None and runq and runq[0] is starter:
        del runq[0]
        runq.append(kernel.current)
        kernel.go_to(starter)
    if kernel.late is not None:
        kernel.late(kernel.current)


__all__ = ["begin_at_once", "give_back"]
