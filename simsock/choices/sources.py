"""Where a tape's answers come from: the defaults, a seed, or the record of another run.

PYTEST_DONT_REWRITE

Owns the sources, the derivation of seeds, and the drawing of numbers. Does not know who asks. Laws:

* integer arithmetic only, and of ``random.Random`` only ``getrandbits``: nothing else is promised to stay the same between Python versions;
* a stream's numbers depend on the run's seed, its label and its own questions, on nothing else;
* where nothing can happen (one possibility, a probability of 0 or 1) nothing is drawn.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from simsock.choices.hashing import blake2b
from simsock.choices.tape import Source, Stream, out_of_range
from simsock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from fractions import Fraction

    from simsock.choices.tape import Tape

ONE = 1 << 64
"""1 in the fixed-point arithmetic of chances."""
NEVER = 1 << 100
"""The gap of a chance of 0: more questions than any run asks."""


def derive_seed(seed: int | str, label: str) -> int:
    """A 64-bit seed for ``label``, derived from the run's ``seed`` (7 and "7" are the same seed)."""
    return int.from_bytes(blake2b(f"{seed}\0{label}".encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def generator(seed: int | str, label: str) -> Random:
    """A generator for ``label`` alone. Use its ``getrandbits`` only: the rest may change between Python versions."""
    return Random(derive_seed(seed, label))


class DefaultSource(Source):
    """Answers the default to every question: the dull run."""

    __slots__ = ()


class SeededSource(Source):
    """Answers by chance, from a seed (an int or text)."""

    __slots__ = ("seed",)

    def __init__(self, seed: int | str) -> None:
        if not isinstance(seed, (int, str)) or isinstance(seed, bool):
            raise UsageError(f"a seed is a whole number or text, not {seed!r}")
        self.seed = seed

    def open(self, tape: Tape, label: str) -> Stream:
        return SeededStream(tape, label, self.seed)


class SeededStream(Stream):
    """A label's answers by chance. Its generator is made at the first draw: seeding one costs as much as forty answers."""

    __slots__ = ("_bits", "_gap", "_gaps", "_seed", "_table")

    def __init__(self, tape: Tape, label: str, seed: int | str) -> None:
        super().__init__(tape, label)
        self._seed = seed
        self._bits: Callable[[int], int] | None = None
        self._gap = 0  # questions left to answer False before the next True, for the probability self._p
        self._gaps: dict[float | Fraction, int] | None = None  # the same for the other probabilities that this label asked with
        self._table: tuple[tuple[int, int], ...] = ()

    def choose(self, n: int) -> int:
        index = self.index
        self.index = index + 1
        if n < 2:
            if n == 1:
                return 0
            raise self.nothing_to_choose(n)
        bits = self._bits
        if bits is None:
            bits = self._bits = generator(self._seed, self.label).getrandbits
        size = (n - 1).bit_length()
        value = bits(size)
        while value >= n:
            value = bits(size)
        if value:
            self.note(index, value)
        return value

    def chance(self, p: float | Fraction) -> bool:
        index = self.index
        self.index = index + 1
        if p is not self._p and p != self._p:
            self._change_probability(p)
        gap = self._gap
        if gap:
            self._gap = gap - 1
            return False
        if self._table:
            self._gap = self._draw_gap()
        self.note(index, 1)
        return True

    def seldom(self, p: float | Fraction, n: int) -> int:
        if n < 2:
            raise self.nothing_to_choose(n - 1)
        index = self.index
        if not self.chance(p):
            return 0
        if n == 2:
            return 1
        bits = self._bits
        if bits is None:
            bits = self._bits = generator(self._seed, self.label).getrandbits
        size = (n - 2).bit_length()
        value = 1 + bits(size)
        while value >= n:
            value = 1 + bits(size)
        if value > 1:
            self._deviations.pop()  # what the chance has noted
            self.note(index, value)
        return value

    def _change_probability(self, p: float | Fraction) -> None:
        """Go on where this label left off with ``p``, so that its successes stay as frequent when it asks with several in turn."""
        self.check_probability(p)
        gaps = self._gaps
        if gaps is None:
            gaps = self._gaps = {}
        table = gap_table(p)
        if self._p is not None:
            gaps[self._p] = self._gap
        self._p = p
        self._table = table
        known = gaps.get(p)
        if known is not None:
            self._gap = known
        elif p == 0:
            self._gap = NEVER
        else:
            self._gap = self._draw_gap() if self._table else 0

    def _draw_gap(self) -> int:
        bits = self._bits
        if bits is None:
            bits = self._bits = generator(self._seed, self.label).getrandbits
        gap = 0
        for weight, threshold in self._table:
            if bits(64) < threshold:
                gap += weight
        return gap


@lru_cache(maxsize=1024)
def gap_table(p: float | Fraction) -> tuple[tuple[int, int], ...]:
    """How to draw the number of failures before the next success: pairs (weight of a bit, threshold).

    With q = 1-p, P(gap = g) = p·q^g is the product over the bits of g, so the bits are independent and bit i is 1 with odds q^(2^i),
    that is with probability x/(1+x) for x = q^(2^i). It is added when 64 random bits are below its threshold. Empty for a p of 0 or 1.
    A p below 2^-64 but above 0 counts as 2^-64.
    """
    numerator, denominator = p.as_integer_ratio()
    x = ONE - (numerator << 64) // denominator
    if x == ONE:
        if not numerator:
            return ()
        x -= 1
    table = []
    weight = 1
    while threshold := (x << 64) // (ONE + x):
        table.append((weight, threshold))
        weight <<= 1
        x = x * x >> 64
    return tuple(table)


class ReplaySource(Source):
    """Answers from the record of another run, and the default elsewhere.

    ``deviations`` are ``Deviation`` or plain (label, index, value) tuples, in any order. Two for one question, a negative index or a value below 1
    are a ``UsageError``. One source may serve any number of tapes.
    """

    __slots__ = ("_plans",)

    def __init__(self, deviations: Iterable[tuple[str, int, int]]) -> None:
        plans: dict[str, dict[int, int]] = {}
        for label, index, value in deviations:
            plan = plans.setdefault(label, {})
            if index in plan:
                raise UsageError(f"{label!r}: two answers to question {index}, {plan[index]} and {value}", label=label)
            if index < 0 or value < 1:
                raise UsageError(f"{label!r}: a deviation needs an index from 0 and a value from 1, not {index!r} and {value!r}", label=label)
            plan[index] = value
        self._plans = plans

    @property
    def plans(self) -> Mapping[str, Mapping[int, int]]:
        return self._plans

    def open(self, tape: Tape, label: str) -> Stream:
        plan = self._plans.get(label)
        return Stream(tape, label) if plan is None else ReplayStream(tape, label, plan)


class ReplayStream(Stream):
    """A label's answers as recorded. A recorded answer that is not possible any more becomes the default, and the tape is told."""

    __slots__ = ("_plan", "_refused")

    def __init__(self, tape: Tape, label: str, plan: Mapping[int, int]) -> None:
        super().__init__(tape, label)
        self._plan = plan
        self._refused = tape.refused

    def choose(self, n: int) -> int:
        if n < 1:
            raise self.nothing_to_choose(n)
        return self._answer(n)

    def chance(self, p: float | Fraction) -> bool:
        if p is not self._p:
            self.check_probability(p)
            self._p = p
        return self._answer(2) == 1

    def seldom(self, p: float | Fraction, n: int) -> int:
        if p is not self._p:
            self.check_probability(p)
            self._p = p
        return self._answer(n)

    def _answer(self, n: int) -> int:
        index = self.index
        self.index = index + 1
        value = self._plan.get(index)
        if value is None:
            return 0
        if value >= n:
            self._refused[self.label, index] = out_of_range(value, n)
            return 0
        self.note(index, value)
        return value
