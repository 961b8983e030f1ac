"""SIGCHLD of a world's processes, for programs that had a handler for it before the world.

Owns what the system does about the ends of real children while a world has any: nothing, since their ends are told when the world has them end. Does not
know how. Laws: any OS thread may run a world, so it is the C library that is asked and not ``signal``, for which only the main thread may; what ``signal``
knows is left as it is; after the world all is as before, and of a child from before the world that has ended meanwhile the program hears then.
"""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

from simsock.kernel import Kernel
from simsock.kernel.signals import Signals

_SIGCHLD = int(getattr(signal, "SIGCHLD", 17))
_ACTION_BYTES = 512
"""More than a ``struct sigaction`` has on any system."""
_kill, _getpid, _waitid, _getsignal = os.kill, os.getpid, getattr(os, "waitid", None), signal.getsignal
_library: Any = None
_before: Any = None
"""What the system did, while it does nothing."""


def quiet(kernel: Kernel) -> None:
    """The world has a child. Safe to call again."""
    global _before, _library
    if _before is not None:
        return
    if kernel.signals is None:
        signals = Signals(kernel)
        if signals.disposition(_SIGCHLD) != signal.SIG_DFL:
            kernel.signals = signals  # the program has said before the world what it does about the ends of children
    if _library is None:
        _library = ctypes.CDLL(None)
        _library.signal.argtypes, _library.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    found = ctypes.create_string_buffer(_ACTION_BYTES)
    if _library.sigaction(_SIGCHLD, None, found) == 0:
        _before = found
        _library.signal(_SIGCHLD, None)  # SIG_DFL


def loud() -> None:
    """The world has none any more. Safe to call again."""
    global _before
    found, _before = _before, None
    if found is None:
        return
    _library.sigaction(_SIGCHLD, found, None)
    if callable(_getsignal(_SIGCHLD)) and _any_has_ended():
        _kill(_getpid(), _SIGCHLD)


def _any_has_ended() -> bool:
    try:
        return _waitid is not None and _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


__all__ = ["loud", "quiet"]
