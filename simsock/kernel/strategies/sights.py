"""What the strategies see of a run: at each point, the names that the task is about to touch.

PYTEST_DONT_REWRITE

Owns ``Sight``, which turns a point into names, and ``Names``, what was seen of them. Does not know who decides. Laws: seeing changes no run; names
are texts that are the same in every run and process; what is a strategy's affair is a good guess here, not a proof: a name too many or too few
costs schedules, never a wrong answer.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from simsock.kernel.footprints import footprint_of
from simsock.kernel.program_lines import program_frame

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

Touches = tuple[tuple[str, bool], ...]
"""Names, and whether they are written."""
NOTHING: Touches = ()


class Sight:
    """One run's points, as names."""

    __slots__ = ("_by_line", "_known", "_last", "_lines", "_tasks")

    def __init__(self, kernel: Kernel) -> None:
        preemption = kernel.preemption
        self._tasks = kernel.tasks
        self._lines = preemption is not None
        self._by_line = preemption is None or preemption.granularity == "lines"
        self._known: dict[tuple[int, int], tuple[CodeType, Touches]] = {}
        self._last: dict[int, Touches] = {}

    def touches(self, task: Task, code: CodeType | None, place: int) -> tuple[Touches, bool]:
        """What ``task`` is about to touch, and whether this is an event: a simulated operation of a line that was one is none of its own, and while
        no other task is alive there are none.

        ``code`` is None for a simulated operation; whatever its line names may be changed by it.
        """
        alone = len(self._tasks) < 2
        if code is not None:
            found = self._last[task.serial] = self._of_line(code, place)
            return found, not alone
        if self._lines:
            return tuple((name, True) for name, _ in self._last.get(task.serial, NOTHING)), False
        frame = program_frame(sys._getframe(2))
        if frame is None:
            return NOTHING, not alone
        found = self._of_line(frame.f_code, frame.f_lineno)
        return tuple((name, True) for name, _ in found), not alone

    def _of_line(self, code: CodeType, place: int) -> Touches:
        key = (id(code), place)
        known = self._known.get(key)
        if known is None:
            names: dict[str, bool] = {}
            for name, how in sorted(footprint_of(code, place, None, self._by_line)):
                names[name] = names.get(name, False) or how == "w"
            known = self._known[key] = (code, tuple(names.items()))
        return known[1]


class Names:
    """What was seen of names: who touched them, how often, and whether anybody wrote."""

    __slots__ = ("_hot", "touched", "written")

    def __init__(self) -> None:
        self.touched: dict[str, dict[str, int]] = {}
        """By name: how many points of each task (by its path) touch it, at most in one run."""
        self.written: set[str] = set()
        self._hot: dict[str, tuple[tuple[str, int], ...]] | None = None

    def merge(self, other: Names) -> None:
        """What another run has shown as well."""
        for name, tasks in other.touched.items():
            known = self.touched.setdefault(name, {})
            for path, count in tasks.items():
                known[path] = max(known.get(path, 0), count)
        self.written |= other.written
        self._hot = None

    def hot(self) -> Mapping[str, tuple[tuple[str, int], ...]]:
        """Names that two tasks touched and one wrote, each with those tasks and how many points of theirs touch it; in the order of their texts."""
        if self._hot is None:
            self._hot = {name: tuple(sorted(tasks.items())) for name, tasks in sorted(self.touched.items()) if len(tasks) > 1 and name in self.written}
        return self._hot


class Gathering:
    """Sees one run and counts, for the runs that come after it."""

    __slots__ = ("names", "sight")

    def __init__(self, kernel: Kernel) -> None:
        self.sight = Sight(kernel)
        self.names = Names()

    def sees(self, task: Task, code: CodeType | None, place: int) -> None:
        """A point."""
        touches, counts = self.sight.touches(task, code, place)
        touched = self.names.touched
        for name, written in touches:
            if counts:
                tasks = touched.get(name)
                if tasks is None:
                    tasks = touched[name] = {}
                tasks[task.path] = tasks.get(task.path, 0) + 1
            if written:
                self.names.written.add(name)


__all__ = ["Gathering", "Names", "Sight", "Touches"]
