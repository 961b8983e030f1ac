"""Who refers to these objects, and which of many are of these kinds? As ``gc.get_referrers`` says, which is slow where many are asked about.

Owns the question. Does not know what is asked for, nor why. Python compares every reference in the heap with everything that is asked for, one by one; here
many objects at once say what they refer to, in one list, and whether what is asked for has more references while that list is there tells whether any of it
is in the list. Laws: the answer is the same, but for tuples and lists that are being made: nobody else has them yet, and Python cannot go over them. Only
identity counts, and no code of the program runs; nothing is kept; ``id`` is not called for each object, since whoever hears of audited events, as the fence
does, hears of that. Another OS thread may take and let go of anything meanwhile, but not between two counts that are compared: see ``_holds_any``.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, compress, count, repeat
from operator import call, is_
from sys import getrefcount
from typing import Any

_FEW = 64
"""Of so many Python finds the holders sooner."""
_FEW_IMMORTAL = 16
"""Of so many whose references are not counted, too, where all others are found by counts."""
_IMMORTAL = 1 << 29
"""As many references, or more, has only what CPython does not count them of (3.12 and later)."""
_BY_COUNTS = (4_096, 256)
_BY_ADDRESSES = 32
"""So many objects are asked together what they refer to; where there was something, fewer are."""
_WITH_PLACES = (tuple, list)
_ITEMS_AT: int = tuple.__basicsize__
_ADDRESS_BYTES = ctypes.sizeof(ctypes.c_void_p)


def referrers_of(asked: list[Any], *ours: Any) -> list[Any]:
    """Whatever refers to one of these, but for ``asked`` itself and other containers of ours."""
    own = {id(asked), *map(id, ours)}
    if len(asked) <= _FEW:
        found = _python_s(asked)
    else:
        counted = [one for one in asked if getrefcount(one) < _IMMORTAL]
        immortal = [one for one in asked if getrefcount(one) >= _IMMORTAL]
        own |= {id(counted), id(immortal)}
        found = _held_by(tracked_objects(), counted, immortal if len(immortal) > _FEW_IMMORTAL else [])
        if 0 < len(immortal) <= _FEW_IMMORTAL:
            found = list({id(holder): holder for holder in (*found, *_python_s(immortal))}.values())
    return [holder for holder in found if id(holder) not in own]


def _whole(found: Iterable[Any]) -> list[Any]:
    """Those but for what is being made: tuples and lists with places that are empty still, from which Python cannot take anything without a crash."""
    return [one for one in found if not (type(one) in _WITH_PLACES and len(gc.get_referents(one)) < len(one))]


def _python_s(asked: list[Any]) -> list[Any]:
    mark = object()  # goes with what is asked for, so that the arguments of the very call are told from a tuple of the program
    return _without_call(_safe(_whole(gc.get_referrers(*asked, mark))), mark)


def _without_call(found: list[Any], mark: object) -> list[Any]:
    return [holder for holder in found if not (type(holder) is tuple and holder and holder[-1] is mark)]


def _held_by(objects: list[Any], counted: list[Any], others: list[Any]) -> list[Any]:
    """Those that refer to one of these. ``others``: what has no count of its references."""
    ids = frozenset(map(id, (*counted, *others)))
    if not others:
        for size in _BY_COUNTS:
            objects = list(chain.from_iterable(_by_counts(objects, counted, size)))
    objects = list(chain.from_iterable(some for some in _cut(objects, _BY_ADDRESSES) if not ids.isdisjoint(addresses(gc.get_referents(*some)))))
    return _whole(holder for holder in objects if not ids.isdisjoint(map(id, gc.get_referents(holder))))


def _by_counts(objects: list[Any], counted: list[Any], size: int) -> Iterator[list[Any]]:
    """Of each so many objects, those that may refer to one of these: all that do, and some besides."""
    starts = []  # of what was found no list is made before all is: it may be what is counted itself
    for start in range(0, len(objects), size):
        if _holds_any(gc.get_referents(*objects[start : start + size]), counted):
            starts.append(start)
    return (objects[start : start + size] for start in starts)


def _holds_any(held: list[Any], counted: list[Any]) -> bool:
    """Whether this list, which is empty afterwards, has one of these: then it takes references to them with it when it is emptied.

    Python runs no line of its own from the first count to the second: then no other OS thread can come in, nor the garbage collector, and let go of just as
    many as the list has. (A process with a large heap is searched for longer than another thread can be kept waiting.)
    """
    steps: list[Any] = [partial(sum, map(getrefcount, counted)), held.clear, partial(sum, map(getrefcount, counted))]
    counts: list[Any] = list(map(call, steps))
    return bool(counts[0] != counts[2])


def tracked_objects() -> list[Any]:
    """All that the garbage collector knows, and that may be asked what it refers to."""
    return _safe(gc.get_objects())


def _safe(found: list[Any]) -> list[Any]:
    """On 3.12 without asyncio's module in C: asked what it refers to, it tells of iterators that are free, which are then freed once more, and from then on
    go round in a circle: whatever goes through its references after that goes through them for ever."""
    if sys.version_info[:2] == (3, 12):
        broken = sys.modules.get("_asyncio")
        if broken is not None:
            for place in list(compress(count(), map(is_, found, repeat(broken))))[:1]:
                del found[place]
    return found


def of_kinds(objects: list[Any], kinds: Iterable[type]) -> Iterator[Any]:
    """Those that are of one of these very classes. By identity: the class of typing's unions, for one, warns of its end when it is compared."""
    kinds = tuple(kinds)
    ids = frozenset(map(id, kinds))
    counted = [kind for kind in kinds if getrefcount(kind) < _IMMORTAL]
    patterns = [id(kind).to_bytes(_ADDRESS_BYTES, sys.byteorder) for kind in kinds if getrefcount(kind) >= _IMMORTAL]
    for some in _cut(objects, _BY_COUNTS[0]):
        if _holds_any(list(map(type, some)), counted) or (patterns and _has_any(list(map(type, some)), patterns)):
            yield from compress(some, map(ids.__contains__, addresses(map(type, some))))


def common_kinds(objects: list[Any], kinds: Iterable[type]) -> Iterator[Any]:
    """The same as ``of_kinds``, one class after the other: the faster way where each of a few classes has objects everywhere."""
    held = tuple(map(type, objects))
    seen = _memory(held)
    for kind in kinds:
        pattern = id(kind).to_bytes(_ADDRESS_BYTES, sys.byteorder)
        at = seen.find(pattern)
        while at >= 0:
            place, rest = divmod(at, _ADDRESS_BYTES)
            if rest:  # the end of one address and the beginning of the next
                at = seen.find(pattern, at + 1)
                continue
            yield objects[place]
            at = seen.find(pattern, at + _ADDRESS_BYTES)


def _has_any(objects: list[Any], patterns: list[bytes]) -> bool:
    """Whether one of these addresses may be among those of the objects."""
    held = tuple(objects)
    seen = _memory(held)
    return any(pattern in seen for pattern in patterns)


def _memory(held: tuple[Any, ...]) -> bytes:
    """A copy of where a tuple has its items: to look at it in its place takes a class of ctypes for each length, whose making is longer than all the rest."""
    return ctypes.string_at(id(held) + _ITEMS_AT, len(held) * _ADDRESS_BYTES)


def addresses(objects: Iterable[Any]) -> Any:
    """The identity of each, as ``id`` says it. They are read from where a tuple has its items."""
    held = tuple(objects)
    return memoryview(_memory(held)).cast("L").tolist()


def _cut(objects: list[Any], size: int) -> Iterator[list[Any]]:
    return (objects[start : start + size] for start in range(0, len(objects), size))


__all__ = ["addresses", "common_kinds", "of_kinds", "referrers_of", "tracked_objects"]
