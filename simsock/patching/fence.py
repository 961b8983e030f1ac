"""The fence: nothing real behind a world's back.

Owns one audit hook of the process. A real socket, process or fork from inside a world's thread is an error that names the call. Laws: an
audit hook cannot be taken out, so this one is put in once and asks first whether a world is live in this thread; other OS threads and
ctypes are not looked at; a module that is being imported may do what modules do (see ``imports``), but not talk to anybody.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from collections.abc import Callable
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any

from simsock.errors import Fenced, Unsupported
from simsock.kernel import Kernel, session
from simsock.kernel.identity import only_in_world, told_otherwise
from simsock.kernel.program_lines import is_simsock
from simsock.patching.holders import kept_by
from simsock.patching.room import Room
from simsock.processes.command_lines import on_path, recognise
from simsock.stdlib._allowed import Allowed
from simsock.stdlib._descriptors import world_of

_TALKS = frozenset(
    "socket.connect socket.sendto socket.sendmsg socket.getaddrinfo socket.gethostbyname socket.gethostbyaddr socket.getnameinfo socket.sethostname".split()
)
_PATHS = frozenset(("open", "os.listdir", "os.scandir"))
"""Events that name a path first."""
_EVENTS = (
    _TALKS
    | _PATHS
    | frozenset(
        "socket.__new__ socket.bind subprocess.Popen os.fork os.forkpty os.system os.posix_spawn os.exec os.startfile pty.spawn time.sleep mmap.__new__".split()
    )
)
_HINTS = {
    **dict.fromkeys(
        ("concurrent.interpreters.create", "concurrent.futures.InterpreterPoolExecutor"),
        "worlds have one interpreter: nothing in another one is simulated",
    ),
    "os.fork": "what os.fork makes is simulated, and Python programs that subprocess starts",
    "socket.__new__": "use socket.socket, which is simulated",
    "time.sleep": "the program kept the real one where it could not be replaced: see simsock doctor",
}
_SCHEDULERS = ("gevent", "eventlet")
SCHEDULER_HINT = "{} switches between greenlets of its own and waits in real time; use threads or asyncio in a world"
_installed = False
_live: Kernel | None = None
"""The world that has a fence; one without patching has none."""
importing = 0
"""How deep in imports the world's thread is."""


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _live is not None and event in _EVENTS and _live.thread == get_ident() and not (importing and event not in _TALKS):
        if event == "mmap.__new__":
            if world_of(args[0]) is not None:
                raise Unsupported(f"mmap.mmap of the simulated descriptor {args[0]}: sockets and pipes cannot be mapped; os.read and os.write know it")
        elif event == "subprocess.Popen":
            _program(args)
        elif event not in _PATHS:
            if not (event.startswith("socket.") and args and issubclass(type(args[0]), Allowed)):
                refuse(event, args)
        elif isinstance(args[0], (str, bytes)) and (hint := only_in_world(args[0]) or _told_otherwise(event, args[0])):
            refuse(f"{event} of {args[0]!r}" if isinstance(args[0], bytes) else f"{event} of {args[0]}", (), hint)


def _told_otherwise(event: str, path: Any) -> str:
    """What of ``/proc`` a program would take for the world's; who explains a refused connection wants this machine's."""
    hint = told_otherwise(event, path)
    return hint if hint and sys._getframe(2).f_globals.get("__name__") != "simsock.stdlib._refusals" else ""


def _program(args: tuple[Any, ...]) -> None:
    """A program is to be started: Python is let through, and what the system has an error of its own for."""
    executable, line, cwd, env = args
    found = recognise(on_path(os.fsdecode(executable), env), line, env, cwd)
    if isinstance(found, str):
        refuse("subprocess.Popen", args, hint_of_program(found))


def hint_of_program(why: str) -> str:
    """What to do about a program that cannot take part."""
    return f"{why}: only Python programs, run by {sys.executable}, take part in a world; have a stand-in in its place, or run it before the world"


def refuse(event: str, args: tuple[Any, ...], hint: str = "") -> None:
    """Raise the error that names the call."""
    shown = ", ".join(f"{arg!r:.60}" for arg in (args[1:3] if event.startswith("socket.") else args[:2]))
    hint = hint or _of_scheduler() or _HINTS.get(event) or _HINTS["os.fork" if not event.startswith("socket.") else "socket.__new__"]
    path = _live.current.path if _live is not None else "?"
    error = Fenced(f"a real {event}({shown}) from inside a world, in task {path}: it would not be simulated and could not be repeated; {hint}", call=event)
    _note(error)
    raise error


def _of_scheduler() -> str:
    """What to do if it is one of gevent's or eventlet's own modules that calls: they have sockets and threads under their names, real ones."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        whose = str(frame.f_globals.get("__name__")).partition(".")[0]
        if whose in _SCHEDULERS:
            return SCHEDULER_HINT.format(whose)
        frame = frame.f_back
    return ""


def _note(error: Fenced) -> None:
    """Have it told at the end as well, should the program swallow it. The first task may be a test that asks whether it is refused."""
    if _live is None or _is_done_without(sys._getframe(2)):
        return
    if _live.current is not _live.first or not _is_known_to_callers(sys._getframe(2)):
        _live.task_failed(_live.current, error)
    else:  # another one, without the frames that this one will keep
        _live.room(Room).refused.append(Fenced(str(error), **error.facts))


def _is_done_without(frame: FrameType | None) -> bool:
    """Whether the standard library asks a program of the system for what it has a draw for otherwise: ``uuid`` asks ``ifconfig`` for the machine's address."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "uuid":
            return True
        frame = frame.f_back
    return False


def _is_known_to_callers(frame: FrameType | None) -> bool:
    """Whether a function that is running names this error, or a base of it that is simsock's: it catches it on purpose, as ``pytest.raises(Fenced)`` does."""
    while frame is not None:
        code, space = frame.f_code, frame.f_globals
        if not is_simsock(code.co_filename):
            for name in code.co_names:
                value = space.get(name)
                if value in _CAUGHT_BY if isinstance(value, type) else name in _CAUGHT_BY_NAME and (value is None or isinstance(value, ModuleType)):
                    return True
        frame = frame.f_back
    return False


_CAUGHT_BY = tuple(kind for kind in Fenced.__mro__ if kind.__module__ == Fenced.__module__)
_CAUGHT_BY_NAME = tuple(kind.__name__ for kind in _CAUGHT_BY)


IT_IS_REAL = "it is a real one, made outside this world"


def refuse_outsider(call: str, what: str, made: str, thing: Any = None, why: str = IT_IS_REAL) -> None:
    """Raise the error about an object from before the world, or from outside it, that one of its tasks wants to use."""
    kernel = session.active
    path = kernel.current.path if kernel is not None else "?"
    error = Fenced(
        f"{call} of {what}{made}, in task {path}: {why}, so what it does would be neither simulated nor repeatable; "
        f"make it inside the world: in the test, or in a fixture that asks for `sim`{_words(kernel, thing)}",
        call=call,
    )
    _note(error)
    raise error


class _Told:
    """Who keeps what, as a world has told it: ``kernel.room(_Told)``."""

    __slots__ = ("by_identity",)

    def __init__(self) -> None:
        self.by_identity: dict[int, str] = {}


def _words(kernel: Kernel | None, thing: Any) -> str:
    """Looked for once in a world: a program may try again and again."""
    if kernel is None:
        return kept_by(thing)
    told = kernel.room(_Told).by_identity
    if id(thing) not in told:
        told[id(thing)] = kept_by(thing)
    return told[id(thing)]


def refusing(name: str) -> Any:
    """A function that is always behind the fence, for calls that CPython does not audit."""

    def call(*args: Any, **kwargs: Any) -> Any:
        refuse(name, args)

    return call


def pairs() -> list[tuple[Any, Any]]:
    """Calls that CPython does not audit."""
    found = []
    loads: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("concurrent.interpreters.create", lambda: import_module("_interpreters").create),
        ("concurrent.interpreters.create", lambda: import_module("_xxsubinterpreters").create),  # before 3.13
        ("posix.spawnv", lambda: import_module("posix").spawnv),
        ("_posixshmem.shm_open", lambda: import_module("_posixshmem").shm_open),
    )
    for name, load in loads:
        try:
            original = load()
        except (ImportError, AttributeError):  # not on this platform
            continue
        if original is not None and not isinstance(original, type):
            found.append((original, refusing(name)))
    return found


def put_up(kernel: Kernel) -> None:
    """A patched world begins."""
    global _installed, _live
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True
    _live = kernel


def take_down() -> None:
    """It is over."""
    global _live
    _live = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=take_down)
