"""What a run may use, and what a task meets instead of an error when it goes on: to stand still, for one.

PYTEST_DONT_REWRITE

Owns the values, and the standing still; the kernel heeds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.units import NS

if TYPE_CHECKING:
    from collections import deque

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task


class Halt(BaseException):
    """As the pending error of a task: something that is done in it when its turn comes, after which it goes on. Never raised."""

    def meet(self, kernel: Kernel, task: Task) -> None:
        """Called in ``task``, which is the current one."""
        raise NotImplementedError


class Frozen(Halt):
    """It stands still in ``queue`` until it is woken there."""

    def __init__(self, queue: deque[Task]) -> None:
        super().__init__("paused")
        self.queue = queue

    def meet(self, kernel: Kernel, task: Task) -> None:
        woken = task.woken  # what it waited for has come, or not: it learns of it when it goes on
        kernel.wait(self.queue, None, "paused")
        task.woken = woken


class Limits:
    """What a run may use: steps, virtual nanoseconds, real seconds."""

    __slots__ = ("real_seconds", "steps", "time_ns")

    def __init__(self, steps: int = 5_000_000, time_ns: int = 7 * 86400 * NS, real_seconds: float = 120.0) -> None:
        self.steps = steps
        self.time_ns = time_ns
        self.real_seconds = real_seconds
