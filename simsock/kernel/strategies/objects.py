"""A strategy that the user wrote.

PYTEST_DONT_REWRITE

Owns the step from ``pick`` to the kernel's question. Law: while the object is asked, nothing of the world goes on; what it raises, and a pick
that is none, reach the first task and end the search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError

if TYPE_CHECKING:
    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.task import Task

PARTS = ("begin", "pick", "end")
"""The methods of a strategy's life cycle."""


def asking(strategy: Any) -> Choose:
    """The function that asks ``strategy.pick(task, runnable, preempting)``."""

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        runnable = [task, *kernel.runq] if preempting else list(kernel.runq)
        kernel.atomic += 1
        try:
            picked = strategy.pick(task, runnable, preempting)
        except BaseException as error:
            return kernel.strategy_failed(error, preempting)
        finally:
            kernel.atomic -= 1
        for pick, candidate in enumerate(runnable):
            if candidate is picked:
                return pick
        text = f"strategy {strategy!r}: pick() returned {picked!r}, which is not one of the {count} runnable tasks"
        return kernel.strategy_failed(UsageError(text), preempting)

    return choose
