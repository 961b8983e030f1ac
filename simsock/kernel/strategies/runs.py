"""What a strategy is told of the run that it decides, and what earlier runs of the same search have taught.

PYTEST_DONT_REWRITE

Owns ``Run`` and ``Profile``. Does not know searches: it is told the number. Law: what a strategy learns depends on the seed of the search and on
the number of the schedule, never on which runs this process happens to have made: counts come from schedule 1, the plain order, alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simsock.choices import derive_seed
from simsock.errors import BadToken

if TYPE_CHECKING:
    from simsock.choices import Token
    from simsock.kernel.core import Kernel


class Profile:
    """What the first schedules of a search have shown."""

    __slots__ = ("counts", "runs", "steps")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        """Questions that each task asked in schedule 1, by its path."""
        self.steps = 0
        """Steps of schedule 1."""
        self.runs = 0
        """How many of the first schedules have been looked at."""

    def gather(self, kernel: Kernel, number: int) -> None:
        """Schedule ``number`` is about to end, with its tasks still there."""
        if number != self.runs + 1:
            return
        self.runs = number
        if number == 1:
            self.steps = kernel.steps
            self.counts = {**(kernel.counts or {}), **{task.path: task.points for task in kernel.tasks.values()}}


class Run:
    """One run that a strategy decides: what ``begin`` and ``end`` are given."""

    __slots__ = ("error", "number", "own_seed", "profile", "steps")

    def __init__(self, own_seed: int | str, number: int = 0, profile: Profile | None = None) -> None:
        self.own_seed = own_seed
        self.number = number
        """Which schedule of a search this is, from 1 (the plain order, in which no strategy is asked); 0 for a world that no search made."""
        self.profile = profile
        self.error: BaseException | None = None
        """At the end: what the run raised."""
        self.steps = 0
        """At the end: how many steps it took."""

    @property
    def seed(self) -> int:
        """A whole number of 64 bits, another one for each schedule, the same for the same schedule of the same seed."""
        return derive_seed(self.own_seed, "strategy random")

    @property
    def counts(self) -> Mapping[str, int]:
        """How many questions each task (by its path) asked in schedule 1; empty when nobody knows."""
        return self.profile.counts if self.profile is not None else {}

    def __repr__(self) -> str:
        return f"<Run {self.number} of seed {self.own_seed!r}>"


def run_of_token(token: Token, strategy: Any, learns: int) -> Run:
    """The run that a token stands for, where it is made outside its search."""
    number = token.options.get("schedule") if token.deviations is None else None
    if number is None:
        return Run(token.seed)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise BadToken(f"the token's content is wrong: schedule is a whole number from 1, not {number!r}")
    if number > 1 and learns:
        raise BadToken(
            f"this token repeats schedule {number} of a search from its seed, and strategy {strategy!r} learns from the schedules before it: "
            "simsock.replay(test, token) makes them"
        )
    return Run(token.seed, number)


__all__ = ["Profile", "Run", "run_of_token"]
