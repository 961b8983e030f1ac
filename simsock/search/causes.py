"""Why two runs of a test may differ: what a line, and those around it, read that is not the world's.

Owns the guesses. Does not know how runs are compared. Laws: a guess names what the program calls it and where it stands; nothing of the program is
called or changed for it; the nearest place comes first, and what is certain to differ between processes before what may.
"""

from __future__ import annotations

import builtins
import dis
import random
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FrameType, ModuleType
from typing import Any

from simsock.kernel.program_lines import is_library, is_simsock, short_path

CAUSES_MAX = 3
_FRAMES_MAX = 6
_NEAR = 10
"""Lines from where a difference shows: what is certain to differ and is farther away need have nothing to do with it."""
_KEYED = ("BINARY_SUBSCR", "STORE_SUBSCR", "DELETE_SUBSCR", "CONTAINS_OP")
_LOOK_UP = frozenset(("get", "pop", "setdefault", "__contains__", "__getitem__"))
_CLOCKS = frozenset("time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time thread_time_ns".split())
_CHANCE = frozenset(("urandom", "getrandom", "token_bytes", "token_hex", "token_urlsafe", "uuid1", "uuid4"))
_DATES = frozenset(("now", "utcnow", "today"))
_DISPLAY = "{}"
_TELLTALES: tuple[tuple[Any, int, str], ...] = (
    (builtins.id, 0, "an address, by id()"),
    (builtins.hash, 0, "hash(), which for texts is another in each process, and for objects their address"),
    (builtins.set, 2, "the order of a set that is made here"),
    (builtins.frozenset, 2, "the order of a set that is made here"),
)
_STATE = frozenset(("count", "cycle"))
"""Classes of ``itertools`` whose objects go on from run to run."""


def causes_at(frame: FrameType | None) -> list[str]:
    """A few words on each likely cause of a difference that shows where ``frame`` stands: its line, the lines before it, its callers' lines."""
    found: list[tuple[int, int, str]] = []
    depth = 0
    while frame is not None and depth < _FRAMES_MAX:
        filename = frame.f_code.co_filename
        if not is_simsock(filename) and not is_library(filename):
            found += [(rank, depth * 1_000 + distance, words) for rank, distance, words in _of_frame(frame)]
            depth += 1
        frame = frame.f_back
    said: list[str] = []
    for _, _, words in sorted(found):
        if words not in said:
            said.append(words)
    return said[:CAUSES_MAX]


def _of_frame(frame: FrameType) -> Iterator[tuple[int, int, str]]:
    """(rank, distance in lines, words)."""
    code, here = frame.f_code, frame.f_lineno
    for name, path, line in _names(code):
        distance = here - line if line <= here else 2 * (line - here)  # a loop's later lines have run before, too
        for rank, words in _of_name(name, path, frame):
            is_far = rank == 0 and distance > _NEAR
            yield 2 if is_far else rank, distance, f"{words} ({short_path(code.co_filename)}:{line})"


def _names(code: CodeType) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """What a function reads, with its inner functions: a name, the attributes that are taken of it, the line."""
    base, line = "", code.co_firstlineno
    path: tuple[str, ...] = ()
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("CACHE", "PRECALL", "PUSH_NULL", "NOT_TAKEN")]
    keys = {place for place, step in enumerate(steps) if step.argval == "id" and _is_key(steps, place)}
    for place, step in enumerate(steps):
        if step.opname in ("BUILD_SET", "SET_ADD"):
            yield _DISPLAY, (), step.positions.lineno or line if step.positions is not None else line
        at = step.positions.lineno if step.positions is not None and step.positions.lineno is not None else line
        if place in keys:
            if base:
                yield base, path, line
            base = ""
        elif step.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF")) and step.argval is not None:
            if base:
                yield base, path, line
            for name in step.argval if isinstance(step.argval, tuple) else (step.argval,):
                if base and base != name:
                    yield base, (), at
                base, path, line = str(name), (), at
        elif base and step.opname.startswith(("LOAD_ATTR", "LOAD_METHOD")):
            path = (*path, str(step.argval))
        elif base:
            yield base, path, line
            base = ""
    if base:
        yield base, path, line
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _is_key(steps: list[dis.Instruction], place: int) -> bool:
    """Whether what a call of ``id`` gives is looked up in a table, or compared for equality, and no more: who asks so is told the same in every run."""
    before = steps[place - 1] if place else None
    if before is not None and before.opname in ("LOAD_ATTR", "LOAD_METHOD") and before.argval in _LOOK_UP:
        return True
    after = _after_call(steps, place)
    if after < len(steps) and steps[after].opname.startswith("LOAD_"):  # ... == id(other), table[id(this)] = other
        after = _after_call(steps, after) if steps[after].argval == "id" else after + 1
    return after < len(steps) and (steps[after].opname.startswith(_KEYED) or steps[after].argrepr in ("[]", "==", "!=", "bool(==)", "bool(!=)"))


def _after_call(steps: list[dis.Instruction], place: int) -> int:
    """Where it goes on after the call of what is loaded there: the call's expression begins with it."""
    at = steps[place].positions
    for number in range(place + 1, len(steps)):
        where = steps[number].positions
        if at is None or where is None:
            break
        if steps[number].opname.startswith("CALL") and (where.lineno, where.col_offset) == (at.lineno, at.col_offset):
            return number + 1
    return len(steps)


def _value(name: str, path: tuple[str, ...], frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Each object on the way of ``name.path``, as far as plain looks reach, with what the program calls it."""
    for space in (frame.f_locals, frame.f_globals, vars(builtins)):
        if name in space:
            value = space[name]
            break
    else:
        return
    said = name
    yield said, value
    for attribute in path:
        kept = getattr(value, "__dict__", None)
        try:
            if type(kept) is dict and attribute in kept:
                value = kept[attribute]
            else:
                value = getattr(value if isinstance(value, type) else type(value), attribute)
        except Exception:
            return
        said += f".{attribute}"
        yield said, value


def _of_name(name: str, path: tuple[str, ...], frame: FrameType) -> Iterator[tuple[int, str]]:
    if name == _DISPLAY:
        yield 2, "the order of a set that is made here"
        return
    for said, value in _value(name, path, frame):
        for telltale, rank, words in _TELLTALES:
            if value is telltale:
                yield rank, words
        if isinstance(value, (set, frozenset)) and len(value) > 1 and any(_has_no_order(one) for one in value):
            yield 1, f"the order of a set of {_kind(value)}: {said}"
        elif isinstance(value, BuiltinFunctionType) and _is_real_clock(value):
            yield 1, f"a real clock: {said}"
        elif (isinstance(value, random.Random) and value is not getattr(random, "_inst", None)) or type(value).__module__.startswith("numpy.random"):
            yield 1, f"a generator of random numbers of its own: {said}"
        elif _is_real_chance(value):
            yield 1, f"chance from outside the world: {said}"
        elif type(value).__module__ == "itertools" and type(value).__name__ in _STATE and name in frame.f_globals and name not in frame.f_locals:
            yield 2, f"what goes on from run to run: {said}"
        elif isinstance(value, (list, dict, set, bytearray)) and said == name and name not in frame.f_locals and name in frame.f_globals:
            yield 3, f"what a module keeps from run to run: {said}"


def _has_no_order(one: Any) -> bool:
    """Whether it stands in a set wherever its address or the hash seed puts it."""
    hashes: Any = type(one).__hash__
    return isinstance(one, (str, bytes)) or hashes is object.__hash__


def _kind(value: Any) -> str:
    return "texts" if any(isinstance(one, (str, bytes)) for one in value) else "objects"


def _is_real_clock(function: Any) -> bool:
    """Stand-ins are no functions of C."""
    if function.__self__ is sys.modules.get("time"):
        return function.__name__ in _CLOCKS
    return function.__name__ in _DATES and getattr(function.__self__, "__module__", "") == "datetime"


def _is_real_chance(value: Any) -> bool:
    if isinstance(value, ModuleType) or not callable(value):
        return False
    if getattr(value, "__self__", None) is getattr(random, "_inst", value):
        return _world_draws() is False
    return getattr(value, "__name__", "") in _CHANCE and isinstance(value, BuiltinFunctionType) and getattr(value, "__module__", "") in ("posix", "os")


def _world_draws() -> bool | None:
    """Whether the world that runs has taken ``random`` over."""
    from simsock.kernel import session
    from simsock.patching.room import Room

    return None if session.active is None else session.active.room(Room).draws_from_world


__all__ = ["causes_at"]
