"""Stand-in for ``queue``: the standard names, waiting in virtual time.

PYTEST_DONT_REWRITE

Owns what stands in a queue and who waits for it. Laws:

* items leave in the order of the class; those who wait are served first come, first served, but may be overtaken once each (``Line``);
* no item and no free place is lost when a task dies between being woken and taking it;
* the override points ``_init``, ``_qsize``, ``_put`` and ``_get`` are called by one task at a time: code of the program in them may be
  switched out, so then a lock is held, as it is while the program holds ``mutex``.
"""

from __future__ import annotations

import queue as _real
from collections import deque
from queue import Empty, Full
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.stdlib._conditions import Condition
from simsock.stdlib._locks import Lock
from simsock.stdlib._waiting import Line, begin, nanoseconds, number

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

__all__ = ["Empty", "Full", "LifoQueue", "PriorityQueue", "Queue", "SimpleQueue"]

if hasattr(_real, "ShutDown"):
    ShutDown: type[Exception] = _real.ShutDown
    __all__ += ["ShutDown"]
else:

    class ShutDown(Exception):  # type: ignore[no-redef]  # CPython's name
        """Raised by ``put`` and ``get`` of a queue that was shut down. The standard module has it from Python 3.13 on."""


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


class _Waiting:
    """One side of a queue: who waits for an item, or for a place. ``promised`` is how many are there for tasks that have yet to take them."""

    __slots__ = ("line", "promised")

    def __init__(self) -> None:
        self.line = Line()
        self.promised = 0

    def offer(self, kernel: Kernel) -> None:
        """One more is there."""
        if self.line.offer(kernel) is not None:
            self.promised += 1


class Queue:
    """First in, first out; at most ``maxsize`` items, or any number if that is zero or less."""

    _plain = True
    """Whether the override points are this module's own and run no code of the program."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if any(name in cls.__dict__ for name in ("_init", "_qsize", "_put", "_get")) and cls.__module__ != __name__:
            cls._plain = False

    def __init__(self, maxsize: int = 0) -> None:
        self._kernel = kernel = session.active
        self._serial = number(kernel, "Queue")
        self.maxsize = maxsize
        self.unfinished_tasks = 0
        self.is_shutdown = False
        self._items = _Waiting()
        self._places = _Waiting()
        self._joiners: deque[Task] = deque()
        self._mutex: Lock | None = None if self._plain else Lock()
        self._conditions: dict[str, Condition] = {}
        self._init(maxsize)

    # -- putting and getting -------------------------------------------------------------------------------------------------------

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add an item. Without a free place: wait, at most ``timeout`` virtual seconds, then ``Full``; with ``block=False`` at once."""
        kernel = begin(self._kernel)
        if self._mutex is not None:
            self._mutex._take(kernel)
        try:
            if self.is_shutdown:
                raise ShutDown
            if self.maxsize > 0 and self._qsize() + self._places.promised >= self.maxsize:
                self._wait_for_place(kernel, _patience(block, timeout))
            self._put(item)
            self.unfinished_tasks += 1
            if kernel is not None:
                self._items.offer(kernel)
                if self._conditions:
                    self._tell(kernel, "not_empty")
        finally:
            if self._mutex is not None:
                self._mutex._free(kernel)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item. Without one: wait, at most ``timeout`` virtual seconds, then ``Empty``; with ``block=False`` at once."""
        kernel = begin(self._kernel)
        if self._mutex is not None:
            self._mutex._take(kernel)
        try:
            if self._qsize() <= self._items.promised:
                self._wait_for_item(kernel, _patience(block, timeout))
            item = self._get()
            if kernel is not None and self.maxsize > 0:
                self._places.offer(kernel)
                if self._conditions:
                    self._tell(kernel, "not_full")
            return item
        finally:
            if self._mutex is not None:
                self._mutex._free(kernel)

    def put_nowait(self, item: Any) -> None:
        """``put`` that does not wait."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """``get`` that does not wait."""
        return self.get(block=False)

    def _wait_for_place(self, kernel: Kernel | None, ns: int) -> None:
        kernel = self._wait(kernel, ns, self._places, "put to", self._has_place, self._pass_place_on)
        if self.is_shutdown:
            self._places.offer(kernel)
            raise ShutDown

    def _wait_for_item(self, kernel: Kernel | None, ns: int) -> None:
        if self.is_shutdown:
            raise ShutDown
        self._wait(kernel, ns, self._items, "get from", self._has_item, self._pass_item_on)
        if self.is_shutdown and not self._qsize():
            raise ShutDown

    def _wait(self, kernel: Kernel | None, ns: int, side: _Waiting, why: str, there: Any, pass_on: Any) -> Kernel:
        raise NotImplementedError
