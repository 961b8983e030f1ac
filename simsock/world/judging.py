"""What a test asks to be watched beyond its own assertions.

PYTEST_DONT_REWRITE

Owns the methods of ``Simulation`` that set oracles to work. Does not know how any of them judges (see ``oracles``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.watchers import watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel
    from simsock.oracles.invariants import Always


class Judging:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:

        def _running(self) -> Kernel: ...

    def always(self, predicate: Callable[[], object], name: str | None = None, *, unless: Any = ()) -> Always:
        """Ask ``predicate()`` after every step, from now on until the world (or the ``with`` block) ends; it must be true now, too.

        A step is a simulated call, and with ``preempt="lines"`` a line. The first time that it is false (or that an assertion in it fails) the world stops
        with ``InvariantBroken``, which says who had just run what. ``predicate`` only looks: a simulated call in it is a ``UsageError``. ``name``: what it is
        called there. ``unless``: a lock (or several) under which it may be false for a while: nothing is asked while somebody has it.
        """
        kernel = self._running()
        if not callable(predicate):
            raise UsageError(f"always: expected a function without arguments, got {predicate!r}")
        if name is not None and not (isinstance(name, str) and name):
            raise UsageError(f"always: name: expected a text, got {name!r}")
        from simsock.oracles.invariants import Invariants, whether_held

        locks = unless if isinstance(unless, (list, tuple)) else (unless,)
        held = tuple(whether_held(lock) for lock in locks)
        invariants = kernel.room(Invariants)
        if invariants.kernel is None:
            watch(kernel, invariants)
        return invariants.add(predicate, name, held)

    def watch_locks(self) -> None:
        """Tell at the world's end, with ``LockInversion``, which tasks took locks in opposite orders, although nobody waited for ever this time.

        From now on; ``Lock``, ``RLock`` and whatever is made of them. Locks that are taken with a timeout or without waiting make nobody wait for ever; nor do
        those under a lock that all of them have, nor what is ordered by starts and ends of tasks, events or queues.
        """
        kernel = self._running()
        from simsock.oracles.locking import Locking
        from simsock.oracles.order import OrderBesidesLocks

        locking = kernel.room(Locking)
        if locking.order is None:
            locking.order = kernel.room(OrderBesidesLocks)
            watch(kernel, locking)
            watch(kernel, locking.order)

    def _judge_last(self, kernel: Kernel) -> None:
        """The world's block is over, and its tasks still live: what is asked after every step is asked once more."""
        if kernel.watchers is not None:
            for watcher in kernel.watchers.everybody:
                last: Any = getattr(watcher, "judge_last", None)
                if last is not None:
                    last()


__all__ = ["Judging"]
