"""Locks that are taken in opposite orders, although nobody waited for ever this time.

PYTEST_DONT_REWRITE

Owns ``sim.watch_locks``: which tasks have which locks, who took one while he had another, and the circles among that. Laws:

* a circle is told if its steps are of different tasks, wait without a timeout, share no lock that all of them had, and are not ordered by starts, ends, events,
  queues and the like (``OrderBesidesLocks``): then some other order of the same steps is a deadlock;
* the run goes on; the first circle is told at the world's end, with the number of others.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.errors import LockInversion
from simsock.kernel.watchers import Watcher
from simsock.oracles.order import Numbers, OrderBesidesLocks, Stamp
from simsock.oracles.places import Place, place_of_frame
from simsock.stdlib._bookkeeping import waits as _waiters
from simsock.stdlib._locks import Lock, RLock, _Hybrid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

CIRCLE_MAX = 5
"""Tasks in a circle that is looked for."""
_ACQUIRES = frozenset((Lock.acquire.__code__, RLock.acquire.__code__))
_FRAMES_MAX = 8


class Held(NamedTuple):
    """A lock that a task has, and where it took it."""

    lock: int
    words: str
    place: Place


class Step(NamedTuple):
    """A task that had ``chain[0]`` … ``chain[-2]`` took ``chain[-1]``, and would have waited for it. ``held`` is what it leads from."""

    task: int
    path: str
    held: int
    taken: int
    others: frozenset[int]
    stamp: Stamp
    chain: tuple[Held, ...]


class Locking(Watcher):
    """The locks of one world: ``kernel.room(Locking)``."""

    def __init__(self) -> None:
        self.order: OrderBesidesLocks | None = None
        self._numbers = Numbers()
        self._has: dict[int, list[Held]] = {}
        self._steps: dict[int, dict[tuple[int, int, frozenset[int]], Step]] = {}
        """By the lock that was held: by task, the lock that was taken, and what else was held, the latest."""
        self.found: dict[tuple[str, ...], LockInversion] = {}

    def takes(self, task: Task, thing: Any) -> None:
        if not isinstance(thing, _Hybrid):
            return
        waits = _would_wait(sys._getframe(1))
        if waits is None:
            return
        lock = self._numbers.of(thing)
        has = self._has.setdefault(task.serial, [])
        again = any(held.lock == lock for held in has)
        taken = Held(lock, thing.describe(), place_of_frame(sys._getframe(1)))
        if waits and not again and self.order is not None:
            locks = dict.fromkeys(held.lock for held in has)
            for held in locks:
                others = frozenset(other for other in locks if other != held)
                step = Step(task.serial, task.path, held, lock, others, self.order.stamp(task), (*has, taken))
                self._note(task, step)
        has.append(taken)

    def gives(self, task: Task, thing: Any) -> None:
        if isinstance(thing, _Hybrid):
            lock = self._numbers.of(thing)
            for has in (self._has.get(task.serial, []), *self._has.values()):  # locks may be given back by somebody else
                for place in reversed(range(len(has))):
                    if has[place].lock == lock:
                        del has[place]
                        return

    def task_ends(self, task: Task) -> None:
        self._has.pop(task.serial, None)

    def world_ends(self, kernel: Kernel) -> None:
        if self.found:
            error = next(iter(self.found.values()))
            if len(self.found) > 1:
                error.add_note(f"and {len(self.found) - 1} more of the kind")
            kernel.errors.append((None, error))  # type: ignore[arg-type]  # it is no task's

    # -- circles -----------------------------------------------------------------------------------------------------------------------

    def _note(self, task: Task, step: Step) -> None:
        self._steps.setdefault(step.held, {})[step.task, step.taken, step.others] = step
        for circle in self._circles([step], task):
            same = tuple(sorted(f"{held.place.filename}:{held.place.line}" for part in circle for held in part.chain))
            if same not in self.found:
                self.found[same] = _inversion(circle, same)
            return

    def _circles(self, path: list[Step], task: Task) -> Iterator[list[Step]]:
        """Ways on from what the last step took back to what the first one held. ``task`` makes the first, now."""
        assert self.order is not None
        for step in list(self._steps.get(path[-1].taken, {}).values()):
            if any(step.task == other.task or step.others & other.others for other in path) or self.order.is_before(step.stamp, task):
                continue
            if any(self._are_ordered(step, other) for other in path[1:]):
                continue
            if step.taken == path[0].held:
                yield [*path, step]
            elif len(path) < CIRCLE_MAX - 1 and all(step.taken != other.held for other in path):
                yield from self._circles([*path, step], task)

    def _are_ordered(self, step: Step, other: Step) -> bool:
        """Whether one of two earlier steps came before the other: what the later one's task knew then is not kept, so what it knows now counts."""
        assert self.order is not None
        clocks = self.order.clocks
        return clocks.get(step.task, {}).get(other.task, 0) >= other.stamp[1] or clocks.get(other.task, {}).get(step.task, 0) >= step.stamp[1]


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


def _inversion(circle: list[Step], same: tuple[str, ...]) -> LockInversion:
    paths = [step.path for step in circle]
    who = f"{', '.join(paths[:-1])} and {paths[-1]}"
    lines = [f"locks are taken in opposite orders: in another order of the same steps {who} wait for each other for ever"]
    for step in circle:
        for number, held in enumerate(step.chain):
            what = f"{step.path} took" if not number else " " * len(step.path) + " then"
            lines.append(f"  {what} {held.words} at {held.place}: {held.place.source}")
    return LockInversion("\n".join(lines), same=same, task=circle[0].path)


__all__ = ["Locking"]
