"""What time a world tells of real files: when its tasks wrote them, by its own clock.

Owns the stamps of the files that a world's tasks have made, written and touched, and what is told of all others. Does not know how a file is written, nor
what ``os.stat`` looks like. Laws, by device and inode:

* a real stamp that a call of the world has set is told as the moment of that call, by the clock of the host of the task; one that a program asked for by
  ``os.utime`` is told as it asked;
* what has changed since the world began in a way that nobody saw (C code that writes by itself, another process) is told as the moment of the first look;
* what has not changed is as old when the world begins as it is when the first world of the process does, or just as old as the world: one distance for the
  whole process, so that its worlds tell the same;
* reading is not looked at: a file was last read before the world or as it began, or when the world made it, or when a program says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from simsock.kernel.originals import hidden

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

    Stamps = tuple[int, int, int]
    """When it was read, written and changed, in nanoseconds since 1970."""

READ, WRITTEN, CHANGED = range(3)
_real_ns: Callable[[], int] = hidden(time, "time_ns")


class _Process:
    """What is kept for all worlds of this process."""

    first_ns: int | None = None


def first_begin() -> int:
    """When the first world of this process began, or begins now, for the system."""
    if _Process.first_ns is None:
        _Process.first_ns = _real_ns()
    return _Process.first_ns


def follow(first_ns: int) -> None:
    """Tell of files what another process tells, which has begun a search that this one takes part in."""
    if _Process.first_ns is None:
        _Process.first_ns = first_ns


class FileTimes:
    """Those of one world: ``kernel.room(FileTimes)``, made when the world begins."""

    __slots__ = ("_began_ns", "_first_ns", "_known")

    def __init__(self) -> None:
        self._began_ns = _real_ns()
        """Stamps lag behind this clock by up to a tick of the system's (some milliseconds): what changes unseen in a world's first one is told as the begin."""
        self._first_ns = first_begin()
        self._known: dict[tuple[int, int, int], tuple[int | None, int]] = {}
        """By device, inode and stamp: what it really is (None: whatever it is), and what is told of it."""

    def note(self, kernel: Kernel, device: int, inode: int, stamps: Stamps, *which: int) -> None:
        """A call of the world has just set these of a file's stamps to what they are."""
        now = _now_ns(kernel)
        for stamp in which:
            self._known[device, inode, stamp] = None if stamp == READ else stamps[stamp], now

    def note_as_set(self, kernel: Kernel, device: int, inode: int, stamps: Stamps) -> None:
        """The program has asked for the times of reading and writing."""
        for stamp in (READ, WRITTEN):
            self._known[device, inode, stamp] = None if stamp == READ else stamps[stamp], stamps[stamp]
        self.note(kernel, device, inode, stamps, CHANGED)

    def tell(self, kernel: Kernel, device: int, inode: int, stamps: Stamps) -> Stamps:
        """What the stamps of a file are in this world."""
        changed = stamps[CHANGED] > self._began_ns
        epoch_ns = kernel.epoch_ns
        told = []
        for stamp, real in enumerate(stamps):
            known = self._known.get((device, inode, stamp))
            if known is not None and known[0] in (real, None):
                told.append(known[1])
            elif stamp == READ:
                told.append(min(self._moved(real, epoch_ns), epoch_ns))
            elif changed and real > self._began_ns:
                now = _now_ns(kernel)
                self._known[device, inode, stamp] = real, now
                told.append(now)
            else:
                told.append(self._moved(real, epoch_ns))
        return told[READ], told[WRITTEN], told[CHANGED]

    def _moved(self, real: int, epoch_ns: int) -> int:
        if real <= self._first_ns:
            return real - self._first_ns + epoch_ns
        return max(real - self._began_ns, 0) + epoch_ns


def _now_ns(kernel: Kernel) -> int:
    host = kernel.current.host
    return kernel.epoch_ns + kernel.now + (host.skew_ns if host is not None else 0)


__all__ = ["CHANGED", "READ", "WRITTEN", "FileTimes", "first_begin", "follow"]
