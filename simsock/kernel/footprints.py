"""What a line touches that others may see: the names that it reads and writes, and the simulated things that it works on.

PYTEST_DONT_REWRITE

Owns ``footprint_of`` (of a line that is about to run, read off its bytecode and, where a frame is given, off the objects that its names stand
for) and ``meet``. Does not know tasks. Laws:

* a footprint is a frozen set of (name, ``"r"`` or ``"w"``), of texts that are the same in every run;
* attributes and globals share their names (a module's global is its attribute), items of every container are one name, cells have their own;
* what cannot be followed is ``OPAQUE``, which meets everything: a footprint may say too much, never too little;
* looking changes nothing: no code of the program runs, no descriptor is asked, no object is kept.
"""

from __future__ import annotations

import builtins
import ctypes
import sys
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any

from simsock.kernel.bytecode import Instruction, instructions_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Touch = tuple[str, str]
Footprint = frozenset[Touch]

NOTHING: Footprint = frozenset()
ANYTHING = "*"
OPAQUE: Touch = (ANYTHING, "w")
"""Something that cannot be followed: it meets every touch."""
ITEMS = "[]"
"""The contents of any list, dict, set or other container."""
NETWORK = "network"
"""Everything that hosts send each other."""

PLAIN = frozenset((int, float, complex, bool, str, bytes, type(None), range))
"""Exact types whose operations run no code of the program and touch nothing that changes."""

_UNKNOWN = object()
_READ = {"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "LOAD_GLOBAL", "LOAD_NAME", "IMPORT_FROM"}
_WRITE = {"STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_NAME", "DELETE_NAME"}
_CELL_READ = {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
_CELL_WRITE = {"STORE_DEREF", "DELETE_DEREF"}
_ITEM_READ = {"BINARY_SUBSCR", "BINARY_SLICE"}
_ITEM_WRITE = {"STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"}
_LOCALS = ("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK")
_OPERATORS = frozenset(
    "BINARY_OP COMPARE_OP CONTAINS_OP UNARY_NEGATIVE UNARY_POSITIVE UNARY_NOT UNARY_INVERT TO_BOOL FORMAT_VALUE FORMAT_SIMPLE FORMAT_WITH_SPEC CONVERT_VALUE "
    "GET_ITER FOR_ITER UNPACK_SEQUENCE UNPACK_EX GET_LEN LIST_EXTEND SET_UPDATE DICT_UPDATE DICT_MERGE MATCH_SEQUENCE MATCH_MAPPING MATCH_KEYS MATCH_CLASS "
    "POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_FALSE "
    "JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP".split()
)
"""What reads the contents of its operands, unless they are plain."""
_CALLS = frozenset("CALL CALL_KW CALL_FUNCTION_EX CALL_METHOD PRECALL".split())
_ENTERS = frozenset("BEFORE_WITH BEFORE_ASYNC_WITH LOAD_SPECIAL".split())
_ALIASES = frozenset(("__dict__", "vars", "globals", "locals", "setattr", "delattr", "__setattr__", "__delattr__"))
"""Who names one of these may reach attributes by other ways than their names."""

_LOOKS = frozenset(
    "get keys values items index count copy startswith endswith find rfind join split rsplit strip lstrip rstrip encode decode format lower upper title "
    "replace splitlines partition rpartition isdigit isalpha union intersection difference issubset issuperset isdisjoint hex to_bytes tobytes "
    "bit_length fileno is_integer conjugate as_integer_ratio zfill ljust rjust center casefold".split()
)
"""Methods of built-in classes that change nothing."""
_CHANGES = frozenset(
    "append appendleft extend extendleft insert pop popleft popitem remove clear sort reverse rotate add discard update setdefault send throw close "
    "write writelines read readline readlines seek truncate flush intersection_update difference_update symmetric_difference_update".split()
)
"""Methods of built-in classes that do, for where the object is not known."""
_PURE = frozenset(
    "abs all any ascii bin bool bytes callable chr complex dict divmod enumerate filter float format frozenset hash hex id int isinstance issubclass iter "
    "len list map max min object oct ord pow print range repr reversed round set slice sorted str sum super tuple type zip bytearray memoryview".split()
)
"""Built-in functions and classes that read their arguments and change none."""
_SIMULATED = frozenset(
    "threading queue _queue _thread socket _socket select selectors time asyncio concurrent socketserver random datetime logging contextlib".split()
)
"""Modules of the standard library whose shared state is that of simulated things: those tell what is done with them."""


def meet(one: Iterable[Touch], other: Iterable[Touch]) -> bool:
    """Whether two footprints share a name that one of them writes: the order of what left them may matter."""
    return bool(common(one, other))


def common(one: Iterable[Touch], other: Iterable[Touch]) -> list[str]:
    """The names that two footprints share and one of them writes, sorted. ``OPAQUE`` shares every name of the other."""
    ours, theirs = _by_name(one), _by_name(other)
    found = {name for name, writes in ours.items() if name in theirs and (writes or theirs[name])}
    if ANYTHING in ours:
        found |= theirs.keys()
    if ANYTHING in theirs:
        found |= ours.keys()
    return sorted(found)


def _by_name(footprint: Iterable[Touch]) -> dict[str, bool]:
    names: dict[str, bool] = {}
    for name, how in footprint:
        names[name] = names.get(name, False) or how == "w"
    return names


def mentions_aliases(code: CodeType) -> bool:
    """Whether a code object names a way to attributes that goes around their names: from there on, items meet attributes."""
    return not _ALIASES.isdisjoint(code.co_names)


_static: dict[tuple[int, int, bool], tuple[CodeType, Footprint]] = {}
_STATIC_MAX = 50_000


def footprint_of(code: CodeType, place: int, frame: FrameType | None = None, by_line: bool = True, in_scope: Callable[[str], bool] | None = None) -> Footprint:
    """What line ``place`` of ``code`` (with ``by_line=False``: the instruction at that offset) touches.

    Without ``frame`` it is read off the bytecode alone, once: names, and calls by the names of well-known methods. With the frame that is about to
    run the line, names are looked up: simulated things are told by their own names, operations on plain values by none, and calls that lead to code
    that is not ``in_scope`` (a test for file names) as ``OPAQUE``, unless they are known.
    """
    if frame is not None:
        return _Line(instructions_at(code, place, by_line), frame, in_scope).footprint()
    key = id(code), place, by_line
    known = _static.get(key)
    if known is None:
        if len(_static) >= _STATIC_MAX:
            _static.clear()
        known = _static[key] = code, _Line(instructions_at(code, place, by_line), None, None).footprint()
    return known[1]


class _Line:
    """The reading of one line."""

    def __init__(self, instructions: tuple[Instruction, ...], frame: FrameType | None, in_scope: Callable[[str], bool] | None) -> None:
        self.instructions = instructions
        self.frame = frame
        self.in_scope = in_scope
        self.touches: set[Touch] = set()
        self.values: list[Any] = []
        """What the line's chains of names (``self.lock``) stand for at their ends."""
        self.called = False
        self.callees = 0

    def footprint(self) -> Footprint:
        names = [found.name for found in self.instructions]
        self.called = not _CALLS.isdisjoint(names)
        enters = not _ENTERS.isdisjoint(names)
        self.callees = names.count("MAKE_FUNCTION")
        value: Any = _UNKNOWN
        chained = False
        for found in self.instructions:
            self._names(found)
            start = self._start(found)
            if start is not _NOT_A_START:
                if chained:
                    self._chain_ends(value, enters)
                value, chained = start, True
            elif found.name in ("LOAD_ATTR", "LOAD_METHOD"):
                value = self._attribute(value if chained else _UNKNOWN, str(found.value))
                chained = chained or _loads_method(found)
            elif chained and found.name not in ("PUSH_NULL", "COPY"):
                self._chain_ends(value, enters)
                chained = False
        if chained:
            self._chain_ends(value, enters)
        if self.frame is not None and not enters and sum(name in _CALLS and name != "PRECALL" for name in names) > self.callees:
            self.touches.add(OPAQUE)  # something is called that has no name here
        self._operators(names)
        return frozenset(self.touches)

    def _names(self, found: Instruction) -> None:
        """The names that one instruction says it touches."""
        name, touches = found.name, self.touches
        if name in _READ:
            touches.add((str(found.value), "r"))
            if self.called and self.frame is None:
                self._by_its_name(str(found.value))
        elif name in _WRITE:
            touches.add((str(found.value), "w"))
        elif name in _CELL_READ:
            touches.add((f"cell {found.value}", "r"))
        elif name in _CELL_WRITE:
            touches.add((f"cell {found.value}", "w"))
        elif name in _ITEM_WRITE:
            touches.add((ITEMS, "w"))
        elif name in _ITEM_READ or (name == "BINARY_OP" and found.text == "[]"):
            touches.add((ITEMS, "r"))

    def _by_its_name(self, name: str) -> None:
        if name in _CHANGES:
            self.touches.add((ITEMS, "w"))
        elif name in _LOOKS or name in _PURE:
            self.touches.add((ITEMS, "r"))

    def _start(self, found: Instruction) -> Any:
        """What the first name of a chain stands for; ``_NOT_A_START`` for another instruction."""
        frame, name = self.frame, found.name
        if name in _LOCALS:
            return _UNKNOWN if frame is None else self._local(found.value)
        if name in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "STORE_FAST_LOAD_FAST"):
            if frame is None:
                return _UNKNOWN
            if not name.startswith("STORE"):
                self._chain_ends(self._local(found.value[0]), False)
            return _UNKNOWN if name.startswith("STORE") else self._local(found.value[1])
        if name in _CELL_READ:
            return _UNKNOWN if frame is None else local_value(frame, found.value)
        if name in ("LOAD_GLOBAL", "LOAD_NAME"):
            if frame is None:
                return _UNKNOWN
            space = frame.f_globals
            return space[found.value] if found.value in space else vars(builtins).get(found.value, _UNKNOWN)
        if name in ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT"):
            return found.value if type(found.value) in PLAIN else _CONSTANT
        return _NOT_A_START

    def _local(self, name: str) -> Any:
        return local_value(self.frame, name) if self.frame is not None else _UNKNOWN

    def _attribute(self, value: Any, name: str) -> Any:
        if value is _UNKNOWN or value is _CONSTANT:
            return _Method(_UNKNOWN, name)
        if type(value) is _Method:
            return _Method(_UNKNOWN, name)
        found = static_attribute(value, name)
        if found is _FOREIGN_CODE:
            if self.frame is not None and not self._follows(value):
                self.touches.add(OPAQUE)
            return _Method(_UNKNOWN, name)
        return _Method(value, name) if found is _UNKNOWN else found

    def _follows(self, value: Any) -> bool:
        """Whether the code behind a value's attributes reports for itself: its class is the program's own, or simulated."""
        for cls in type(value).__mro__[:-1]:
            if is_simulated(cls.__module__):
                return True
            code = next((item.__code__ for item in vars(cls).values() if isinstance(item, FunctionType)), None)
            if code is not None:
                return self.in_scope is not None and self.in_scope(code.co_filename)
        return False

    def _chain_ends(self, value: Any, enters: bool) -> None:
        self.values.append(value)
        if self.frame is None or value is _UNKNOWN or value is _CONSTANT:
            return
        if type(value) is _Method:
            if self.called:
                self.callees += 1
                self._calls_method(value)
            return
        thing = value.__self__ if isinstance(value, MethodType) else value
        if enters or self.called:
            for name in simulated_names(thing):
                self.touches.add((name, "w"))
        if self.called:
            self._calls(value)

    def _calls_method(self, method: _Method) -> None:
        """A method of C, or one that could not be looked up."""
        name = method.name
        if method.of is not _UNKNOWN:
            names = simulated_names(method.of)
            if names:
                self.touches.update((found, "w") for found in names)
                return
            if type(method.of) in PLAIN or is_simulated(type(method.of).__module__):
                return
            self.touches.add((ITEMS, "r" if name in _LOOKS else "w"))
        elif name in _LOOKS:
            self.touches.add((ITEMS, "r"))
        elif name in _CHANGES:
            self.touches.add((ITEMS, "w"))
        else:
            self.touches.add(OPAQUE)

    def _calls(self, value: Any) -> None:
        """Something on a line with a call: where it can be called, it may be what is called."""
        function = value.__func__ if isinstance(value, MethodType) else value
        if isinstance(function, (FunctionType, BuiltinFunctionType, type)) or is_simulated(type(function).__module__):
            self.callees += 1
        if isinstance(function, FunctionType):
            if not is_simulated(function.__module__) and not (self.in_scope is not None and self.in_scope(function.__code__.co_filename)):
                self.touches.add(OPAQUE)
        elif isinstance(function, BuiltinFunctionType):
            self._calls_builtin(function)
        elif isinstance(function, type):
            if function.__module__ == "builtins":
                self.touches.add((ITEMS, "r"))
            elif not is_simulated(function.__module__) and not self._follows_class(function):
                self.touches.add(OPAQUE)

    def _calls_builtin(self, function: BuiltinFunctionType) -> None:
        owner = function.__self__
        if isinstance(owner, ModuleType) or owner is None:
            if is_simulated(str(function.__module__)):
                return
            if function.__module__ == "builtins":
                self.touches.add((ITEMS, "r") if function.__name__ in _PURE else (ITEMS, "w") if function.__name__ == "next" else OPAQUE)
            else:
                self.touches.add((ITEMS, "w"))
        elif (names := simulated_names(owner)) or type(owner) in PLAIN:
            self.touches.update((name, "w") for name in names)
        else:
            self.touches.add((ITEMS, "r" if function.__name__ in _LOOKS else "w"))

    def _follows_class(self, cls: type) -> bool:
        """Whether what making an instance runs is in scope, or nothing."""
        found = [static_attribute_of_class(cls, name) for name in ("__init__", "__new__")]
        made = [method for kept in found if isinstance(method := getattr(kept, "__func__", kept), FunctionType)]
        return all(self.in_scope is not None and self.in_scope(function.__code__.co_filename) for function in made)

    def _operators(self, names: list[str]) -> None:
        if not _ENTERS.isdisjoint(names):
            names = [name for name in names if "JUMP" not in name and name != "TO_BOOL"]  # whether __exit__ wants the error swallowed
        if _OPERATORS.isdisjoint(names):
            return
        known = self.frame is not None and all(value is _CONSTANT or type(value) in PLAIN for value in self.values)
        if known or not self.values:
            return
        self.touches.add((ITEMS, "r"))
        if any(found.name == "BINARY_OP" and found.text.endswith("=") for found in self.instructions):
            self.touches.add((ITEMS, "w"))
        if "FOR_ITER" in names and any(value not in (_UNKNOWN, _CONSTANT) and hasattr(type(value), "__next__") for value in self.values):
            self.touches.add((ITEMS, "w"))


class _Method:
    """An attribute that could not be looked up, or a method in C, and whose it is."""

    __slots__ = ("name", "of")

    def __init__(self, of: Any, name: str) -> None:
        self.of = of
        self.name = name


def _loads_method(found: Instruction) -> bool:
    """Whether an attribute is loaded in order to be called."""
    return found.name == "LOAD_METHOD" or "NULL|self" in found.text


_NOT_A_START = object()
_CONSTANT = object()
_FOREIGN_CODE = object()
"""Looking the attribute up runs code: a property, or ``__getattr__``."""


_class_space: Any = type.__dict__["__dict__"].__get__
_module_space: Any = ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]  # a descriptor of C, which typeshed takes for a dict


def is_simulated(module: Any) -> bool:
    """Whether what a module of that name shares is told by simulated things themselves."""
    top = str(module).partition(".")[0]
    return top in _SIMULATED or top == "simsock"


def simulated_names(thing: Any, depth: int = 2) -> list[str]:
    """The names of the simulated things that ``thing`` is, or is built on (as an ``Event`` is on its lock)."""
    describe = getattr(type(thing), "describe", None)
    if describe is not None and is_simulated(describe.__module__):
        return [str(describe(thing))]
    if depth and type(thing).__module__ in ("threading", "queue") and not isinstance(thing, type):
        inside = vars(thing).values() if hasattr(thing, "__dict__") else ()
        return [name for part in inside for name in simulated_names(part, depth - 1)]
    return []


def static_attribute_of_class(cls: type, name: str) -> Any:
    """What a class or the first of its bases that has it keeps under ``name``, as it is kept."""
    for base in type.mro(cls) if type(cls) is not type else cls.__mro__:
        space = _class_space(base)
        if name in space:
            return space[name]
    return _UNKNOWN


def static_attribute(value: Any, name: str) -> Any:
    """``value.name`` where looking it up runs nothing of the program; ``_UNKNOWN`` where it is a method in C or is not there, ``_FOREIGN_CODE``
    where code would run."""
    if isinstance(value, ModuleType):
        return _module_space(value).get(name, _UNKNOWN)
    cls: Any = type(value)
    if cls.__getattribute__ is not object.__getattribute__ or isinstance(value, type):
        return _UNKNOWN if cls.__module__ == "builtins" or isinstance(value, type) else _FOREIGN_CODE
    found = static_attribute_of_class(cls, name)
    if isinstance(found, MemberDescriptorType):
        try:
            return found.__get__(value, cls)
        except AttributeError:
            return _UNKNOWN
    if isinstance(found, (MethodDescriptorType, WrapperDescriptorType, GetSetDescriptorType)):
        return _UNKNOWN
    if found is not _UNKNOWN and hasattr(type(found), "__set__"):
        return _FOREIGN_CODE
    space = _space_of(value, cls)
    if name in space:
        return space[name]
    if found is _UNKNOWN:
        return _FOREIGN_CODE if static_attribute_of_class(cls, "__getattr__") is not _UNKNOWN else _UNKNOWN
    if isinstance(found, FunctionType):
        return MethodType(found, value)
    if isinstance(found, (staticmethod, classmethod)):
        return found.__func__
    return _FOREIGN_CODE if hasattr(type(found), "__get__") else found


def _space_of(value: Any, cls: type) -> dict[str, Any]:
    """The attributes that an instance has of its own."""
    if static_attribute_of_class(cls, "__dict__") is _UNKNOWN:
        return {}
    space = object.__getattribute__(value, "__dict__")
    return space if type(space) is dict else {}


def local_value(frame: FrameType, name: str) -> Any:
    """What a local variable or a cell holds now, without the snapshot that ``f_locals`` leaves in the frame before 3.13."""
    if _get_variable is None:
        return frame.f_locals.get(name, _UNKNOWN)
    try:
        return _get_variable(frame, name)
    except NameError:
        return _UNKNOWN


_get_variable: Any = None
if (3, 12) <= sys.version_info < (3, 13):
    _get_variable = ctypes.pythonapi.PyFrame_GetVar
    _get_variable.argtypes = [ctypes.py_object, ctypes.py_object]
    _get_variable.restype = ctypes.py_object
