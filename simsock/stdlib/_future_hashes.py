"""Sets of futures that look the same in every run.

PYTEST_DONT_REWRITE

Owns the hash of ``concurrent.futures.Future`` objects made in a world. ``as_completed`` and ``wait`` keep futures in sets, walk through them, and take their
locks in the order of their addresses: with the hash that every object has, its address, a run would be another one each time. Law: an object's hash
never changes, so the first one that is asked for is kept, and futures made outside have theirs.
"""

from __future__ import annotations

from _thread import get_ident
from typing import Any

from simsock.kernel import session
from simsock.stdlib._room import Room

_HASH = "_simsock_hash"


def _hash(self: Any) -> int:
    number: int | None = self.__dict__.get(_HASH)
    if number is None:
        number = self.__dict__[_HASH] = _first(self)
    return number


def _first(future: Any) -> int:
    """In the world that it was made in, the next number."""
    kernel = session.active
    if kernel is not None and kernel.thread == get_ident():
        condition = getattr(future, "_condition", None)  # its class may be somebody's that has yet to call this one's __init__
        if getattr(getattr(condition, "_lock", None), "_made_in", 0) == kernel.number:
            room = kernel.room(Room)
            room.futures_hashed = number = room.futures_hashed + 1
            return number
    return object.__hash__(future)


def install(cls: Any) -> None:
    """For good: futures of a world may outlive it in somebody's set."""
    if "__hash__" not in vars(cls):
        cls.__hash__ = _hash


def by_number(before: Any) -> Any:
    """Of ``concurrent.futures._base._AcquireFutures``, which takes the locks of futures in the order of their addresses: one that goes by their hashes."""

    class InOrder(before):  # type: ignore[misc]  # a class that is given
        def __init__(self, futures: Any) -> None:
            super().__init__(())
            self.futures = sorted(futures, key=hash)

    return InOrder
