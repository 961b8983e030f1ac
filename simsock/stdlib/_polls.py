"""Methods of what threads share that are more than operations on locks: looks, on which programs spin, and what hands something over.

PYTEST_DONT_REWRITE

Owns the methods of ``threading`` and ``queue`` that answer at once whether something is so: each is a point in a world, and one that finds nothing new
is a poll in vain, so that a loop of nothing else lets others run and, in the end, time pass; and what is asked before one of them wakes another.
Laws: outside a world's thread they are the standard
library's; what ``threading`` itself asks is no poll of the program's.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from typing import Any

from simsock.kernel import Kernel, session
from simsock.stdlib._handing_over import to_whom
from simsock.stdlib._wait_words import name_of
from simsock.stdlib._waiting import granted, in_vain, looked, moved

_caller = sys._getframe


class Named:
    """A semaphore or a queue, for watchers. Its number is looked for when they ask."""

    __slots__ = ("_thing",)

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def describe(self) -> str:
        """As in tables of waits: ``"Queue-2"``."""
        return name_of(self._thing)


def _world() -> Kernel | None:
    kernel = session.active
    return None if kernel is None or kernel.thread != get_ident() else kernel


def _begin(kernel: Kernel) -> None:
    if kernel.ending:
        granted(kernel)
    else:
        kernel.point()


def _flag(namespace: dict[str, Any], real: Any) -> Any:
    def is_set(self: Any) -> bool:
        """Whether the flag is up."""
        if _caller(1).f_globals is not namespace and (kernel := _world()) is not None:
            _begin(kernel)
            (looked if self._flag else in_vain)(kernel)
            if self._flag and kernel.watchers is not None:
                kernel.watchers.learns(kernel.current, self._cond._lock)
        return bool(real(self))

    return is_set


def _look(real: Any) -> Any:
    def look(self: Any) -> Any:
        kernel = _world()
        if kernel is not None:
            _begin(kernel)
            looked(kernel)
        return real(self)

    return look


def _after(real: Any, vain: bool | None) -> Any:
    """For methods that take a lock, which makes them points: ``vain`` is the answer that nobody hoped for; None: there is none."""

    def look(self: Any) -> Any:
        answer = real(self)
        kernel = _world()
        if kernel is not None:
            (in_vain if answer is vain else looked)(kernel)
        return answer

    return look


def _over(semaphore: Any, kernel: Kernel | None) -> bool:
    """Whether a semaphore's world ends or has ended: then it lets everybody through."""
    if kernel is not None:
        return kernel.ending
    world = getattr(semaphore._cond._lock, "_world", None)
    return world is not None and world.ended and session.active is None


def _take(real: Any) -> Any:
    def acquire(self: Any, blocking: bool = True, timeout: float | None = None) -> Any:
        """Take one, if there is one or comes one in time."""
        kernel = _world()
        if not self._value and _over(self, kernel):
            if kernel is not None:
                granted(kernel)
            return True
        answer = real(self, blocking, timeout)
        if not answer:
            if not blocking or (timeout is not None and timeout <= 0):
                in_vain(kernel)
        elif kernel is not None and kernel.watchers is not None:
            kernel.watchers.takes(kernel.current, Named(self))
        return answer

    return acquire


def _give(real: Any) -> Any:
    def release(self: Any, n: int = 1) -> None:
        """Give ``n`` back; ``ValueError`` when a bounded semaphore would have more than it began with."""
        kernel = _world()
        try:
            real(self, n)
        except ValueError:
            if n < 1 or not _over(self, kernel):
                raise
        if kernel is not None and kernel.watchers is not None:
            for _ in range(n):
                kernel.watchers.gives(kernel.current, Named(self))

    return release


def _get(real: Any, empty: type[Exception]) -> Any:
    def get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item, if there is one or comes one in time."""
        try:
            item = real(self, block, timeout)
        except empty:
            if not block or timeout == 0:
                in_vain(_world())
            raise
        kernel = session.active
        if kernel is not None and not kernel.ending:
            moved(kernel)
            if kernel.watchers is not None:
                kernel.watchers.takes(kernel.current, Named(self))
        return item

    return get


def _put(real: Any, full: type[Exception]) -> Any:
    def put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add an item, if there is room or comes some in time."""
        if self.not_empty._waiters:
            to_whom(self.not_empty, 1, self, f"{type(self).__name__}.put")
        try:
            real(self, item, block, timeout)
        except full:
            if not block or timeout == 0:
                in_vain(_world())
            raise
        kernel = session.active
        if kernel is not None and not kernel.ending:
            moved(kernel)
            if kernel.watchers is not None:
                kernel.watchers.gives(kernel.current, Named(self))

    return put


def _notify(real: Any) -> Any:
    def notify(self: Any, n: int = 1) -> None:
        """Wake as many as ``n`` of those who wait."""
        if self._waiters:
            to_whom(self, n, self, "Condition.notify")
        real(self, n)

    return notify


def _set(real: Any) -> Any:
    def set(self: Any) -> None:
        """Raise the flag."""
        if self._cond._waiters:
            to_whom(self._cond, None, self, "Event.set")
        real(self)

    return set


def polls_of_threading(namespace: dict[str, Any]) -> list[tuple[Any, str, Any]]:
    """(class, name, what stands there in a world) of a module ``threading``."""
    event, barrier, semaphore, condition = (namespace[name] for name in ("Event", "Barrier", "Semaphore", "Condition"))
    take, bounded = _take(semaphore.acquire), namespace["BoundedSemaphore"]
    found = [
        (semaphore, "acquire", take),
        (semaphore, "__enter__", take),
        (semaphore, "release", _give(semaphore.release)),
        (bounded, "release", _give(bounded.release)),
        (event, "is_set", _flag(namespace, event.is_set)),
        (event, "set", _set(event.set)),
        (condition, "notify", _notify(condition.notify)),
    ]
    found += [(barrier, name, property(_look(vars(barrier)[name].fget))) for name in ("n_waiting", "broken")]
    return found


def polls_of_queue(namespace: dict[str, Any]) -> list[tuple[Any, str, Any]]:
    """The same of a module ``queue``."""
    queue = namespace["Queue"]
    found = [(queue, name, _after(vars(queue)[name], vain)) for name, vain in (("qsize", None), ("empty", True), ("full", True))]
    return [*found, (queue, "get", _get(queue.get, namespace["Empty"])), (queue, "put", _put(queue.put, namespace["Full"]))]


__all__ = ["polls_of_queue", "polls_of_threading"]
