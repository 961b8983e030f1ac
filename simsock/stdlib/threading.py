"""Stand-in for ``threading``: the standard names over the world's tasks.

PYTEST_DONT_REWRITE

Owns threads: their objects, names and life. Locks, conditions and ``local`` are in ``_locks``, ``_conditions`` and ``_local``. Does not know
how tasks are scheduled. Laws:

* a thread is a task; starting one makes it runnable and does not run it;
* what a thread's ``run`` raises is the task's error and fails the test, unless the program has put its own function in ``excepthook``;
* the world's first task is the main thread; a task that ``sim.spawn`` made has a thread object when it asks for one.
"""

from __future__ import annotations

import threading as _real
from itertools import count as _count
from threading import BrokenBarrierError, ExceptHookArgs, ThreadError
from typing import TYPE_CHECKING, Any
from warnings import warn

from simsock.errors import TaskKilled, Unsupported, WorldEnded
from simsock.kernel import session
from simsock.stdlib._conditions import Barrier, Condition, Event
from simsock.stdlib._local import local
from simsock.stdlib._locks import BoundedSemaphore, Lock, RLock, Semaphore
from simsock.stdlib._room import Room
from simsock.stdlib._waiting import TIMEOUT_MAX, begin, in_vain, looked, timeout_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

__all__ = [
    "TIMEOUT_MAX",
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "ExceptHookArgs",
    "Lock",
    "RLock",
    "Semaphore",
    "Thread",
    "ThreadError",
    "Timer",
    "active_count",
    "current_thread",
    "enumerate",
    "excepthook",
    "get_ident",
    "get_native_id",
    "getprofile",
    "gettrace",
    "local",
    "main_thread",
    "setprofile",
    "settrace",
    "stack_size",
]

_NATIVE_IDENT_FIRST = 10_000
_STACK_SIZE_MIN = 32_768
_BASES = {"process_request_thread": "handler"}
"""What tasks are called whose functions have a name that says less."""

_outside_names = _count(1)
_stack_size = 0


def __getattr__(name: str) -> Any:
    if name in _real.__all__:
        raise Unsupported(f"threading.{name} is not simulated yet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Thread:
    """A thread of control: a call of ``run``, which calls ``target``, in a task of its own."""

    _initialized = False

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        assert group is None, "group argument must be None for now"
        self._kernel: Kernel | None = session.active
        self._target = target
        self._args = args
        self._kwargs = {} if kwargs is None else kwargs
        self._named = bool(name)
        self._name = str(name) if name else self._new_name()
        self._daemonic: bool = daemon if daemon is not None else self._kernel is not None and self._kernel.current.daemon
        self._task: Task | None = None
        self._initialized = True

    def _new_name(self) -> str:
        if self._kernel is None:
            serial = next(_outside_names)
        else:
            room = self._kernel.room(Room)
            serial = room.threads = room.threads + 1
        target = getattr(self._target, "__name__", None)
        return f"Thread-{serial}" if target is None else f"Thread-{serial} ({target})"

    def start(self) -> None:
        """Make the thread runnable. ``RuntimeError`` the second time."""
        if not self._initialized:
            raise RuntimeError("thread.__init__() not called")
        if self._task is not None:
            raise RuntimeError("threads can only be started once")
        kernel = self._kernel or session.kernel()
        kernel.point()
        if self._task is not None:  # another task was quicker
            raise RuntimeError("threads can only be started once")
        base = getattr(self._target, "__name__", None) or type(self).__name__
        self._task = task = kernel.spawn(self._bootstrap, name=self._name if self._named else None, base=_BASES.get(base, base), daemon=bool(self._daemonic))
        task.thread = self

    def run(self) -> None:
        """What the thread does. May be overridden."""
        try:
            if self._target is not None:
                self._target(*self._args, **self._kwargs)
        finally:
            # An argument may refer to the thread; and who keeps a thread need not keep what it worked on.
            del self._target, self._args, self._kwargs

    def _bootstrap(self) -> None:
        try:
            self.run()
        except (TaskKilled, KeyboardInterrupt, WorldEnded):
            raise
        except BaseException as error:
            hook = excepthook
            if hook is None or hook is __excepthook__:
                raise
            hook(ExceptHookArgs((type(error), error, error.__traceback__, self)))

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, or ``timeout`` (virtual seconds) has passed: ``is_alive()`` tells which."""
        if not self._initialized:
            raise RuntimeError("Thread.__init__() not called")
        task = self._task
        if task is None:
            raise RuntimeError("cannot join thread before it is started")
        kernel = begin(task.kernel)
        assert kernel is not None
        if task is kernel.current and not kernel.ended:
            raise RuntimeError("cannot join current thread")
        if task.dead:
            return
        ns = timeout_ns(timeout)
        if ns == 0:
            in_vain(kernel)
        else:
            kernel.join(task, None if ns < 0 else kernel.now + ns)

    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        assert self._initialized, "Thread.__init__() not called"
        task = self._task
        if task is None:
            return False
        kernel = begin(task.kernel)
        alive = not task.dead
        if alive and task is not task.kernel.current:
            in_vain(kernel)
        return alive

    @property
    def name(self) -> str:
        """For people; need not be unique."""
        assert self._initialized, "Thread.__init__() not called"
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        assert self._initialized, "Thread.__init__() not called"
        self._name = str(name)
        self._named = True

    @property
    def ident(self) -> int | None:
        """The thread's identity, None before it is started."""
        assert self._initialized, "Thread.__init__() not called"
        return None if self._task is None else self._task.ident

    @property
    def native_id(self) -> int | None:
        """What the system would call it, None before it is started."""
        assert self._initialized, "Thread.__init__() not called"
        return None if self._task is None else _NATIVE_IDENT_FIRST + self._task.serial

    @property
    def daemon(self) -> bool:
        """Whether the end of the world need not wait for it."""
        assert self._initialized, "Thread.__init__() not called"
        return self._daemonic

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        if not self._initialized:
            raise RuntimeError("Thread.__init__() not called")
        if self._task is not None:
            raise RuntimeError("cannot set daemon status of active thread")
        self._daemonic = daemonic

    def isDaemon(self) -> bool:
        """The old form of ``daemon``."""
        _deprecated("isDaemon() is deprecated, get the daemon attribute instead")
        return self.daemon

    def setDaemon(self, daemonic: bool) -> None:
        """The old form of ``daemon``."""
        _deprecated("setDaemon() is deprecated, set the daemon attribute instead")
        self.daemon = daemonic

    def getName(self) -> str:
        """The old form of ``name``."""
        _deprecated("getName() is deprecated, get the name attribute instead")
        return self.name

    def setName(self, name: str) -> None:
        """The old form of ``name``."""
        _deprecated("setName() is deprecated, set the name attribute instead")
        self.name = name

    def __repr__(self) -> str:
        assert self._initialized, "Thread.__init__() was not called"
        task = self._task
        status = "initial" if task is None else "stopped" if task.dead else "started"
        if self._daemonic:
            status += " daemon"
        if task is not None:
            status += f" {task.ident}"
        return f"<{type(self).__name__}({self._name}, {status})>"


def _deprecated(text: str) -> None:
    warn(text, DeprecationWarning, stacklevel=3)


class Timer(Thread):
    """A thread that calls ``function`` after ``interval`` virtual seconds, unless it is cancelled before."""

    def __init__(self, interval: float, function: Callable[..., object], args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.interval = interval
        self.function = function
        self.args = () if args is None else args
        self.kwargs = {} if kwargs is None else kwargs
        self.finished = Event()

    def cancel(self) -> None:
        """Do not call the function, if that has not happened yet."""
        self.finished.set()

    def run(self) -> None:
        """Wait, then call the function."""
        if not self.finished.wait(self.interval):
            self.function(*self.args, **self.kwargs)
        self.finished.set()


class _Adopted(Thread):
    """The thread object of a task that no ``Thread`` started."""

    def __init__(self, task: Task, name: str) -> None:
        super().__init__(name=name, daemon=task.daemon)
        self._task = task


class _MainThread(_Adopted):
    """The thread object of the world's first task."""


class _DummyThread(_Adopted):
    """The thread object of a task that ``sim.spawn`` made."""

    def join(self, timeout: float | None = None) -> None:
        """Not to be had, as in CPython: the task's own ``result()`` waits for it."""
        raise RuntimeError("cannot join a dummy thread")


def _thread_of(task: Task) -> Any:
    """The thread object of a task, made now if need be."""
    thread = task.thread
    if thread is None:
        thread = task.thread = _MainThread(task, "MainThread") if task is task.kernel.first else _DummyThread(task, task.path)
    return thread


def current_thread() -> Any:
    """The thread object of the task that calls; outside every world the real one."""
    kernel = session.active
    return _real.current_thread() if kernel is None else _thread_of(kernel.current)


def main_thread() -> Any:
    """The thread object of the world's first task; outside every world the real one."""
    kernel = session.active
    return _real.main_thread() if kernel is None else _thread_of(kernel.first)


def get_ident() -> int:
    """The calling task's identity: a number that is the same in every run."""
    kernel = session.active
    return _real.get_ident() if kernel is None else kernel.current.ident


def get_native_id() -> int:
    """What the system would call the calling thread: a number that is the same in every run."""
    kernel = session.active
    return _real.get_native_id() if kernel is None else _NATIVE_IDENT_FIRST + kernel.current.serial


def enumerate() -> list[Any]:
    """The thread objects of the living threads: the main one, those that were started, and the tasks that asked who they are."""
    kernel = begin(None)
    if kernel is None:
        return list(_real.enumerate())
    looked(kernel)
    _thread_of(kernel.first)
    return [task.thread for task in kernel.tasks.values() if task.thread is not None]


def active_count() -> int:
    """How many threads ``enumerate()`` would list."""
    return len(enumerate())


def excepthook(args: Any, /) -> None:
    """What happens to an error that leaves a thread's ``run``: it is noted and fails the test. Programs may put their own function here."""
    kernel = session.kernel()
    if args.exc_type is not SystemExit:
        kernel.task_failed(kernel.current, args.exc_value)


__excepthook__ = excepthook


def settrace(func: Any) -> None:
    """Only None: the tracing of tasks is the world's own."""
    if func is not None:
        raise Unsupported(f"threading.settrace({func!r}): the tracing of threads is not simulated")


def setprofile(func: Any) -> None:
    """Only None, as with ``settrace``."""
    if func is not None:
        raise Unsupported(f"threading.setprofile({func!r}): the profiling of threads is not simulated")


def gettrace() -> None:
    """None: see ``settrace``."""
    return


def getprofile() -> None:
    """None: see ``setprofile``."""
    return


def stack_size(size: int = 0, /) -> int:
    """The size asked for last (0: the system's choice), setting a new one. Tasks have as much stack as they need."""
    global _stack_size
    if size < 0:
        raise ValueError("size must be 0 or a positive value")
    if 0 < size < _STACK_SIZE_MIN:
        raise ValueError(f"size not valid: {size} bytes")
    previous, _stack_size = _stack_size, size
    return previous
