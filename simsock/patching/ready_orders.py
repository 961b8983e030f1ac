"""In which order an event loop runs what is ready: asyncio's and trio's.

PYTEST_DONT_REWRITE

Owns what of it is open and asked of the tape. Does not know coroutines, nor how a loop waits. Laws:

* asyncio leaves open in which order descriptors that are ready at once are told, and timers of one deadline fire; callbacks run in the order in which they were
  scheduled, unless the world's ``asyncio_order="any"`` has some held back for a few rounds of the loop;
* trio leaves the order within a round open, and in which round a task goes on;
* the dull answer is the documented order (trio: oldest first); nothing is asked where one thing alone is ready; in a world whose scheduler is asked
  nothing asyncio's loops are left alone;
* what is held back goes on at the latest when its loop has nothing else to run.
"""

from __future__ import annotations

import random
import sys
from _thread import get_ident
from heapq import heappop
from itertools import groupby
from typing import TYPE_CHECKING, Any

from simsock.choices import derive_seed
from simsock.kernel import session
from simsock.kernel.units import NS
from simsock.patching.room import Room
from simsock.stdlib.time import MONOTONIC_START_NS

if TYPE_CHECKING:
    from simsock.choices.tape import Stream
    from simsock.kernel import Kernel

ROUNDS = (1, 2, 4, 8)
"""For how many rounds of a loop something is held back, by the answer."""
_RATES = 6
_CLASSES = (("asyncio.base_events", "BaseEventLoop", "_run_once"), ("asyncio.selector_events", "BaseSelectorEventLoop", "_process_events"))
_applied: list[tuple[type, str, Any, Any]] = []


class ReadyOrder:
    """Of one world."""

    def __init__(self, kernel: Kernel, explores_all: bool, asks: bool, is_plain: bool) -> None:
        self.kernel = kernel
        self.explores_all = explores_all
        self.asks = asks
        """Whether the order in which threads run is a question, too: asyncio's loops are left alone without."""
        source = kernel.tape.source
        self.is_plain = is_plain and hasattr(source, "seed")
        number = derive_seed(getattr(source, "seed", kernel.seed), "ready orders")
        self._rate = 1 / (2 << number % 3)
        self._holds = 1 / (4 << (number >> 8) % _RATES)
        self._held: dict[int, list[list[Any]]] = {}
        """By a loop's identity: [handle, rounds left], of callbacks that are held back."""
        self._waiting: dict[int, int] = {}
        """By the identity of a task of trio's: for how many rounds more it is held back."""

    def _stream(self, what: str) -> Stream:
        return self.kernel.tape.stream(f"loop {self.kernel.current.path} {what}")

    def shuffled(self, things: list[Any], what: str) -> list[Any]:
        """In an order of the tape's choice."""
        if self.is_plain or len(things) < 2:
            return things
        stream = self._stream(what)
        left, found = list(things), []
        while len(left) > 1:
            found.append(left.pop(stream.seldom(self._rate, len(left))))
        return found + left

    def held_back(self, things: list[Any]) -> list[tuple[Any, int]]:
        """Which of the things that are ready wait for how many rounds; never all of them."""
        if self.is_plain or len(things) < 2:
            return []
        stream = self._stream("holds")
        found: list[tuple[Any, int]] = []
        for thing in things:
            answer = stream.seldom(self._holds, len(ROUNDS) + 1)
            if answer and len(found) < len(things) - 1:
                found.append((thing, ROUNDS[answer - 1]))
                self.kernel.log.append((self.kernel.now, self.kernel.current.path, "holds back", stream.index - 1, _name(thing), ROUNDS[answer - 1]))
        return found

    def waiting(self, tasks: list[Any]) -> list[Any]:
        """Which tasks of a round of trio's go on in a later one; never all of them."""
        before = self._waiting
        self._waiting = {id(task): left for task in tasks if (left := before.get(id(task), 1) - 1) > 0}
        free = [task for task in tasks if id(task) not in self._waiting]
        if len(tasks) > 1:
            for task, rounds in self.held_back(free):
                self._waiting[id(task)] = rounds
        gone = [task for task in tasks if id(task) in self._waiting]
        if len(gone) == len(tasks):
            self._waiting.clear()
            return []
        return gone

    # -- asyncio -----------------------------------------------------------------------------------------------------------------------

    def begin_round(self, loop: Any) -> None:
        """What was held back for long enough is ready again, before the rest; all of it, if nothing else is."""
        held = self._held.get(id(loop))
        if not held:
            return
        for entry in held:
            entry[1] -= 1
        ready = [handle for handle, left in held if left <= 0] if loop._ready else [handle for handle, _ in held]
        self._held[id(loop)] = [entry for entry in held if entry[0] not in ready]
        loop._ready.extendleft(reversed(ready))

    def is_ready(self, loop: Any) -> None:
        """The descriptors have been looked at: which timers are due, and what runs in this round."""
        heap = loop._scheduled
        if len(heap) > 1:
            self._fire(loop, heap)
        if self.explores_all and not loop._stopping and len(loop._ready) > 1:
            held = self.held_back(list(loop._ready))
            if held:
                gone = [handle for handle, _ in held]
                kept = [handle for handle in loop._ready if handle not in gone]
                loop._ready.clear()
                loop._ready.extend(kept)
                self._held.setdefault(id(loop), []).extend([handle, rounds] for handle, rounds in held)

    def _fire(self, loop: Any, heap: list[Any]) -> None:
        """What the loop is about to do, timers of one deadline in an order of the tape's choice."""
        end = (MONOTONIC_START_NS + self.kernel.now) / NS + loop._clock_resolution
        due = []
        while heap and heap[0]._when < end:
            due.append(heappop(heap))
        for _, group in groupby(due, key=lambda handle: handle._when):
            for handle in self.shuffled(list(group), "timers"):
                handle._scheduled = False
                loop._ready.append(handle)


def _name(thing: Any) -> str:
    """What a callback or a task of trio runs: a function's name, which is the same in every run."""
    callback: Any = getattr(thing, "_callback", None)
    task: Any = getattr(callback, "__self__", None) if callback is not None else thing
    coroutine = getattr(task, "coro", None) or (task.get_coro() if hasattr(task, "get_coro") else None)
    named = coroutine if coroutine is not None else callback
    return str(getattr(named, "__qualname__", type(named).__qualname__))


def order_of(kernel: Kernel) -> ReadyOrder:
    """The world's, made when it is first asked for."""
    room = kernel.room(Room)
    if room.ready_order is None:
        room.ready_order = ReadyOrder(kernel, *room.ready_options)
    order: ReadyOrder = room.ready_order
    return order


def _order() -> ReadyOrder | None:
    kernel = session.active
    return None if kernel is None or kernel.thread != get_ident() or not kernel.room(Room).ready_options[1] else order_of(kernel)


def _make_run_once(method: Any) -> Any:
    def _run_once(self: Any) -> Any:
        order = _order()
        if order is not None:
            order.begin_round(self)
        return method(self)

    return _run_once


def _make_process_events(method: Any) -> Any:
    def _process_events(self: Any, event_list: Any) -> Any:
        order = _order()
        if order is None:
            return method(self, event_list)
        found = method(self, order.shuffled(event_list, "descriptors"))
        order.is_ready(self)
        return found

    return _process_events


_MAKERS = {"_run_once": _make_run_once, "_process_events": _make_process_events}


def enter(kernel: Kernel) -> None:
    """A world begins, or goes on after an import."""
    if not kernel.room(Room).ready_options[1]:
        return
    for module, name, attribute in _CLASSES:
        cls = getattr(sys.modules.get(module), name, None)
        if isinstance(cls, type) and attribute in vars(cls) and not any(cls is known for known, *_ in _applied):
            method = vars(cls)[attribute]
            ours = _MAKERS[attribute](method)
            _applied.append((cls, attribute, method, ours))
            setattr(cls, attribute, ours)


def leave() -> None:
    """The world is over."""
    while _applied:
        cls, attribute, method, ours = _applied[-1]
        if vars(cls).get(attribute) is ours:
            setattr(cls, attribute, method)
        _applied.pop()


class TrioOrder(random.Random):
    """In place of trio's generator. It shuffles the tasks of each round, of which the last goes first."""

    def __init__(self, order: ReadyOrder) -> None:
        super().__init__(derive_seed(order.kernel.seed, "trio"))
        self._order = order

    def shuffle(self, x: Any) -> None:
        """A round: ``x`` are its tasks, oldest first."""
        order = self._order
        tasks = order.shuffled(list(x), "round")
        gone = order.waiting(tasks) if order.asks else []
        if gone:
            sys.modules["trio._core._run"].GLOBAL_RUN_CONTEXT.runner.runq.extend(gone)
        x[:] = [task for task in reversed(tasks) if task not in gone]


__all__ = ["ReadyOrder", "TrioOrder", "enter", "leave", "order_of"]
