"""The names of a class, many exchanged in one go.

Owns how: in the class's own dictionary, of which Python shows a read-only view, and with one word to CPython's cache of what classes have, where
``setattr`` says it for each name. Does not know which names. Law: after ``names_of(cls)`` was written to, ``changed(cls)`` is called before
anything else runs; names that the interpreter itself looks for (``__new__``) are no matter for this.
"""

from __future__ import annotations

import ctypes
import gc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Swap = tuple[type, dict[str, Any], list[tuple[str, Any, Any]]]

_modified: Any = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyType_Modified", ctypes.pythonapi))


def names_of(cls: type) -> dict[str, Any]:
    """The dictionary itself."""
    found: dict[str, Any] = gc.get_referents(cls.__dict__)[0]
    return found


def changed(cls: type) -> None:
    """Names of the class are others now."""
    _modified(cls)


def pairs_of(cls: type, names: tuple[str, ...], make: Callable[[Any], Any]) -> list[tuple[str, Any, Any]]:
    """For ``swap_of``: methods of a class in C, and what stands for each in its place."""
    space = names_of(cls)
    return [(name, space[name], make(space[name])) for name in names]


def swap_of(pairs: list[tuple[str, Any, Any]]) -> Swap:
    """For ``exchange``; made anew each time, with the class as its methods know it: what keeps a class for which another one stands in within worlds would be
    looked at in each of them."""
    cls = pairs[0][1].__objclass__
    return cls, names_of(cls), pairs


def exchange(swaps: list[Swap], back: bool = False) -> None:
    """Of each class with its names: what each name stands for, and what it is to stand for, if it still stands for the former. ``back``: the reverse."""
    for cls, names, pairs in swaps:
        for name, before, now in pairs:
            if back:
                before, now = now, before
            if names.get(name) is before:
                names[name] = now
        changed(cls)


__all__ = ["changed", "exchange", "names_of", "pairs_of", "swap_of"]
