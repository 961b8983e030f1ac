"""``pct``: tasks have priorities, and fall at a few moments of a run.

PYTEST_DONT_REWRITE

Owns priorities and the strategy PCT: Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding
Bugs", ASPLOS 2010. With depth d there are d - 1 moments, drawn among the steps of the run, at which the task that runs falls below all others; a
bug that takes d orderings is found with a chance of at least 1/(n k^(d-1)) for n tasks and k steps. Laws:

* the runnable task of the highest priority goes on, always;
* a task that gives way of its own accord lets another go on for once; one that does so again and again falls below those that fell before, or a loop
  that polls would keep everybody else from running.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.strategies.draws import Draws

if TYPE_CHECKING:
    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.strategies.runs import Run
    from simsock.kernel.task import Task

DEPTH = 3
"""The depth of ``pct`` and ``pcth`` without a number."""
PATIENCE = 8
"""How often a task gives way before it falls."""
_UNKNOWN_STEPS_BITS = 12
"""Where nobody has counted the steps, they are taken for up to two to this power."""


class Ranks:
    """The priorities of one run: drawn when a task is first seen; higher goes first."""

    __slots__ = ("_draws", "_given_way", "_lows", "_patience", "of")

    def __init__(self, draws: Draws, depth: int) -> None:
        self._draws = draws
        self._lows = list(range(-1, -depth, -1))
        self._given_way = -depth
        self._patience: dict[int, int] = {}
        self.of: dict[int, int] = {}

    def rank(self, task: Task) -> int:
        """The priority of a task."""
        rank = self.of.get(task.serial)
        if rank is None:
            rank = self.of[task.serial] = self._draws.bits(32)
        return rank

    def fall(self, task: Task) -> None:
        """A moment has come: the task falls below all that have not fallen. Which of the fallen is higher is drawn."""
        if self._lows:
            self.of[task.serial] = self._lows.pop(self._draws.below(len(self._lows)))

    def choose(self, kernel: Kernel, task: Task, preempting: bool) -> int:
        """The runnable task of the highest priority."""
        runq = kernel.runq
        gives_way = not preempting and runq[-1] is task
        if gives_way:
            self._patience[task.serial] = patience = self._patience.get(task.serial, PATIENCE) - 1
            if patience < 0:
                self._given_way -= 1
                self.of[task.serial] = self._given_way
        ranks = self.of
        best, pick = (self.rank(task), 0) if preempting else (self.rank(runq[0]), 0)
        for place, other in enumerate(runq, preempting):
            serial = other.serial
            rank = ranks[serial] if serial in ranks else self.rank(other)
            if rank > best and not (gives_way and other is task):
                best, pick = rank, place
        return pick


def pct(run: Run, depth: int = DEPTH) -> Choose:
    """Priorities that fall at ``depth`` - 1 steps of the run."""
    draws = Draws(run.seed)
    ranks = Ranks(draws, depth)
    steps = run.profile.steps if run.profile is not None else 0
    span = steps or 1 << (4 + draws.below(_UNKNOWN_STEPS_BITS - 3))
    moments = sorted(1 + draws.below(span) for _ in range(depth - 1))

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        while moments and kernel.steps >= moments[0]:
            moments.pop(0)
            ranks.fall(task)
        return ranks.choose(kernel, task, preempting)

    return choose
