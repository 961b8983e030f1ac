"""Where a signal finds the world's thread, and what may be raised there.

Owns three questions about a frame: is a world being entered or left in it; does it belong to the kernel's own work; would Python pass over the
``__exit__`` of a ``with`` statement if something were raised there? Does not know what is raised. Laws:

* nothing is raised where a world is being entered or left: it waits until that is done;
* nor where tables would be half written, or a lock taken that nobody knows of: it waits for the next point.
"""

from __future__ import annotations

import sys
from opcode import opmap
from types import CodeType, FrameType
from typing import Any, TypeVar

from simsock.kernel.program_lines import INSIDE, is_library, room_of

PROGRAM, INNER, BOUNDARY = range(3)
"""What ``place_of_signal`` answers: code of the program (or harmless), the kernel's own work, a world's beginning or end."""
_boundaries: set[CodeType] = set()
_Function = TypeVar("_Function", bound=Any)


def boundary(function: _Function) -> _Function:
    """Mark a function in which worlds or sessions begin or end."""
    _boundaries.add(function.__code__)
    return function


def is_boundary(code: CodeType) -> bool:
    """Whether a world begins or ends there."""
    return code in _boundaries


def place_of_signal(frame: FrameType | None, atomic: int = 0) -> int:
    """Where a signal came that interrupted ``frame``; ``atomic``: the kernel has said that nothing may come between."""
    inner: bool | None = True if atomic else None
    while frame is not None:
        code = frame.f_code
        if code in _boundaries:
            return BOUNDARY
        room = room_of(frame)
        if room:
            if inner is None:  # where tasks begin nothing of the kernel is open
                inner = room == INSIDE and code.co_name != "_body"
        elif not is_library(code.co_filename):
            break
        frame = frame.f_back
    return INNER if inner else PROGRAM


_JUMPS_BACK = frozenset(number for name, number in opmap.items() if "JUMP_BACKWARD" in name and "NO_INTERRUPT" not in name and sys.version_info < (3, 13))
"""After which a signal is looked at; from 3.13 on that is done before the jump."""
_CALL_SIZE_MAX = 10
"""Bytes of a call with its cache, at most."""


class WithStatement:
    """The ``with`` statement that a world was entered by."""

    __slots__ = ("_frame_id", "code", "offset")

    def __init__(self, frame: FrameType) -> None:
        self.code = frame.f_code
        self.offset = frame.f_lasti
        self._frame_id = id(frame)  # the same as long as it is being run; compared only

    def is_passed_over(self, frame: FrameType | None) -> bool:
        """Whether an error raised in ``frame``, where it stands now, would leave it without a call of ``__exit__``: at some jumps of loops."""
        if frame is None or id(frame) != self._frame_id or frame.f_code is not self.code or not _enters(self.code.co_code, self.offset):
            return False
        table = list(_exception_table(self.code))
        leaving = _leaving(table, self.offset)
        at: int | None = _raised_at(self.code.co_code, frame.f_lasti)
        for _ in table:  # from handler to handler: each is covered by the next
            if at is None:
                return True
            at = _handler(table, at)
            if at == leaving:
                return at is None
        return at is None

    def is_over(self) -> bool:
        """Whether the function that it stands in is known not to run any more. False for generators: they may stand still."""
        if self.code.co_flags & 0x2A0 or not _enters(self.code.co_code, self.offset):
            return False
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code is self.code:
                return False
            frame = frame.f_back
        return True


def _enters(code: bytes, offset: int) -> bool:
    """Whether it is a ``with`` statement that calls there: one instruction until 3.13, then a call of what was looked up just before."""
    if "BEFORE_WITH" in opmap:
        return code[offset] == opmap["BEFORE_WITH"]
    return offset >= 2 and code[offset] == opmap["CALL"] and code[offset - 2] == opmap["LOAD_SPECIAL"]


def _raised_at(code: bytes, offset: int) -> int:
    """To which instruction Python counts what a signal raises at ``offset``: after a jump back, on 3.11 and 3.12, to the one before the loop."""
    if code[offset] not in _JUMPS_BACK:
        return offset
    distance, shift, at = 0, 0, offset
    while True:
        distance |= code[at + 1] << shift
        shift += 8
        at -= 2
        if at < 0 or code[at] != opmap["EXTENDED_ARG"]:
            return offset - 2 * distance


def _leaving(table: list[tuple[int, int, int]], offset: int) -> int | None:
    """The handler of a ``with`` statement that calls ``__enter__`` at ``offset``: what begins right behind that instruction, which may have a cache, has it."""
    return next((target for start, _, target in table if offset < start <= offset + _CALL_SIZE_MAX), None)


def _handler(table: list[tuple[int, int, int]], offset: int) -> int | None:
    """Where Python goes on when an error is raised at ``offset``."""
    for start, end, target in table:
        if start <= offset < end:
            return target
    return None


def _exception_table(code: CodeType) -> Any:
    """(start, end, handler) in bytes: CPython's ``Objects/exception_handling_notes.txt``."""
    data = iter(code.co_exceptiontable)
    for first in data:
        start = _number(first, data) * 2
        length = _number(next(data), data) * 2
        target = _number(next(data), data) * 2
        _number(next(data), data)
        yield start, start + length, target


def _number(byte: int, data: Any) -> int:
    number = byte & 63
    while byte & 64:
        byte = next(data)
        number = number << 6 | byte & 63
    return number


__all__ = ["BOUNDARY", "INNER", "PROGRAM", "WithStatement", "boundary", "is_boundary", "place_of_signal"]
