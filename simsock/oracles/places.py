"""Where tasks stand, in words for findings.

PYTEST_DONT_REWRITE

Owns the words. Knows frames, and nothing of what is found. Law: texts only, the same in every run.
"""

from __future__ import annotations

import linecache
import sys
from types import CodeType, FrameType
from typing import Any, NamedTuple

from simsock.kernel.program_lines import is_simsock, program_frame, short_path


class Place(NamedTuple):
    """A line of a function."""

    filename: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{short_path(self.filename)}:{self.line} in {self.function}"

    @property
    def source(self) -> str:
        """The line itself, as far as its file can be read."""
        return linecache.getline(self.filename, self.line).strip()


NOWHERE = Place("?", 0, "?")


def place_of_frame(frame: FrameType | None) -> Place:
    """The innermost line of the program at or above a frame."""
    found = program_frame(frame)
    return NOWHERE if found is None else Place(found.f_code.co_filename, found.f_lineno, found.f_code.co_qualname)


def here() -> Place:
    """Where the program stands that has called simsock."""
    return place_of_frame(sys._getframe(1))


def own_code(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that is not simsock's."""
    while frame is not None and is_simsock(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def words_of_function(function: Any) -> str:
    """What a function is called and where it stands: of a lambda, its line."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    code = getattr(function, "__code__", None) or getattr(vars(type(function)).get("__call__"), "__code__", None)
    if not isinstance(code, CodeType):
        return name
    where = f"{short_path(code.co_filename)}:{code.co_firstlineno}"
    if name.endswith("<lambda>"):
        source = linecache.getline(code.co_filename, code.co_firstlineno).strip()
        return f"{source} ({where})" if source else f"a lambda ({where})"
    return f"{name}() ({where})"


__all__ = ["NOWHERE", "Place", "here", "own_code", "place_of_frame", "words_of_function"]
