"""The locks and queues that a patched world puts in the place of real ones.

PYTEST_DONT_REWRITE

Owns who gets which: code of the harness gets real ones, everybody else hybrids, and to programs both are of one class. Does not know how a hybrid
works. Law: a real lock is an instance of what ``threading.Lock`` is in a world, as it is outside.
"""

from __future__ import annotations

import atexit
import sys
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from simsock.harness import is_harness
from simsock.kernel import session
from simsock.stdlib import _locks, _simplequeue
from simsock.stdlib._locks import real_allocate, real_lock, real_rlock
from simsock.stdlib._simplequeue import real_queue

if TYPE_CHECKING:
    from types import FrameType

    from simsock.kernel import Kernel

SIMSOCK_ROOM = "inside"

_LIBRARY = frozenset(("threading", "queue", "functools", "concurrent.futures._base", "concurrent.futures.thread"))


def for_harness() -> bool:
    """Whether the lock about to be made is the harness's: it gets a real one."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        known = _harness.get(name)
        if known is None:
            # A task whose whole stack is the library's stands on simsock's own frames: it is the program's.
            known = _harness[name] = -1 if name in _LIBRARY else is_harness(name) and not name.startswith("simsock")
        if known >= 0:
            return bool(known)
        frame = frame.f_back
    return False


_harness: dict[str, int] = {}
"""Whether a module is the harness's; -1 for those that make locks on behalf of whoever calls them."""


class Kind(type):
    """The class of the hybrids: what they stand for are instances of theirs too."""

    # Asked for by name: what these refer to is found in the heap, and would be exchanged for the hybrids themselves.
    def __instancecheck__(cls, instance: Any) -> bool:
        return type.__instancecheck__(cls, instance) or _stands_for(cls, type(instance))

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return type.__subclasscheck__(cls, subclass) or _stands_for(cls, subclass)


class Lock(_locks.Lock, metaclass=Kind):
    """``threading.Lock``."""

    def __new__(cls) -> Any:
        return real_allocate() if for_harness() else object.__new__(cls)._wrap(real_allocate())


class RLock(_locks.RLock, metaclass=Kind):
    """``threading.RLock``."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return real_rlock() if for_harness() else object.__new__(cls)._wrap(real_rlock())


class SimpleQueue(_simplequeue.SimpleQueue, metaclass=Kind):
    """``queue.SimpleQueue``."""

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is SimpleQueue and for_harness():
            return real_queue()
        return object.__new__(cls)._adopt(real_queue(), "")


_name_of: Any = type.__dict__["__name__"].__get__  # a descriptor of C: a metaclass of the program may have its own


def copies() -> list[tuple[Any, Any]]:
    """(class, what stands for it) of the ``SimpleQueue`` of further copies of ``_queue``, which who imports that anew has, as CPython's own tests do."""
    found = [cls for cls in object.__subclasses__() if cls is not real_queue and _name_of(cls) == "SimpleQueue" and cls.__module__ == "_queue"]
    return [(cls, _stand_in_of_copy(cls)) for cls in found]


def _stand_in_of_copy(cls: Any) -> Any:
    sample = cls()  # and not the class, which would be found in the heap and exchanged
    try:
        sample.get_nowait()
    except Exception as error:
        empty = type(error)

    def __new__(made: Any, *args: Any, **kwargs: Any) -> Any:
        real = type(sample)()
        return real if for_harness() else object.__new__(made)._adopt(real, "")

    stand_in = Kind("SimpleQueue", (SimpleQueue,), {"__slots__": (), "__new__": __new__, "_empty": empty})
    stand_in.__module__, stand_in.__qualname__ = SimpleQueue.__module__, SimpleQueue.__qualname__
    return stand_in


def _stands_for(cls: type, other: type) -> bool:
    return (cls is Lock and other is real_lock) or (cls is RLock and other is real_rlock) or (cls is SimpleQueue and other is real_queue)


ONCE = frozenset(
    (
        "logging._lock",
        "logging._StderrHandler.lock",
        "asyncio.events._lock",
        "tempfile._once_lock",
        "_strptime._cache_lock",
        "subprocess._waitpid_lock",
    )
)
"""Locks of the standard library under which it makes, once in a process, what it keeps from then on: the first world would have points there that later
ones have not, and who asks a logger whether it is enabled means no switch. Likewise that of ``logging.lastResort``, which writes what nobody has a handler
for: under pytest, and wherever else a harness has handlers, it is not asked, and a run has to be the same there."""


def _here() -> Kernel | None:
    """The world whose task calls, until it ends."""
    kernel = session.active
    return None if kernel is None or kernel.thread != get_ident() or kernel.ending else kernel


class OnceLock(Lock):
    """A ``Lock`` that is no point while it is free."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        kernel = _here()
        if kernel is None or not self._take(False):
            return super().acquire(blocking, timeout)
        self.holder = kernel.current
        return True

    __enter__ = acquire

    def release(self) -> None:
        kernel = _here()
        if kernel is None or self.holder is not kernel.current:
            super().release()
        else:
            self._let_go(kernel)

    def __exit__(self, *exc: object) -> None:
        self.release()


class OnceRLock(RLock):
    """An ``RLock`` that is no point while it is free, or the caller's already."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        kernel = _here()
        if kernel is None or not (self.holder is kernel.current or self._try()):
            return super().acquire(blocking, timeout)
        if self.holder is kernel.current:
            self._take()
            self._count += 1
        else:
            self._mine(kernel.current)
        return True

    __enter__ = acquire

    def release(self) -> None:
        kernel = _here()
        if kernel is None or self.holder is not kernel.current:
            super().release()
        elif self._count > 1:
            self._count -= 1
            self._free()
        else:
            self._hand_on(kernel)

    def __exit__(self, *exc: object) -> None:
        self.release()


OTHERS = (OnceLock, OnceRLock, _locks.Lock, _locks.WorldLock, _locks.WorldRLock, _simplequeue.WorldQueue)
"""Hybrids that are not for programs in a patched world to make: the real lock inside is nobody's to replace all the same."""


def mark_once() -> None:
    """Modules have been imported in a world: those of their locks that are in ``ONCE`` become what they are when they are adopted."""
    for place in ONCE:
        name, _, attribute = place.rpartition(".")
        lock: Any = getattr(sys.modules.get(name), attribute, None)
        kind = {Lock: OnceLock, RLock: OnceRLock}.get(type(lock))
        if kind is not None:
            lock.__class__, lock.place = kind, place


def adopt(real: Any, place: str) -> Any:
    """The hybrid of a real lock or queue from before."""
    if type(real) is real_queue:
        return _simplequeue.adopt_queue(real, place, SimpleQueue)
    return _locks.adopt(real, place, (OnceLock, OnceRLock) if place in ONCE else (Lock, RLock))


for _class, _base in (
    (Lock, _locks.Lock),
    (RLock, _locks.RLock),
    (OnceLock, _locks.Lock),
    (OnceRLock, _locks.RLock),
    (SimpleQueue, _simplequeue.SimpleQueue),
):
    _class.__module__, _class.__qualname__, _class.__name__ = _base.__module__, _base.__qualname__, _base.__name__


# -- the interpreter's end -------------------------------------------------------------------------------------------------------------

# Nothing here may look for a name: the interpreter clears those of modules before it finalizes what programs have kept in theirs.


def _acquire(self: Any, blocking: bool = True, timeout: float = -1) -> bool:
    if self.holder is not None:
        self._heal()
    return self._take(blocking, timeout)  # type: ignore[no-any-return]  # what the real one says


def _release(self: Any) -> None:
    self.holder = None
    self._free()


def _leave(self: Any, *exc: object) -> None:
    self.holder = None
    self._free()


def _is_taken(self: Any) -> Any:
    return self._real.locked()


def _is_owned(self: Any) -> Any:
    return self._real._is_owned()


def _release_save(self: Any) -> Any:
    return self._real._release_save()


def _acquire_restore(self: Any, state: Any) -> None:
    self._real._acquire_restore(state)


_AT_EXIT: tuple[tuple[Any, dict[str, Any]], ...] = (
    (_locks.Lock, {"acquire": _acquire, "release": _release, "__exit__": _leave, "locked": _is_taken, "_is_owned": _is_taken, "_release_save": _release}),
    (_locks.RLock, {"acquire": _acquire, "release": _release, "__exit__": _leave, "_is_owned": _is_owned, "_release_save": _release_save}),
    (_locks.RLock, {"_acquire_restore": _acquire_restore}),
)


@atexit.register
def _become_real() -> None:
    """No world comes any more: hybrids are the real locks in them and nothing else. Their methods' code is exchanged, since conditions have the methods."""
    for cls in (OnceLock, OnceRLock):
        for name in ("acquire", "__enter__", "release", "__exit__"):
            delattr(cls, name)
    for cls, functions in _AT_EXIT:
        for name, function in functions.items():
            vars(cls)[name].__code__ = function.__code__


__all__ = ["OTHERS", "Kind", "Lock", "RLock", "SimpleQueue", "adopt", "for_harness", "real_allocate", "real_lock", "real_queue", "real_rlock"]
