"""Lines that do nothing but begin or go on with a loop (``for task in tasks:``): what they go through.

PYTEST_DONT_REWRITE

Owns ``gone_through``. Does not know footprints. Laws: the line stands for its first pass and for every later one, when what it goes through is on no name
that can be looked up: so it is known only where no later value of a name can differ; what is not known is ``UNKNOWN``; looking runs no code of the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.kernel.bytecode import Instruction, instructions_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

_NOTHING = frozenset("RESUME NOP NOT_TAKEN PRECALL END_FOR POP_ITER PUSH_NULL".split())
_LOCAL = frozenset("LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_CHECK".split())
_SIMPLE = _LOCAL | frozenset(
    "LOAD_DEREF LOAD_GLOBAL LOAD_CONST LOAD_SMALL_INT LOAD_COMMON_CONSTANT LOAD_FAST_LOAD_FAST LOAD_FAST_BORROW_LOAD_FAST_BORROW".split()
)
_LEAVES = frozenset("POP_TOP JUMP_BACKWARD RETURN_CONST RETURN_VALUE LOAD_CONST LOAD_COMMON_CONSTANT".split())
"""After the loop, on its line."""
UNKNOWN = object()
_NONE: tuple[()] = ()


def gone_through(code: CodeType, instructions: tuple[Instruction, ...], load: Callable[[str, Any], Any]) -> Any:
    """What the line's loop goes through; an empty tuple where nobody else can have it. ``load`` gives the values of names."""
    steps = [found for found in instructions if found.name not in _NOTHING]
    place = next((number for number, found in enumerate(steps) if found.name == "FOR_ITER"), 0)
    store, *after = [found.name for found in steps[place + 1 :]] or [""]
    if place < 2 or steps[place - 1].name != "GET_ITER" or store not in ("STORE_FAST", "STORE_DEREF") or not _LEAVES.issuperset(after):
        return UNKNOWN
    first, *others = steps[: place - 1]
    if not others:
        if first.name in _LOCAL and first.value not in code.co_cellvars and first.value not in _stored(code, steps[place]):
            return load(first.name, first.value)
        return _NONE if first.name == "LOAD_CONST" and type(first.value) in (tuple, str, bytes) else UNKNOWN
    loads, last = [first, *others[:-1]], others[-1]
    if not all(found.name in _SIMPLE for found in loads):
        return UNKNOWN
    if last.name in ("BUILD_TUPLE", "BUILD_LIST"):
        return _NONE if not any("NULL" in found.text for found in loads) else UNKNOWN
    if last.name == "CALL" and first.name == "LOAD_GLOBAL" and "NULL" in first.text and load("LOAD_GLOBAL", first.value) is range:
        return _NONE if all(type(value) is not tuple and type(load(name, value)) is int for _, _, _, name, value, *_ in loads[1:]) else UNKNOWN
    return UNKNOWN


def _stored(code: CodeType, head: Instruction) -> set[str]:
    """The variables that are stored in the loop."""
    stored: set[str] = set()
    for found in instructions_of(code):
        if head.offset < found.offset < head.value and found.name.startswith(("STORE_FAST", "DELETE_FAST", "LOAD_FAST_AND_CLEAR")):
            stored.update(found.value if isinstance(found.value, tuple) else (found.value,))
    return stored
