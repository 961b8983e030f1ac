"""What one run has shown that others may not have: orders of touches, faults that struck together, lines.

PYTEST_DONT_REWRITE

Owns ``Shown``, which looks at a run, and ``Showing``, what it gives: numbers that are equal for equal things, and the places at which tasks meet. Does
not know searches. Laws: seeing changes no run; the numbers are the same in every process; memory is bounded; it goes by names, as strategies do, so a
number too many or too few costs schedules, never a wrong answer.

An *order* is: on one name, a line of one task after a line of another one, of which one writes; how often that came counts by powers of two.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from simsock.choices.drafts import ORDER
from simsock.kernel.happened import Happened
from simsock.kernel.program_lines import frame_in_world
from simsock.kernel.strategies.orders_seen import number_of_text
from simsock.kernel.strategies.sights import Sight
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from types import CodeType

    from simsock.kernel.core import Kernel
    from simsock.kernel.strategies.sights import Touches
    from simsock.kernel.task import Task

LOOKED_MAX = 20_000
"""Points of one run that are looked at for places where tasks meet."""
PLACES_MAX = 200
"""Such places that are told of one run: of more, every second, every third ..."""
_KNOWN_MAX = 100_000
_NUMBERS_MAX = 5
"""How often, as a power of two, up to which runs are told apart."""


class Showing(NamedTuple):
    """What a run gives: plain values, for other processes."""

    features: tuple[int, ...]
    """A number of 64 bits for each thing that it showed, sorted."""
    places: tuple[tuple[str, int], ...]
    """Where tasks meet: (a task's path, the number of its question), in the order in which they came."""


class _Name:
    """Who touched a name last: the task and the line, of all touches and of the writes."""

    __slots__ = ("is_shared", "is_written", "task", "where", "writer", "written")

    def __init__(self) -> None:
        self.task = self.writer = -1
        self.where = self.written = 0
        self.is_shared = self.is_written = False


_lines: dict[tuple[int, int], tuple[CodeType, int]] = {}
"""By identity of the code and line: the code, which so stays alive, and the number of the line. The same for every run."""
_orders: dict[tuple[str, int, int, int], int] = {}


class Shown:
    """Of one run. ``sees`` is told of every point."""

    __slots__ = ("_by_line", "_last", "_lines", "_names", "_orders", "_points", "_sight")

    def __init__(self, kernel: Kernel) -> None:
        self._sight = Sight(kernel)
        self._by_line = kernel.preemption is not None
        self._names: dict[str, _Name] = {}
        self._lines: set[int] = set()
        self._orders: dict[tuple[str, int, int], int] = {}
        self._points: list[tuple[str, int, Touches]] = []
        self._last: dict[int, int] = {}
        """By task: its line."""

    def sees(self, task: Task, code: CodeType | None, place: int) -> None:
        """A point."""
        touches, _ = self._sight.touches(task, code, place)
        serial = task.serial
        if code is not None:
            where = self._last[serial] = _number_of_line(code, place)
            self._lines.add(where)
        elif self._by_line:
            where = self._last.get(serial, 0)
        else:
            frame = frame_in_world(sys._getframe(1))
            where = _number_of_line(frame.f_code, frame.f_lineno) if frame is not None else 0
            self._lines.add(where)
        if not touches:
            return
        if len(self._points) < LOOKED_MAX:
            self._points.append((task.path, task.points, touches))
        names = self._names
        for text, writes in touches.items():
            name = names.get(text)
            if name is None:
                name = names[text] = _Name()
            elif name.task != serial:
                name.is_shared = True
            before, whose = (name.where, name.task) if writes else (name.written, name.writer)
            if whose != serial and whose >= 0:
                order = text, before, where
                self._orders[order] = self._orders.get(order, 0) + 1
            name.task, name.where = serial, where
            if writes:
                name.writer, name.written = serial, where
                name.is_written = True

    def showing(self, kernel: Kernel) -> Showing:
        """When the run is over."""
        features = {number_of_text(f"line {line}") for line in self._lines}
        for (text, before, after), count in self._orders.items():
            features.add(_number_of_order((text, before, after, min(count.bit_length(), _NUMBERS_MAX))))
        counts = kernel.room(Happened).counts()
        struck = sorted(words for words, times, _ in counts.faults if times)
        features.update(number_of_text(f"fault {words} {min(times.bit_length(), _NUMBERS_MAX)}") for words, times, _ in counts.faults if times)
        features.update(number_of_text(f"place {name}") for name, held in counts.places if held)
        asked = sorted({label for label, _, _ in kernel.tape.deviations if not label.endswith(ORDER)})
        features.update(number_of_text(f"answer {label}") for label in asked)
        if struck or asked:
            features.add(number_of_text(f"together {struck} {asked}"))
        return Showing(tuple(sorted(features)), self._places())

    def _places(self) -> tuple[tuple[str, int], ...]:
        met = {text for text, name in self._names.items() if name.is_shared and name.is_written}
        found = list(dict.fromkeys((path, index) for path, index, touches in self._points if not met.isdisjoint(touches)))
        return tuple(found[:: len(found) // PLACES_MAX + 1])


def _number_of_line(code: CodeType, line: int) -> int:
    known = _lines.get((id(code), line))
    if known is None:
        if len(_lines) >= _KNOWN_MAX:
            _lines.clear()
        number = number_of_text(f"{code.co_qualname} {line - code.co_firstlineno}")
        known = _lines[id(code), line] = code, number
    return known[1]


def _number_of_order(order: tuple[str, int, int, int]) -> int:
    number = _orders.get(order)
    if number is None:
        if len(_orders) >= _KNOWN_MAX:
            _orders.clear()
        number = _orders[order] = number_of_text("order {} {} {} {}".format(*order))
    return number


__all__ = ["Showing", "Shown"]
