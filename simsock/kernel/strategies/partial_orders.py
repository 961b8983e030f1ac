"""``pos``: every event has a priority of its own, drawn anew where it races.

PYTEST_DONT_REWRITE

Owns the strategy: Yuan, Yang and Gu, "Partial Order Aware Concurrency Sampling" (POS), CAV 2018. The event of the highest priority goes first; when it
has, the pending events that race with it (both touch a name, one writes) draw new priorities, so that what is sampled are partial orders more than
their linear ones. Law: what a task is about to touch is that of the point at which it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.strategies.draws import Draws
from simsock.kernel.strategies.sights import Sight, Touches

if TYPE_CHECKING:
    from types import CodeType

    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.strategies.runs import Run, Sees
    from simsock.kernel.task import Task

_GONE_MAX = 16
"""Tasks that are remembered beyond twice those that are alive."""


def pos(run: Run) -> Choose:
    """Priorities of events."""
    draws = Draws(run.seed)
    ranks: dict[int, int] = {}
    """By task: the priority of its next event."""
    pending: dict[int, Touches] = {}

    def watch(kernel: Kernel) -> Sees:
        sight = Sight(kernel)

        def sees(task: Task, code: CodeType | None, place: int) -> None:
            touches, counts = sight.touches(task, code, place)
            if not counts:
                return
            serial = task.serial
            gone = pending.get(serial)
            pending[serial] = touches
            ranks.pop(serial, None)
            if gone:
                for other, theirs in pending.items():
                    if other in ranks and _race(gone, theirs):
                        del ranks[other]
                if len(pending) > 2 * len(kernel.tasks) + _GONE_MAX:
                    for other in pending.keys() - kernel.tasks.keys():
                        del pending[other]

        return sees

    run.watch = watch

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        if not preempting:
            ranks.pop(task.serial, None)  # it waits, or has given way: what comes then is another event
        best, pick = -1, 0
        for place, other in enumerate([task, *kernel.runq] if preempting else kernel.runq):
            rank = ranks.get(other.serial)
            if rank is None:
                rank = ranks[other.serial] = draws.bits(32)
            if rank > best:
                best, pick = rank, place
        return pick

    return choose


def _race(one: Touches, other: Touches) -> bool:
    """Whether two events share a name that one of them writes."""
    for name, written in one.items():  # noqa: SIM110  # a generator takes longer than the look
        if name in other and (written or other[name]):
            return True
    return False
