"""Who has made the real sockets and threads of this process, as words for errors that meet one.

Owns the notes, taken by an audit hook once somebody watches. Does not know what they are told for. Laws: the hook stays, as audit hooks do, and fails nobody's
call; nothing is kept alive by a note, and nothing that is found here decides anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import MethodType
from typing import TYPE_CHECKING, Any
from weakref import ref

from simsock.harness import HARNESS
from simsock.kernel.program_lines import is_library, is_simsock, short_path

if TYPE_CHECKING:
    from types import FrameType

_NOTES_MAX = 1_000
_MADE, _BOUND, _STARTED = "made", "bound", "started"
_EVENTS = {"socket.__new__": _MADE, "socket.bind": _BOUND, "_thread.start_new_thread": _STARTED, "_thread.start_joinable_thread": _STARTED}
_notes: list[tuple[Any, str, str]] = []
"""(what, weakly; what was done to it; who did)."""
_watching = False


def watch() -> None:
    """From now on take notes."""
    global _watching
    if not _watching:
        _watching = True
        sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...], of: Callable[[str], str | None] = _EVENTS.get) -> None:
    done = of(event)  # the interpreter's last events come when this module's names are None
    if done is None:
        return
    made = args[0]
    if done == _STARTED:
        made = made.__self__ if type(made) is MethodType else None  # anything else may run code of the program's when it is asked
    if done == _BOUND and not isinstance(args[1], tuple):
        return  # a path: nobody is told that a port is somebody's
    try:
        weak = ref(made)
    except TypeError:  # an object of C
        return
    if len(_notes) >= _NOTES_MAX:
        _notes[:] = [note for note in _notes if note[0]() is not None][-_NOTES_MAX // 2 :]
    _notes.append((weak, done, _makers(sys._getframe(1))))


def _makers(frame: FrameType | None) -> str:
    """The innermost function of the program that asks for a call, and the outermost below the next library: often a fixture, or ``setup_method``. Where the
    program has no part in it, the same of installed packages, up to the harness."""
    places: list[str] = []
    packages: list[str] = []
    is_for_packages = True
    while frame is not None:
        code = frame.f_code
        if not (is_library(code.co_filename) or is_simsock(code.co_filename)):
            places.append(f"{code.co_qualname} ({short_path(code.co_filename)}:{frame.f_lineno})")
        elif places:
            break
        elif is_for_packages and (top := str(frame.f_globals.get("__name__", "")).partition(".")[0]) not in sys.stdlib_module_names:
            if top not in HARNESS:
                packages.append(f"{code.co_qualname} of {top}")
            is_for_packages = top not in HARNESS or not packages
        frame = frame.f_back
    found = places or packages
    return " for ".join(dict.fromkeys((found[0], found[-1]))) if found else "a library"


def made_by(*things: Any) -> str:
    """Who has bound, made or started one of these, as words to go on with; empty if nobody watched."""
    found = ""
    for weak, done, who in reversed(_notes):
        if (made := weak()) is not None and any(made is thing for thing in things):
            found = f", {done} by {who}"
            if done != _MADE:  # what is bound was made in the same place, as a rule, by less telling lines
                break
    return found


def bound() -> Iterator[Any]:
    """Sockets that were bound to a port, the newest first."""
    for weak, done, _ in reversed(_notes):
        if done == _BOUND and (made := weak()) is not None:
            yield made


__all__ = ["bound", "made_by", "watch"]
