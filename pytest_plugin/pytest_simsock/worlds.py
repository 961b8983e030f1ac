"""What a test runs in: a world, or a real testbed; how it begins and how it ends.

Owns one run of one test. Does not know searches (it is told what to run) nor how a failure is worded. Laws:

* what was entered ends with the call phase, in the reverse order, after the fixtures that depend on it; a failed setup ends it too;
* what ends badly fails the phase it ends in; if that phase had failed before, it becomes a note on that failure;
* the tasks, sockets and records that are reported are those of the moment of the failure, taken before anything ends;
* where failures are written to files, what passes between hosts is captured from a world's beginning, and kept if it fails. To capture changes no run.
"""

from __future__ import annotations

import functools
import traceback
import warnings
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simsock import autoworld, mistakes, wide
from pytest_simsock.artefacts import capture_path
from pytest_simsock.configuring import CHOSEN, STAGE
from pytest_simsock.held import holders_of, mistake_in_fresh
from pytest_simsock.loops import end_loop, mistake_in_loop
from pytest_simsock.marking import Settings, settings_of
from pytest_simsock.plans import PLAN, Plan
from pytest_simsock.shelter import exposing
from pytest_simsock.turns import Turns, scopes_in
from simsock.choices.tape import misfit
from simsock.errors import Deadlock, LeakWarning, SimsockError, UnseenErrorWarning, Unsupported, UsageError
from simsock.escaping import printable
from simsock.kernel import session, strategies
from simsock.kernel.boundaries import boundary
from simsock.kernel.launcher import _body
from simsock.kernel.program_lines import is_library, is_simsock, short_path
from simsock.kernel.task_table import task_table
from simsock.net.netstat import netstat
from simsock.report.sight import Sight
from simsock.report.story import Teller
from simsock.search.runner import nth_seed
from simsock.world.causes import tell_cause
from simsock.world.expecting import note, raise_errors
from simsock.world.simulation import Simulation
from simsock.world.testbed import RealTestbed, SimTestbed

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


RECORDS_KEPT = 2_000
SOCKETS_TOLD_MAX = 40


class World:
    """A test's world."""

    def __init__(
        self, stage: Stage, item: pytest.Item, plan: Plan, settings: Settings, *, make: type[Simulation] = Simulation, prepare: Any = None, node: Any = None
    ) -> None:
        self._stage = stage
        self.node = node
        """The class, module or session whose tests share it, if some do."""
        self.plan = plan
        self.seed, self.base_seed, self.pinned = settings.seed, settings.base_seed, settings.pinned
        self.tasks = self.sockets = ""
        self.captured = capture_path(item, plan) if node is None else None
        """Where what passes between the hosts is written, if it is."""
        self.records: list[tuple[Any, ...]] = []
        shared = plan.shared
        self.item = item
        self.options = options = shared.make_options(item, settings)
        if options.patch and (mistake := mistake_in_loop(item, None if node is None else scopes_in(node))):
            raise Unsupported(mistake)
        if options.fresh and (mistake := mistake_in_fresh(item, options.fresh)):
            raise UsageError(mistake)
        replay = item.config.stash[CHOSEN].replay
        deviations = plan.deviations if replay is None else replay.deviations
        run = plan.run(self.seed) if replay is None else strategies.run_of(replay)
        self.ended = False
        self._turns: Turns | None = None
        self._session = shared.open(item, options)
        self.sim = make._prepared(options, self.seed, deviations, self._session, records=RECORDS_KEPT, run=run)
        self.sim._is_one_of_many = plan.number is not None or (replay is not None and "/" in str(replay.seed))  # of a search
        if options.patch:
            self.sim._holders = holders_of(item)
        if prepare is not None:
            prepare(self.sim)
        self.sight = Sight()
        """What was seen of it from outside, if its capture is written."""
        self.teller = plan.teller if plan.teller is not None or self.captured is None else Teller()
        """Who has listened: for the sections of the report if the plan says so, else for its page only."""
        if self.teller is not None:
            self.teller.listen(self.sim)
        if plan.writes_questions:
            plan.questions = self.sim._write_questions()
        stage.world = self  # before it begins: a signal may come at any moment, and then the stage ends it
        try:
            self.sim.__enter__()
        except SimsockError:
            self.ended = True
            shared.rest()
            raise
        if self.captured is not None:
            self.sim.capture(self.captured)
            self.sight.begin(self.sim)
        if options.patch or node is not None:
            self._turns = Turns(self.sim, item.config, self, node)

    def forget(self) -> None:
        """Another test of those that share it begins."""
        self.records, self.tasks, self.sockets = [], "", ""

    def end_test(self, error: BaseException | None) -> None:
        """One of them ends. Raises what tasks and handlers raised meanwhile, or notes it on the test's own error."""
        sim, kernel = self.sim, self.sim._kernel
        if kernel is None or session.active is not kernel:
            return
        try:
            if error is None:
                sim.settle()
                for expectation in sim._expectations:
                    expectation.check()
            raised: list[Any] = list(sim._unexpected(kernel))
            for _, failure in raised:
                tell_cause(failure, kernel)
        finally:
            kernel.errors.clear()
            sim._expectations.clear()
        if error is not None:
            note(error, raised)
        else:
            raise_errors(raised)

    def capture(self, error: BaseException | None) -> None:
        """Keep the tasks, the sockets and the last records if something went wrong."""
        if error is not None and self.teller is not None:
            self.teller.failed_here()
        kernel = self.sim._kernel
        if kernel is None or kernel.ended or (error is None and not kernel.errors) or isinstance(error, pytest.skip.Exception):
            return
        if error is not None:
            tell_cause(error, kernel)
        self.sight.look()
        self.records = self.sim.records
        if sockets := netstat(kernel):
            self.sockets = sockets.table(SOCKETS_TOLD_MAX)
        if isinstance(error, Deadlock) and "report" in error.facts:
            self.tasks = error.facts["report"]
        else:
            self.tasks = task_table(kernel, "the end of the test" if error is None else _place(error))

    @boundary
    def leave(self) -> None:
        """End the world. Raises what its tasks and handlers raised, unless the test has failed already: then it is noted there."""
        __tracebackhide__ = True
        if self.ended:
            return
        self.ended = True
        error = self._stage.error
        self.sim._resume()
        if self._turns is not None:
            self._turns.close()
        try:
            if self.sim._kernel is not None and session.active is self.sim._kernel:  # else its beginning was interrupted
                with self._about_leaks():
                    self.sim.__exit__(type(error) if error is not None else None, error, error.__traceback__ if error is not None else None)
        finally:
            self.sim._take_back()
            self.plan.shared.rest()
        if error is None:
            self._check_replay()

    def _about_leaks(self) -> Any:
        """A test that knows of no world leaves threads as it would really, where nobody warns of them: its suite may take each warning for an error."""
        if not autoworld.knows_nothing(self.item):
            return nullcontext()
        stack = ExitStack()
        for category in (LeakWarning, UnseenErrorWarning):
            stack.enter_context(warnings.catch_warnings(action="ignore", category=category))
        return stack

    def _check_replay(self) -> None:
        """A token that no longer fits must not pass silently."""
        kernel = self.sim._kernel
        if self.plan.token is not None and self.sim._planned is not None and kernel is not None and (wrong := misfit(kernel.tape.mismatches())) is not None:
            raise wrong


class RealBed:
    """A test's real testbed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.testbed = RealTestbed()
        self.testbed.__enter__()

    def leave(self) -> None:
        """End it, as a world is ended."""
        error = self._stage.error
        self.testbed.__exit__(type(error) if error is not None else None, error, None)


class Stage:
    """One run of a test: what was entered for it, to be ended with its call phase."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.error: BaseException | None = None
        """What the phase had raised when the end began."""
        self._entered: list[Any] = []
        self._registered: list[Any] = []
        """pytest's list of what is to be done after the test."""
        self._first = 0
        """Where in it begins what the test's own function has put there."""

    def body_begins(self, item: pytest.Item) -> None:
        """The test's function is called. What it gives to ``request.addfinalizer`` from now on is its own, and is done in its world."""
        self._registered = item.session._setupstate.stack.get(item, ([],))[0]
        self._first = len(self._registered)

    def _own_finalizers(self) -> list[Callable[[], object]]:
        """What the test's function has registered, the last first; pytest does not know it any more. Fixtures that it asked for late are not its own."""
        if self.world is None:
            return []
        own: list[Any] = []
        fixtures: list[Any] = []
        for each in self._registered[self._first :]:
            is_fixture = isinstance(getattr(getattr(each, "func", None), "__self__", None), pytest.FixtureDef)
            (fixtures if is_fixture else own).append(each)
        self._registered[self._first :] = fixtures
        self._registered, self._first = [], 0
        return [exposing(each) for each in reversed(own)]

    def add(self, request: pytest.FixtureRequest) -> None:
        """Finish the fixture that asks at the end, and before it those that depend on it."""
        self._entered.append(request)

    def end(self, error: BaseException | None) -> None:
        """End everything that was entered."""
        __tracebackhide__ = True
        if not self._entered and (self.world is None or self.world.ended):
            return
        self.error = error
        if self.world is not None:
            self.world.sim._resume()
        shares = self.world is not None and self.world.node is not None
        steps = self._own_finalizers()
        steps += [functools.partial(request._fixturedef.finish, request) for request in reversed(self._entered)]
        self._entered.clear()
        if self.world is not None:
            self.world.capture(error)
            steps.insert(0, exposing(functools.partial(end_loop, self.world.item)))
            if shares:
                steps.append(functools.partial(self.world.end_test, error))
            else:
                steps.append(exposing(self.world.leave))  # the fixture has, unless it was interrupted
        raised: list[BaseException] = []
        for step in steps:
            try:
                step()
            except BaseException as late:
                raised.append(late)
        if shares and self.world is not None:
            self.world.sim._suspend()
        if not raised:
            return
        if error is None or any(isinstance(late, (KeyboardInterrupt, pytest.exit.Exception)) for late in raised):
            worst = raised[0] if len(raised) == 1 else BaseExceptionGroup("errors at the end of the test", raised)
            raise worst.with_traceback(_trimmed(worst.__traceback__))
        for other in raised:
            error.add_note("also raised at the end of the test: " + printable("".join(traceback.format_exception(other)).rstrip(), lines=True))


def enter_world(request: pytest.FixtureRequest, config: Any) -> World:
    """What the fixture ``sim`` does first."""
    __tracebackhide__ = True
    item = request.node
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        asks = getattr(getattr(request, "_parent_request", None), "fixturename", None) or "something"
        raise mistakes.plain_mistake(
            f"Unsupported: {asks!r} asks for sim under @given, which has a world for each example, where a fixture has one for all. "
            f"Let the test itself ask for sim, and do in it what {asks!r} does"
        )
    if told := wide.conflict():
        raise mistakes.plain_mistake(told)
    stage = _stage_of(item)
    plan = item.stash.get(PLAN, None) or _plan_of_session(item)
    settings = settings_of_test(item, config, plan)
    mistake: SimsockError
    try:
        world = World(stage, item, plan, settings)
    except SimsockError as error:
        mistake = error
    else:
        stage.add(request)
        return world
    raise mistakes.plain_mistake(f"options of the sim fixture: {words_of(mistake)}")


def enter_wide(item: pytest.Item, node: Any, config: Any) -> World:
    """What the fixture ``sim`` does first where the tests of ``node`` share a world; ``item`` is the first of them."""
    __tracebackhide__ = True
    if told := wide.conflict():
        raise mistakes.plain_mistake(told)
    plan = _plan_of_session(item)
    settings = settings_of_test(item, config, plan)
    mistake: SimsockError
    try:
        world = World(Stage(), item, plan, settings._replace(options={**wide.DEFAULTS, **settings.options}), node=node)
    except SimsockError as error:
        mistake = error
    else:
        _stage_of(item).world = world
        return world
    raise mistakes.plain_mistake(f"options of the sim fixture: {words_of(mistake)}")


def words_of(mistake: SimsockError) -> str:
    """What a mistake is. A short summary has room for a line: without what every one of them is."""
    return str(mistake) if isinstance(mistake, UsageError) else f"{type(mistake).__name__}: {mistake}"


def enter_sim(request: pytest.FixtureRequest) -> SimTestbed:
    """What ``testbed`` does on the simulated network."""
    __tracebackhide__ = True
    sim = request.getfixturevalue("sim")
    _stage_of(request.node).add(request)
    return SimTestbed(sim)


def enter_real(request: pytest.FixtureRequest) -> RealBed:
    """What ``testbed`` does on the real network."""
    stage = _stage_of(request.node)
    if stage.world is not None or "sim" in request.fixturenames:
        raise mistakes.plain_mistake("a test that asks for both sim and testbed cannot run on the real network")
    bed = RealBed(stage)
    stage.add(request)
    return bed


def seed_of(item: pytest.Item, config: Any) -> int | str:
    """What ``simsock_seed`` is."""
    __tracebackhide__ = True
    return settings_of_test(item, config, item.stash.get(PLAN, None) or _plan_of_session(item)).seed


def settings_of_test(item: pytest.Item, config: Any, plan: Plan) -> Settings:
    """What the worlds of a test are made of; a mistake fails the test."""
    __tracebackhide__ = True
    mistake = ""
    try:
        settings = settings_of(item, config)
    except ValueError as error:
        mistake = str(error)
    if mistake:  # not inside the except clause: pytest would show both
        raise mistakes.plain_mistake(mistake)
    replay = item.config.stash[CHOSEN].replay
    if replay is not None:
        return settings._replace(seed=replay.seed)
    if plan.seed is not None:
        return settings._replace(seed=plan.seed)
    if plan.number is not None:
        return settings._replace(seed=nth_seed(settings.seed, plan.number))
    return settings


def _plan_of_session(item: pytest.Item) -> Plan:
    """The plan of a test that is run once: of the token, if one was given."""
    replay = item.config.stash[CHOSEN].replay
    if replay is None:
        return Plan()
    plan = Plan(deviations=replay.deviations, teller=Teller())
    plan.token = replay.encode()
    plan.story = tuple(replay.differences_here())
    return plan


def _stage_of(item: pytest.Item) -> Stage:
    stage = item.stash.get(STAGE, None)
    if stage is None:
        stage = item.stash[STAGE] = Stage()
    return stage


def _place(error: BaseException) -> str:
    """The line of the test's own task that an error came through; what lies below the body of another task is that one's."""
    found = "?"
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if is_simsock(code.co_filename):
            if code is _body.__code__:
                break
        elif not is_library(code.co_filename):
            found = f"{short_path(code.co_filename)}:{line} in {code.co_qualname}"
    return found


def _trimmed(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the program's first line on: how the end of a world came to raise it interests nobody."""
    whole = trace
    while trace is not None and (is_simsock(name := trace.tb_frame.f_code.co_filename) or is_library(name)):
        trace = trace.tb_next
    return trace or whole


__all__ = ["Stage", "World", "enter_real", "enter_sim", "enter_world", "seed_of", "settings_of_test", "words_of"]
