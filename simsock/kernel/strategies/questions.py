"""All questions of one run, in order: what else could have been answered, and where.

PYTEST_DONT_REWRITE

Owns the list that shrinking works through when it looks for a run of one deviation. Does not know shrinking. Laws:

* the answers are those of a record, as in a replay: to write the questions down changes no run;
* a question's rank says how likely its answer matters: 0 where a task stands before a line that touches something which another task touches too
  and one of them writes, 1 where what it touches is not known, 2 elsewhere;
* the list is bounded: of a very long run the first questions are kept.
"""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING

from simsock.kernel.footprints import ANYTHING, NOTHING, Footprint, footprint_of
from simsock.kernel.strategies.records import replaying
from simsock.kernel.watchers import Watcher
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

QUESTIONS_MAX = 50_000
HOT, UNKNOWN, COLD = range(3)


class Question(NamedTuple):
    """A question of the scheduler: its label, its number under that label, how many candidates there were, and its rank."""

    label: str
    index: int  # type: ignore[assignment]  # hides tuple.index, as in Deviation
    count: int  # type: ignore[assignment]
    rank: int


class Questions(Watcher):
    """Of one world: a watcher of it, whose ``choose`` is asked. ``by_line``: points are lines, not instructions."""

    def __init__(self, by_line: bool) -> None:
        self._by_line = by_line
        self._asked: list[tuple[str, int, int, Footprint]] = []
        self._ahead: dict[str, Footprint] = {}
        """By a task's path: what the line touches that it is about to run, or ran last."""
        self._touched: dict[str, set[tuple[str, str]]] = {}

    def line(self, task: Task, code: CodeType, at: int) -> None:
        touches = self._ahead[task.path] = footprint_of(code, at, by_line=self._by_line)
        self._touched.setdefault(task.path, set()).update(touches)

    def choose(self, kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        """As a replay does, and the question is written down."""
        if len(self._asked) < QUESTIONS_MAX:
            would_run = task if preempting else kernel.runq[0]
            self._asked.append((task.label, index, count, self._ahead.get(would_run.path, NOTHING)))
        return replaying(kernel, task, index, count, preempting)

    def asked(self) -> list[Question]:
        """When the run is over: its questions, in the order in which they were asked."""
        hot = self._hot()
        return [Question(label, index, count, _rank(touches, hot)) for label, index, count, touches in self._asked]

    def _hot(self) -> set[str]:
        """Names that two tasks touch and one of them writes."""
        touched: dict[str, set[str]] = {}
        written: set[str] = set()
        for path, touches in self._touched.items():
            for name, mode in touches:
                touched.setdefault(name, set()).add(path)
                if mode == "w":
                    written.add(name)
        return {name for name in written if len(touched[name]) > 1 and name != ANYTHING}


def _rank(touches: Footprint, hot: set[str]) -> int:
    names = {name for name, _ in touches}
    return HOT if not hot.isdisjoint(names) else UNKNOWN if ANYTHING in names else COLD


__all__ = ["COLD", "HOT", "UNKNOWN", "Question", "Questions"]
