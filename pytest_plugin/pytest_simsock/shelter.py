"""No timeout strikes in the middle of pytest's own work while a test's schedules are searched.

Owns when SIGALRM, by which pytest-timeout strikes, comes through. Most of a search is spent in pytest: an exception raised there, out of the
blue, leaves pytest's tables half written and fails the tests that follow. So a strike comes through in the user's own code (the test
function, a fixture's function or finalizer, the end of the world) and otherwise waits for the moment between two runs. Laws:

* the signal is touched only while a search is on and somebody handles it; then it is theirs again;
* a strike is not lost while the search goes on.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ALARM = getattr(signal, "SIGALRM", None)
_set_timer: Any = getattr(signal, "setitimer", None)
"""Taken now: in a world, programs get the world's."""
_SOON_S, _NOT_SO_SOON_S = 0.001, 0.05


class _Shelter:
    """The process's own; signals are handled in one thread."""

    def __init__(self) -> None:
        self.theirs: Any = None
        """The handler that strikes, while a search is on."""
        self.exposed = 0
        """How many pieces of user code are being run, inside each other."""
        self.struck = False
        """Whether a strike waits."""
        self.came = False
        """Whether one came through, and may have been swallowed."""

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        if self.exposed <= 0:
            self.struck = True
        elif frame is not None and frame.f_lineno is None:
            # Between two lines, where CPython has some instructions of its own: pytest cannot show a traceback that ends there.
            self.struck = True
            _set_timer(signal.ITIMER_REAL, _SOON_S)
        else:
            self.struck, self.came = False, True
            self.theirs(number, frame)


_shelter = _Shelter()


@contextmanager
def sheltered() -> Iterator[None]:
    """A search: strikes wait. One that still waits at the end is dropped, the test being over."""
    theirs = signal.getsignal(_ALARM) if _ALARM is not None else None
    if _ALARM is None or not callable(theirs) or _shelter.theirs is not None:
        yield
        return
    try:
        signal.signal(_ALARM, _shelter.on_signal)
    except ValueError:  # not the main thread: no signal is handled here
        yield
        return
    _shelter.theirs, _shelter.exposed, _shelter.struck, _shelter.came = theirs, 0, False, False
    try:
        yield
    finally:
        if signal.getsignal(_ALARM) == _shelter.on_signal:
            signal.signal(_ALARM, theirs)
        if _shelter.struck or _shelter.came:
            signal.setitimer(signal.ITIMER_REAL, 0)
        _shelter.theirs = None


def is_active() -> bool:
    """Whether strikes wait at present."""
    return _shelter.theirs is not None


def strike() -> None:
    """Between two runs: raise what has waited."""
    if _shelter.struck and _shelter.theirs is not None:
        _shelter.struck = False
        _shelter.theirs(_ALARM, None)


def enter() -> None:
    """A piece of user code begins. If a strike waits already it comes soon, should this be what never ends."""
    _shelter.exposed += 1
    if _shelter.struck and _shelter.theirs is not None:
        signal.setitimer(signal.ITIMER_REAL, _NOT_SO_SOON_S)


def leave() -> None:
    """It is over."""
    _shelter.exposed -= 1


def was_swallowed() -> None:
    """A run has ended without being timed out: if a strike came, a finalizer swallowed it, where Python ignores exceptions; it comes again."""
    if _shelter.came:
        _shelter.came = False
        _shelter.struck = True


@contextmanager
def exposed() -> Iterator[None]:
    """A piece of user code."""
    __tracebackhide__ = True
    enter()
    try:
        yield
    finally:
        leave()


def exposing(finalizer: Callable[[], object]) -> Callable[[], object]:
    """A finalizer that is a piece of user code."""

    def finalize() -> None:
        __tracebackhide__ = True
        with exposed():
            finalizer()

    return finalize
