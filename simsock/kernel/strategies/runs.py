"""What a strategy is told of the run that it decides, and what earlier runs of the same search have taught.

PYTEST_DONT_REWRITE

Owns ``Run`` and ``Profile``. Does not know searches: it is told the number. Law: what a strategy learns depends on the seed of the search and on
the number of the schedule, never on which runs this process happens to have made: counts come from schedule 1, the plain order, alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from simsock.choices import derive_seed
from simsock.errors import BadToken

if TYPE_CHECKING:
    from types import CodeType

    from simsock.choices import Token
    from simsock.choices.drafts import Draft
    from simsock.kernel.core import Kernel
    from simsock.kernel.strategies.orders_seen import OrdersSeen
    from simsock.kernel.strategies.shown import Showing, Shown
    from simsock.kernel.strategies.sights import Gathering, Names
    from simsock.kernel.task import Task

    Sees = Callable[[Task, CodeType | None, int], object]


NAMED_RUNS = 20
"""How many of the first schedules may show which names tasks share. Until so many are known, those of schedule 1 count alone."""


class Profile:
    """What the first schedules of a search have shown."""

    __slots__ = ("_first", "_names", "counts", "runs", "spawned", "steps", "wanted")

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        """How many of the first schedules are to be looked at."""
        self.counts: dict[str, int] = {}
        """Questions that each task asked in schedule 1, by its path."""
        self.spawned: dict[str, list[str]] = {}
        """By a task's path: the tasks that it started in schedule 1, in that order."""
        self.steps = 0
        """Steps of schedule 1."""
        self.runs = 0
        """How many of the first schedules have been looked at."""
        from simsock.kernel.strategies.sights import Names

        self._first = Names()
        self._names = Names()

    def gather(self, kernel: Kernel, number: int, names: Names | None) -> None:
        """Schedule ``number`` is about to end, with its tasks still there. ``names`` is what was seen of it."""
        if number != self.runs + 1:
            return
        self.runs = number
        if number == 1:
            self.steps = kernel.steps
            self.counts = {**(kernel.counts or {}), **{task.path: task.points for task in kernel.tasks.values()}}
            for path in self.counts:
                parent, _, _ = path.rpartition("/")
                if path != kernel.first.path:
                    self.spawned.setdefault(parent or kernel.first.path, []).append(path)
        if names is not None:
            if number == 1:
                self._first.merge(names)
            self._names.merge(names)

    def hot(self, number: int) -> Mapping[str, tuple[tuple[str, int], ...]]:
        """The names that tasks share and change, for schedule ``number``: by name, its tasks and how many points of each touch it."""
        return (self._names if number > NAMED_RUNS else self._first).hot()


class Run:
    """One run that a strategy decides: what ``begin`` and ``end`` are given."""

    __slots__ = (
        "_gathering",
        "_is_seen",
        "_orders",
        "_shown",
        "draft",
        "error",
        "guides",
        "number",
        "order",
        "own_seed",
        "profile",
        "showing",
        "steps",
        "watch",
    )

    def __init__(self, own_seed: int | str, number: int = 0, profile: Profile | None = None, *, draft: Draft | None = None, guides: bool = False) -> None:
        self.own_seed = own_seed
        self.number = number
        """Which schedule of a search this is, from 1 (the plain order, in which no strategy is asked); 0 for a world that no search made."""
        self.profile = profile
        self.error: BaseException | None = None
        """At the end: what the run raised."""
        self.steps = 0
        """At the end: how many steps it took."""
        self.watch: Callable[[Kernel], Sees] | None = None
        """A strategy that goes by points sets this when it begins: what makes the function that is told of each."""
        self.draft = draft
        """What it is made of, if it is made of another run."""
        self.guides = guides
        """Whether what it shows is to be known at its end."""
        self.showing: Showing | None = None
        self._shown: Shown | None = None
        self.order: int | None = None
        """At the end: a number for the order of what cannot be exchanged; None where it was not looked at."""
        if number or guides:
            _load()
        self._gathering: Gathering | None = None
        self._orders: OrdersSeen | None = None
        self._is_seen = False

    def anew(self) -> Run:
        """The same run, which has not begun."""
        return Run(self.own_seed, self.number, self.profile, draft=self.draft, guides=self.guides)

    def world_begins(self, kernel: Kernel, asks: bool = True) -> None:
        """Let the world's points be seen by whoever goes by them. Without a strategy that ``asks`` there is one order."""
        if not asks:
            self.order = 0
            return
        sees = self.watch(kernel) if self.watch is not None else None
        kernel.sees = self._look(kernel, sees) if self.number or self.guides else sees

    def _look(self, kernel: Kernel, sees: Sees | None) -> Sees | None:
        """Of a search: let them be seen by whoever looks for it, too."""
        from simsock.kernel.strategies.orders_seen import OrdersSeen, is_looked_at
        from simsock.kernel.strategies.shown import Shown
        from simsock.kernel.strategies.sights import Gathering

        profile = self.profile
        if profile is not None and profile.runs == self.number - 1 and self.number <= profile.wanted:
            kernel.counts = {}
            self._is_seen = True
            if profile.wanted > 1:
                self._gathering = Gathering(kernel)
                sees = _both(self._gathering.sees, sees) if sees is not None else self._gathering.sees
        if is_looked_at(self.number):
            self._orders = OrdersSeen(kernel)
            sees = _both(self._orders.sees, sees) if sees is not None else self._orders.sees
        if self.guides:
            self._shown = Shown(kernel)
            sees = _both(self._shown.sees, sees) if sees is not None else self._shown.sees
        return sees

    def world_ends(self, kernel: Kernel) -> None:
        """The world is about to end, with its tasks still there."""
        kernel.sees = None
        if self._orders is not None:
            self.order = self._orders.order()
            self._orders = None
        if self._shown is not None:
            self.showing = self._shown.showing(kernel)
            self._shown = None
        if self._is_seen and self.profile is not None:
            self.profile.gather(kernel, self.number, self._gathering.names() if self._gathering is not None else None)
            self._gathering = None
            self._is_seen = False

    @property
    def seed(self) -> int:
        """A whole number of 64 bits, another one for each schedule, the same for the same schedule of the same seed."""
        return derive_seed(self.own_seed, "strategy random")

    @property
    def counts(self) -> Mapping[str, int]:
        """How many questions each task (by its path) asked in schedule 1; empty when nobody knows."""
        return self.profile.counts if self.profile is not None else {}

    @property
    def names(self) -> Mapping[str, tuple[tuple[str, int], ...]]:
        """Names that two tasks touch and one writes, each with these tasks' paths and how many of their points touch it; from the first schedules."""
        return self.profile.hot(self.number) if self.profile is not None else {}

    def __repr__(self) -> str:
        return f"<Run {self.number} of seed {self.own_seed!r}>"


def _load() -> None:
    """What searches look by, before the world begins in which it is needed."""
    import simsock.kernel.strategies.orders_seen
    import simsock.kernel.strategies.shown
    import simsock.kernel.strategies.sights  # noqa: F401


def _both(one: Sees, other: Sees) -> Sees:
    def sees(task: Task, code: CodeType | None, place: int) -> None:
        one(task, code, place)
        other(task, code, place)

    return sees


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
