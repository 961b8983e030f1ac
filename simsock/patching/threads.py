"""Threads and locks below ``threading``: the functions of ``_thread`` that it is built on.

Owns ``_thread``'s functions for tasks, and what ``threading`` keeps about threads while a world runs. The classes of ``threading`` stay what
they are: programs subclass them at import. Law: after a world ``threading`` knows the threads that it knew before, and no others.
"""

from __future__ import annotations

import _queue
import _thread
import sys
import threading
from typing import Any

from simsock.kernel import Kernel, Task, session
from simsock.stdlib import threading as sim_threading

_NATIVE_FIRST = 10_000
_BASES = {"process_request_thread": "handler"}


def _world() -> Kernel:
    kernel = session.active
    assert kernel is not None, "only called through a guard"
    return kernel


def get_ident() -> int:
    """The first task is the thread that entered the world; the others have identities of their own."""
    kernel = _world()
    task = kernel.current
    return kernel.thread if task is kernel.first else task.ident


def get_native_id() -> int:
    """A number that is the same in every run."""
    return _NATIVE_FIRST + _world().current.serial


def _count() -> int:
    return sum(1 for task in _world().tasks.values() if task.started) - 1


def _spawn(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], daemon: bool) -> Task:
    kernel = _world()
    kernel.point()
    thread = getattr(function, "__self__", None)
    name, base = None, getattr(function, "__name__", "thread")
    if isinstance(thread, threading.Thread):
        base = getattr(getattr(thread, "_target", None), "__name__", None) or type(thread).__name__
        if not thread.name.startswith("Thread-"):
            name = thread.name
        daemon = thread.daemon
    return kernel.spawn(_run, (function, args, kwargs), name=name, base=_BASES.get(base, base), daemon=daemon)


def _run(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    kernel = _world()
    task = kernel.current
    try:
        function(*args, **kwargs)
    finally:
        sentinel = kernel.state.get("sentinels", {}).pop(task.serial, None)
        if sentinel is not None:
            sentinel.release()


def start_new_thread(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, /) -> int:
    """A task that runs ``function(*args, **kwargs)``; returns its identity."""
    if not callable(function):
        raise TypeError("first arg must be callable")
    if not isinstance(args, tuple):
        raise TypeError("2nd arg must be a tuple")
    return _spawn(function, args, kwargs or {}, True).ident


def _set_sentinel() -> Any:
    """A lock that is released when the current task ends (3.11, 3.12)."""
    kernel = _world()
    lock = sim_threading.Lock()
    kernel.state.setdefault("sentinels", {})[kernel.current.serial] = lock
    return lock


class _ThreadHandle:
    """What 3.13's ``Thread`` holds on to."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._done = False
        self.ident = 0

    def is_done(self) -> bool:
        """Whether the task has ended; asking is a poll."""
        kernel = session.active
        if kernel is not None and not self._done and not (self._task is not None and self._task.dead):
            kernel.point()
            kernel.fruitless()
        return self._done or (self._task is not None and self._task.dead)

    def _set_done(self) -> None:
        self._done = True

    def join(self, timeout: float | None = None) -> None:
        """Wait for the task's end."""
        if self._task is None:
            if self._done:
                return
            raise RuntimeError("thread not started")
        kernel = self._task.kernel
        if self._task is kernel.current and not kernel.ended:
            raise RuntimeError("Cannot join current thread")
        if self._task.dead:
            return
        kernel.point()
        kernel.join(self._task, None if timeout is None or timeout < 0 else kernel.now + round(timeout * 1e9))


def start_joinable_thread(function: Any, handle: Any = None, daemon: bool = True) -> Any:
    """3.13's way of starting a thread."""
    handle = handle or _ThreadHandle()
    task = _spawn(function, (), {}, daemon)
    handle._task = task
    handle.ident = task.ident
    return handle


def pairs(sim_queue: Any) -> list[tuple[Any, Any]]:
    """Originals of this Python's ``threading`` and what stands in for them."""
    found: list[tuple[Any, Any]] = [
        (_thread.get_ident, get_ident),
        (_thread.get_native_id, get_native_id),
        (_thread.allocate_lock, sim_threading.Lock),
        (_thread.RLock, sim_threading.RLock),
        (_thread.start_new_thread, start_new_thread),
        (_thread._count, _count),
        (_queue.SimpleQueue, sim_queue.SimpleQueue),
    ]
    if sys.version_info >= (3, 13):
        found += [
            (_thread.lock, sim_threading.Lock),
            (_thread.start_joinable_thread, start_joinable_thread),
            (_thread._ThreadHandle, _ThreadHandle),
        ]
    else:
        found.append((getattr(_thread, "_set_sentinel"), _set_sentinel))  # noqa: B009  # typeshed knows the newest _thread only
    return found


class Registry:
    """What ``threading`` knows, kept aside while a world runs."""

    def enter(self) -> None:
        """A world begins in this thread."""
        self._active = dict(threading._active)  # type: ignore[attr-defined]  # the registry of Lib/threading.py
        self._limbo = dict(threading._limbo)  # type: ignore[attr-defined]  # likewise
        self._dangling = set(threading._dangling)  # type: ignore[attr-defined]  # likewise
        self._locks = set(getattr(threading, "_shutdown_locks", ()))
        self._counter = threading._counter  # type: ignore[attr-defined]  # likewise
        count = iter(range(1, 1 << 62)).__next__
        threading._counter = count  # type: ignore[attr-defined]  # names of threads are the same in every world

    def leave(self) -> None:
        """The world is over: forget its threads."""
        for table, before in ((threading._active, self._active), (threading._limbo, self._limbo)):  # type: ignore[attr-defined]  # see enter
            for key in [key for key in table if key not in before]:
                del table[key]
        for thread in set(threading._dangling) - self._dangling:  # type: ignore[attr-defined]  # see enter
            threading._dangling.discard(thread)  # type: ignore[attr-defined]  # see enter
        locks = getattr(threading, "_shutdown_locks", None)
        if locks is not None:
            locks.intersection_update(self._locks)
        threading._counter = self._counter  # type: ignore[attr-defined]  # see enter
        self._active = self._limbo = {}
        self._dangling = self._locks = set()


__all__ = ["Registry", "pairs"]
