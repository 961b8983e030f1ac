"""Threads and locks below ``threading``: the functions of ``_thread`` that it is built on.

Owns which of ``_thread``'s functions are replaced by what, and what ``threading`` keeps about threads while a world runs. The classes of ``threading``
stay what they are: programs subclass them at import. Law: after a world ``threading`` knows the threads that it knew before, and no others.
"""

from __future__ import annotations

import _thread
import sys
import threading
from typing import Any

from simsock.kernel import Task, session
from simsock.kernel.task import is_task_ident
from simsock.patching import locks
from simsock.patching.guards import guarded
from simsock.stdlib import _thread_hashes, _threads

_thread_get_ident = _thread.get_ident


def get_ident() -> int:
    """The first task is the thread that entered the world; the others have identities of their own. Guards itself: it is asked all the time."""
    kernel = session.active
    here: int = _thread_get_ident()
    if kernel is None or kernel.thread != here:
        return here
    task = kernel.current
    return here if task is kernel.first else task.ident


_REAL_DUMMY: Any = threading._DummyThread


class _TaskThread(_REAL_DUMMY):  # type: ignore[misc]  # as above
    """What ``threading`` makes of a task that it has not started itself, when that asks who it is: one of ``sim.spawn``, or of the framework's.

    Linux has a plain thread there, so threads that are made in it must not be daemons because of it.
    """

    _task: Task | None = None

    def __init__(self) -> None:
        kernel = session.active
        # Another OS thread is what it always was, and so is the first task, which goes on when the world has ended.
        if kernel is None or kernel.thread != _thread_get_ident() or kernel.current is kernel.first:
            super().__init__()
            return
        self._task = task = kernel.current
        threading.Thread.__init__(self, name=task.thread.name if task.thread is not None else task.path, daemon=task.daemon)
        self._started = _threads.Started()
        self._set_ident()
        self._set_native_id()
        threading._active[self._ident] = self  # type: ignore[attr-defined]  # the registry of Lib/threading.py

    def is_alive(self) -> bool:
        return bool(super().is_alive()) if self._task is None else not self._task.dead

    def join(self, timeout: float | None = None) -> None:
        task = self._task
        if task is None:
            super().join(timeout)
        elif task is task.kernel.current:
            raise RuntimeError("cannot join current thread")
        elif not task.dead:
            kernel = task.kernel
            kernel.point()
            kernel.join(task, None if timeout is None else kernel.now + max(0, round(timeout * 1e9)))


_note_error = guarded(_thread._excepthook, _threads.excepthook)


def pairs() -> tuple[list[tuple[Any, Any]], list[tuple[Any, Any]]]:
    """Originals of this Python's ``threading`` and what stands in for them: what needs a guard, and what looks after itself."""
    found: list[tuple[Any, Any]] = [
        (_thread.get_native_id, _threads.get_native_id),
        (_thread.start_new_thread, _threads.start_new_thread),
        (_thread.start_new, _threads.start_new_thread),  # its old name, and a function of its own
        (_thread._count, _threads.count),
        (_thread._excepthook, _threads.excepthook),
    ]
    if sys.version_info >= (3, 13):
        found += [(_thread.start_joinable_thread, _threads.start_joinable_thread), (_thread._ThreadHandle, _threads.ThreadHandle)]
    else:
        found.append((_thread._set_sentinel, _threads.set_sentinel))  # type: ignore[attr-defined]  # gone in 3.13, and typeshed has forgotten it
    if sys.version_info >= (3, 14):
        found.append((_thread.set_name, _threads.set_name))
    hybrids = [
        (_thread.get_ident, get_ident),
        (_thread.allocate_lock, locks.Lock),
        (_thread.allocate, locks.Lock),
        (locks.real_lock, locks.Lock),
        (locks.real_rlock, locks.RLock),
        (locks.real_queue, locks.SimpleQueue),
        *locks.copies(),
    ]
    return found, hybrids


_OWN = ("_dangling", "_counter") if sys.version_info >= (3, 13) else ("_dangling", "_counter", "_shutdown_locks", "_shutdown_locks_lock")
"""Names of ``threading`` that hold something else in a world."""


class Registry:
    """What ``threading`` knows, kept aside while a world runs."""

    _aside: Any = None
    """The world's while it is suspended."""
    _entered = False
    _own_dangling: Any = None
    """The latest world's set of threads. The next one has it too, if nothing is in it."""

    def enter(self) -> None:
        """A world begins in this thread."""
        self._note()
        _thread_hashes.install(threading.Thread)
        dangling = self._own_dangling
        if dangling is None or not dangling.is_as_new(self._dangling):
            dangling = self._own_dangling = _thread_hashes.Dangling(self._dangling)
        threading._dangling = dangling  # type: ignore[attr-defined]  # likewise
        if sys.version_info < (3, 13):
            threading._shutdown_locks, threading._shutdown_locks_lock = _threads.ShutdownLocks(), locks.real_allocate()  # type: ignore[attr-defined]  # likewise
        threading._DummyThread = _TaskThread  # type: ignore[misc]  # the class that current_thread makes
        if _threads.is_the_harness_s(self._hook):
            threading.excepthook = _note_error
        count = iter(range(1, 1 << 62)).__next__
        threading._counter = count  # type: ignore[attr-defined]  # names of threads are the same in every world
        if self._pool_counter is not None:
            sys.modules["concurrent.futures.thread"].ThreadPoolExecutor._counter = iter(range(1 << 62)).__next__  # likewise

    def _note(self) -> None:
        """What there is before a world, all of it before anything of it is changed."""
        self._limbo = dict(threading._limbo)  # type: ignore[attr-defined]  # the registry of Lib/threading.py
        self._dangling = threading._dangling  # type: ignore[attr-defined]  # likewise
        if sys.version_info < (3, 13):
            self._shutdown = threading._shutdown_locks, threading._shutdown_locks_lock  # type: ignore[attr-defined]  # likewise
        self._hook = threading.excepthook
        self._traces = threading._trace_hook, threading._profile_hook  # type: ignore[attr-defined]  # likewise
        self._counter = threading._counter  # type: ignore[attr-defined]  # likewise
        pools = sys.modules.get("concurrent.futures.thread")
        self._pool_counter = pools.ThreadPoolExecutor._counter if pools else None
        self._entered = True

    def suspend(self) -> None:
        """Show what there was outside the world, for a while."""
        if self._aside is not None:
            return
        active, limbo, threads = threading._active, threading._limbo, vars(threading)  # type: ignore[attr-defined]  # see enter
        tasks = {ident: active.pop(ident) for ident in list(active) if is_task_ident(ident)}
        starting = {thread: limbo.pop(thread) for thread in list(limbo) if thread not in self._limbo and _thread_hashes.born_in_world(thread)}
        hook = threading.excepthook
        pools = sys.modules.get("concurrent.futures.thread")
        pool_counter = pools.ThreadPoolExecutor._counter if pools and self._pool_counter is not None else None
        self._aside = (tasks, starting, hook, pool_counter, {name: threads[name] for name in _OWN})
        threads["_dangling"], threads["_counter"] = self._dangling, self._counter
        if sys.version_info < (3, 13):
            threads["_shutdown_locks"], threads["_shutdown_locks_lock"] = self._shutdown
        if hook is _note_error:
            threading.excepthook = self._hook
        if pool_counter is not None:
            sys.modules["concurrent.futures.thread"].ThreadPoolExecutor._counter = self._pool_counter

    def resume(self) -> None:
        """The world goes on."""
        if self._aside is None:
            return
        tasks, starting, hook, pool_counter, own = self._aside
        threading._active.update(tasks)  # type: ignore[attr-defined]  # see enter
        threading._limbo.update(starting)  # type: ignore[attr-defined]  # see enter
        threads = vars(threading)
        self._dangling, self._counter = threads["_dangling"], threads["_counter"]
        if hook is _note_error:
            self._hook = threading.excepthook
        if hook is _note_error or _threads.is_the_harness_s(threading.excepthook):
            threading.excepthook = hook
        threads.update(own)
        if pool_counter is not None:
            pools = sys.modules["concurrent.futures.thread"].ThreadPoolExecutor
            self._pool_counter, pools._counter = pools._counter, pool_counter
        self._aside = None

    def leave(self) -> None:
        """The world is over: forget its threads. Safe to call again."""
        if not self._entered:
            return
        active, limbo = threading._active, threading._limbo  # type: ignore[attr-defined]  # see enter
        # Other OS threads come and go meanwhile.
        for ident in list(active):
            if is_task_ident(ident):
                del active[ident]
        if limbo:
            for thread in [thread for thread in list(limbo) if thread not in self._limbo and _thread_hashes.born_in_world(thread)]:
                limbo.pop(thread, None)
        threading._dangling = self._dangling  # type: ignore[attr-defined]  # see enter
        if sys.version_info < (3, 13):
            of_world = threading._shutdown_locks  # type: ignore[attr-defined]  # see enter
            threading._shutdown_locks, threading._shutdown_locks_lock = self._shutdown  # type: ignore[attr-defined]  # see enter
            # Other OS threads may have started some meanwhile.
            if of_world:
                threading._shutdown_locks.update(lock for lock in of_world if type(lock) is locks.real_lock)  # type: ignore[attr-defined]  # see enter
        threading._DummyThread = _REAL_DUMMY  # type: ignore[misc]  # see enter
        threading.excepthook = self._hook  # a program's own would be told of the next world's threads
        threading._trace_hook, threading._profile_hook = self._traces  # type: ignore[attr-defined]  # see enter
        threading._counter = self._counter  # type: ignore[attr-defined]  # see enter
        if self._pool_counter is not None:
            sys.modules["concurrent.futures.thread"].ThreadPoolExecutor._counter = self._pool_counter
        self._limbo = {}
        self._aside = None
        self._entered = False


__all__ = ["Registry", "pairs"]
