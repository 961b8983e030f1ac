"""Answers that no strategy gives: the plain order, and a record's.

PYTEST_DONT_REWRITE

Owns these two functions. Laws: where a record says nothing the answer is the dull one; nothing is drawn here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task


def plain(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
    """The dull answer, always: questions are asked and counted, and the order is that of fifo."""
    return 0


def replaying(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
    """Pick what the record says, and the dull answer elsewhere. A pick that no longer exists stays unused and is reported as such."""
    plan = task.plan
    if plan:
        pick = plan.get(index, 0)
        if pick < 2 * count - 1:
            return pick
    return 0
