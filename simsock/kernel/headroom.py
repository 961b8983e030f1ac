"""How many more frames fit on the stack.

Owns one number of CPython's, read where CPython keeps it: a task that has used up its stack must learn so before the kernel begins to park it, and
not while the kernel's tables are half written. Where the number cannot be found there is always room. Does not know tasks.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

FRAMES_MIN = 100
"""What a wait may need: the scheduler, and what the network does when time moves on."""
_PLACES = 128
"""How many numbers of the thread's state are looked at."""
_get_state = ctypes.pythonapi.PyThreadState_Get
_get_state.argtypes = []
_get_state.restype = ctypes.c_void_p


def _numbers_below(depth: int) -> list[int]:
    """The thread's state, as numbers, from so many frames further down."""
    if depth:
        return _numbers_below(depth - 1)
    return list((ctypes.c_int * _PLACES).from_address(_get_state()))


def _find() -> int:
    """Where in the thread's state the number is, or -1: the one that falls by as much as the stack grows."""
    depths = (0, 3, 11)
    seen = [_numbers_below(depth) for depth in depths]
    limit = sys.getrecursionlimit()
    fits = [
        place
        for place in range(_PLACES)
        if 0 < seen[0][place] <= limit and all(seen[0][place] - numbers[place] == depth for depth, numbers in zip(depths, seen, strict=True))
    ]
    return fits[0] * ctypes.sizeof(ctypes.c_int) if len(fits) == 1 else -1


_offset = _find()
_state: Any = None
_view: Any = [1 << 30]
"""Of the thread that was asked for last, whose state is at that address: worlds follow each other in one thread."""


def frames_left() -> Any:
    """In a list of one: how many frames fit on the stack of whichever greenlet runs in this OS thread when it is looked at."""
    global _state, _view
    if _offset >= 0 and _state != (state := _get_state()):
        _view = memoryview((ctypes.c_int * 1).from_address(state + _offset)).cast("B").cast("i")
        _state = state
    return _view


def refuse(kernel: Kernel, task: Task) -> None:
    """There is no room for the wait that the current task is about to begin: it does not."""
    if task.queue is not None:
        kernel.detach(task)
    elif kernel.runq and kernel.runq[-1] is task:
        kernel.runq.pop()
    raise RecursionError(f"maximum recursion depth exceeded in a simulated call, which needs {FRAMES_MIN} frames")


__all__ = ["FRAMES_MIN", "frames_left", "refuse"]
