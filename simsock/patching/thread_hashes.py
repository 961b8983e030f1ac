"""Sets of threads that look the same in every run.

Owns the hash of ``threading.Thread`` objects made in a world. Programs keep threads in sets and walk through them (``ThreadPoolExecutor`` joins
its workers in that order); with the hash that every object has, its address, the order would be another one in every run. Law: an object's
hash never changes, so this one is given at birth and stays, and threads made outside keep theirs.
"""

from __future__ import annotations

import threading
from _thread import get_ident
from typing import Any
from weakref import WeakSet

from simsock.kernel import session
from simsock.patching.room import Room

_HASH = "_simsock_hash"


def _hash(self: Any) -> int:
    number = self.__dict__.get(_HASH)
    return object.__hash__(self) if number is None else number


class Dangling(WeakSet[Any]):
    """Stands in for ``threading._dangling``, to which ``Thread.__init__`` adds every thread before anything else can hash it."""

    def __init__(self, before: WeakSet[Any]) -> None:
        super().__init__()  # without what is in there: only fork() reads it, and other threads may be adding to it
        self._before = before

    def add(self, item: Any) -> None:
        """A thread is born."""
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():  # in another OS thread
            self._before.add(item)
            return
        if _HASH not in item.__dict__:
            room = kernel.room(Room)
            number = room.threads_born = room.threads_born + 1
            item.__dict__[_HASH] = number
        super().add(item)


def born_in_world(thread: Any) -> bool:
    """Whether a thread object was made in a world."""
    return _HASH in thread.__dict__


def install() -> None:
    """For good: threads of a world may outlive it in somebody's set."""
    threading.Thread.__hash__ = _hash  # type: ignore[method-assign]  # reads what Dangling wrote
