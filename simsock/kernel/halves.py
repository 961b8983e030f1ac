"""Which lines have a point in their middle: where they write what they have read, with a call in between.

PYTEST_DONT_REWRITE

Owns ``halves_of``: where the second half of such a line begins, read off its bytecode. Does not know tasks, nor how instructions are noticed. Laws:

* CPython switches threads when a call has returned, so ``hits[page] = hits.get(page, 0) + 1`` loses hits, and ``hits[page] += 1`` does not: the one is
  taken apart, just before it writes, and the other is not;
* what was read is known by its name: the attribute, the variable, the container's last name, or that some item was read. A name too many is a
  point too many, where CPython switches as well;
* the same line has the same halves on every Python: a comprehension is a part of its line also where it is a function of its own.
"""

from __future__ import annotations

import dis
from collections import Counter
from collections.abc import Iterator
from types import CodeType

from simsock.kernel.bytecode import Instruction, instructions_of

INLINED = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>"))
"""Functions of 3.11 that are part of the line around them from 3.12 on."""
_VARIABLES = ("LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR")
CALLS = frozenset(("CALL", "CALL_KW", "CALL_FUNCTION_EX"))
STORES = {"STORE_ATTR": ".", "DELETE_ATTR": ".", "STORE_GLOBAL": "", "DELETE_GLOBAL": "", "STORE_DEREF": "", "DELETE_DEREF": ""}
"""What is written by name, with what stands before the name."""
_BELOW = {"STORE_SUBSCR": 1, "DELETE_SUBSCR": 1, "STORE_SLICE": 2}
"""What is written into a container, and how many values lie above that one on the stack."""
_ITEM = "[]"
_CHANGES = frozenset(
    "append appendleft extend extendleft insert pop popleft popitem remove clear add discard update setdefault intersection_update difference_update "
    "symmetric_difference_update".split()
)
"""Methods of containers that write."""
_HAS_ARGUMENT = getattr(dis, "hasarg", None)


def halves_of(instructions: tuple[Instruction, ...]) -> dict[int, int]:
    """By the offset of the instruction that a second half begins with: its line."""
    found: dict[int, int] = {}
    for part in parts_of(instructions):
        found.update(_Part(part).halves())
    return found


def parts_of(instructions: tuple[Instruction, ...]) -> Iterator[list[Instruction]]:
    """Instructions of one line that follow each other, each of which loads one thing or makes a whole call."""
    part: list[Instruction] = []
    for instruction in instructions:
        if part and instruction.line is not None and instruction.line != part[0].line:
            yield part
            part = []
        if instruction.line is not None or part:
            part += _single(instruction)
    if part:
        yield part


class _Part:
    """Instructions of one line that follow each other, looked at in order."""

    def __init__(self, instructions: list[Instruction]) -> None:
        self._instructions = instructions
        self._read: Counter[str] = Counter()
        """How often each name was read until now."""
        self._before: Counter[str] = Counter()
        """The same, when the last call returned."""
        self._called_at = -1
        self._depths: list[int] = []
        """By instruction: how much lies on the stack after it, counted from the beginning of the line."""
        self._comprehension: CodeType | None = None

    def halves(self) -> dict[int, int]:
        found: dict[int, int] = {}
        line = self._instructions[0].line
        assert line is not None, "a part begins with an instruction of its line"
        if not any(instruction.name in CALLS for instruction in self._instructions):
            return found
        depth = 0
        for at, instruction in enumerate(self._instructions):
            if self._called_at >= 0 and self._writes(at, instruction, depth):
                found[instruction.offset] = line
            self._look(at, instruction)
            depth += effect_of(instruction)
            self._depths.append(depth)
        return found

    def _look(self, at: int, instruction: Instruction) -> None:
        self._read.update(_read(instruction))
        if instruction.name == "LOAD_CONST" and isinstance(instruction.value, CodeType):
            self._comprehension = instruction.value if instruction.value.co_name in INLINED else None
        if instruction.name not in CALLS:
            return
        if not _begins_a_comprehension(self._instructions, at):
            self._returns(at)
        elif self._comprehension is not None:
            for inner in instructions_of(self._comprehension):
                self._read.update(_read(inner))
                if inner.name in CALLS:
                    self._returns(at)
            self._comprehension = None

    def _returns(self, at: int) -> None:
        self._called_at = at
        self._before = self._read.copy()

    def _writes(self, at: int, instruction: Instruction, depth: int) -> bool:
        """Whether it changes something that had been read when the last call returned."""
        name = instruction.name
        if name in STORES:
            return self._before[STORES[name] + instruction.value] > 0
        if name in _BELOW:
            if self._instructions[at - 1].name == "SWAP":
                return self._before[_ITEM] > 0  # hits[page] += 1
            return self._was_read(self._pushed(at, depth - _BELOW[name]))
        if name == "CALL":
            method = self._pushed(at, depth - (instruction.argument or 0))
            if method >= 0 and self._instructions[method].value in _CHANGES and self._instructions[method].name in ("LOAD_METHOD", "LOAD_ATTR"):
                return self._was_read(method - 1)
        return False

    def _pushed(self, at: int, depth: int) -> int:
        """The last instruction before that one after which so much lay on the stack; -1 for one of another line."""
        return next((before for before in range(at - 1, -1, -1) if self._depths[before] == depth), -1)

    def _was_read(self, at: int) -> bool:
        """Whether the container that an instruction loads had been read by another one when the last call returned."""
        if at < 0:
            return False
        names = _read(self._instructions[at])
        return bool(names) and self._before[names[-1]] > (at < self._called_at)


def _begins_a_comprehension(instructions: list[Instruction], at: int) -> bool:
    """Whether the call is that of a comprehension or a generator expression."""
    return at > 0 and instructions[at].argument == 0 and instructions[at - 1].name in ("GET_ITER", "MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE")


def _single(instruction: Instruction) -> tuple[Instruction, ...]:
    """An instruction that loads two variables, as two; of the two that a call has on 3.11, the second."""
    if instruction.name == "PRECALL":
        return ()
    if not isinstance(instruction.value, tuple) or not instruction.name.startswith("LOAD_"):
        return (instruction,)
    return tuple(instruction._replace(name="LOAD_FAST", opcode=dis.opmap["LOAD_FAST"], value=name) for name in instruction.value)


def _read(instruction: Instruction) -> tuple[str, ...]:
    """The names that an instruction reads: variables as they are, attributes behind a dot."""
    name, value = instruction.name, instruction.value
    if name.startswith(_VARIABLES):
        return value if isinstance(value, tuple) else (str(value),)
    if name == "STORE_FAST_LOAD_FAST":
        return (value[1],)
    if name in ("LOAD_ATTR", "LOAD_METHOD"):
        return (f".{value}",)
    if name in ("BINARY_SUBSCR", "BINARY_SLICE") or (name == "BINARY_OP" and instruction.text == "[]"):
        return (_ITEM,)
    return ()


def effect_of(instruction: Instruction) -> int:
    """How much more lies on the stack after it."""
    if instruction.name == "CALL":
        return -1 - (instruction.argument or 0)
    takes_argument = instruction.opcode in _HAS_ARGUMENT if _HAS_ARGUMENT is not None else instruction.opcode >= dis.HAVE_ARGUMENT
    return dis.stack_effect(instruction.opcode, (instruction.argument or 0) if takes_argument else None, jump=False)


__all__ = ["CALLS", "INLINED", "STORES", "effect_of", "halves_of", "parts_of"]
