"""Who holds what others wait for when nothing goes on: where it was taken, and where it is waited for.

Owns the notes about that and their words. Does not know how a run is listened to, nor stories. Law: texts and numbers only, nothing of the program's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from simsock.report.story import Words

Place = tuple[str, int]


class Spot(NamedTuple):
    """A place in the program, and the number of the event that is shown for it; -1 if none is."""

    place: Place | None
    number: int


class Held(NamedTuple):
    """``lock`` is held by ``holder``, who took it at ``taken``, and ``waiter`` waits for it at ``waited``."""

    lock: str
    holder: str
    taken: Spot
    waiter: str
    waited: Spot


class Holding:
    """Notes of one run, by the paths of tasks and the names of locks."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[str, list[Spot]]] = {}
        self._waited: dict[str, tuple[str, Spot]] = {}

    def takes(self, task: str, lock: str, spot: Spot) -> None:
        """It has it now, perhaps once more."""
        self._waited.pop(task, None)
        self._taken.setdefault(task, {}).setdefault(lock, []).append(spot)

    def gives(self, task: str, lock: str) -> None:
        """It has given it back, or given what another task had taken."""
        for holder in (task, *self._taken):
            times = self._taken.get(holder, {}).get(lock)
            if times:
                times.pop()
                return

    def waits(self, task: str, lock: str, spot: Spot) -> None:
        """It waits for it there."""
        self._waited[task] = lock, spot

    def at_end(self, error: BaseException | None) -> list[Held]:
        """Of a deadlock: what is held and waited for."""
        facts = getattr(error, "facts", None)
        found = []
        for name, waits_for, _, holder in facts.get("rows", ()) if isinstance(facts, dict) else ():
            task = name.removesuffix(" (daemon)")
            lock, waited = self._waited.get(task, ("", Spot(None, -1)))
            times = self._taken.get(holder, {}).get(lock)
            if times:
                found.append(Held(waits_for.partition(" ")[2], holder, times[0], task, waited))
        return found


def words_of(held: list[Held], words: Words) -> list[str]:
    """``"Lock-1 (self.lock): one took it at a.py:3, two waits for it at a.py:7"``, a line for each."""
    said = []
    for one in held:
        took, waits = (f" at {words.place(spot.place)}" if spot.place is not None else "" for spot in (one.taken, one.waited))
        said.append(f"{one.lock}: {words.task(one.holder)} took it{took}, {words.task(one.waiter)} waits for it{waits}")
    return said


__all__ = ["Held", "Holding", "Spot", "words_of"]
