"""The system's fork(2), with the world out of the way.

PYTEST_DONT_REWRITE

Owns the call itself, and that by which home becomes the parent of a process that another one forks. Does not know what either process does then. Laws:

* the hooks of the standard library run as outside the world, and once: nobody is scheduled meanwhile;
* home is the real parent of every process of its world, since only a parent can wait for one, and learn how it ended.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from simsock.kernel.boundaries import boundary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simsock.kernel import Kernel

_fork, _exit, _waitpid = os.fork, os._exit, os.waitpid
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
_library = ctypes.PyDLL(None)
"""Of the functions that are called by it none lets another thread of Python run meanwhile."""


def flush() -> None:
    """Or both processes would write what is in the buffers."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


@boundary
def aside(kernel: Kernel, stand_aside: Callable[[], None], come_back: Callable[[], None], fork: Callable[[], int]) -> int:
    """The fork with the world out of the way; what it returns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the other thread is the watchdog's, which holds nothing
        stand_aside()
        real = -1
        try:
            real = fork()
        finally:
            come_back()
    return real


@contextmanager
def adopting() -> Iterator[None]:
    """At home: a process that loses its parent in this block is this one's child from then on."""
    before = ctypes.c_int()
    prctl = _library.prctl
    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


def fork_for_home(tell: Callable[[int], object]) -> int:
    """In a child: fork a process that loses its parent at once. Its number, or -1 and an error's, are told in between."""
    between = _fork()
    if between:
        _waitpid(between, 0)
        return between
    try:
        born = _library.fork()  # the hooks have run
        if not born:
            return 0
        tell(born if born > 0 else -errno.EAGAIN)
    finally:
        if between or born:
            _exit(0)
    return 0


__all__ = ["adopting", "aside", "flush", "fork_for_home"]
