"""Sets of threads that look the same in every run.

PYTEST_DONT_REWRITE

Owns the hash of ``threading.Thread`` objects made in a world. Programs keep threads in sets and walk through them (``ThreadPoolExecutor`` joins
its workers in that order); with the hash that every object has, its address, the order would be another one in every run. Law: an object's
hash never changes, so this one is given at birth and stays, and threads made outside keep theirs.
"""

from __future__ import annotations

from _thread import get_ident
from typing import Any
from weakref import WeakSet

from simsock.kernel import Kernel, session
from simsock.stdlib._room import Room

_HASH = "_simsock_hash"


def _hash(self: Any) -> int:
    number = self.__dict__.get(_HASH)
    return object.__hash__(self) if number is None else number


def give(kernel: Kernel, thread: Any) -> None:
    """A thread is born in a world."""
    if _HASH not in thread.__dict__:
        room = kernel.room(Room)
        number = room.threads_born = room.threads_born + 1
        thread.__dict__[_HASH] = number


class Dangling(WeakSet[Any]):
    """Stands in for ``threading._dangling``, to which ``Thread.__init__`` adds every thread before anything else can hash it."""

    def __init__(self, before: Any) -> None:
        super().__init__()  # without what is in there: only fork() reads it, and other threads may be adding to it
        self._before = before

    def is_as_new(self, before: Any) -> bool:
        """Whether nobody could tell it from one that is made now."""
        inner = vars(self)  # of Lib/_weakrefset.py; the latter two are gone in later versions
        return self._before is before and not (inner["data"] or inner.get("_pending_removals") or inner.get("_iterating"))

    def add(self, item: Any) -> None:
        """A thread is born."""
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():  # in another OS thread
            self._before.add(item)
            return
        give(kernel, item)
        super().add(item)


def born_in_world(thread: Any) -> bool:
    """Whether a thread object was made in a world."""
    return _HASH in thread.__dict__


def install(cls: Any) -> None:
    """For good: threads of a world may outlive it in somebody's set."""
    if vars(cls).get("__hash__") is not _hash:  # to set anything in a class is no small thing: what Python knows of its names is forgotten
        cls.__hash__ = _hash  # reads what Dangling wrote
