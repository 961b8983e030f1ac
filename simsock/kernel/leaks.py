"""What is left in a world: descriptors that are open and tasks that have not ended, in words.

Owns the one form in which both are told, whoever asks: the end of a world, a talk, a scenario. Changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task


def open_descriptors(kernel: Kernel, before: Collection[int] = ()) -> list[str]:
    """Those that are open and were not among ``before``; none whose host is gone."""
    if not kernel.files:
        return []
    open_now = sorted(kernel.files.items())
    return [f"descriptor {fd}: {file.describe()}" for fd, file in open_now if fd not in before and not getattr(file, "vanished", False)]


def running_tasks(kernel: Kernel, counts: Callable[[Task], bool]) -> list[str]:
    """Those that have not ended, are no daemons, and count."""
    return [f"task {task.path}" for task in kernel.tasks.values() if not task.daemon and counts(task)]


def still_there(kernel: Kernel, leaks: Collection[str]) -> list[str]:
    """Which of some leaks are there still."""
    alive = {f"task {task.path}" for task in kernel.tasks.values()}
    open_now = tuple(f"descriptor {fd}:" for fd in kernel.files)
    return [leak for leak in leaks if leak in alive or leak.startswith(open_now)]
