"""Whether what the operators of a line work on is plain: numbers and texts, whose operations run no code of the program and read nothing that changes.

PYTEST_DONT_REWRITE

Owns the reading of one line as a stack of values, for a line without calls and loops: ``self.total = seen + 1`` adds two numbers, although an object is
named on it as well. Does not know footprints. Laws: what is not followed is not plain; looking runs no code of the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.bytecode import Instruction

_NOTHING = frozenset("RESUME CACHE NOP EXTENDED_ARG NOT_TAKEN".split())
_POPS = {"STORE_FAST": 1, "STORE_DEREF": 1, "STORE_GLOBAL": 1, "STORE_NAME": 1, "STORE_ATTR": 2, "POP_TOP": 1, "RETURN_VALUE": 1}
_PAIRS = frozenset("BINARY_OP COMPARE_OP CONTAINS_OP".split())
_SINGLES = frozenset("UNARY_NEGATIVE UNARY_POSITIVE UNARY_NOT UNARY_INVERT TO_BOOL".split())
_LOADS_TWO = frozenset("LOAD_FAST_LOAD_FAST LOAD_FAST_BORROW_LOAD_FAST_BORROW".split())
_LOADS = frozenset("LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_CHECK LOAD_DEREF LOAD_GLOBAL LOAD_CONST LOAD_SMALL_INT LOAD_COMMON_CONSTANT".split())
_NUMBER = 0
"""Stands for whatever comes of plain values: it is one."""
_OTHER = object()
UNKNOWN = object()
"""What ``attribute`` returns for one that it does not know."""


def are_plain(instructions: tuple[Instruction, ...], plain: frozenset[object], load: Callable[[str, Any], Any], attribute: Callable[[Any, str], Any]) -> bool:
    """Whether every operator of a line has operands of the ``plain`` types.

    ``load(name of the instruction, what it names)`` and ``attribute(object, name)`` give the values of names; what ``load`` does not know is of no plain type.
    """
    stack: list[Any] = []
    stored = False
    for at, found in enumerate(instructions):
        name, value = found.name, found.value
        if name in _NOTHING:
            continue
        if name in _LOADS or name in _LOADS_TWO:
            if name == "LOAD_GLOBAL" and "NULL" in found.text:
                return False
            for one in value if name in _LOADS_TWO else (value,):
                stack.append(_OTHER if stored and "CONST" not in name and "SMALL" not in name else load(name, one))
            continue
        needs = 2 if name in _PAIRS or name in ("STORE_ATTR", "IS_OP") else found.argument or 1 if name in ("COPY", "SWAP") else 1
        if len(stack) < needs:
            return False
        if name == "LOAD_ATTR" and "NULL" not in found.text:
            if stored or stack[-1] is _OTHER:
                return False  # what is run to find it may change what comes later
            stack[-1] = attribute(stack[-1], str(value))
            if stack[-1] is UNKNOWN:
                return False
        elif name == "COPY":
            stack.append(stack[-needs])
        elif name == "SWAP":
            stack[-1], stack[-needs] = stack[-needs], stack[-1]
        elif name == "IS_OP":
            stack[-2:] = [True]
        elif name in _PAIRS:
            if found.text == "[]" or type(stack[-1]) not in plain or type(stack[-2]) not in plain:
                return False
            stack[-2:] = [_NUMBER]
        elif name in _SINGLES:
            if type(stack[-1]) not in plain:
                return False
            stack[-1] = _NUMBER
        elif name.startswith("POP_JUMP_") and name.endswith(("IF_TRUE", "IF_FALSE")):
            return type(stack[-1]) in plain and all(later.name in _NOTHING for later in instructions[at + 1 :])
        elif name in _POPS:
            del stack[-_POPS[name] :]
            stored = stored or name.startswith("STORE")
        else:
            return False
    return True


__all__ = ["UNKNOWN", "are_plain"]
