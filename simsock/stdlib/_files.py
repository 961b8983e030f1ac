"""From what programs pass as "a file" to an open file of the world.

Owns the look-up shared by ``select``, ``selectors`` and ``socket``.
"""

from __future__ import annotations

from typing import Any


def descriptor_of(fileobj: Any) -> int:
    """The descriptor of an integer or of an object with ``fileno()``; errors as in CPython's fileobject.c."""
    if isinstance(fileobj, int):
        fd = fileobj
    else:
        method = getattr(fileobj, "fileno", None)
        if method is None:
            raise TypeError("argument must be an int, or have a fileno() method.")
        fd = method()
        if not isinstance(fd, int):
            raise TypeError("fileno() returned a non-integer")
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd
