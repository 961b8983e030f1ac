"""A test with ``schedules=N``: run it again and again until a schedule fails, then find the shortest story of that failure.

Owns the runs of one item and the one set of reports that comes of them. Does not know what worlds are made of, nor how a story is worded.
Laws of the file:

* each run sets up and tears down the test's function-scoped fixtures; wider ones are set up once and torn down after the last run;
* a run that is skipped, expected to fail, or fails before there is a world ends the search and is reported as it is;
* the failure that is reported comes from the last run, which was listened to; if it cannot be repeated, from the first, and that is said;
* a timeout that strikes during the search ends it (where it may strike: ``shelter.py``);
* Ctrl-C ends it too: what was found until then is reported, and how far it came;
* what earlier searches have kept is tried before the first schedule, and shifts no number.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from _pytest.runner import check_interactive_exception

from pytest_simsock.configuring import CHOSEN, STAGE
from pytest_simsock.mistakes import is_plain_mistake
from pytest_simsock.plans import PLAN, Plan, Shared
from pytest_simsock.progress import Progress, interrupted, mark_searched
from pytest_simsock.shelter import strike, was_swallowed
from pytest_simsock.telling import add_sections, command_with, note_properties
from pytest_simsock.worlds import World
from simsock.choices import Shrunk, shrink
from simsock.choices.drafts import Draft
from simsock.errors import Nondeterminism, RealTimeLimit
from simsock.kernel.happened import Happened
from simsock.kernel.strategies import Question
from simsock.report.nearest import nearest_passing
from simsock.report.story import Teller, one_line
from simsock.search.evidence import Evidence
from simsock.search.guiding import AGAIN, Tried
from simsock.search.memory import RUNS_MAX, Memory, base_seed, fits, number_of
from simsock.search.places import expected_places
from simsock.search.runner import SameFailure, nth_seed, signature
from simsock.search.telling import SHRINK_RUNS_MAX, Otherwise, make_token
from simsock.search.verdict import INCONCLUSIVE, Verdict

_TIMEOUT = re.compile(r"Timeout \(?>")
"""How pytest-timeout's failures begin; its timer strikes once, so nothing may be run after it."""


class Phase(NamedTuple):
    """Setup, call or teardown of one run."""

    call: pytest.CallInfo[None]
    report: pytest.TestReport


class Run:
    """One run of the test. ``error`` is what its setup or call raised."""

    def __init__(self, phases: list[Phase], world: World | None) -> None:
        self.phases = phases
        self.world = world
        failed = next((phase for phase in phases if phase.call.excinfo is not None), None)
        self.failed = failed
        self.error: BaseException | None = failed.call.excinfo.value if failed is not None and failed.call.excinfo is not None else None

    @property
    def searchable(self) -> bool:
        """Whether it failed in a way that may depend on the schedule."""
        return self.failed is not None and self.failed.report.failed and self.world is not None and not self.timed_out and not is_plain_mistake(self.error)

    @property
    def timed_out(self) -> bool:
        """Whether pytest-timeout struck in one of its phases, also in the teardown: then nothing may be run any more."""
        return any(phase.call.excinfo is not None and _is_timeout(phase.call.excinfo.value) for phase in self.phases)

    @property
    def reports(self) -> list[pytest.TestReport]:
        """What pytest is to be told of it."""
        return [phase.report for phase in self.phases]


class _CutShort(Exception):
    """A timeout struck while the failure was being shrunk."""


class Search:
    """One test, many runs."""

    def __init__(self, item: pytest.Item, nextitem: pytest.Item | None, schedules: int) -> None:
        self.item = item
        self.nextitem = nextitem
        self.schedules = schedules
        # As the next item it keeps everything set up that the two have in common: all but the item's own fixtures.
        self.sibling = copy.copy(item)
        self.shared = Shared(searched=True)
        self.properties = list(item.user_properties)
        self.seconds = 0.0
        self.evidence = Evidence()
        self.first: list[pytest.TestReport] = []
        """The reports of the run that failed first, if one did."""
        chosen = item.config.stash[CHOSEN]
        self.memory = Memory(chosen.database, item.nodeid)
        self.begins_with_kept = not chosen.names_seed
        self.kept = self.memory.kept() if self.begins_with_kept else []
        """What earlier searches have found."""
        self.shortest: tuple[Any, ...] | None = None
        """The failing run with the fewest deviations so far, as a memory keeps it."""
        self.progress = Progress(item.config)
        self.again = 0
        """Runs that earlier searches had kept, and that were made again."""

    def reports(self) -> list[pytest.TestReport]:
        """Search; what comes of it is to be logged as the item's."""
        try:
            with self.progress:
                reports = self._search()
        except pytest.fail.Exception as error:  # a timeout, between two runs
            reports = self._cut_short(error)
        except KeyboardInterrupt:
            self._interrupted()
            raise
        finally:
            self.shared.close()
            if self.shortest is not None:
                self.memory.keep(*self.shortest)
            if (guide := self.shared.guide) is not None and guide.entries and self.shared.options is not None:
                runs = ((tried.seed, tried.deviations) for tried in guide.best(RUNS_MAX))
                self.memory.keep_runs(self.shared.options, runs, self.item.nodeid)
            for key in (PLAN, STAGE):
                if key in self.item.stash:
                    del self.item.stash[key]
        self._count(reports)
        for report in reports:
            if report.when == "call":
                report.duration = self.seconds
                if self.memory.notes:
                    add_sections(self.item, report, [("simsock: kept failures", "\n".join(self.memory.notes))])
        return reports

    def _count(self, reports: list[pytest.TestReport]) -> None:
        """Say how many schedules were tried, for JUnit's XML and for the session's summary."""
        called = next((report for report in reports if report.when == "call"), None)
        if called is None or not self.tried:
            return
        note_properties(self.item, reports, simsock_schedules=self.tried)
        failed = any(report.failed for report in reports)
        if failed or called.passed:
            mark_searched(called, self.tried, "failed" if failed else INCONCLUSIVE)

    @property
    def tried(self) -> int:
        """How many runs looked for a failure: schedules, and what earlier searches had kept."""
        return self.again + self.progress.tried

    def _search(self) -> list[pytest.TestReport]:
        found = self._try_kept()
        if found is not None:
            return found
        for number in range(1, self.schedules + 1):
            last = number == self.schedules
            self.progress.tried = number
            self.progress.tell(f"{number:,} of {self.schedules:,} schedules")

            def is_final(run: Run, last: bool = last) -> bool:
                return last if run.failed is None else not run.searchable

            run = self._run(self.shared.plan(number), is_final)
            if run.world is not None and (kernel := run.world.sim._kernel) is not None:
                self.evidence.note(number, run.world.sim._run.order, kernel.alive_max, kernel.room(Happened).counts())
                self.shared.note(number, run.world.base_seed, _tried(run.world))
            if run.timed_out:
                self._tear_down()
                return run.reports
            if run.searchable:
                return self._tell(number, run, base=run.world.base_seed if run.world is not None else None)
            if run.world is None and run.failed is None:
                return self._no_world(run)
            if number == 1 and not last and self.shared.is_guided and (found := self._try_runs(run)) is not None:
                return found
            if is_final(run):
                break
            if run.phases[-1].call.excinfo is not None:  # the teardown: the world had ended by then, so other schedules do not matter
                again = self._run(self.shared.plan(number), _always)
                return again.reports if again.phases[-1].report.failed else [*again.reports[:-1], run.phases[-1].report]
        if run.failed is None and run.world is not None:
            verdict = Verdict(INCONCLUSIVE, number, run.world.base_seed, self.evidence)
            verdict.require(run.world.options.require_faults, expected_places(getattr(self.item, "obj", None)))
            for phase in run.phases:
                if phase.report.when == "call" and verdict.failed:
                    phase.report.outcome = "failed"
                    phase.report.longrepr = str(verdict)
                elif phase.report.when == "call":
                    phase.report.sections.append(("simsock: search", str(verdict)))
        return run.reports

    def _try_kept(self) -> list[pytest.TestReport] | None:
        """What earlier searches have found, run again; None when all of it passes."""
        for kept in self.kept:
            self.again += 1
            run = self._run(Plan(self.shared, number=number_of(kept), seed=kept.seed, deviations=kept.deviations), _unless_searchable)
            if run.timed_out:
                self._tear_down()
                return run.reports
            if run.searchable:
                self.memory.replace(kept)
                return self._tell(number_of(kept), run, base=base_seed(kept), is_kept=True)
            if run.failed is not None:
                return run.reports
            if run.world is None:
                return self._no_world(run)
            if fits(kept, run.world.options):
                self.memory.passed(kept)
        return None

    def _try_runs(self, first: Run) -> list[pytest.TestReport] | None:
        """The runs that an earlier guided search has kept, for what they show now; None when all of them pass."""
        assert first.world is not None and self.shared.guide is not None, "a world told that the search is guided"
        shown = []
        for token in self.memory.runs(first.world.options) if self.begins_with_kept else ():
            draft = Draft(token.seed, tuple(token.deviations or ()))
            self.again += 1
            run = self._run(Plan(self.shared, number=AGAIN, seed=token.seed, draft=draft), _unless_searchable)
            if run.timed_out:
                self._tear_down()
                return run.reports
            if run.searchable:
                return self._tell(number_of(token), run, base=base_seed(token), is_kept=True)
            if run.failed is not None:
                return run.reports
            shown.append(_tried(run.world) if run.world is not None else None)
        self.shared.guide.begin_with(tried for tried in shown if tried is not None)
        return None

    def _no_world(self, run: Run) -> list[pytest.TestReport]:
        self._tear_down()
        for report in run.reports:
            if report.when == "call":
                report.outcome = "failed"
                report.longrepr = "@pytest.mark.simsock(schedules=…) searches worlds of the fixtures sim and testbed, and this test has used neither"
        return run.reports

    # -- a failure -------------------------------------------------------------------------------------------------------------------

    def _tell(self, number: int, found: Run, base: int | str | None, is_kept: bool = False) -> list[pytest.TestReport]:
        """Repeat a failure from its deviations, shrink them, and run the shortest once more to tell its story."""
        assert found.world is not None and found.error is not None, "only searchable runs are told"
        self.first = found.reports
        same = SameFailure(found.error)
        world = found.world
        seed, options, deviations = world.seed, world.options, tuple(world.sim.deviations)
        kept = ", kept from an earlier search," if is_kept else ""
        said = f"schedule {number} of seed {base!r}{kept} failed: {one_line(found.error)}"
        if isinstance(found.error, RealTimeLimit):
            return self._as_first("not shrunk: it took too much real time")
        is_own = not is_kept and seed == nth_seed(world.base_seed, number)
        del found, world  # they hold the whole world
        runs = 0

        def plan_of(candidate: Any, **more: Any) -> Plan:
            return Plan(self.shared, number=number, seed=None if is_own else seed, deviations=tuple(candidate), **more)

        def tried(plan: Plan) -> Run:
            nonlocal runs
            runs += 1
            self.progress.tell(f"a failure is shrunk, {runs:,} runs")
            run = self._run(plan, _never)
            if run.timed_out:
                raise _CutShort
            return run

        otherwise = Otherwise(same)
        happened: tuple[Any, ...] = ()  # the deviations of the shortest failing run, in the order in which they happened

        def fails(candidate: Any) -> bool:
            nonlocal happened
            run = tried(plan_of(candidate, quiet=True))
            if not run.searchable or run.error is None or not otherwise.is_met(candidate, run.error):
                return False
            self.shortest = (seed, options, tuple(candidate), self.item.nodeid, number)
            happened = tuple(run.world.sim.deviations) if run.world is not None else ()
            return True

        def passes(candidate: Any) -> Teller | None:
            other = Teller()
            run = tried(plan_of(candidate, quiet=True, teller=other))
            return other if run.failed is None and run.world is not None else None

        def asked(candidate: Any) -> list[Question]:
            plan = plan_of(candidate, quiet=True, writes_questions=True)
            tried(plan)
            return plan.questions.asked() if plan.questions is not None else []

        try:
            if not fails(deviations):
                raise Nondeterminism("")
            shrunk = shrink(deviations, fails, SHRINK_RUNS_MAX, None if is_kept else asked)  # what was kept has been shrunk
            nearest = nearest_passing(happened, passes)
        except _CutShort:
            return self._as_first(_CUT_SHORT)
        except Nondeterminism:
            self.shortest = None
            return self._as_first(_UNREPEATABLE)
        plan = plan_of(shrunk.deviations, teller=Teller(), nearest=nearest)
        plan.token = make_token(seed, options, shrunk.deviations, self.item.nodeid, number)
        plan.story = (said, f"{len(deviations):,} deviations, shrunk to {len(shrunk.deviations):,} in {shrunk.runs:,} runs")
        plan.story += _besides(shrunk, otherwise, lambda found: make_token(seed, options, found, self.item.nodeid), self.item)
        final = self._run(plan, _always)
        if final.timed_out:
            return self._as_first(_CUT_SHORT)
        if final.error is None or signature(final.error) != same.wanted:
            self.shortest = None
            return self._as_first(_UNREPEATABLE)
        return self._shown(final)

    def _shown(self, final: Run) -> list[pytest.TestReport]:
        """The run that is reported, after whoever wants to look into it (``--pdb``) has."""
        for phase in final.phases:
            if check_interactive_exception(phase.call, phase.report):
                self.item.ihook.pytest_exception_interact(node=self.item, call=phase.call, report=phase.report)
        return final.reports

    def _interrupted(self) -> None:
        """Ctrl-C: the failure, if there was one, is reported as it was found, with the command for the shortest run so far."""
        if not self.first:
            count = self.progress.tried
            interrupted(self.item.config, count, f"{self.item.nodeid}: interrupted at schedule {count:,} of {self.schedules:,}; none before it had failed")
            return
        why = "not shrunk to the end: interrupted"
        if self.shortest is not None:
            seed, options, deviations, target, number = self.shortest
            token = make_token(seed, options, deviations, target, number)
            why += f"; the shortest run so far has {len(deviations):,} deviation{'' if len(deviations) == 1 else 's'}:\n{command_with(self.item, token)}"
        reports = self._as_first(why)
        self._count(reports)
        for report in reports:
            self.item.ihook.pytest_runtest_logreport(report=report)

    def _as_first(self, why: str) -> list[pytest.TestReport]:
        """Report the failure as it was when it was found."""
        self._tear_down()
        for report in self.first:
            if report.failed:
                add_sections(self.item, report, [("simsock: search", why)])
        return self.first

    def _cut_short(self, error: BaseException) -> list[pytest.TestReport]:
        """A timeout struck in the search itself."""
        if self.first:
            return self._as_first(_CUT_SHORT)
        self._tear_down()

        def again() -> None:
            raise error

        call = pytest.CallInfo.from_call(again, when="call")
        report: pytest.TestReport = self.item.ihook.pytest_runtest_makereport(item=self.item, call=call)
        return [report]

    # -- one run ---------------------------------------------------------------------------------------------------------------------

    def _run(self, plan: Plan, is_final: Callable[[Run], bool]) -> Run:
        """Setup, call and teardown, as ``_pytest.runner.runtestprotocol`` does them, but nothing is logged."""
        item: Any = self.item
        strike()
        self._as_new(plan)
        if hasattr(item, "_request") and not item._request:
            item._initrequest()
        try:
            phases = [self._phase("setup", item.ihook.pytest_runtest_setup)]
            if phases[0].report.passed:
                phases.append(self._phase("call", item.ihook.pytest_runtest_call))
            stage = item.stash.get(STAGE, None)
            run = Run(phases, stage.world if stage is not None else None)
            nextitem = self.sibling if not is_final(run) else self._next()
            phases.append(self._phase("teardown", item.ihook.pytest_runtest_teardown, nextitem=nextitem))
        finally:
            if hasattr(item, "_request"):
                item._request = False
                item.funcargs = None
        if not run.timed_out:
            was_swallowed()
        return run

    def _as_new(self, plan: Plan) -> None:
        """Take out of the item what an earlier run has left in it."""
        item: Any = self.item
        item.stash[PLAN] = plan
        item._report_sections.clear()
        item.user_properties[:] = self.properties
        if isinstance(item.parent, pytest.Class):  # each run gets an instance of its own
            vars(item).pop("_instance", None)
            vars(item).pop("_obj", None)
        if plan.quiet:
            item.repr_failure = item._repr_failure_py = _brief
        else:
            vars(item).pop("repr_failure", None)
            vars(item).pop("_repr_failure_py", None)

    def _phase(self, when: Any, hook: Any, **more: Any) -> Phase:
        item = self.item
        reraise: tuple[type[BaseException], ...] = (pytest.exit.Exception,)
        if not item.config.getoption("usepdb", False):
            reraise += (KeyboardInterrupt,)
        call = pytest.CallInfo.from_call(lambda: hook(item=item, **more), when=when, reraise=reraise)
        self.seconds += call.duration
        return Phase(call, item.ihook.pytest_runtest_makereport(item=item, call=call))

    def _next(self) -> pytest.Item | None:
        """The item that really comes next; none when the session is about to stop, so that everything is torn down."""
        session = self.item.session
        return None if session.shouldfail or session.shouldstop else self.nextitem

    def _tear_down(self) -> None:
        """Tear down what the item that comes next does not need; what the item itself had set up may be gone already."""
        stage = self.item.stash.get(STAGE, None)
        try:
            if stage is not None:
                stage.end(None)
        except (Exception, pytest.fail.Exception) as late:
            self._warn(late)
        try:
            self.item.session._setupstate.teardown_exact(self._next())
        except (Exception, pytest.fail.Exception) as late:
            self._warn(late)

    def _warn(self, error: BaseException) -> None:
        self.item.warn(pytest.PytestWarning(f"{self.item.nodeid}: raised while it was torn down: {one_line(error)}"))


_CUT_SHORT = "not shrunk: the test's timeout struck while it was"
_UNREPEATABLE = (
    "it did not fail again when it was repeated from its own record: the test depends on something outside its world (real time, a global "
    "random generator, state of a fixture that is kept between runs); simsock.check_determinism may say what"
)


def _tried(world: World) -> Tried | None:
    """What a guide makes other runs of."""
    showing = world.sim._run.showing
    return None if showing is None else Tried(world.seed, tuple(world.sim.deviations), showing)


def _always(run: Run) -> bool:
    return True


def _never(run: Run) -> bool:
    return False


def _unless_searchable(run: Run) -> bool:
    return run.failed is not None and not run.searchable


def _besides(shrunk: Shrunk, otherwise: Otherwise, token_of: Callable[[Any], str], item: pytest.Item) -> tuple[str, ...]:
    """What is to be said of a story beside it: that it may be too long, and which shorter run fails in another way."""
    lines = ("(shrinking was stopped there; a shorter story may exist)",) if shrunk.exhausted else ()
    said = otherwise.told(len(shrunk.deviations))
    return lines if said is None else (*lines, said, f"  {command_with(item, token_of(otherwise.deviations))}")


def _brief(excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **more: Any) -> str:
    """Instead of a whole traceback, for a failure that nobody will read of."""
    return excinfo.typename


def _is_timeout(error: BaseException | None) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_timeout, error.exceptions))
    return isinstance(error, pytest.fail.Exception) and _TIMEOUT.match(str(error)) is not None
