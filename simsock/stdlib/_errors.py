"""Linux's errors as Python raises them, shared by the stand-ins.

Owns constructors, ``OSError`` picking the subclass by the number, and the error for names that are not simulated.
"""

from __future__ import annotations

import errno

from simsock.errors import Unsupported
from simsock.net.sockets import os_error


class UnsupportedName(Unsupported, AttributeError):
    """A name of a standard module that is not simulated. ``hasattr`` answers False: programs ask it before they use what not every system has."""


def would_block() -> OSError:
    """EAGAIN: ``BlockingIOError``."""
    return os_error(errno.EAGAIN)


def timed_out() -> TimeoutError:
    """What a socket's own timeout raises; it has no errno, as in CPython's socketmodule.c."""
    return TimeoutError("timed out")
