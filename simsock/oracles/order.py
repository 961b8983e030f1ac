"""Which of two moments of a run came before the other in every run that is the same but for chance: happens-before, by vector clocks.

PYTEST_DONT_REWRITE

Owns the clocks of tasks and of what they tell each other by. Does not know who asks. Laws:

* what orders: starts and ends of tasks, locks and all that ``threading`` and ``queue`` make of them (events, conditions, barriers, queues, futures), queues and
  semaphores in C, and bytes, connections and closes on sockets and pipes; virtual time orders nothing;
* where it is not known who told whom, too much is ordered and never too little: what is not ordered here is not ordered;
* objects are numbered as they are first seen, by weak references: nothing of the program's is kept, and no address decides anything.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from simsock.kernel.program_lines import is_library
from simsock.kernel.task import Task
from simsock.kernel.watchers import Watcher
from simsock.oracles.places import own_code
from simsock.stdlib._locks import _Hybrid
from simsock.stdlib._semaphores import SemLock
from simsock.stdlib._simplequeue import SimpleQueue

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

Clock = dict[int, int]
"""Of each task, by its serial number, how many of its moments came before."""
Stamp = tuple[int, int]
"""A moment: a task's serial number, and its own count then."""
Key = tuple[object, ...]

_BY = (_Hybrid, SimpleQueue, SemLock)
_NUMBERS = re.compile(r"[:#](\d+)\b")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_LEARNS = frozenset(("recv", "read", "accept", "connect"))
_TELLS = frozenset(("send", "write", "close", "shutdown", "bind", "listen", "accept", "connect"))
_ELSEWHERE: Key = ("descriptors",)
"""Pairs, pipes and datagrams all share one."""


class Numbers:
    """Of the program's objects, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._count = 0

    def of(self, thing: Any) -> int:
        """The number of an object."""
        number = self._known.get(thing)
        if number is None:
            self._count += 1
            number = self._known[thing] = self._count
        return number


class Order(Watcher):
    """The clocks of one world: ``kernel.room(Order)``, heard from as soon as somebody wants it."""

    def __init__(self) -> None:
        self.clocks: dict[int, Clock] = {}
        self._told: dict[Key, Clock] = {}
        self._numbers = Numbers()
        self.is_kept = False
        """Whether it hears of its world."""
        self._kernel: Kernel | None = None

    # -- what is asked -----------------------------------------------------------------------------------------------------------------

    def stamp(self, task: Task) -> Stamp:
        """Now, in ``task``."""
        return task.serial, self.clock(task)[task.serial]

    def is_before(self, stamp: Stamp, task: Task) -> bool:
        """Whether a moment came before what ``task`` does now."""
        return self.clock(task).get(stamp[0], 0) >= stamp[1]

    def clock(self, task: Task) -> Clock:
        """A task's."""
        clock = self.clocks.get(task.serial)
        if clock is None:
            clock = self.clocks[task.serial] = {task.serial: 1}
        return clock

    # -- what is told ------------------------------------------------------------------------------------------------------------------

    def tell(self, task: Task, key: Key) -> None:
        """What ``task`` has done so far comes before what others do once they learn by ``key``."""
        clock = self.clock(task)
        _join(self._told.setdefault(key, {}), clock)
        clock[task.serial] += 1

    def learn(self, task: Task, key: Key) -> None:
        """``task`` learns by ``key``."""
        told = self._told.get(key)
        if told is not None:
            _join(self.clock(task), told)

    def world_begins(self, kernel: Kernel) -> None:
        self.is_kept = True
        self._kernel = kernel
        everybody = sorted(kernel.tasks.values(), key=lambda task: task.serial)
        for task in everybody:  # of what was before nothing is known
            self.clock(task)
            self.tell(task, ("before",))
        for task in everybody:
            self.learn(task, ("before",))

    def world_ends(self, kernel: Kernel) -> None:
        self._kernel = None
        self.clocks.clear()
        self._told.clear()

    def task_starts(self, task: Task) -> None:
        starter = task.kernel.current
        clock = self.clocks[task.serial] = dict(self.clock(starter))
        clock[task.serial] = 1
        self.clock(starter)[starter.serial] += 1

    def task_ends(self, task: Task) -> None:
        if not task.kernel.ending:
            self.tell(task, ("end", task.serial))

    def _lets_run(self, task: Task) -> None:
        """The test lets the world run, or has: what it did comes before what others do, and what they did before what it does. Others learn nothing of
        each other by that."""
        clock = self.clock(task)
        for other in self.clocks.values():
            if other is not clock:
                _join(clock, other)
                other[task.serial] = clock[task.serial]
        clock[task.serial] += 1

    def learns(self, task: Task, thing: Any) -> None:
        if thing is None:
            self._lets_run(task)
        elif isinstance(thing, Task):
            self.learn(task, ("end", thing.serial))
        elif isinstance(thing, _BY):
            key = "lock", self._numbers.of(thing)
            holder = getattr(thing, "holder", None)
            if isinstance(holder, Task):  # who has put the flag up has not let the lock go yet
                self.tell(holder, key)
            self.learn(task, key)

    def takes(self, task: Task, thing: Any) -> None:
        if isinstance(thing, _BY) and self._orders(thing):
            self.learn(task, ("lock", self._numbers.of(thing)))

    def gives(self, task: Task, thing: Any) -> None:
        if isinstance(thing, _BY) and self._orders(thing):
            self.tell(task, ("lock", self._numbers.of(thing)))

    def _orders(self, thing: Any) -> bool:
        """Called from ``takes`` and ``gives``."""
        return True

    # -- sockets and pipes -------------------------------------------------------------------------------------------------------------

    def waits(self, task: Task) -> None:
        if task.why.startswith(("send", "write", "connect", "close")):  # others may read the first bytes before the call is over
            self._by_descriptor(task, "send", str(getattr(task.on, "title", "")))

    def recorded(self, record: tuple[Any, ...]) -> None:
        if record[2] in _TELLS or record[2] in _LEARNS:
            kernel = self._kernel
            if kernel is not None and kernel.current.path == record[1]:
                self._by_descriptor(kernel.current, record[2], " ".join(part for part in record[3:5] if isinstance(part, str)))

    def _by_descriptor(self, task: Task, what: str, title: str) -> None:
        for key in _keys(what, title):
            if what in _LEARNS:
                self.learn(task, key)
            if what in _TELLS:
                self.tell(task, key)


class OrderBesidesLocks(Order):
    """The same without the program's own locks: what is not ordered by it can come the other way round, whoever has which lock first."""

    def _orders(self, thing: Any) -> bool:
        if not isinstance(thing, _Hybrid):
            return True
        if not thing.inner:
            return False
        frame = own_code(sys._getframe(2))
        if frame is not None and frame.f_code.co_name in _IN_AND_OUT:
            frame = frame.f_back
        return frame is not None and is_library(frame.f_code.co_filename)  # else it is a condition that the program itself takes as a lock


_IN_AND_OUT = frozenset(("__enter__", "__exit__"))


def _keys(what: str, title: str) -> list[Key]:
    """By what the two ends of a connection, and those who make one, learn of each other: the ports (or numbers) in what a socket is called."""
    if title.startswith("stream of"):  # who connects: then comes the address that it goes to
        port = title.rpartition(" ")[2]
        return [("port", int(port)) if port.isdigit() else _ELSEWHERE]
    numbers = sorted(int(found) for found in _NUMBERS.findall(_BRACKETS.sub("", title)))
    keys: list[Key] = [("connection", *numbers)] if len(numbers) > 1 else []
    if not keys or what == "accept":
        keys += [*(("port", number) for number in numbers), _ELSEWHERE]
    return keys


def _join(clock: Clock, other: Clock) -> None:
    for serial, count in other.items():
        if clock.get(serial, 0) < count:
            clock[serial] = count


__all__ = ["Key", "Numbers", "Order", "OrderBesidesLocks", "Stamp"]
