"""Shrinking: the fewest and smallest deviations with which a run still fails.

Owns the search for them. Does not know what a run is: it asks a function. Laws:

* what is returned was seen to fail;
* no set is run twice (a huge one may be), and never more than ``budget`` runs are made;
* the same input and the same answers give the same result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simsock.choices.tape import Deviation
from simsock.errors import Nondeterminism, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BUDGET = 2_000
"""Runs that shrinking may make unless told otherwise."""
REMEMBERED_SIZE_MAX = 1_000
"""Sets larger than this are not remembered: they hardly come again, and thousands of them would fill the memory."""


class Shrunk(NamedTuple):
    """What is left: the ``deviations``, how many ``runs`` it took, and whether the budget was ``exhausted`` before nothing smaller failed."""

    deviations: tuple[Deviation, ...]
    runs: int
    exhausted: bool


class _Spent(Exception):
    """The budget is used up."""


def shrink(deviations: Iterable[Deviation], still_fails: Callable[[tuple[Deviation, ...]], bool], budget: int = BUDGET) -> Shrunk:
    """Delete deviations in ever smaller chunks, then lower their values, again and again until nothing changes or ``budget`` runs are made.

    ``still_fails`` is given a tuple of deviations (in the order of ``deviations``) and says whether a run with them fails in the same way.
    The first run repeats the whole set; if that passes, ``Nondeterminism`` is raised. A result that is not ``exhausted`` cannot lose
    any one deviation, nor have any one value set to 1.
    """
    if budget < 1:
        raise UsageError(f"shrinking needs a budget of at least one run, not {budget!r}")
    attempt = _Attempt(tuple(Deviation(*deviation) for deviation in deviations), still_fails, budget)
    if not attempt.fails(attempt.best):
        count = len(attempt.best)
        raise Nondeterminism(f"the run that failed passes when it is repeated from its deviations ({count:,} of them): something outside the tape decides")
    try:
        while _delete(attempt) or _lower(attempt):
            pass
    except _Spent:
        return Shrunk(attempt.best, attempt.runs, exhausted=True)
    return Shrunk(attempt.best, attempt.runs, exhausted=False)


class _Attempt:
    """The best set so far, and what was tried."""

    __slots__ = ("best", "budget", "passed", "runs", "still_fails")

    def __init__(self, best: tuple[Deviation, ...], still_fails: Callable[[tuple[Deviation, ...]], bool], budget: int) -> None:
        self.best = best
        self.still_fails = still_fails
        self.budget = budget
        self.runs = 0
        self.passed: set[tuple[Deviation, ...]] = set()

    def fails(self, candidate: tuple[Deviation, ...]) -> bool:
        """Run with ``candidate``; when that fails it is the new best. Only sets that passed can come again, so only they are remembered."""
        if candidate in self.passed:
            return False
        if self.runs >= self.budget:
            raise _Spent
        self.runs += 1
        if self.still_fails(candidate):
            self.best = candidate
            return True
        if len(candidate) <= REMEMBERED_SIZE_MAX:
            self.passed.add(candidate)
        return False


def _delete(attempt: _Attempt) -> bool:
    """Leave out chunks: all, halves, quarters ... single deviations, from the end, since what happens after the failure never matters."""
    before = len(attempt.best)
    size = before
    while size:
        end = len(attempt.best)
        while end > 0:
            start = max(0, end - size)
            attempt.fails(attempt.best[:start] + attempt.best[end:])
            end = start
        size //= 2
    return len(attempt.best) < before


def _lower(attempt: _Attempt) -> bool:
    """Lower each value: to 1 if that still fails, else halving the distance between a value that passes and one that fails."""
    before = attempt.best
    for place, (label, index, value) in enumerate(before):
        passes, fails = 0, value
        probe = 1
        while passes + 1 < fails:
            changed = Deviation(label, index, probe)
            if attempt.fails((*attempt.best[:place], changed, *attempt.best[place + 1 :])):
                fails = probe
            else:
                passes = probe
            probe = (passes + fails) // 2
    return attempt.best != before
