"""Threads and locks below ``threading``: the functions of ``_thread`` that it is built on.

Owns ``_thread``'s functions for tasks, and what ``threading`` keeps about threads while a world runs. The classes of ``threading`` stay what
they are: programs subclass them at import. Law: after a world ``threading`` knows the threads that it knew before, and no others.
"""

from __future__ import annotations

import _thread
import sys
import threading
from functools import partial
from typing import Any

from simsock.errors import RealTimeLimit, TaskKilled
from simsock.harness import is_harness
from simsock.kernel import Kernel, Task, session
from simsock.kernel.task import is_task_ident
from simsock.patching import locks, queues, thread_hashes
from simsock.patching.guards import guarded
from simsock.patching.room import Room

_NATIVE_FIRST = 10_000
_thread_get_ident = _thread.get_ident
_HANDLE = "_handle" if sys.version_info < (3, 14) else "_os_thread_handle"
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


def set_name(name: str, /) -> None:
    """What the operating system calls a thread (3.14). A world's threads are all one to it."""
    if not isinstance(name, str):
        raise TypeError(f"set_name() argument 'name' must be str, not {type(name).__name__}")


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
        _silence_at_the_end(thread)
    return kernel.spawn(_run, (function, args, kwargs), name=name, base=_BASES.get(base, base), daemon=daemon)


def _silence_at_the_end(thread: Any) -> None:
    """A thread that is killed, or raises while its world ends (a ``finally`` that makes a call, say), is no failure of the program's."""
    report = thread._invoke_excepthook

    def invoke_excepthook(thread: Any) -> None:
        kernel = session.active
        if not isinstance(sys.exception(), TaskKilled) and (kernel is None or not (kernel.ending or kernel.ended)):
            report(thread)

    thread._invoke_excepthook = invoke_excepthook


def _run(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    kernel = _world()
    task = kernel.current
    try:
        function(*args, **kwargs)
    finally:
        sentinel = kernel.room(Room).sentinels.pop(task.serial, None)
        if sentinel is not None:
            (sentinel.release if kernel.ending else partial(sentinel._let_go, kernel))()  # no point: the task's end is next


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
    lock = locks.fresh("of a thread's end")
    kernel.room(Room).sentinels[kernel.current.serial] = lock
    return lock


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
        counter = threading._counter  # type: ignore[attr-defined]  # likewise
        threading._counter = int  # type: ignore[attr-defined]  # it is no thread of the program's, and takes no number
        try:
            super().__init__()
        finally:
            threading._counter = counter  # type: ignore[attr-defined]  # likewise
        self._task = task = kernel.current
        self._name = task.thread.name if task.thread is not None else task.path
        self._daemonic = task.daemon

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
    if not isinstance(handle, _ThreadHandle):
        handle = _ThreadHandle()
        thread = getattr(function, "__self__", None)
        if isinstance(thread, threading.Thread):  # made before the world
            setattr(thread, _HANDLE, handle)  # Lib/threading.py starts it with what it has there
    task = _spawn(function, (), {}, daemon)
    handle._task = task
    handle.ident = task.ident
    return handle


def excepthook(args: Any, /) -> None:
    """What happens to an error that leaves a thread's ``run``: it is noted and fails the test. Programs may put their own function there."""
    kernel = _world()
    error = args.exc_value
    if kernel.ending or isinstance(error, (SystemExit, TaskKilled)):
        return
    if isinstance(error, (KeyboardInterrupt, RealTimeLimit)):
        kernel._fail_first(error)
    else:
        kernel.task_failed(kernel.current, error)


_note_error = guarded(_thread._excepthook, excepthook)


def _is_the_harness_s(hook: Any) -> bool:
    """pytest's turns errors of threads into warnings."""
    while isinstance(hook, partial):
        hook = hook.func
    return is_harness(str(getattr(hook, "__module__", None) or ""))


def pairs() -> tuple[list[tuple[Any, Any]], list[tuple[Any, Any]]]:
    """Originals of this Python's ``threading`` and what stands in for them: what needs a guard, and what looks after itself."""
    found: list[tuple[Any, Any]] = [
        (_thread.get_ident, get_ident),
        (_thread.get_native_id, get_native_id),
        (_thread.start_new_thread, start_new_thread),
        (_thread._count, _count),
        (_thread._excepthook, excepthook),
    ]
    if sys.version_info >= (3, 13):
        found += [(_thread.start_joinable_thread, start_joinable_thread), (_thread._ThreadHandle, _ThreadHandle)]
        if sys.version_info >= (3, 14):
            found.append((_thread.set_name, set_name))
    else:
        found.append((_thread._set_sentinel, _set_sentinel))  # type: ignore[attr-defined]  # gone in 3.13, and typeshed has forgotten it
    hybrids = [
        (_thread.allocate_lock, locks.Lock),
        (locks.real_lock, locks.Lock),
        (locks.real_rlock, locks.RLock),
        (queues.real_queue, queues.SimpleQueue),
    ]
    return found, hybrids


class _Ordered(dict[Any, None]):
    """A set in the order of arrival, with the methods that 3.11's ``threading`` calls on ``_shutdown_locks``: it asks each lock whether it is
    held, which is a step of the world, so the order must not depend on where objects happen to lie in memory.
    """

    def add(self, lock: Any) -> None:
        self[lock] = None

    def discard(self, lock: Any) -> None:
        self.pop(lock, None)

    def difference_update(self, locks: Any) -> None:
        for lock in locks:
            self.pop(lock, None)


_OWN = ("_dangling", "_counter") if sys.version_info >= (3, 13) else ("_dangling", "_counter", "_shutdown_locks", "_shutdown_locks_lock")
"""Names of ``threading`` that hold something else in a world."""


class Registry:
    """What ``threading`` knows, kept aside while a world runs."""

    _aside: Any = None
    """The world's while it is suspended."""
    _entered = False

    def enter(self) -> None:
        """A world begins in this thread."""
        self._note()
        thread_hashes.install()
        threading._dangling = thread_hashes.Dangling(self._dangling)  # type: ignore[attr-defined]  # likewise
        if sys.version_info < (3, 13):
            threading._shutdown_locks, threading._shutdown_locks_lock = _Ordered(), locks.fresh("of threading")  # type: ignore[attr-defined]  # likewise
        threading._DummyThread = _TaskThread  # type: ignore[misc]  # the class that current_thread makes
        if _is_the_harness_s(self._hook):
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
        starting = {thread: limbo.pop(thread) for thread in list(limbo) if thread not in self._limbo and thread_hashes.born_in_world(thread)}
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
        if hook is _note_error or _is_the_harness_s(threading.excepthook):
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
        for thread in [thread for thread in list(limbo) if thread not in self._limbo and thread_hashes.born_in_world(thread)]:
            limbo.pop(thread, None)
        threading._dangling = self._dangling  # type: ignore[attr-defined]  # see enter
        if sys.version_info < (3, 13):
            of_world = threading._shutdown_locks  # type: ignore[attr-defined]  # see enter
            threading._shutdown_locks, threading._shutdown_locks_lock = self._shutdown  # type: ignore[attr-defined]  # see enter
            # Other OS threads may have started some meanwhile.
            threading._shutdown_locks.update(lock for lock in of_world if type(lock) is locks.real_lock)  # type: ignore[attr-defined]  # see enter
        threading._DummyThread = _REAL_DUMMY  # type: ignore[misc]  # see enter
        if threading.excepthook is _note_error:
            threading.excepthook = self._hook
        threading._counter = self._counter  # type: ignore[attr-defined]  # see enter
        if self._pool_counter is not None:
            sys.modules["concurrent.futures.thread"].ThreadPoolExecutor._counter = self._pool_counter
        self._limbo = {}
        self._aside = None
        self._entered = False


__all__ = ["Registry", "pairs"]
