"""Loops on one line over things that can be looked at beforehand: what their variable stands for.

PYTEST_DONT_REWRITE

Owns the finding of such loops (``for t in threads: t.start()``, comprehensions) among the instructions of a line, and what is in the list or tuple that
one goes through. Does not know footprints. Laws: a variable that the loop's body stores itself has no known value; only exact lists and tuples, and
their iterators, are looked into, since that runs no code; a line is looked at again before each pass of its loop, so what is there then is all there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsock.kernel.bytecode import Instruction

ELEMENTS_MAX = 50
_ITERATORS: tuple[type, ...] = (type(iter([])), type(iter(())))


class Loop(NamedTuple):
    """``head`` is the offset of its FOR_ITER; between ``first`` and ``last`` its ``variable`` is what it was at the head."""

    variable: str
    head: int
    first: int
    last: int


def loops_of(instructions: Sequence[Instruction]) -> list[Loop]:
    """The loops that begin and end among these instructions."""
    loops = []
    for place, found in enumerate(instructions[:-1]):
        if found.name != "FOR_ITER":
            continue
        store = instructions[place + 1]
        variable = store.value[0] if store.name == "STORE_FAST_LOAD_FAST" else store.value if store.name == "STORE_FAST" else None
        ends = [number for number, other in enumerate(instructions) if other.name.startswith("JUMP_BACKWARD") and other.value == found.offset]
        if variable is None or len(ends) != 1:
            continue
        if not any(variable in _stored(other) for other in instructions[place + 2 : ends[0]]):
            loops.append(Loop(variable, found.offset, store.offset, instructions[ends[0]].offset))
    return loops


def _stored(found: Instruction) -> tuple[str, ...]:
    if found.name == "STORE_FAST_LOAD_FAST":
        return (found.value[0],)
    if found.name.startswith(("STORE_FAST", "DELETE_FAST", "LOAD_FAST_AND_CLEAR")):
        return found.value if isinstance(found.value, tuple) else (found.value,)
    return ()


def elements_of(value: Any) -> tuple[Any, ...] | None:
    """What is in a list or tuple, or in that which one's iterator goes through; None where that is not known, or too much."""
    if type(value) in _ITERATORS:
        _, arguments, *_ = value.__reduce__()
        value = arguments[0]
    if type(value) not in (list, tuple) or len(value) > ELEMENTS_MAX:
        return None
    return tuple(value)


__all__ = ["Loop", "elements_of", "loops_of"]
