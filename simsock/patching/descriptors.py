"""Pipes and other files of the system's from before a world that one may have to wait for.

Owns who is refused: a task that reads or writes a real pipe, socket or counter by ``os.read`` and its kin, or through a file object. Does not know those
calls. Laws: regular files, directories and devices stay what they are; so do standard input, output and error, whatever stands behind them, under any
number, also those that the harness has put away to capture them; the harness goes on with its own.
"""

from __future__ import annotations

import os
import stat
import sys
from types import FrameType, ModuleType
from typing import Any

from simsock import harness
from simsock.harness import is_harness
from simsock.kernel import Kernel, session
from simsock.patching.channels import who_has
from simsock.patching.fence import IT_IS_REAL, refuse_outsider
from simsock.patching.module_names import space_of
from simsock.stdlib._allowed import is_behind
from simsock.stdlib._makers import made_by
from simsock.stdlib._room import Room

_fstat = os.fstat
"""Taken now: a world replaces the name."""
_STANDARD = (0, 1, 2)


def enter(kernel: Kernel) -> None:
    """A world begins."""
    room = kernel.room(Room)
    room.ask_real, room.ask_waited = ask, refuse_wait


def ask(call: str, fd: Any) -> None:
    """A task is about to read or write a real descriptor."""
    if not isinstance(fd, int) or fd in _STANDARD or is_behind(session.active, fd):
        return
    status = _status(fd)
    kind = "" if status is None else _kind(status.st_mode)
    if status is None or not kind or (status.st_dev, status.st_ino) in harness.streams | _standard_streams() or _is_for_harness():
        return
    thing = _who_has(fd)
    if thing is None:
        refuse_outsider(call, f"descriptor {fd}, {kind}", _named(fd))
    refuse_outsider(call, f"descriptor {fd}, {kind}, that of {thing!r}", made_by(thing), thing)


def refuse_wait(call: str, fd: int, kind: str) -> None:
    """A task wants to wait for a real socket or pipe. (One that ``allow=`` lets through is another matter, and none to wait for either.)"""
    if is_behind(session.active, fd):
        return
    thing = _who_has(fd)
    why = f"{IT_IS_REAL}: nothing inside a world can wait for it"
    if thing is None:
        refuse_outsider(call, f"descriptor {fd}, a real {kind}", _named(fd), why=why)
    refuse_outsider(call, repr(thing), made_by(thing), thing, why)


class _Sought:
    """Whose descriptors are, as a world has found it, by their numbers: ``kernel.room(_Sought)``."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: dict[int, Any] = {}


def _who_has(fd: int) -> Any:
    """Looked for once in a world, which may be refused again and again."""
    kernel = session.active
    known = {} if kernel is None else kernel.room(_Sought).found
    if fd not in known:
        known[fd] = who_has(fd)
    return known[fd]


def _is_for_harness() -> bool:
    """Whether who asks, be it by way of the standard library, is the harness: a worker of xdist's reports over a pipe, also while a fixture's world is live."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if not (name.startswith("simsock.") or name.partition(".")[0] in sys.stdlib_module_names):
            return is_harness(name)
        frame = frame.f_back
    return False


def _status(fd: int) -> os.stat_result | None:
    try:
        return _fstat(fd)
    except OSError:
        return None


def _kind(mode: int) -> str:
    """What one may have to wait for; nothing in words if this is none of it."""
    return "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "" if stat.S_IFMT(mode) else "a counter or the like"


def _standard_streams() -> set[tuple[int, int]]:
    return {(status.st_dev, status.st_ino) for status in map(_status, _STANDARD) if status is not None}


def _named(fd: int) -> str:
    """The names in modules of the program that stand for this number: one of them may be where it was made."""
    found = [
        f"{name}.{key}"
        for name, module in sorted(sys.modules.items())
        if issubclass(type(module), ModuleType) and name.partition(".")[0] not in sys.stdlib_module_names and not is_harness(name)
        for key, value in list(space_of(module).items())
        if type(value) is int and value == fd and not key.startswith("__")
    ]
    return f" (the number that {' and '.join(found)} has)" if 0 < len(found) <= 2 else ""  # of more, nearly all are other numbers


harness.streams |= _standard_streams()

__all__ = ["ask", "enter"]
