"""``Lock``, ``RLock``, ``Semaphore`` and ``BoundedSemaphore`` of the stand-in for ``threading``.

PYTEST_DONT_REWRITE

Owns who holds what. Laws:

* waiters are woken first come, first served; whoever comes by before the woken one has run may take the lock (as in CPython), but only
  once for each waiter: then the lock is handed over (``Line``);
* a wake-up is never lost: a task that dies between being woken and taking passes it on;
* while a world ends every lock is granted; after it, locks that outlive it let everybody through.
"""

from __future__ import annotations

import _thread
from typing import TYPE_CHECKING, Any, NoReturn

from simsock.kernel import session
from simsock.stdlib._waiting import OUTSIDE, TIMEOUT_MAX, Line, begin, described, granted, in_vain, looked, nanoseconds, number, timeout_ns

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel


def _limit(blocking: Any, timeout: Any) -> int:
    """How long ``acquire`` waits, in nanoseconds: -1 for ever, 0 not at all. Errors as in CPython's _threadmodule.c."""
    ns = nanoseconds(timeout)
    if not blocking:
        if timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0
    if timeout == -1:
        return -1
    if ns < 0:
        raise ValueError("timeout value must be a non-negative number")
    if ns > TIMEOUT_MAX * 1e9:
        raise OverflowError("timeout value is too large")
    return ns


class Lock:
    """A lock that one task holds at a time and that any task may release."""

    __slots__ = ("__weakref__", "_kernel", "_line", "_serial", "holder")

    def __init__(self) -> None:
        self._kernel = kernel = session.active
        self._serial = number(kernel, "Lock")
        self._line: Line | None = None
        self.holder: Any = None
        """The task that took it (for reports: whoever releases it may be another), ``OUTSIDE``, or None when it is free."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock. ``timeout`` in virtual seconds; False when it was not to be had in time."""
        ns = -1 if blocking and timeout == -1 else _limit(blocking, timeout)
        kernel = self._kernel or session.active
        if kernel is None or kernel.ending:
            return self._acquire_outside(kernel, ns)
        kernel.point()
        if self.holder is None:
            self.holder = kernel.current
        elif not self._acquire_contended(kernel, ns):
            return False
        if kernel.watchers is not None:
            kernel.watchers.takes(kernel.current, self)
        return True

    __enter__ = acquire

    def release(self) -> None:
        """Give the lock up. ``RuntimeError`` when nobody holds it."""
        kernel = self._kernel or session.active
        if kernel is None or kernel.ending:
            self._release_outside(kernel)
            return
        kernel.point()
        if self.holder is None:
            raise RuntimeError("release unlocked lock")
        if kernel.watchers is not None:
            kernel.watchers.gives(kernel.current, self)
        if self._line is None:
            self.holder = None
        else:
            self.holder = self._line.offer(kernel)

    def __exit__(self, *exc: object) -> None:
        self.release()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        kernel = begin(self._kernel)
        held = self.holder is not None
        if held:
            in_vain(kernel)
        else:
            looked(kernel)
        return held

    def _acquire_contended(self, kernel: Kernel, ns: int) -> bool:
        owner = self.holder.kernel
        if owner is not None and owner.ended:  # held by a task of a world that is no more
            self.holder = kernel.current
            return True
        if ns == 0:
            kernel.fruitless()
            return False
        if self._line is None:
            self._line = Line()
        deadline = None if ns < 0 else kernel.now + ns
        if not self._line.wait(kernel, deadline, "acquire", self, self._is_free, self._pass_on):
            return False
        self.holder = kernel.current
        return True

    def _is_free(self) -> bool:
        return self.holder is None

    def _pass_on(self, kernel: Kernel, handed_over: bool) -> None:
        line = self._line
        if line is not None and (handed_over or self.holder is None):
            self.holder = line.offer(kernel)

    def _acquire_outside(self, kernel: Kernel | None, ns: int) -> bool:
        """Outside every world, or while one ends, or after it."""
        if kernel is not None:
            granted(kernel)
            if not kernel.ended:
                self.holder = kernel.current
            return True
        if self.holder is not None and self.holder is OUTSIDE:
            if ns != 0:
                session.kernel()  # says that no world is running, in which one could wait
            return False
        self.holder = OUTSIDE
        return True

    def _release_outside(self, kernel: Kernel | None) -> None:
        if kernel is not None:
            granted(kernel)
        elif self.holder is None:
            raise RuntimeError("release unlocked lock")
        self.holder = None

    # What ``Condition`` and ``Queue`` use: as above, without being points themselves.

    def _take(self, kernel: Kernel | None) -> None:
        if kernel is None or kernel.ending:
            self._acquire_outside(kernel, -1)
        elif self.holder is None:
            self.holder = kernel.current
        else:
            self._acquire_contended(kernel, -1)

    def _free(self, kernel: Kernel | None) -> None:
        if kernel is None or kernel.ending or self._line is None:
            self.holder = None
        else:
            self.holder = self._line.offer(kernel)

    def _is_owned(self) -> bool:
        return self.holder is not None

    def _release_save(self) -> Any:
        kernel = self._kernel or session.active
        if kernel is not None and kernel.watchers is not None:
            kernel.watchers.gives(kernel.current, self)
        self._free(kernel)

    def _acquire_restore(self, state: Any) -> None:
        kernel = self._kernel or session.active
        self._take(kernel)
        if kernel is not None and kernel.watchers is not None:
            kernel.watchers.takes(kernel.current, self)

    def _at_fork_reinit(self) -> None:
        self.holder = self._line = None

    def describe(self) -> str:
        """A few words for reports."""
        return described("Lock", self._serial)

    def __repr__(self) -> str:
        return f"<{'unlocked' if self.holder is None else 'locked'} threading.Lock object {self.describe()}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle '_thread.lock' object")


class RLock:
    """A lock that its holder may take again; as often as it took it, it has to release it."""

    __slots__ = ("__weakref__", "_count", "_kernel", "_line", "_serial", "holder")

    def __init__(self) -> None:
        self._kernel = kernel = session.active
        self._serial = number(kernel, "RLock")
        self._line: Line | None = None
        self._count = 0
        self.holder: Any = None
        """The task that holds it, ``OUTSIDE``, or None when it is free."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, for the first time or again. ``timeout`` in virtual seconds; False when it was not to be had in time."""
        ns = -1 if blocking and timeout == -1 else _limit(blocking, timeout)
        kernel = self._kernel or session.active
        if kernel is None or kernel.ending:
            return self._acquire_outside(kernel, ns)
        kernel.point()
        me = kernel.current
        holder = self.holder
        if holder is None:
            self.holder = me
            self._count = 1
        elif holder is me:
            self._count += 1
        elif not self._acquire_contended(kernel, ns):
            return False
        if kernel.watchers is not None:
            kernel.watchers.takes(me, self)
        return True

    __enter__ = acquire

    def release(self) -> None:
        """Release it once. ``RuntimeError`` when another task holds it, or nobody."""
        kernel = self._kernel or session.active
        if kernel is None or kernel.ending:
            self._release_outside(kernel)
            return
        kernel.point()
        if self.holder is not kernel.current and not self._holds(kernel):
            raise RuntimeError("cannot release un-acquired lock")
        if kernel.watchers is not None:
            kernel.watchers.gives(kernel.current, self)
        if self._count > 1:
            self._count -= 1
        else:
            self._free(kernel)

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _holds(self, kernel: Kernel) -> bool:
        """Whether the current task holds it, also as the code that entered the world."""
        return self.holder is kernel.current or (self.holder is OUTSIDE and kernel.current is kernel.first)

    def _acquire_contended(self, kernel: Kernel, ns: int) -> bool:
        if self._holds(kernel):
            self._count += 1
            return True
        owner = self.holder.kernel
        if owner is not None and owner.ended:
            self._own(kernel)
            return True
        if ns == 0:
            kernel.fruitless()
            return False
        if self._line is None:
            self._line = Line()
        deadline = None if ns < 0 else kernel.now + ns
        if not self._line.wait(kernel, deadline, "acquire", self, self._is_free, self._pass_on):
            return False
        self._own(kernel)
        return True

    def _own(self, kernel: Kernel) -> None:
        self.holder = kernel.current
        self._count = 1

    def _is_free(self) -> bool:
        return self.holder is None

    def _free(self, kernel: Kernel) -> None:
        self._count = 0
        self.holder = None
        if self._line is not None:
            self._pass_on(kernel, False)

    def _pass_on(self, kernel: Kernel, handed_over: bool) -> None:
        if self._line is not None and (handed_over or self.holder is None):
            self.holder = self._line.offer(kernel)

    def _acquire_outside(self, kernel: Kernel | None, ns: int) -> bool:
        if kernel is not None:
            granted(kernel)
            if kernel.ended:
                return True
        me = OUTSIDE if kernel is None else kernel.current
        if self.holder is me:
            self._count += 1
        elif self.holder is None or kernel is None:  # outside every world, whoever holds it belongs to one that has ended
            self.holder = me
            self._count = 1
        return True

    def _release_outside(self, kernel: Kernel | None) -> None:
        if kernel is not None:
            granted(kernel)
            if kernel.ended or self.holder is not kernel.current:
                return
        elif self.holder is None:
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if self._count <= 0:
            self.holder = None

    if hasattr(_thread.RLock, "locked"):  # 3.14 and later

        def locked(self) -> bool:
            """Whether somebody holds it."""
            kernel = begin(self._kernel)
            if self.holder is None:
                looked(kernel)
            elif kernel is None or not self._holds(kernel):  # what the caller holds itself is no news to wait for
                in_vain(kernel)
            return self.holder is not None

    # What ``Condition`` uses: as above, without being points themselves.

    def _is_owned(self) -> bool:
        kernel = self._kernel or session.active
        if kernel is None or kernel.ending:
            return self.holder is not None
        return self._holds(kernel)

    def _release_save(self) -> Any:
        kernel = self._kernel or session.active
        saved = self._count
        if kernel is None or kernel.ending:
            self._count, self.holder = 0, None
        else:
            if kernel.watchers is not None:
                kernel.watchers.gives(kernel.current, self)
            self._free(kernel)
        return saved

    def _acquire_restore(self, state: Any) -> None:
        kernel = self._kernel or session.active
        if kernel is None or kernel.ending:
            self._acquire_outside(kernel, -1)
        elif self.holder is None:
            self._own(kernel)
        else:
            self._acquire_contended(kernel, -1)
        if self._is_owned():
            self._count = state
            if kernel is not None and kernel.watchers is not None:
                kernel.watchers.takes(kernel.current, self)

    def _at_fork_reinit(self) -> None:
        self._count = 0
        self.holder = self._line = None

    def describe(self) -> str:
        """A few words for reports."""
        return described("RLock", self._serial)

    def __repr__(self) -> str:
        owner = 0 if self.holder is None else getattr(self.holder, "ident", -1)
        return f"<{'unlocked' if self.holder is None else 'locked'} threading.RLock object owner={owner} count={self._count} {self.describe()}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle '_thread.RLock' object")


class Semaphore:
    """A counter that is never below zero: ``acquire`` takes one and waits for it, ``release`` gives some back."""

    def __init__(self, value: int = 1) -> None:
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._kernel = kernel = session.active
        self._serial = number(kernel, "Semaphore")
        self._value = value
        self._line: Line | None = None

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take one. ``timeout`` in virtual seconds (None: for ever); False when there was none in time."""
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire")
        kernel = begin(self._kernel)
        if self._value > 0:
            self._value -= 1
            if kernel is not None and kernel.watchers is not None:
                kernel.watchers.takes(kernel.current, self)
            return True
        if kernel is not None and kernel.ending:
            return True
        ns = timeout_ns(timeout) if blocking else 0
        if ns == 0:
            in_vain(kernel)
            return False
        if kernel is None:
            kernel = session.kernel()
        if self._line is None:
            self._line = Line()
        deadline = None if ns < 0 else kernel.now + ns
        if not self._line.wait(kernel, deadline, "acquire", self, self._take_one, self._pass_on):
            return False
        if kernel.watchers is not None:
            kernel.watchers.takes(kernel.current, self)
        return True

    __enter__ = acquire

    def release(self, n: int = 1) -> None:
        """Give ``n`` back."""
        if n < 1:
            raise ValueError("n must be one or more")
        self._release(begin(self._kernel), n)

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _take_one(self) -> bool:
        if self._value > 0:
            self._value -= 1
            return True
        return False

    def _release(self, kernel: Kernel | None, n: int) -> None:
        if kernel is not None and kernel.watchers is not None:
            for _ in range(n):
                kernel.watchers.gives(kernel.current, self)
        self._give(kernel, n)

    def _give(self, kernel: Kernel | None, n: int) -> None:
        line = self._line
        for _ in range(n):
            if line is None or kernel is None or line.offer(kernel) is None:
                self._value += 1

    def _pass_on(self, kernel: Kernel, handed_over: bool) -> None:
        if handed_over:
            self._give(kernel, 1)
        elif self._value > 0 and self._line is not None and self._line.offer(kernel) is not None:
            self._value -= 1

    def describe(self) -> str:
        """A few words for reports."""
        return described(type(self).__name__, self._serial)

    def __repr__(self) -> str:
        return f"<threading.{type(self).__qualname__} {self.describe()}: value={self._value}>"


class BoundedSemaphore(Semaphore):
    """A semaphore that cannot be given more than it had in the beginning."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._initial_value = value

    def release(self, n: int = 1) -> None:
        """Give ``n`` back; ``ValueError`` when that would be more than were taken."""
        if n < 1:
            raise ValueError("n must be one or more")
        kernel = begin(self._kernel)
        if self._value + n > self._initial_value and not (kernel is not None and kernel.ending):
            raise ValueError("Semaphore released too many times")
        self._release(kernel, n)

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}/{self._initial_value}>"
