"""Who keeps the descriptors of a pipe, which are numbers: ``READ, WRITE = os.pipe()``.

Owns the guess, and when it is none. Does not know which pipes there are. Laws: a number that is there by accident (a constant, a count) keeps nothing, so
what is not certain is not told; no code of the program runs.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from simsock.harness import is_harness
from simsock.patching.module_names import space_of
from simsock.patching.referrers import tracked_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

_attributes_of: Any = object.__getattribute__
_class_dict: Any = type.__dict__["__dict__"].__get__
_name_of: Any = type.__dict__["__qualname__"].__get__  # a metaclass of the program may have its own
_offset_of: Any = type.__dict__["__dictoffset__"].__get__


def keepers_of_pipes(pipes: list[list[int]]) -> dict[int, str]:
    """By number: who has it, in words. ``pipes``: those of each pipe, in order; one alone if the other end is closed."""
    if not pipes:
        return {}
    found: dict[int, str] = {}
    known = frozenset(number for ends in pipes for number in ends)
    spaces = list(_spaces())
    for ends in pipes:
        if len(ends) == 2:
            for words, space in spaces:
                if (names := _names_side_by_side(space, ends, known)) is not None:
                    found.update(zip(ends, (f"{words}.{name}" for name in names), strict=True))
                    break
        elif len(ends) == 1:
            places = [f"{words}.{name}" for words, space in spaces for name, value in space.items() if _is(value, ends[0]) and name.islower()]
            if len(places) == 1:
                found[ends[0]] = places[0]
    return found


def _is(value: Any, number: int) -> bool:
    return type(value) is int and value == number


def _names_side_by_side(space: dict[str, Any], ends: list[int], known: frozenset[int]) -> list[str] | None:
    """The two names that were given one after the other to the two ends, or to a tuple or list of them; not two of a row of numbers."""
    held = list(space.items())
    for place, (name, value) in enumerate(held):
        if type(value) in (tuple, list) and len(value) == 2 and _is(value[0], ends[0]) and _is(value[1], ends[1]):
            return [f"{name}[0]", f"{name}[1]"]
        if place and _is(value, ends[1]) and _is(held[place - 1][1], ends[0]) and known.issuperset(_row_around([number for _, number in held], place)):
            return [held[place - 1][0], name]
    return None


def _row_around(values: list[Any], place: int) -> list[int]:
    """The numbers around one of them, each one more than that before it."""
    first = last = place
    while first and type(values[first - 1]) is int and values[first - 1] == values[first] - 1:
        first -= 1
    while last + 1 < len(values) and type(values[last + 1]) is int and values[last + 1] == values[last] + 1:
        last += 1
    return values[first : last + 1]


def _spaces() -> Iterator[tuple[str, dict[str, Any]]]:
    """(words, what has which names): of modules of the program, without what other modules have by the same name, and of instances and classes."""
    known = {(name, value) for module in _modules(True) for name, value in list(space_of(module).items()) if type(value) is int}
    for module in _modules(False):
        space = {name: value for name, value in list(space_of(module).items()) if type(value) is not int or (name, value) not in known}
        yield str(space_of(module).get("__name__")), space
    for thing in tracked_objects():
        kind = type(thing)
        if kind is type:
            home, space = str(_class_dict(thing).get("__module__")), dict(_class_dict(thing))
            words = f"{home}.{_name_of(thing)}"
        else:
            home = str(_class_dict(kind).get("__module__"))
            if _is_elsewhere(home) or not _offset_of(kind) or issubclass(kind, ModuleType):
                continue
            space = _attributes_of(thing, "__dict__")
            words = f"{home}.{_name_of(kind)}"
        if not _is_elsewhere(home) and type(space) is dict:
            yield words, space


def _is_elsewhere(home: str) -> bool:
    return home.partition(".")[0] in (*sys.stdlib_module_names, "None") or is_harness(home)  # None: a class of the interpreter's


def _modules(of_library: bool) -> Iterator[ModuleType]:
    for name, module in sorted(sys.modules.items()):
        if (
            issubclass(type(module), ModuleType)
            and not is_harness(name)
            and (name.partition(".")[0] in sys.stdlib_module_names and name != "__main__") is of_library
        ):
            yield module


__all__ = ["keepers_of_pipes"]
