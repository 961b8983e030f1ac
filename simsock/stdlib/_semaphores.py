"""Stand-in for ``_multiprocessing.SemLock``: the semaphore under ``multiprocessing``'s locks.

Owns counting, ownership and waiting as in CPython's ``_multiprocessing/semaphore.c``. Does not know other processes, which use it here by its number: it has
no name, so nothing registers it with a tracker of resources, which would be a process.
"""

from __future__ import annotations

import errno
from collections import deque
from operator import index
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.kernel.handler_places import uninterruptible
from simsock.kernel.units import NS

if TYPE_CHECKING:
    from simsock.kernel import Task

RECURSIVE_MUTEX, SEMAPHORE = 0, 1
VALUE_MAX = 2**31 - 1


class Semaphores:
    """``kernel.room(Semaphores)``: those of a world, for its other processes."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made: list[SemLock] = []


class SemLock:
    """A semaphore, or a lock that its owner may take again."""

    SEM_VALUE_MAX = VALUE_MAX

    def __init__(self, kind: int, value: int, maxvalue: int, name: str, unlink: bool) -> None:
        if kind not in (RECURSIVE_MUTEX, SEMAPHORE):
            raise ValueError("unrecognized kind")
        if not 0 <= index(value) <= VALUE_MAX:
            raise os_error(errno.EINVAL)
        self._kernel = session.kernel()
        self.kind = kind
        self.maxvalue = maxvalue
        self.name = None
        self._value = value
        self._taken = 0
        self._counts: dict[Any, int] = {}
        """How often each process has taken it and not given it back, by descriptor tables; the system's semaphores count in the memory of each."""
        self.holder: Task | None = None
        self._waiting: deque[Task] = deque()
        made = self._kernel.room(Semaphores).made
        self.number = self.handle = len(made)
        made.append(self)

    @staticmethod
    def _rebuild(handle: int, kind: int, maxvalue: int, name: str | None) -> SemLock:
        """The semaphore that was told to another process by its number."""
        return session.kernel().room(Semaphores).made[handle]

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take it, waiting up to ``timeout`` seconds if it is to block."""
        kernel = self._kernel
        kernel.point()
        task = kernel.current
        if self.kind == RECURSIVE_MUTEX and self._is_mine():
            self._taken += 1
            self._counts[kernel.process] += 1
            return True
        deadline = None if timeout is None else kernel.now + max(0, round(timeout * NS))
        while not self._value and not kernel.ending:
            if not block or (deadline is not None and deadline <= kernel.now):
                kernel.fruitless()
                return False
            if not self._wait(deadline):
                return False
        self._value -= 1
        self._taken += 1
        self._counts[kernel.process] = self._counts.get(kernel.process, 0) + 1
        self.holder = task
        if kernel.watchers is not None:
            kernel.watchers.takes(task, self)
        return True

    def _wait(self, deadline: int | None) -> bool:
        kernel = self._kernel
        task = kernel.current
        try:
            return kernel.wait(self._waiting, deadline, "acquire", self)
        except BaseException:
            if task.woken and self._waiting:  # it is this task's turn, and it will not take it
                kernel.wake(self._waiting)
            raise

    @uninterruptible
    def release(self) -> None:
        """Give it back. ``AssertionError`` when a recursive lock is not the caller's, ``ValueError`` when there is nothing to give back."""
        kernel = self._kernel
        kernel.point()
        if self.kind == RECURSIVE_MUTEX:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self._taken > 1:
                self._taken -= 1
                self._counts[kernel.process] -= 1
                return
        elif self._value >= self.maxvalue:
            raise ValueError("semaphore or lock released too many times")
        if kernel.watchers is not None:
            kernel.watchers.gives(kernel.current, self)
        self._value += 1
        self._taken -= 1
        self._counts[kernel.process] = self._counts.get(kernel.process, 0) - 1
        self.holder = None
        if self._waiting and not kernel.ending:
            kernel.wake(self._waiting)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _count(self) -> int:
        return self._counts.get(self._kernel.process, 0)

    def _is_mine(self) -> bool:
        return self._taken > 0 and self.holder is self._kernel.current

    def _get_value(self) -> int:
        return self._value

    def _is_zero(self) -> bool:
        kernel = self._kernel
        kernel.point()
        if not self._value:
            kernel.fruitless()
        return not self._value

    def _after_fork(self) -> None:
        self._taken = 0

    def describe(self) -> str:
        return "multiprocessing lock" if self.maxvalue == 1 else "multiprocessing semaphore"

    def __repr__(self) -> str:
        return f"<_multiprocessing.SemLock object, value {self._value}>"


def sem_unlink(name: str, /) -> None:
    """Nothing to do: simulated semaphores have no names."""
