"""``simsock run --all``: every schedule of a scenario, whatever fails, and what share of them came out how.

Owns how all of them are run, in one process or in several, and the words of what came out. Does not count (``gathering`` does), nor print. Law: schedule
number i is the one that a search of the same seed tries as its i-th.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.kernel.strategies import GUIDED, levels
from simsock.scenario.gathering import PERCENTS, WINDOWS_MAX, Failure, SurveyTest, Windows, of_row
from simsock.scenario.judging import unlike
from simsock.scenario.running import ScenarioTest, importable, search_options
from simsock.search import Verdict
from simsock.search.exhausting import Exhausting, Recorder
from simsock.search.guiding import Guide
from simsock.search.places import expected_places
from simsock.search.runner import Runner, nth_seed
from simsock.search.verdict import FAILS, HOLDS, INCONCLUSIVE
from simsock.world.options import SEARCH_DEFAULTS, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from simsock.clients.crowds import Row
    from simsock.scenario.schema import Plan

_SHOWN_MAX = 10
_BATCHES = 4
"""Parts that each process has to do of a survey, so that none waits long for the last one."""
_BATCH_MIN, _BATCH_MAX = 50, 200


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
        if self.verdict.bound is not None:
            preemptions = f"up to {self.verdict.bound} preemption{'' if self.verdict.bound == 1 else 's'}" if self.verdict.bound else "no preemption"
            lines.append("there are no other schedules" if self.verdict.where else f"these are all schedules with {preemptions}")
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
    jobs: int = 1,
    server: str | None = None,
    progress: Callable[[int], object] | None = None,
    on_run: Callable[[], object] | None = None,
) -> Survey:
    """Run every schedule of a scenario, in so many processes. Ctrl-C ends it with what there is, if there is something.

    With the strategy ``dfs`` these are its schedules in their order, in this process: none is tried twice, and it may be over before ``schedules`` of them.
    Raises ``ScenarioError`` when what the file names is not there.
    """
    with importable(plan, server):
        scenario = ScenarioTest(plan, server)
        scenario.on_run = on_run
        made = search_options(scenario, plan)
        target = made.pop("target")
        options = Options(**{**SEARCH_DEFAULTS, **made})
        test = SurveyTest(scenario, options, target)
        search = plan.table("search")
        count = search["schedules"] if schedules is None else schedules
        verdict = Verdict(INCONCLUSIVE, count, search["seed"] if seed is None else seed)
        complete = True
        try:
            if levels(options.strategy)[0]:
                _in_levels(test, options, verdict, count, progress)
            elif jobs > 1:
                _in_processes(test, options, verdict, count, jobs, progress)
            else:
                _one_by_one(test, options, verdict, count, progress)
        except KeyboardInterrupt:
            if not test.gathered.schedules:
                raise
            complete = False
    gathered = test.gathered
    verdict.schedules = gathered.schedules
    found = gathered.sorted_failures()
    if found:
        verdict.status, verdict.failing_schedule = FAILS, min(failure.first for failure in found)
    elif complete:
        verdict.require(options.require_faults, expected_places(scenario))
    tally = gathered.tally
    rows = tuple(tally.rows())
    clients = [of_row(row, tally) for row in rows]
    windows = gathered.windows.rows()
    return Survey(plan, verdict, _surprise(plan, verdict, found), found, gathered.failed, rows, clients, windows, tally.runs, complete, target, server)


def _one_by_one(test: SurveyTest, options: Options, verdict: Verdict, count: int, progress: Callable[[int], object] | None) -> None:
    with Runner(test, options) as runner:
        for number in range(1, count + 1):
            outcome = runner.schedule(verdict.seed, number)
            verdict.evidence.note(number, outcome.order, outcome.alive, outcome.happened)
            test.hear(number, outcome)
            del outcome
            if progress is not None:
                progress(number)


def _in_processes(test: SurveyTest, options: Options, verdict: Verdict, count: int, jobs: int, progress: Callable[[int], object] | None) -> None:
    from simsock.search.jobs import first_failure

    batch = min(_BATCH_MAX, max(_BATCH_MIN, -(-count // (jobs * _BATCHES))))
    guide = Guide(verdict.seed) if options.strategy == GUIDED else None
    first_failure(test, options, verdict.seed, count, jobs, None, progress, verdict.evidence, guide, batch)


def _in_levels(test: SurveyTest, options: Options, verdict: Verdict, count: int, progress: Callable[[int], object] | None) -> None:
    """By the levels of ``dfs``, to the last one: what cannot differ is left out of a search, and would be missed in a share."""
    own_seed = nth_seed(verdict.seed, 1)
    levels_of = Exhausting(levels(options.strategy)[1])
    with Runner(test, options) as runner:
        for number, (plan, recorder) in enumerate(_plans(levels_of, count), 1):
            outcome = runner.run(own_seed, plan, prepare=lambda sim, recorder=recorder: setattr(sim, "_questions", recorder))
            verdict.evidence.note_turns(number, outcome.deviations, outcome.alive, outcome.happened)
            test.hear(number, outcome)
            levels_of.tried(plan, recorder, outcome.asked)
            del outcome
            if progress is not None:
                progress(number)
    if test.gathered.schedules < count:
        levels_of.next()  # whether it is the end
    verdict.bound = levels_of.bound
    if levels_of.is_exhausted:
        verdict.where = "every one"
        if levels_of.holds and not test.gathered.failed:
            verdict.status = HOLDS


def _plans(levels_of: Exhausting, count: int) -> Iterator[tuple[Any, Recorder]]:
    for _ in range(count):
        plan = levels_of.next()
        if plan is None:
            return
        yield plan, Recorder(plan)


def _surprise(plan: Plan, verdict: Verdict, failures: Iterable[Failure]) -> str:
    """What is not as the file expects, in one line; empty when all is."""
    about = plan.table("scenario")
    if told := unlike(about["expect"], verdict):
        return told
    wanted = about["error"]
    if about["expect"] == FAILS and wanted is not None and not any(wanted in line for failure in failures for line in failure.lines):
        return f"expected an error with {wanted!r} in it, and none of those that came has it"
    return ""


__all__ = ["WINDOWS_MAX", "Failure", "Survey", "Windows", "survey"]
