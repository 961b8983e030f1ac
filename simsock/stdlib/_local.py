"""``local`` of the stand-in for ``threading``: attributes that each task has for itself.

PYTEST_DONT_REWRITE

Owns the exchange of one task's attributes for another's. Laws: a task's values go when it ends, and when the ``local`` goes, whichever is
first; the world's first task begins with a copy of what code outside the world had set, so worlds do not learn from each other.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from simsock.kernel import session

_keys = count()


class _Values:
    """What a ``local`` knows besides its attributes."""

    __slots__ = ("arguments", "key", "keywords", "outside")

    def __init__(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.key = next(_keys)
        self.arguments = arguments
        self.keywords = keywords
        self.outside: dict[str, Any] | None = None

    def __del__(self) -> None:
        kernel = session.active
        if kernel is not None:
            for task in list(kernel.tasks.values()):
                if task.locals:
                    task.locals.pop(self.key, None)


_NOTHING: dict[str, Any] = {}
"""The attributes of a ``local`` that nobody looks at."""


class local:
    """A name space for each task. A subclass's ``__init__`` is called with the same arguments in each task that comes to it."""

    __slots__ = ("__dict__", "__weakref__", "_local__values")

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError("Initialization arguments are not supported")
        self = object.__new__(cls)
        values = _Values(args, kwargs)
        object.__setattr__(self, "_local__values", values)
        # The task that makes it is initialised by the class's call itself.
        kernel = session.active
        if kernel is None:
            values.outside = {}
        else:
            _of_task(kernel.current)[values.key] = {}
        return self

    def __getattribute__(self, name: str) -> Any:
        attributes = _enter(self)
        try:
            if name == "__dict__":
                return attributes
            return object.__getattribute__(self, name)
        finally:
            object.__setattr__(self, "__dict__", _NOTHING)

    def __setattr__(self, name: str, value: Any) -> None:
        _check_name(self, name)
        _enter(self)
        try:
            object.__setattr__(self, name, value)
        finally:
            object.__setattr__(self, "__dict__", _NOTHING)

    def __delattr__(self, name: str) -> None:
        _check_name(self, name)
        _enter(self)
        try:
            object.__delattr__(self, name)
        finally:
            object.__setattr__(self, "__dict__", _NOTHING)


def _check_name(it: local, name: str) -> None:
    if name == "__dict__":
        raise AttributeError(f"{type(it).__name__!r} object attribute '__dict__' is read-only")


def _enter(it: local) -> dict[str, Any]:
    """Put the current task's attributes in place; a task that comes for the first time gets them initialised."""
    values: _Values = object.__getattribute__(it, "_local__values")
    kernel = session.active
    if kernel is None:
        attributes = values.outside
    else:
        own = kernel.current.locals
        attributes = own.get(values.key) if own else None
    if attributes is None:
        attributes = _first_time(it, values)
    object.__setattr__(it, "__dict__", attributes)
    return attributes


def _first_time(it: local, values: _Values) -> dict[str, Any]:
    kernel = session.active
    if kernel is None:
        attributes: dict[str, Any] = {}
        values.outside = attributes
    elif kernel.current is kernel.first and values.outside is not None:
        attributes = _of_task(kernel.current)[values.key] = dict(values.outside)
        return attributes
    else:
        attributes = _of_task(kernel.current)[values.key] = {}
    cls = type(it)
    if cls.__init__ is not object.__init__:
        cls.__init__(it, *values.arguments, **values.keywords)
    return attributes


def _of_task(task: Any) -> dict[Any, Any]:
    tables: dict[Any, Any] | None = task.locals
    if tables is None:
        tables = task.locals = {}
    return tables
