"""``surw``: who has more to do is picked more often, so that all orders are about as probable.

PYTEST_DONT_REWRITE

Owns the strategy: Zhao, Wang and others, "Selectively Uniform Concurrency Testing" (SURW), ASPLOS 2025. A walk that picks a task with a chance in
proportion to the events that it has left samples interleavings uniformly; the counts are those of schedule 1. A task that is not yet started counts
with the task that starts it, with one event more for its start. ``surw:selective`` draws a shared name and an *intended* task: at points on that name
none but the intended task may pass while another can move; when it has passed, another is intended, in proportion to such points left.
Law: every runnable task keeps a weight, however wrong the counts are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.strategies.draws import Draws
from simsock.kernel.strategies.sights import Born, Sight

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.strategies.runs import Run, Sees
    from simsock.kernel.task import Task


FAVOUR = 64
"""In every other run, how many times as much counts what a task has left while it has others to start: so that they are all there early."""


class Weights:
    """What each task has left, by the counts of schedule 1."""

    __slots__ = ("_counts", "_favour", "_least", "_met", "_spawned", "_unborn", "_whole")

    def __init__(self, run: Run, favour: int = 1) -> None:
        self._favour = favour
        """How many times as much counts what a task has left that has others to start."""
        profile = run.profile
        self._counts = profile.counts if profile is not None else {}
        self._spawned = profile.spawned if profile is not None else {}
        self._whole: dict[str, int] = {}
        self._unborn: dict[str, int] = {}
        """By task: what those have to do that it has yet to start."""
        self._met: dict[int, str] = {}
        """The paths of the tasks that are there."""
        self._least: dict[int, tuple[int, int]] = {}
        """By task: its weight when it has no events of its own left, and when it has all of them."""

    def _all_of(self, path: str) -> int:
        """A task's events and those of all that it starts, each of them with one more for its start."""
        whole = self._whole.get(path)
        if whole is None:
            whole = self._whole[path] = self._counts.get(path, 0) + self._unborn_of(path)
        return whole

    def _unborn_of(self, path: str) -> int:
        left = self._unborn.get(path)
        if left is None:
            left = self._unborn[path] = sum(self._all_of(child) + 1 for child in self._spawned.get(path, ()))
        return left

    def _meet(self, task: Task) -> None:
        """A task is there: from now on it counts for itself."""
        path = task.path
        self._met[task.serial] = path
        if path in self._counts and task.parent is not None:
            parent = task.parent.path
            whole = self._all_of(path)
            if path in self._spawned.get(parent, ()):
                self._unborn[parent] = max(self._unborn_of(parent) - whole - 1, 0)

    def left(self, candidates: Sequence[Task]) -> list[int]:
        """What each of these tasks has left, now that all of them are there."""
        weights = self._least
        left = []
        try:
            for task in candidates:
                least, all_of_it = weights[task.serial]
                now = all_of_it - task.points
                left.append(now if now > least else least)
        except KeyError:
            for task in candidates:
                if task.serial not in self._met:
                    self._meet(task)
            for serial, path in self._met.items():
                least = self._unborn_of(path) + 1
                whole = least + self._counts.get(path, 0)
                weights[serial] = (least, whole) if least == 1 else (least * self._favour, whole * self._favour)
            return self.left(candidates)
        return left


def surw(run: Run) -> Choose:
    """A uniform walk."""
    draws = Draws(run.seed)
    weights = Weights(run, FAVOUR if draws.below(2) else 1)

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        return weighted(draws, weights.left([task, *kernel.runq] if preempting else kernel.runq))

    return choose


def weighted(draws: Draws, shares: list[int]) -> int:
    """A place of ``shares``, each with a chance in proportion to its number."""
    ticket = draws.below(sum(shares))
    for place, share in enumerate(shares):
        ticket -= share
        if ticket < 0:
            return place
    return 0


def selective(run: Run) -> Choose:
    """A walk that is uniform in the points on one shared name."""
    hot = run.names
    if not hot:
        return surw(run)
    draws = Draws(run.seed)
    names = list(hot)
    name = names[draws.below(len(names))]
    left = dict(hot[name])
    paths = list(left)
    before: dict[int, bool] = {}
    """By task: whether its next event is one on the name."""
    intended: str | None = None

    def watch(kernel: Kernel) -> Sees:
        sight, born = Sight(kernel), Born(kernel)

        def sees(task: Task, code: CodeType | None, place: int) -> None:
            touches, counts = sight.touches(task, code, place)
            if counts:
                before[task.serial] = name in touches and born.may_meet(task.path, paths)

        return sees

    run.watch = watch

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        nonlocal intended
        candidates = [task, *kernel.runq] if preempting else list(kernel.runq)
        if intended is None:
            paths = sorted(path for path in left if left[path] > 0)
            intended = paths[weighted(draws, [left[path] for path in paths])] if paths else ""
        free = [place for place, other in enumerate(candidates) if other.path == intended or not before.get(other.serial)]
        if not free:
            free = list(range(len(candidates)))
        pick = free[draws.below(len(free))]
        chosen = candidates[pick]
        if before.pop(chosen.serial, False):
            left[chosen.path] = left.get(chosen.path, 0) - 1
            intended = None
        return pick

    return choose
