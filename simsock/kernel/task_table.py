"""What people read when nothing goes on: tasks, what each waits for, where, and who holds it.

Knows how to word the kernel's tables; changes nothing. Law: a report never alters a run (it neither parks nor draws).
"""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING, Any

from simsock.errors import Deadlock
from simsock.escaping import printable
from simsock.kernel.operands import operand_of
from simsock.kernel.program_lines import place_of, place_of_current, program_frame, room_of
from simsock.kernel.units import format_ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

ROWS_MAX = 40
_LIBRARIES = ("threading", "queue")
_NO_LOCK = object()
FROM_OUTSIDE = "(made outside the world)"
"""After the name of what has no number in this world."""
_thread_count = _thread._count


def _no_words(frame: Any) -> tuple[str, str] | None:
    return None


words_of: Callable[[Any], tuple[str, str] | None] = _no_words
"""What the task does whose innermost frame this is, and with what, where a library has words for that: ``("get from", "Queue-2")``. Whoever has them
puts a function here."""


def task_table(kernel: Kernel, here: str | None = None) -> str:
    """One row a living task: name, what it waits for, where it stands, who holds what it waits for.

    ``here`` is told as the place of the task that runs: whoever reports after an exception has left the program stands elsewhere.
    """
    rows: list[tuple[str, ...]] = [("task", "waits for", "where", "held by"), *task_rows(kernel, here)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(kernel.tasks) > ROWS_MAX:
        lines.append(f"(+{len(kernel.tasks) - ROWS_MAX} more tasks)")
    return "\n".join(lines)


def task_rows(kernel: Kernel, here: str | None = None) -> list[tuple[str, str, str, str]]:
    """The same as values, printable: (task, what it waits for, where it stands, who holds that)."""
    rows = []
    for task in sorted(kernel.tasks.values(), key=lambda task: task.serial)[:ROWS_MAX]:
        name, waits_for, where, holder = _row(kernel, task, here)
        rows.append((printable(name), printable(waits_for), printable(where), printable(holder)))
    return rows


def _row(kernel: Kernel, task: Task, here: str | None) -> tuple[str, str, str, str]:
    name = task.path + (" (daemon)" if task.daemon else "")
    if task is kernel.current:
        return (name, _waits_for(task) if task.queue is not None else "(running)", here or _told_place(task) or place_of_current(), _holder(task))
    if not task.started:
        return (name, "(not started)", "-", "")
    waiting = _waits_for(task) if task.queue is not None else task.why if task.why.startswith("stopped") else "(runnable)"
    return (name, waiting, _place(task), _holder(task))


def _place(task: Task) -> str:
    """Where a parked task stands; nowhere, if it is in the inside of ``threading``, as one is that has yet to come to a line of the program."""
    if (told := _told_place(task)) is not None:
        return told
    frame = program_frame(getattr(task.greenlet, "gr_frame", None))
    return "-" if frame is not None and frame.f_globals.get("__name__") == "threading" else place_of(task.greenlet)


def _told_place(task: Task) -> str | None:
    """Where a task says that it stands: one that makes another process's calls stands where that does."""
    tell = getattr(task.value, "place_in_process", None)
    return None if tell is None else tell()


def frame_of(task: Task) -> FrameType | None:
    """The innermost frame of a task, whether it runs or not; None if it has none."""
    return sys._getframe(1) if task is task.kernel.current else getattr(task.greenlet, "gr_frame", None)


def _library_words(task: Task) -> tuple[str, str] | None:
    return words_of(frame_of(task)) if _waits_for_lock(task) else None


def _waits_for_lock(task: Task) -> bool:
    """Or for anything else that somebody may hold."""
    return task.queue is not None and getattr(task.on, "holder", _NO_LOCK) is not _NO_LOCK


def _program_s_name(task: Task) -> str:
    """What the program calls the lock, queue or event that a task waits for, in brackets: ``" (self.lock)"``. Nothing where another library waits for it."""
    if not _waits_for_lock(task):
        return ""
    name = operand_of(taken_by(frame_of(task))[0])
    return f" ({name})" if name else ""


def taken_by(frame: FrameType | None) -> tuple[FrameType | None, str]:
    """Where the program calls a lock, a queue or an event of its own, and which function of the library that is (``"Queue.put"``; nothing where it is the
    lock's own). No frame where another library stands in between."""
    program = program_frame(frame)
    called = ""
    while frame is not None and frame is not program:
        if not room_of(frame):
            if frame.f_globals.get("__name__") not in _LIBRARIES:
                return None, ""
            called = frame.f_code.co_qualname
        frame = frame.f_back
    return program, called


def _waits_for(task: Task) -> str:
    words = task.why
    library = _library_words(task)
    if library is not None:
        words = " ".join(library)
    elif described := _describe(task.on):
        words = f"{words} {described}"
    words += _program_s_name(task)
    if task.timer is not None:
        words += f" until {format_ns(task.timer.deadline)}"
    return words


def _describe(on: Any) -> str:
    if on is None:
        return ""
    if isinstance(on, list):  # what select or poll waits for: (descriptor, file, mask)
        named = ", ".join(file.describe() for _, file, _ in on[:3])
        return named + (f" and {len(on) - 3} more" if len(on) > 3 else "")
    describe = getattr(on, "describe", None)
    if describe is not None:
        return str(describe())
    path = getattr(on, "path", None)
    return str(path) if path is not None else type(on).__name__


def _holder(task: Task) -> str:
    owner = getattr(task.on, "holder", None) if task.queue is not None else None
    if owner is None or (owner.serial < 0 and _library_words(task) is not None):  # nobody has what a queue or an event waits for
        return ""
    return str(owner.path)


def deed_of(task: Task) -> str:
    """What a parked task does: ``"get from"``, ``"sleep"``."""
    library = _library_words(task)
    return task.why if library is None else library[0]


def lock_of(task: Task) -> str:
    """What the lock is called that a task waits for."""
    library = _library_words(task)
    return (_describe(task.on) if library is None else library[1]) + _program_s_name(task)


def waits_of(kernel: Kernel) -> tuple[str, ...]:
    """The waits that nothing but another task ends, sorted: what is waited for, and on which line of the program. Names and numbers are left out:
    which of two like tasks waits is no other hang."""
    parked = [task for task in kernel.tasks.values() if task.queue is not None and task.timer is None and task.started]
    places = [_told_place(task) or (place_of_current() if task is kernel.current else place_of(task.greenlet)) for task in parked]
    return tuple(sorted(f"{task.why} at {place}" for task, place in zip(parked, places, strict=True)))


def _hint(kernel: Kernel) -> str:
    """For who waits for what a thread of the process is to do. Besides the world's own OS thread there is the watchdog's, and maybe the program's."""
    if _thread_count() > 1 and any(FROM_OUTSIDE in _waits_for(task) for task in kernel.tasks.values() if task.queue is not None):
        return (
            f"\n{FROM_OUTSIDE}: no thread from outside the world ends such a wait. If one is to: start it inside the world, in the test, or in a fixture "
            "that asks for `sim`"
        )
    return ""


def deadlock(kernel: Kernel) -> Deadlock:
    """The error of a world in which nothing can happen any more."""
    why = "all that goes on is polling, and what is polled for stays as it is" if len(kernel.timers) else "no task can run and no timer is left"
    return Deadlock(f"deadlock: {why}\n{task_table(kernel)}{_hint(kernel)}", report=task_table(kernel), rows=task_rows(kernel), waits=waits_of(kernel))


def wait_cycles(kernel: Kernel) -> list[list[Task]]:
    """Cycles of tasks that wait for locks held by each other."""
    cycles: list[list[Task]] = []
    seen: set[int] = set()
    for task in kernel.tasks.values():
        if task.queue is None:
            continue
        chain: list[Task] = []
        at: Task | None = task
        while at is not None and at.serial not in seen and at not in chain:
            chain.append(at)
            at = getattr(at.on, "holder", None) if at.queue is not None else None
        if at is not None and at in chain:
            cycles.append(chain[chain.index(at) :])
        seen.update(other.serial for other in chain)
    return cycles
