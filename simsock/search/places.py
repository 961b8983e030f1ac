"""Which names a test gives to ``sim.sometimes`` and ``sim.reachable``, read from its source: what is never reached can say nothing of itself.

Owns the reading. Does not run anything. Laws: only the test's own function counts, what is defined in it, and functions and classes of the same file that it
names, and these in turn; a name that is no plain text in the source is known when it is reached; without a source nothing is known.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from simsock.kernel.program_lines import short_path

_ARGUMENT = {"reachable": 0, "sometimes": 1}
"""Which argument is the name."""
_CODES_MAX = 2_000


def expected_places(test: Any) -> dict[str, str]:
    """By name: where it stands."""
    function = _function(test)
    if function is None:
        return {}
    file = function.__code__.co_filename
    found: dict[str, str] = {}
    for code, parameters in _codes(function, file):
        if _ARGUMENT.keys() & set(code.co_names):
            lines = [line for _, _, line in code.co_lines() if line]
            for name, line, receiver in _calls(file):
                if min(lines) <= line <= max(lines) and receiver in parameters:
                    found.setdefault(name, f"{short_path(file)}:{line}")
    return found


def _function(test: Any) -> FunctionType | None:
    """The Python function that a test is, in the end."""
    for _ in range(100):
        if isinstance(test, FunctionType) and not hasattr(test, "__wrapped__"):
            return test
        if isinstance(test, type) or test is None:
            return None
        for name in ("__wrapped__", "__func__", "func"):
            inner = getattr(test, name, None)
            if inner is not None:
                break
        else:
            inner = getattr(type(test), "__call__", None)  # noqa: B004  # the method itself is wanted
            if not isinstance(inner, FunctionType):
                return None
        test = inner
    return None


def _codes(function: FunctionType, file: str) -> list[tuple[CodeType, set[str]]]:
    """The code that belongs to a test, each with the names by which a world may be called in it."""
    known = {"sim", "simulation", "world", *function.__code__.co_varnames[: min(2, function.__code__.co_argcount)]}
    seen: dict[CodeType, None] = {}
    left: list[tuple[CodeType, dict[str, Any]]] = [(function.__code__, function.__globals__)]
    left += [(cell, function.__globals__) for cell in _in_cells(function)]
    while left and len(seen) < _CODES_MAX:
        code, names = left.pop()
        if code in seen or code.co_filename != file:
            continue
        seen[code] = None
        left += [(const, names) for const in code.co_consts if isinstance(const, CodeType)]
        for name in code.co_names:
            left += [(inner, names) for inner in _bodies(names.get(name), file)]
    return [(code, known) for code in seen]


def _in_cells(function: FunctionType) -> list[CodeType]:
    found: list[CodeType] = []
    for cell in function.__closure__ or ():
        try:
            found += _bodies(cell.cell_contents, function.__code__.co_filename)
        except ValueError:  # empty
            continue
    return found


def _bodies(value: Any, file: str) -> list[CodeType]:
    """The code of a function, or of a class's functions, that stands in a file."""
    if isinstance(value, FunctionType):
        inner = inspect.unwrap(value)
        code = getattr(inner, "__code__", None)
        return [code] if isinstance(code, CodeType) and code.co_filename == file else []
    if isinstance(value, type):
        return [part.__code__ for part in vars(value).values() if isinstance(part, FunctionType) and part.__code__.co_filename == file]
    return []


@lru_cache(maxsize=64)
def _calls(file: str) -> tuple[tuple[str, int, str], ...]:
    """Of a file: (name that is given, line, who is called) of each call of the two methods."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ARGUMENT:
            given = [word.value for word in node.keywords if word.arg == "name"] + node.args[_ARGUMENT[node.func.attr] :][:1]
            receiver = node.func.value
            called = receiver.id if isinstance(receiver, ast.Name) else receiver.attr if isinstance(receiver, ast.Attribute) else ""
            if given and isinstance(given[0], ast.Constant) and isinstance(given[0].value, str):
                found.append((given[0].value, node.lineno, called))
    return tuple(found)


__all__ = ["expected_places"]
