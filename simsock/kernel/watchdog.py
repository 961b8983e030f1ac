"""Breaking a run that blocks for real, or loops without a simulated call.

Owns one daemon OS thread per process and one signal. It is the only part of the kernel that reads a real clock, and it decides nothing
but that a run has lasted too long. Laws: the thread sleeps unless a world is guarded; the signal's former handler comes back with the
world's end; SIGALRM stays free for others.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from simsock.errors import RealTimeLimit
from simsock.kernel.places import place_text, program_frame

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

SIGNAL = signal.SIGUSR2
_LOOK_EVERY_S = 0.1
_IDLE_AFTER_S = 2.0

# Taken now: a world may replace them later.
_monotonic = time.monotonic
_allocate_lock = _thread.allocate_lock
_kill = getattr(signal, "pthread_kill", None)


class Watchdog:
    """Guards one world at a time."""

    def __init__(self) -> None:
        self._guarded: Kernel | None = None
        self._deadline = 0.0
        self._handles_signal = False
        self._former: Any = None
        self._bell = _allocate_lock()
        self._bell.acquire()
        self._asleep = False
        self._pid = 0

    def guard(self, kernel: Kernel) -> None:
        """A world begins in this OS thread."""
        if self._pid != os.getpid():
            self._pid = os.getpid()  # a forked child has no thread: start one
            self._asleep = False
            self._bell = _allocate_lock()
            self._bell.acquire()
            _thread.start_new_thread(self._watch, (self._bell,))
        self._handles_signal = _kill is not None and threading.current_thread() is threading.main_thread()
        if self._handles_signal:
            self._former = signal.signal(SIGNAL, self._on_signal)
        self._deadline = _monotonic() + kernel.limits.real_seconds
        self._guarded = kernel
        if self._asleep:
            self._asleep = False
            self._bell.release()

    def release(self) -> None:
        """The world is over."""
        self._guarded = None
        if self._handles_signal:
            signal.signal(SIGNAL, self._former if self._former is not None else signal.SIG_DFL)
            self._handles_signal = False

    def _watch(self, bell: Any) -> None:
        idle = 0.0
        while bell is self._bell:
            kernel = self._guarded
            if kernel is None:
                idle += _LOOK_EVERY_S
                if idle > _IDLE_AFTER_S:
                    idle = 0.0
                    self._asleep = True
                    bell.acquire()
                    continue
            elif _monotonic() >= self._deadline:
                idle = 0.0
                self._deadline = _monotonic() + max(1.0, kernel.limits.real_seconds / 10)
                self._break(kernel)
            time_sleep(_LOOK_EVERY_S)

    def _break(self, kernel: Kernel) -> None:
        if self._handles_signal and _kill is not None:
            _kill(kernel.thread, SIGNAL)
        else:
            # Off the main thread no signal handler runs; this breaks loops, and blocked calls once they return.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(kernel.thread), ctypes.py_object(RealTimeLimit))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        kernel = self._guarded
        if kernel is None:
            return
        place = place_text(program_frame(frame))
        trace = sys.gettrace()
        kernel.interrupted(kernel.real_time_error(place))
        if trace is not None:  # only reached when the interrupted task is resumed after all
            sys.settrace(trace)


time_sleep = time.sleep
watchdog = Watchdog()
"""The process's own."""
