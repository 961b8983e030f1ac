"""Locks that are taken in opposite orders, although nobody waited for ever this time.

PYTEST_DONT_REWRITE

Owns ``sim.watch_locks``: who took which lock while he had another, and the circles among that. Laws:

* a circle is told if its steps are of different tasks, wait without a timeout, share no lock that all of them had, and are not ordered by starts, ends, events,
  queues and the like (``OrderBesidesLocks``): then some other order of the same steps is a deadlock;
* the run goes on; the first circle is told at the world's end, with the number of others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simsock.errors import LockInversion
from simsock.oracles.findings import tell_first
from simsock.oracles.held import Held, HeldLocks
from simsock.oracles.order import OrderBesidesLocks, Stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

CIRCLE_MAX = 5
"""Tasks in a circle that is looked for."""


class Step(NamedTuple):
    """A task that had ``chain[0]`` … ``chain[-2]`` took ``chain[-1]``, and would have waited for it. ``held`` is what it leads from."""

    task: int
    path: str
    held: int
    taken: int
    others: frozenset[int]
    stamp: Stamp
    chain: tuple[Held, ...]


class Locking(HeldLocks):
    """The locks of one world: ``kernel.room(Locking)``."""

    def __init__(self) -> None:
        super().__init__()
        self.order: OrderBesidesLocks | None = None
        self._steps: dict[int, dict[tuple[int, int, frozenset[int]], Step]] = {}
        """By the lock that was held: by task, the lock that was taken, and what else was held, the latest."""
        self.found: dict[tuple[str, ...], LockInversion] = {}

    def takes_one(self, task: Task, has: list[Held], taken: Held) -> None:
        if self.order is None:
            return
        locks = dict.fromkeys(held.lock for held in has)
        for held in locks:
            others = frozenset(other for other in locks if other != held)
            self._note(task, Step(task.serial, task.path, held, taken.lock, others, self.order.stamp(task), (*has, taken)))

    def judge_last(self, kernel: Kernel) -> None:
        """The world's block is over."""
        tell_first(kernel, self.found)

    def world_ends(self, kernel: Kernel) -> None:
        tell_first(kernel, self.found)

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
