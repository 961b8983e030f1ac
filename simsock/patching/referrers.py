"""Who refers to these objects, and which of many are of these kinds? As ``gc.get_referrers`` says, which is slow where many are asked about.

Owns the question. Does not know what is asked for, nor why. Python compares every reference in the heap with everything that is asked for, one by one; here
many objects at once say what they refer to, and one look into a set tells whether any of it is asked for. Laws: the answer is the same; only identity counts,
and no code of the program runs; nothing is kept; ``id`` is not called for each object, since whoever hears of audited events, as the fence does, hears of that.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, compress
from typing import Any

_FEW = 64
"""Of so many Python finds the holders sooner."""
_CHUNKS = (2_048, 32)
"""So many objects are asked together what they refer to; where there was something, fewer are."""
_ITEMS_AT: int = tuple.__basicsize__


def referrers_of(asked: list[Any], *ours: Any) -> list[Any]:
    """Whatever refers to one of these, but for ``asked`` itself and other containers of ours."""
    own = {id(asked), *map(id, ours)}
    if len(asked) <= _FEW:
        mark = object()  # goes with what is asked for, so that the arguments of the very call are told from a tuple of the program
        found = _without_call(gc.get_referrers(*asked, mark), mark)
    else:
        ids = frozenset(map(id, asked))
        found = _objects()
        for size in _CHUNKS:
            found = list(chain.from_iterable(some for some in _cut(found, size) if not ids.isdisjoint(addresses(gc.get_referents(*some)))))
        found = [holder for holder in found if not ids.isdisjoint(map(id, gc.get_referents(holder)))]
    return [holder for holder in found if id(holder) not in own]


def _objects() -> list[Any]:
    """All that the garbage collector knows. On 3.12 without asyncio's module in C: asked what it refers to, it tells of iterators that are free, which are
    then freed once more, and from then on go round in a circle for ever."""
    found = gc.get_objects()
    if sys.version_info[:2] == (3, 12):
        broken = sys.modules.get("_asyncio")
        if broken is not None:
            return [one for one in found if one is not broken]
    return found


def of_kinds(objects: list[Any], kinds: Iterable[type]) -> Iterator[Any]:
    """Those that are of one of these very classes. By identity: the class of typing's unions, for one, warns of its end when it is compared."""
    ids = frozenset(map(id, kinds))
    return chain.from_iterable(compress(some, map(ids.__contains__, addresses(list(map(type, some))))) for some in _cut(objects, _CHUNKS[0]))


def addresses(objects: list[Any]) -> Any:
    """The identity of each, as ``id`` says it. They are read from where a tuple has its items."""
    held = tuple(objects)
    return memoryview((ctypes.c_ulong * len(held)).from_address(id(held) + _ITEMS_AT)).cast("B").cast("L").tolist()


def _without_call(found: list[Any], mark: object) -> list[Any]:
    return [holder for holder in found if not (type(holder) is tuple and holder and holder[-1] is mark)]


def _cut(objects: list[Any], size: int) -> Iterator[list[Any]]:
    return (objects[start : start + size] for start in range(0, len(objects), size))


__all__ = ["addresses", "of_kinds", "referrers_of"]
