"""In which order tasks did what cannot be exchanged: one number for all runs that differ in the order of independent steps only.

PYTEST_DONT_REWRITE

Owns the number. Does not know searches. For each name that two tasks touch and one writes, the order of the writes counts, and which reads lie between
which of them; reads among themselves, and touches of different names by different tasks, do not. Laws: seeing changes no run; the number is the same on
every machine; it goes by names, as strategies do (``sights``), so objects with attributes of one name are not told apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.choices.hashing import blake2b
from simsock.kernel.strategies.sights import Sight

if TYPE_CHECKING:
    from types import CodeType

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

ALWAYS_UP_TO = 100
"""The schedules of a search up to this number are all looked at; of the later ones every ``SAMPLED``-th, because looking takes time at each point."""
SAMPLED = 8
_BITS = (1 << 61) - 1
_FACTOR = 0x5DEECE66D


def is_looked_at(number: int) -> bool:
    """Whether the order of this schedule is noted."""
    return 0 < number <= ALWAYS_UP_TO or number % SAMPLED == 0 < number


def looked_at(first: int, last: int) -> int:
    """How many of the schedules from ``first`` to ``last`` are."""
    return _up_to(last) - _up_to(first - 1)


def _up_to(number: int) -> int:
    return number if number <= ALWAYS_UP_TO else ALWAYS_UP_TO + number // SAMPLED - ALWAYS_UP_TO // SAMPLED


class _Name:
    """What was done with one name: a number for its writes in order, one for the reads since the last."""

    __slots__ = ("first", "is_shared", "is_written", "reads", "writes")

    def __init__(self, first: int) -> None:
        self.first = first
        self.is_shared = self.is_written = False
        self.writes = self.reads = 0


class OrdersSeen:
    """Of one run."""

    __slots__ = ("_names", "_sight", "_tasks")

    def __init__(self, kernel: Kernel) -> None:
        self._sight = Sight(kernel)
        self._names: dict[str, _Name] = {}
        self._tasks: dict[int, int] = {}

    def sees(self, task: Task, code: CodeType | None, place: int) -> None:
        """A point."""
        touches, _ = self._sight.touches(task, code, place)
        if not touches:
            return
        who = self._tasks.get(task.serial)
        if who is None:
            who = self._tasks[task.serial] = number_of_text(task.path)
        names = self._names
        for text, written in touches.items():
            name = names.get(text)
            if name is None:
                name = names[text] = _Name(who)
            elif name.first != who:
                name.is_shared = True
            if written:
                name.is_written = True
                name.writes = ((name.writes + name.reads) * _FACTOR + who) & _BITS
                name.reads = 0
            else:
                name.reads = (name.reads + who) & _BITS

    def order(self) -> int:
        """When the run is over: its number."""
        shared = [(text, name.writes, name.reads) for text, name in sorted(self._names.items()) if name.is_shared and name.is_written]
        return number_of_text(repr(shared)) if shared else 0


def number_of_text(text: str) -> int:
    """64 bits, the same for the same text on every machine."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


__all__ = ["ALWAYS_UP_TO", "SAMPLED", "OrdersSeen", "is_looked_at", "looked_at", "number_of_text"]
