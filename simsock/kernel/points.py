"""Where in a code object a task may be switched out.

PYTEST_DONT_REWRITE

Owns ``points_of``: what can be told of a code object's lines without running it. Does not know how lines are noticed, nor tasks. Laws:

* a point stands before a line that can touch what others see. A line is none only if each of its instructions (a) moves values about, loads a
  constant, jumps, returns, compares identities or builds a list, tuple, function or string; or (b) is an operation (arithmetic, comparison, ``in``,
  truth, format, unpacking, iteration) and all the line's local operands are at that moment of exact type int, float, complex, bool, str, bytes,
  NoneType or range; and (c) the code is no generator's or coroutine's, whose locals can be shared. What is not known touches;
* a backward jump to its own line comes to that line anew; a function whose first line of work is its ``def`` line comes to it when it is called: so
  the points are the same on every Python, in a function's first call and in its hundredth;
* a line that writes what it has read, with a call in between, has one in its middle as well (``halves``);
* the same code has the same points in every session: nothing is learned from runs.

Known loss: an object whose last reference is dropped by rebinding a local name may run its ``__del__`` on a line that is no point.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType
from typing import Any

from simsock.kernel.bytecode import Instruction, instructions_of
from simsock.kernel.halves import halves_of
from simsock.kernel.plain_locals import operands as as_operands
from simsock.kernel.updates import Update, updates_of

_MOVES = frozenset(
    "RESUME NOP PUSH_NULL POP_TOP COPY SWAP LOAD_CONST LOAD_SMALL_INT LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_BORROW LOAD_FAST_LOAD_FAST "
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW STORE_FAST STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST DELETE_FAST LOAD_CLOSURE MAKE_CELL COPY_FREE_VARS "
    "MAKE_FUNCTION SET_FUNCTION_ATTRIBUTE BUILD_TUPLE BUILD_LIST BUILD_STRING IS_OP JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT "
    "POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_NONE "
    "POP_JUMP_BACKWARD_IF_NOT_NONE NOT_TAKEN LOAD_COMMON_CONSTANT RETURN_VALUE RETURN_CONST PUSH_EXC_INFO POP_EXCEPT RERAISE END_FOR POP_ITER".split()
)
"""(a): nothing that others can see, whatever the values are."""
_OPERATIONS = frozenset(
    "BINARY_OP COMPARE_OP CONTAINS_OP UNARY_NEGATIVE UNARY_POSITIVE UNARY_NOT UNARY_INVERT TO_BOOL FORMAT_VALUE FORMAT_SIMPLE FORMAT_WITH_SPEC CONVERT_VALUE "
    "GET_ITER FOR_ITER UNPACK_SEQUENCE UNPACK_EX GET_LEN LIST_EXTEND LIST_APPEND LIST_TO_TUPLE POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE "
    "POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_FALSE JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP".split()
)
"""(b): nothing either, where all operands are plain."""
_INTRINSICS = frozenset(("INTRINSIC_UNARY_POSITIVE", "INTRINSIC_LIST_TO_TUPLE"))
_LEAVES = frozenset("JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT RETURN_VALUE RETURN_CONST RERAISE".split())
"""After these, the next instruction is reached from elsewhere."""
_SHARED_LOCALS = 0x20 | 0x80 | 0x100 | 0x200
"""CO_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR."""
_BUILT_IN_BODIES = frozenset(("TO_BOOL", "LIST_APPEND", "SET_ADD"))
_TESTS_FIRST = sys.version_info >= (3, 14)
"""``while`` loops jump back to their test; earlier, a copy of the test at their end jumps back to the body. The point stands between the two."""
_HAS_ARGUMENT: Any = getattr(dis, "hasarg", None)
_KNOWN_MAX = 20_000

ALWAYS = True
NEVER = False
Rule = bool | tuple[Any, ...]
"""Whether a line is a point; or the locals of which one must not be plain, as ``plain_locals.touches`` wants to be told them."""


class Points:
    """What is known of one code object."""

    __slots__ = ("code", "halves", "jumps", "lines", "numbered", "self_jumps", "start", "tests", "told_of", "updates")

    def __init__(self, code: CodeType, by_line: bool) -> None:
        self.code = code
        instructions = instructions_of(code)
        shared = bool(code.co_flags & _SHARED_LOCALS)
        self.lines: dict[int, Rule] = _rules_of_lines(code, instructions, shared) if by_line else _rules_of_instructions(instructions, shared)
        """By line, or by offset, what decides; what is not there is a point."""
        self.numbered: tuple[int, list[Rule | None]] = _numbered(code, self.lines) if by_line else (0, [])
        """The first of its lines, and for each from that one on what decides, or None: a list is asked sooner than a dictionary."""
        self.start = _first_line(instructions) if by_line else None
        """The line that is a point when the code begins, or None: the events of its lines tell."""
        self.jumps: dict[int, int | None] = {}
        """Backward jumps to their own lines: offset to line; to None where the point comes after the loop's test."""
        self.tests: dict[int, tuple[int, int, int]] = {}
        """From 3.14 on, branches of such a test: offset to where the body begins, where it ends, and the line."""
        self.self_jumps: set[int] = set()
        """Those that jump to themselves: the body of ``while True: pass``."""
        self.halves: dict[int, int] = halves_of(instructions) if by_line else {}
        """Where second halves of lines begin: offset to line."""
        self.updates: dict[int, Update] = updates_of(instructions) if by_line else {}
        """Where lines write what they have read and have no second half, by offset."""
        self.told_of = frozenset((*self.halves.values(), *(update.line for update in self.updates.values())))
        """The lines of both, of which single instructions are wanted."""
        if by_line:
            self._look_for_jumps(instructions)

    def _look_for_jumps(self, instructions: tuple[Instruction, ...]) -> None:
        index_at = {found.offset: index for index, found in enumerate(instructions)}
        for index, found in enumerate(instructions):
            if found.name != "JUMP_BACKWARD" and not found.name.startswith("POP_JUMP_BACKWARD"):
                continue
            if found.value == found.offset:
                self.self_jumps.add(found.offset)
            target = index_at.get(found.value)
            if target is None or found.line is None or instructions[target].line != found.line:
                continue
            loop = instructions[target:index]
            if len(loop) > 1 and loop[0].name == "FOR_ITER" and loop[1].name in _BUILT_IN_BODIES:
                continue  # the loop that any(…), list(…) and their like are from 3.14 on, where they were one call before
            tested = _TESTS_FIRST and instructions[target].name != "FOR_ITER"
            exits = [inside.offset for inside in loop if tested and inside.name.startswith("POP_JUMP_IF") and inside.value > found.offset]
            self.jumps[found.offset] = None if exits else found.line
            if exits:
                branches = (inside.offset for inside in loop if inside.name.startswith("POP_JUMP_IF") and inside.offset <= exits[-1])
                self.tests.update(dict.fromkeys(branches, (exits[-1] + 1, found.offset, found.line)))


_known: dict[tuple[int, bool], Points] = {}


def points_of(code: CodeType, by_line: bool = True) -> Points:
    """The points of a code object: by its lines or by its instructions. Worked out once."""
    points = _known.get((id(code), by_line))
    if points is None:
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        points = _known[id(code), by_line] = Points(code, by_line)
    return points


def _first_line(instructions: tuple[Instruction, ...]) -> int | None:
    """The line of RESUME, if work begins on it."""
    line: int | None = None
    for found in instructions:
        if line is None:
            if found.name == "RESUME":
                line = found.line
        elif found.line is not None:
            return line if found.line == line else None
    return None


def _rules_of_instructions(instructions: tuple[Instruction, ...], shared: bool) -> dict[int, Rule]:
    return {} if shared else {found.offset: NEVER for found in instructions if found.name in _MOVES}


def _rules_of_lines(code: CodeType, instructions: tuple[Instruction, ...], shared: bool) -> dict[int, Rule]:
    by_line: dict[int, list[Instruction]] = {}
    for found in instructions:
        if found.line is not None:
            by_line.setdefault(found.line, []).append(found)
    rules: dict[int, Rule] = {}
    for line, there in by_line.items():
        rule = ALWAYS if shared else _rule(code, there)
        if rule is not ALWAYS:
            rules[line] = rule
    return rules


def _numbered(code: CodeType, rules: dict[int, Rule]) -> tuple[int, list[Rule | None]]:
    lines = [line for _, _, line in code.co_lines() if line is not None] or [code.co_firstlineno]
    first = min(lines)
    return first, [rules.get(line) for line in range(first, max(lines) + 1)]


def _rule(code: CodeType, instructions: list[Instruction]) -> Rule:
    operands: dict[str, None] = {}
    depth, operates = 0, False
    for found in instructions:
        name = found.name
        if name in _MOVES:
            loaded = _loaded(found)
        elif (name in _OPERATIONS and found.text != "[]") or (name == "CALL_INTRINSIC_1" and found.text in _INTRINSICS):
            loaded = ()
            operates = True
            if depth < _needs(found):
                return ALWAYS  # an operand from another line
        else:
            return ALWAYS
        operands.update(dict.fromkeys(loaded))
        depth = 0 if name in _LEAVES else max(depth + _effect(found), 0)
    if not operates:
        return NEVER
    names = tuple(name for name in operands if name not in code.co_cellvars and name not in code.co_freevars)
    return as_operands(names, code) if names else NEVER


def _loaded(found: Instruction) -> tuple[str, ...]:
    """The locals that an instruction loads."""
    if found.name.startswith("LOAD_FAST"):
        return found.value if isinstance(found.value, tuple) else (found.value,)
    if found.name == "STORE_FAST_LOAD_FAST":
        return (found.value[1],)
    return ()


def _effect(found: Instruction) -> int:
    takes_argument = found.opcode in _HAS_ARGUMENT if _HAS_ARGUMENT is not None else found.opcode >= dis.HAVE_ARGUMENT
    return dis.stack_effect(found.opcode, (found.argument or 0) if takes_argument else None, jump=False)


def _needs(found: Instruction) -> int:
    """How many values of its own line an operation must find on the stack."""
    if found.name in ("BINARY_OP", "COMPARE_OP", "CONTAINS_OP", "LIST_EXTEND", "LIST_APPEND", "FORMAT_WITH_SPEC"):
        return 2
    return 2 if found.name == "FORMAT_VALUE" and (found.argument or 0) & 4 else 1
