"""A real descriptor of another process, in this one.

PYTEST_DONT_REWRITE

Owns how the system is asked for it. Knows nothing of worlds.
"""

from __future__ import annotations

import ctypes
import io
import os
from typing import Any

from simsock.kernel.originals import original

_open, _close = original(os, "open"), original(os, "close")
_pidfd_open: Any = original(os, "pidfd_open") if hasattr(os, "pidfd_open") else None
_PIDFD_GETFD = 438
"""The number of pidfd_getfd(2), on every machine."""


def borrow(real: int, fd: int, flags: int | None = None) -> int:
    """A descriptor for what that of a process refers to. ``flags``: those of open(2), where the system is old, or does not let us; else as it is open."""
    if _pidfd_open is not None:
        try:
            process = _pidfd_open(real, 0)
        except OSError:
            process = -1
        if process >= 0:
            try:
                found = int(ctypes.CDLL(None).syscall(_PIDFD_GETFD, process, fd, 0))
            finally:
                _close(process)
            if found >= 0:
                return found
    if flags is None:
        with original(io, "open")(f"/proc/{real}/fdinfo/{fd}") as about:
            words = dict(line.split(":", 1) for line in about.read().splitlines())
        flags = int(words["flags"], 8) & (os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK)
    return int(_open(f"/proc/{real}/fd/{fd}", flags | os.O_CLOEXEC))


__all__ = ["borrow"]
