"""Attributes whose every use is seen.

PYTEST_DONT_REWRITE

Owns the descriptor that stands in a class in place of an attribute, and which attributes can have one. Does not know who sees. Laws:

* values stay where they are: in the object's dictionary, or in its slot; ``vars(thing)``, copies and pickles are as before;
* other objects of the class, and the class itself, notice nothing; all is as it was when the last watch has ended;
* what cannot be seen is refused by name: attributes of modules, of classes, of objects made in C, and those that are computed.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError, meant
from simsock.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Callable

_NONE: Any = object()


def check(thing: Any, names: tuple[Any, ...]) -> tuple[str, ...]:
    """The names to watch, all of them if none are given. ``UsageError`` for what cannot be watched."""
    if isinstance(thing, types.ModuleType):
        raise UsageError(f"watch: the globals of a module are read without a call that could be seen: {thing.__name__}. Keep what is shared in an object")
    if isinstance(thing, type):
        raise UsageError(f"watch: expected an object, got the class {thing.__qualname__}: attributes of classes are not watched")
    cls = type(thing)
    if not cls.__flags__ & 1 << 9 or cls.__flags__ & 1 << 8:  # made by a class statement, and may be changed
        raise UsageError(f"watch: expected an object of a class written in Python, got {printable(cls.__qualname__)}, whose uses cannot be seen")
    known = _names_of(thing)
    if not names:
        if not known:
            raise UsageError(f"watch: {cls.__qualname__} has no attributes yet; name those that it will have")
        return known
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"watch: expected names of attributes, got {name!r}")
        found = _of_class(cls, name)
        if _is_computed(found):
            raise UsageError(f"watch: {cls.__qualname__}.{name} is computed ({type(found).__name__}): name the attributes that it reads")
        if found is _NONE and name not in known and not (hasattr(thing, "__dict__") and not known):
            raise UsageError(f"watch: {cls.__qualname__} has no attribute {name!r}{meant(name, known)}")
    return names


def _names_of(thing: Any) -> tuple[str, ...]:
    names = list(getattr(thing, "__dict__", ()))
    for cls in type(thing).__mro__:
        for name, found in vars(cls).items():
            if isinstance(found, (types.MemberDescriptorType, Attribute)) and _has(thing, found) and name not in names:
                names.append(name)
    return tuple(name for name in names if not (name.startswith("__") and name.endswith("__")))


def _has(thing: Any, found: Any) -> bool:
    try:
        found.peek(thing) if isinstance(found, Attribute) else found.__get__(thing)
    except AttributeError:
        return False
    return True


def _of_class(cls: type, name: str) -> Any:
    return next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), _NONE)


def _is_computed(found: Any) -> bool:
    kind = type(found)
    if found is _NONE or isinstance(found, (types.MemberDescriptorType, Attribute)):
        return False
    return hasattr(kind, "__get__") or hasattr(kind, "__set__")


class Attribute:
    """Stands in ``cls`` as ``name``; ``sees(thing, attribute, writes)`` is told of each use before it happens."""

    def __init__(self, cls: type, name: str, sees: Callable[[Any, Attribute, bool], object]) -> None:
        self.cls = cls
        self.name = name
        self.sees = sees
        self._own = vars(cls).get(name, _NONE)
        self._slot = found if isinstance(found := _of_class(cls, name), types.MemberDescriptorType) else None
        type.__setattr__(cls, name, self)

    def take_out(self) -> None:
        """The class is as it was before."""
        if vars(self.cls).get(self.name) is self:
            if self._own is _NONE:
                type.__delattr__(self.cls, self.name)
            else:
                type.__setattr__(self.cls, self.name, self._own)

    def peek(self, thing: Any) -> Any:
        """The value, unseen."""
        if self._slot is not None:
            return self._slot.__get__(thing)
        space = object.__getattribute__(thing, "__dict__")
        if self.name in space:
            return space[self.name]
        return self._of_classes(type(thing))

    def _of_classes(self, cls: type) -> Any:
        for base in cls.__mro__:
            found = self._own if base is self.cls else vars(base).get(self.name, _NONE)
            if found is not _NONE:
                return found
        if isinstance(cls, type) and self._slot is None:
            raise AttributeError(self.name)
        return self._slot

    def _missing(self, thing: Any) -> AttributeError:
        return AttributeError(f"{type(thing).__name__!r} object has no attribute {self.name!r}", name=self.name, obj=thing)

    def __get__(self, thing: Any, owner: type | None = None) -> Any:
        if thing is None:
            try:
                return self._of_classes(owner or self.cls)
            except AttributeError:
                raise AttributeError(f"type object {(owner or self.cls).__name__!r} has no attribute {self.name!r}") from None
        self.sees(thing, self, False)
        try:
            return self.peek(thing)
        except AttributeError:
            raise self._missing(thing) from None

    def __set__(self, thing: Any, value: Any) -> None:
        self.sees(thing, self, True)
        if self._slot is not None:
            self._slot.__set__(thing, value)
        else:
            object.__getattribute__(thing, "__dict__")[self.name] = value

    def __delete__(self, thing: Any) -> None:
        self.sees(thing, self, True)
        if self._slot is not None:
            self._slot.__delete__(thing)
            return
        space = object.__getattribute__(thing, "__dict__")
        if self.name not in space:
            raise self._missing(thing)
        del space[self.name]


__all__ = ["Attribute", "check"]
