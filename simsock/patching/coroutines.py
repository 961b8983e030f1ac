"""Where coroutines wait: what a table of tasks says of a task that is in an event loop, and of the loop's own tasks.

PYTEST_DONT_REWRITE

Owns the look from a loop to its tasks, asyncio's and trio's. Changes nothing. Law: what is told is the same in every run: no address, and no number that
counts for the whole process.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simsock.escaping import printable
from simsock.kernel import program_lines
from simsock.kernel.program_lines import is_library, is_simsock, place_text

if TYPE_CHECKING:
    from types import FrameType

    from simsock.errors import Deadlock, LimitExceeded

ROWS_MAX = 40
_WAITS = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))
_COUNTED = re.compile(r"Task-(\d+)")
"""How asyncio calls a task that nobody has named, by a number of the process's."""


def program_frames(coroutine: Any) -> list[FrameType]:
    """The program's frames that a coroutine waits in, the outermost first."""
    found = []
    while coroutine is not None:
        for frame, awaited in _WAITS:
            if hasattr(coroutine, frame):
                if getattr(coroutine, frame) is not None:
                    found.append(getattr(coroutine, frame))
                coroutine = getattr(coroutine, awaited)
                break
        else:
            break
    return [frame for frame in found if not is_simsock(frame.f_code.co_filename) and not is_library(frame.f_code.co_filename)]


def _place(coroutine: Any) -> str:
    frames = program_frames(coroutine)
    return place_text(frames[-1]) if frames else "-"


def trio_rows(task: Any) -> list[str]:
    """``"name  place"`` of a task of trio's and all below it, the oldest first."""
    rows: list[str] = []
    left = [task]
    while left and len(rows) < ROWS_MAX:
        one = left.pop(0)
        rows.append(printable(f"{one.name}  {_place(one.coro)}"))
        left[:0] = sorted((child for nursery in one.child_nurseries for child in nursery.child_tasks), key=lambda child: child._counter)
    return rows


def asyncio_rows(tasks: Any) -> list[str]:
    """``"name  place"`` of tasks of asyncio's, the oldest first; one that nobody has named by its function."""
    rows = []
    for task in tasks:
        coroutine = task.get_coro()
        counted = _COUNTED.fullmatch(task.get_name())
        name = getattr(coroutine, "__qualname__", type(coroutine).__qualname__) if counted else task.get_name()
        rows.append((int(counted[1]) if counted else 0, name, _place(coroutine)))
    return [printable(f"{name}  {place}") for _, name, place in sorted(rows)[:ROWS_MAX]]


def tell_waits(error: Deadlock | LimitExceeded, whose: str, rows: list[str]) -> None:
    """Add to an error where the tasks of a loop wait: to what it says, to the report that it carries, and to what two like it have in common."""
    words = "\n".join([f"{whose}'s tasks, and where each waits", *(f"  {row}" for row in rows)])
    error.add_note(words)
    if "report" in error.facts:
        error.facts["report"] += f"\n\n{words}"
    if "waits" in error.facts:
        error.facts["waits"] = (*error.facts["waits"], *rows)


def frame_in_loop(frame: FrameType) -> FrameType | None:
    """Where the main task of an event loop waits that a frame is the loop of; None if it is of none, or that waits nowhere in the program."""
    name, function = frame.f_globals.get("__name__"), frame.f_code.co_name
    coroutine = None
    if name == "trio._core._run" and function == "run":
        coroutine = getattr(getattr(frame.f_locals.get("runner"), "main_task", None), "coro", None)
    elif name == "asyncio.base_events" and function == "run_until_complete":
        get = getattr(frame.f_locals.get("future"), "get_coro", None)
        coroutine = get() if get is not None else None
    frames = program_frames(coroutine)
    return frames[-1] if frames else None


program_lines.frame_in_loop = frame_in_loop

__all__ = ["asyncio_rows", "frame_in_loop", "program_frames", "tell_waits", "trio_rows"]
