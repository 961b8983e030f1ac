"""Where in the program something stands.

Owns the choice of the one frame worth showing: the innermost that belongs neither to simsock nor to the standard library, else the
innermost outside simsock; and what the rooms of simsock say of themselves. Knows nothing of tasks. Law: a room is known by what its package (or
a module in it) says in ``SIMSOCK_ROOM``, never by where its files lie.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PLUGIN = os.sep + "pytest_simsock" + os.sep
_VERSIONED = os.path.join(sys.platlibdir, f"python{sys.version_info[0]}.{sys.version_info[1]}")
_STDLIB = tuple(
    {
        os.path.abspath(folder) + os.sep
        for folder in (os.path.dirname(os.__file__), *(os.path.join(base, _VERSIONED) for base in (sys.base_prefix, sys.exec_prefix)))
    }
)
"""What ``sysconfig`` calls ``stdlib`` and ``platstdlib``, without its table of how Python was built."""
_INSTALLED = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)


def is_simsock(filename: str) -> bool:
    """Whether a file is part of this package or its plugin."""
    return filename.startswith(PACKAGE) or _PLUGIN in filename


def is_library(filename: str) -> bool:
    """Whether a file is the standard library's or an installed package's."""
    return filename.startswith("<") or filename.startswith(_STDLIB) or any(part in filename for part in _INSTALLED)


INSIDE, FACE, OUTSIDE, BOTTOM = "inside", "face", "outside", "bottom"
"""What ``SIMSOCK_ROOM`` may say: of code in which nothing may be raised out of the blue, since tables would be half written, or a lock taken that
nobody knows of; of code that may be interrupted and whose functions are simulated calls to whoever reads a story; of code that is neither; of
code that runs a test in a world: nothing below it is the world's."""
_rooms: dict[str, str] = {}


def room_of(frame: FrameType) -> str:
    """What the room that a frame's code belongs to says of itself; empty for code that is not simsock's."""
    name = frame.f_globals.get("__name__") or ""
    room = _rooms.get(name)
    if room is None:
        room = ""
        if is_simsock(frame.f_code.co_filename):
            part = name
            while part and not (room := vars(sys.modules[part]).get("SIMSOCK_ROOM", "") if part in sys.modules else ""):
                part = part.rpartition(".")[0]
            room = room or OUTSIDE
        _rooms[name] = room
    return room


_CALLED = frozenset(("threading", "queue", "socket", "selectors", "socketserver", "concurrent.futures._base", "concurrent.futures.thread"))
"""Modules of the standard library whose functions programs call to wait or to talk: a story names these, not what they are made of."""


_SOCKETS = frozenset(f"simsock.stdlib._{part}" for part in ("receiving", "sending", "connecting", "socketobject", "socketbase", "addresses", "closing"))
"""Modules of ours that a socket is made of."""
_TLS = "simsock.stdlib._tls"
"""What ``ssl.SSLSocket`` asks instead of C."""


_FOR_CHILDREN = "simsock.processes.calls"
"""The module of ours that makes calls for processes of the world: what they call is what it calls."""


def _called(frame: FrameType) -> str:
    """What a program calls a function of ours."""
    code = frame.f_code
    if frame.f_globals.get("__name__") in _SOCKETS:
        return "" if code.co_name.startswith("_") else f"socket.{code.co_name}"
    if frame.f_globals.get("__name__") == _TLS:
        return "" if code.co_name.startswith("_") else f"SSLSocket.{code.co_name}"
    return code.co_qualname


def program_call(frame: FrameType | None) -> tuple[FrameType | None, str]:
    """The innermost frame of the program in this world, or None; and the simulated call that was made by it, or by a library on its behalf."""
    call = own = ""
    made_here = True
    while frame is not None:
        room = room_of(frame)
        if room == BOTTOM or ((not made_here or call) and frame.f_globals.get("__name__") == _FOR_CHILDREN):
            break
        if room in (INSIDE, FACE):
            if made_here:
                call = own = _called(frame) or call
        else:
            made_here = False
            if not room and not is_library(frame.f_code.co_filename):
                return frame, call
            if not room and frame.f_globals.get("__name__") in _CALLED and not frame.f_code.co_name.startswith(("_", "<")):
                call = frame.f_code.co_qualname  # Event.wait, not the lock in it
        frame = frame.f_back
    return None, own or call  # a library's own thread: what it was started with is nobody's call


def call_for_child(frame: FrameType | None) -> str:
    """The simulated call that is being made for a process of the world, with that process's descriptors; empty if there is none."""
    inner = frame
    while frame is not None:
        if frame.f_globals.get("__name__") == _FOR_CHILDREN:
            return program_call(inner)[1]
        frame = frame.f_back
    return ""


def program_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the program under test at or above ``frame``; failing that, of anything that is not simsock."""
    fallback = None
    while frame is not None:
        filename = frame.f_code.co_filename
        if not is_simsock(filename):
            if not is_library(filename):
                return frame
            fallback = fallback or frame
        frame = frame.f_back
    return fallback


def frame_in_world(frame: FrameType | None) -> FrameType | None:
    """``program_frame`` of a task that is running: whoever has called a search is no part of the runs that it makes."""
    fallback = None
    while frame is not None:
        filename = frame.f_code.co_filename
        if is_simsock(filename):
            if room_of(frame) == BOTTOM:
                break
        elif not is_library(filename):
            return frame
        else:
            fallback = fallback or frame
        frame = frame.f_back
    return fallback


def innermost_line(error: BaseException) -> tuple[str, int] | None:
    """File and line of the innermost frame of the program that an error came through."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not is_simsock(filename) and not is_library(filename):
            found = (filename, trace.tb_lineno)
        trace = trace.tb_next
    return found


def place_text(frame: FrameType | None) -> str:
    """``"file.py:12 in function"`` of a frame: the file relative to the working directory if it lies in it, a library's as it is imported."""
    if frame is None:
        return "?"
    return f"{library_path(frame.f_code.co_filename) or short_path(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def short_path(filename: str) -> str:
    """A file's path relative to the working directory if it lies in it."""
    try:
        relative = os.path.relpath(filename)
    except ValueError:
        return filename
    return filename if relative.startswith("..") else relative


def library_path(filename: str) -> str:
    """A file's path below the folder that it is imported from (``selectors.py``), if it is the standard library's or an installed package's; else empty."""
    for part in _INSTALLED:
        if part in filename:
            return filename.rpartition(part)[2]
    return next((filename.removeprefix(folder) for folder in _STDLIB if filename.startswith(folder)), "")


def place_of_current() -> str:
    """Where the program stands that called simsock."""
    return place_text(_program_or_coroutine(sys._getframe(1)))


def place_of(greenlet: Any) -> str:
    """Where a parked greenlet stands."""
    return place_text(_program_or_coroutine(getattr(greenlet, "gr_frame", None)))


def _no_loop(frame: FrameType) -> FrameType | None:
    return None


frame_in_loop: Callable[[FrameType], FrameType | None] = _no_loop
"""Where the program waits in a library's event loop, if the frame is one that such a loop runs in. Whoever knows loops puts a function here."""


def _program_or_coroutine(frame: FrameType | None) -> FrameType | None:
    """``program_frame``, but for a task that waits in an event loop, of which nothing of the program is on the stack."""
    above = frame
    while above is not None and (is_simsock(filename := above.f_code.co_filename) or is_library(filename)):
        if (found := frame_in_loop(above)) is not None:
            return found
        above = above.f_back
    return program_frame(frame)
