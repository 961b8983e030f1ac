"""What higher floors keep for one world: one object of each class that they ask for.

PYTEST_DONT_REWRITE

Owns the table, and nothing that is in it. It is looked up a few dozen times in the smallest world, so the look-up is a dictionary's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    R = TypeVar("R")

    class Room(Protocol):
        """``room(kind)``: the world's object of that class, made when it is first asked for."""

        def __call__(self, kind: type[R], /) -> R: ...


class _Rooms(dict[type, Any]):
    def __missing__(self, kind: type) -> Any:
        room = self[kind] = kind()
        return room


def make_room() -> Room:
    """The function for a new world."""
    return _Rooms().__getitem__


__all__ = ["make_room"]
