"""What programs pass as data: bytes, or anything with the buffer protocol; and numbers.

Owns CPython's checks of both. Knows no sockets.
"""

from __future__ import annotations

import sys
from operator import index
from typing import Any

from simsock.kernel.program_lines import is_simsock


def c_int(value: Any) -> int:
    """An argument that C code reads into an ``int``."""
    number = index(value)
    if not -(1 << 31) <= number < 1 << 31:
        raise OverflowError("Python int too large to convert to C int")
    return number


def bytes_view(data: Any) -> Any:
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def option_bytes(value: Any) -> Any:
    """The bytes of a socket option that is no integer; the error says from 3.15 on what an option may be."""
    try:
        return bytes_view(value)
    except TypeError:
        if sys.version_info < (3, 15):
            raise
        raise TypeError(f"socket option should be int, bytes-like object or None (got {type(value).__name__})") from None


def wrong_option_arguments(values: tuple[Any, ...]) -> str:
    """What CPython says of this many values for ``setsockopt``, of which None may only come with a length."""
    if len(values) in (1, 2) and sys.version_info >= (3, 15):
        if values[0] is None:
            return "setsockopt() requires 4 arguments when the third argument is None"
        return f"setsockopt() only takes 4 arguments when the third argument is None (got {type(values[0]).__name__})"
    if values == (None,):
        return "a bytes-like object is required, not 'NoneType'"
    return f"setsockopt() takes exactly 3 arguments ({len(values) + 2} given)"


FAILURES = (OSError, TypeError, ValueError, OverflowError)
"""What a call raises that is given something wrong, or that fails."""


def shed(error: BaseException) -> None:
    """Take from the error of a call that failed what frames of ours have in which it was raised, and what they had caught: they would keep the caller's
    buffer exported as long as the error lives. Of the system's errors the frames go, too. One that a handler of the program's has raised in the midst of
    the call stays as it is; whoever calls this clears its own frame."""
    if not _is_ours(error):
        return
    if isinstance(error, OSError):
        error.__traceback__ = None
    else:  # of a mistake, also one of ours, it is still seen where it was noticed
        trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
        while trace is not None:
            trace.tb_frame.clear()
            trace = trace.tb_next
    context = error.__context__
    while context is not None and _is_ours(context):
        context = context.__context__
    error.__context__ = context


def _is_ours(error: BaseException) -> bool:
    """Whether it was raised in a frame of simsock's."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and is_simsock(last.tb_frame.f_code.co_filename)


def writable_view(buffer: Any, what: str) -> memoryview:
    try:
        view = memoryview(buffer).cast("B")
    except TypeError:
        view = None
    if view is None or view.readonly:
        raise TypeError(f"{what}() argument 1 must be read-write bytes-like object, not {type(buffer).__name__}")
    return view
