"""Shrinking: the fewest and smallest deviations with which a run still fails.

Owns the search for them. Does not know what a run is: it asks a function whether one fails, and another which questions one has. Laws:

* what is returned was seen to fail;
* no set is run twice (a huge one may be), and never more than ``budget`` runs are made;
* the same input and the same answers give the same result; runs are counted, never seconds.

What was found is not the best place to begin: a schedule that chance has made has dozens of deviations, and what remains when no one of them can be
left out is often far from the shortest. So first all runs of one deviation are tried, with those questions first that are most likely to matter;
then what was found is made smaller by leaving out and lowering; then, if more than one deviation is left, pairs are tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simsock.choices.tape import Deviation
from simsock.errors import Nondeterminism, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

BUDGET = 2_000
"""Runs that shrinking may make unless told otherwise."""
REMEMBERED_SIZE_MAX = 1_000
"""Sets larger than this are not remembered: they hardly come again, and thousands of them would fill the memory."""
_PAIRED_RANKS = 1
"""Questions of so many ranks, from the lowest that there is, are tried in pairs: at calls all have the same."""
_MOVED_MAX = 4
_NEAR = 4
"""Of answers that are not the scheduler's so many are tried at the questions near theirs, up to so many away."""


class Question(Protocol):
    """A question whose answer may be changed: one of ``label``, with ``count`` candidates, of which 0 is the dull one. ``rank``: the lower the sooner.

    Answers 1 to count - 1 choose another candidate, those from count to 2 * count - 2 choose it and hold back whoever would have run.
    """

    @property
    def label(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def rank(self) -> int: ...


class Shrunk(NamedTuple):
    """What is left: the ``deviations``, how many ``runs`` it took, and whether the budget was ``exhausted`` before nothing smaller failed."""

    deviations: tuple[Deviation, ...]
    runs: int
    exhausted: bool


class _Spent(Exception):
    """The budget is used up, or the part of it that one way of looking has."""


def shrink(
    deviations: Iterable[Deviation],
    still_fails: Callable[[tuple[Deviation, ...]], bool],
    budget: int = BUDGET,
    questions: Callable[[tuple[Deviation, ...]], Sequence[Question]] | None = None,
) -> Shrunk:
    """The smallest set of deviations found within ``budget`` runs that fails as ``deviations`` do.

    ``still_fails`` is given a tuple of deviations and says whether a run with them fails in the same way; ``questions`` is given one as well, runs it,
    and returns the questions that the scheduler was asked in it, in order. The first run repeats the whole set; if that passes,
    ``Nondeterminism`` is raised. A result that is not ``exhausted`` cannot lose any one deviation, nor have any one value set to 1.
    """
    if budget < 1:
        raise UsageError(f"shrinking needs a budget of at least one run, not {budget!r}")
    attempt = _Attempt(tuple(Deviation(*deviation) for deviation in deviations), still_fails, budget)
    if not attempt.fails(attempt.best):
        count = len(attempt.best)
        raise Nondeterminism(f"the run that failed passes when it is repeated from its deviations ({count:,} of them): something outside the tape decides")
    try:
        if questions is not None:
            _afresh(attempt, questions, budget // 2)
        _simplify(attempt)
        if questions is not None and len(attempt.best) > 1:
            if not _add_one(attempt, questions, ()):  # those that were not tried yet
                _rebuild(attempt, questions)
            _simplify(attempt)
    except _Spent:
        return Shrunk(attempt.best, attempt.runs, exhausted=True)
    return Shrunk(attempt.best, attempt.runs, exhausted=False)


def _simplify(attempt: _Attempt) -> None:
    while _delete(attempt) or _lower(attempt):
        pass


class _Attempt:
    """The best set so far, and what was tried."""

    __slots__ = ("asked", "best", "budget", "limit", "passed", "runs", "still_fails")

    def __init__(self, best: tuple[Deviation, ...], still_fails: Callable[[tuple[Deviation, ...]], bool], budget: int) -> None:
        self.best = best
        self.still_fails = still_fails
        self.budget = budget
        self.limit = budget
        """Runs after which the present way of looking ends."""
        self.runs = 0
        self.passed: set[tuple[Deviation, ...]] = set()
        self.asked: dict[tuple[Deviation, ...], Sequence[Question]] = {}

    def fails(self, candidate: tuple[Deviation, ...]) -> bool:
        """Run with ``candidate``; when that fails it is the new best. Only sets that passed can come again, so only they are remembered."""
        if candidate in self.passed:
            return False
        self._count()
        if self.still_fails(candidate):
            self.best = candidate
            return True
        if len(candidate) <= REMEMBERED_SIZE_MAX:
            self.passed.add(candidate)
        return False

    def ask(self, questions: Callable[[tuple[Deviation, ...]], Sequence[Question]], base: tuple[Deviation, ...]) -> Sequence[Question]:
        """The questions of a run, which is made once."""
        known = self.asked.get(base)
        if known is None:
            self._count()
            known = self.asked[base] = questions(base)
        return known

    def _count(self) -> None:
        if self.runs >= self.limit:
            raise _Spent
        self.runs += 1


# -- afresh ----------------------------------------------------------------------------------------------------------------------------------


def _afresh(attempt: _Attempt, questions: Callable[[tuple[Deviation, ...]], Sequence[Question]], runs: int) -> None:
    """Try no deviation at all, and then every single one, in that many runs: what was found wants to be made smaller as well."""
    if len(attempt.best) < 2 or attempt.fails(()):
        return
    asked = {question.label for question in attempt.ask(questions, ())}
    others = tuple(deviation for deviation in attempt.best if deviation.label not in asked)
    if others and attempt.fails(others):  # who ran when did not matter: what is left are the few other answers
        return
    attempt.limit = min(attempt.budget, attempt.runs + runs)
    with suppress(_Spent):
        _add_one(attempt, questions, ())
    attempt.limit = attempt.budget


def _add_one(attempt: _Attempt, questions: Callable[[tuple[Deviation, ...]], Sequence[Question]], base: tuple[Deviation, ...], ranks: int = 1 << 30) -> bool:
    """Try ``base`` with one deviation more, in every way; True as soon as one fails."""
    return any(attempt.fails((*base, deviation)) for deviation in _single(attempt.ask(questions, base), base, ranks))


def _single(asked: Sequence[Question], base: tuple[Deviation, ...], ranks: int) -> Iterator[Deviation]:
    """Every answer to every question that is not the dull one: of a rank all that choose, then all that hold back as well, earliest first."""
    taken = {(label, index) for label, index, _ in base}
    for rank in sorted({question.rank for question in asked})[:ranks]:
        for holds in (False, True):
            for question in asked:
                if question.rank != rank or (question.label, question.index) in taken:
                    continue
                low = question.count if holds else 1
                for value in range(low, low + question.count - 1):
                    yield Deviation(question.label, question.index, value)


def _rebuild(attempt: _Attempt, questions: Callable[[tuple[Deviation, ...]], Sequence[Question]]) -> None:
    """More than one deviation is left: try what the network did and one answer of the scheduler, then pairs of these."""
    best = attempt.best
    asked = {question.label for question in attempt.ask(questions, ())}
    others = tuple(deviation for deviation in best if deviation.label not in asked)
    picks = [deviation for deviation in best if deviation.label in asked]
    if len(others) > 1 and _move_one(attempt, others):
        return
    if others and len(picks) > 1 and (attempt.fails(others) or _add_one(attempt, questions, others)):
        return
    if len(picks) < 3:
        return
    for pick in reversed(picks):  # what is known to matter, and one answer more; the last is the nearest to the failure
        if _add_one(attempt, questions, (*others, pick), _PAIRED_RANKS):
            return
    for first in _single(attempt.ask(questions, others), others, _PAIRED_RANKS):
        if _add_one(attempt, questions, (*others, first), _PAIRED_RANKS):
            return


def _move_one(attempt: _Attempt, others: tuple[Deviation, ...]) -> bool:
    """Several answers that are not the scheduler's are left: try each alone, there and near it: what two did may be one's doing a little later."""
    for label, index, value in others[:_MOVED_MAX]:
        for near in range(max(index - _NEAR, 0), index + _NEAR + 1):
            if attempt.fails((Deviation(label, near, value),)):
                return True
    return False


# -- smaller ---------------------------------------------------------------------------------------------------------------------------------


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
