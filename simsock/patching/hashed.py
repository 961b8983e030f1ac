"""Something else in a set, or under a dict's key, in the place of what is there, and put back as it was.

Owns the exchange: a set or dict keeps its identity, a dict its order. Does not know what is looked for, nor what comes in its place. Laws: only identity
counts; between two instructions of Python there is no moment at which a container is empty; the order in which a set is iterated is the same in each world.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial
from itertools import repeat
from operator import call, is_
from types import FunctionType
from typing import TYPE_CHECKING, Any
from weakref import KeyedRef, getweakrefs, ref

from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Box = Any
"""A set, or a dict, or an instance of a subclass."""


class _Exchange(NamedTuple):
    """One that can be taken back: what was there, a copy of the set as it was, and one of what has been made of it."""

    before: Any
    was: set[Any]
    became: set[Any]


class Mark:
    """One of the things in a container that has no places: which it is now, and how it comes to be what it was."""

    __slots__ = ("_exchanges", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._exchanges: list[_Exchange] = []
        """In a set: by the same elements in another order it would be iterated in another order, and that by how it came to have them."""

    def is_in(self, box: _Box) -> bool:
        """Whether the container has it."""
        return any(map(is_, held_in(box), repeat(self.value)))

    def exchange(self, box: _Box, value: Any) -> None:
        """Have ``value`` in the container in its place. Raises ``TypeError`` where that cannot be."""
        if not self.is_in(box) or any(map(is_, held_in(box), repeat(value))):
            raise TypeError("it is not in there, or both are")
        steps = self._in_set(box, value) if isinstance(box, set) else _in_dict(box, self.value, value)
        deque(map(call, [*steps, partial(setattr, self, "value", value)]), 0)

    def _in_set(self, box: set[Any], value: Any) -> list[Any]:
        exchanges = self._exchanges
        last = exchanges[-1] if exchanges else None
        if last is not None and last.before is value and _is_same(box, last.became):
            return [partial(set.clear, box), partial(set.update, box, last.was), exchanges.pop]
        was: set[Any] = set()
        was.update(box)  # of a set, and so without a look at what is in there
        now = was.copy()
        now.remove(self.value)
        now.add(value)
        steps = [partial(set.clear, box), partial(set.update, box, now)]
        if last is not None and last.before is value:  # somebody has put something in, or taken something out
            return [*steps, exchanges.clear]
        return [*steps, partial(exchanges.append, _Exchange(self.value, was, now))]


class WeakMark:
    """One of the things that a container has a weak reference to: ``value`` is the thing, and the container knows it by ``mark``."""

    __slots__ = ("_before", "mark")

    def __init__(self, reference: Any) -> None:
        self.mark = Mark(reference)
        self._before: list[Any] = []

    @property
    def value(self) -> Any:
        """What is referred to; None when that is gone."""
        return self.mark.value()

    def is_in(self, box: _Box) -> bool:
        """Whether the container has it."""
        if isinstance(self.mark.value, KeyedRef):
            return dict.get(box, self.mark.value.key) is self.mark.value
        return self.mark.is_in(box)

    def exchange(self, box: _Box, value: Any) -> None:
        """Have a reference to ``value`` in its place: the very one that was there, if there was one."""
        old = self.mark.value
        before = self._before[-1] if self._before and self._before[-1]() is value else None
        if isinstance(old, KeyedRef):
            new = KeyedRef(value, old.__callback__, old.key) if before is None else before
            dict.__setitem__(box, old.key, new)
            self.mark.value = new
        else:
            if any(isinstance(held, ref) and held() is value for held in held_in(box)):
                raise TypeError("both are in there")
            self.mark.exchange(box, ref(value, old.__callback__) if before is None else before)
        self._before[:] = [old] if before is None else []


def weakly(thing: Any) -> Iterator[tuple[Callable[[], _Box | None], WeakMark]]:
    """Where a ``WeakSet``, ``WeakKeyDictionary`` or ``WeakValueDictionary`` has it: what says the container, as long as it lives, and the mark in it."""
    for reference in getweakrefs(thing):
        callback = reference.__callback__
        if type(callback) is FunctionType and callback.__module__ in ("weakref", "_weakrefset") and callback.__defaults__:
            yield partial(_data_of, callback.__defaults__[0]), WeakMark(reference)


def _data_of(owner: Any) -> _Box | None:
    return getattr(owner(), "data", None)


def held_in(box: _Box) -> Iterator[Any]:
    """The things in a set, or the keys of a dict, without a method of the program's."""
    if isinstance(box, OrderedDict):
        return iter(OrderedDict.__iter__(box))
    return iter(dict.__iter__(box) if isinstance(box, dict) else set.__iter__(box))


def _is_same(box: set[Any], other: set[Any]) -> bool:
    return set.__len__(box) == len(other) and all(map(is_, held_in(box), other))


def _in_dict(box: dict[Any, Any], before: Any, value: Any) -> list[Any]:
    """What is to be done, one thing after the other and nothing between them."""
    ordered = isinstance(box, OrderedDict)  # its order is its own
    values = OrderedDict.values(box) if isinstance(box, OrderedDict) else dict.values(box)
    now = dict(zip((value if key is before else key for key in held_in(box)), values, strict=True))
    if ordered:
        return [partial(OrderedDict.clear, box), *(partial(OrderedDict.__setitem__, box, key, held) for key, held in now.items())]
    return [partial(dict.clear, box), partial(dict.update, box, now)]


__all__ = ["Mark", "WeakMark", "held_in", "weakly"]
