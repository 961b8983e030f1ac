"""What a world hands out: the hosts of its network.

Owns the public ``Host``. Does not know servers, nor how a world begins and ends.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from simsock.errors import TaskKilled, UsageError
from simsock.escaping import printable
from simsock.kernel import Kernel, Task
from simsock.kernel.happened import Fault, Happened
from simsock.kernel.limits import Frozen
from simsock.kernel.units import NS, duration_ns
from simsock.net.crashes import crash, restart

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar, TypeVarTuple

    from simsock.net import Host as NetHost

    Arguments = TypeVarTuple("Arguments")
    Value = TypeVar("Value")


class Host:
    """A machine of a world. ``with host:`` runs the code of the block there; sockets made in it are the host's."""

    __slots__ = ("_before", "_frozen", "_host", "_kernel", "_pause")

    def __init__(self, kernel: Kernel, host: NetHost) -> None:
        self._kernel = kernel
        self._host = host
        self._before: list[tuple[Task, Any]] = []
        self._frozen: Frozen | None = None
        self._pause: Fault | None = None

    @property
    def name(self) -> str:
        """The name that it resolves by."""
        return self._host.name

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its IP addresses: an IPv4 and an IPv6 one unless others were given."""
        return self._host.addresses

    def spawn(self, fn: Callable[[*Arguments], Value], *args: *Arguments, name: str | None = None) -> Task[Value]:
        """Run ``fn(*args)`` as a task on this host."""
        check_function(fn)
        self.must_be_up("spawn")
        task = self._kernel.spawn(fn, args, name=name, base=base_name(fn), host=self._host)
        if self._frozen is not None:
            task.pending = self._frozen
            if self._pause is not None:
                self._pause.times += 1
        return task

    def must_be_up(self, what: str) -> None:
        """``UsageError`` between ``crash`` and ``restart``: nothing can be started here."""
        if self._host.down:
            raise UsageError(f"{what}: host {self.name!r} is down; restart it first")

    # -- faults ----------------------------------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """False between ``crash`` and ``restart``."""
        return not self._host.down

    @property
    def is_paused(self) -> bool:
        """True between ``pause`` and ``resume`` (or a crash)."""
        return self._frozen is not None

    def crash(self) -> None:
        """Lose what runs here: its tasks are killed (except the world's first), its sockets are gone and nobody is told.

        What others send meets silence, and after ``restart`` a reset. A task that crashes its own host ends with the call.
        Raises ``UsageError`` when the host is down already.
        """
        kernel, host = self._kernel, self._host
        self._check(not host.down, "is down already")
        self._told("crash")
        self._frozen = None
        fault = kernel.room(Happened).fault(f"crash of {self.name}")
        crash(host.fabric, host, fault)
        me = kernel.current
        for task in self._tasks():
            fault.times += 1
            if task is not me:
                task.crashed = True
                task.cancel()
        if me.host is host and me is not kernel.first:
            raise TaskKilled(f"host {self.name} has crashed")
        kernel.yield_()

    def restart(self) -> None:
        """The host is up again, with its addresses, its name and nothing running on it: ``spawn`` or ``sim.serve`` what it should do."""
        self._check(self._host.down, "is not down")
        self._told("restart")
        restart(self._host.fabric, self._host)

    def pause(self) -> None:
        """Its tasks stand still (except the world's first) until ``resume``; its kernel goes on taking and acknowledging data."""
        kernel = self._kernel
        self._check(not self._host.down and self._frozen is None, "is paused already" if self._frozen is not None else "is down")
        self._told("pause")
        self._frozen = frozen = Frozen(deque())
        self._pause = kernel.room(Happened).fault(f"pause of {self.name}")
        for task in self._tasks():
            self._pause.times += 1
            if task.pending is None:
                task.pending = frozen
        me = kernel.current
        if me.pending is frozen:
            kernel._raise_pending(me)  # it stands still here

    def resume(self) -> None:
        """Its tasks go on."""
        self._check(self._frozen is not None, "is not paused")
        self._told("resume")
        self.thaw()

    def thaw(self) -> None:
        """``resume``, if it is paused."""
        frozen, self._frozen = self._frozen, None
        if frozen is None:
            return
        for task in self._tasks():
            if task.pending is frozen:
                task.pending = None
        self._kernel.wake_all(frozen.queue)

    def jump(self, seconds: Any) -> None:
        """Move its wall clock by so much, forwards or (negative) backwards: ``time.time()`` here, never ``time.monotonic()``."""
        ns = _signed_ns(seconds, "jump")
        self._host.skew_ns += ns
        self._told("jump", f"{ns / NS:+g} s")

    def set_skew(self, skew: Any) -> None:
        """Set how far its wall clock is ahead of the world's (behind it, if negative)."""
        self._host.skew_ns = ns = _signed_ns(skew, "clock_skew")
        self._told("clock skew", f"{ns / NS:+g} s")

    def _tasks(self) -> list[Task]:
        return [task for task in self._kernel.tasks.values() if task.host is self._host and task is not self._kernel.first]

    def _told(self, what: str, *more: str) -> None:
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, what, self.name, *more))

    def _check(self, good: bool, why: str) -> None:
        if not good:
            raise UsageError(f"host {self.name!r} {why}")

    def __enter__(self) -> Host:
        task = self._kernel.current
        self._before.append((task, task.host))
        task.host = self._host
        return self

    def __exit__(self, *exc: object) -> None:
        current = self._kernel.current
        for place in range(len(self._before) - 1, -1, -1):
            task, before = self._before[place]
            if task is current:
                del self._before[place]
                task.host = before
                return

    def __repr__(self) -> str:
        return f"<simsock.Host {printable(self.name)} {' '.join(self.addresses)}>"


def _signed_ns(value: Any, what: str) -> int:
    """Nanoseconds of a duration that may be negative."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, str) and value.lstrip().startswith("-"):
        return -duration_ns(value.lstrip()[1:], what)
    if isinstance(value, (int, float)) and value < 0:
        return -duration_ns(-value, what)
    return duration_ns(value, what)


def check_function(fn: Any) -> None:
    """``UsageError`` if a task cannot be made of it."""
    if not callable(fn):
        raise UsageError(f"spawn: expected a function, got {fn!r}")
    if _is_async(fn):
        raise UsageError(f"spawn: {base_name(fn)} is an async function, which nobody would run: spawn(trio.run, {base_name(fn)}), or a nursery's start_soon")


_CO_COROUTINE = 0x80


def _is_async(fn: Any) -> bool:
    plain = fn.__func__ if type(fn) is MethodType else fn
    if type(plain) is FunctionType and not plain.__dict__:  # nothing is wrapped or marked
        return bool(plain.__code__.co_flags & _CO_COROUTINE)
    from inspect import iscoroutinefunction  # loads the reader of Python's syntax, for which few have a use

    return iscoroutinefunction(fn)


def base_name(fn: Any) -> str:
    """What a task that runs ``fn`` is called, before it gets its number."""
    name = getattr(fn, "__name__", None) or type(fn).__name__
    return "task" if name == "<lambda>" else name.strip("_") or "task"
