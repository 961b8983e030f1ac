"""What a line without calls does with items, and whether its operators work on nothing else than numbers and texts.

PYTEST_DONT_REWRITE

Owns the reading of one line as a stack of values: ``self.total = seen + 1`` adds two numbers, although an object is named on it as well, and
``counts["a"] += 1`` touches one item. Does not know names of attributes and variables. Laws: what cannot be followed to the end of the line is told as
None; looking runs no code of the program.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from simsock.kernel.footprints import Touch
from simsock.kernel.items import KINDS, UNCHANGING, is_compared_plainly, item_of
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.bytecode import Instruction

_NOTHING = frozenset("RESUME CACHE NOP EXTENDED_ARG NOT_TAKEN PRECALL".split())
_POPS = {"STORE_FAST": 1, "STORE_DEREF": 1, "STORE_GLOBAL": 1, "STORE_NAME": 1, "STORE_ATTR": 2, "POP_TOP": 1, "RETURN_VALUE": 1}
_PAIRS = frozenset("BINARY_OP COMPARE_OP".split())
_SINGLES = frozenset("UNARY_NEGATIVE UNARY_POSITIVE UNARY_INVERT".split())
_TRUTH = frozenset("UNARY_NOT TO_BOOL".split())
_LOADS_TWO = frozenset("LOAD_FAST_LOAD_FAST LOAD_FAST_BORROW_LOAD_FAST_BORROW".split())
_LOADS = frozenset("LOAD_FAST LOAD_FAST_BORROW LOAD_FAST_CHECK LOAD_DEREF LOAD_GLOBAL LOAD_CONST LOAD_SMALL_INT LOAD_COMMON_CONSTANT".split())
_SUBSCRIPTS = frozenset("BINARY_SUBSCR STORE_SUBSCR DELETE_SUBSCR".split())
_SUBSCRIPTED = frozenset((list, dict, defaultdict, deque))
_LEAVES = frozenset("RETURN_VALUE RETURN_CONST JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT JUMP_FORWARD".split())
_AFTER_A_TEST = _NOTHING | _LEAVES | frozenset("POP_TOP POP_ITER LOAD_CONST LOAD_SMALL_INT LOAD_COMMON_CONSTANT".split())
_NUMBER = 0
"""Stands for whatever comes of plain values: it is one."""
_OTHER = object()
UNKNOWN = object()
"""What ``attribute`` returns for one that it does not know."""


def items_touched(
    instructions: tuple[Instruction, ...], plain: frozenset[object], load: Callable[[str, Any], Any], attribute: Callable[[Any, str], Any]
) -> set[Touch] | None:
    """Which items a line touches, if all that its operators do is known: they work on operands of the ``plain`` types and on containers whose kind is known.

    ``load(name of the instruction, what it names)`` and ``attribute(object, name)`` give the values of names; what ``load`` does not know is of no plain type.
    """
    line = _Followed(plain, load, attribute)
    for at, found in enumerate(instructions):
        if found.name in _NOTHING:
            continue
        if found.name.startswith("POP_JUMP_") and found.name.endswith(("IF_TRUE", "IF_FALSE")):
            return line.touches if line.tests() and all(later.name in _AFTER_A_TEST for later in instructions[at + 1 :]) else None
        if found.name in _LEAVES and found.name != "RETURN_VALUE":
            return line.touches if all(later.name in _NOTHING for later in instructions[at + 1 :]) else None
        if not line.follow(found):
            return None
    return line.touches


class _Followed:
    """A line, up to one of its instructions."""

    def __init__(self, plain: frozenset[object], load: Callable[[str, Any], Any], attribute: Callable[[Any, str], Any]) -> None:
        self.plain = plain
        self.load = load
        self.attribute = attribute
        self.stack: list[Any] = []
        self.touches: set[Touch] = set()
        self.stored = False
        """Whether a name may have another value by now."""
        self.stored_items = False

    def follow(self, found: Instruction) -> bool:
        """One instruction; whether it is known what it does."""
        name, value, stack = found.name, found.value, self.stack
        if name in _LOADS or name in _LOADS_TWO:
            if name == "LOAD_GLOBAL" and "NULL" in found.text:
                stack.append(_Called("len", None))
                return self.load(name, value) is len
            for one in value if name in _LOADS_TWO else (value,):
                stack.append(_OTHER if self.stored and "CONST" not in name and "SMALL" not in name else self.load(name, one))
            return True
        if name in _SUBSCRIPTS or (name == "BINARY_OP" and found.text == "[]"):
            return self._subscript(name)
        if name == "CALL":
            return self._call(found.argument or 0)
        needs = 2 if name in _PAIRS or name in ("STORE_ATTR", "IS_OP", "CONTAINS_OP") else found.argument or 1 if name in ("COPY", "SWAP") else 1
        if len(stack) < needs:
            return False
        if name == "LOAD_METHOD" or (name == "LOAD_ATTR" and "NULL" in found.text):
            stack[-1] = _Called(str(value), stack[-1])
            return True
        if name == "LOAD_ATTR":
            if self.stored or stack[-1] is _OTHER:
                return False  # what is run to find it may change what comes later
            stack[-1] = self.attribute(stack[-1], str(value))
            return stack[-1] is not UNKNOWN
        if name == "COPY":
            stack.append(stack[-needs])
        elif name == "SWAP":
            stack[-1], stack[-needs] = stack[-needs], stack[-1]
        elif name == "IS_OP":
            stack[-2:] = [True]
        elif name == "CONTAINS_OP":
            return self._contains()
        elif name in _PAIRS:
            if not self._are_plain(stack[-2:]):
                return False
            stack[-2:] = [_NUMBER]
        elif name in _SINGLES or name in _TRUTH:
            if not (self.tests() if name in _TRUTH else self._are_plain(stack[-1:])):
                return False
            stack[-1] = _NUMBER
        elif name in _POPS:
            del stack[-_POPS[name] :]
            self.stored = self.stored or name.startswith("STORE")
        else:
            return False
        return True

    def _are_plain(self, values: list[Any]) -> bool:
        return all(type(value) in self.plain for value in values)

    def tests(self) -> bool:
        """Whether what is on top is true."""
        if not self.stack:
            return False
        if (kind := KINDS.get(type(self.stack[-1]))) is not None:
            self.touches.add((kind, "r"))
            return True
        return self._are_plain(self.stack[-1:])

    def _contains(self) -> bool:
        one, container = self.stack[-2:]
        self.stack[-2:] = [_NUMBER]
        if self._are_plain([one, container]):
            return True
        if type(container) not in (dict, defaultdict, set) or not (self._are_plain([one]) and is_compared_plainly(container)):
            return False
        self.touches.add((item_of(container, one) or KINDS[type(container)], "r"))
        return True

    def _subscript(self, name: str) -> bool:
        stack = self.stack
        takes = 3 if name == "STORE_SUBSCR" else 2
        if len(stack) < takes:
            return False
        container, key = stack[-2:]
        del stack[-takes:]
        item = item_of(container, key)
        reads = name.startswith("BINARY")
        if reads and type(container) in UNCHANGING and self._are_plain([key]):
            if not isinstance(container, tuple):
                stack.append(_NUMBER)
            else:
                stack.append(container[key] if type(key) is int and -len(container) <= key < len(container) else _OTHER)
            return True
        if type(container) not in _SUBSCRIPTED or not self._are_plain([key]) or (isinstance(container, dict) and not is_compared_plainly(container)):
            return False
        if item is None and reads and type(container) is defaultdict:
            return False  # it makes what is missing
        self.touches.add((item or KINDS[type(container)], "r" if reads else "w") if name != "DELETE_SUBSCR" else (KINDS[type(container)], "w"))
        if reads:
            stack.append(container[key] if item is not None and not self.stored_items else _OTHER)
        else:
            self.stored_items = True
        return True

    def _call(self, count: int) -> bool:
        """A method of a container that looks at this container and no further, or ``len``."""
        stack = self.stack
        if len(stack) <= count or not isinstance(stack[-count - 1], _Called):
            return False
        (name, of), arguments = stack[-count - 1], stack[len(stack) - count :]
        del stack[-count - 1 :]
        if name == "len" and of is None and count == 1:
            of = arguments[0]
            stack.append(_NUMBER)
            self.touches.update({(KINDS[type(of)], "r")} if type(of) in KINDS else ())
            return type(of) in KINDS or type(of) in UNCHANGING
        most = _METHODS.get(type(of), {}).get(name)
        if most is None or count > most or (name == "pop" and not self._are_plain(arguments)):
            return False
        if name == "get" and not (self._are_plain(arguments[:1]) and is_compared_plainly(of)):
            return False
        if name == "get":
            item = item_of(of, arguments[0]) if arguments else None
            self.touches.add((item or KINDS[type(of)], "r"))
            stack.append(_OTHER if self.stored_items else of[arguments[0]] if item is not None else arguments[1] if count == 2 else None)
            return item is not None or (bool(arguments) and arguments[0] not in of)
        self.touches.add((KINDS[type(of)], "w"))
        self.stored_items = True
        stack.append(_OTHER)
        return True


class _Called(NamedTuple):
    """What is about to be called: a method and whose it is."""

    name: str
    of: Any


_METHODS: dict[type, dict[str, int]] = {
    list: {"append": 1, "clear": 0, "pop": 1},
    deque: {"append": 1, "appendleft": 1, "popleft": 0, "pop": 0, "clear": 0},
    set: {"clear": 0},
    dict: {"get": 2, "clear": 0},
    defaultdict: {"get": 2, "clear": 0},
}
"""How many arguments they take at most; a key is the first of two."""

__all__ = ["UNKNOWN", "items_touched"]
