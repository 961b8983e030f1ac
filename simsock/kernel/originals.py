"""What a name of a module in C stood for before anybody put something else there.

Owns the look for it. Does not know what it is needed for, nor worlds: whoever needs functions that a world replaces takes them here when it is imported.
"""

from __future__ import annotations

import gc
import os
from types import BuiltinFunctionType
from typing import Any


def original(module: Any, name: str) -> Any:
    """A function or class in C of a module, also while something else (a mock, say) stands under its name: whoever put that there keeps it."""
    found = getattr(module, name)
    if isinstance(found, (BuiltinFunctionType, type)):
        return found
    for kept in gc.get_objects():
        if type(kept) is BuiltinFunctionType and kept.__name__ == name and kept.__module__ in (module.__name__, os.name, "_io"):
            return kept
    return found


def hidden(module: Any, name: str) -> Any:
    """A function in C to call, under whatever name: whoever looks through modules for that function, to put something else there, does not find it."""
    return original(module, name).__call__


__all__ = ["hidden", "original"]
