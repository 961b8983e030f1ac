"""Whether what came out of a run is what a scenario's ``[expectations]`` say.

Owns the judgement and its words. Does not run anything. Law: a judgement that fails says which population or number was expected to be what,
and what it was.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.kernel.leaks import open_descriptors, running_tasks
from simsock.kernel.units import NS, duration_ns
from simsock.kernel.watchers import Watcher
from simsock.report.story import one_line
from simsock.search.verdict import FAILS, HOLDS, INCONCLUSIVE
from simsock.world.expecting import Expectation

if TYPE_CHECKING:
    from simsock.clients import Outcome, Report
    from simsock.kernel import Kernel, Task
    from simsock.scenario.schema import Plan
    from simsock.search import Verdict
    from simsock.world.simulation import Simulation

SHOWN_MAX = 5


class Judgement(NamedTuple):
    """One expectation of a file: ``name`` (``"served.polite"``), what is ``wanted``, and whether it was met; None: the run ended before it was asked."""

    name: str
    wanted: Any
    passed: bool | None
    said: str


def judgements(plan: Plan, judged: dict[str, str] | None) -> tuple[Judgement, ...]:
    """All expectations of a file, of a run that has ``judged`` some of them (empty texts are of those that were met); None: of runs that all pass."""
    expected = plan.table("expectations")
    wanted: dict[str, Any] = {"within": expected.get("within")}
    for key in ("served", "results", "replies"):
        wanted.update({f"{key}.{name}": value for name, value in (expected.get(key) or {}).items()})
    wanted.update({f"same_replies.{name}": True for name in expected.get("same_replies") or ()})
    wanted.update({key: expected.get(key) or None for key in ("threads_max", "no_leaks")})
    wanted.update({"check.function": plan.table("check").get("function"), "expectations.check": expected.get("check")})
    return tuple(_judgement(name, value, judged) for name, value in wanted.items() if value is not None)


def _judgement(name: str, wanted: Any, judged: dict[str, str] | None) -> Judgement:
    said = judged.get(name) if judged is not None else ""
    return Judgement(name, wanted, None if said is None else not said, said or "")


def unlike(expected: str, verdict: Verdict) -> str:
    """What is not as expected of a search as a whole, in words; empty when it is."""
    if verdict.status == expected:
        return ""
    if verdict.status == FAILS and verdict.failing_schedule is None:
        return f"expected that no schedule fails, and what some schedule should have shown never came: {verdict.error}"
    if verdict.status == FAILS:
        which = f"schedule {verdict.failing_schedule:,}"
        return f"expected that all schedules pass, and {which} does not" if expected == HOLDS else f"expected that no schedule fails, and {which} does"
    if expected == FAILS:
        tried = f"{verdict.schedules:,} schedules tried" if verdict.schedules != 1 else "one schedule tried"
        return f"expected that a schedule fails, and none does ({tried if verdict.status == INCONCLUSIVE else 'all there are were tried'})"
    if verdict.status == HOLDS:
        return ""  # even better than finding nothing
    return f"expected that all schedules are tried, and the search ended after {verdict.schedules:,} of them, none of which fails"


def messages(error: BaseException) -> list[str]:
    """The lines in which an error may be looked for: its own, and those of what it groups."""
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [one_line(error), *(line for part in parts for line in messages(part))]


class Tolerated(Expectation):
    """Errors that may come, and need not."""

    def check(self) -> None:
        """Nothing has to have come."""


class _Threads(Watcher):
    """How many tasks there were at most at once of those that tasks of one host have started there."""

    def __init__(self, host: Any) -> None:
        self._host = host
        self._here: set[int] = set()
        self.peak = 0

    def task_starts(self, task: Task) -> None:
        if task.host is self._host and task.parent is not None and task.parent.host is self._host:
            self._here.add(task.serial)
            self.peak = max(self.peak, len(self._here))

    def task_ends(self, task: Task) -> None:
        self._here.discard(task.serial)


class Judge:
    """Watches a world from before its clients come, and judges when they are gone."""

    def __init__(self, plan: Plan, sim: Simulation, served: Any) -> None:
        self._expected = plan.table("expectations")
        self._sim = sim
        self._kernel: Kernel = sim._running()
        tolerated = [getattr(builtins, name) for name in self._expected.get("handler_errors") or ()]
        if tolerated:
            sim._expectations.append(Tolerated(sim, tuple(tolerated), None))
        if self._expected.get("no_leaks"):
            sim.settle()  # what the server opens for itself when it begins to serve is none
        self._files = set(self._kernel.files)
        self._tasks = set(self._kernel.tasks)
        self._threads: _Threads | None = None
        if self._expected.get("threads_max") is not None:
            self._threads = _Threads(served.host._host)
            sim.add_watcher(self._threads)
        self._began = sim.now_ns
        self.judged: dict[str, str] = {}
        """What has been judged so far: by name, what is wrong, or nothing."""

    def clients_gone(self) -> None:
        """The last client is gone: what is expected ``within`` a time is over."""
        limit = self._expected.get("within")
        if limit is None:
            return
        took = self._sim.now_ns - self._began
        self.judged["within"] = f"expectations.within = {limit!r}: it took {took / NS:g}s" if took > duration_ns(limit) else ""
        self._raise_the_first()

    def judge(self, report: Report) -> None:
        """Judge all, and raise ``AssertionError`` for the first expectation that is not met."""
        for name, limit in (self._expected.get("served") or {}).items():
            wanted = duration_ns(limit) / NS
            wrong = [one for one in report.outcomes[name] if not one.served or one.seconds > wanted]
            self._all(f"served.{name}", f" = {limit!r}", report.outcomes[name], wrong)
        for name, allowed in (self._expected.get("results") or {}).items():
            self._all(f"results.{name}", f" = {allowed}", report.outcomes[name], [one for one in report.outcomes[name] if one.result not in allowed])
        for name, wanted in (self._expected.get("replies") or {}).items():
            self._all(f"replies.{name}", f" = {wanted!r}", report.outcomes[name], [one for one in report.outcomes[name] if one.reply != wanted.encode()])
        for name in self._expected.get("same_replies") or ():
            first = report.outcomes[name][0]
            self._all(f"same_replies.{name}", "", report.outcomes[name], [one for one in report.outcomes[name] if one.reply != first.reply])
        if self._threads is not None:
            most, peak = self._expected["threads_max"], self._threads.peak
            self.judged["threads_max"] = f"expectations.threads_max = {most}: the server had {peak} threads at once" if peak > most else ""
        if self._expected.get("no_leaks"):
            self.judged["no_leaks"] = self._leaks()
        self._raise_the_first()

    def _raise_the_first(self) -> None:
        for problem in self.judged.values():
            if problem:
                raise AssertionError(problem)

    def _all(self, name: str, wanted: str, outcomes: list[Outcome], wrong: list[Outcome]) -> None:
        self.judged[name] = ""
        if wrong:
            shown = ", ".join(f"{one.result} after {one.seconds:g}s with {one.reply[:60]!r}" for one in wrong[:SHOWN_MAX])
            more = f", and {len(wrong) - SHOWN_MAX} more" if len(wrong) > SHOWN_MAX else ""
            said = f"expectations.{name.replace('same_replies.', 'same_replies ')}{wanted}"
            self.judged[name] = f"{said}: {len(wrong)} of {len(outcomes)} were not: {shown}{more}"

    def _leaks(self) -> str:
        tasks = running_tasks(self._kernel, lambda task: task.serial not in self._tasks)
        found = [*tasks, *open_descriptors(self._kernel, self._files)]
        more = f", and {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
        return f"expectations.no_leaks: still there after all clients have gone: {', '.join(found[:SHOWN_MAX])}{more}" if found else ""
