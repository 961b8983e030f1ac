"""Picks that Hypothesis draws, by one of two members that are drawn as well: sparse switches, or priorities.

PYTEST_DONT_REWRITE

Owns who draws what in one example. Does not know Hypothesis: it asks a source for whole numbers. An example knows nothing of those before it, so
``surw`` has no counts here and ``pcth`` no names: what is left of the portfolio is the walk (``random``, and what ``surw`` and ``pos`` are without
counts), which deviates at places of its own, and priorities with moments (``pct``). Laws:

* a draw of 0 is the dull answer: priorities that are all the same, and no moment, are the plain order, so every schedule shrinks towards it;
* a run with priorities draws once a task and a few times a moment, however many questions it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.kernel.strategies.priorities import Ranks

if TYPE_CHECKING:
    from simsock.choices import DrawnSource
    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.task import Task

RANKS = 16
"""Priorities that are drawn; of two tasks with the same the dull answer goes first."""
MOMENTS_MAX = 3
"""The most moments at which a task falls."""


class _Numbers:
    """What ``Ranks`` draws from."""

    def __init__(self, source: DrawnSource) -> None:
        self._source = source
        self.are_alike = True
        """Whether all priorities are the same until now."""

    def bits(self, size: int) -> int:
        """A priority."""
        rank = self._source.small(RANKS)
        if rank:
            self.are_alike = False
        return rank

    def below(self, count: int) -> int:
        """Which of the fallen is higher."""
        return self._source.small(count)


def drawing(source: DrawnSource, strategy: Any) -> Choose:
    """The picks of one run, for a world whose strategy is ``strategy``: ``random`` is the walk, ``pct`` and ``pcth`` are priorities, any other is one
    of the two."""
    name = strategy.partition(":")[0] if isinstance(strategy, str) else ""
    if name == "random":
        return _walk(source)
    if name in ("pct", "pcth"):
        return _priorities(source)
    chosen: Choose | None = None

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        nonlocal chosen
        if chosen is None:  # at the first question, so that a world that asks none draws nothing
            chosen = _priorities(source) if source.deviates() and source.small(2) else _walk(source)
        return chosen(kernel, task, index, count, preempting)

    return choose


def _walk(source: DrawnSource) -> Choose:
    """Places are drawn for each task by itself."""

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        return source.pick(task.label, count)

    return choose


def _priorities(source: DrawnSource) -> Choose:
    """The task of the highest priority goes on; at a few questions the one that asks falls."""
    numbers = _Numbers(source)
    ranks: Any = None
    moments = gap = 0

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        nonlocal ranks, moments, gap
        if ranks is None:
            if not source.deviates():
                return 0
            moments = source.small(MOMENTS_MAX + 1)
            ranks = Ranks(numbers, moments + 1)  # type: ignore[arg-type]  # all that it draws
            gap = source.far() if moments else 0
        if moments and preempting:
            if gap:
                gap -= 1
            else:
                ranks.fall(task)
                numbers.are_alike = False
                moments -= 1
                gap = source.far() if moments else 0
        pick = int(ranks.choose(kernel, task, preempting))
        return 0 if numbers.are_alike else pick

    return choose


__all__ = ["drawing"]
