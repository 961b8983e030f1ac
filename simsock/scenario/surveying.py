"""``simsock run --all``: every schedule of a scenario, whatever fails, and what share of them came out how.

Owns the counting of failures, the windows of time, and their words. Does not print. Laws:

* schedule number i is the one that a search of the same seed tries as its i-th;
* numbers depend neither on real time nor on the order in which runs are added;
* however many schedules there are, memory is bounded: of failures the first of each kind is kept, times are as ``clients.tally`` keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.clients import Report
from simsock.clients.tally import Tally
from simsock.errors import UsageError
from simsock.kernel.strategies import levels
from simsock.report.story import one_line
from simsock.scenario.judging import messages, unlike
from simsock.scenario.repeating import failure_place
from simsock.scenario.running import ScenarioTest, importable, search_options
from simsock.search import Verdict
from simsock.search.places import expected_places
from simsock.search.runner import Runner
from simsock.search.telling import make_token
from simsock.search.verdict import FAILS, INCONCLUSIVE
from simsock.world.options import SEARCH_DEFAULTS, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simsock.clients.crowds import Row
    from simsock.clients.outcome import Outcome
    from simsock.scenario.schema import Plan

PERCENTS = (50, 90, 99)
WINDOWS_MAX = 20
_NARROWEST_S = 1 / 1024
"""A power of two: windows of half a second or of eight have exact borders, and it is certain in which one a client ended."""
FAILURES_MAX = 1_000
"""Kinds of failures that are kept; more than a few are a failure of the test."""
_SHOWN_MAX = 10


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
                found.append({"from_s": number * self.width_s, "to_s": (number + 1) * self.width_s, **_of_row(row, tally)})
        return found


def _merged(parts: dict[int, dict[str, list[Outcome]]]) -> dict[int, dict[str, list[Outcome]]]:
    merged: dict[int, dict[str, list[Outcome]]] = {}
    for number, part in parts.items():
        for title, outcomes in part.items():
            merged.setdefault(number // 2, {}).setdefault(title, []).extend(outcomes)
    return merged


def _of_row(row: Row, tally: Tally) -> dict[str, Any]:
    return {**row.as_dict(), **{f"p{percent}": tally.rank(row.kind, percent) for percent in PERCENTS}}


class Survey(NamedTuple):
    """What came of all schedules of a scenario. ``told``: how many of them had clients that all came to an end, and are in ``rows``."""

    plan: Plan
    verdict: Verdict
    surprise: str
    failures: tuple[Failure, ...]
    failed: int
    """How many schedules failed."""
    rows: tuple[Row, ...]
    clients: list[dict[str, Any]]
    windows: list[dict[str, Any]]
    told: int
    complete: bool
    """Whether it came to its end, and was not interrupted."""
    target: str | None
    server: str | None

    @property
    def as_expected(self) -> bool:
        """Whether the scenario's expectation was met."""
        return not self.surprise

    def lines(self, command: Callable[[Failure], str]) -> list[str]:
        """All of it as text. ``command``: what repeats the first failure of a kind."""
        schedules = self.verdict.schedules
        lines = [f"{self.failed:,} of {schedules:,} schedules failed ({self.failed / schedules:.2%}), seed {self.verdict.seed!r}"]
        for failure in self.failures[:_SHOWN_MAX]:
            place = f" ({failure.place})" if failure.place else ""
            lines.append(f"  {failure.schedules:,} ({failure.schedules / schedules:.2%})  {failure.message}{place}")
            lines.append(f"    first in schedule {failure.first:,}, repeat it: {command(failure)}")
        if len(self.failures) > _SHOWN_MAX:
            lines.append(f"  and {len(self.failures) - _SHOWN_MAX:,} other kinds of failures")
        if self.clients:
            lines.append(f"what came of the clients of {self.told:,} schedules (virtual seconds):")
            lines += _table(self.clients, [])
            lines.append("when they ended (virtual seconds from the first client's coming on):")
            lines += _table(self.windows, ["from_s", "to_s"])
        if self.rows and self.told < schedules:
            lines.append(f"(in {schedules - self.told:,} schedules some client never came to an end: they are not counted)")
        return [*lines, *self.verdict.evidence.happenings.lines(schedules)]


def _table(rows: list[dict[str, Any]], heads: list[str]) -> list[str]:
    results = [key for key in rows[0] if key in ("served", "refused", "timed out") or (key in ("reset", "closed", "left") and any(row[key] for row in rows))]
    times = [f"p{percent}" for percent in PERCENTS]
    cells = [[*(head.removesuffix("_s") for head in heads), "clients", "count", *results, *times]]
    for row in rows:
        counts = [f"{row['count']}", *(f"{row[key]}" for key in results)]
        cells.append([*(f"{row[head]:.3f}" for head in heads), row["kind"], *counts, *(f"{row[key]:.3f}s" for key in times)])
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in cells]


def survey(
    plan: Plan,
    *,
    seed: int | str | None = None,
    schedules: int | None = None,
    server: str | None = None,
    progress: Callable[[int], object] | None = None,
    on_run: Callable[[], object] | None = None,
) -> Survey:
    """Run every schedule of a scenario. Ctrl-C ends it with what there is, if there is something.

    Raises ``ScenarioError`` when what the file names is not there, ``UsageError`` for a strategy that has no seed.
    """
    with importable(plan, server):
        test = ScenarioTest(plan, server)
        test.on_run = on_run
        made = search_options(test, plan)
        target = made.pop("target")
        if levels(made["strategy"])[0]:
            raise UsageError(f"--all: expected a strategy that draws, and search.strategy = {made['strategy']!r} tries each order once until one fails")
        options = Options(**{**SEARCH_DEFAULTS, **made})
        search = plan.table("search")
        count = search["schedules"] if schedules is None else schedules
        verdict = Verdict(INCONCLUSIVE, count, search["seed"] if seed is None else seed)
        failures: dict[tuple[Any, ...], Failure] = {}
        tally, windows = Tally(), Windows()
        failed = 0
        complete = True
        with Runner(test, options) as runner:
            for number in range(1, count + 1):
                try:
                    outcome = runner.schedule(verdict.seed, number)
                except KeyboardInterrupt:
                    if number == 1:
                        raise
                    complete, verdict.schedules = False, number - 1
                    break
                verdict.evidence.note(number, outcome.order, outcome.alive, outcome.happened)
                if test.report.outcomes:
                    tally.add(test.report)
                    windows.add(test.report)
                if outcome.error is not None:
                    failed += 1
                    known = failures.get(outcome.signature)
                    if known is None and len(failures) < FAILURES_MAX:
                        token = make_token(outcome.own_seed, options, outcome.deviations, target, number)
                        known = failures[outcome.signature] = _failure(outcome.error, number, token)
                    if known is not None:
                        known.schedules += 1
                del outcome
                if progress is not None:
                    progress(number)
    found = tuple(sorted(failures.values(), key=lambda failure: (-failure.schedules, failure.first)))
    if found:
        verdict.status, verdict.failing_schedule = FAILS, min(failure.first for failure in found)
    elif complete:
        verdict.require(options.require_faults, expected_places(test))
    rows = tuple(tally.rows())
    clients = [_of_row(row, tally) for row in rows]
    return Survey(plan, verdict, _surprise(plan, verdict, found), found, failed, rows, clients, windows.rows(), tally.runs, complete, target, server)


def _failure(error: BaseException, number: int, token: str) -> Failure:
    return Failure(type(error).__name__, one_line(error), failure_place(error), number, token, messages(error))


def _surprise(plan: Plan, verdict: Verdict, failures: Iterable[Failure]) -> str:
    """What is not as the file expects, in one line; empty when all is."""
    about = plan.table("scenario")
    if told := unlike(about["expect"], verdict):
        return told
    wanted = about["error"]
    if about["expect"] == FAILS and wanted is not None and not any(wanted in line for failure in failures for line in failure.lines):
        return f"expected an error with {wanted!r} in it, and none of those that came has it"
    return ""


__all__ = ["Failure", "Survey", "Windows", "survey"]
