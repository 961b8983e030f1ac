"""Trying all schedules: those without a preemption first, then those with one, with two, and so on.

Owns the order in which a search without chance goes through the questions of a test. Does not know worlds: it is told what was asked. Bounding by
preemptions is Musuvathi and Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded Programs", PLDI 2007. Laws:

* no schedule is tried twice; nothing is left out on the ground that it would be like another (``pruning`` does that, after the levels);
* a level is done when each schedule with so many preemptions was tried; what is said to hold was tried to the end, on every level;
* a test that asks anything but the scheduler (a link that loses, a number by chance) is never said to hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.choices import Deviation
from simsock.kernel.strategies import replaying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

Plan = tuple[Deviation, ...]


class Asked(NamedTuple):
    """A question of the scheduler: who asked, its number, how many could go on, and whether the task that asked was one of them."""

    label: str
    index: int  # type: ignore[assignment]  # hides tuple.index, as in Deviation
    count: int  # type: ignore[assignment]
    preempting: bool


class Recorder:
    """Answers as a replay does, and writes the questions of one run down that come after its last deviation."""

    def __init__(self, plan: Plan) -> None:
        self._last = plan[-1][:2] if plan else None
        self.asked: list[Asked] = []

    def choose(self, kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        """As ``replaying``."""
        if self._last is None:
            self.asked.append(Asked(task.label, index, count, preempting))
        elif self._last == (task.label, index):
            self._last = None
        return replaying(kernel, task, index, count, preempting)


class Exhausting:
    """All schedules of one test. ``most``: the level to stop after, or None to go on to the last.

    ``share``: without ``most``, how many schedules a level may take for another search to be no better, one that leaves out what cannot differ; None
    where there is no such search.
    """

    def __init__(self, most: int | None, share: int | None = None) -> None:
        self.most = most
        self.share = share
        self.is_left = False
        """Whether the levels that are left are for the other search."""
        self._tried_here = 0
        self._at_one = 0
        self.level = 0
        self.bound: int | None = None
        """Every schedule with at most so many preemptions was tried."""
        self.is_exhausted = False
        self.only_schedules = True
        self._here: list[Iterator[Plan]] = []
        self._above: list[Iterator[Plan]] = []
        self._first = True

    def next(self) -> Plan | None:
        """The deviations of the schedule to try next; None when there is none left, or the level to stop after is done."""
        if self._first:
            self._first = False
            return ()
        while True:
            while self._here:
                plan = next(self._here[-1], None)
                if plan is not None:
                    return plan
                self._here.pop()
            self.bound = self.level
            if not self._above:
                self.is_exhausted = True
                return None
            if self.most is not None and self.level >= self.most:
                return None
            if self.most is None and self._is_for_the_other():
                self.is_left = True
                return None
            self.level += 1
            self._here, self._above = self._above[::-1], []

    def _is_for_the_other(self) -> bool:
        """A level is done: whether the next one is likely to have too many schedules."""
        here, self._tried_here = self._tried_here, 0
        if self.level == 1:
            self._at_one = here
        return self.share is not None and self.level >= 1 and here * self._at_one // (self.level + 1) > self.share

    def tried(self, plan: Plan, recorder: Recorder, labels: Any) -> None:
        """It was tried and passed. ``labels``: who asked questions, the scheduler apart."""
        self._tried_here += 1
        if any(True for _ in labels):
            self.only_schedules = False
        asked = recorder.asked
        if any(not question.preempting and question.count > 1 for question in asked):
            self._here.append(_children(plan, asked, False))
        if any(question.preempting for question in asked):
            self._above.append(_children(plan, asked, True))

    @property
    def holds(self) -> bool:
        """Whether nothing else can happen."""
        return self.is_exhausted and self.only_schedules


def _children(plan: Plan, asked: list[Asked], preempting: bool) -> Iterator[Plan]:
    for question in asked:
        if question.preempting == preempting:
            for pick in range(1, question.count):
                yield (*plan, Deviation(question.label, question.index, pick))


__all__ = ["Exhausting", "Recorder"]
