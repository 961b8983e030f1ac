"""From a failing run to a verdict.

Owns what is done with a failure once it is found: it is repeated from its record, shrunk, and run once more for its story and its token. Does not know
how it was found, nor how a story is worded. Laws: what is reported was run again; the shortest failing run so far is known at any moment, also when
somebody interrupts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.choices import Token, shrink
from simsock.choices.tape import misfit
from simsock.errors import BadToken, Nondeterminism, UsageError
from simsock.kernel.strategies import Question, Questions
from simsock.search.evidence import Evidence
from simsock.search.runner import Outcome, Runner, SameFailure, signature
from simsock.search.verdict import FAILS, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.search.guiding import Guide
    from simsock.world.options import Options

SHRINK_RUNS_MAX = 2_000
SHORT_MAX = 3
"""Deviations of a story that is short: then no other failure is told."""


class Found(NamedTuple):
    """A failing run: its world's seed, its number in the search of ``seed``, and whether it is one that an earlier search has kept."""

    outcome: Outcome
    own_seed: int | str
    number: int
    seed: int | str
    is_kept: bool = False

    @property
    def text(self) -> str:
        """Which one it is."""
        return f"schedule {self.number} of seed {self.seed!r}" + (", kept from an earlier search," if self.is_kept else "")


class Request:
    """What a search was asked for, and how far it has come."""

    def __init__(self, seed: int | str, schedules: int, shrinking: bool, target: str | None, progress: Callable[[int], object] | None = None) -> None:
        self.seed = seed
        self.schedules = schedules
        self.shrinking = shrinking
        self.target = target
        self.evidence = Evidence()
        self.guide: Guide | None = None
        """Where runs are made of earlier ones: what they are made of."""
        self.number = 0
        self.shortest: tuple[int | str, Options, tuple[Any, ...], str | None, int] | None = None
        """The failing run with the fewest deviations so far: its seed, options, deviations, target and number."""
        self._progress = progress
        self._found: Found | None = None

    def tried(self, number: int) -> None:
        """So many schedules have passed."""
        self.number = max(self.number, number)
        if self._progress is not None:
            self._progress(number)

    def fails(self, found: Found, options: Options, deviations: tuple[Any, ...]) -> None:
        """A run that fails, shorter than the one before."""
        self._found = found
        self.shortest = (found.own_seed, options, deviations, self.target, found.number)

    def until_now(self) -> str:
        """What is to be said if the search ends here."""
        if self.shortest is None or self._found is None:
            return f"interrupted after {self.number:,} schedule{'' if self.number == 1 else 's'}; none had failed"
        seed, options, deviations, target, number = self.shortest
        return (
            f"interrupted while a failure was shrunk: {self._found.text.rstrip(',')} raised {self._found.outcome.signature[0]}; the shortest run so far, of "
            f"{len(deviations):,} deviation{'' if len(deviations) == 1 else 's'}:\ntoken: {make_token(seed, options, deviations, target, number)}"
        )


class Otherwise:
    """Of the runs that shrinking has made, the shortest that failed in another way: often an easier tale of the same mistake."""

    def __init__(self, same: SameFailure) -> None:
        self._same = same
        self.deviations: tuple[Any, ...] = ()
        self.said = ""
        """What it raised, in a line; nothing if there was none."""

    def is_met(self, deviations: Any, error: BaseException) -> bool:
        """Whether a run failed in the way that is looked for; if not, it is noted."""
        if self._same.is_met(signature(error)):
            return True
        self.note(deviations, error)
        return False

    def note(self, deviations: Any, error: BaseException) -> None:
        """One more that failed otherwise."""
        from simsock.report.story import one_line

        if not self.said or len(deviations) < len(self.deviations):
            self.deviations, self.said = tuple(deviations), one_line(error)

    def told(self, left: int) -> str | None:
        """In words, for a story of ``left`` deviations. A token is to follow."""
        count = len(self.deviations)
        if not self.said or left <= SHORT_MAX or count >= left:
            return None
        return f"with {count:,} deviation{'' if count == 1 else 's'} it fails otherwise: {self.said}"


def tell(runner: Runner, found: Found, asked: Request) -> Verdict:
    """Repeat a failing run from its deviations, shrink them, and run the shortest once more to tell its story."""
    from simsock.report.nearest import nearest_passing
    from simsock.report.story import Teller

    verdict = Verdict(FAILS, found.number, found.seed, asked.evidence)
    verdict.failing_schedule = found.number
    verdict.is_kept = found.is_kept
    deviations = found.outcome.deviations
    assert found.outcome.error is not None, "only failures are told"
    same = SameFailure(found.outcome.error)
    otherwise = Otherwise(same)
    options = runner.options
    own_seed = found.own_seed
    found = found._replace(outcome=found.outcome._replace(error=None))  # its traceback holds the whole world alive

    def fails(candidate: tuple[Any, ...]) -> bool:
        outcome = runner.run(own_seed, candidate)
        if outcome.error is None or not otherwise.is_met(candidate, outcome.error):
            return False
        asked.fails(found, options, candidate)
        return True

    if not fails(deviations):
        raise Nondeterminism(
            f"{found.text} failed with {same.wanted} and did not fail again from its own record: the test depends on something "
            "outside its world (real time, a global random generator, state kept between runs); simsock.check_determinism(test) may say what"
        )

    def questions(candidate: tuple[Any, ...]) -> list[Question]:
        written: list[Questions] = []
        runner.run(own_seed, candidate, prepare=lambda sim: written.append(sim._write_questions()))
        return written[0].asked()

    if asked.shrinking:
        shrunk = shrink(deviations, fails, SHRINK_RUNS_MAX, None if found.is_kept else questions)  # what was kept has been shrunk
        deviations = shrunk.deviations
        verdict.shrink_runs = shrunk.runs
        if shrunk.exhausted:
            verdict.notes.append(f"(shrinking stopped after {shrunk.runs:,} runs; a shorter story may exist)")
        if (said := otherwise.told(len(deviations))) is not None:
            verdict.notes.append(f"{said}\n  token: {make_token(own_seed, options, otherwise.deviations, asked.target)}")
    teller = Teller()
    outcome = runner.run(own_seed, deviations, prepare=teller.listen)
    if outcome.error is None:
        raise Nondeterminism(f"{found.text} failed, and again from its own record, and then passed once: the test is not deterministic")
    verdict.error = outcome.error

    def passes(candidate: tuple[Any, ...]) -> Teller | None:
        other = Teller()
        return other if runner.run(own_seed, candidate, prepare=other.listen).error is None else None

    verdict.story = teller.story(outcome.error, deviations, nearest_passing(outcome.deviations, passes) if asked.shrinking else None)
    verdict.deviations = verdict.story.steps
    verdict.token = make_token(own_seed, options, deviations, asked.target, found.number)
    test = runner.test
    verdict._found = own_seed, found.outcome.deviations
    verdict._replay = lambda: _replay(test, options, own_seed, deviations)
    return verdict


def make_token(seed: int | str, options: Options, deviations: Any, target: str | None, number: int | None = None) -> str:
    """The token of a run; one whose deviations are too many for a token is repeated from its seed, as schedule ``number`` of its search."""
    try:
        return Token(seed, options.as_dict(), deviations, target=target).encode()
    except (BadToken, UsageError):  # more or longer deviations than a token carries
        schedule = {} if number is None else {"schedule": number}
        return Token(seed, {**options.as_dict(), **schedule}, None, target=target).encode()


def _replay(test: Any, options: Options, seed: Any, deviations: Any) -> None:
    with Runner(test, options) as runner:
        outcome = runner.run(seed, deviations)
    raise_as(outcome)


def raise_as(outcome: Outcome, strict: bool = False, differences: Any = ()) -> None:
    """Raise what a repeated run raised, or that it does not fit any more."""
    if (strict or outcome.error is None) and (wrong := misfit(outcome.mismatches, differences)) is not None:
        raise wrong from outcome.error
    if outcome.error is not None:
        try:
            raise outcome.error
        finally:
            del outcome


__all__ = ["SHRINK_RUNS_MAX", "Found", "Otherwise", "Request", "make_token", "raise_as", "tell"]
