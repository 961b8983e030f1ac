"""What a program calls the thing whose method it is calling, or that it is entering by ``with``: ``self.lock``, ``accounts[…].lock``.

PYTEST_DONT_REWRITE

Owns the reading of that name off the bytecode of a frame that stands in a call, for those who write reports. Does not know tasks, and reads no source.
Law: what cannot be read is no name.
"""

from __future__ import annotations

import dis
from types import CodeType, FrameType

_STARTS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLASSDEREF")
_TWO = ("STORE_FAST_LOAD_FAST", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW")
_LONGEST = 60


def operand_of(frame: FrameType | None) -> str:
    """The name of what the call is about in which ``frame`` stands; empty where there is none."""
    return "" if frame is None else operand_at(frame.f_code, frame.f_lasti)


def operand_at(code: CodeType, offset: int) -> str:
    """The same for the call at that offset of a code object."""
    instructions = [found for found in dis.get_instructions(code) if found.opname not in ("CACHE", "EXTENDED_ARG")]
    place = next((number for number in reversed(range(len(instructions))) if instructions[number].offset <= offset), 0)
    at = instructions[place]
    if at.opname == "BEFORE_WITH":  # some Pythons say that it is where the ``with`` is
        at = instructions[place - 1]
    if at.positions is None:
        return ""
    begins = at.positions.lineno, at.positions.col_offset
    ends = at.positions.end_lineno, at.positions.end_col_offset
    shorter, name, last = "", "", None  # without its last part; whole; where that ends
    for number, found in enumerate(instructions[: place if at is instructions[place] else place + 1]):
        where = found.positions
        if where is None or (where.lineno, where.col_offset) != begins:
            continue
        if found.opname.startswith(_STARTS) and isinstance(found.argval, str):
            shorter, name = "", found.argval
        elif found.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            before = instructions[number - 1]
            if not name and before.opname in _TWO and isinstance(before.argval, tuple):
                name = before.argval[1]
            shorter, name = name, f"{name}.{found.argval}" if name else ""
        elif found.opname == "BINARY_SUBSCR" or (found.opname == "BINARY_OP" and found.argrepr == "[]"):
            shorter, name = name, f"{name}[…]" if name else ""
        elif found.opname in ("CALL", "CALL_KW", "CALL_FUNCTION_EX"):
            shorter, name = name, f"{name}(…)" if name else ""
        else:
            continue
        last = where.end_lineno, where.end_col_offset
    if last != ends:  # a call is longer than what is called, by its parentheses
        name = shorter
    return name if len(name) <= _LONGEST else ""


__all__ = ["operand_at", "operand_of"]
