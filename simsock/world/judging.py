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
    from simsock.kernel.undoing import Undoing
    from simsock.oracles.accesses import Watch
    from simsock.oracles.histories import History
    from simsock.oracles.invariants import Always
    from simsock.oracles.models import Model


class Judging:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:
        _begun: Undoing

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

    def watch(self, thing: Any, *names: str, points: bool = False) -> Watch:
        """Watch the attributes ``names`` of an object (without names: all that it has now), until the world (or the ``with`` block) ends.

        Two accesses of different tasks, one of which writes, are a race if nothing puts one before the other: no lock, queue, event, condition, barrier, start,
        end, future, nor bytes on a connection. The first is told as ``DataRace`` at the world's end, with both lines and the locks that each had, although the
        run came out right. ``points``: each access is a point, too, at which tasks may be switched.
        Raises ``UsageError`` for what has no attributes of these names.
        """
        kernel = self._running()
        if not isinstance(points, bool):
            raise UsageError(f"watch: points: expected True or False, got {points!r}")
        from simsock.oracles.accesses import Accesses
        from simsock.oracles.attributes import check
        from simsock.oracles.held import HeldLocks
        from simsock.oracles.order import Order

        found = check(thing, names)
        accesses = kernel.room(Accesses)
        if accesses.kernel is None:
            self._begun.begin(accesses.take_out)
            accesses.order, accesses.locks = kernel.room(Order), kernel.room(HeldLocks)
            for watcher in (accesses, accesses.locks, accesses.order):
                watch(kernel, watcher)
        return accesses.add(thing, found, points)

    def history(self, model: Model | None = None, *, unknown: Any = OSError) -> History:
        """A history of operations: ``.of(thing)`` is ``thing`` with its calls recorded, ``.operation(name, …)`` a block that is one.

        With a ``model`` (``simsock.oracles`` has ``Register``, ``Counter``, ``Map``, ``Queue``, ``Lock``, and ``Model`` to make others) it is checked at the
        end of the world's block: ``NotLinearizable`` if the operations cannot have happened one after the other, each between its call and its return, as
        in the model. ``unknown``: errors after which nobody knows whether the operation happened.
        Raises ``UsageError`` for what is no model, or no class of an exception.
        """
        kernel = self._running()
        from simsock.oracles.histories import Histories, History
        from simsock.oracles.models import Model

        if model is not None and not isinstance(model, Model):
            raise UsageError(f"history: expected a model, such as simsock.oracles.Map(), got {model!r}")
        kinds = unknown if isinstance(unknown, tuple) else (unknown,)
        if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
            raise UsageError(f"history: unknown: expected exception classes, got {unknown!r}")
        histories = kernel.room(Histories)
        if not histories.all:
            watch(kernel, histories)
        history = History(kernel, model, kinds)
        histories.all.append(history)
        return history

    def _lets_run(self, kernel: Kernel) -> Kernel:
        """The test lets its world run, or has: for those who ask what came before what. Other tasks that do the same are the program's."""
        if kernel.watchers is not None and kernel.current is kernel.first:
            kernel.watchers.learns(kernel.current, None)
        return kernel

    def _let_run(self, wait: Callable[..., object], *args: Any) -> None:
        """The test lets its world run by this."""
        kernel = self._running()
        if kernel.watchers is None:
            wait(*args)
        else:
            self._lets_run(kernel)
            wait(*args)
            self._lets_run(kernel)

    def _judge_last(self, kernel: Kernel) -> None:
        """The world's block is over, and its tasks still live: oracles say now what they have found."""
        if kernel.watchers is not None:
            for watcher in kernel.watchers.everybody:
                last: Any = getattr(watcher, "judge_last", None)
                if last is not None:
                    last(kernel)


__all__ = ["Judging"]
