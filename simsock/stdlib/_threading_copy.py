"""What the copy of ``threading`` for ``sim.network`` needs besides the standard library's code.

PYTEST_DONT_REWRITE

Owns the tables of threads: which there are is read off the world's tasks, so nothing of one world is left for the next. Does not know how tasks are
scheduled. Laws: the world's first task is the main thread; a task that ``sim.spawn`` made has a thread object when it
asks for one; outside every world one is the real thread, and starts none.
"""

from __future__ import annotations

import _thread
import os
import threading as _real
from _thread import get_ident as _real_ident
from itertools import count
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import Kernel, Task, session
from simsock.stdlib import _bookkeeping, _local, _locks, _polls, _thread_hashes, _threads
from simsock.stdlib import time as _sim_time
from simsock.stdlib._copies import execute, shaped_like
from simsock.stdlib._waiting import begin, looked, number

_STACK_SIZE_MIN = 32_768
_REFUSED = ("settrace", "setprofile", "settrace_all_threads", "setprofile_all_threads")


def _get_ident() -> int:
    """The calling task's identity: a number that is the same in every run."""
    kernel = session.active
    return _real_ident() if kernel is None else kernel.current.ident


def _get_native_id() -> int:
    kernel = session.active
    return _thread.get_native_id() if kernel is None else _threads.NATIVE_FIRST + kernel.current.serial


def _set_stack_size(size: int = 0, /) -> int:
    """The size asked for last (0: the system's choice), setting a new one. Tasks have as much stack as they need."""
    if size < 0:
        raise ValueError("size must be 0 or a positive value")
    if 0 < size < _STACK_SIZE_MIN:
        raise ValueError(f"size not valid: {size} bytes")
    previous: int = _copied["_stack_size"]
    _copied["_stack_size"] = size
    return previous


def _below() -> dict[str, Any]:
    """The modules that the copy runs on."""
    names: dict[str, Any] = {
        "start_new_thread": _threads.start_new_thread,
        "allocate_lock": _locks.WorldLock,
        "lock": _locks.WorldLock,
        "RLock": _locks.WorldRLock,
        "get_ident": _get_ident,
        "get_native_id": _get_native_id,
        "_excepthook": _threads.excepthook,
        "_local": _local.local,
        "stack_size": _set_stack_size,
        "set_name": None,
    }
    if hasattr(_thread, "_set_sentinel"):
        names["_set_sentinel"] = _threads.set_sentinel
    else:
        names.update(start_joinable_thread=_threads.start_joinable_thread, _ThreadHandle=_threads.ThreadHandle, _make_thread_handle=_made_handle)
    return {"_thread": shaped_like(_thread, **names), "time": _sim_time, "os": shaped_like(os, register_at_fork=None)}


def _made_handle(ident: int) -> Any:
    handle = _threads.ThreadHandle()
    handle.ident = ident
    return handle


_copied: dict[str, Any] = {}
"""The namespace of the copy."""
_dummies: list[Any] = []
"""The classes of the thread objects of tasks that no ``Thread`` started: the first task's, and the others'."""


class _Active:
    """``_active``: the threads by identity, of the world's tasks as they are now."""

    def __getitem__(self, ident: int) -> Any:
        kernel = session.active
        if kernel is None or ident != kernel.current.ident:
            raise KeyError(ident)
        return _thread_of(kernel.current)

    def __setitem__(self, ident: int, thread: Any) -> None:
        kernel = session.active
        if kernel is not None and ident == kernel.current.ident:
            kernel.current.thread = thread

    def __delitem__(self, ident: int) -> None:
        kernel = session.active
        if kernel is not None and ident == kernel.current.ident:
            kernel.current.thread = None

    def values(self) -> list[Any]:
        """The first task's, those that were started, and those of tasks that asked who they are."""
        kernel = session.active
        if kernel is None:
            return []
        _thread_of(kernel.first)
        return [task.thread for task in kernel.tasks.values() if task.thread is not None]

    def __len__(self) -> int:
        return len(self.values())


def _thread_of(task: Task) -> Any:
    """The thread object of a task, made now if need be."""
    thread = task.thread
    if thread is None:
        thread = task.thread = _adopted(_dummies[task is not task.kernel.first], task)
    return thread


def _adopted(cls: Any, task: Task) -> Any:
    thread = object.__new__(cls)
    _copied["Thread"].__init__(thread, name="MainThread" if task is task.kernel.first else task.path, daemon=task.daemon)
    thread._started = _STARTED
    thread._ident = task.ident
    thread._native_id = _get_native_id()
    thread._simsock_task = task
    return thread


class _Dangling(_thread_hashes.Dangling):
    """``_dangling``: gives threads the hash that they keep, and forgets them."""

    def __init__(self) -> None:
        super().__init__(None)

    def add(self, item: Any) -> None:
        """A thread is born."""
        kernel = session.active
        if kernel is not None:
            _thread_hashes.give(kernel, item)


_outside_names = count(1)
_STARTED = _threads.Started()
"""Of all threads that nobody has to start."""


def _counter() -> int:
    """Names of threads are the same in every world."""
    kernel = session.active
    return next(_outside_names) if kernel is None else number(kernel, "Thread")


def current_thread() -> Any:
    """The thread object of the task that calls; outside every world the real one."""
    kernel = session.active
    return _real.current_thread() if kernel is None else _thread_of(kernel.current)


def main_thread() -> Any:
    """The thread object of the world's first task; outside every world the real one."""
    kernel = session.active
    return _real.main_thread() if kernel is None else _thread_of(kernel.first)


def enumerate() -> list[Any]:
    """The thread objects of the living threads: the main one, those that were started, and the tasks that asked who they are."""
    kernel = begin(None)
    if kernel is None:
        return list(_real.enumerate())
    looked(kernel)
    return [*_copied["_active"].values(), *_copied["_limbo"].values()]


def active_count() -> int:
    """How many threads ``enumerate()`` would list."""
    return len(enumerate())


def _refused(name: str) -> Any:
    def refuse(func: Any) -> None:
        if func is not None:
            raise Unsupported(f"threading.{name}({func!r}): the tracing and profiling of threads is not simulated")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = "Only None: the tracing of tasks is the world's own."
    return refuse


def _current() -> Any:
    """For ``Thread.__init__`` and ``join``: the one asks whether the thread that calls is a daemon, the other whether it is a certain one. A task that
    has no thread object yet, as in most worlds the first one has none, needs none for that: whose daemon it is, it knows itself."""
    kernel = session.active
    return _real.current_thread() if kernel is None else kernel.current.thread or kernel.current


def _asks_for(function: Any, **names: str) -> None:
    """From now on a function of the copy looks for another global name."""
    code = function.__code__
    function.__code__ = code.replace(co_names=tuple(names.get(name, name) for name in code.co_names))


def _lighten(namespace: dict[str, Any]) -> None:
    """What every thread pays for and nobody sees: an event that its start exchanges, a hook that is exchanged, locks that nobody waits for."""
    thread = namespace["Thread"]
    namespace.update(_simsock_started=_threads.NotStarted, _simsock_current=_current, _make_invoke_excepthook=lambda: None)
    _asks_for(thread.__init__, Event="_simsock_started", current_thread="_simsock_current")
    _asks_for(thread.join, current_thread="_simsock_current")
    if "_maintain_shutdown_locks" in namespace:
        namespace["_maintain_shutdown_locks"] = lambda: None  # there are none: see ShutdownLocks


def fill(namespace: dict[str, Any]) -> None:
    """Make ``namespace``, that of a module, the copy."""
    global _copied
    _copied = namespace
    execute("threading", namespace, _below())
    namespace.update(_active=_Active(), _dangling=_Dangling(), _counter=_counter, _stack_size=0)
    namespace.update({function.__name__: function for function in (current_thread, main_thread, enumerate, active_count)})
    namespace.update(BrokenBarrierError=_real.BrokenBarrierError, Lock=_locks.WorldLock)
    namespace.update({name: _refused(name) for name in _REFUSED if name in _real.__all__})
    namespace["_active_limbo_lock"] = _locks.real_rlock()  # of tables that no task holds while another runs
    if "_shutdown_locks" in namespace:
        namespace.update(_shutdown_locks=_threads.ShutdownLocks(), _shutdown_locks_lock=_locks.real_allocate())
    _lighten(namespace)
    _bookkeeping.learn(namespace)
    _threads.learn(namespace)
    _thread_hashes.install(namespace["Thread"])
    for cls, name, now in _polls.polls_of_threading(namespace):
        setattr(cls, name, now)
    _dummies[:] = [_make_dummy("_MainThread", namespace["Thread"]), _make_dummy("_DummyThread", namespace["Thread"], join=_no_join)]


def _is_alive(self: Any) -> bool:
    task: Task = self._simsock_task
    kernel: Kernel | None = begin(task.kernel)
    if kernel is not None and not kernel.ending and not task.dead and task is not kernel.current:
        kernel.fruitless()
    return not task.dead


def _no_join(self: Any, timeout: float | None = None) -> None:
    """Not to be had, as in CPython: the task's own ``result()`` waits for it."""
    raise RuntimeError("cannot join a dummy thread")


def _make_dummy(name: str, thread: Any, **methods: Any) -> Any:
    return type(name, (thread,), {"__module__": thread.__module__, "is_alive": _is_alive, **methods})


__all__ = ["fill"]
