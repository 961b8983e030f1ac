"""trio's wait for events: a world must see that nothing will come, and tell it to those who wait.

PYTEST_DONT_REWRITE

Owns one method of trio's, while a world is live. Does not know what is waited for. Laws:

* where no task of trio's has a deadline, its loop waits without one, too (of its own accord it looks around once a day);
* a deadlock, or a limit, that is found in that wait is raised where trio's main task waits, as a thread's would be; so the other tasks are cancelled and end;
* what cannot be told in that way ends the loop, so that another one can begin.
"""

from __future__ import annotations

import math
import sys
import warnings
from _thread import get_ident
from contextlib import suppress
from typing import Any

from simsock.errors import Deadlock, LimitExceeded
from simsock.kernel import session
from simsock.patching.coroutines import tell_waits, trio_rows

_MODULE, _CLASS, _METHOD = "trio._core._io_epoll", "EpollIOManager", "get_events"
_RUN = "trio._core._run"
_FOREVER = -1
TOLD_MAX = 10
"""How often a main task is told that it waits in vain, if it goes on waiting."""
_told: list[Any] = []
"""Whose main task was told: a runner of trio's for each time."""
_applied: list[tuple[type, Any, Any]] = []


def _runner() -> Any:
    return getattr(sys.modules[_RUN].GLOBAL_RUN_CONTEXT, "runner", None)


def _make(method: Any) -> Any:
    def get_events(self: Any, timeout: float) -> Any:
        __tracebackhide__ = True
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            return method(self, timeout)
        runner = _runner()
        if runner is not None and timeout == sys.modules[_RUN]._MAX_TIMEOUT and runner.deadlines.next_deadline() == math.inf:
            timeout = _FOREVER
        try:
            return method(self, timeout)
        except (Deadlock, LimitExceeded) as error:
            if runner is not None and _tell_main_task(runner, error):
                return ()
            _end_loop(sys._getframe(1).f_locals.get("gen"), runner)
            raise
        except BaseException:
            _end_loop(sys._getframe(1).f_locals.get("gen"), runner)
            raise

    return get_events


def _tell_main_task(runner: Any, error: Deadlock | LimitExceeded) -> bool:
    """Raise an error where the main task waits, unless it cannot be reached there or has been told too often. Whether that was done."""
    task = runner.main_task
    if task is None or getattr(task, "_abort_func", None) is None:
        return False
    kernel: Any = session.active
    if kernel.ending or sum(one is runner for one in _told) >= TOLD_MAX:
        return False
    _told.append(runner)
    tell_waits(error, "trio", trio_rows(task))

    def raise_it() -> None:
        raise error.with_traceback(None)

    task._attempt_abort(raise_it)
    return True


def _end_loop(generator: Any, runner: Any) -> None:
    """End a loop of trio's, the generator that ``trio.run`` goes through: Python would at some time, and until then no other one could begin."""
    if runner is None or getattr(generator, "gi_frame", None) is None or generator.gi_running:
        return
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # trio takes it for one that was forgotten
        tasks = tasks_of(runner)
        generator.close()
        end_tasks(tasks)


def tasks_of(runner: Any) -> list[Any]:
    """The tasks of a loop of trio's, the youngest first."""
    return sorted(runner.tasks, key=lambda task: -task._counter)


def end_tasks(tasks: list[Any]) -> None:
    """End tasks whose loop has ended without them. What is raised in them now, Python would print when it comes upon them."""
    for task in tasks:
        with suppress(BaseException):
            task.coro.close()
        for nursery in task.child_nurseries:
            nursery._children.clear()


def enter() -> None:
    """A world begins, or goes on after an import."""
    cls = getattr(sys.modules.get(_MODULE), _CLASS, None)
    if isinstance(cls, type) and _METHOD in vars(cls) and not any(cls is known for known, _, _ in _applied):
        method = vars(cls)[_METHOD]
        ours = _make(method)
        _applied.append((cls, method, ours))
        setattr(cls, _METHOD, ours)


def leave() -> None:
    """The world is over."""
    _told.clear()
    while _applied:
        cls, method, ours = _applied[-1]
        if vars(cls).get(_METHOD) is ours:
            setattr(cls, _METHOD, method)
        _applied.pop()


__all__ = ["end_tasks", "enter", "leave", "tasks_of"]
