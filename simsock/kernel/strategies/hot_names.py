"""``pcth``: PCT whose moments lie where tasks meet.

PYTEST_DONT_REWRITE

Owns the strategy: tasks have priorities as in ``pct``, and each moment is drawn in three steps: a name that two tasks touch and one writes, then one
of these tasks, then one of its points on that name. So the chance to hit the right point does not fall with the number of lines that a task runs
elsewhere: it finds what takes one task standing still at a shared name while others run on for hundreds of lines. In every other run a moment is drawn
among *kinds* of tasks (those whose names differ in numbers only), and all of a kind fall: so one that looks on gets its turn between twenty that do
the same, which one in twenty priorities would give it otherwise. This is simsock's own. Law: where no name is known to be shared, it is ``pct``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.strategies.draws import Draws
from simsock.kernel.strategies.priorities import DEPTH, Ranks, pct
from simsock.kernel.strategies.sights import Born, Sight, Touches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.strategies.runs import Run, Sees
    from simsock.kernel.task import Task


class _Ranks(Ranks):
    """Priorities that can fall for all tasks of a kind at once, those that are yet to be started included."""

    __slots__ = ("_fallen", "_kinds")

    def __init__(self, draws: Draws, depth: int) -> None:
        super().__init__(draws, depth)
        self._kinds: dict[int, str] = {}
        """Of the tasks that have a priority."""
        self._fallen: dict[str, int] = {}

    def rank(self, task: Task) -> int:
        rank = self.of.get(task.serial)
        if rank is None:
            kind = self._kinds[task.serial] = kind_of(task.path)
            rank = super().rank(task)
            if kind in self._fallen:
                rank = self.of[task.serial] = self._fallen[kind]
        return rank

    def fall_together(self, task: Task) -> None:
        """A moment has come: the task falls, and all of its kind with it."""
        self.fall(task)
        kind = kind_of(task.path)
        low = self._fallen[kind] = self.of[task.serial]
        self.of.update((serial, low) for serial, known in self._kinds.items() if known == kind)


def kind_of(path: str) -> str:
    """What tasks have in common that do the same: their names without numbers."""
    return path.translate(_WITHOUT_NUMBERS)


_WITHOUT_NUMBERS = dict.fromkeys(map(ord, "0123456789"))


class _Moments:
    """At which points on which names who falls: by task, or by kind of tasks."""

    def __init__(self, draws: Draws, hot: Mapping[str, tuple[tuple[str, int], ...]], count: int) -> None:
        names = list(hot)
        self.of_tasks: dict[str, dict[str, list[int]]] = {}
        self.of_kinds: dict[str, dict[str, list[int]]] = {}
        together = draws.below(2)
        for _ in range(count):
            name = names[draws.below(len(names))]
            kinds: dict[str, list[int]] = {}
            for path, points in hot[name]:
                kinds.setdefault(kind_of(path), []).append(points)
            if together and len(kinds) > 1:
                kind = list(kinds)[draws.below(len(kinds))]
                numbers = kinds[kind]
                self._add(self.of_kinds, kind, name, draws.below(max(numbers) if draws.below(2) else sum(numbers)))
            else:
                path, points = hot[name][draws.below(len(hot[name]))]
                self._add(self.of_tasks, path, name, draws.below(points))

    @staticmethod
    def _add(moments: dict[str, dict[str, list[int]]], who: str, name: str, number: int) -> None:
        moments.setdefault(who, {}).setdefault(name, []).append(number)


def pcth(run: Run, depth: int = DEPTH) -> Choose:
    """Priorities that fall at ``depth`` - 1 points on shared names."""
    hot = run.names
    if not hot:
        return pct(run, depth)
    draws = Draws(run.seed)
    ranks = _Ranks(draws, depth)
    moments = _Moments(draws, hot, depth - 1)
    of_tasks, of_kinds = moments.of_tasks, moments.of_kinds
    paths = {name: [path for path, _ in hot[name]] for moments_of in (*of_tasks.values(), *of_kinds.values()) for name in moments_of}

    def watch(kernel: Kernel) -> Sees:
        sight = Sight(kernel)
        born = Born(kernel)
        passed: dict[tuple[str, str], int] = {}
        kinds: dict[str, str] = {}

        def meets(who: str, path: str, mine: dict[str, list[int]], touches: Touches) -> bool:
            met = False
            for name in touches:
                if name in mine and born.may_meet(path, paths[name]):
                    number = passed.get((who, name), 0)
                    passed[who, name] = number + 1
                    met = met or number in mine[name]
            return met

        def sees(task: Task, code: CodeType | None, place: int) -> None:
            path = task.path
            mine, theirs, kind = of_tasks.get(path), None, ""
            if of_kinds:
                kind = kinds.get(path) or kinds.setdefault(path, kind_of(path))
                theirs = of_kinds.get(kind)
            if mine is None and theirs is None:
                return
            touches, counts = sight.touches(task, code, place)
            if counts:
                if mine is not None and meets(path, path, mine, touches):
                    ranks.fall(task)
                if theirs is not None and meets(f"all {kind}", path, theirs, touches):
                    ranks.fall_together(task)

        return sees

    run.watch = watch

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        return ranks.choose(kernel, task, preempting)

    return choose
