"""Connections and queues of ``multiprocessing`` from before a world, and which object has the number of a real descriptor.

Owns the words about both. Does not refuse: see ``outsiders`` and ``descriptors``. Laws: no code of the program runs to find out; what a world has made has
numbers that no real descriptor has.
"""

from __future__ import annotations

import _io
import os
import stat
import sys
from _socket import socket as _real_socket
from types import FrameType
from typing import Any

from simsock.kernel import session
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.patching.holders import found
from simsock.stdlib._allowed import is_behind

_number_of: Any = _real_socket.fileno
_fileno: Any = _io.FileIO.fileno
_fstat = os.fstat
"""Taken now: a world replaces these."""
_STANDARD_MAX = 2
_FILE, _TEXT = _io.FileIO, _io.TextIOWrapper
_LAYERS = (_io.BufferedReader, _io.BufferedWriter, _io.BufferedRandom)

METHODS = (
    *(("multiprocessing.connection", "_ConnectionBase", name) for name in ("send", "send_bytes", "recv", "recv_bytes", "recv_bytes_into", "poll")),
    *(("multiprocessing.queues", "Queue", name) for name in ("put", "get", "empty", "full", "qsize")),
    *(("multiprocessing.queues", "JoinableQueue", name) for name in ("put", "task_done", "join")),
    *(("multiprocessing.queues", "SimpleQueue", name) for name in ("put", "get", "empty")),
)
"""(module, class, method) that would reach another process, or wait for one. To be closed is no harm."""


def of_channel(thing: Any) -> str:
    """What a connection or a queue is when it is no world's, in words; nothing when it is."""
    space = _space_of(thing)
    number = space.get("_handle") if "_handle" in space else _space_of(space.get("_reader")).get("_handle")
    if not isinstance(number, int) or not _STANDARD_MAX < number < FIRST_DESCRIPTOR or number in getattr(session.active, "files", ()):
        return ""
    status = _status(number)
    if status is None or not (stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode)) or is_behind(session.active, number):
        return ""
    return "" if _is_for_logging(space.get("_thread")) else repr(thing)


def _is_for_logging(feeder: Any) -> bool:
    """Whether a record is put into a queue that a thread outside empties: nobody waits for what becomes of it."""
    frame: FrameType | None = sys._getframe(3) if feeder is not None else None
    while frame is not None and frame.f_globals.get("__name__") == "multiprocessing.queues":
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") == "logging.handlers"


def who_has(fd: int) -> Any:
    """The socket or connection with this number; else a socket of which the number is a copy; else the file; None if nobody seems to keep one."""
    thing, _ = found(lambda other: _number(other) == fd)
    status = _status(fd)
    if thing is None and status is not None and stat.S_ISSOCK(status.st_mode):  # both ends of a pipe would be the same
        same = status.st_dev, status.st_ino
        thing, _ = found(lambda other: _is_of(other, same))
    if thing is None:
        thing, _ = found(lambda other: _number_of_file(other) == fd)
    return thing


def _is_of(thing: Any, same: tuple[int, int]) -> bool:
    number = _number(thing)
    status = None if number is None else _status(number)
    return status is not None and (status.st_dev, status.st_ino) == same


def _number(thing: Any) -> int | None:
    kind = type(thing)
    if issubclass(kind, _real_socket):
        number = _number_of(thing)
    elif issubclass(kind, _connection_class()):
        number = _space_of(thing).get("_handle")
    else:
        return None
    return number if isinstance(number, int) and 0 <= number < FIRST_DESCRIPTOR else None


def _number_of_file(thing: Any) -> int | None:
    """Of the classes in C alone; another one's ``raw`` may run code of the program's."""
    try:
        if type(thing) is _TEXT:
            thing = thing.buffer
        if type(thing) in _LAYERS:
            thing = thing.raw
        return int(_fileno(thing)) if type(thing) is _FILE else None
    except ValueError:  # closed, or detached
        return None


def _connection_class() -> Any:
    return getattr(sys.modules.get("multiprocessing.connection"), "_ConnectionBase", ())


def _space_of(thing: Any) -> dict[str, Any]:
    try:
        space = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return space if type(space) is dict else {}


def _status(fd: int) -> os.stat_result | None:
    try:
        return _fstat(fd)
    except OSError:
        return None


__all__ = ["METHODS", "of_channel", "who_has"]
