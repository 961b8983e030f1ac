"""Races on what a test watches, also in runs that came out right.

PYTEST_DONT_REWRITE

Owns ``sim.watch``: the last uses of each watched attribute, and what is a race between two. Does not know how uses are seen (``attributes``), nor what orders
them (``order``). Laws:

* two uses of different tasks race if one writes and neither comes before the other in the order of this run; both having a lock is such an order;
* uses by predicates of the test (``sim.always``, ``sim.run_until``) are none, and what the test does before and after it lets the world run is ordered;
* the run goes on; the first race is told at the world's end, with the number of others. Objects are not kept alive.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from simsock.errors import DataRace
from simsock.kernel import session
from simsock.kernel.watchers import Watcher
from simsock.oracles.attributes import Attribute
from simsock.oracles.findings import tell_first
from simsock.oracles.held import HeldLocks
from simsock.oracles.order import Order, Stamp
from simsock.oracles.places import Place, own_code, place_of_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

_LOOK_MAX = 12
"""Frames above a use in which the test's own waiting is looked for."""
_WAITING = "Simulation.run_until"


class Use(NamedTuple):
    """One use of an attribute."""

    task: int
    path: str
    writes: bool
    stamp: Stamp
    place: Place
    locks: tuple[int, ...]
    names: tuple[str, ...]


class Variable:
    """An attribute of one object: the last use of each task that may still race."""

    __slots__ = ("reads", "words", "writes")

    def __init__(self, words: str) -> None:
        self.words = words
        self.reads: dict[int, Use] = {}
        self.writes: dict[int, Use] = {}


class Watch:
    """One object that is watched. ``remove()`` ends it, and so does the end of a ``with`` block."""

    def __init__(self, accesses: Accesses, thing: Any, number: int, names: tuple[str, ...], points: bool) -> None:
        self._accesses = accesses
        self.number = number
        self.points = points
        words = type(thing).__qualname__.rpartition(".<locals>.")[2]
        self.variables = {name: Variable(f"{words}.{name}") for name in names}
        self.refers: Callable[[], Any]
        try:
            self.refers = ref(thing)
        except TypeError:  # it has slots and none for this
            self.refers = lambda: thing

    def remove(self) -> None:
        """Its uses are seen no more; what was found is told all the same."""
        self._accesses.remove(self)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Accesses(Watcher):
    """Those of one world: ``kernel.room(Accesses)``."""

    order: Order
    locks: HeldLocks

    def __init__(self) -> None:
        self.kernel: Kernel | None = None
        self._watches: dict[int, list[Watch]] = {}
        """By the identity of the object, which decides nothing: whether it is still the same one is asked each time."""
        self._attributes: dict[tuple[type, str], Attribute] = {}
        self._count = 0
        self.found: dict[tuple[str, ...], DataRace] = {}

    def world_begins(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def judge_last(self, kernel: Kernel) -> None:
        """The world's block is over."""
        tell_first(kernel, self.found)

    def world_ends(self, kernel: Kernel) -> None:
        self.take_out()
        tell_first(kernel, self.found)

    def add(self, thing: Any, names: tuple[str, ...], points: bool) -> Watch:
        """Watch one object more."""
        self._count += 1
        watch = Watch(self, thing, self._count, names, points)
        self._watches.setdefault(id(thing), []).append(watch)
        for name in names:
            key = type(thing), name
            if key not in self._attributes:
                self._attributes[key] = Attribute(type(thing), name, self._sees)
        return watch

    def remove(self, watch: Watch) -> None:
        """Not any more."""
        for key, watches in list(self._watches.items()):
            if watch in watches:
                watches.remove(watch)
                if not watches:
                    del self._watches[key]

    def take_out(self) -> None:
        """The classes are as they were before."""
        self._watches.clear()
        while self._attributes:
            self._attributes.popitem()[1].take_out()

    # -- uses --------------------------------------------------------------------------------------------------------------------------

    def _sees(self, thing: Any, attribute: Attribute, writes: bool) -> None:
        watches = self._watches.get(id(thing))
        kernel = self.kernel
        if watches is None or kernel is None or session.active is not kernel or kernel.thread != get_ident() or kernel.ending or kernel.atomic:
            return
        frame = own_code(sys._getframe(1))
        if frame is None or _is_of_the_test_s_waiting(frame):
            return
        for watch in watches:
            variable = watch.variables.get(attribute.name)
            if variable is not None and watch.refers() is thing:
                if watch.points:
                    kernel.point()
                self._note(kernel.current, variable, writes, frame)

    def _note(self, task: Task, variable: Variable, writes: bool, frame: FrameType) -> None:
        held = dict.fromkeys(self.locks.of(task))
        use = Use(
            task.serial,
            task.path,
            writes,
            self.order.stamp(task),
            place_of_frame(frame),
            tuple(one.lock for one in held),
            tuple(dict.fromkeys(one.words for one in held)),
        )
        for earlier in (variable.writes, variable.reads) if writes else (variable.writes,):
            for other in list(earlier.values()):
                if other.task == use.task:
                    continue
                if self.order.is_before(other.stamp, task):
                    if writes:  # whoever races with it races with this one, too
                        del earlier[other.task]
                elif not set(other.locks) & set(use.locks):
                    self._race(variable, other, use)
        (variable.writes if writes else variable.reads)[use.task] = use

    def _race(self, variable: Variable, other: Use, use: Use) -> None:
        same = (variable.words, *sorted(f"{one.place.filename}:{one.place.line}" for one in (other, use)))
        if same in self.found:
            return
        lines = [f"a race on {variable.words}: nothing puts one of these before the other, and no lock is held at both"]
        lines += [f"  {one.path} {'writes' if one.writes else 'reads'} it at {one.place}: {one.place.source}  ({_locks(one)})" for one in (other, use)]
        self.found[same] = DataRace("\n".join(lines), same=same, task=use.path)


def _locks(use: Use) -> str:
    return f"holding {', '.join(use.names)}" if use.names else "holding no lock"


def _is_of_the_test_s_waiting(frame: FrameType | None) -> bool:
    """Whether it is used in what the test waits for."""
    for _ in range(_LOOK_MAX):
        if frame is None:
            break
        if frame.f_code.co_qualname == _WAITING:
            return True
        frame = frame.f_back
    return False


__all__ = ["Accesses", "Watch"]
