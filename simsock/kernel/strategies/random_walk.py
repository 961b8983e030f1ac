"""``random``: at every question each candidate is as probable as any other.

PYTEST_DONT_REWRITE

Owns the random walk. Law: one draw a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.strategies.draws import MASKS, Draws

if TYPE_CHECKING:
    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.strategies.runs import Run
    from simsock.kernel.task import Task


def random_walk(run: Run) -> Choose:
    """The walk of one run."""
    draws = Draws(run.seed)
    draw = draws.byte

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        if count == 1:
            return 0
        if count <= 256:
            mask = MASKS[count]
            pick = draw() & mask
            while pick >= count:
                pick = draw() & mask
            return pick
        return draws.below(count)

    return choose
