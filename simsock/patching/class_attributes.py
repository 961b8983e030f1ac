"""Attributes of classes that a world imports: what stands in for a function of C binds no more than that does.

PYTEST_DONT_REWRITE

Owns the classes of modules that are imported in a world. Those that were there before are found as all holders are (see ``captured``). Law: what
``clock = time.monotonic`` in the body of a class makes is called without the object, as ever.
"""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from simsock.patching.module_names import space_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_class_dict: Any = type.__dict__["__dict__"].__get__  # a metaclass of the program may have its own


def unbind(modules: Iterable[Any], replacements: dict[int, tuple[Any, Any]]) -> None:
    """In classes of these modules. ``replacements``: pairs of an original and what stands in for it."""
    bare = {id(simulated) for original, simulated in replacements.values() if type(simulated) is FunctionType and not hasattr(type(original), "__get__")}
    for module in modules:
        if not issubclass(type(module), ModuleType):  # sys.modules may have anything in it
            continue
        space = space_of(module)
        left, seen = list(space.values()), set()
        while left:
            kind = left.pop()
            if issubclass(type(kind), type) and id(kind) not in seen and getattr(kind, "__module__", None) == space.get("__name__"):
                seen.add(id(kind))
                for key, value in list(_class_dict(kind).items()):
                    if id(value) in bare:
                        type.__setattr__(kind, key, staticmethod(value))
                    left.append(value)


__all__ = ["unbind"]
