"""What a survey counts of its runs, in whatever process each was made.

Owns failures by kind, windows of time, and the test of which every run is counted. Does not know how runs are made, nor words for people. Laws:

* what is counted depends neither on real time, nor on the order in which runs are added, nor on who made them;
* however many schedules there are, memory is bounded: of failures the first of each kind is kept, times are as ``clients.tally`` keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.clients import Report
from simsock.clients.tally import Tally
from simsock.report.story import one_line
from simsock.scenario.judging import messages
from simsock.scenario.repeating import failure_place
from simsock.search.telling import make_token

if TYPE_CHECKING:
    from simsock.clients.crowds import Row
    from simsock.clients.outcome import Outcome
    from simsock.scenario.running import ScenarioTest
    from simsock.search.runner import Outcome as RunOutcome
    from simsock.world.options import Options
    from simsock.world.simulation import Simulation

PERCENTS = (50, 90, 99)
WINDOWS_MAX = 20
_NARROWEST_S = 1 / 1024
"""A power of two: windows of half a second or of eight have exact borders, and it is certain in which one a client ended."""
FAILURES_MAX = 1_000
"""Kinds of failures that are kept; more than a few are a failure of the test."""


class Failure:
    """Failures of one kind: of one class, raised at one place. ``error`` is the first, of schedule ``first``, which ``token`` repeats."""

    def __init__(self, type: str, message: str, place: str, first: int, token: str, lines: list[str]) -> None:
        self.type = type
        self.message = message
        self.place = place
        self.first = first
        self.token = token
        self.lines = lines
        """In which a text may be looked for."""
        self.schedules = 0
        """How many failed so."""


class Windows:
    """What came of clients by when they ended: windows of equal length, which doubles when the time does not fit into ``WINDOWS_MAX`` of them."""

    def __init__(self) -> None:
        self.width_s = _NARROWEST_S
        self._tallies: dict[int, Tally] = {}

    def add(self, report: Report) -> None:
        """One more run."""
        parts: dict[int, dict[str, list[Outcome]]] = {}
        for title, outcomes in report.outcomes.items():
            for outcome, came in zip(outcomes, report.came.get(title, [0.0] * len(outcomes))):
                ended = came + outcome.seconds
                while ended >= self.width_s * WINDOWS_MAX:
                    self._widen()
                    parts = _merged(parts)
                parts.setdefault(int(ended / self.width_s), {}).setdefault(title, []).append(outcome)
        for number, part in parts.items():
            self._tallies.setdefault(number, Tally()).add(Report(part))

    def merge(self, other: Windows) -> None:
        """All runs of other windows, which are of no use afterwards."""
        while self.width_s < other.width_s:
            self._widen()
        while other.width_s < self.width_s:
            other._widen()
        for number, tally in other._tallies.items():
            self._tallies.setdefault(number, Tally()).merge(tally)

    def _widen(self) -> None:
        self.width_s *= 2
        before, self._tallies = self._tallies, {}
        for number, tally in before.items():
            self._tallies.setdefault(number // 2, Tally()).merge(tally)

    def rows(self) -> list[dict[str, Any]]:
        """Each kind of client in each window in which one ended, as plain values."""
        found = []
        for number, tally in sorted(self._tallies.items()):
            for row in sorted(tally.rows(), key=lambda row: row.kind):
                found.append({"from_s": number * self.width_s, "to_s": (number + 1) * self.width_s, **of_row(row, tally)})
        return found


def _merged(parts: dict[int, dict[str, list[Outcome]]]) -> dict[int, dict[str, list[Outcome]]]:
    merged: dict[int, dict[str, list[Outcome]]] = {}
    for number, part in parts.items():
        for title, outcomes in part.items():
            merged.setdefault(number // 2, {}).setdefault(title, []).extend(outcomes)
    return merged


def of_row(row: Row, tally: Tally) -> dict[str, Any]:
    """A row of a tally as plain values, with its percentiles."""
    return {**row.as_dict(), **{f"p{percent}": tally.rank(row.kind, percent) for percent in PERCENTS}}


class Gathered:
    """Runs that were counted: how many, how many of them failed and how, and what came of their clients."""

    def __init__(self) -> None:
        self.schedules = 0
        self.failed = 0
        self.failures: dict[tuple[Any, ...], Failure] = {}
        self.tally = Tally()
        self.windows = Windows()

    def merge(self, other: Gathered) -> None:
        """What was counted elsewhere, which is of no use afterwards."""
        self.schedules += other.schedules
        self.failed += other.failed
        self.tally.merge(other.tally)
        self.windows.merge(other.windows)
        for kind, failure in other.failures.items():
            known = self.failures.get(kind)
            if known is None:
                self.failures[kind] = failure
                continue
            first, later = (known, failure) if known.first < failure.first else (failure, known)
            first.schedules += later.schedules
            self.failures[kind] = first
        if len(self.failures) > FAILURES_MAX:
            for kind in sorted(self.failures, key=lambda kind: self.failures[kind].first)[FAILURES_MAX:]:
                del self.failures[kind]

    def sorted_failures(self) -> tuple[Failure, ...]:
        """The most frequent first."""
        return tuple(sorted(self.failures.values(), key=lambda failure: (-failure.schedules, failure.first)))


class SurveyTest:
    """A scenario's test of which every run is counted: a search that tries it goes on after a failure."""

    def __init__(self, test: ScenarioTest, options: Options, target: str | None) -> None:
        self.test = test
        self.options = options
        self.target = target
        self.gathered = Gathered()

    def __reduce__(self) -> tuple[Any, ...]:
        return (SurveyTest, (self.test, self.options, self.target))

    def __call__(self, sim: Simulation) -> None:
        self.test(sim)

    def hear(self, number: int, outcome: RunOutcome) -> None:
        """Schedule ``number`` has been run."""
        gathered = self.gathered
        gathered.schedules += 1
        if self.test.report.outcomes:
            gathered.tally.add(self.test.report)
            gathered.windows.add(self.test.report)
        if outcome.error is None:
            return
        gathered.failed += 1
        known = gathered.failures.get(outcome.signature)
        if known is None and len(gathered.failures) < FAILURES_MAX:
            token = make_token(outcome.own_seed, self.options, outcome.deviations, self.target, number)
            known = gathered.failures[outcome.signature] = _failure(outcome.error, number, token)
        if known is not None:
            known.schedules += 1

    def harvest(self) -> Gathered:
        """What was counted since the last time; in a process of a search, to be taken to the one that asked for it."""
        self.test.harvest()
        gathered, self.gathered = self.gathered, Gathered()
        return gathered

    def reap(self, gathered: Gathered) -> None:
        """Add what another process has harvested."""
        self.gathered.merge(gathered)


def _failure(error: BaseException, number: int, token: str) -> Failure:
    return Failure(type(error).__name__, one_line(error), failure_place(error), number, token, messages(error))


__all__ = ["FAILURES_MAX", "PERCENTS", "WINDOWS_MAX", "Failure", "Gathered", "SurveyTest", "Windows", "of_row"]
