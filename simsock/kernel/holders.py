"""Which containers a line works on, by where they hang: the attribute, global, cell or local variable that holds them.

PYTEST_DONT_REWRITE

Owns the reading of a line for that, off its bytecode, and the footprint that has their names in place of the one name of all items. Does not know
objects: it is a guess by names, for strategies and stories; whoever must not miss anything goes by ``footprint_of``. Laws: what cannot be followed
keeps the one name; the same names on every Python.
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import TYPE_CHECKING, Any

from simsock.kernel.bytecode import instructions_at
from simsock.kernel.footprints import _CHANGES, _LOOKS, ITEMS, Footprint, Touch, _loads_method, footprint_of

if TYPE_CHECKING:
    from simsock.kernel.bytecode import Instruction

_NAMED = frozenset("LOAD_GLOBAL LOAD_NAME LOAD_DEREF LOAD_CLASSDEREF LOAD_ATTR".split())
_LOCAL = frozenset("LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_CHECK".split())
_TWO_LOCALS = frozenset("LOAD_FAST_LOAD_FAST LOAD_FAST_BORROW_LOAD_FAST_BORROW".split())
_DEPTHS = {"BINARY_SUBSCR": (2, False), "STORE_SUBSCR": (2, True), "DELETE_SUBSCR": (2, True), "BINARY_SLICE": (3, False), "STORE_SLICE": (3, True)}
"""How deep in the stack the container is, and whether it is written."""
_ON_TOP = frozenset("CONTAINS_OP GET_ITER".split())
_HAS_ARGUMENT: Any = getattr(dis, "hasarg", None)

Held = tuple[str, bool]
"""A name, and whether it is a local variable's."""


class _Reading:
    """Of one line: its stack, as names where they are known."""

    def __init__(self) -> None:
        self.stack: list[Held | None] = []
        self.touches: set[tuple[Held | None, str]] = set()

    def read(self, found: Instruction) -> None:
        """The next instruction."""
        name, stack = found.name, self.stack
        if name in _DEPTHS:
            self._touch(*_DEPTHS[name])
        elif name == "BINARY_OP" and found.text == "[]":
            self._touch(2, False)
        elif name in _ON_TOP:
            self._touch(1, False)
        elif _loads_method(found) and (found.value in _CHANGES or found.value in _LOOKS):
            self._touch(1, found.value in _CHANGES)
        if name == "COPY":
            stack.append(self._at(found.argument or 1))
            return
        if name == "SWAP":
            depth = found.argument or 1
            if depth <= len(stack):
                stack[-1], stack[-depth] = stack[-depth], stack[-1]
            return
        takes = found.opcode in _HAS_ARGUMENT if _HAS_ARGUMENT is not None else found.opcode >= dis.HAVE_ARGUMENT
        effect = dis.stack_effect(found.opcode, (found.argument or 0) if takes else None, jump=False)
        size = max(len(stack) + effect, 0)
        del stack[size:]
        stack.extend([None] * (size - len(stack)))
        if stack and name in _NAMED and not _loads_method(found):
            stack[-1] = str(found.value), False
        elif stack and name in _LOCAL:
            stack[-1] = str(found.value), True
        elif len(stack) > 1 and name in _TWO_LOCALS:
            stack[-2:] = [(found.value[0], True), (found.value[1], True)]
        elif stack and effect <= 0 and not name.startswith(("STORE", "DELETE", "POP")):
            stack[-1] = None

    def _at(self, depth: int) -> Held | None:
        return self.stack[-depth] if depth <= len(self.stack) else None

    def _touch(self, depth: int, written: bool) -> None:
        self.touches.add((self._at(depth), "w" if written else "r"))


_known: dict[tuple[int, int, bool, bool], tuple[CodeType, Footprint]] = {}
_KNOWN_MAX = 50_000


def named_footprint(code: CodeType, place: int, by_line: bool = True, locals_too: bool = False) -> Footprint:
    """What a line touches, by names: as ``footprint_of`` without a frame, with ``values[]`` for the items of what is held under ``values``.

    Items of what a local variable holds keep the one name of all, since another task may hold it under another; with ``locals_too`` they are named.
    """
    key = id(code), place, by_line, locals_too
    known = _known.get(key)
    if known is None:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        known = _known[key] = code, _named(code, place, by_line, locals_too)
    return known[1]


def _named(code: CodeType, place: int, by_line: bool, locals_too: bool) -> Footprint:
    whole = footprint_of(code, place, None, by_line)
    if not any(name == ITEMS for name, _ in whole):
        return whole
    reading = _Reading()
    for found in instructions_at(code, place, by_line):
        reading.read(found)
    named: set[Touch] = set()
    for held, how in reading.touches:
        named.add((f"{held[0]}{ITEMS}" if held is not None and (locals_too or not held[1]) else ITEMS, how))
    return frozenset(touch for touch in whole if touch[0] != ITEMS) | named if named else whole


__all__ = ["named_footprint"]
