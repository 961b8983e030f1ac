"""``Condition``, ``Event`` and ``Barrier`` of the stand-in for ``threading``.

PYTEST_DONT_REWRITE

Owns who waits for which news. Laws: releasing the lock and beginning to wait are one step, so no notification falls in between; those who
wait are woken in the order in which they came; a wait that its task did not survive passes its notification on.
"""

from __future__ import annotations

from collections import deque
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any
from warnings import warn

from simsock.kernel import session
from simsock.stdlib._locks import Lock, RLock
from simsock.stdlib._waiting import begin, described, in_vain, looked, number, timeout_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task


class _Waiter:
    """One call of ``Condition.wait``."""

    __slots__ = ("notified", "queue")

    def __init__(self) -> None:
        self.notified = False
        self.queue: deque[Task] = deque()


class Condition:
    """News about what a lock guards. ``lock`` is a ``Lock``, an ``RLock`` (the default), or anything with ``acquire`` and ``release``."""

    def __init__(self, lock: Any = None) -> None:
        self._kernel = kernel = session.active
        self._serial = number(kernel, "Condition")
        if lock is None:
            lock = RLock()
        self._lock = lock
        self.acquire = lock.acquire
        self.release = lock.release
        for name in ("locked", "_release_save", "_acquire_restore", "_is_owned"):
            method = getattr(lock, name, None)
            if method is not None:
                setattr(self, name, method)
        self._waiters: deque[_Waiter] = deque()

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(self, *exc: Any) -> Any:
        return self._lock.__exit__(*exc)

    # What a lock of the program's own may lack, as in CPython's threading.py.

    def _release_save(self) -> Any:
        self._lock.release()

    def _acquire_restore(self, state: Any) -> None:
        self._lock.acquire()

    def _is_owned(self) -> bool:
        if self._lock.acquire(False):
            self._lock.release()
            return False
        return True

    def _check_owned(self, kernel: Kernel | None, what: str) -> None:
        if not (kernel is not None and kernel.ending) and not self._is_owned():
            raise RuntimeError(f"cannot {what} on un-acquired lock")

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait for a notification, take the lock again. False when ``timeout`` (virtual seconds) passed first."""
        kernel = begin(self._kernel) or session.kernel()
        self._check_owned(kernel, "wait")
        ns = timeout_ns(timeout)
        deadline = None if ns < 0 else kernel.now + ns
        waiter = _Waiter()
        self._waiters.append(waiter)
        saved = self._release_save()
        try:
            # A lock of the program's own may let other tasks run while it is released, so the news may be there already.
            if not waiter.notified:
                if ns == 0:
                    in_vain(kernel)
                else:
                    kernel.wait(waiter.queue, deadline, "wait for", self)
            if not waiter.notified:
                self._forget(waiter)
        except BaseException:
            if waiter.notified:
                self._tell(kernel, 1)
            else:
                self._forget(waiter)
            raise
        finally:
            self._acquire_restore(saved)
        return waiter.notified

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until ``predicate()`` is true or ``timeout`` (virtual seconds) has passed; returns what it returned last."""
        result = predicate()
        if result:
            return result
        kernel = self._kernel or session.kernel()
        deadline = None if timeout is None else kernel.now + timeout_ns(timeout)
        while not result:
            remaining = None if deadline is None else (deadline - kernel.now) / 1e9
            if remaining is not None and remaining <= 0:
                if timeout is not None and timeout <= 0:
                    in_vain(kernel)
                break
            self.wait(remaining)
            result = predicate()
        return result

    def notify(self, n: int = 1) -> None:
        """Wake the ``n`` tasks that have waited longest; they go on when they have the lock."""
        kernel = begin(self._kernel)
        self._check_owned(kernel, "notify")
        self._tell(kernel, n)

    def notify_all(self) -> None:
        """Wake all who wait."""
        kernel = begin(self._kernel)
        self._check_owned(kernel, "notify")
        self._tell(kernel, None)

    def notifyAll(self) -> None:
        """The old name of ``notify_all``."""
        warn("notifyAll() is deprecated, use notify_all() instead", DeprecationWarning, stacklevel=2)
        self.notify_all()

    def _tell(self, kernel: Kernel | None, n: int | None) -> None:
        waiters = self._waiters
        for _ in range(len(waiters) if n is None else min(n, len(waiters))):
            waiter = waiters.popleft()
            waiter.notified = True
            if waiter.queue and kernel is not None:
                kernel.wake(waiter.queue)

    def _forget(self, waiter: _Waiter) -> None:
        for place, other in enumerate(self._waiters):
            if other is waiter:
                del self._waiters[place]
                return

    def describe(self) -> str:
        """A few words for reports."""
        return described("Condition", self._serial)

    def __repr__(self) -> str:
        return f"<{self.describe()}({self._lock!r}, {len(self._waiters)})>"


class Event:
    """A flag that tasks can wait for."""

    def __init__(self) -> None:
        self._kernel = kernel = session.active
        self._serial = number(kernel, "Event")
        self._flag = False
        self._waiters: deque[Task] = deque()

    def is_set(self) -> bool:
        """Whether the flag is up."""
        kernel = begin(self._kernel)
        if self._flag:
            looked(kernel)
        else:
            in_vain(kernel)
        return self._flag

    def isSet(self) -> bool:
        """The old name of ``is_set``."""
        warn("isSet() is deprecated, use is_set() instead", DeprecationWarning, stacklevel=2)
        return self.is_set()

    def set(self) -> None:
        """Put the flag up and wake all who wait."""
        kernel = begin(self._kernel)
        self._flag = True
        if kernel is not None:
            kernel.wake_all(self._waiters)

    def clear(self) -> None:
        """Take the flag down."""
        begin(self._kernel)
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is up; False when ``timeout`` (virtual seconds) passed first."""
        kernel = begin(self._kernel)
        if self._flag:
            return True
        ns = timeout_ns(timeout)
        if kernel is None:
            kernel = session.kernel()
        if ns == 0:
            in_vain(kernel)
            return self._flag
        return kernel.wait(self._waiters, None if ns < 0 else kernel.now + ns, "wait for", self)

    def describe(self) -> str:
        """A few words for reports."""
        return described("Event", self._serial)

    def __repr__(self) -> str:
        return f"<threading.{type(self).__qualname__} {self.describe()}: {'set' if self._flag else 'unset'}>"


class _Generation:
    """The tasks that go through a barrier together. ``outcome``: None while they gather, then whether they got through."""

    __slots__ = ("count", "outcome")

    def __init__(self) -> None:
        self.count = 0
        self.outcome: bool | None = None


class Barrier:
    """A place where ``parties`` tasks wait for each other, again and again. ``action`` is called by one of them each time."""

    def __init__(self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None) -> None:
        if parties < 1:
            raise ValueError("parties must be > 0")
        self._cond = Condition(Lock())
        self._serial = number(session.active, "Barrier")
        self._action = action
        self._timeout = timeout
        self._parties = parties
        self._generation = _Generation()
        self._broken = False

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the others. Returns a number from 0 to ``parties - 1``, a different one to each.

        ``BrokenBarrierError`` when ``timeout`` (virtual seconds) passed for one of them, ``action`` raised, or the barrier was aborted or reset.
        """
        if timeout is None:
            timeout = self._timeout
        with self._cond:
            if self._broken:
                raise BrokenBarrierError
            generation = self._generation
            index = generation.count
            generation.count += 1
            if generation.count == self._parties:
                self._let_through(generation)
            else:
                self._gather(generation, timeout)
        return index

    def _let_through(self, generation: _Generation) -> None:
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            self._break()
            raise
        generation.outcome = True
        self._generation = _Generation()
        self._cond.notify_all()

    def _gather(self, generation: _Generation, timeout: float | None) -> None:
        try:
            self._cond.wait_for(lambda: generation.outcome is not None, timeout)
        except BaseException:
            if generation.outcome is None:
                generation.count -= 1
            raise
        if generation.outcome is None:
            self._break()
        if not generation.outcome:
            raise BrokenBarrierError

    def _break(self) -> None:
        self._broken = True
        self._generation.outcome = False
        self._cond.notify_all()

    def reset(self) -> None:
        """Back to the beginning; those who wait get ``BrokenBarrierError``."""
        with self._cond:
            self._break()
            self._broken = False
            self._generation = _Generation()

    def abort(self) -> None:
        """Break the barrier: those who wait, and those who come, get ``BrokenBarrierError``."""
        with self._cond:
            self._break()

    @property
    def parties(self) -> int:
        """How many tasks it takes."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many tasks wait now."""
        looked(begin(self._cond._kernel))
        return self._gathered()

    @property
    def broken(self) -> bool:
        """Whether it is broken."""
        looked(begin(self._cond._kernel))
        return self._broken

    def _gathered(self) -> int:
        return 0 if self._broken else self._generation.count

    def describe(self) -> str:
        """A few words for reports."""
        return described("Barrier", self._serial)

    def __repr__(self) -> str:
        state = "broken" if self._broken else f"waiters={self._gathered()}/{self._parties}"
        return f"<threading.{type(self).__qualname__} {self.describe()}: {state}>"
