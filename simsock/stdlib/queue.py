"""Stand-in for ``queue``: the standard names, waiting in virtual time.

PYTEST_DONT_REWRITE

Owns what stands in a queue and who waits for it. Laws:

* items leave in the order of the class; those who wait are served first come, first served, but may be overtaken once each (``Line``);
* no item and no free place is lost when a task dies between being woken and taking it;
* the override points ``_init``, ``_qsize``, ``_put`` and ``_get`` are called by one task at a time: code of the program in them may be
  switched out. Programs may hold ``mutex`` themselves, and notify the three conditions.
"""

from __future__ import annotations

import queue as _real
from collections import deque
from heapq import heappop, heappush
from queue import Empty, Full
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.stdlib._conditions import Condition
from simsock.stdlib._locks import Lock
from simsock.stdlib._waiting import Line, begin, described, in_vain, looked, nanoseconds, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

__all__ = ["Empty", "Full", "LifoQueue", "PriorityQueue", "Queue", "SimpleQueue"]

_ShutDown: type[Exception] = getattr(_real, "ShutDown", Empty)
"""What a queue that was shut down raises. Only Python 3.13 and later can shut one down; here, too."""
if hasattr(_real, "ShutDown"):
    ShutDown = _ShutDown
    __all__ += ["ShutDown"]


def __getattr__(name: str) -> Any:
    if name in _real.__all__:
        raise Unsupported(f"queue.{name} is not simulated yet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _patience(block: Any, timeout: Any) -> int:
    """How long an operation waits, in nanoseconds: -1 for ever, 0 not at all. Errors as in CPython's queue.py."""
    if not block:
        return 0
    if timeout is None:
        return -1
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return nanoseconds(timeout)


class _Side:
    """One side of a queue: who waits for an item, or for a place. ``promised``: how many are there for tasks that have yet to take them."""

    __slots__ = ("line", "promised")

    def __init__(self) -> None:
        self.line = Line()
        self.promised = 0

    def offer(self, kernel: Kernel) -> None:
        """One more is there."""
        if self.line.offer(kernel) is not None:
            self.promised += 1

    def wake_all(self, kernel: Kernel) -> None:
        """Everybody is to look again."""
        kernel.wake_all(self.line.fresh)
        self.promised += len(self.line.barged)
        kernel.wake_all(self.line.barged)


class _News(Condition):
    """``not_empty``, ``not_full`` or ``all_tasks_done``: for programs that wait and notify by hand, holding ``mutex``."""

    def __init__(self, lock: Lock, look_again: Callable[[Kernel, int | None], None]) -> None:
        super().__init__(lock)
        self._look_again = look_again

    def _tell(self, kernel: Kernel | None, n: int | None) -> None:
        super()._tell(kernel, n)
        if kernel is not None:
            self._look_again(kernel, n)


class Queue:
    """First in, first out; at most ``maxsize`` items, or any number if that is zero or less."""

    def __init__(self, maxsize: int = 0) -> None:
        self._kernel = kernel = session.active
        self._serial = number(kernel, "Queue")
        self.maxsize = maxsize
        self.mutex = Lock()
        self.unfinished_tasks = 0
        self.is_shutdown = False
        self._items = _Side()
        self._places = _Side()
        self._joiners: deque[Task] = deque()
        self._news: dict[str, _News] | None = None
        self._init(maxsize)

    # -- putting and getting -------------------------------------------------------------------------------------------------------

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add an item. Without a free place: wait, at most ``timeout`` virtual seconds, then ``Full``; with ``block=False`` at once."""
        kernel = self._enter()
        try:
            self._check_open()
            if self.maxsize > 0:
                ns = -1 if block and timeout is None else _patience(block, timeout)
                if not self._has_place():
                    self._wait(kernel, ns, self._places, "put to", self._has_place, Full)
                    self._check_open()
            self._put(item)
            self.unfinished_tasks += 1
            if kernel is not None:
                if kernel.watchers is not None:
                    kernel.watchers.gives(kernel.current, self)
                self._items.offer(kernel)
                if self._news is not None:
                    self._tell(kernel, "not_empty", 1)
        finally:
            self._leave(kernel)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item. Without one: wait, at most ``timeout`` virtual seconds, then ``Empty``; with ``block=False`` at once."""
        kernel = self._enter()
        try:
            ns = -1 if block and timeout is None else _patience(block, timeout)
            if self._qsize() <= self._items.promised:
                if not self.is_shutdown:
                    self._wait(kernel, ns, self._items, "get from", self._has_item, Empty)
                if not self._qsize():
                    raise _ShutDown
            item = self._get()
            if kernel is not None and kernel.watchers is not None:
                kernel.watchers.takes(kernel.current, self)
            if kernel is not None and self.maxsize > 0:
                self._places.offer(kernel)
                if self._news is not None:
                    self._tell(kernel, "not_full", 1)
            return item
        finally:
            self._leave(kernel)

    def put_nowait(self, item: Any) -> None:
        """``put`` that does not wait."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """``get`` that does not wait."""
        return self.get(block=False)

    # -- tasks that are done ---------------------------------------------------------------------------------------------------------

    def task_done(self) -> None:
        """What was taken is dealt with. ``ValueError`` when that was said more often than items were put."""
        kernel = self._enter()
        try:
            if self.unfinished_tasks <= 0:
                raise ValueError("task_done() called too many times")
            self.unfinished_tasks -= 1
            if self.unfinished_tasks == 0:
                self._all_done(kernel)
        finally:
            self._leave(kernel)

    def join(self) -> None:
        """Wait until everything that was put has been dealt with."""
        kernel = self._enter()
        try:
            while self.unfinished_tasks:
                kernel = kernel or session.kernel()
                self.mutex._free(kernel)
                kernel.wait(self._joiners, None, "join", self)
                self.mutex._take(kernel)
        finally:
            self._leave(kernel)

    if hasattr(_real.Queue, "shutdown"):

        def shutdown(self, immediate: bool = False) -> None:
            """From now on ``put`` raises ``ShutDown``, and ``get`` when the queue is empty, which ``immediate`` sees to at once."""
            kernel = self._enter()
            try:
                self.is_shutdown = True
                if immediate:
                    while self._qsize():
                        self._get()
                        if self.unfinished_tasks > 0:
                            self.unfinished_tasks -= 1
                    self._all_done(kernel)
                if kernel is not None:
                    self._items.wake_all(kernel)
                    self._places.wake_all(kernel)
                    self._tell(kernel, "not_empty", None)
                    self._tell(kernel, "not_full", None)
            finally:
                self._leave(kernel)

    # -- looking -------------------------------------------------------------------------------------------------------------------

    def qsize(self) -> int:
        """How many items there are now."""
        kernel = self._enter()
        try:
            size = self._qsize()
        finally:
            self._leave(kernel)
        looked(kernel)
        return size

    def empty(self) -> bool:
        """Whether there are no items now."""
        kernel = self._enter()
        try:
            size = self._qsize()
        finally:
            self._leave(kernel)
        if size:
            looked(kernel)
        else:
            in_vain(kernel)
        return not size

    def full(self) -> bool:
        """Whether there is no free place now."""
        kernel = self._enter()
        try:
            full = 0 < self.maxsize <= self._qsize()
        finally:
            self._leave(kernel)
        if full:
            in_vain(kernel)
        else:
            looked(kernel)
        return full

    # -- how it is organised: override these. They are called with the mutex held ------------------------------------------------------

    def _init(self, maxsize: int) -> None:
        self.queue: Any = deque()

    def _qsize(self) -> int:
        return len(self.queue)

    def _put(self, item: Any) -> None:
        self.queue.append(item)

    def _get(self) -> Any:
        return self.queue.popleft()

    # -- within --------------------------------------------------------------------------------------------------------------------

    def _enter(self) -> Kernel | None:
        """An operation begins: it has the mutex, without that being a point of its own."""
        kernel = begin(self._kernel)
        mutex = self.mutex
        if mutex.holder is None and kernel is not None and not kernel.ending:
            mutex.holder = kernel.current
        else:
            mutex._take(kernel)
        return kernel

    def _leave(self, kernel: Kernel | None) -> None:
        mutex = self.mutex
        if mutex._line is None:
            mutex.holder = None
        elif kernel is None or mutex.holder is kernel.current:  # it is not when the task died while it waited for the mutex
            mutex._free(kernel)

    def _check_open(self) -> None:
        if self.is_shutdown:
            raise _ShutDown

    def _has_item(self) -> bool:
        return self._qsize() > self._items.promised

    def _has_place(self) -> bool:
        return self.maxsize <= 0 or self._qsize() + self._places.promised < self.maxsize

    def _wait(self, kernel: Kernel | None, ns: int, side: _Side, why: str, there: Callable[[], bool], nothing: type[Exception]) -> None:
        """Give the mutex up until ``there()``, at most for ``ns``, then raise ``nothing``. See ``Line.wait`` for the two queues."""
        if ns == 0:
            self.mutex._free(kernel)
            in_vain(kernel)
            self.mutex._take(kernel)
            raise nothing
        kernel = kernel or session.kernel()
        deadline = None if ns < 0 else kernel.now + ns
        task = kernel.current
        queue = side.line.fresh
        while True:
            woken = None
            task.woken = False
            self.mutex._free(kernel)
            try:
                woken = kernel.wait(queue, deadline, why, self)
                self.mutex._take(kernel)
            except BaseException:
                if task.woken if woken is None else woken:
                    self._pass_on(kernel, side, there, queue is side.line.barged)
                raise
            if queue is side.line.barged and woken:
                side.promised -= 1
                return
            if there() or self.is_shutdown:
                return
            if not woken:
                raise nothing
            queue = side.line.barged

    def _pass_on(self, kernel: Kernel, side: _Side, there: Callable[[], bool], promised: bool) -> None:
        """A task died that had been woken for something: the next one may have it."""
        if promised:
            side.promised -= 1
        kernel.atomic += 1  # the mutex is not to be had here, and ``_qsize`` may be the program's
        try:
            if there():
                side.offer(kernel)
        finally:
            kernel.atomic -= 1

    def _all_done(self, kernel: Kernel | None) -> None:
        if kernel is not None:
            kernel.wake_all(self._joiners)
            self._tell(kernel, "all_tasks_done", None)

    # -- for programs that wait and notify by hand -------------------------------------------------------------------------------------

    def _tell(self, kernel: Kernel, name: str, n: int | None) -> None:
        """Wake those who wait for one of the conditions, which are made when a program first asks for them."""
        if self._news is not None and name in self._news:
            Condition._tell(self._news[name], kernel, n)

    def _condition(self, name: str, look_again: Callable[[Kernel, int | None], None]) -> _News:
        if self._news is None:
            self._news = {}
        if name not in self._news:
            self._news[name] = _News(self.mutex, look_again)
        return self._news[name]

    @property
    def not_empty(self) -> Condition:
        """Notified when an item is put; notify it after putting one by hand. Its lock is ``mutex``."""
        return self._condition("not_empty", lambda kernel, n: self._look_again(kernel, self._items, self._has_item, n))

    @property
    def not_full(self) -> Condition:
        """Notified when an item is taken; notify it after taking one by hand. Its lock is ``mutex``."""
        return self._condition("not_full", lambda kernel, n: self._look_again(kernel, self._places, self._has_place, n))

    @property
    def all_tasks_done(self) -> Condition:
        """Notified when everything was dealt with; notify it after setting ``unfinished_tasks`` to zero by hand. Its lock is ``mutex``."""
        return self._condition("all_tasks_done", lambda kernel, n: kernel.wake_all(self._joiners))

    def _look_again(self, kernel: Kernel, side: _Side, there: Callable[[], bool], n: int | None) -> None:
        waiting = len(side.line.fresh) + len(side.line.barged)
        for _ in range(waiting if n is None else min(n, waiting)):
            if there():
                side.offer(kernel)

    __class_getitem__: Any = classmethod(GenericAlias)

    def describe(self) -> str:
        """A few words for reports."""
        return described(type(self).__name__, self._serial)

    def __repr__(self) -> str:
        return f"<queue.{type(self).__qualname__} {self.describe()}>"


class PriorityQueue(Queue):
    """The smallest item first."""

    def _init(self, maxsize: int) -> None:
        self.queue = []

    def _put(self, item: Any) -> None:
        heappush(self.queue, item)

    def _get(self) -> Any:
        return heappop(self.queue)


class LifoQueue(Queue):
    """Last in, first out."""

    def _init(self, maxsize: int) -> None:
        self.queue = []

    def _get(self) -> Any:
        return self.queue.pop()


class SimpleQueue:
    """First in, first out, without a limit and without counting what is done."""

    def __init__(self) -> None:
        self._kernel = kernel = session.active
        self._serial = number(kernel, "SimpleQueue")
        self._queue: deque[Any] = deque()
        self._items = _Side()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add an item. The other arguments are there to look like ``Queue``."""
        kernel = begin(self._kernel)
        self._queue.append(item)
        if kernel is not None:
            if kernel.watchers is not None:
                kernel.watchers.gives(kernel.current, self)
            self._items.offer(kernel)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item. Without one: wait, at most ``timeout`` virtual seconds, then ``Empty``; with ``block=False`` at once."""
        kernel = begin(self._kernel)
        ns = -1 if block and timeout is None else _patience(block, timeout)
        if len(self._queue) <= self._items.promised:
            if ns == 0:
                in_vain(kernel)
                raise Empty
            kernel = kernel or session.kernel()
            deadline = None if ns < 0 else kernel.now + ns
            if not self._items.line.wait(kernel, deadline, "get from", self, self._claim, self._pass_on):
                raise Empty
            self._items.promised -= 1
        if kernel is not None and kernel.watchers is not None:
            kernel.watchers.takes(kernel.current, self)
        return self._queue.popleft()

    def put_nowait(self, item: Any) -> None:
        """``put``, which never waits."""
        self.put(item)

    def get_nowait(self) -> Any:
        """``get`` that does not wait."""
        return self.get(block=False)

    def qsize(self) -> int:
        """How many items there are now."""
        looked(begin(self._kernel))
        return len(self._queue)

    def empty(self) -> bool:
        """Whether there are no items now."""
        kernel = begin(self._kernel)
        empty = not self._queue
        if empty:
            in_vain(kernel)
        else:
            looked(kernel)
        return empty

    def _claim(self) -> bool:
        if len(self._queue) > self._items.promised:
            self._items.promised += 1
            return True
        return False

    def _pass_on(self, kernel: Kernel, handed_over: bool) -> None:
        if handed_over:
            self._items.promised -= 1
        if len(self._queue) > self._items.promised:
            self._items.offer(kernel)

    __class_getitem__: Any = classmethod(GenericAlias)

    def describe(self) -> str:
        """A few words for reports."""
        return described("SimpleQueue", self._serial)
