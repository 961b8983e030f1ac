"""A tape whose answers somebody else draws, sparsely: Hypothesis, which then shrinks them together with all else that it draws.

PYTEST_DONT_REWRITE

Owns which questions get drawn answers. Does not know who draws: it calls ``draw(low, high)``. Laws:

* nothing is drawn for a question but where a deviation may be: one draw a label, then two or three a place, never one a packet or switch;
* smaller draws make duller runs, 0 each time the dullest; a drawn 0 in place of an answer takes one deviation out and moves no other;
* the draws of one run are bounded; what comes after the last of them is dull;
* ``draw`` may raise to end the run: from then on all is dull, and ``stopped`` is what it raised. The kernel is no place to raise it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.choices.tape import Source, Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from simsock.choices.tape import Tape

PLACES_MAX = 500
"""Places in one run at which a deviation is drawn. Of what Hypothesis lets one example draw, they take a fifth."""
NONE, FEW, MANY = range(3)
_DULL_RUNS = 8
"""One run in so many has no deviation at all."""
_GO_ON = 8
"""A draw below this decides whether there are more places: for ``FEW`` after each, and in the upper half; for ``MANY`` after the first, second,
fourth, eighth ..., and unless it is 0."""
_SHARES = 4
"""How much more often each deviation is drawn at a place than that there is none."""
_FAR_BITS = 12
_OFTEN = 1
"""Up to so many questions without a chance of their own lie between two places of ``MANY``."""
_NEVER = 1 << 100


class DrawnSource(Source):
    """The answers of one run, drawn by ``draw(low, high)``, which returns a whole number of that range, both ends included."""

    __slots__ = ("_draw", "_is_dull", "_picks", "left", "stopped")

    def __init__(self, draw: Callable[[int, int], int], places_max: int = PLACES_MAX) -> None:
        self._draw = draw
        self._is_dull: bool | None = None
        self._picks: dict[str, _Places] = {}
        self.left = places_max
        self.stopped: BaseException | None = None

    def open(self, tape: Tape, label: str) -> Stream:
        return DrawnStream(tape, label, self)

    def pick(self, label: str, n: int) -> int:
        """One of 0 to n-1 for a question that somebody else counts and records: the scheduler's."""
        if n < 2:
            return 0
        places = self._picks.get(label)
        if places is None:
            places = self._picks[label] = _Places(self)
        return places.answer(n, _OFTEN)

    def draw(self, low: int, high: int) -> int:
        """A draw, or ``low`` after the end of drawing."""
        if self.stopped is not None:
            return low
        try:
            return self._draw(low, high)
        except BaseException as stopped:  # Hypothesis ends an example by an exception, which no task or timer of the world should meet
            self.stopped = stopped
            return low

    def deviates(self) -> bool:
        """Whether anything deviates in this run."""
        if self._is_dull is None:
            self._is_dull = not self.draw(0, _DULL_RUNS - 1)
        return not self._is_dull

    def manner(self) -> int:
        """How often a label that asks for the first time deviates."""
        return self.draw(NONE, MANY) if self.deviates() and self.left > 0 else NONE

    def small(self, count: int) -> int:
        """One of 0 to ``count`` - 1, as one of the places that a run has; 0 when they are used up."""
        if self.left <= 0 or count < 2:
            return 0
        self.left -= 1
        return self.draw(0, count - 1)

    def far(self) -> int:
        """How many questions lie before a place: near ones as probable as far ones, up to some thousand."""
        self.left -= 1
        return int(self.draw(0, (1 << _FAR_BITS) - 1) ** 5 >> 4 * _FAR_BITS)


class _Places:
    """Where among its questions one label has places for deviations."""

    __slots__ = ("_count", "_gap", "_manner", "_source")

    def __init__(self, source: DrawnSource) -> None:
        self._source = source
        self._manner = -1
        self._gap = -1
        self._count = 0

    def answer(self, n: int, often: int) -> int:
        """The answer to the next question, one of 0 to n-1; ``often`` is how far apart places lie at most when they are many."""
        gap = self._gap
        if gap < 0:
            gap = self._gap = self._draw_gap(often)
        if gap:
            self._gap = gap - 1
            return 0
        self._gap = -1
        return (self._source.draw(0, _SHARES * (n - 1)) + _SHARES - 1) // _SHARES

    def _draw_gap(self, often: int) -> int:
        source = self._source
        if self._manner < 0:
            self._manner = manner = source.manner()
            if manner == NONE:
                return _NEVER
        elif source.left <= 0 or not self._goes_on():
            return _NEVER
        self._count += 1
        if self._manner == FEW:
            return source.far()
        source.left -= 1
        return source.draw(0, (1 << _FAR_BITS) - 1) * (often + 1) >> _FAR_BITS

    def _goes_on(self) -> bool:
        count = self._count
        if self._manner == FEW:
            return self._source.draw(0, _GO_ON - 1) >= _GO_ON // 2
        return count & (count - 1) != 0 or self._source.draw(0, _GO_ON - 1) > 0


class DrawnStream(Stream):
    """A label's answers as drawn."""

    __slots__ = ("_often", "_places")

    def __init__(self, tape: Tape, label: str, source: DrawnSource) -> None:
        super().__init__(tape, label)
        self._places = _Places(source)
        self._often = 0

    def choose(self, n: int) -> int:
        index = self.index
        self.index = index + 1
        if n < 2:
            if n == 1:
                return 0
            raise self.nothing_to_choose(n)
        value = self._places.answer(n, _OFTEN)
        if value:
            self.note(index, value)
        return value

    def chance(self, p: float | Fraction) -> bool:
        return bool(self.seldom(p, 2))

    def seldom(self, p: float | Fraction, n: int) -> int:
        index = self.index
        self.index = index + 1
        if p is not self._p and p != self._p:
            self.check_probability(p)
            self._p = p
            numerator, denominator = p.as_integer_ratio()
            # So that MANY are as many as the chance says, a fifth of the places being drawn to be nothing: a mean gap of 4/5p - 1.
            self._often = max(0, (8 * denominator - 10 * numerator) // (5 * numerator)) if numerator else 0
        if n == 2 and (p == 0 or p == 1):
            if p:
                self.note(index, 1)
            return int(p)
        value = self._places.answer(n, self._often)
        if value:
            self.note(index, value)
        return value
