"""``pcth``: PCT whose moments lie where tasks meet.

PYTEST_DONT_REWRITE

Owns the strategy: tasks have priorities as in ``pct``, and each moment is drawn in three steps: a name that two tasks touch and one writes, then one
of these tasks, then one of its points on that name. So the chance to hit the right point does not fall with the number of lines that a task runs
elsewhere: it finds what takes one task standing still at a shared name while others run on for hundreds of lines. This is simsock's own. Law: where
no name is known to be shared, it is ``pct``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.strategies.draws import Draws
from simsock.kernel.strategies.priorities import DEPTH, Ranks, pct
from simsock.kernel.strategies.sights import Sight

if TYPE_CHECKING:
    from types import CodeType

    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.strategies.runs import Run, Sees
    from simsock.kernel.task import Task


def pcth(run: Run, depth: int = DEPTH) -> Choose:
    """Priorities that fall at ``depth`` - 1 points on shared names."""
    hot = run.names
    if not hot:
        return pct(run, depth)
    draws = Draws(run.seed)
    ranks = Ranks(draws, depth)
    names = list(hot)
    moments: dict[str, dict[str, list[int]]] = {}
    """By task and name: at which of its points on the name the task falls."""
    for _ in range(depth - 1):
        name = names[draws.below(len(names))]
        path, count = hot[name][draws.below(len(hot[name]))]
        moments.setdefault(path, {}).setdefault(name, []).append(draws.below(count))

    def watch(kernel: Kernel) -> Sees:
        sight = Sight(kernel)
        passed: dict[tuple[str, str], int] = {}

        def sees(task: Task, code: CodeType | None, place: int) -> None:
            mine = moments.get(task.path)
            if mine is None:
                return
            touches, counts = sight.touches(task, code, place)
            if counts:
                for name in touches:
                    if name in mine:
                        key = task.path, name
                        number = passed.get(key, 0)
                        passed[key] = number + 1
                        if number in mine[name]:
                            ranks.fall(task)

        return sees

    run.watch = watch

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        return ranks.choose(kernel, task, preempting)

    return choose
