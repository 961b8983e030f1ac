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


def keep(room: Room, thing: Any) -> None:
    """Have ``room`` answer with this object when it is asked for its class: one that cannot be made without arguments."""
    table: dict[type, Any] = room.__self__  # type: ignore[attr-defined]  # of a dictionary's method
    table[type(thing)] = thing


def room_if_there(room: Room, kind: type[R]) -> R | None:
    """What ``room`` has of that class, which is not made for this."""
    table: dict[type, Any] = room.__self__  # type: ignore[attr-defined]  # as above
    return table.get(kind)


class _Rooms(dict[type, Any]):
    def __missing__(self, kind: type) -> Any:
        room = self[kind] = kind()
        return room


def make_room() -> Room:
    """The function for a new world."""
    return _Rooms().__getitem__


__all__ = ["keep", "make_room", "room_if_there"]
