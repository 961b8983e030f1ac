"""What an ``assert`` without words asserted: its source, and the plain values of the names in it.

Owns the reading of both from an error that has ended its function. Law: nothing is evaluated again, and only values that cannot have changed since are told.
"""

from __future__ import annotations

import ast
import functools
import linecache
from typing import TYPE_CHECKING

from simsock.escaping import printable, told
from simsock.kernel.program_lines import is_library, is_simsock

if TYPE_CHECKING:
    from types import TracebackType

_LENGTH_MAX = 160
_VALUE_MAX = 60
_VALUES_MAX = 4
_PLAIN = (int, float, complex, str, bytes, bool, type(None))


def said_by(error: BaseException) -> str:
    """What an error says of itself, as ``told`` has it; of an ``assert`` without words, which says nothing, its source."""
    return told(error) or asserted(error)


def asserted(error: BaseException, values: bool = False) -> str:
    """``"assert total == 3"`` of an ``assert`` without words, and with ``values`` ``"assert total == 3 (total = 2)"``. Empty for all other errors."""
    if not isinstance(error, AssertionError) or error.args:
        return ""
    trace = _innermost(error)
    if trace is None:
        return ""
    text, names = _assert_at(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    found = _values(trace, names) if values and text else []
    return f"{text} ({', '.join(found)})" if found else text


def _innermost(error: BaseException) -> TracebackType | None:
    found = None
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not is_simsock(filename) and not is_library(filename):
            found = trace
        trace = trace.tb_next
    return found


@functools.lru_cache(64)
def _assert_at(filename: str, line: int) -> tuple[str, tuple[str, ...]]:
    """The innermost ``assert`` statement around a line of a file, and the names in it; empty where there is none."""
    lines = linecache.getlines(filename)
    if not 0 < line <= len(lines):
        return "", ()
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        return "", ()
    around = [node for node in ast.walk(tree) if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or node.lineno)]
    if not around:
        return "", ()
    test = max(around, key=lambda node: node.lineno).test
    found = sorted((node.lineno, node.col_offset, node.id) for node in ast.walk(test) if isinstance(node, ast.Name))
    names = dict.fromkeys(name for _, _, name in found)
    return _shortened(f"assert {ast.unparse(test)}", _LENGTH_MAX), tuple(names)


def _values(trace: TracebackType, names: tuple[str, ...]) -> list[str]:
    """``"total = 2"`` for names of the function's own whose values are plain: those cannot have changed since it ended."""
    frame = trace.tb_frame
    own, variables = frame.f_code.co_varnames, frame.f_locals  # no cells: others may have written to those in the meantime
    plain = [name for name in names if name in own and type(variables.get(name, own)) in _PLAIN]
    return [f"{name} = {_shortened(printable(repr(variables[name])), _VALUE_MAX)}" for name in plain[:_VALUES_MAX]]


def _shortened(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


__all__ = ["asserted", "said_by"]
