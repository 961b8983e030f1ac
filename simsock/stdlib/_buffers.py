"""What programs pass as data: bytes, or anything with the buffer protocol; and numbers.

Owns CPython's checks of both. Knows no sockets.
"""

from __future__ import annotations

from operator import index
from typing import Any


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


def writable_view(buffer: Any, what: str) -> memoryview:
    try:
        view = memoryview(buffer).cast("B")
    except TypeError:
        view = None
    if view is None or view.readonly:
        raise TypeError(f"{what}() argument 1 must be read-write bytes-like object, not {type(buffer).__name__}")
    return view
