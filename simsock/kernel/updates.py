"""Which lines write what they have read, without a call in between, and whether two tasks come to one of them at once.

PYTEST_DONT_REWRITE

Owns ``updates_of``, read off the bytecode, and ``meets``, which looks at two frames. Does not know tasks. Laws:

* no point takes such a line apart, since CPython with its global lock does not either: so a search cannot fail on it, but it can say that two tasks stood there
  at once, which no lock allows;
* it is said of the same object (and the same key of it) only; what cannot be followed without running the program's code is not said;
* looking changes nothing.
"""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any

from simsock.kernel.footprints import _FOREIGN_CODE, _UNKNOWN, local_value, static_attribute
from simsock.kernel.halves import CALLS, STORES, effect_of, parts_of
from simsock.kernel.plain_locals import forget_copy
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from simsock.kernel.bytecode import Instruction

Chain = tuple[str, ...]
"""How a value is reached: a variable (or ``""`` and a constant), and the attributes after it."""
_VARIABLES = ("LOAD_FAST", "LOAD_DEREF")
_CONSTANTS = ("LOAD_CONST", "LOAD_SMALL_INT")
_LETS_OTHERS_IN = CALLS | {"BEFORE_WITH", "BEFORE_ASYNC_WITH", "SEND", "YIELD_VALUE"}
_KEYS = (int, str, bytes, bool, type(None))


class Update(NamedTuple):
    """A line, the object of which it changes an attribute or an item (nothing for a variable), and the item's key (nothing for an attribute)."""

    line: int
    owner: Chain
    key: Chain
    since: int
    """The offset from which on nothing comes between it and the writing."""


def updates_of(instructions: tuple[Instruction, ...]) -> dict[int, Update]:
    """By the offset of the instruction that writes."""
    found: dict[int, Update] = {}
    for part in parts_of(instructions):
        line = part[0].line
        if line is not None and any(instruction.name in STORES or instruction.name == "STORE_SUBSCR" for instruction in part):
            _Stack(line, part[0].offset).follow(part, found)
    return found


class _Stack:
    """One line's instructions, by what they leave on the stack."""

    def __init__(self, line: int, since: int) -> None:
        self._line = line
        self._since = since
        self._has_let_in = False
        self._depth = 0
        self._values: dict[int, Chain] = {}
        """By depth, from 1 on: how the value there is reached, if that is known."""
        self._read: set[tuple[str, Chain, Chain]] = set()
        """What was read since the last call: a name or ``[]``, of which object, with which key."""

    def follow(self, part: list[Instruction], found: dict[int, Update]) -> None:
        for instruction in part:
            name, depth, values = instruction.name, self._depth, self._values
            top = values.get(depth, ())
            below = values.get(depth - 1, ())
            if self._has_let_in:  # while a call lasts, its frame stands behind it, at its caches
                self._since, self._has_let_in = instruction.offset, False
            if name in _LETS_OTHERS_IN:
                self._read.clear()
                self._has_let_in = True
            elif name in STORES and name.startswith("STORE"):
                what = instruction.value
                owner = top if name == "STORE_ATTR" else ()
                if (what, owner, ()) in self._read and (owner or name != "STORE_ATTR"):
                    found[instruction.offset] = Update(self._line, owner, (), self._since)
            elif name == "STORE_SUBSCR" and below and top and ("[]", below, top) in self._read:
                found[instruction.offset] = Update(self._line, below, top, self._since)
            self._depth = depth + effect_of(instruction)
            self._leave(instruction, depth, top, below)

    def _leave(self, instruction: Instruction, depth: int, top: Chain, below: Chain) -> None:
        name, values = instruction.name, self._values
        value: Chain = ()
        if name == "SWAP":
            other = depth - (instruction.argument or 0) + 1
            values[depth], values[other] = values.get(other, ()), top
            return
        if name == "COPY":
            value = values.get(depth - (instruction.argument or 0) + 1, ())
        elif name.startswith(_VARIABLES):
            value = (f"local {instruction.value}",)
            self._read.add((str(instruction.value), (), ()))
        elif name == "LOAD_GLOBAL":
            value = (f"global {instruction.value}",)
            self._read.add((str(instruction.value), (), ()))
        elif name in _CONSTANTS and type(instruction.value) in _KEYS:
            value = ("constant", repr(instruction.value))
        elif name == "LOAD_ATTR":
            value = (*top, str(instruction.value)) if top else ()
            self._read.add((str(instruction.value), top, ()))
        elif name == "BINARY_SUBSCR" or (name == "BINARY_OP" and instruction.text == "[]"):
            self._read.add(("[]", below, top))
        if self._depth >= depth or effect_of(instruction) < 0:
            values[self._depth] = value


def meets(update: Update, offset: int, one: FrameType, other: FrameType) -> bool:
    """Whether ``other``, a frame that stands still, is before the same writing as ``one``, which is about to do it, and of the same object."""
    if other.f_code is not one.f_code or not update.since <= other.f_lasti <= offset:
        return False
    if not update.owner:
        return True
    owner = _reached(update.owner, one)
    if owner is _UNKNOWN or owner is not _reached(update.owner, other):
        return False
    if not update.key or update.key[0] == "constant":
        return True
    keys = _reached(update.key, one), _reached(update.key, other)
    return type(keys[0]) in _KEYS and type(keys[0]) is type(keys[1]) and bool(keys[0] == keys[1])


def _reached(chain: Chain, frame: FrameType) -> Any:
    kind, _, name = chain[0].partition(" ")
    if kind == "global":
        value = frame.f_globals.get(name, _UNKNOWN)
    else:
        value = local_value(frame, name)
        forget_copy(frame)
    for attribute in chain[1:]:
        value = static_attribute(value, attribute)
        if value is _UNKNOWN or value is _FOREIGN_CODE:
            return _UNKNOWN
    return value


__all__ = ["Update", "meets", "updates_of"]
