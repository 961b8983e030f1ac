"""A run that is made of another one: what it takes over, where answers are changed, and from where on they are drawn anew.

PYTEST_DONT_REWRITE

Owns ``Draft`` and the source that follows one. Does not know why a run is worth following, nor what tasks are: who goes on is read off the draft by the
strategy. Laws:

* what a draft prescribes and cannot be is taken for another answer that can be, so what it says of questions that nobody has seen yet is never lost;
* what comes of it is recorded like the answers of any run, so it is repeated from its record, without the draft;
* past so many deviations everything is dull: what was drafted fits into a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.choices.sources import SeededStream
from simsock.choices.swarm import SwarmSource
from simsock.choices.tape import Deviation, Stream
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from simsock.choices.tape import Tape

DEVIATIONS_MAX = 8_000
"""Deviations of a run that is made of another one."""
ORDER = " schedule"
"""How the labels end of the questions who goes on."""


class Draft(NamedTuple):
    """``seed`` is the world's; ``answers`` are in the order in which they are expected."""

    seed: int | str
    answers: tuple[Deviation, ...]
    cut: int | None = None
    """After so many recorded deviations every answer is drawn anew; None: never."""
    new_order: bool = False
    """Who goes on is drawn anew from the start."""
    new_faults: bool = False
    """All else is."""
    fresh: int = 0
    """A seed of what is drawn anew."""


def fitting(value: int, count: int) -> int:
    """An answer from 1 to ``count`` - 1 for one that a draft prescribes; there are two answers at least."""
    return value if value < count else 1 + (value - 1) % (count - 1)


class DraftSource(SwarmSource):
    """The answers of one draft; ``number`` and ``known`` are those of ``SwarmSource``, for what is drawn anew."""

    __slots__ = ("_plans", "draft")

    def __init__(self, draft: Draft, number: int, known: set[str] | None = None) -> None:
        super().__init__(draft.fresh, number, known)
        self.draft = draft
        plans: dict[str, dict[int, int]] = {}
        for label, index, value in draft.answers:
            plans.setdefault(label, {})[index] = value
        self._plans = plans

    @property
    def plans(self) -> Mapping[str, Mapping[int, int]]:
        return self._plans

    def open(self, tape: Tape, label: str) -> Stream:
        cut = 0 if self.draft.new_faults else self.draft.cut
        return _DraftStream(tape, label, self.seed, self._plans.get(label, {}), cut, self.omits(label))


class _DraftStream(SeededStream):
    """A label's answers: as drafted, dull elsewhere, and past the cut by chance unless this schedule ``omits`` what it is about."""

    __slots__ = ("_checked", "_cut", "_plan")

    def __init__(self, tape: Tape, label: str, seed: int | str, plan: Mapping[int, int], cut: int | None, omits: bool) -> None:
        super().__init__(tape, label, seed)
        self._plan = plan
        self._cut = DEVIATIONS_MAX if cut is None or omits else cut
        self._checked: float | Fraction | None = None

    def _is_new(self) -> bool:
        return self._cut <= len(self._deviations) < DEVIATIONS_MAX

    def choose(self, n: int) -> int:
        if self._is_new():
            return super().choose(n)
        if n < 1:
            raise self.nothing_to_choose(n)
        return self._answer(n)

    def chance(self, p: float | Fraction) -> bool:
        if self._is_new():
            return super().chance(p)
        self._check(p)
        return self._answer(2 if p else 1) == 1

    def seldom(self, p: float | Fraction, n: int) -> int:
        if self._is_new():
            return super().seldom(p, n)
        self._check(p)
        return self._answer(n)

    def _check(self, p: float | Fraction) -> None:
        if p is not self._checked:
            self.check_probability(p)
            self._checked = p

    def _answer(self, n: int) -> int:
        index = self.index
        self.index = index + 1
        value = self._plan.get(index)
        if value is None or n < 2 or len(self._deviations) >= DEVIATIONS_MAX:
            return 0
        value = fitting(value, n)
        self.note(index, value)
        return value


__all__ = ["DEVIATIONS_MAX", "ORDER", "Draft", "DraftSource", "fitting"]
