"""The tape: the one place where a run asks what happens next, and the record of every answer that was not the dull one.

PYTEST_DONT_REWRITE

Owns questions, their numbering, the record and what a replay could not use. Does not know where answers come from (``sources``) or who asks.
Laws:

* the default answer is 0, False or the lowest amount, and only other answers are recorded, with the label and the number of the question;
* questions are counted per label, each one, also those that have one possible answer;
* a stream refers to the record, never to its tape: worlds run without garbage collection, so there must be no cycle to collect;
* the record is bounded, and the error names the limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.errors import LimitExceeded, ReplayMismatch, UsageError
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

DEVIATIONS_MAX = 1_000_000
"""Deviations that one tape records unless told otherwise."""


class Deviation(NamedTuple):
    """An answer that was not the default: who asked, which of its questions (counting from 0), and the answer (1 or more)."""

    label: str
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a deviation
    value: int


# Half the time of Deviation(...), which goes through a Python-level __new__; a run may record one at every switch of tasks.
_new = tuple.__new__


class Source:
    """Where a tape's answers come from. This one gives the defaults; others override ``open``."""

    __slots__ = ()

    @property
    def plans(self) -> Mapping[str, Mapping[int, int]]:
        """What a replay prescribes: label, then number of the question, then answer. Empty when this is no replay."""
        return {}

    def configured(self, kinds: Iterable[str]) -> None:
        """Faults of these kinds may be asked for from now on: for whoever leaves some of them out (``swarm``)."""

    def open(self, tape: Tape, label: str) -> Stream:
        """The stream of a label that ``tape`` asks for the first time."""
        return Stream(tape, label)


class Stream:
    """The questions of one label. This class answers the default to each; sources have subclasses of their own.

    ``label`` says who asks and why; ``index`` is how many questions were asked so far.
    """

    __slots__ = ("_deviations", "_limit", "_p", "index", "label")

    def __init__(self, tape: Tape, label: str) -> None:
        self.label = label
        self.index = 0
        self._deviations = tape.deviations
        self._limit = tape.limit
        self._p: float | Fraction | None = None  # the probability asked last, so that a repeated one is checked once

    def choose(self, n: int) -> int:
        """One of 0 to n-1. Raises ``UsageError`` when ``n`` leaves nothing to choose."""
        self.index += 1
        if n < 1:
            raise self.nothing_to_choose(n)
        return 0

    def chance(self, p: float | Fraction) -> bool:
        """True with probability ``p`` (0 to 1, a float or Fraction; else ``UsageError``)."""
        self.index += 1
        if p is not self._p:
            self.check_probability(p)
            self._p = p
        return False

    def seldom(self, p: float | Fraction, n: int) -> int:
        """0 but with probability ``p``, else one of 1 to n-1."""
        self.chance(p)
        return 0

    def amount(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included. The default is ``low``, and ``answer - low`` is what is recorded."""
        if high < low:
            raise UsageError(f"{self.label!r}: no amount is at least {low} and at most {high}", label=self.label)
        return low + self.choose(high - low + 1)

    # -- for subclasses --------------------------------------------------------------------------------------------------------------

    def note(self, index: int, value: int) -> None:
        """Record that question ``index`` got ``value``, which is not the default."""
        deviations = self._deviations
        if len(deviations) >= self._limit:
            raise too_many(self._limit, self.label)
        deviations.append(_new(Deviation, (self.label, index, value)))

    def nothing_to_choose(self, n: int) -> UsageError:
        return UsageError(f"{self.label!r}: a choice needs at least one possibility, not {n!r}", label=self.label)

    def check_probability(self, p: float | Fraction) -> None:
        try:
            if 0 <= p <= 1:
                return
        except TypeError:
            pass
        raise UsageError(f"{self.label!r}: a probability is a number from 0 to 1, not {p!r}", label=self.label)


class Tape:
    """One run's questions and answers.

    ``deviations`` is the record, in the order in which things happened; it stays the same list for the tape's whole life.
    ``limit`` is how many deviations are recorded before ``LimitExceeded`` is raised.
    """

    __slots__ = ("_streams", "deviations", "limit", "refused", "source")

    def __init__(self, source: Source, limit: int = DEVIATIONS_MAX) -> None:
        self.source = source
        self.limit = limit
        self.deviations: list[Deviation] = []
        self.refused: dict[tuple[str, int], str] = {}
        """Answers of a replay that did not fit the question (label, index), and why."""
        self._streams: dict[str, Stream] = {}

    def stream(self, label: str) -> Stream:
        """The stream of ``label``: the same object every time, made when it is first asked for."""
        stream = self._streams.get(label)
        if stream is None:
            stream = self._streams[label] = self.source.open(self, label)
        return stream

    def choose(self, label: str, n: int) -> int:
        """``stream(label).choose(n)``: one of 0 to n-1."""
        return self.stream(label).choose(n)

    def chance(self, label: str, p: float | Fraction) -> bool:
        """``stream(label).chance(p)``: True with probability ``p``."""
        return self.stream(label).chance(p)

    def amount(self, label: str, low: int, high: int) -> int:
        """``stream(label).amount(low, high)``: a whole number, both ends included."""
        return self.stream(label).amount(low, high)

    # -- decisions made elsewhere ----------------------------------------------------------------------------------------------------

    def record(self, label: str, index: int, value: int) -> None:
        """Record an answer that somebody else decided, counting the questions themselves (the scheduler does).

        A default (0) is not recorded. In a replay, recording what the plan says for this question marks it as used.
        """
        if value < 1:
            if value == 0:
                return
            raise UsageError(f"{label!r}: an answer is 0 or more, not {value!r} (question {index})", label=label)
        deviations = self.deviations
        if len(deviations) >= self.limit:
            raise too_many(self.limit, label)
        deviations.append(_new(Deviation, (label, index, value)))

    def asked(self) -> list[str]:
        """The labels of streams that were asked anything."""
        return [label for label, stream in self._streams.items() if stream.index]

    def plan(self, label: str) -> dict[int, int]:
        """What a replay prescribes for ``label``: question to answer; ``{}`` when this is no replay. The caller may keep and change it."""
        return dict(self.source.plans.get(label, ()))

    def refuse(self, label: str, index: int, value: int, n: int) -> None:
        """A replay's ``value`` is not one of the ``n`` answers now possible; whoever asked has taken the default."""
        self.refused[label, index] = out_of_range(value, n)

    def mismatches(self) -> list[str]:
        """After a replay: each deviation that was not used and why, in plain words; empty when everything fitted (or was no replay)."""
        plans = self.source.plans
        if not plans:
            return []
        taken = {(label, index): value for label, index, value in self.deviations}
        return [
            f"{label!r}: {self._why_unused(label, index, value, taken)}"
            for label in sorted(plans)
            for index, value in sorted(plans[label].items())
            if taken.get((label, index)) != value
        ]

    def _why_unused(self, label: str, index: int, value: int, taken: dict[tuple[str, int], int]) -> str:
        recorded = f"the replay has answer {value} to question {index}, "
        if (label, index) in self.refused:
            return recorded + self.refused[label, index]
        if (label, index) in taken:
            return recorded + f"but answer {taken[label, index]} was taken"
        stream = self._streams.get(label)
        if stream is not None and stream.index <= index:
            asked = "one question was" if stream.index == 1 else f"{stream.index} questions were"
            return recorded + f"which was never asked ({asked}, counting from 0)"
        return recorded + "which was never asked"


def misfit(mismatches: Sequence[str], differences: Sequence[str] = ()) -> ReplayMismatch | None:
    """The error for a token that no longer fits what it was made for; None if it does. ``differences``: what else is not as it was then."""
    if not mismatches:
        return None
    here = f"\n({'; '.join(differences)})" if differences else ""
    return ReplayMismatch("the token does not fit this program any more:\n" + "\n".join(mismatches) + here)


def out_of_range(value: int, n: int) -> str:
    possible = "0 was" if n == 1 else f"0 to {n - 1} were"
    return f"where only {possible} possible: {value} is out of range, the default was taken"


def too_many(limit: int, label: str) -> LimitExceeded:
    return LimitExceeded(f"more than {limit:,} deviations in one run (the limit 'deviations'); the last question came from {label!r}", limit="deviations")
