"""What tasks went through besides being switched: standing still, and collections of garbage.

Owns the notes about both and their words. Does not know how a run is listened to, nor stories. Law: texts and numbers only, nothing of the program's.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.kernel.operands import operand_at
from simsock.kernel.task_table import taken_by
from simsock.kernel.units import NS

if TYPE_CHECKING:
    from types import CodeType

    from simsock.kernel.task import Task
    from simsock.report.story import Words

Place = tuple[str, int]
Record = tuple[Any, ...]
STANDS_STILL, GOES_ON, COLLECTS, HOLDS_BACK = "stands still", "may go on", "collects", "holds back"


class Where(NamedTuple):
    """Where a task stood: between ``before`` and ``place``, or before the call of ``what`` at ``place``."""

    before: Place | None
    place: Place | None
    what: str = ""


class Held(NamedTuple):
    """A lock that a task has: its name, whose lock it is if ``threading`` or ``queue`` made it for itself, and the call by which the program took it."""

    name: str
    of: str
    code: CodeType | None
    offset: int

    def in_words(self) -> str:
        """``"Lock-1 (self.lock)"``, ``"the lock of a Queue (jobs)"``."""
        called = "" if self.code is None else operand_at(self.code, self.offset)
        return (f"the lock of a {self.of}" if self.of else self.name) + (f" ({called})" if called else "")


class Besides:
    """Notes of one run."""

    def __init__(self) -> None:
        self._began: dict[tuple[str, int], Where] = {}
        self._ended: dict[tuple[str, int], Record] = {}
        self._collected: dict[tuple[str, int], tuple[Where, tuple[str, ...]]] = {}
        self._later: dict[tuple[str, int], Record] = {}
        self._struck: dict[int, tuple[Where | None, int]] = {}
        self._killed: dict[int, tuple[str, Where | None, str, int]] = {}
        self.taken: dict[tuple[str, int], int] = {}
        """By the label and number of a question about a send that took a part: how many bytes it was given."""
        self._has: dict[str, list[Held]] = {}
        """Which locks each task has taken and not given back."""

    def takes(self, task: Task, thing: Any) -> None:
        """Something was taken; what nobody can hold, such as an item of a queue, is not what this is about."""
        if hasattr(thing, "holder"):
            frame, library = taken_by(sys._getframe(1))
            of = library.partition(".")[0] if getattr(thing, "inner", False) else ""
            place = (None, 0) if frame is None else (frame.f_code, frame.f_lasti)
            self._has.setdefault(task.path, []).append(Held(str(thing.describe()), of, *place))

    def gives(self, task: Task, thing: Any) -> None:
        """It was given back, by whoever took it or by another task."""
        name = str(thing.describe())
        for has in (self._has.get(task.path, []), *self._has.values()):
            for held in reversed(has):
                if held.name == name:
                    has.remove(held)
                    return

    def note(self, record: Record, where: Where) -> None:
        """One of the four kinds of records was written, by a task that stands there."""
        key = record[1], record[3]
        if record[2] == STANDS_STILL:
            self._began[key] = where
        elif record[2] == GOES_ON:
            self._ended[key] = record
        elif record[2] == HOLDS_BACK:
            self._later[key] = record
        else:
            self._collected[key] = where, tuple(dict.fromkeys(held.in_words() for held in self._has.get(record[1], ())))

    def stood_still(self, path: str, index: int, words: Words) -> str:
        """``"task worker stood still before a.py:3 until main's sleep was over"``."""
        where = self._began.get((path, index))
        said = f"task {words.task(path)} stood still" + (_before(where, words) if where is not None else "")
        ended = self._ended.get((path, index))
        if ended is None:
            return said + (" until the end, or until something else ended that" if where is not None else "")
        ns, *until = ended[4:]
        if not until or not until[0]:
            return f"{said} for {_duration(ns)}" if not until or ns else f"{said} until something on its way had arrived"
        whose, why = until
        return f"{said} until {words.task(whose)}'s {why} {'was over' if why in ('sleep', 'polling', 'spinning') else 'timed out'} ({_duration(ns)})"

    def strikes(self, record: Record, where: Where | None) -> None:
        """A signal came whose moment was drawn; the first task stood there, or waited."""
        self._struck[record[4]] = where, record[0]

    def struck(self, signal: str, number: int, words: Words) -> str:
        """``"SIGTERM came before a.py:3 of main"``."""
        where, now = self._struck.get(number, (None, 0))
        if where is not None and where.place is not None and (said := _before(where, words)):
            return f"{signal} came{said} ({_duration(now)} after the world had begun)"
        return f"{signal} came {_duration(now)} after the world had begun" if number in self._struck else f"{signal} did not come"

    def kills(self, record: Record, where: Where | None, call: str) -> None:
        """A process was killed at a moment that was drawn; it stood at a line, or had made a call (``" before socket.recv"``)."""
        self._killed[record[4]] = record[3], where, call, record[0]

    def killed(self, number: int, words: Words) -> str:
        """``"process-1 was killed in socket.recv (3 ms after the world had begun)"``."""
        path, where, call, now = self._killed.get(number, ("", None, "", 0))
        if not path:
            return "the process had ended before it could be killed"
        stood = _before(where, words) if where is not None else call
        return f"{words.task(path)} was killed{stood} ({_duration(now)} after the world had begun)"

    def held_back(self, path: str, index: int, words: Words) -> str:
        """``"in the event loop of main, transfer ran 4 rounds later"``."""
        record = self._later.get((path, index))
        what, rounds = record[4:] if record is not None else ("a callback", 0)
        return f"in the event loop of {words.task(path)}, {what} ran {f'{rounds} round' + 's' * (rounds > 1) if rounds else 'rounds'} later than it could have"

    def collected(self, path: str, index: int, words: Words) -> str:
        """``"the garbage collector ran before a.py:3 of worker, which held Lock-1 (self.lock)"``."""
        where, has = self._collected.get((path, index), (None, ()))
        task = words.task(path)
        if where is None:
            return f"the garbage collector ran in {task}"
        said = _before(where, words) if where.place is not None else ""
        return f"the garbage collector ran{f'{said} of {task}' if said else f' in {task}'}" + (f", which held {', '.join(has)}" if has else "")


def _before(where: Where, words: Words) -> str:
    if where.place is None:
        return " before its first line"
    if where.what:
        return f" before {where.what} ({words.place(where.place)})"
    if where.before is None or where.before == where.place:
        return f" before {words.place(where.place)}"
    return f" between {words.place(where.before)} and {words.place(where.place)}"


def _duration(ns: int) -> str:
    """``"3 ms"``, ``"1.5 s"``, ``"200 ns"``."""
    for unit, size in (("s", NS), ("ms", 1_000_000), ("us", 1_000)):
        if ns >= size:
            return f"{ns / size:.4g} {unit}"
    return f"{ns} ns"


__all__ = ["COLLECTS", "GOES_ON", "HOLDS_BACK", "STANDS_STILL", "Besides", "Where"]
