"""The items of lists and dictionaries as names, and which touches of them meet.

PYTEST_DONT_REWRITE

Owns the names of items: ``[]`` is all items of whatever there is, ``[] dict`` those of dictionaries, ``[] dict 'a'`` what dictionaries have under that key;
and ``meet``, which knows that each of them is a part of those before it. Does not know instructions. Laws:

* two containers of one kind share their names, as two objects share the names of their attributes;
* what changes how many items there are, or their order, touches the whole: a name with a key is one item that was there and still is;
* a key that may equal another one of another type, or that is compared by code of the program, is no name;
* footprints that do not meet may be exchanged. Looking runs no code of the program.
"""

from __future__ import annotations

from collections import defaultdict, deque
from functools import lru_cache
from typing import Any

from simsock.kernel.footprints import ANYTHING, ITEMS, PLAIN, Footprint, Touch

KINDS: dict[type, str] = {list: f"{ITEMS} list", dict: f"{ITEMS} dict", defaultdict: f"{ITEMS} dict", set: f"{ITEMS} set", deque: f"{ITEMS} deque"}
"""The name of all items of containers of exactly these types."""
UNCHANGING = frozenset((tuple, str, bytes, range))
"""Types whose items are always the same ones."""
_ITERATORS: tuple[Any, ...] = ([], {}, (), "", b"", range(0))
GONE_THROUGH: dict[type, set[Touch]] = {
    **{kind: {(name, "r")} for kind, name in KINDS.items()},
    **{kind: set() for kind in UNCHANGING},
    **{type(iter(of)): {(f"{ITEMS} iterator", "w"), *({(KINDS[type(of)], "r")} if type(of) in KINDS else ())} for of in _ITERATORS},
}
"""How a loop over one of these touches items, but for its elements'."""
_KEYS_MAX = 100
_KEY_LONGEST = 100


def item_of(container: Any, key: Any) -> str | None:
    """The name of what a list or dictionary has there; None where it has nothing there, or where that is not known."""
    if type(container) is list:
        return f"{ITEMS} list {key}" if type(key) is int and 0 <= key < len(container) else None
    if type(container) not in (dict, defaultdict) or not is_compared_plainly(container):
        return None
    if type(key) is not int and (type(key) is not str or len(key) > _KEY_LONGEST):
        return None
    return f"{ITEMS} dict {key!r}" if key in container else None


def is_compared_plainly(container: Any) -> bool:
    """Whether to look something plain up there runs no code of the program."""
    return len(container) <= _KEYS_MAX and PLAIN.issuperset(map(type, container))


_READS, _WRITES, _READS_PART, _WRITES_PART = 1, 2, 4, 8
_AGAINST = {_READS: _WRITES | _WRITES_PART, _WRITES: 15, _READS_PART: _WRITES, _WRITES_PART: _READS | _WRITES}
_MEETS = [sum(bit for bit in _AGAINST if any(how & by and against & bit for by, against in _AGAINST.items())) for how in range(16)]
"""For each way to touch a name, in which ways others meet it: two who read it, or who touch parts of it, do not."""


@lru_cache(20_000)
def _ways(footprint: Footprint) -> dict[str, int]:
    ways: dict[str, int] = {}
    for name, how in footprint:
        writes = how == "w"
        ways[name] = ways.get(name, 0) | (_WRITES if writes else _READS)
        if name.startswith(ITEMS) and name != ITEMS:
            of, kind, *key = name.split(" ", 2)
            for whole in (of, f"{of} {kind}") if key else (of,):
                ways[whole] = ways.get(whole, 0) | (_WRITES_PART if writes else _READS_PART)
    return ways


def meet(one: Footprint, other: Footprint) -> bool:
    """Whether the order of what left these footprints may matter."""
    ours, theirs = _ways(one), _ways(other)
    if ANYTHING in ours or ANYTHING in theirs:
        return bool(ours and theirs)
    if len(ours) > len(theirs):
        ours, theirs = theirs, ours
    return any(_MEETS[how] & theirs.get(name, 0) for name, how in ours.items())


__all__ = ["KINDS", "UNCHANGING", "is_compared_plainly", "item_of", "meet"]
