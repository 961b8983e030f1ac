"""Threads as ``_thread`` has them: what ``threading`` is built on, over the world's tasks.

PYTEST_DONT_REWRITE

Owns how a thread starts and ends, and who waits for that. Names, daemons and ``Thread`` objects are the standard library's own. Laws:

* to start a thread is one question. The new task runs until it has told that it has begun, then the one that started it goes on, and only then is
  asked who does; so all threads of a loop live before the first of them does anything, in the dull order;
* to wait for a thread's end, or to look for it, is a point until the end was seen once, on every Python;
* what a thread raises fails the test, unless the program has a function of its own in ``threading.excepthook`` (of a thread without a ``Thread``: in
  ``sys.unraisablehook``); what it raises because it is killed is nothing.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident as real_ident
from collections import deque
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from simsock.errors import RealTimeLimit, SimsockError, TaskKilled
from simsock.harness import is_harness
from simsock.kernel import session
from simsock.kernel.handler_places import uninterruptible
from simsock.kernel.identity import PROCESS
from simsock.kernel.starting import begin_at_once, give_back
from simsock.kernel.units import OVERSHOOT_NS
from simsock.stdlib import _wait_words
from simsock.stdlib._locks import real_allocate, real_lock
from simsock.stdlib._waiting import granted

if TYPE_CHECKING:
    from simsock.kernel import Kernel, Task

NATIVE_FIRST = PROCESS
_BASES = {"process_request_thread": "handler"}
"""What tasks are called whose functions have a name that says less."""
_LOOK_EVERY_S = 0.001
classes: tuple[type, ...] = (threading.Thread,)
"""The ``Thread`` of the standard module, and of each copy."""


def learn(namespace: dict[str, Any]) -> None:
    """One more module ``threading``."""
    global classes
    classes = (*classes, namespace["Thread"])
    _wait_words.learn(namespace)


def get_native_id() -> int:
    """A number that is the same in every run."""
    return NATIVE_FIRST + session.kernel().current.serial


def count() -> int:
    """``_thread._count``: how many threads have begun, without the first."""
    return sum(1 for task in session.kernel().tasks.values() if task.started) - 1


def set_name(name: str, /) -> None:
    """What the operating system calls a thread (3.14). A world's threads are all one to it."""
    if not isinstance(name, str):
        raise TypeError(f"set_name() argument 'name' must be str, not {type(name).__name__}")


# -- the start -------------------------------------------------------------------------------------------------------------------------


def start_new_thread(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, /) -> int:
    """A task that runs ``function(*args, **kwargs)``; returns its identity."""
    if not callable(function):
        raise TypeError("first arg must be callable")
    if not isinstance(args, tuple):
        raise TypeError("2nd arg must be a tuple")
    task = _spawn(function, args, kwargs or {}, True)
    if not isinstance(getattr(function, "__self__", None), classes):
        task.fn = partial(_run_plain, function)
    _begin(task, function)
    return task.ident


def _run_plain(function: Any, *args: Any, **kwargs: Any) -> Any:
    """What a thread without a ``Thread`` runs. Its errors are for ``sys.unraisablehook`` where the program has one of its own, and else fail the test."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        kernel, hook = session.kernel(), sys.unraisablehook
        if kernel.ending or isinstance(error, SimsockError) or hook is sys.__unraisablehook__ or is_the_harness_s(hook):
            raise
        words, thing = "Exception ignored in thread started by", function
        if sys.version_info >= (3, 13):
            words, thing = f"{words} {function!r}", None
        traceback = error.__traceback__.tb_next if error.__traceback__ is not None else None
        hook(SimpleNamespace(exc_type=type(error), exc_value=error, exc_traceback=traceback, err_msg=words, object=thing))
        return None


def start_joinable_thread(function: Any, handle: Any = None, daemon: bool = True) -> Any:
    """3.13's way of starting a thread."""
    if not isinstance(handle, ThreadHandle):
        handle = ThreadHandle()
        thread = getattr(function, "__self__", None)
        if isinstance(thread, classes):  # made before the world: Lib/threading.py starts it with what it has there
            setattr(thread, "_handle" if hasattr(thread, "_handle") else "_os_thread_handle", handle)
    if handle.of is not None:
        raise RuntimeError("thread already started")
    handle.of = task = _spawn(function, (), {}, daemon)
    handle.ident = task.ident
    _begin(task, function)
    return handle


def _spawn(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], daemon: bool) -> Task:
    thread = getattr(function, "__self__", None)
    name, base = None, getattr(function, "__name__", "thread")
    if isinstance(thread, classes):
        base = getattr(getattr(thread, "_target", None), "__name__", None) or type(thread).__name__
        if not thread.name.startswith("Thread-"):  # type: ignore[attr-defined]  # a Thread's
            name = thread.name  # type: ignore[attr-defined]  # likewise
        daemon = thread.daemon  # type: ignore[attr-defined]  # likewise
        thread._invoke_excepthook = _reporter(function.__func__.__globals__)  # type: ignore[attr-defined]  # likewise
        namespace = function.__func__.__globals__
        if (namespace["_trace_hook"] or namespace["_profile_hook"]) and session.kernel().thread_state is not None:
            session.kernel().thread_state.follow_hooks()
    return session.kernel().spawn(function, args, kwargs, name=name, base=_BASES.get(base, base), daemon=daemon)


def _begin(task: Task, function: Any) -> None:
    """The one question of a thread's start."""
    kernel = task.kernel
    thread = getattr(function, "__self__", None)
    if isinstance(thread, classes):
        thread._started = Started(thread, kernel.current, function.__func__.__globals__)  # type: ignore[attr-defined]  # a Thread's
        begin_at_once(kernel, task)
    kernel.point()


class Started:
    """``Thread._started``, an event, of a thread that a task starts: nobody but the two knows it, and neither is to be switched out for it."""

    __slots__ = ("_flag", "_namespace", "_starter", "_thread", "_waiting")

    def __init__(self, thread: Any = None, starter: Task | None = None, namespace: dict[str, Any] | None = None) -> None:
        self._flag = starter is None
        self._thread = thread
        self._starter = starter
        self._namespace = namespace
        self._waiting: deque[Task] | None = None

    def is_set(self) -> bool:
        """Whether the thread has begun."""
        return self._flag

    def set(self) -> None:
        """It has begun: whoever started it goes on."""
        self._flag = True
        starter, thread, namespace = self._starter, self._thread, self._namespace
        self._starter = self._thread = self._namespace = None
        if starter is None or namespace is None:
            return
        kernel = starter.kernel
        if self._waiting:
            kernel.wake_all(self._waiting)
        try:
            give_back(kernel, starter)
        except BaseException:
            # Killed before it was in the tables, from which ``threading`` takes it out in any case.
            if namespace["_limbo"].pop(thread, None) is not None:
                namespace["_active"][thread.ident] = thread
            raise

    def wait(self, timeout: float | None = None) -> bool:
        """Only for a starter whose thread parks before it has begun."""
        while not self._flag and self._starter is not None:
            waiting = self._waiting = self._waiting or deque()
            self._starter.kernel.wait(waiting, None, "start", self._thread)
        return True

    def _at_fork_reinit(self) -> None:
        pass


class NotStarted(Started):
    """The same of a thread that nobody has started yet, which gets another one then: who waits for this one waits in vain."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait so long, or until the world says that nothing can happen any more."""
        kernel = session.kernel()
        kernel.wait(deque(), None if timeout is None else kernel.now + max(0, round(timeout * 1e9)), "start", None)
        return self._flag


# -- the end ---------------------------------------------------------------------------------------------------------------------------


class _End:
    """The end of a task, for those who wait for it."""

    def __init__(self) -> None:
        self.of: Task | None = None
        self.seen = False
        """Whether somebody has learned of it: then there is nothing more to wait for."""

    def wait(self, ns: int | None) -> bool:
        """Whether the task has ended, waiting at most so long for it."""
        task = self.of
        if task is None:
            return self.seen
        kernel = task.kernel
        if self.seen:
            if kernel.watchers is not None:
                _learned(kernel, task)
            return True
        if kernel.ended or kernel.thread != real_ident():
            self.seen = _wait_for_real(task, ns)
        elif kernel.ending:
            if not task.dead and ns != 0:
                kernel.join(task, None)  # is refused
            granted(kernel)
            self.seen = task.dead
        else:
            kernel.point()
            if not task.dead and task is not kernel.current:
                if ns == 0:
                    kernel.fruitless()
                else:
                    kernel.join(task, None if ns is None else kernel.now + ns, OVERSHOOT_NS)
            self.seen = task.dead
            if kernel.watchers is not None and task.dead:
                _learned(kernel, task)
        return self.seen


def _learned(kernel: Kernel, task: Task) -> None:
    """Whoever watches is told."""
    if kernel.watchers is not None and kernel.thread == real_ident():
        kernel.watchers.learns(kernel.current, task)


def _wait_for_real(task: Task, ns: int | None) -> bool:
    """In another OS thread than the world's, or after the world."""
    left = None if ns is None else ns / 1e9
    nobody_s = real_allocate()
    nobody_s.acquire()
    while not task.dead and not task.kernel.ended and (left is None or left > 0):
        nobody_s.acquire(True, _LOOK_EVERY_S)
        left = None if left is None else left - _LOOK_EVERY_S
    return task.dead or task.kernel.ended


class ShutdownLocks(set[Any]):
    """``threading._shutdown_locks`` (3.11, 3.12): the interpreter's end does not wait for tasks, so those of other OS threads alone are kept."""

    def add(self, lock: Any) -> None:
        """A thread that is no daemon has begun."""
        if type(lock) is real_lock:
            super().add(lock)


class Sentinel(_End):
    """The lock by which a thread tells its end (3.11, 3.12): those who wait for it wait for the task."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Its own thread takes it first of all; to everybody else it is free when that has ended."""
        if not blocking:
            return self.wait(0)
        return (self.of is not None and self.of is self.of.kernel.current) or self.wait(None if timeout < 0 else round(timeout * 1e9))

    def release(self) -> None:
        """Nothing: nobody has it."""

    def locked(self) -> bool:
        """Nobody has it, so whoever is interrupted while he waits for it does not take the thread for dead."""
        return False


def set_sentinel() -> Sentinel:
    """``_thread._set_sentinel``."""
    sentinel = Sentinel()
    sentinel.of = session.active.current if session.active is not None else None
    return sentinel


class ThreadHandle(_End):
    """What ``Thread`` holds on to from 3.13 on."""

    def __init__(self) -> None:
        super().__init__()
        self.ident = 0

    def is_done(self) -> bool:
        """Whether the thread has ended; asking is a poll."""
        return self.wait(0)

    def _set_done(self) -> None:
        self.seen = True

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end."""
        task = self.of
        if task is None:
            if self.seen:
                return
            raise RuntimeError("thread not started")
        if task is task.kernel.current and not task.kernel.ended:
            raise RuntimeError("Cannot join current thread")
        self.wait(None if timeout is None or timeout < 0 else round(timeout * 1e9))


# -- errors ----------------------------------------------------------------------------------------------------------------------------


def is_the_harness_s(hook: Any) -> bool:
    """pytest's turn errors of threads, and others that nobody hears of, into warnings."""
    while isinstance(hook, partial):
        hook = hook.func
    return is_harness(str(getattr(hook, "__module__", None) or ""))


def excepthook(args: Any, /) -> None:
    """What happens to an error that leaves a thread's ``run``: it is noted and fails the test. Programs may put their own function there."""
    kernel = session.kernel()
    error = args.exc_value
    if not kernel.ending and not isinstance(error, (SystemExit, TaskKilled)):
        kernel.current.error = error
        kernel.task_failed(kernel.current, error)


_reporters: dict[int, Any] = {}


def _reporter(namespace: dict[str, Any]) -> Any:
    """``Thread._invoke_excepthook`` for the threads of one module ``threading``."""
    found = _reporters.get(id(namespace))
    if found is None:
        found = _reporters[id(namespace)] = partial(_report, namespace)
    return found


def _report(namespace: dict[str, Any], thread: Any) -> None:
    """Called where a thread's ``run`` has raised."""
    error = sys.exception()
    kernel: Kernel | None = session.active
    if error is None or kernel is None or kernel.ending or isinstance(error, TaskKilled):
        return  # a thread that is killed, or makes a call in a ``finally`` while its world ends, is no failure of the program's
    if isinstance(error, RealTimeLimit):  # from the watchdog, where there are no signals
        kernel._fail_first(error)
        return
    try:
        hook = namespace["excepthook"] or namespace["__excepthook__"]
        hook(namespace["ExceptHookArgs"]((type(error), error, error.__traceback__, thread)))
    except TaskKilled:
        pass
    except BaseException as failed:  # a hook of the program's
        kernel.task_failed(kernel.current, failed)


def _told_as(function: Any, name: str) -> None:
    """Stories name a call by the function of simsock's that the program, or the standard library for it, has called."""
    function.__code__ = function.__code__.replace(co_qualname=name)


for _function, _name in (
    (start_new_thread, "Thread.start"),
    (start_joinable_thread, "Thread.start"),
    (Sentinel.acquire, "Thread.join"),
    (ThreadHandle.join, "Thread.join"),
    (ThreadHandle.is_done, "Thread.is_alive"),
):
    _told_as(_function, _name)
for _function in (start_new_thread, start_joinable_thread):  # the table of threads that start would be left with one that has started
    uninterruptible(_function)

__all__ = ["Sentinel", "ThreadHandle", "excepthook", "get_native_id", "is_the_harness_s", "set_sentinel", "start_joinable_thread", "start_new_thread"]
