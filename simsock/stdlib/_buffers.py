"""What programs pass as data: bytes, or anything with the buffer protocol.

Owns CPython's checks of buffers. Knows no sockets.
"""

from __future__ import annotations

from typing import Any


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
