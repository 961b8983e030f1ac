"""What came of crowds in many runs: counted as the runs go by, so that ten thousand of them need no more memory than a few.

Owns the counts and when they become coarse. Does not know where reports come from. Laws of the file:

* numbers, least and greatest times are exact; median and p99 are while a kind has at most ``TIMES_MAX`` different times, and have three
  significant digits from then on;
* in whatever order runs are added, and in however many tallies they were before, the rows are the same.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from simsock.clients.crowds import Row
from simsock.clients.outcome import RESULTS

if TYPE_CHECKING:
    from simsock.clients.crowds import Report

TIMES_MAX = 10_000
DIGITS = 3


class _Kind:
    """One kind of client: how many had which result, and how many took how many seconds."""

    __slots__ = ("coarse", "max", "min", "results", "times")

    def __init__(self) -> None:
        self.results: Counter[str] = Counter()
        self.times: Counter[float] = Counter()
        self.coarse = False
        self.min = math.inf
        self.max = 0.0

    def add(self, results: Counter[str], times: Counter[float], coarse: bool, low: float, high: float) -> None:
        self.results.update(results)
        self.min, self.max = min(self.min, low), max(self.max, high)
        if coarse and not self.coarse:
            self._coarsen()
        self.times.update(_rounded(times) if self.coarse and not coarse else times)
        if not self.coarse and len(self.times) > TIMES_MAX:
            self._coarsen()

    def _coarsen(self) -> None:
        self.coarse = True
        self.times = _rounded(self.times)

    def rank(self, percent: int) -> float:
        """The nearest-rank percentile, within what there was."""
        wanted = max(1, math.ceil(self.times.total() * percent / 100))
        for value in sorted(self.times):
            wanted -= self.times[value]
            if wanted <= 0:
                return min(max(value, self.min), self.max)
        raise AssertionError("a kind without clients")


def _rounded(times: Counter[float]) -> Counter[float]:
    found: Counter[float] = Counter()
    for value, count in times.items():
        found[float(f"{value:.{DIGITS}g}")] += count
    return found


class Tally:
    """The reports of many runs in one. ``runs``: how many."""

    def __init__(self) -> None:
        self.runs = 0
        self._kinds: dict[str, _Kind] = {}

    def add(self, report: Report) -> None:
        """One more run."""
        self.runs += 1
        for title, outcomes in report.outcomes.items():
            times = Counter(outcome.seconds for outcome in outcomes)
            self._kind(title).add(Counter(outcome.result for outcome in outcomes), times, False, min(times), max(times))

    def merge(self, other: Tally) -> None:
        """All runs of another tally."""
        self.runs += other.runs
        for title, kind in other._kinds.items():
            self._kind(title).add(kind.results, kind.times, kind.coarse, kind.min, kind.max)

    def _kind(self, title: str) -> _Kind:
        return self._kinds.setdefault(title, _Kind())

    def rank(self, title: str, percent: int) -> float:
        """So many percent of the clients of a kind took so long, or less."""
        return self._kinds[title].rank(percent)

    def rows(self) -> list[Row]:
        """A row for each kind, in the order of the first report."""
        return [
            Row(title, kind.times.total(), {result: kind.results[result] for result in RESULTS}, kind.min, kind.rank(50), kind.rank(99), kind.max)
            for title, kind in self._kinds.items()
        ]


__all__ = ["Tally"]
