"""Linux's errors as Python raises them, shared by the stand-ins.

Owns nothing but constructors; ``OSError`` picks the subclass by the number.
"""

from __future__ import annotations

import errno

from simsock.net.sockets import os_error


def would_block() -> OSError:
    """EAGAIN: ``BlockingIOError``."""
    return os_error(errno.EAGAIN)


def timed_out() -> TimeoutError:
    """What a socket's own timeout raises; it has no errno, as in CPython's socketmodule.c."""
    return TimeoutError("timed out")
