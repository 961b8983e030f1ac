"""``random``: any runnable task, with a rate of switching that is drawn for each run.

PYTEST_DONT_REWRITE

Owns the random walk. A walk that switches at every other point never lets one task run on while another stands still, so the chance that a task is
switched away from at a point is one of 1/2, 1/4 ... 1/512, the same for a whole run. Law: nothing is drawn for a point at which nothing changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.strategies.draws import Draws

if TYPE_CHECKING:
    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.strategies.runs import Run
    from simsock.kernel.task import Task

RATES = 9
"""The chances of a switch: from 1/2 down to one half to this power."""


def random_walk(run: Run) -> Choose:
    """The walk of one run."""
    draws = Draws(run.seed)
    below = draws.below
    bits = 1 + below(RATES)  # a switch has the chance 2 to the power of -bits, so gaps are geometric: drawn by halving
    gap = draws.misses(bits)  # points that pass before the next switch

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        nonlocal gap
        if not preempting:
            return below(count)
        if gap:
            gap -= 1
            return 0
        gap = draws.misses(bits)
        return 1 + below(count - 1)

    return choose
