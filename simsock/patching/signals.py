"""Signals in a world: who may set a handler.

Owns ``_signal``'s functions that depend on the thread. Laws: only the world's first task counts as the main thread, and only if the world was
entered there; a descriptor to wake up is one of the world's and never reaches the process; handlers and timers that are set in a world end with it;
waiting for a signal is not simulated.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.failures import bad_descriptor
from simsock.kernel.watchdog import bare
from simsock.patching.room import Room

_signal: Any = import_module("_signal")
_WAITS = "pause sigwait sigwaitinfo sigtimedwait".split()


def _in_first_task(what: str) -> Any:
    kernel = session.kernel()
    if kernel.current is not kernel.first:
        raise ValueError(what)
    return kernel


def _set_handler(signalnum: int, handler: Any, /) -> Any:
    kernel = _in_first_task("signal only works in main thread of the main interpreter")
    before = _signal_getsignal(signalnum)
    former = _signal_signal(signalnum, handler)
    kernel.room(Room).handlers_before.setdefault(int(signalnum), before)
    return bare(former)


def _get_handler(signalnum: int, /) -> Any:
    return bare(_signal_getsignal(signalnum))


def _set_timer(which: int, seconds: float, interval: float = 0.0, /) -> Any:
    _note_timer(which)
    return _signal_setitimer(which, seconds, interval)


def _alarm(seconds: int, /) -> Any:
    _note_timer(_signal.ITIMER_REAL)
    return _signal_alarm(seconds)


def _note_timer(which: int) -> None:
    session.kernel().room(Room).timers_before.setdefault(which, (*_signal.getitimer(which), _monotonic()))


def leave(kernel: Any) -> None:
    """The world is over: its handlers and timers go with it, and what was there before comes back. Safe to call again."""
    room = kernel.room(Room)
    for which, (rest, interval, since) in room.timers_before.items():
        _signal_setitimer(which, max(rest - (_monotonic() - since), _SOON_S) if rest else 0, interval)
    for number, former in room.handlers_before.items():
        _signal_signal(number, former if former is not None else _signal.SIG_DFL)
    room.timers_before, room.handlers_before = {}, {}


def _set_wakeup_fd(fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
    kernel = _in_first_task("set_wakeup_fd only works in main thread of the main interpreter")
    if fd != -1 and fd not in kernel.files:
        raise bad_descriptor()
    room = kernel.room(Room)
    before, room.wakeup_fd = room.wakeup_fd, fd
    return int(before)


def _no_wait(name: str) -> Any:
    def wait(*args: Any) -> Any:
        raise Unsupported(f"signal.{name} in a world would wait for a real signal: it is not simulated")

    return wait


_signal_signal: Any = _signal.signal
_signal_getsignal: Any = _signal.getsignal
_signal_setitimer: Any = _signal.setitimer
_signal_alarm: Any = _signal.alarm
_monotonic = time.monotonic
_SOON_S = 1e-6
"""A timer from before that would have rung meanwhile rings now."""


def pairs() -> list[tuple[Any, Any]]:
    """Originals and what stands in for them."""
    found = [
        (_signal.signal, _set_handler),
        (_signal.getsignal, _get_handler),
        (_signal.setitimer, _set_timer),
        (_signal.alarm, _alarm),
        (_signal.set_wakeup_fd, _set_wakeup_fd),
    ]
    return found + [(getattr(_signal, name), _no_wait(name)) for name in _WAITS if hasattr(_signal, name)]
