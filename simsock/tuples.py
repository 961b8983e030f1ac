"""Tuples with names, as ``typing.NamedTuple`` makes them, in half the time.

Owns how such a class is made when its module is loaded; a type checker sees ``typing``'s. Does not know what they are for. Law: a class has what ``typing``'s
has, but its annotations stay the texts that they are: nothing compiles them, and a first world, which loads many such classes, does not wait for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from collections import namedtuple

    _OF_THE_CLASS = frozenset(("__annotations__", "__conditional_annotations__", "__module__", "__qualname__"))

    class _Making(type):
        def __new__(cls, name: str, bases: tuple[Any, ...], space: dict[str, Any]) -> Any:
            fields: dict[str, str] = space["__annotations__"]  # there by ``from __future__ import annotations``
            defaults = [space[field] for field in fields if field in space]
            if any(field not in space for field in list(fields)[len(fields) - len(defaults) :]):
                raise TypeError(f"{name}: of the fields {', '.join(fields)} one without a default stands behind one that has one")
            made = namedtuple(name, fields, defaults=defaults, module=space["__module__"])  # which this is about
            made.__qualname__ = space["__qualname__"]
            made.__annotations__ = dict(fields)
            for key, value in space.items():
                if key not in _OF_THE_CLASS and key not in fields:
                    setattr(made, key, value)
            return made

    class _Base:
        """What is written behind a class's name."""

        def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
            return (_Marked,)

    _Marked = type.__new__(_Making, "NamedTuple", (), {})
    NamedTuple = _Base()

SIMSOCK_ROOM = "outside"

__all__ = ["NamedTuple"]
