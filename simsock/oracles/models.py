"""What things of a kind do when one operation comes after the other: sequential models.

PYTEST_DONT_REWRITE

Owns ``Model`` and those that are ready-made: a register, a counter, a map, a queue, a lock. Does not know histories. Laws:

* a state is hashable and never changed: an operation gives a new one;
* what an operation raises in the model is what it is to raise, and leaves the state as it was; ``NotNow`` says that it cannot happen in this state.
"""

from __future__ import annotations

from queue import Empty, Full
from typing import Any

from simsock.errors import UsageError, meant


class NotNow(Exception):
    """Raised by a model: the operation waits in this state, so here it has not happened yet."""


class OneOf:
    """A result that is any of several."""

    def __init__(self, *results: Any) -> None:
        self.results = results

    def __eq__(self, other: object) -> bool:
        return any(type(other) is type(result) and other == result for result in self.results)

    __hash__ = None  # type: ignore[assignment]  # equal to several

    def __repr__(self) -> str:
        return " or ".join(map(repr, self.results))


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # equal to everything

    def __repr__(self) -> str:
        return "anything"


ANY: Any = _Any()
"""A result that the model leaves open."""


class Model:
    """A sequential model: ``initial`` is its first state, and each operation a method ``name(self, state, *arguments)`` that returns (new state, result)."""

    initial: Any = None

    def key(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Operations of different keys have nothing to do with each other, and are looked at apart. None: all of them do."""
        return None

    def apply(self, state: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, Any]:
        """(new state, result) of one operation."""
        method = getattr(self, name, None) if not name.startswith("_") and name not in _OWN else None
        if method is None:
            known = self.operations()
            raise UsageError(f"history: {type(self).__name__} knows no operation {name!r}{meant(name, known)}; it knows {', '.join(known)}")
        changed: tuple[Any, Any] = method(state, *arguments, **keywords)
        return changed

    def operations(self) -> tuple[str, ...]:
        """The names of its operations."""
        names = (name for cls in reversed(type(self).__mro__) for name in vars(cls))
        return tuple(dict.fromkeys(name for name in names if not name.startswith("_") and name not in _OWN and callable(getattr(self, name))))


_OWN = frozenset(("initial", "key", "apply", "operations"))


class Register(Model):
    """One value: ``write`` (``set``), ``read`` (``get``), ``compare_and_set(old, new)``, which says whether it did."""

    def __init__(self, initial: Any = None) -> None:
        self.initial = initial

    def read(self, state: Any) -> tuple[Any, Any]:
        return state, state

    def write(self, state: Any, value: Any) -> tuple[Any, Any]:
        return value, ANY

    def compare_and_set(self, state: Any, old: Any, new: Any) -> tuple[Any, Any]:
        return (new, True) if state == old else (state, False)

    get, set = read, write


class Counter(Model):
    """A number: ``increment`` (``add``) and ``decrement`` return the new one or None, ``get_and_increment`` the old one, ``get`` (``read``) what it is."""

    def __init__(self, initial: int = 0) -> None:
        self.initial = initial

    def increment(self, state: int, amount: int = 1) -> tuple[Any, Any]:
        return state + amount, OneOf(None, state + amount)

    def decrement(self, state: int, amount: int = 1) -> tuple[Any, Any]:
        return state - amount, OneOf(None, state - amount)

    def get_and_increment(self, state: int, amount: int = 1) -> tuple[Any, Any]:
        return state + amount, state

    def get(self, state: int) -> tuple[Any, Any]:
        return state, state

    add, read = increment, get


_ABSENT = "absent", object
"""The state of a key that is not there."""


class Map(Model):
    """Values by keys, each key for itself: ``get(key, default)``, ``put`` (``set``), ``delete``, ``pop``, ``contains``, ``put_if_absent``, ``compare_and_set``,
    ``setdefault``; and ``getitem``, ``setitem``, ``delitem``, as ``thing[key]`` is called in a history. ``initial`` is a dictionary."""

    def __init__(self, initial: dict[Any, Any] | None = None) -> None:
        self._initial = dict(initial or {})
        self.initial = _ABSENT

    def key(self, name: str, arguments: tuple[Any, ...]) -> Any:
        return arguments[0] if arguments else None

    def initial_of(self, key: Any) -> Any:
        return self._initial.get(key, _ABSENT)

    def get(self, state: Any, key: Any, default: Any = None) -> tuple[Any, Any]:
        return state, default if state is _ABSENT else state

    def getitem(self, state: Any, key: Any) -> tuple[Any, Any]:
        if state is _ABSENT:
            raise KeyError(key)
        return state, state

    def put(self, state: Any, key: Any, value: Any) -> tuple[Any, Any]:
        return value, ANY

    def put_if_absent(self, state: Any, key: Any, value: Any) -> tuple[Any, Any]:
        return (value, True) if state is _ABSENT else (state, False)

    def setdefault(self, state: Any, key: Any, default: Any = None) -> tuple[Any, Any]:
        return (default, default) if state is _ABSENT else (state, state)

    def compare_and_set(self, state: Any, key: Any, old: Any, new: Any) -> tuple[Any, Any]:
        return (new, True) if state is not _ABSENT and state == old else (state, False)

    def delete(self, state: Any, key: Any) -> tuple[Any, Any]:
        return _ABSENT, OneOf(None, state is not _ABSENT)

    def delitem(self, state: Any, key: Any) -> tuple[Any, Any]:
        if state is _ABSENT:
            raise KeyError(key)
        return _ABSENT, None

    def pop(self, state: Any, key: Any, *default: Any) -> tuple[Any, Any]:
        if state is _ABSENT:
            if not default:
                raise KeyError(key)
            return state, default[0]
        return _ABSENT, state

    def contains(self, state: Any, key: Any) -> tuple[Any, Any]:
        return state, state is not _ABSENT

    set = setitem = put


class Queue(Model):
    """First in, first out: ``put``, ``get``, ``put_nowait``, ``get_nowait``, ``qsize``, ``empty``. ``size``: how many there is room for; 0 for any number.

    ``get`` waits for an item, ``put`` for room; those that end at once, or after a timeout, raise ``queue.Empty`` and ``queue.Full``.
    """

    def __init__(self, size: int = 0) -> None:
        self.initial = ()
        self._size = size

    def put(self, state: Any, item: Any, block: bool = True, timeout: float | None = None) -> tuple[Any, Any]:
        if self._size and len(state) >= self._size:
            raise NotNow if block and timeout is None else Full
        return (*state, item), ANY

    def get(self, state: Any, block: bool = True, timeout: float | None = None) -> tuple[Any, Any]:
        if not state:
            raise NotNow if block and timeout is None else Empty
        return state[1:], state[0]

    def put_nowait(self, state: Any, item: Any) -> tuple[Any, Any]:
        return self.put(state, item, False)

    def get_nowait(self, state: Any) -> tuple[Any, Any]:
        return self.get(state, False)

    def qsize(self, state: Any) -> tuple[Any, Any]:
        return state, len(state)

    def empty(self, state: Any) -> tuple[Any, Any]:
        return state, not state


class Lock(Model):
    """Had by one at most: ``acquire``, ``release``, ``locked``. One that does not wait, or has a timeout, returns False while somebody has it."""

    initial = False

    def acquire(self, state: bool, blocking: bool = True, timeout: float = -1) -> tuple[Any, Any]:
        if not state:
            return True, OneOf(None, True)
        if blocking and timeout in (-1, None):
            raise NotNow
        return state, False

    def release(self, state: bool) -> tuple[Any, Any]:
        if not state:
            raise RuntimeError
        return False, OneOf(None, True)

    def locked(self, state: bool) -> tuple[Any, Any]:
        return state, state


__all__ = ["ANY", "Counter", "Lock", "Map", "Model", "NotNow", "OneOf", "Queue", "Register"]
