"""Who keeps an object from before a world, as words for the error about it.

Owns the search: from the names of modules, what fixtures gave, and the variables of functions that are running, through attributes, items and closures.
Does not know what is looked for. Laws: no code of the program runs (no property, no ``__getattribute__``, no ``__eq__``); nothing is kept; a large program
is not searched to its end.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType, FunctionType, MappingProxyType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from simsock.harness import is_harness
from simsock.kernel import session
from simsock.kernel.plain_locals import variables_of
from simsock.kernel.program_lines import is_library, is_simsock, short_path
from simsock.patching.module_names import space_of

_OF_FUNCTION = 0x0001
"""The flag of code that is a function's: ``inspect.CO_OPTIMIZED``, whose module takes milliseconds to load."""
_ITEMS_MAX = 100
"""So many items of each container are looked at,"""
_OBJECTS_MAX = 20_000
"""so many objects in all, and"""
_DEEP = 5
"""so many steps from a name."""
_class_dict: Any = type.__dict__["__dict__"].__get__  # a metaclass of the program may have its own
_mro_of: Any = type.__dict__["__mro__"].__get__  # likewise
_module_of: Any = type.__dict__["__module__"].__get__
_PLAIN = frozenset((int, float, str, bytes, bool, type(None), complex, bytearray))

Step = tuple[Any, str]
"""(object, words for the way to it)."""
_Root = tuple[str, dict[str, Any], str, str]
"""(words before a name, the names, words after the whole, words about what to do)."""


def kept_by(thing: Any) -> str:
    """Words about who keeps it: a module of the program or of an installed package, which a world can import anew; or the tests, or a function that runs."""
    return "" if thing is None else found(lambda other: other is thing)[1]


def path_to(thing: Any) -> str:
    """How one comes to it from a module that keeps it; empty if none does."""
    return next((way for roots in _modules() if (way := _found_in(list(roots), lambda other: other is thing, ways=True)[1])), "")


def found(is_it: Callable[[Any], bool]) -> tuple[Any, str]:
    """The object that is looked for, and words about who keeps it; None and nothing if it is not found. A name that lasts says more than a variable."""
    value, words = None, ""
    for roots in (*_modules(), _holders(), _running()):
        if not words:
            value, words = _found_in(list(roots), is_it)
    return value, words


def _found_in(roots: list[_Root], is_it: Callable[[Any], bool], ways: bool = False) -> tuple[Any, str]:
    """``ways``: the words are the way alone."""
    levels: list[tuple[int, list[Step]]] = [(number, [(value, key) for key, value in space.items()]) for number, (_, space, _, _) in enumerate(roots)]
    seen = {id(space) for _, space, _, _ in roots}
    budget = _OBJECTS_MAX
    for depth in range(_DEEP):
        for number, steps in levels:
            for value, way in steps:
                if is_it(value):
                    before, _, after, remedy = roots[number]
                    return value, f"{before}{way}" if ways else f"; it is kept by {before}{way}{after}{remedy}"
        deeper = []
        for number, steps in levels:
            below: list[Step] = []
            for value, way in steps:
                if budget <= 0 or depth + 1 == _DEEP:
                    break
                if type(value) not in _PLAIN and id(value) not in seen:
                    seen.add(id(value))
                    inner = [(part, way + words) for part, words in _parts(value)]
                    budget -= 1 + len(inner)
                    below += inner
            deeper.append((number, below))
        levels = deeper
    return None, ""


def _modules() -> tuple[list[_Root], ...]:
    """Those of the program and of installed packages, which can be imported anew, come before those of the tests; of each, first those whose functions are
    running, so that a large program is searched where it matters."""
    program: tuple[list[_Root], list[_Root]] = [], []
    installed: tuple[list[_Root], list[_Root]] = [], []
    tests: tuple[list[_Root], list[_Root]] = [], []
    near = {frame.f_globals.get("__name__") for innermost in _stacks() for frame in _outwards(innermost)}
    for name, module in sorted(sys.modules.items()):
        top = name.partition(".")[0]
        if not issubclass(type(module), ModuleType) or top in sys.stdlib_module_names or is_harness(name):
            continue
        names = space_of(module)
        space = {key: value for key, value in list(names.items()) if not key.startswith("__")}
        if name in ("__main__", "__mp_main__", "conftest") or name.rpartition(".")[2].startswith("test_"):
            tests[name not in near].append((f"{name}.", space, "", ""))
        else:
            roots = installed if is_library(str(names.get("__file__", "<"))) else program
            roots[name not in near].append((f"{name}.", space, "", f": fresh={[top]!r} imports that anew in each world"))
    return *program, *installed, *tests


def _holders() -> Iterator[_Root]:
    """Who else keeps things: the plugin's list, such as what fixtures have given."""
    given = getattr(session.entered, "_holders", ())
    return ((f"{words}." if words.endswith("conftest") else words, dict(space), "", "") for words, space in given)


def _running() -> Iterator[_Root]:
    """The variables of the functions of the program that are running: of the task that asks, and of the one that entered the world."""
    for innermost in _stacks():
        inner: list[_Root] = []
        for frame in _outwards(innermost):
            code = frame.f_code
            if code.co_flags & _OF_FUNCTION and not (is_library(code.co_filename) or is_simsock(code.co_filename)):
                inner.append(("the variable ", variables_of(frame), f" of {code.co_qualname} ({short_path(code.co_filename)}:{code.co_firstlineno})", ""))
        yield from reversed(inner)  # the outermost has had it for longest


def _stacks() -> tuple[FrameType | None, FrameType | None]:
    kernel = session.active
    outer = getattr(kernel.first.greenlet, "gr_frame", None) if kernel is not None and kernel.thread == get_ident() else None
    return outer, sys._getframe(1)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _parts(value: Any) -> Iterator[Step]:
    """What an object, or a class, holds directly, and words for where."""
    kind = type(value)
    if issubclass(kind, ModuleType):
        return
    if issubclass(kind, dict):
        for key, held in list(dict.items(value))[:_ITEMS_MAX]:
            yield held, f"[{key!r:.40}]" if type(key) in _PLAIN else "[…]"
    elif issubclass(kind, (list, tuple)):
        for place, held in enumerate((list if issubclass(kind, list) else tuple).__getitem__(value, slice(_ITEMS_MAX))):
            yield held, f"[{place}]"
    elif kind in (set, frozenset, deque):
        for held in list(value)[:_ITEMS_MAX]:
            yield held, "[…]"
    elif kind is FunctionType:
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            try:
                yield cell.cell_contents, f": variable {name}"
            except ValueError:  # not bound yet
                pass
        for held in value.__defaults__ or ():
            yield held, ": a default"
    elif kind is MethodType:
        yield value.__self__, ".__self__"
    elif kind is partial:
        yield value.func, ".func"
        yield value.args, ".args"
    elif issubclass(kind, type):
        if _is_of_program(value):
            yield from ((held, f".{key}") for key, held in list(_class_dict(value).items()) if not key.startswith("__"))
    else:
        yield from _attributes(value, kind)


def _attributes(value: Any, kind: type) -> Iterator[Step]:
    try:
        space = object.__getattribute__(value, "__dict__")
    except AttributeError:
        space = {}
    if type(space) in (dict, MappingProxyType):
        yield from ((held, f".{key}") for key, held in list(space.items()))
    for cls in _mro_of(kind)[:-1]:
        for key, slot in list(_class_dict(cls).items()):
            if type(slot) is MemberDescriptorType:
                try:
                    yield slot.__get__(value), f".{key}"
                except AttributeError:  # nothing in it
                    pass


def _is_of_program(cls: type) -> bool:
    module = _class_dict(cls).get("__module__")
    return isinstance(module, str) and module.partition(".")[0] not in sys.stdlib_module_names and not is_harness(module)


__all__ = ["found", "kept_by"]
