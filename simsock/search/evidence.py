"""What a search has seen, beyond whether anything failed.

Owns ``Evidence``: how many different orders there were, how many of them were new towards the end, how many tasks were alive at once. Does not
know what a run is. Laws: what is told depends on the schedules that were tried, not on who tried them nor when; memory is bounded; of later schedules
a share is looked at (``orders_seen``), because it takes time at each point.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from simsock.choices.drafts import ORDER
from simsock.kernel.happened import NOTHING
from simsock.kernel.strategies.orders_seen import ALWAYS_UP_TO, looked_at, number_of_text
from simsock.search.happenings import Happenings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsock.kernel.happened import Counts

ORDERS_MAX = 1_000_000
"""Different orders that are remembered; of more it is said that there were at least so many."""


def order_of(deviations: Sequence[tuple[str, int, int]]) -> int:
    """A number of 64 bits for the order in which a run's tasks had their turns, exchangeable or not: the same on every machine."""
    others = [label for label in {deviation[0] for deviation in deviations} if not label.endswith(ORDER)]
    if others:
        deviations = [deviation for deviation in deviations if deviation[0] not in others]
    if not deviations:
        return 0
    # One formatting of all numbers at once: this is done for each schedule of a search, and some have hundreds of them.
    text = ("\n%s\t%s\t%s" * len(deviations))[1:] % tuple(chain.from_iterable(deviations))
    return number_of_text(text)


class Evidence:
    """Gathered while schedules are tried, in any order and by any number of processes; read when all are there."""

    __slots__ = ("alive", "happenings", "is_whole", "seen")

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}
        """Of each order: the number of the first schedule that showed it."""
        self.alive = 0
        """Most tasks alive at once, the first one included."""
        self.is_whole = False
        """Whether every schedule was looked at."""
        self.happenings = Happenings()

    def note_turns(self, number: int, deviations: Sequence[tuple[str, int, int]], alive: int, happened: Counts = NOTHING) -> None:
        """Schedule ``number`` of a search that tries each order of turns once has been tried."""
        self.is_whole = True
        self.note(number, order_of(deviations), alive, happened)

    def note(self, number: int, order: int | None, alive: int, happened: Counts = NOTHING) -> None:
        """Schedule ``number`` has been tried; ``order`` is None where it was not looked at."""
        if order is not None:
            self._add(order, number)
        if alive > self.alive:
            self.alive = alive
        if happened is not NOTHING:
            self.happenings.note(happened)

    def _add(self, order: int, number: int) -> None:
        known = self.seen.get(order)
        if (known is None and len(self.seen) < ORDERS_MAX) or (known is not None and number < known):
            self.seen[order] = number

    def merge(self, other: Evidence) -> None:
        """What another process has gathered."""
        for order, number in other.seen.items():
            self._add(order, number)
        self.alive = max(self.alive, other.alive)
        self.is_whole = self.is_whole or other.is_whole
        self.happenings.merge(other.happenings)

    @property
    def orders(self) -> int:
        """How many different orders there were."""
        return len(self.seen)

    def new_at_the_end(self, schedules: int) -> float:
        """The share of the last tenth of the schedules (of those that were looked at) that showed an order for the first time."""
        last = max(1, schedules // 10)
        looked = last if self.is_whole else looked_at(schedules - last + 1, schedules)
        return sum(number > schedules - last for number in self.seen.values()) / max(looked, 1)

    def text(self, schedules: int) -> str:
        """In one line."""
        count = f"{self.orders:,}" if self.orders < ORDERS_MAX else f"at least {self.orders:,}"
        orders = f"{count} different order" + ("" if self.orders == 1 else "s")
        if not self.is_whole and schedules > ALWAYS_UP_TO:
            orders += f" in {looked_at(1, schedules):,} of the schedules"
        tasks = f"at most {self.alive} task" + ("" if self.alive == 1 else "s") + " alive at once"
        return f"{orders}, {self.new_at_the_end(schedules):.0%} of the last tenth new; {tasks}"


__all__ = ["ORDERS_MAX", "Evidence", "order_of"]
