"""Where tasks begin and end.

PYTEST_DONT_REWRITE

Owns the launcher, a greenlet that starts every task from a shallow stack, so that none inherits the depth of whoever spawned it. Making one
takes longer than much of what a small world does, so the main thread keeps its own between sessions. (Other threads do not: greenlet cannot end
one whose thread has ended before it.) Laws:

* a launcher at rest holds nothing of the worlds it has served;
* one made deep in the stack is not used where the stack is shallow.
"""

from __future__ import annotations

import sys
import threading
from _thread import get_ident
from typing import TYPE_CHECKING

from greenlet import GreenletExit, getcurrent, greenlet

from simsock.errors import RealTimeLimit, TaskKilled

if TYPE_CHECKING:
    from simsock.kernel.task import Task

_DEEPER_MAX = 50
"""How many frames deeper than a session a launcher may have been made, to be used in it."""


_kept: greenlet | None = None
"""The main thread's, while no session has it."""
_depth_made = 0

# Taken now: a world may replace it later.
_main_thread = threading.main_thread


def borrow_launcher() -> greenlet:
    """A launcher for a session that begins here."""
    global _kept, _depth_made
    can_keep = _can_keep()
    if can_keep and (launcher := _kept) is not None:
        _kept = None
        if _is_at_least(_depth_made - _DEEPER_MAX):
            return launcher
        launcher.throw()
    launcher = greenlet(_launch)
    launcher.switch()
    if can_keep:
        _depth_made = _depth()
    return launcher


def return_launcher(launcher: greenlet) -> None:
    """The session is over."""
    global _kept
    if _kept is None and _can_keep():
        launcher.switch(None)
        _kept = launcher
    else:
        launcher.throw()


def _can_keep() -> bool:
    """Only in the main thread's main greenlet, the one parent that lasts."""
    return getcurrent().parent is None and get_ident() == _main_thread().ident


def depth() -> int:
    """How deep in the stack the main thread's launcher was made: what begins there has so much less room."""
    return _depth_made


def _depth() -> int:
    depth, frame = 0, sys._getframe()
    while (back := frame.f_back) is not None:
        depth, frame = depth + 1, back
    return depth


def _is_at_least(depth: int) -> bool:
    try:
        sys._getframe(max(depth, 0))
    except ValueError:
        return False
    return True


def _launch() -> None:
    task: Task | None = getcurrent().parent.switch()  # type: ignore[union-attr]  # it has a parent: it is never the main greenlet
    while True:
        while task is None:
            task = getcurrent().parent.switch()  # type: ignore[union-attr]
        task.greenlet = greenlet(_body)
        task.started = True
        task = task.greenlet.switch(task)


def _body(task: Task) -> Task | None:
    kernel = task.kernel
    try:
        if kernel.thread_state is not None:
            kernel.thread_state.begin()
        if task.pending is not None:
            kernel._raise_pending(task)
        if kernel.late is not None and getattr(task.fn, "__name__", "") != "_bootstrap":  # a Thread has yet to say that it runs
            kernel.late(task)
        task.value = task.fn(*task.args, **task.kwargs)  # type: ignore[misc]  # only the first task has no function
    except (TaskKilled, GreenletExit):
        task.cancelled = True
    except SystemExit:
        pass  # as in a thread: it ends this task only
    except (KeyboardInterrupt, RealTimeLimit) as error:  # the latter from the watchdog, where there are no signals
        if not kernel.ending:
            kernel._fail_first(error)
    except BaseException as error:
        task.error = error
        kernel.task_failed(task, error)
    if kernel.preemption is not None:
        kernel.preemption.rearm()
    return kernel._end_task(task)
