"""How a program that was started shows what it does not catch: as an interpreter without a world.

PYTEST_DONT_REWRITE

Owns its tracebacks, those of its threads included. Does not know how it ends. Laws: what ends the program or one of its threads is on its
standard error, and fails no test; frames of simsock are in no such traceback, but for errors of the world's own, which are told at home as well.
"""

from __future__ import annotations

import _thread
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

from simsock.errors import SimsockError
from simsock.kernel import session
from simsock.kernel.originals import original
from simsock.kernel.program_lines import is_simsock
from simsock.processes import child_kernel
from simsock.processes.redirecting import redirect
from simsock.stdlib import _threads

if TYPE_CHECKING:
    from types import TracebackType

    from simsock.kernel import Task

_excepthook = original(_thread, "_excepthook")


def apply() -> None:
    """In a child that becomes a program."""
    redirect(_threads.excepthook, _of_thread)
    child_kernel.shows = _of_bare_thread


def tell(error: BaseException | None) -> None:
    """An error of the world's own fails the test."""
    if isinstance(error, SimsockError):
        kernel = session.kernel()
        kernel.task_failed(kernel.current, error)


def show(error: BaseException) -> None:
    """What the main thread has raised."""
    _take_ours_out(error)
    sys.last_value = error
    sys.excepthook(type(error), error, error.__traceback__)


def _of_thread(args: Any, /) -> None:
    """In the place of ``threading.excepthook``."""
    error = args.exc_value
    tell(error)
    _take_ours_out(error)
    _excepthook(type(args)((args.exc_type, error, error.__traceback__, args.thread)))


def _of_bare_thread(task: Task, error: BaseException) -> None:
    """What a thread has raised that no ``Thread`` runs."""
    _take_ours_out(error)
    function = task.fn.args[0] if isinstance(task.fn, partial) else task.fn
    is_old = sys.version_info < (3, 13)
    print(f"Exception ignored in thread started by{':' if is_old else ''} {function!r}{'' if is_old else ':'}", file=sys.stderr)
    traceback.print_exception(error)


def _take_ours_out(error: BaseException) -> None:
    if isinstance(error, SimsockError):
        return
    seen: set[int] = set()
    shown: BaseException | None = error
    while shown is not None and id(shown) not in seen:
        seen.add(id(shown))
        shown.with_traceback(_without_ours(shown.__traceback__))
        shown = shown.__cause__ or shown.__context__


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of stand-ins, which are functions in C where there is no world."""
    frames = []
    while trace is not None:
        if not is_simsock(trace.tb_frame.f_code.co_filename):
            frames.append(trace)
        trace = trace.tb_next
    for place, frame in enumerate(frames):
        frame.tb_next = frames[place + 1] if place + 1 < len(frames) else None
    return frames[0] if frames else None


__all__ = ["apply", "show", "tell"]
