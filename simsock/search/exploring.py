"""Looking for a schedule that fails.

Owns ``explore``, ``replay`` and ``check_determinism``. Does not know how a world works inside, nor how a story is worded. Laws: the first
failing schedule by number is the one reported, however many jobs looked for it; what is reported was run again from its token.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from simsock.choices import Token, shrink
from simsock.choices.tape import misfit
from simsock.errors import BadToken, Nondeterminism, UsageError
from simsock.kernel.strategies import Question, Questions, levels
from simsock.search.evidence import Evidence
from simsock.search.exhausting import Exhausting, Recorder
from simsock.search.runner import Outcome, Runner, nth_seed
from simsock.search.verdict import FAILS, HOLDS, INCONCLUSIVE, Verdict
from simsock.world.options import SEARCH_DEFAULTS, Options, check_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.world.simulation import Simulation

SHRINK_RUNS_MAX = 2_000


def explore(
    test: Callable[[Simulation], object],
    schedules: int = 1000,
    *,
    seed: int | str = 0,
    shrink: bool = True,
    jobs: int = 1,
    executor: Any = None,
    target: str | None = None,
    progress: Callable[[int], object] | None = None,
    **options: Any,
) -> Verdict:
    """Run ``test(sim)`` under up to ``schedules`` schedules, each in a fresh world, until one fails; shrink that one and tell its story.

    ``options`` are those of every world: all that ``Simulation`` takes, with ``strategy="portfolio"``, ``preempt="lines"``, ``max_steps=200_000``
    and ``max_time="1d"`` by default. Schedule 1 is the plain order; schedule number i of a seed is the same run on every machine. ``jobs`` processes
    share the work (``test`` must then be importable), or those of a ``concurrent.futures`` executor. ``progress`` is called with the number of
    schedules tried so far, after each or (with ``jobs``) after each batch.
    """
    if isinstance(schedules, bool) or not isinstance(schedules, int) or schedules < 1:
        raise UsageError(f"schedules: expected a whole number from 1, got {schedules!r}")
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"jobs: expected a whole number from 1, got {jobs!r}")
    check_names("explore", options)
    checked = Options(**{**SEARCH_DEFAULTS, **options})
    evidence = Evidence()
    exhausts, most = levels(checked.strategy)
    if exhausts:
        with Runner(test, checked) as runner:
            return _exhaust(runner, Exhausting(most), schedules, seed, shrink, target, progress, evidence)
    first: int | None = None
    if jobs > 1 or executor is not None:
        from simsock.search.jobs import first_failure

        first = first_failure(test, checked, seed, schedules, jobs, executor, progress, evidence)
        if first is None:
            return Verdict(INCONCLUSIVE, schedules, seed, evidence)
    with Runner(test, checked) as runner:
        numbers = range(1, schedules + 1) if first is None else (first,)
        for number in numbers:
            outcome = runner.schedule(seed, number)
            evidence.note(number, outcome.deviations, outcome.alive)
            if outcome.error is not None:
                return _tell(runner, number, outcome, seed, shrink, target, evidence)
            if progress is not None:
                progress(number)
    if first is not None:
        raise Nondeterminism(f"schedule {first} of seed {seed!r} failed in another process and passes in this one")
    return Verdict(INCONCLUSIVE, schedules, seed, evidence)


def _exhaust(
    runner: Runner, search: Exhausting, schedules: int, seed: int | str, shrinking: bool, target: str | None, progress: Any, evidence: Evidence
) -> Verdict:
    """Every schedule in turn, in this process: each is the plain run with a few other answers."""
    own_seed = nth_seed(seed, 1)
    number = 0
    while number < schedules and (plan := search.next()) is not None:
        number += 1
        recorder = Recorder(plan)
        outcome = runner.run(own_seed, plan, prepare=lambda sim, recorder=recorder: setattr(sim, "_questions", recorder))
        evidence.note(number, outcome.deviations, outcome.alive)
        if outcome.error is not None:
            return _tell(runner, number, outcome, seed, shrinking, target, evidence)
        search.tried(plan, recorder, outcome.asked)
        if progress is not None:
            progress(number)
    if number < schedules:
        search.next()  # whether it is the end
    verdict = Verdict(HOLDS if search.holds else INCONCLUSIVE, number, seed, evidence)
    verdict.bound = search.bound
    scope = runner.session.preemption.scope.text if runner.session.preemption is not None else ""
    verdict.where = f", preempted at {runner.options.preempt}" + (f" of {scope}" if scope else "")
    return verdict


def _tell(runner: Runner, number: int, found: Outcome, seed: int | str, shrinking: bool, target: str | None, evidence: Evidence) -> Verdict:
    """From a failing run to a verdict: repeat it from its deviations, shrink them, and run the shortest once more to tell its story."""
    from simsock.report.story import Teller

    verdict = Verdict(FAILS, number, seed, evidence)
    verdict.failing_schedule = number
    own_seed = nth_seed(seed, number)
    deviations = found.deviations
    wanted = found.signature

    def fails(candidate: tuple[Any, ...]) -> bool:
        outcome = runner.run(own_seed, candidate)
        return outcome.error is not None and outcome.signature == wanted

    found = found._replace(error=None)  # its traceback holds the whole world alive
    if not fails(deviations):
        raise Nondeterminism(
            f"schedule {number} of seed {seed!r} failed with {wanted} and did not fail again from its own record: the test depends on something "
            "outside its world (real time, a global random generator, state kept between runs); simsock.check_determinism(test) may say what"
        )

    def asked(candidate: tuple[Any, ...]) -> list[Question]:
        written: list[Questions] = []
        runner.run(own_seed, candidate, prepare=lambda sim: written.append(sim._write_questions()))
        return written[0].asked()

    if shrinking:
        shrunk = shrink(deviations, fails, SHRINK_RUNS_MAX, asked)
        deviations = shrunk.deviations
        verdict.shrink_runs = shrunk.runs
        if shrunk.exhausted:
            verdict.notes.append(f"(shrinking stopped after {shrunk.runs:,} runs; a shorter story may exist)")
    teller = Teller()
    outcome = runner.run(own_seed, deviations, prepare=teller.listen)
    if outcome.error is None:
        raise Nondeterminism(f"schedule {number} of seed {seed!r} failed, and again from its own record, and then passed once: the test is not deterministic")
    verdict.error = outcome.error
    verdict.story = teller.story(outcome.error, deviations)
    verdict.deviations = verdict.story.steps
    options = runner.options
    verdict.token = make_token(own_seed, options, deviations, target, number)
    test = runner.test
    verdict._replay = lambda: _replay(test, options, own_seed, deviations)
    return verdict


def make_token(seed: int | str, options: Options, deviations: Any, target: str | None, number: int | None = None) -> str:
    """The token of a run; one whose deviations are too many for a token is repeated from its seed, as schedule ``number`` of its search."""
    try:
        return Token(seed, options.as_dict(), deviations, target=target).encode()
    except (BadToken, UsageError):  # more or longer deviations than a token carries
        schedule = {} if number is None else {"schedule": number}
        return Token(seed, {**options.as_dict(), **schedule}, None, target=target).encode()


def replay(
    test: Callable[[Simulation], object], token: str, *, scope: Any = None, strict: bool = False, patch: bool | None = None, entropy: str | None = None
) -> None:
    """Run the one run that ``token`` stands for again, and raise what it raises.

    A token may come from a stranger. One that asks for ``patch=False`` or ``entropy="real"``, by which the test reaches out of its world, is
    refused (``UsageError``) unless the same is said here.

    A token that no longer fits (the program has changed) is a ``ReplayMismatch`` that says where: with ``strict`` always, otherwise only
    when the run passes. ``BadToken`` for a damaged one.
    """
    carried = Token.decode(token)
    options = Options.from_dict(carried.options, scope=scope, patch=patch, entropy=entropy)
    with Runner(test, options) as runner:
        outcome = runner.repeat(carried)
    _raise(outcome, strict, carried.differences_here())


def _replay(test: Any, options: Options, seed: Any, deviations: Any) -> None:
    with Runner(test, options) as runner:
        outcome = runner.run(seed, deviations)
    _raise(outcome)


def _raise(outcome: Outcome, strict: bool = False, differences: Any = ()) -> None:
    if (strict or outcome.error is None) and (wrong := misfit(outcome.mismatches, differences)) is not None:
        raise wrong from outcome.error
    if outcome.error is not None:
        try:
            raise outcome.error
        finally:
            del outcome


def check_determinism(test: Callable[[Simulation], object], seed: int | str = 0, **options: Any) -> str:
    """Run ``test`` twice with one seed; returns the digest, or raises ``Nondeterminism`` naming the first difference.

    ``options`` are those of ``Simulation``. What the test raises does not matter here, only whether both runs do the same.
    """
    check_names("check_determinism", options)
    checked = Options(**options)
    logs: list[list[tuple[Any, ...]]] = []
    outcomes = []
    with Runner(test, checked) as runner:
        for _ in range(2):
            made: list[Any] = []
            outcomes.append(runner.run(seed, digest=True, prepare=made.append))
            logs.append(made[0].records)
            gc.collect()
    one, other = outcomes
    if one.digest == other.digest and one.signature == other.signature:
        return str(one.digest)
    for number, (left, right) in enumerate(zip(*logs, strict=False)):
        if left != right:
            raise Nondeterminism(f"two runs with seed {seed!r} differ at record {number}:\n  first run:  {left}\n  second run: {right}")
    lengths = f"{len(logs[0])} and {len(logs[1])} records"
    raise Nondeterminism(f"two runs with seed {seed!r} differ: {lengths}, errors {one.signature or 'none'} and {other.signature or 'none'}")
