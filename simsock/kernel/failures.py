"""Calls that fail: the errors they raise, and who hears of it.

PYTEST_DONT_REWRITE

Owns Linux's errors as Python raises them and telling watchers of a failed call. Does not know why calls fail. Law: every error with an errno that
a simulated call raises or returns is made or told here.
"""

from __future__ import annotations

import errno
import os
import sys
from _thread import get_ident
from typing import Any

from simsock.kernel import session
from simsock.kernel.program_lines import program_call


def os_error(number: int, on: Any = None) -> OSError:
    """Linux's error with its text; Python picks the subclass (``ConnectionRefusedError`` …) by the number. ``on``: the open file that failed."""
    tell(number, on)
    return OSError(number, os.strerror(number))


def bad_descriptor() -> OSError:
    """The error of every call on a descriptor that is not open."""
    return os_error(errno.EBADF)


def would_block(on: Any = None) -> OSError:
    """EAGAIN: ``BlockingIOError``."""
    return os_error(errno.EAGAIN, on)


def timed_out(on: Any = None) -> TimeoutError:
    """What a socket's own timeout raises; it has no errno, as in CPython's socketmodule.c."""
    tell(None, on)
    return TimeoutError("timed out")


def tell(number: int | None, on: Any = None) -> None:
    """A call of the current task fails: tell whoever watches its world."""
    kernel = session.active
    if kernel is not None and kernel.watchers is not None and not kernel.ending and kernel.thread == get_ident():
        kernel.watchers.fails(kernel.current, program_call(sys._getframe(1))[1], number, on)
