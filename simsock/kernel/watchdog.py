"""Breaking a run that blocks for real, or loops without a simulated call; and Ctrl-C.

Owns one daemon OS thread per process, one signal of its own, and SIGINT while a session lasts if nobody else handles it. It is the only
part of the kernel that reads a real clock, and it decides nothing but that a run has lasted too long. Laws:

* the thread sleeps unless a world is guarded;
* former handlers come back with the session's end; SIGALRM stays free for others;
* what it raises is raised in the world's first task, wherever the others stand, and not while the kernel's own tables are half written;
* off the main thread there are no signals: an asynchronous exception breaks loops, and blocked calls once they return.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # no stubs: what the standard module wraps, without its enumerations
import _thread
import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from simsock.errors import RealTimeLimit, TaskKilled
from simsock.kernel.program_lines import INSIDE, is_library, place_text, program_frame, room_of

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

SIGNAL = signal.SIGUSR2
_LOOK_EVERY_S = 0.1
_IDLE_AFTER_S = 2.0

# Taken now: a world may replace them later.
_monotonic = time.monotonic
_allocate_lock = _thread.allocate_lock
_get_ident = _thread.get_ident
_kill = getattr(signal, "pthread_kill", None)
_set_handler, _get_handler, _default_int_handler = _signal.signal, _signal.getsignal, signal.default_int_handler


class Watchdog:
    """Guards one world at a time."""

    def __init__(self) -> None:
        self._guarded: Kernel | None = None
        self._resting: Kernel | None = None
        """The one that is guarded when it goes on."""
        self._deadline = self._paused = 0.0
        self._former: dict[int, Any] = {}
        self._bell = _allocate_lock()
        self._bell.acquire()
        self._asleep = False
        self._pid = 0

    def start(self) -> None:
        """A session begins in this OS thread."""
        if _kill is None or _get_ident() != threading.main_thread().ident or self._former:
            return
        self._former[SIGNAL] = _set_handler(SIGNAL, self._on_signal)
        if _get_handler(signal.SIGINT) is _default_int_handler:
            self._former[signal.SIGINT] = _set_handler(signal.SIGINT, self._on_interrupt)

    def stop(self) -> None:
        """The session is over."""
        if _get_ident() != threading.main_thread().ident:
            return
        for number, former in self._former.items():
            if _get_handler(number) in (self._on_signal, self._on_interrupt):
                _set_handler(number, former if former is not None else signal.SIG_DFL)
        self._former.clear()

    def guard(self, kernel: Kernel) -> None:
        """A world begins in this OS thread."""
        if self._pid != os.getpid():
            self._pid = os.getpid()  # a forked child has no thread: start one
            self._asleep = False
            self._bell = _allocate_lock()
            self._bell.acquire()
            _thread.start_new_thread(self._watch, (self._bell,))
        self._deadline = _monotonic() + kernel.limits.real_seconds
        self._look_at(kernel)

    def _look_at(self, kernel: Kernel) -> None:
        self._guarded = kernel
        if self._asleep:
            self._asleep = False
            try:
                self._bell.release()
            except RuntimeError:  # it was on its way to sleep, and looked once more
                pass

    def release(self) -> None:
        """The world is over."""
        self._guarded = self._resting = None

    def hold(self) -> None:
        """Somebody looks into the world with a debugger, and takes the time it takes."""
        self._deadline = float("inf")

    def let_go(self) -> None:
        """The debugger is left: all of the time counts anew."""
        kernel = self._guarded or self._resting  # pytest tells of the debugger in a hook, while the world is suspended
        if kernel is not None:
            self._deadline = _monotonic() + kernel.limits.real_seconds

    def pause(self) -> None:
        """The world is suspended, and its limit with it."""
        self._paused = _monotonic()
        self._resting, self._guarded = self._guarded, None

    def go_on(self, kernel: Kernel) -> None:
        """The world is resumed."""
        self._deadline += _monotonic() - self._paused
        self._resting = None
        self._look_at(kernel)

    # -- the thread ------------------------------------------------------------------------------------------------------------------

    def _watch(self, bell: Any) -> None:
        idle = 0.0
        fate: BaseException | None = None
        while bell is self._bell:
            kernel = self._guarded
            if kernel is None:
                fate = None
                idle += _LOOK_EVERY_S
                if idle > _IDLE_AFTER_S:
                    idle = 0.0
                    self._asleep = True
                    if self._guarded is None:
                        bell.acquire()
                    continue
            elif _monotonic() >= self._deadline:
                idle = 0.0
                self._deadline = _monotonic() + min(max(_LOOK_EVERY_S, kernel.limits.real_seconds / 10), 1.0)
                self._break(kernel)
            elif fate is not None and kernel.pending_signal is fate and not kernel.ending:
                self._break(kernel)  # it was to be raised at the next point, and there was none since
            else:
                fate = kernel.pending_signal
            kernel = None
            time_sleep(_LOOK_EVERY_S)

    def _break(self, kernel: Kernel) -> None:
        if SIGNAL in self._former and _kill is not None:
            _kill(kernel.thread, SIGNAL)
            return
        frame = sys._current_frames().get(kernel.thread)
        inside = _is_inside(kernel, frame)
        if kernel.ending:
            if not inside:
                _raise_in(kernel.thread, TaskKilled)
            return
        error = _overdue(kernel, place_text(program_frame(frame)))
        if inside and kernel.pending_signal is None:
            kernel.pending_signal = error()  # type: ignore[call-arg]  # see Overdue
            kernel.alarm = 0
        else:
            kernel.pending_signal = None
            _raise_in(kernel.thread, error)

    # -- the signals, in the world's thread ------------------------------------------------------------------------------------------

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        kernel = self._guarded
        if kernel is None:
            return
        error = kernel.pending_signal if kernel.pending_signal is not None else kernel.real_time_error(place_text(program_frame(frame)))
        self._interrupt(kernel, error, frame)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        kernel = self._guarded
        if kernel is None:
            _default_int_handler(number, frame)
        self._interrupt(kernel, KeyboardInterrupt(), frame)

    def _interrupt(self, kernel: Any, error: BaseException, frame: FrameType | None) -> None:
        trace = sys.gettrace()
        kernel.interrupted(error, _is_inside(kernel, frame))
        if trace is not None and sys.gettrace() is None:
            sys.settrace(trace)


def _is_inside(kernel: Kernel, frame: FrameType | None) -> bool:
    """Whether a frame belongs to the kernel, the net or a stand-in, or to what one of these called: a library function, a strategy, a watcher."""
    if kernel.atomic:
        return True
    while frame is not None:
        room = room_of(frame)
        if room:
            return room == INSIDE and frame.f_code.co_name != "_body"  # where tasks begin: nothing of the kernel is open there
        if not is_library(frame.f_code.co_filename):
            return False
        frame = frame.f_back
    return False


def _raise_in(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def _overdue(kernel: Kernel, place: str) -> type[RealTimeLimit]:
    """The error as a class that needs no arguments: an asynchronous exception is given as a class."""
    limit = kernel.limits.real_seconds
    text = f"the run took longer than max_real_time ({limit:g} s of real time); task {kernel.current.path} at {place}"

    class Overdue(RealTimeLimit):
        def __init__(self) -> None:
            super().__init__(text, limit="max_real_time", place=place)

        def __reduce__(self) -> tuple[Any, ...]:
            return RealTimeLimit(text, **self.facts).__reduce__()

    Overdue.__name__ = Overdue.__qualname__ = "RealTimeLimit"
    Overdue.__module__ = RealTimeLimit.__module__
    return Overdue


time_sleep = time.sleep
watchdog = Watchdog()
"""The process's own."""
