"""``queue.SimpleQueue`` for the tasks of a world and for OS threads alike.

PYTEST_DONT_REWRITE

Owns the hybrid of the C queue; the other queues of ``queue`` are Python over locks and need none. Laws: the items are in the real C queue,
old references to it included; a task that finds none parks; what other OS threads put in is handed to the tasks at the next step.
"""

from __future__ import annotations

import _queue
from _thread import get_ident
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from simsock.errors import WorldEnded
from simsock.kernel import session
from simsock.kernel.identity import over
from simsock.stdlib._handing_over import through_queue
from simsock.stdlib._waiting import Line, described, granted, in_vain, looked, moved, nanoseconds, number

if TYPE_CHECKING:
    from simsock.kernel import Kernel

SIMSOCK_ROOM = "inside"

real_queue: Any = _queue.SimpleQueue
_Empty = _queue.Empty


def _patience(block: Any, timeout: Any) -> int:
    """How long ``get`` waits, in nanoseconds: -1 for ever, 0 not at all. Errors as in CPython's _queuemodule.c."""
    if not block:
        return 0
    if timeout is None:
        return -1
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return nanoseconds(timeout)


class SimpleQueue:
    """``queue.SimpleQueue``."""

    __slots__ = ("__weakref__", "_kernel", "_line", "_promised", "_real", "_serial", "_world", "place")

    _empty = _Empty
    """Another one where there are several copies of ``_queue``."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(cls)._adopt(real_queue(), "")

    def _adopt(self, real: Any, place: str) -> Any:
        self._real = real
        self.place = place
        self._serial = 0 if place else number(session.active, "SimpleQueue")
        self._kernel: Kernel | None = None
        self._world = session.active
        """The world that it was made in."""
        self._line = Line()
        self._promised = 0
        return self

    def _begin(self) -> Kernel | None:
        """The world that the caller is a task of, at a scheduling point."""
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            return None
        if self._kernel is not kernel:  # whoever waited here in an earlier world is no more
            self._kernel, self._line, self._promised = kernel, Line(), 0
        if kernel.ending:
            granted(kernel)
        else:
            kernel.point()
        return kernel

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add an item; never waits."""
        kernel = self._begin()
        if kernel is not None and not self._serial:
            through_queue(self, self._real)
        self._real.put(item)
        if kernel is not None:
            moved(kernel)
            if kernel.watchers is not None:
                kernel.watchers.gives(kernel.current, self)
            self._offer(kernel)
        else:
            kernel = self._kernel
            if kernel is not None and kernel is session.active:  # another OS thread has something for this world's tasks
                kernel.finalize(lambda: self._offer(kernel))

    def _offer(self, kernel: Kernel) -> None:
        if self._line.offer(kernel) is not None:
            self._promised += 1

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item, waiting for one; see ``queue.SimpleQueue``."""
        kernel = self._begin()
        if kernel is None:
            return self._get_outside(block, timeout)
        ns = -1 if block and timeout is None else _patience(block, timeout)
        deadline = None if ns < 0 else kernel.now + ns
        while True:
            if self._real.qsize() > self._promised:
                try:
                    item = self._real.get(False)
                except self._empty:  # another OS thread was quicker
                    pass
                else:
                    moved(kernel)
                    if kernel.watchers is not None:
                        kernel.watchers.takes(kernel.current, self)
                    return item
            if ns == 0:
                in_vain(kernel)
                raise self._empty
            if not self._line.wait(kernel, deadline, "get from", self, self._claim, self._pass_on):
                raise self._empty
            self._promised -= 1

    def _get_outside(self, block: bool, timeout: float | None) -> Any:
        return self._real.get(block, timeout)

    def _claim(self) -> bool:
        if self._real.qsize() > self._promised:
            self._promised += 1
            return True
        return False

    def _pass_on(self, kernel: Kernel, handed_over: bool) -> None:
        if handed_over:
            self._promised -= 1
        if self._real.qsize() > self._promised:
            self._offer(kernel)

    def put_nowait(self, item: Any) -> None:
        """``put``, which never waits."""
        self.put(item)

    def get_nowait(self) -> Any:
        """``get`` that does not wait."""
        return self.get(False)

    def qsize(self) -> int:
        """How many items there are now."""
        kernel = self._begin()
        if kernel is not None:
            looked(kernel)
        return int(self._real.qsize())

    def empty(self) -> bool:
        """Whether there are no items now."""
        kernel = self._begin()
        empty = not self._real.qsize()
        if kernel is not None:
            (in_vain if empty else looked)(kernel)
        return empty

    __class_getitem__: Any = classmethod(GenericAlias)

    def describe(self) -> str:
        """A few words for reports."""
        return f"SimpleQueue {self.place}" if self.place else described("SimpleQueue", self._serial)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} {self.describe()}>"

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_queue.SimpleQueue' object")


class WorldQueue(SimpleQueue):
    """A ``SimpleQueue`` for the modules of ``sim.network``: with no world to wait in it says so instead of waiting for real."""

    __slots__ = ()

    def _get_outside(self, block: bool, timeout: float | None) -> Any:
        if session.active is None and _patience(block, timeout) and not self._real.qsize():
            if self._world is not None and self._world.ended:
                raise WorldEnded(f"this world {over(self._world)}")
            session.kernel()  # says that no world is running
        return super()._get_outside(block, timeout)


for _class in (SimpleQueue, WorldQueue):
    _class.__module__, _class.__qualname__, _class.__name__ = "_queue", "SimpleQueue", "SimpleQueue"


def adopt_queue(real: Any, place: str, kind: Any = SimpleQueue) -> Any:
    """The hybrid of a real queue from before."""
    return object.__new__(kind)._adopt(real, place)
