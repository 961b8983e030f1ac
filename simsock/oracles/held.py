"""Which locks each task has.

PYTEST_DONT_REWRITE

Owns the list of them, with the lines at which they were taken. Does not know what is made of it. Laws: what a condition waits by is none of them; a lock that
somebody else gives back is held no more; texts and numbers only.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.kernel.watchers import Watcher
from simsock.oracles.order import Numbers
from simsock.oracles.places import Place, place_of_frame
from simsock.stdlib._bookkeeping import waits as _waiters
from simsock.stdlib._locks import Lock, RLock, _Hybrid

if TYPE_CHECKING:
    from simsock.kernel.task import Task

_ACQUIRES = frozenset((Lock.acquire.__code__, RLock.acquire.__code__))
_FRAMES_MAX = 8


class Held(NamedTuple):
    """A lock that a task has, and where it took it."""

    lock: int
    words: str
    place: Place


class HeldLocks(Watcher):
    """The locks of one world: ``kernel.room(HeldLocks)``."""

    def __init__(self) -> None:
        self._numbers = Numbers()
        self._has: dict[int, list[Held]] = {}

    def of(self, task: Task) -> list[Held]:
        """What a task has now, the longest first."""
        return self._has.get(task.serial, [])

    def takes_one(self, task: Task, has: list[Held], taken: Held) -> None:
        """For those who want to know: ``task``, which ``has`` others, took one that it had not, and would have waited for it without an end."""

    def takes(self, task: Task, thing: Any) -> None:
        if not isinstance(thing, _Hybrid):
            return
        waits = _would_wait(sys._getframe(1))
        if waits is None:
            return
        lock = self._numbers.of(thing)
        has = self._has.setdefault(task.serial, [])
        taken = Held(lock, "a condition's lock" if thing.inner else thing.describe(), place_of_frame(sys._getframe(1)))
        if waits and all(held.lock != lock for held in has):
            self.takes_one(task, has, taken)
        has.append(taken)

    def gives(self, task: Task, thing: Any) -> None:
        if isinstance(thing, _Hybrid):
            lock = self._numbers.of(thing)
            for has in (self._has.get(task.serial, []), *self._has.values()):
                for place in reversed(range(len(has))):
                    if has[place].lock == lock:
                        del has[place]
                        return

    def task_ends(self, task: Task) -> None:
        self._has.pop(task.serial, None)


def _would_wait(frame: Any) -> bool | None:
    """Whether a lock is being taken for which the task would have waited without an end; None where a condition takes what it waits by."""
    for _ in range(_FRAMES_MAX):
        if frame is None:
            break
        if frame.f_code in _ACQUIRES:
            if frame.f_back is not None and id(frame.f_back.f_code) in _waiters:
                return None
            return bool(frame.f_locals.get("ns", -1) < 0)
        frame = frame.f_back
    return True  # a condition takes back what it had


__all__ = ["Held", "HeldLocks"]
