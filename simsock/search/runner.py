"""Running one test in many worlds, with everything that worlds share set up once.

Owns a single run: the world, what came out, and what makes two failures "the same". Does not know strategies of search.
"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.choices.drafts import Draft
from simsock.errors import Deadlock, Finding, LimitExceeded, ScenarioError, UsageError
from simsock.kernel import Session, session, strategies
from simsock.kernel.happened import NOTHING, Counts, Happened
from simsock.kernel.program_lines import innermost_line
from simsock.kernel.rooms import room_if_there
from simsock.kernel.scope import make_scope
from simsock.patching import make_patching
from simsock.search.guiding import AGAIN, Guide, Tried, is_drafted
from simsock.world.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.choices import Deviation, Token
    from simsock.world.options import Options

SIMSOCK_ROOM = "bottom"


COLLECT_EVERY = 100
"""Worlds between two garbage collections: what a world leaves behind is cyclic."""


ENDS_THE_SEARCH = ("Skipped", "SkipTest", "Exit")
"""Names of exceptions (pytest's and unittest's, known here by name only) that say: not this test, or no test at all."""


class Outcome(NamedTuple):
    """What one run gave: ``error`` is None when it passed."""

    error: BaseException | None
    deviations: tuple[Deviation, ...]
    signature: tuple[Any, ...]
    digest: str | None
    steps: int
    mismatches: tuple[str, ...]
    alive: int
    """Most tasks alive at once."""
    asked: tuple[str, ...] = ()
    """Who asked the tape in a replay, the scheduler apart."""
    order: int | None = None
    """A number for the order of what cannot be exchanged; None where it was not looked at."""
    happened: Counts = NOTHING
    """Which faults took effect, and which places were reached."""
    own_seed: int | str = 0
    """The seed of its world."""
    showing: strategies.Showing | None = None
    """What it showed, where the search goes by that."""

    @property
    def tried(self) -> Tried | None:
        """What a guide makes other runs of."""
        return None if self.showing is None else Tried(self.own_seed, self.deviations, self.showing)


class Runner:
    """A context manager; ``run`` inside it is one world."""

    def __init__(self, test: Callable[[Simulation], object], options: Options) -> None:
        _check_test(test)
        if session.active is not None:
            raise UsageError("a search inside a world: leave the world first")
        self.test = test
        self.options = options
        scope = make_scope(options.scope, source_file(test)) if options.preempt != "calls" else None
        self.session = Session(options.preempt, scope, make_patching(options))
        self._left = 0
        """Worlds since the last garbage collection."""
        self._collects = False
        """Whether a world of this test has collected garbage: from then on each begins without that of the worlds before it."""
        self.profile: tuple[int | str, strategies.Profile] | None = None
        """A seed, and what the first schedules of its search have shown."""
        self._guides = options.strategy == strategies.GUIDED
        self.guide: Guide | None = None
        """Where runs are made of earlier ones: what they are made of."""

    def __enter__(self) -> Runner:
        self.session.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.session.__exit__(*exc)

    def schedule(self, seed: int | str, number: int, **more: Any) -> Outcome:
        """Schedule ``number`` (from 1) of a search: the same run wherever it is tried, and whatever was tried before."""
        if not self._guides:
            return self.drafted(seed, number, None, **more)
        guide = self.guided_by(seed)
        if is_drafted(number):
            for earlier in guide.missing(number):
                guide.note(earlier, self.drafted(seed, earlier, guide.draft(earlier)).tried)
        outcome = self.drafted(seed, number, guide.draft(number), **more)
        guide.note(number, outcome.tried)
        return outcome

    def guided_by(self, seed: int | str) -> Guide:
        """The guide of the search of that seed."""
        if self.guide is None or self.guide.seed != seed:
            self.guide = Guide(seed)
        return self.guide

    def drafted(self, seed: int | str, number: int, draft: Draft | None, **more: Any) -> Outcome:
        """Schedule ``number``, of which it is known whether it is made of another one."""
        self.learn(seed, number)
        return self._try(seed, number, draft, **more)

    def learn(self, seed: int | str, number: int) -> int:
        """Make the runs that schedule ``number`` learns from, unless this runner has made them. Returns how many it took."""
        learns = strategies.learns(self.options.strategy)
        if not learns:
            return 0
        if self.profile is None or self.profile[0] != seed:
            self.profile = (seed, strategies.Profile(learns))
        missing = range(self.profile[1].runs + 1, min(learns + 1, number))
        for earlier in missing:
            self._try(seed, earlier)
        return len(missing)

    def _try(self, seed: int | str, number: int, draft: Draft | None = None, **more: Any) -> Outcome:
        own_seed = nth_seed(seed, number) if draft is None else draft.seed
        profile = self.profile[1] if self.profile is not None and self.profile[0] == seed else None
        run = strategies.Run(nth_seed(seed, number), number, profile, draft=draft, guides=self._guides)
        return self.run(own_seed, run=run, **more)

    def repeat(self, token: Token, **more: Any) -> Outcome:
        """The run that a token stands for."""
        number = token.options.get("schedule") if token.deviations is None else None
        if number is None:
            return self.run(token.seed, token.deviations, **more)
        return self.schedule(str(token.seed).removesuffix(f"/{number}"), number, **more)

    def again(self, token: Token) -> Outcome:
        """A run that an earlier search has kept because of what it showed, for what it shows now."""
        draft = Draft(token.seed, tuple(token.deviations or ()))
        return self.run(token.seed, run=strategies.Run(token.seed, AGAIN, draft=draft, guides=True))

    def run(
        self, seed: int | str, deviations: tuple[Deviation, ...] | None = None, *, digest: bool = False, prepare: Any = None, run: strategies.Run | None = None
    ) -> Outcome:
        """One world. Whatever the test raises becomes the outcome, except what ends the whole search.

        That is Ctrl-C, a skip, pytest.exit, a broken scenario file, whose mistake is no failure of what it tests, and a strategy that fails.
        """
        if self._left and (self._collects or digest or self._left == COLLECT_EVERY):
            gc.collect()
            self._left = 0
        self._left += 1
        sim = Simulation._prepared(self.options, seed, deviations, self.session, run=run)
        sim._is_one_of_many = True
        if prepare is not None:
            prepare(sim)
        error: BaseException | None = None
        try:
            with sim:
                self.test(sim)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as caught:
            if isinstance(caught, ScenarioError) or any(kind.__name__ in ENDS_THE_SEARCH for kind in type(caught).__mro__):
                raise
            error = caught
        kernel = sim._kernel
        if kernel is None:  # the strategy could not begin
            assert error is not None, "a world that was entered has a kernel"
            raise error
        if kernel.strategy_error is not None:
            raise kernel.strategy_error
        if kernel._collected and not self._collects:
            self._collects = True
            if self._left > 1 and prepare is None:  # it may have met what the worlds before it have left, which is none of its own
                return self.run(seed, deviations, run=run and run.anew())
        try:
            return Outcome(
                error,
                tuple(kernel.tape.deviations),
                signature(error) if error is not None else (),
                sim.digest if digest else None,
                kernel.steps,
                tuple(kernel.tape.mismatches()) if deviations is not None else (),
                kernel.alive_max,
                tuple(kernel.tape.asked()) if deviations is not None else (),
                sim._run.order,
                NOTHING if (happened := room_if_there(kernel.room, Happened)) is None else happened.counts(),
                seed,
                sim._run.showing,
            )
        finally:
            error = None
            # What only a world that goes on needs: without it the Simulation, and what the test has tied to it, is freed now and not by the collector.
            kernel.leave_now = kernel.choose = None
            kernel.asks_strategy = False


def _check_test(test: Any) -> None:
    """``UsageError`` for what cannot be run by calling it with a world: it is the caller's mistake and no failure of the test."""
    import inspect

    wanted = "expected a test function that takes a Simulation, got"
    if not callable(test):
        raise UsageError(f"{wanted} {test!r}")
    if isinstance(test, type):
        raise UsageError(f"{wanted} the class {test.__qualname__}: give it a function, or a method of an object")
    if any(map(inspect.iscoroutinefunction, (test, getattr(test, "__call__", None)))):  # noqa: B004  # what kind of function it is
        raise UsageError(f"{wanted} {_title(test)}, an async function, which nobody would run: let a plain one call trio.run or asyncio.run")
    if inspect.isgeneratorfunction(test):
        raise UsageError(f"{wanted} {_title(test)}, a generator, of which nothing would be run")
    try:
        signature = inspect.signature(test)
    except (TypeError, ValueError):  # a function in C may not tell
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise UsageError(f"{wanted} {_title(test)}{signature}, which cannot be called with the world alone: {error}") from None


def _title(test: Any) -> str:
    named = (test, getattr(test, "__wrapped__", None), type(test))  # what counts the calls of another has that one's name
    return next(str(name) for name in (getattr(one, "__qualname__", None) for one in named) if name)


def nth_seed(seed: int | str, number: int) -> str:
    """The seed of schedule ``number`` (from 1) of a search."""
    return f"{seed}/{number}"


def source_file(test: Any) -> str:
    """The file in which a test function was written."""
    while hasattr(test, "__wrapped__"):
        test = test.__wrapped__
    code = getattr(getattr(test, "__func__", test), "__code__", None)
    if code is None:  # an object that is called like a function
        code = getattr(vars(type(test)).get("__call__"), "__code__", None)
    return str(code.co_filename) if code is not None else os.getcwd() + os.sep


def signature(error: BaseException) -> tuple[Any, ...]:
    """What must be equal for two failures to be the same one: the exception's class and the innermost line of the program it came from.

    Of a deadlock and of a limit of virtual time, which may be told of anywhere, it is the set of waits that no time ends; of what an oracle found, what it
    says itself.
    """
    if isinstance(error, BaseExceptionGroup):
        return (type(error).__name__, *sorted({signature(part) for part in error.exceptions}, key=repr))
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, (Deadlock, LimitExceeded)):
        return (name, *error.facts.get("waits", ()))
    if isinstance(error, Finding) and "same" in error.facts:
        return (name, *error.facts["same"])
    innermost = innermost_line(error)
    return (name, *innermost) if innermost else (name,)


class SameFailure:
    """Which failures are the one that was found: those of its signature. Where several errors came at once, one of them alone is enough, and from then on
    that one is wanted: each may have a cause of its own, and the shortest run that shows all of them would explain none."""

    def __init__(self, error: BaseException) -> None:
        self.wanted = signature(error)
        self._parts = frozenset(map(signature, error.exceptions)) if isinstance(error, BaseExceptionGroup) else frozenset()

    def is_met(self, found: tuple[Any, ...]) -> bool:
        """Whether a failure of that signature is."""
        if found in self._parts:
            self.wanted, self._parts = found, frozenset()
        return found == self.wanted
