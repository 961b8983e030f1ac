"""Looking for a schedule that fails.

Owns ``explore`` and ``replay``. Does not know how a world works inside, nor what becomes of a failing run. Law: the first
failing schedule by number is the one reported, however many jobs looked for it; only what an earlier search has kept comes before.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from simsock.choices import Token
from simsock.errors import Nondeterminism, UsageError
from simsock.kernel.strategies import GUIDED, levels
from simsock.patching import share, share_no_more
from simsock.search.exhausting import Exhausting, Recorder
from simsock.search.guiding import Guide
from simsock.search.memory import RUNS_MAX, Memory, base_seed, fits, name_of, number_of
from simsock.search.places import expected_places
from simsock.search.pruning import Pruned
from simsock.search.runner import Runner, nth_seed
from simsock.search.telling import Found, Request, raise_as, tell
from simsock.search.verdict import HOLDS, INCONCLUSIVE, Verdict
from simsock.world.options import SEARCH_DEFAULTS, WORLD_OPTIONS, Options, check_names

LEVEL_SHARE = 20
"""A level of ``dfs`` that is likely to take more than one in so many of the schedules is left to the search that leaves out what cannot differ."""

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from typing import Literal, Unpack

    from simsock.world.simulation import Simulation
    from simsock.world.typed import WorldOptions


def explore(
    test: Callable[[Simulation], object],
    schedules: int = 1000,
    *,
    seed: int | str = 0,
    shrink: bool = True,
    jobs: int = 1,
    executor: Executor | None = None,
    target: str | None = None,
    progress: Callable[[int], object] | None = None,
    database: Any = None,
    tries_kept: bool = True,
    **options: Unpack[WorldOptions],
) -> Verdict:
    """Run ``test(sim)`` under up to ``schedules`` schedules, each in a fresh world, until one fails; shrink that one and tell its story.

    ``options`` are those of every world: all that ``Simulation`` takes, with ``strategy="portfolio"``, ``preempt="lines"``, ``max_steps=200_000``
    and ``max_time="1d"`` by default. Schedule 1 is the plain order; schedule number i of a seed is the same run on every machine. ``jobs`` processes
    share the work (``test`` must then be importable), or those of a ``concurrent.futures`` executor. ``progress`` is called with the number of
    schedules tried so far, after each or (with ``jobs``) after each batch. ``database`` (a folder, or one of Hypothesis's ``ExampleDatabase``) keeps
    what fails; what it has of this test is tried before the first schedule (unless ``tries_kept`` is False), and dropped when it passes. Nothing is
    kept by default.
    Raises ``UsageError`` for an option that does not exist and for values that make no sense; what the test raises is in the verdict.
    """
    if isinstance(schedules, bool) or not isinstance(schedules, int) or schedules < 1:
        raise UsageError(f"schedules: expected a whole number from 1, got {schedules!r}")
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"jobs: expected a whole number from 1, got {jobs!r}")
    check_names("explore", options, (*WORLD_OPTIONS, *(explore.__kwdefaults__ or ()), "schedules"))
    checked = Options(**{**SEARCH_DEFAULTS, **options})
    memory = Memory(database, target or name_of(test))
    asked = Request(seed, schedules, shrink, target, progress)
    if checked.strategy == GUIDED:
        asked.guide = Guide(seed)
    share()  # what is kept, what is new and what is shrunk: one search after the other
    try:
        verdict = (_from_memory(test, checked, memory, asked) if tries_kept else None) or _search(test, checked, asked, jobs, executor)
    except KeyboardInterrupt as error:
        error.add_note(asked.until_now())
        raise
    finally:
        share_no_more()
        if asked.shortest is not None:
            memory.keep(*asked.shortest)
        if asked.guide is not None and asked.guide.entries:
            memory.keep_runs(checked, ((tried.seed, tried.deviations) for tried in asked.guide.best(RUNS_MAX)), target)
    if not verdict.failed:
        verdict.require(checked.require_faults, expected_places(test))
    verdict.notes += memory.notes
    return verdict


def _from_memory(test: Any, options: Options, memory: Memory, asked: Request) -> Verdict | None:
    """What earlier searches have kept, run again: the verdict on the first that still fails."""
    kept = [token for token in memory.kept() if fits(token, options)]
    runs = memory.runs(options) if asked.guide is not None else []
    if not kept and not runs:
        return None
    shown = []
    with Runner(test, options) as runner:
        for token in kept:
            outcome = runner.run(token.seed, token.deviations)
            if outcome.error is not None:
                memory.replace(token)
                return tell(runner, Found(outcome, token.seed, number_of(token), base_seed(token), is_kept=True), asked)
            memory.passed(token)
        for token in runs:
            outcome = runner.again(token)
            if outcome.error is not None:
                return tell(runner, Found(outcome, token.seed, number_of(token), base_seed(token), is_kept=True), asked)
            shown.append(outcome.tried)
    if asked.guide is not None:
        asked.guide.begin_with(tried for tried in shown if tried is not None)
    return None


def _search(test: Any, checked: Options, asked: Request, jobs: int, executor: Any) -> Verdict:
    """The schedules of a seed, from the first on."""
    seed, schedules, evidence = asked.seed, asked.schedules, asked.evidence
    exhausts, most = levels(checked.strategy)
    if exhausts:
        with Runner(test, checked) as runner:
            share = schedules // LEVEL_SHARE if checked.preempt == "lines" else None
            return _exhaust(runner, Exhausting(most, share), asked)
    first: int | None = None
    alone: Any = nullcontext()
    if jobs > 1 or executor is not None:
        from simsock.search.jobs import first_failure, one_at_a_time

        alone = one_at_a_time
        first = first_failure(test, checked, seed, schedules, jobs, executor, asked.tried, evidence, asked.guide)
        if first is None:
            return Verdict(INCONCLUSIVE, schedules, seed, evidence)
    with alone, Runner(test, checked) as runner:
        runner.guide = asked.guide
        numbers = range(1, schedules + 1) if first is None else (first,)
        for number in numbers:
            outcome = runner.schedule(seed, number)
            evidence.note(number, outcome.order, outcome.alive, outcome.happened)
            if outcome.error is not None:
                return tell(runner, Found(outcome, outcome.own_seed, number, seed), asked)
            asked.tried(number)
    if first is not None:
        raise Nondeterminism(f"schedule {first} of seed {seed!r} failed in another process and passes in this one")
    return Verdict(INCONCLUSIVE, schedules, seed, evidence)


def _exhaust(runner: Runner, search: Exhausting, asked: Request) -> Verdict:
    """Every schedule in turn, in this process: each is the plain run with a few other answers."""
    own_seed = nth_seed(asked.seed, 1)
    number = 0
    while number < asked.schedules and (plan := search.next()) is not None:
        number += 1
        recorder = Recorder(plan)
        outcome = runner.run(own_seed, plan, prepare=lambda sim, recorder=recorder: setattr(sim, "_questions", recorder))
        asked.evidence.note_turns(number, outcome.deviations, outcome.alive, outcome.happened)
        if outcome.error is not None:
            return tell(runner, Found(outcome, own_seed, number, asked.seed), asked)
        search.tried(plan, recorder, outcome.asked)
        asked.tried(number)
    if number < asked.schedules:
        search.next()  # whether it is the end
    holds = search.holds
    if search.is_left and search.only_schedules and number < asked.schedules:
        found, number, holds = _prune(runner, search, asked, number)
        if found is not None:
            return found
    verdict = Verdict(HOLDS if holds else INCONCLUSIVE, number, asked.seed, asked.evidence)
    verdict.bound = search.bound
    verdict.is_pruned = search.is_left and holds
    scope = runner.session.preemption.scope.text if runner.session.preemption is not None else ""
    verdict.where = f", preempted at {runner.options.preempt}" + (f" of {scope}" if scope else "")
    return verdict


def _prune(runner: Runner, search: Exhausting, asked: Request, number: int) -> tuple[Verdict | None, int, bool]:
    """What the levels have left: a failure, if there is one; how many schedules there were; and whether that is all."""
    own_seed = nth_seed(asked.seed, 1)
    scope: Any = runner.session.preemption.scope if runner.session.preemption is not None else ()
    tree = Pruned(scope.__contains__)
    bound = search.bound if search.bound is not None else -1
    while number < asked.schedules and (picker := tree.next()) is not None:
        outcome = runner.run(own_seed, (), prepare=picker.prepare)
        if outcome.asked:
            return None, number, False
        if picker.preemptions <= bound and outcome.error is None:
            continue  # it was tried
        number += 1
        asked.evidence.note_turns(number, outcome.deviations, outcome.alive, outcome.happened)
        if outcome.error is not None:
            return tell(runner, Found(outcome, own_seed, number, asked.seed), asked), number, False
        asked.tried(number)
    if number < asked.schedules:
        tree.next()
    return None, number, tree.is_exhausted


def replay(
    test: Callable[[Simulation], object],
    token: str,
    *,
    scope: Any = None,
    strict: bool = False,
    patch: bool | None = None,
    entropy: Literal["tape", "real"] | None = None,
    allow: str | Sequence[str] | None = None,
) -> None:
    """Run the one run that ``token`` stands for again, and raise what it raises.

    A token may come from a stranger. One that asks for ``patch=False``, ``entropy="real"`` or ``allow=``, by which the test reaches out of its world,
    is refused (``UsageError``) unless the same is said here.

    A token that no longer fits (the program has changed) is a ``ReplayMismatch`` that says where: with ``strict`` always, otherwise only
    when the run passes. ``BadToken`` for a damaged one.
    """
    carried = Token.decode(token)
    options = Options.from_dict(carried.options, scope=scope, patch=patch, entropy=entropy, allow=allow)
    with Runner(test, options) as runner:
        outcome = runner.repeat(carried)
    raise_as(outcome, strict, carried.differences_here())
