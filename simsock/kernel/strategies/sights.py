"""What the strategies see of a run: at each point, the names that the task is about to touch.

PYTEST_DONT_REWRITE

Owns ``Sight``, which turns a point into names, and ``Names``, what was seen of them. Does not know who decides. Laws: seeing changes no run; names
are texts that are the same in every run and process; what is a strategy's affair is a good guess here, not a proof: a name too many or too few
costs schedules, never a wrong answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import CodeType
from typing import TYPE_CHECKING

from simsock.kernel.holders import named_footprint
from simsock.kernel.program_lines import frame_in_world

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

Touches = Mapping[str, bool]
"""Names, in the order of their texts, and whether they are written."""
NOTHING: Touches = {}

_known: dict[tuple[int, bool], tuple[CodeType, dict[int, Touches]]] = {}
"""By identity of the code and whether by lines: the code, which so stays alive, and what its lines touch. The same for every run."""
_KNOWN_MAX = 20_000


def _places_of(code: CodeType, by_line: bool) -> dict[int, Touches]:
    known = _known.get((id(code), by_line))
    if known is None:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        known = _known[id(code), by_line] = code, {}
    return known[1]


class Sight:
    """One run's points, as names."""

    __slots__ = ("_by_line", "_code", "_last", "_lines", "_places", "_tasks")

    def __init__(self, kernel: Kernel) -> None:
        preemption = kernel.preemption
        self._tasks = kernel.tasks
        self._lines = preemption is not None
        self._by_line = preemption is None or preemption.granularity == "lines"
        self._code: CodeType | None = None
        self._places: dict[int, Touches] = {}
        """Of the code that was asked about last."""
        self._last: dict[int, Touches] = {}

    def touches(self, task: Task, code: CodeType | None, place: int) -> tuple[Touches, bool]:
        """What ``task`` is about to touch, and whether this is an event: a simulated operation of a line that was one is none of its own, and while
        no other task is alive there are none.

        ``code`` is None for a simulated operation; whatever its line names may be changed by it.
        """
        if code is not None:
            found = self._last[task.serial] = self._of_line(code, place)
            return found, len(self._tasks) > 1
        if self._lines:
            return dict.fromkeys(self._last.get(task.serial, NOTHING), True), False
        frame = frame_in_world(sys._getframe(2))
        if frame is None:
            return NOTHING, len(self._tasks) > 1
        return dict.fromkeys(self._of_line(frame.f_code, frame.f_lineno), True), len(self._tasks) > 1

    def _of_line(self, code: CodeType, place: int) -> Touches:
        if code is not self._code:
            self._code, self._places = code, _places_of(code, self._by_line)
        if place in self._places:
            return self._places[place]
        names: dict[str, bool] = {}
        for name, how in sorted(named_footprint(code, place, self._by_line)):
            names[name] = names.get(name, False) or how == "w"
        self._places[place] = names
        return names


class Born:
    """Which tasks of a run have been started until now."""

    __slots__ = ("_first", "_tasks", "newest", "serials")

    def __init__(self, kernel: Kernel) -> None:
        self._tasks = kernel.tasks
        self._first = kernel.first.path
        self.newest = -1
        """The serial number of the task that was started last."""
        self.serials: dict[str, int] = {}
        """By a task's path, also when it has ended."""

    def look(self) -> int:
        """See who is there now. Returns ``newest``."""
        last = next(reversed(self._tasks))
        if last > self.newest:
            for serial, task in self._tasks.items():
                if serial > self.newest:
                    self.serials[task.path] = serial
            self.newest = last
        return self.newest

    def may_meet(self, path: str, others: Iterable[str], newest: int | None = None) -> bool:
        """Whether one of ``others`` may run while ``path`` stands still: now, or when ``newest`` was started last. That is so of all but those that
        ``path`` itself has yet to start."""
        if newest is None:
            newest = self.look()
        serials = self.serials
        for other in others:
            if other != path and (serials.get(other, newest + 1) <= newest or not (path == self._first or other.startswith(f"{path}/"))):
                return True
        return False


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
    """Sees one run and counts, for the runs that come after it.

    A point on a name counts where another task that touches the name at some time may come between: not one that has yet to be started by this one.
    """

    __slots__ = ("_born", "_seen", "_sight")

    def __init__(self, kernel: Kernel) -> None:
        self._sight = Sight(kernel)
        self._born = Born(kernel)
        self._seen: dict[str, dict[tuple[str, int], list[int]]] = {}
        """By name, by task and the newest task at that moment: how many points, how many operations and writes."""

    def sees(self, task: Task, code: CodeType | None, place: int) -> None:
        """A point."""
        touches, counts = self._sight.touches(task, code, place)
        key = task.path, self._born.look()
        for name, written in touches.items():
            there = self._seen.setdefault(name, {}).setdefault(key, [0, 0])
            there[0] += counts
            there[1] += written

    def names(self) -> Names:
        """What was seen, when the run is over."""
        found, born = Names(), self._born
        for name, there in self._seen.items():
            paths = {path for (path, _), (points, _) in there.items() if points}
            tasks: dict[str, int] = {}
            for (path, newest), (points, writes) in there.items():
                if born.may_meet(path, paths, newest):
                    if points:
                        tasks[path] = tasks.get(path, 0) + points
                    if writes:
                        found.written.add(name)
            if tasks:
                found.touched[name] = tasks
        return found


__all__ = ["Born", "Gathering", "Names", "Sight", "Touches"]
