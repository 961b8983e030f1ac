"""The locks and queues that a patched world puts in the place of real ones.

PYTEST_DONT_REWRITE

Owns who gets which: code of the harness gets real ones, everybody else hybrids, and to programs both are of one class. Does not know how a hybrid
works. Law: a real lock is an instance of what ``threading.Lock`` is in a world, as it is outside.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simsock.harness import is_harness
from simsock.stdlib import _locks, _simplequeue
from simsock.stdlib._locks import real_allocate, real_lock, real_rlock
from simsock.stdlib._simplequeue import real_queue

if TYPE_CHECKING:
    from types import FrameType

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


OTHERS = (_locks.Lock, _locks.WorldLock, _locks.WorldRLock, _simplequeue.WorldQueue)
"""Hybrids that are not for programs in a patched world to make: the real lock inside is nobody's to replace all the same."""


def _stands_for(cls: type, other: type) -> bool:
    return (cls is Lock and other is real_lock) or (cls is RLock and other is real_rlock) or (cls is SimpleQueue and other is real_queue)


for _class, _base in ((Lock, _locks.Lock), (RLock, _locks.RLock), (SimpleQueue, _simplequeue.SimpleQueue)):
    _class.__module__, _class.__qualname__, _class.__name__ = _base.__module__, _base.__qualname__, _base.__name__


def adopt(real: Any, place: str) -> Any:
    """The hybrid of a real lock or queue from before."""
    return _simplequeue.adopt_queue(real, place, SimpleQueue) if type(real) is real_queue else _locks.adopt(real, place, (Lock, RLock))


__all__ = ["OTHERS", "Kind", "Lock", "RLock", "SimpleQueue", "adopt", "for_harness", "real_allocate", "real_lock", "real_queue", "real_rlock"]
