"""Loops that only look, and that nothing they do can end: ``while not flag: pass``.

PYTEST_DONT_REWRITE

Owns the judgement whether a frame stands in such a loop, and stays in it. Does not know what is done about it. Laws:

* a loop only looks if it calls nothing (but ``len`` and ``bool``) and changes nothing but plain counters: names that it adds to or takes from, and does
  not read otherwise; and if it looks at anything at all: ``while True: pass`` waits for nobody;
* it stays as it is if all that it looks at, and what is reachable from there, was the same at two looks; where that cannot be taken down there is no
  judgement;
* looking changes nothing.
"""

from __future__ import annotations

import builtins
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from simsock.errors import BusyLoop
from simsock.kernel.bytecode import Instruction, instructions_of
from simsock.kernel.fingerprints import Unreadable, digest_of
from simsock.kernel.footprints import _UNKNOWN, local_value
from simsock.kernel.program_lines import room_of, short_path
from simsock.kernel.task_table import task_table
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from simsock.kernel.core import Kernel

SPINNING = "spinning"
"""Why a task waits that goes round in such a loop."""
CO_OPTIMIZED = 1
"""Of a function's code: its locals are in slots."""
_PAIRS = ("LOAD_FAST_LOAD_FAST", "STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW")
"""Instructions of 3.13 and later that are two in one."""
_LOADS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_CLOSURE")
_CONSTANTS = ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT", "RETURN_CONST")
_HARMLESS = frozenset(
    "RETURN_VALUE BINARY_SUBSCR BINARY_OP COMPARE_OP IS_OP CONTAINS_OP UNARY_NOT TO_BOOL NOP POP_TOP COPY SWAP NOT_TAKEN PUSH_NULL PRECALL LOAD_ATTR RESUME "
    "POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE".split()
)
_CALLED = frozenset(("len", "bool"))


class Loop(NamedTuple):
    """A loop that only looks."""

    begin: int
    end: int
    first_line: int
    last_line: int
    instructions: tuple[Instruction, ...]
    counters: frozenset[str]


def loop_of(frame: FrameType | None) -> Loop | None:
    """The innermost loop in which ``frame`` stands, if it only looks."""
    if frame is None:
        return None
    inside = [loop for loop in loops_of(frame.f_code) if loop[0] <= frame.f_lasti <= loop[1]]
    if not inside:
        return None
    begin, end = min(inside, key=lambda loop: loop[1] - loop[0])
    loop = _reading(frame.f_code, begin, end)
    if loop is None or any(frame.f_globals.get(name, vars(builtins)[name]) is not vars(builtins)[name] for name in _CALLED):
        return None
    return loop


def place_of_loop(frame: FrameType, loop: Loop) -> str:
    """``"spin.py:7 in ready"``, ``"spin.py:7-9 in ready"``."""
    last = f"-{loop.last_line}" if loop.last_line != loop.first_line else ""
    return f"{short_path(frame.f_code.co_filename)}:{loop.first_line}{last} in {frame.f_code.co_qualname}"


def looked_at(frame: FrameType, loop: Loop) -> bytes | None:
    """All that the loop looks at, as bytes: the same twice mean that it goes round as before. None where that cannot be told."""
    try:
        return digest_of(_values(frame, loop))
    except (Unreadable, RuntimeError):  # the latter when another thread changes it meanwhile
        return None


def program_frame_of(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that is none of simsock's."""
    while frame is not None and room_of(frame):
        frame = frame.f_back
    return frame


class Spinning:
    """Looks at one world, again and again, from wherever."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: Any = None

    def stays(self, frame: FrameType | None, *more: object) -> bool:
        """Whether ``frame`` stands in the same loop that only looks as at the call before, with all that it looks at, and ``more``, the same."""
        last, self._last = self._last, None
        loop = loop_of(frame)
        if frame is None or loop is None:
            return False
        seen = looked_at(frame, loop)
        if seen is None:
            return False
        self._last = (id(frame), loop.begin, loop.end, seen, more)
        return bool(self._last == last)


# -- reading a loop ------------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2_000)
def loops_of(code: CodeType) -> tuple[tuple[int, int], ...]:
    """(begin, end) of each loop: a jump back and where it goes."""
    return tuple(
        (found.value, found.offset) for found in instructions_of(code) if "JUMP" in found.name and "NO_INTERRUPT" not in found.name and _goes_back(found)
    )


def _goes_back(found: Instruction) -> bool:
    return isinstance(found.value, int) and "BACKWARD" in found.name and found.value <= found.offset


@lru_cache(maxsize=2_000)
def _reading(code: CodeType, begin: int, end: int) -> Loop | None:
    """The loop, if it only looks."""
    parts = tuple(part for found in instructions_of(code) if begin <= found.offset <= end for part in _split(found))
    stored = [part.value for part in parts if part.name.startswith("STORE_")]
    calls = sum(part.name in ("CALL", "CALL_FUNCTION") for part in parts)
    known = sum(_is_load(part) and part.value in _CALLED for part in parts)
    looks = any(_is_load(part) and part.value not in stored and part.value not in _CALLED for part in parts)
    if calls != known or not looks or not all(_is_harmless(part) for part in parts):
        return None
    if not all(_only_counts(parts, name) for name in stored):
        return None
    lines = [part.line for part in parts if part.line]
    return Loop(begin, end, min(lines, default=0), max(lines, default=0), parts, frozenset(stored))


@lru_cache(maxsize=2_000)
def counters_of(code: CodeType, begin: int, end: int) -> frozenset[str]:
    """Names that a loop adds to or takes from, and does not read otherwise."""
    parts = tuple(part for found in instructions_of(code) if begin <= found.offset <= end for part in _split(found))
    return frozenset(part.value for part in parts if part.name.startswith("STORE_") and type(part.value) is str and _only_counts(parts, part.value))


def _only_counts(parts: tuple[Instruction, ...], name: Any) -> bool:
    adds = sum(_adds(parts, at, name) for at in range(len(parts)))
    loads = sum(_is_load(part) and part.value == name for part in parts)
    return bool(adds) and adds == loads == sum(part.name.startswith("STORE_") and part.value == name for part in parts)


def _split(found: Instruction) -> tuple[Instruction, ...]:
    if found.name not in _PAIRS:
        return (found,)
    middle = found.name.index("_LOAD", 1) if "_LOAD" in found.name[1:] else found.name.index("_STORE", 1)
    names = found.name[:middle], found.name[middle + 1 :]
    return tuple(found._replace(name=name, value=value) for name, value in zip(names, found.value, strict=True))


def _is_load(part: Instruction) -> bool:
    return part.name.startswith(_LOADS)


def _is_harmless(part: Instruction) -> bool:
    if part.name == "LOAD_ATTR":
        return "NULL|self" not in part.text  # a method, which is called
    if part.name in ("CALL", "CALL_FUNCTION") or part.name in _HARMLESS or _is_load(part) or part.name in _CONSTANTS:
        return True
    return part.name.startswith(("STORE_FAST", "STORE_GLOBAL", "STORE_NAME", "STORE_DEREF", "POP_JUMP_", "JUMP_BACKWARD", "JUMP_FORWARD"))


def _adds(parts: tuple[Instruction, ...], at: int, name: str) -> bool:
    """Whether ``name += 1`` stands there."""
    if at + 3 >= len(parts):
        return False
    load, constant, operation, store = parts[at : at + 4]
    return (
        _is_load(load)
        and load.value == name
        and constant.name in _CONSTANTS
        and type(constant.value) is int
        and operation.name == "BINARY_OP"
        and operation.text in ("+=", "-=", "+", "-")
        and store.name.startswith("STORE_")
        and store.value == name
    )


# -- what it looks at ----------------------------------------------------------------------------------------------------------------------


def _values(frame: FrameType, loop: Loop) -> list[Any]:
    """What the loop loads, as far down as attributes are plain ones."""
    found: list[Any] = []
    current: Any = None
    has = False
    for part in loop.instructions:
        if part.name == "LOAD_ATTR" and has:
            plain, value = _plain_attribute(current, part.value)
            if plain:
                current = value
                continue
        if has:
            found.append(current)
            has = False
        if _is_load(part) and part.value not in loop.counters and part.value not in _CALLED:
            current, has = _loaded(frame, part)
    if has:
        found.append(current)
    return found


def _loaded(frame: FrameType, part: Instruction) -> tuple[Any, bool]:
    """What an instruction loads, and whether there is anything."""
    name = part.value
    code = frame.f_code
    if part.name.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE")) or (code.co_flags & CO_OPTIMIZED == 0 and name in frame.f_locals):
        value = frame.f_locals.get(name, _UNKNOWN) if code.co_flags & CO_OPTIMIZED == 0 else local_value(frame, name)
    else:
        value = frame.f_globals.get(name, _UNKNOWN)
    return value, value is not _UNKNOWN


def _plain_attribute(value: Any, name: str) -> tuple[bool, Any]:
    """Whether reading an attribute is nothing but looking into the object, and what is there."""
    kind = type(value)
    for base in kind.__mro__:
        if name in vars(base) or "__getattr__" in vars(base) or ("__getattribute__" in vars(base) and base is not object):
            return False, None
    try:
        space = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return False, None
    return (True, space[name]) if type(space) is dict and name in space else (False, None)


def next_event(kernel: Kernel) -> int | None:
    """When something will happen next that is not a spinning task's own wait; None when nothing will."""
    due = [timer.deadline for timer in kernel.timers.pending() if getattr(timer.argument, "why", "") != SPINNING]
    return max(min(due), kernel.now) if due else None


def busy_loop(kernel: Kernel, frame: FrameType | None) -> BusyLoop:
    """The error that names the loop in which the current task stands."""
    loop = loop_of(frame)
    assert frame is not None and loop is not None, "whoever asks has seen it"
    place = place_of_loop(frame, loop)
    text = (
        f"busy loop: task {kernel.current.path} goes round at {place} and waits for something that cannot come while it runs: nothing in that loop lets time "
        'pass or another task go on. Wait for an Event, sleep in it, or use preempt="lines", where others go on between its lines'
    )
    return BusyLoop(f"{text}\n{task_table(kernel)}", limit="busy loop", place=place)


__all__ = ["SPINNING", "Loop", "Spinning", "busy_loop", "counters_of", "loop_of", "loops_of", "next_event", "place_of_loop", "program_frame_of"]
