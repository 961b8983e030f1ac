"""What a run may use, and the standing still of its tasks.

PYTEST_DONT_REWRITE

Owns the values only; the kernel heeds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.units import NS

if TYPE_CHECKING:
    from collections import deque

    from simsock.kernel.task import Task


class Frozen(BaseException):
    """As the pending error of a task: it stands still in ``queue`` when its turn comes, until it is woken there. Never raised."""

    def __init__(self, queue: deque[Task]) -> None:
        super().__init__("paused")
        self.queue = queue


class Limits:
    """What a run may use: steps, virtual nanoseconds, real seconds."""

    __slots__ = ("real_seconds", "steps", "time_ns")

    def __init__(self, steps: int = 5_000_000, time_ns: int = 7 * 86400 * NS, real_seconds: float = 120.0) -> None:
        self.steps = steps
        self.time_ns = time_ns
        self.real_seconds = real_seconds
