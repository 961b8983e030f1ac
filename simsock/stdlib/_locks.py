"""``Lock`` and ``RLock`` of ``_thread``: real locks that also exclude the tasks of a world from each other.

PYTEST_DONT_REWRITE

Owns who holds what. All else that ``threading`` and ``queue`` offer is the standard library's own, on top of these. Laws:

* there is one truth, the real C lock inside: whoever holds that holds the hybrid, old references to it included;
* outside the world's thread, and after the world, a hybrid *is* that lock, with blocking and timeouts in real time: so it may stay where it is
  for ever, and other OS threads need not know;
* a task that finds it taken parks if this world's thread has it, and otherwise blocks for real, under the watchdog;
* whoever comes by before a woken task has run may take the lock (as in CPython), but only once for each: then it is handed over (``Line``);
* what a task holds that died with its world is free again.
"""

from __future__ import annotations

import _thread
import sys
from _thread import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

from simsock.errors import Deadlock, WorldEnded
from simsock.kernel import session
from simsock.kernel.handler_places import uninterruptible
from simsock.kernel.identity import over
from simsock.stdlib._bookkeeping import codes, waits
from simsock.stdlib._room import Room
from simsock.stdlib._waiting import TIMEOUT_MAX, Line, described, granted, in_vain, looked, nanoseconds, real_number

if TYPE_CHECKING:
    from simsock.kernel import Kernel, Task

real_allocate: Any = _thread.allocate_lock
real_lock: Any = type(real_allocate())
real_rlock: Any = _thread.RLock
_thread_count = _thread._count
_LIBRARY = frozenset(("threading", "queue", "simsock.stdlib.threading", "simsock.stdlib.queue"))
_caller = sys._getframe


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
    return ns or int(real_number(timeout) > 0)  # what is left of a timeout, after rounding: something to wait for, or a loop would look for ever


class Awaited:
    """Who has a lock that its own holder waits for: whoever will release it. Reports see it as a task that waits for nothing."""

    __slots__ = ("kernel", "path")
    serial = -1
    queue = on = None

    def __init__(self, task: Task) -> None:
        self.kernel = task.kernel
        self.path = task.path


class _Hybrid:
    """What both locks share."""

    # Defaults in the class keep the making of a lock cheap: a Condition's wait makes one.
    holder: Any = None
    """The task that has it (or ``Awaited``), for reports too; None when nobody or code outside the world has."""
    place = ""
    """Where it was found, for reports: ``"logging._lock"``."""
    inner = False
    """Whether it is a part of something that ``threading`` or ``queue`` made."""
    _kind = "Lock"
    _real: Any
    _take: Any
    _free: Any
    _line: Line | None = None
    _count = 0
    _serial = 0
    _made_in = 0
    """The number of the world that made it: what is left of others may lie about in the process."""
    _owner = 0
    """The OS thread that took it outside every world, as far as known."""

    def _wrap(self, real: Any, place: str = "") -> Any:
        self._real = real
        self._take = real.acquire
        self._free = real.release
        if place:
            self.place = place
        elif (kernel := session.active) is not None:
            frame: Any = _caller(2)
            if frame.f_code.co_name == "RLock":
                frame = frame.f_back
            kind = self._kind
            # Those inside of what threading and queue make are numbered apart, so that the program's Lock-1 is the first that it made.
            if frame.f_globals.get("__name__") in _LIBRARY:
                self.inner = True
                kind = "inner"
            made = kernel.room(Room).made
            self._serial = made[kind] = made.get(kind, 0) + 1
            self._made_in = kernel.number
        return self

    def describe(self) -> str:
        """A few words for reports."""
        if self.inner:
            return f"inner {self._kind}-{self._serial}"
        return f"{self._kind} {self.place}" if self.place else described(self._kind, self._serial)

    def _park(self, kernel: Kernel, ns: int) -> bool:
        """Wait for another task's release; the lock is ours when this returns True."""
        if ns == 0:
            kernel.fruitless()
            return False
        line = self._line
        if line is None:
            line = self._line = Line()
        try:
            if not line.wait(kernel, None if ns < 0 else kernel.now + ns, "acquire", self, self._try, self._pass_on):
                return False
        except BaseException:
            _pass_notification_on(kernel, self)
            raise
        self._mine(kernel.current)
        return True

    def _block(self, kernel: Kernel, ns: int) -> bool:
        """Another OS thread has it: this one waits for real, and the world with it."""
        if ns == 0:
            kernel.fruitless()
            return False
        if not self._take(True, -1 if ns < 0 else ns / 1e9):
            return False
        self._mine(kernel.current)
        return True

    def _try(self) -> bool:
        return bool(self._take(False))

    def _mine(self, task: Task) -> None:
        self.holder = task
        self._count = 1

    def _hand_on(self, kernel: Kernel) -> None:
        """The holder is done: the one in line that was passed over before has it now, or it is free."""
        line = self._line
        heir = line.offer(kernel) if line is not None else None
        if heir is None:
            self.holder = None
            self._count = 0
            self._free()
        else:
            self._mine(heir)

    def _pass_on(self, kernel: Kernel, handed_over: bool) -> None:
        """A task died in line, or another OS thread let go: whoever is next gets what is there."""
        if handed_over:
            self._hand_on(kernel)
        elif self._line is not None and self.holder is None and self._take(False):
            heir = self._line.offer(kernel)
            if heir is None:
                self._free()
            else:
                self._mine(heir)

    def _let_in(self) -> None:
        """Called in another OS thread, which has just let go: tasks of the world wait for that."""
        kernel, line = session.active, self._line
        if kernel is not None and line is not None and (line.fresh or line.barged):
            kernel.finalize(lambda: self._pass_on(kernel, False))

    def _heal(self) -> None:
        """Free what a task held when its world ended."""
        holder = self.holder
        if holder is not None and holder.kernel.ended:
            self.holder = None
            count, self._count = self._count or 1, 0  # a Lock does not count
            for _ in range(count):
                try:
                    self._free()
                except RuntimeError:  # an RLock, taken in another OS thread than this
                    return

    def __repr__(self) -> str:
        state = "unlocked" if self.holder is None and repr(self._real).startswith("<unlocked") else "locked"
        return f"<{state} threading.{self._kind} object {self.describe()}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle '{type(self).__module__}.{type(self).__qualname__}' object")


def _pass_notification_on(kernel: Kernel, lock: Any) -> None:
    """A task has died in line. If it stood in a condition's ``wait`` and was notified, somebody else is to be."""
    frame: Any = _caller(1)
    while frame is not None and id(frame.f_code) not in waits:
        frame = frame.f_back
    if frame is None or kernel.ending:
        return
    found = frame.f_locals
    condition, waiter = found.get("self"), found.get("waiter")
    notified = kernel.current.woken if waiter is lock else found.get("gotit", False) and getattr(condition, "_lock", None) is lock
    waiting = getattr(condition, "_waiters", None)
    if notified and waiting:
        following = waiting.popleft()
        if isinstance(following, Lock) and following._real.locked():
            following._hand_on(kernel)


def _leave_line(lock: Any) -> None:
    """A waiter that stands in a condition's ``wait`` goes on while its world ends, as though it was notified: who notifies takes it off the list."""
    frame: Any = _caller(3)
    if frame is None or id(frame.f_code) not in waits:
        return
    condition = frame.f_locals.get("self")
    waiting = getattr(condition, "_waiters", None)
    if waiting and lock in waiting:
        waiting.remove(lock)


class Lock(_Hybrid):
    """``threading.Lock``."""

    def __new__(cls) -> Any:
        return object.__new__(cls)._wrap(real_allocate())

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; see ``threading.Lock``."""
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            return self._acquire_outside(blocking, timeout)
        ns = (-1 if blocking else 0) if timeout == -1 else _limit(blocking, timeout)
        if kernel.ending:
            return self._grant(kernel, ns)
        if ns == 0 and id(_caller(1).f_code) in codes:  # how a Condition asks whether its lock is held: no poll of the program's
            if not self._take(False):
                return False
            self.holder = kernel.current
            return True
        kernel.point()
        if self._take(False):
            self.holder = kernel.current
        elif not self._acquire_taken(kernel, ns):
            return False
        if kernel.watchers is not None:
            kernel.watchers.takes(kernel.current, self)
        return True

    __enter__ = acquire

    def _acquire_outside(self, blocking: bool, timeout: float) -> bool:
        """Outside every world, or in another OS thread than its."""
        if self.holder is not None:
            self._heal()
            if blocking and session.suspended is not None:
                self._refuse(session.suspended)
        if self._take(blocking, timeout):
            self._owner = get_ident()
            return True
        return False

    def _refuse(self, kernel: Kernel) -> None:
        """Code outside a suspended world, in its thread, wants what one of its tasks has: waiting for that would last for ever."""
        holder = self.holder
        if holder is not None and holder.kernel is kernel and kernel.thread == get_ident():
            raise Deadlock(
                f"{self.describe()} is held by task {holder.path} of a world that is suspended while code outside it runs (a pytest hook?): "
                "that code cannot wait for it"
            )

    def _acquire_taken(self, kernel: Kernel, ns: int) -> bool:
        holder = self.holder
        if holder is None:
            return self._park(kernel, ns) if self._owner == kernel.thread else self._block(kernel, ns)
        if holder.kernel.ended:
            self._mine(kernel.current)
            return True
        if holder is kernel.current:  # as Condition.wait does: another task's release is the news
            self.holder = Awaited(holder)
        return self._park(kernel, ns)

    def _grant(self, kernel: Kernel, ns: int) -> bool:
        granted(kernel)
        if self._take(False):
            self._mine(kernel.current)
            return True
        if ns == 0:
            return False  # a Condition asks whether its lock is held by trying to take it
        _leave_line(self)
        return True

    @uninterruptible
    def release(self) -> None:
        """Give it up; see ``threading.Lock``."""
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            self._release_outside()
        elif kernel.ending:
            self._release_at_the_end(kernel)
        else:
            try:
                if kernel.asks_strategy and id(_caller(1).f_code) in codes:
                    kernel.step()
                else:
                    kernel.point()
            except BaseException:
                self._let_go_late(kernel)
                raise
            self._let_go(kernel)

    @uninterruptible
    def __exit__(self, *exc: object) -> None:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            self._release_outside()
        elif kernel.ending:
            self._release_at_the_end(kernel)
        else:
            try:
                kernel.point()
            except BaseException:
                self._let_go_late(kernel)
                raise
            self._let_go(kernel)

    def _release_outside(self) -> None:
        self.holder = None
        self._free()
        if self._line is not None:
            self._let_in()

    def _let_go_late(self, kernel: Kernel) -> None:
        """The point before a release has raised, at a limit, say: that others wait for the lock for ever would hide it."""
        if kernel.ending:
            self._release_at_the_end(kernel)
        elif self._real.locked():
            self._let_go(kernel)

    def _release_at_the_end(self, kernel: Kernel) -> None:
        granted(kernel)
        if self.holder is kernel.current:
            self.holder = None
            self._free()

    def _let_go(self, kernel: Kernel) -> None:
        if self.holder is not kernel.current and kernel.current.killed:
            return  # it died before it had it, and leaves a block that lets it go
        if kernel.watchers is not None and self._real.locked():
            kernel.watchers.gives(kernel.current, self)
        if self._line is None:
            self.holder = None
            self._free()
        elif self._real.locked():
            self._hand_on(kernel)
        else:
            raise RuntimeError("release unlocked lock")

    def locked(self) -> bool:
        """Whether somebody has it."""
        kernel = session.active
        taken = bool(self._real.locked())
        if kernel is None or kernel.thread != get_ident() or kernel.ending:
            return taken and not (self.holder is not None and self.holder.kernel.ended)
        kernel.point()
        taken = bool(self._real.locked())
        if taken:
            in_vain(kernel)
        else:
            looked(kernel)
        return taken

    acquire_lock, release_lock, locked_lock = acquire, release, locked

    # What ``Condition`` does with a lock, in its own words, where that has these methods: the real one has not, and a condition made of it learns so
    # by three errors, which take longer than all else. None but the last is a point of its own.

    def _is_owned(self) -> bool:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident() or kernel.ending:
            if self.acquire(False):
                self.release()
                return False
            return True
        if self._real.locked():
            return True
        kernel.step()
        return False

    def _release_save(self) -> None:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            self._release_outside()
        elif kernel.ending:
            self._release_at_the_end(kernel)
        else:
            kernel.step()
            self._let_go(kernel)

    def _acquire_restore(self, state: object) -> None:
        self.acquire()

    def _at_fork_reinit(self) -> None:
        self._real._at_fork_reinit()
        self.holder = self._line = None
        self._count = self._owner = 0


class RLock(_Hybrid):
    """``threading.RLock``."""

    _kind = "RLock"

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return object.__new__(cls)._wrap(real_rlock())

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, or take it once more; see ``threading.RLock``."""
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            return self._acquire_outside(blocking, timeout)
        ns = (-1 if blocking else 0) if timeout == -1 else _limit(blocking, timeout)
        if kernel.ending:
            granted(kernel)
        else:
            kernel.point()
            if self.holder is None and not self._real._is_owned() and self._take(False):
                self.holder = kernel.current
                self._count = 1
                if kernel.watchers is not None:
                    kernel.watchers.takes(kernel.current, self)
                return True
        if not self._acquire(kernel, ns):
            return False
        if kernel.watchers is not None:
            kernel.watchers.takes(kernel.current, self)
        return True

    __enter__ = acquire

    def _acquire_outside(self, blocking: bool, timeout: float) -> bool:
        if self.holder is not None:
            self._heal()
        return bool(self._take(blocking, timeout))

    def _acquire(self, kernel: Kernel, ns: int) -> bool:
        holder, me = self.holder, kernel.current
        if holder is me:
            self._take()
            self._count += 1
            return True
        if holder is not None and holder.kernel.ended:
            self._heal()
            holder = self.holder
        outside = holder is None and self._real._is_owned()
        if holder is None and (not outside or me is kernel.first):
            # By code that entered the world, and its first task goes on being that; or by nobody in this OS thread.
            if self._take(False):
                self._mine(me)
                return True
            if not kernel.ending:
                return self._block(kernel, ns)
        return ns != 0 if kernel.ending else self._park(kernel, ns)

    def _try(self) -> bool:
        return self.holder is None and not self._real._is_owned() and bool(self._take(False))

    @uninterruptible
    def release(self) -> None:
        """Release it once; see ``threading.RLock``."""
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            self._release_outside()
            return
        if kernel.ending:
            granted(kernel)
            if self.holder is not kernel.current:
                return
        else:
            try:
                kernel.point()
            except BaseException:
                if self.holder is kernel.current and not kernel.ending:
                    self._let_go(kernel)
                raise
        if self.holder is not kernel.current:
            self._release_outer(kernel)
        else:
            self._let_go(kernel)

    def _let_go(self, kernel: Kernel) -> None:
        if kernel.watchers is not None:
            kernel.watchers.gives(kernel.current, self)
        if self._count > 1:
            self._count -= 1
            self._free()
        else:
            self._hand_on(kernel)

    def __exit__(self, *exc: object) -> None:
        self.release()

    def _release_outside(self) -> None:
        self._free()
        if self._line is not None:
            self._let_in()

    def _release_outer(self, kernel: Kernel) -> None:
        """What the code that entered the world had taken, the world's first task may release."""
        if kernel.current.killed:
            return
        if self.holder is not None or kernel.current is not kernel.first:
            raise RuntimeError("cannot release un-acquired lock")
        self._free()
        if not self._real._is_owned():
            self._pass_on(kernel, False)

    if hasattr(real_rlock, "locked"):  # 3.14 and later

        def locked(self) -> bool:
            """Whether somebody has it."""
            kernel = session.active
            if kernel is None or kernel.thread != get_ident() or kernel.ending:
                return bool(self._real.locked()) and not (self.holder is not None and self.holder.kernel.ended)
            kernel.point()
            taken = bool(self._real.locked())
            if not taken:
                looked(kernel)
            elif self.holder is not kernel.current:  # what the caller has itself is no news to wait for
                in_vain(kernel)
            return taken

    # What ``Condition`` uses. None of it is a point of its own.

    def _is_owned(self) -> bool:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            return bool(self._real._is_owned())
        if kernel.ending or self.holder is kernel.current:
            return True
        return self.holder is None and kernel.current is kernel.first and bool(self._real._is_owned())

    def _recursion_count(self) -> int:
        kernel = session.active
        me = kernel.current if kernel is not None and kernel.thread == get_ident() else None
        if self.holder is None:
            return 0 if kernel is not None and me not in (None, kernel.first) else int(self._real._recursion_count())
        return self._count if self.holder is me else 0

    def _release_save(self) -> Any:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            saved = self._real._release_save()
            if self._line is not None:
                self._let_in()
            return saved
        if self.holder is kernel.current:
            if kernel.watchers is not None:
                kernel.watchers.gives(kernel.current, self)
            count = self._count
            for _ in range(count - 1):
                self._free()
            self._hand_on(kernel)
            return count
        if kernel.ending:
            return 0
        saved = self._real._release_save()
        self._pass_on(kernel, False)
        return saved

    @uninterruptible
    def _acquire_restore(self, state: Any) -> None:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            self._real._acquire_restore(state if isinstance(state, tuple) else (state, get_ident()))
            return
        count = state[0] if isinstance(state, tuple) else state
        if count and self._acquire(kernel, -1) and self.holder is kernel.current:
            for _ in range(count - 1):
                self._take()
            # What the code outside had taken is its own again.
            self.holder, self._count = (None, 0) if isinstance(state, tuple) else (kernel.current, count)
            if kernel.watchers is not None:
                kernel.watchers.takes(kernel.current, self)

    def _at_fork_reinit(self) -> None:
        self._real._at_fork_reinit()
        self.holder = self._line = None
        self._count = 0


class _OfNetwork:
    """What the modules of ``sim.network`` have more: with no world to wait in they say so instead of waiting for real."""

    _world: Kernel | None = None

    def _acquire_outside(self, blocking: bool, timeout: float) -> bool:
        return _without_world(self, super()._acquire_outside, blocking, timeout)  # type: ignore[misc]  # the lock's, which comes next

    def _release_outside(self) -> None:
        try:
            super()._release_outside()  # type: ignore[misc]
        except RuntimeError:
            if self._world is None:
                raise


class WorldLock(_OfNetwork, Lock):
    """The ``Lock`` of ``sim.network``."""

    def __new__(cls) -> Any:
        self = object.__new__(cls)._wrap(real_allocate())
        self._world = session.active
        return self


class WorldRLock(_OfNetwork, RLock):
    """The ``RLock`` of ``sim.network``."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = object.__new__(cls)._wrap(real_rlock())
        self._world = session.active
        return self


def _without_world(lock: Any, acquire: Any, blocking: bool, timeout: float) -> bool:
    """Take a lock of ``sim.network`` outside its world, which has ended, has not begun, or is one of another OS thread."""
    ns = _limit(blocking, timeout)
    if session.active is not None:
        return bool(acquire(blocking, timeout))
    if acquire(False, -1):
        return True
    if ns:
        if lock._world is not None and lock._world.ended:  # locks of a world that has ended let everybody through who would wait
            return True
        waiting = _caller(3).f_locals.get("self")
        world = getattr(getattr(waiting, "_lock", None), "_world", None)
        if world is not None and world.ended:
            raise WorldEnded(f"this world {over(world)}")
        session.kernel()  # says that no world is running, in which one could wait
    return False


for _class, _name in ((Lock, "lock"), (WorldLock, "lock"), (RLock, "RLock"), (WorldRLock, "RLock")):
    _class.__module__, _class.__qualname__, _class.__name__ = "_thread", _name, _name


def adopt(real: Any, place: str, kinds: tuple[Any, Any] = (Lock, RLock)) -> Any:
    """The hybrid of a real lock from before."""
    hybrid = object.__new__(kinds[type(real) is real_rlock])._wrap(real, place)
    if type(real) is real_lock and real.locked() and _thread_count() <= 1:  # besides this OS thread there is the watchdog's at most
        hybrid._owner = get_ident()
    return hybrid
