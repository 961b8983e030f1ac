"""Breaking a run that blocks for real, or loops without a simulated call; and Ctrl-C.

Owns one daemon OS thread per process, one signal and one timer of its own, and SIGINT while a session lasts if nobody else handles it. It is the
only part of the kernel that reads a real clock, and it decides nothing but that a run has lasted too long. Laws:

* the thread sleeps unless a world is guarded; the timer rings where code in C does not let the thread run;
* former handlers come back with the session's end; SIGALRM stays free for others;
* what it raises is raised in the world's first task, wherever the others stand, and not while the kernel's own tables are half written;
* nothing is raised where a world begins or ends, by the handlers of others neither: it comes when that is done;
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
from contextlib import suppress
from operator import is_
from types import FrameType
from typing import TYPE_CHECKING, Any

from simsock.errors import RealTimeLimit, TaskKilled
from simsock.kernel.boundaries import BOUNDARY, INNER, PROGRAM, is_boundary, place_of_signal
from simsock.kernel.hard_timer import HardTimer
from simsock.kernel.interrupting import about_to_raise, interrupt, real_time_error
from simsock.kernel.originals import hidden
from simsock.kernel.program_lines import place_text, program_frame
from simsock.kernel.spinning import Spinning, program_frame_of

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

SIGNAL = getattr(signal, "SIGUSR2", signal.SIGTERM)
"""There is none on Windows, where worlds do not run and this module can be imported all the same."""
_LOOK_EVERY_S = 0.1
_IDLE_AFTER_S = 2.0
_LOOKS_MIN = 5
"""Looks without a step between them before a loop is looked into."""
_GRACE_S = 0.2
"""How long after its time the thread is given before the timer rings."""

# Taken now: a world may replace them later.
_monotonic = hidden(time, "monotonic")
_allocate_lock = _thread.allocate_lock
_get_ident = _thread.get_ident
_getpid = os.getpid
_thread_count = _thread._count
_kill = getattr(signal, "pthread_kill", None)
_block, _every_signal = getattr(signal, "pthread_sigmask", None), signal.valid_signals
_SIGINT = int(signal.SIGINT)
_STRIKES = tuple(int(getattr(signal, name)) for name in ("SIGALRM", "SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGVTALRM", "SIGPROF") if hasattr(signal, name))
"""Whose handlers may raise something anywhere. (Others are left alone: a look at each costs time in every world.)"""
_FAR = float("inf")
_set_handler, _get_handler, _default_int_handler = _signal.signal, _signal.getsignal, signal.default_int_handler


class Watchdog:
    """Guards one world at a time."""

    def __init__(self) -> None:
        self._guarded: Kernel | None = None
        self._resting: Kernel | None = None
        """The one that is guarded when it goes on."""
        self._deadline = self._paused = 0.0
        self._main = 0
        """The main thread, while it has the signals."""
        self._former: dict[int, Any] = {}
        self._users: list[Any] = []
        """The sessions under way in the main thread."""
        self._foreign: dict[int, _Foreign] = {}
        """Handlers of others that are kept from striking where a world begins or ends, by the number of their signal."""
        self._harmless: list[Any] = []
        """The handlers that were there when none had to be kept from it, in the order of ``_STRIKES``; empty: nobody knows."""
        self._late: list[int] = []
        """Signals that came where nothing may be raised."""
        self._timer = HardTimer(SIGNAL)
        self._called = False
        """The thread has sent the signal, and not the timer."""
        self._bell = _allocate_lock()
        self._bell.acquire()
        self._asleep = False
        self._pid = 0
        self._steps, self._looks = (-1, -1), 0
        """What the world had done at the last look, and at how many looks it was no more than that."""
        self._spinning = Spinning()

    def start(self, session: Any) -> None:
        """A session begins in this OS thread. To be called again if it is interrupted."""
        if _kill is None or _get_ident() != threading.main_thread().ident:
            return
        self._main = _get_ident()
        self._harmless = []
        if session not in self._users:
            self._users.append(session)
        for number, handler in ((SIGNAL, self._on_signal), (_SIGINT, self._on_interrupt)):
            former = _get_handler(number)
            if number not in self._former and (number == SIGNAL or former is _default_int_handler):
                self._former[number] = former
                _set_handler(number, handler)

    def stop(self, session: Any) -> None:
        """The session is over. To be called again if it is interrupted."""
        if session not in self._users:
            return
        self._harmless = []
        if len(self._users) == 1:
            self._timer.stop()
            for number, former in list(self._former.items()):
                if _get_handler(number) in (self._on_signal, self._on_interrupt):
                    _set_handler(number, former if former is not None else signal.SIG_DFL)
                del self._former[number]
        self._users.remove(session)

    def guard(self, kernel: Kernel) -> None:
        """A world begins in this OS thread."""
        new = self._pid != _getpid()
        if new:
            self._pid = _getpid()  # a forked child has no thread: start one
            self._asleep = False
            self._bell = _allocate_lock()
            self._bell.acquire()
            _thread.start_new_thread(self._watch, (self._bell,))
        self._deadline = due = _monotonic() + kernel.limits.real_seconds
        if SIGNAL in self._former and kernel.thread == self._main:
            # Seven looks in one go: each world begins with them. By identity, whatever a program's handler has for ==.
            if not (self._harmless and all(map(is_, map(_get_handler, _STRIKES), self._harmless))):
                self._shelter()
            if due + _GRACE_S < self._timer.due:  # else it rings early, and is set anew then
                self._set_timer()
        self._guarded = kernel
        if self._asleep:
            self._look_at(kernel)

    def _has_signals(self, kernel: Kernel) -> bool:
        return SIGNAL in self._former and kernel.thread == self._main

    def _set_timer(self) -> None:
        self._timer.set(_monotonic(), self._deadline + _GRACE_S)

    def _look_at(self, kernel: Kernel) -> None:
        self._guarded = kernel
        if self._asleep:
            self._asleep = False
            try:
                self._bell.release()
            except RuntimeError:  # it was on its way to sleep, and looked once more
                pass

    def _shelter(self) -> None:
        """Keep handlers that are there before the world from striking where it begins or ends."""
        found = [_get_handler(number) for number in _STRIKES]
        for number, theirs in zip(_STRIKES, found, strict=True):
            if type(theirs) is int or theirs is None or theirs is _default_int_handler:  # as most are
                continue
            if callable(theirs) and number not in self._former:
                foreign = self._foreign[number] = _Foreign(self, theirs)
                _set_handler(number, foreign)
        self._harmless = [] if self._foreign else found

    def _unshelter(self) -> None:
        while self._foreign:
            number = next(iter(self._foreign))
            foreign = self._foreign[number]
            if _get_handler(number) is foreign:
                _set_handler(number, foreign.theirs)
            self._foreign.pop(number, None)

    def release(self) -> None:
        """The world is over. To be called again if it is interrupted."""
        if self._foreign:
            self._unshelter()
        self._guarded = self._resting = None

    def deliver(self) -> None:
        """Where a world has begun or ended: what came meanwhile strikes now."""
        while self._late:
            try:
                number = self._late.pop(0)
            except IndexError:  # the thread has taken it, and sends it again
                return
            handler = _get_handler(number)
            if handler == self._on_interrupt:
                handler = _default_int_handler
            elif type(handler) is _Foreign:  # which would only put it off again
                handler = handler.theirs
            if callable(handler):
                frame: FrameType | None = sys._getframe(1)
                while frame is not None and is_boundary(frame.f_code):
                    frame = frame.f_back
                handler(number, frame)

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
        if _block is not None:
            _block(signal.SIG_BLOCK, _every_signal())  # one that the program waits for with sigwait() is not to come here, where nobody does
        idle = 0.0
        fate: BaseException | None = None
        late: list[int] = []
        while bell is self._bell:
            kernel = self._guarded
            if self._late and late == self._late and not self._is_at_boundary():  # that is over, and it has not struck: a moment too late to be looked for
                late = []
                with suppress(IndexError):
                    _kill_soon(self._late.pop(0))
            else:
                late = list(self._late)
            if kernel is not None and self._has_signals(kernel):
                self._set_timer()
                if self._guarded is not kernel:  # it has ended meanwhile, and its signal may be anybody's again
                    self._timer.stop()
            if kernel is None:
                fate = None
                idle += _LOOK_EVERY_S
                if idle > _IDLE_AFTER_S and not self._late:
                    idle = 0.0
                    self._asleep = True
                    if self._guarded is None:
                        bell.acquire()
                    continue
            elif _monotonic() >= self._deadline:
                idle = 0.0
                self._deadline = _monotonic() + _patience(kernel)
                self._break(kernel)
            elif fate is not None and kernel.pending_signal is fate and not kernel.ending:
                self._break(kernel)  # it was to be raised at the next point, and there was none since
            else:
                fate = kernel.pending_signal
                if fate is None and self._spins(kernel):
                    self._deadline = _monotonic()  # it would go on like this until then
            kernel = None
            _pause(True, _LOOK_EVERY_S)

    def _is_at_boundary(self) -> bool:
        """Whether a world is being entered or left in the main thread."""
        return place_of_signal(sys._current_frames().get(self._main)) == BOUNDARY

    def _spins(self, kernel: Kernel) -> bool:
        """Whether the world's thread goes round in a loop that only looks. With other OS threads about, one of them may change what it looks at."""
        steps = kernel.steps, kernel.switches
        if steps != self._steps or kernel.ending or _thread_count() > 1:
            self._steps, self._looks = steps, 0
            return False
        self._looks += 1
        frame = program_frame_of(sys._current_frames().get(kernel.thread))
        return self._looks >= _LOOKS_MIN and self._spinning.stays(frame, steps)

    def _break(self, kernel: Kernel) -> None:
        if self._has_signals(kernel) and _kill is not None:
            if self._guarded is not kernel:
                return
            self._called = True
            _kill(kernel.thread, SIGNAL)
            return
        frame = sys._current_frames().get(kernel.thread)
        place = place_of_signal(frame, kernel.atomic)
        if kernel.ending:
            if place == PROGRAM:
                _raise_in(kernel.thread, TaskKilled)
            return
        error = _overdue(kernel, place_text(program_frame(frame)))
        if place == BOUNDARY or (place == INNER and kernel.pending_signal is None):
            kernel.pending_signal = error()  # type: ignore[call-arg]  # see Overdue
            kernel.alarm = 0
        else:
            kernel.pending_signal = None
            kernel.struck = True
            _raise_in(kernel.thread, error)

    # -- the signals, in the world's thread ------------------------------------------------------------------------------------------

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        kernel = self._guarded
        called, self._called = self._called, False
        if not called:
            self._timer.due = _FAR
        if kernel is None:
            return
        if not called:
            now = _monotonic()
            if now >= self._deadline:
                called = True
                self._deadline = now + _patience(kernel)
            self._set_timer()
            if not called:  # it was set for a world before this one
                return
        error = kernel.pending_signal if kernel.pending_signal is not None else real_time_error(kernel, frame)
        self._interrupt(kernel, error, frame)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        kernel = self._guarded
        if kernel is not None:
            self._interrupt(kernel, KeyboardInterrupt(), frame)
        elif place_of_signal(frame) == BOUNDARY:
            self._late.append(number)
        else:
            _default_int_handler(number, frame)

    def _interrupt(self, kernel: Any, error: BaseException, frame: FrameType | None, place: int | None = None) -> None:
        trace = sys.gettrace()
        interrupt(kernel, error, place_of_signal(frame, kernel.atomic) if place is None else place, frame)
        if trace is not None and sys.gettrace() is None:
            sys.settrace(trace)

    def disposition(self, number: int) -> Any:
        """What handles a real signal, as whoever set it knows it: without what simsock has put before it for worlds."""
        handler = _get_handler(number)
        if number in self._former and handler in (self._on_signal, self._on_interrupt):
            handler = self._former[number]
        return handler.theirs if type(handler) is _Foreign else handler

    def strike(self, foreign: _Foreign, number: int, frame: FrameType | None) -> None:
        """A signal that somebody else handles."""
        place = place_of_signal(frame, self._guarded.atomic if self._guarded is not None else 0)
        if place == BOUNDARY:
            self._late.append(number)
            return
        try:
            foreign.theirs(number, frame)
        except BaseException as error:
            kernel = self._guarded
            if kernel is None or kernel.ending:
                raise
            if place == INNER:
                self._interrupt(kernel, error, frame, INNER)
            else:
                about_to_raise(kernel, error, frame)
                raise


class _Foreign:
    """Stands before somebody else's handler while a world lasts."""

    __slots__ = ("_watchdog", "theirs")

    def __init__(self, watchdog: Watchdog, theirs: Any) -> None:
        self._watchdog = watchdog
        self.theirs = theirs

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._watchdog.strike(self, number, frame)


def _patience(kernel: Kernel) -> float:
    """How long until what is overdue is told again."""
    return min(max(_LOOK_EVERY_S, kernel.limits.real_seconds / 10), 1.0)


def _kill_soon(number: int) -> None:
    """Send a signal to the main thread, from another one."""
    main = threading.main_thread().ident
    if _kill is not None and main is not None:
        _kill(main, number)


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


_pause = _allocate_lock().acquire
"""Sleeps, as ``time.sleep`` does; but references to that are counted, and this thread would hold one now and then."""
_pause()
watchdog = Watchdog()
"""The process's own."""
