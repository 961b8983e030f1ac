"""The instructions of a code object, read once.

PYTEST_DONT_REWRITE

Owns the reading of bytecode for those who ask what a line does: which instructions it has, in the words of ``dis``, and where they jump. Does not
know what anybody concludes from that. Laws: what is read depends on the code alone, never on which instructions are instrumented; a code object is
read once, and known by identity (comparing code objects takes as long as reading them).
"""

from __future__ import annotations

import dis
from types import CodeType
from typing import Any

from simsock.tuples import NamedTuple

_KNOWN_MAX = 20_000
"""Code objects remembered: a program that makes them in a loop must not fill the memory."""


class Instruction(NamedTuple):
    """One instruction; ``line`` is None where the compiler says that it belongs to none."""

    offset: int
    opcode: int
    argument: int | None
    name: str
    value: Any
    """What the argument stands for: a name, a pair of names, a constant, the offset of a jump's target."""
    text: str
    """The same in ``dis``'s words, which tell operators and flags apart."""
    line: int | None


_known: dict[int, tuple[CodeType, tuple[Instruction, ...]]] = {}
_by_line: dict[int, tuple[CodeType, dict[int | None, tuple[Instruction, ...]]]] = {}


def instructions_of(code: CodeType) -> tuple[Instruction, ...]:
    """Every instruction of ``code``, in order, without caches and prefixes."""
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        read = (
            Instruction(found.offset, found.opcode, found.arg, found.opname, found.argval, found.argrepr, found.positions.lineno if found.positions else None)
            for found in dis.get_instructions(code)
            if found.opname not in ("CACHE", "EXTENDED_ARG")
        )
        known = _known[id(code)] = code, tuple(read)
    return known[1]


def instructions_at(code: CodeType, place: int, by_line: bool = True) -> tuple[Instruction, ...]:
    """Those of line ``place``; with ``by_line=False``, the one at offset ``place``."""
    if not by_line:
        return tuple(found for found in instructions_of(code) if found.offset == place)
    known = _by_line.get(id(code))
    if known is None:
        if len(_by_line) >= _KNOWN_MAX:
            _by_line.clear()
        lines: dict[int | None, list[Instruction]] = {}
        for found in instructions_of(code):
            lines.setdefault(found.line, []).append(found)
        known = _by_line[id(code)] = code, {line: tuple(there) for line, there in lines.items()}
    return known[1].get(place, ())
