"""Real signals, also from inside a world, whose own calls send simulated ones. For tests of what a world does about those from outside."""

from __future__ import annotations

import ctypes

strike_here = ctypes.PyDLL(None)["raise"]  # keeps the interpreter: nobody else runs between the signal and its handler
"""raise(3): the handler runs in the frame that calls this."""
_write = ctypes.CDLL(None).write


def strike(number: int) -> None:
    """Send this process a signal; its handler in Python runs before this returns."""
    strike_here(int(number))


def write(fd: int, data: bytes) -> None:
    """Write into a real pipe, also from inside a world, whose own ``os.write`` refuses those from before it."""
    assert _write(fd, data, len(data)) == len(data)
