"""Where functions were written that were sent to another process by value.

Owns the names of their files. ``cloudpickle``, by which Dask and others send what a script has defined, leaves them out: in the other process no line of
the test would be in scope. Does not know searches. Laws: a function is known by its qualified name and its first line; only what the test leads to by
names, closures and classes of its own module is looked at, and no more than ``FUNCTIONS_MAX`` of it.
"""

from __future__ import annotations

from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FUNCTIONS_MAX = 1_000
NAMELESS = "<dynamic-code>"
"""What ``cloudpickle`` says instead of a file."""
Files = dict[tuple[str, int], str]


def files_of(test: Any) -> Files:
    """By qualified name and first line: the files of the functions that a test is made of."""
    return {(function.__qualname__, function.__code__.co_firstlineno): function.__code__.co_filename for function in _functions(test)}


def name_files(test: Any, files: Files) -> None:
    """Say it again to those that came without."""
    for function in _functions(test):
        code = function.__code__
        if code.co_filename == NAMELESS:
            function.__code__ = _named(code, files.get((function.__qualname__, code.co_firstlineno), NAMELESS))


def _named(code: CodeType, filename: str) -> CodeType:
    constants = tuple(_named(inner, filename) if isinstance(inner, CodeType) else inner for inner in code.co_consts)
    return code.replace(co_filename=filename, co_consts=constants)


def _functions(test: Any) -> Iterator[FunctionType]:
    """The test's function and what it leads to."""
    met: set[Any] = set()
    ahead = [test]
    while ahead and len(met) < FUNCTIONS_MAX:
        thing = ahead.pop()
        if isinstance(thing, MethodType):
            ahead += [thing.__func__, thing.__self__]
        elif isinstance(thing, partial):
            ahead += [thing.func, *thing.args, *thing.keywords.values()]
        elif isinstance(thing, (staticmethod, classmethod)):
            ahead.append(thing.__func__)
        elif isinstance(thing, property):
            ahead += [thing.fget, thing.fset, thing.fdel]
        elif isinstance(thing, FunctionType):
            if thing not in met:
                met.add(thing)
                yield thing
                ahead += _behind(thing)
        elif isinstance(thing, type):
            if thing not in met and not _is_importable(thing):
                met.add(thing)
                ahead += [*vars(thing).values(), *thing.__bases__]
        elif thing is not None and not _is_importable(type(thing)):
            ahead.append(type(thing))


def _behind(function: FunctionType) -> list[Any]:
    """What a function names that was written where it was."""
    named = [function.__globals__[name] for name in sorted(_names(function.__code__)) if name in function.__globals__]
    for cell in function.__closure__ or ():
        try:
            named.append(cell.cell_contents)
        except ValueError:  # it is empty
            pass
    named += [*(function.__defaults__ or ()), getattr(function, "__wrapped__", None)]
    return [thing for thing in named if getattr(thing, "__module__", None) == function.__module__ or isinstance(thing, (MethodType, partial))]


def _names(code: CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _is_importable(cls: type) -> bool:
    return cls.__module__ == "builtins"


__all__ = ["Files", "files_of", "name_files"]
