"""A check for simsock's own tests: nothing of simsock runs on the world's clock, locks, chance or scheduler.

Owns the look at who makes a simulated call. Off unless somebody begins it, and then nothing else changes. Laws:

* rooms that act as a program (a server, a client) make simulated calls as any program does; who they are, the one who begins it says;
* what a finalizer does is done by the object that goes, whoever dropped it last or collected it;
* what stand-ins, the patched state and the kernel do among themselves is theirs;
* what is found is noted, never raised: a program could swallow it, and a run is the same with the check and without.
"""

from __future__ import annotations

import sys
from types import FrameType

from simsock.kernel.core import Kernel
from simsock.kernel.program_lines import is_library, is_simsock

_BELOW = ("simsock.stdlib", "simsock.patching", "simsock.kernel", "simsock.net", "simsock.processes")
"""Rooms that simulated calls are made of."""
_STANDINS = ("simsock.stdlib", "simsock.patching")
_point, _step = Kernel.point, Kernel.step
_as_program: tuple[str, ...] = ()
_COLLECTING = (Kernel.collect.__code__, Kernel.collect_last.__code__)
"""Functions under which finalizers run that are no functions called ``__del__``."""
noted: list[str] = []
"""Simulated calls that code of simsock made, as sentences; whoever reads them empties the list."""


def begin(as_program: tuple[str, ...]) -> None:
    """From now on, note simulated calls from frames of simsock, but for the packages, modules, classes and functions ``as_program``."""
    global _as_program
    _as_program = as_program
    Kernel.point = _checked_point  # type: ignore[method-assign]  # taken back in end
    Kernel.step = _checked_step  # type: ignore[method-assign]  # likewise


def end() -> None:
    """No more."""
    Kernel.point = _point  # type: ignore[method-assign]  # what it was
    Kernel.step = _step  # type: ignore[method-assign]  # likewise


def _checked_point(self: Kernel) -> None:
    _look(sys._getframe(1))
    _point(self)


def _checked_step(self: Kernel) -> None:
    _look(sys._getframe(1))
    _step(self)


def _look(frame: FrameType | None) -> None:
    """Whose call is it that ``frame`` belongs to?"""
    standin = ""
    while frame is not None:
        filename = frame.f_code.co_filename
        if frame.f_code in _COLLECTING or (frame.f_code.co_name == "__del__" and not is_simsock(filename)):
            return
        if is_simsock(filename):
            name = str(frame.f_globals.get("__name__"))
            if _is_of(name, _STANDINS):
                standin = frame.f_code.co_qualname
            elif not _is_of(name, _BELOW):
                if standin and not _is_of(f"{name}.{frame.f_code.co_qualname}", _as_program):
                    noted.append(f"{name}, line {frame.f_lineno} in {frame.f_code.co_qualname}: makes a simulated call, {standin}")
                return
        elif not is_library(filename) or frame.f_code.co_name == "__del__":
            return  # a program's object that dies is the program's, wherever it does
        frame = frame.f_back


def _is_of(name: str, rooms: tuple[str, ...]) -> bool:
    return name.startswith(rooms) and any(name == room or name.startswith(room + ".") for room in rooms)
