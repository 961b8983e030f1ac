"""A timer of the operating system's own, for code that keeps the interpreter to itself.

Owns one POSIX timer of the process, which sends a signal. C code that looks for signals and does not let other threads run (a regular expression
that backtracks) is reached by nothing else. Does not know what the signal does. Laws: it touches neither ``setitimer`` nor ``alarm``, which are
the program's and pytest-timeout's; where there is no such timer, nothing happens.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

_getpid = os.getpid  # the system's: a world has another number

_CLOCK_MONOTONIC = 1
_FAR = float("inf")


class _Event(ctypes.Structure):
    """Linux's ``struct sigevent``: 64 bytes."""

    _fields_ = (("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int), ("rest", ctypes.c_char * 48))


class _Setting(ctypes.Structure):
    """``struct itimerspec``."""

    _fields_ = (("every_s", ctypes.c_long), ("every_ns", ctypes.c_long), ("in_s", ctypes.c_long), ("in_ns", ctypes.c_long))


def _library() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.PyDLL(None)  # keeps the interpreter: a call that lets go of it takes longer than the timer
    return library if hasattr(library, "timer_create") else None


class HardTimer:
    """Sends ``signal`` to this process once, some time from now."""

    def __init__(self, signal: int) -> None:
        self._signal = signal
        self._library: Any = None
        self._timer: Any = None
        self._setting = _Setting()
        self._given = ctypes.byref(self._setting)
        self._pid = 0
        self.due = _FAR
        """When it rings, by the clock of whoever sets it."""

    def set(self, now: float, due: float) -> None:
        """Ring at ``due``, instead of whenever it would have."""
        if self._pid != _getpid():  # a child of fork has none
            self._make()
        if self._timer is None:
            return
        if due == _FAR:
            self.stop()
            return
        seconds = due - now
        if seconds < 0.001:
            seconds = 0.001
        self.due = due
        self._arm(int(seconds), int(seconds % 1 * 1e9))

    def stop(self) -> None:
        """Not any more."""
        if self.due != _FAR:
            self.due = _FAR
            if self._timer is not None and self._pid == _getpid():
                self._arm(0, 0)

    def _arm(self, seconds: int, ns: int) -> None:
        setting = self._setting
        setting.in_s = seconds
        setting.in_ns = ns
        self._library.timer_settime(self._timer, 0, self._given, None)

    def _make(self) -> None:
        self._pid = _getpid()
        self._timer = None
        self._library = self._library or _library()
        if self._library is not None:
            event, timer = _Event(signal=self._signal), ctypes.c_void_p()
            if self._library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) == 0:
                self._timer = timer


__all__ = ["HardTimer"]
