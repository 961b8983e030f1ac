"""Who holds what others wait for when nothing goes on: where it was taken, and where it is waited for.

Owns the notes about that and their words. Does not know how a run is listened to, nor stories. Laws:

* texts and numbers only, nothing of the program's;
* who takes one from a semaphore has that one until it is given back, by whoever does: ``threading`` counts them in Python, behind a lock of the semaphore's
  own, so the count is looked at whenever that lock is taken and given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.kernel.footprints import local_value

if TYPE_CHECKING:
    from types import FrameType

    from simsock.report.story import Words

Place = tuple[str, int]
_COUNTS = ("Semaphore.acquire", "Semaphore.release", "BoundedSemaphore.release")


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
    is_one: bool = False
    """It is a semaphore, from which one was taken."""


class Holding:
    """Notes of one run, by the paths of tasks and the names of locks; semaphores go by ``one_of`` the lock that they have inside."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[str, list[Spot]]] = {}
        self._waited: dict[str, tuple[str, Spot]] = {}
        self._counts: dict[str, int] = {}
        """What a semaphore had to give when its lock was taken."""

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

    def begins_to_count(self, lock: str, count: int) -> None:
        """The lock inside a semaphore was taken, which has so many to give."""
        self._counts[lock] = count

    def has_counted(self, task: str, lock: str, count: int, spot: Spot) -> None:
        """It is given back, and now there are so many."""
        before = self._counts.get(lock, count)
        for _ in range(before - count):
            self.takes(task, one_of(lock), spot)
        for _ in range(count - before):
            self.gives(task, one_of(lock))

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
            is_one = lock.startswith(_ONE_OF)
            for has, locks in self._taken.items():
                if locks.get(lock) and (is_one or has == holder):
                    found.append(Held(waits_for.partition(" ")[2], has, locks[lock][0], task, waited, is_one))
        return found


_ONE_OF = "one of "


def one_of(lock: str) -> str:
    """The name under which what a semaphore gives is noted."""
    return _ONE_OF + lock


def semaphore_of(frame: FrameType | None) -> Any:
    """The semaphore of ``threading``'s whose method calls from there; None if it is none."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "threading" and frame.f_code.co_qualname in _COUNTS:
            found = local_value(frame, "self")
            return found if isinstance(getattr(found, "_value", None), int) else None
        frame = frame.f_back
    return None


def words_of(held: list[Held], words: Words) -> list[str]:
    """``"Lock-1 (self.lock): one took it at a.py:3, two waits for it at a.py:7"``, a line for each who waits."""
    said: dict[tuple[str, str, Spot], str] = {}
    for one in held:
        key = one.lock, one.waiter, one.waited
        took, waits = (f" at {words.place(spot.place)}" if spot.place is not None else "" for spot in (one.taken, one.waited))
        it = "one" if one.is_one else "it"
        waits = f", {words.task(one.waiter)} waits for {it}{waits}"
        before = said[key].removesuffix(waits) + ", " if key in said else f"{one.lock}: "
        said[key] = f"{before}{words.task(one.holder)} took {it}{took}{waits}"
    return list(said.values())


__all__ = ["Held", "Holding", "Spot", "one_of", "semaphore_of", "words_of"]
