"""One task: a thread of control of the program under test.

Owns what the kernel keeps about a task and how it is named. Does not know how tasks are scheduled. Laws:

* a task's path is made of its parent's path and its number among the parent's children of that name: it depends on what the program
  does, never on when; whatever a program calls its tasks, it is printable and one line;
* a task is created, becomes runnable, and from then on is exactly one of: current, in the run queue, parked in one queue, or dead.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, Generic

from simsock.errors import TaskCancelled
from simsock.escaping import printable
from simsock.kernel.killing import cancel
from simsock.kernel.units import duration_ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from typing_extensions import TypeVar

    from simsock.kernel.core import Kernel
    from simsock.kernel.timers import Timer
    from simsock.kernel.units import Duration

    Value = TypeVar("Value", default=Any, covariant=True)
else:
    from typing import TypeVar

    Value = TypeVar("Value", covariant=True)

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}|\d{14,}|(?<![0-9a-zA-Z])(?:7[ef]|5[56]|7[EF])[0-9a-fA-F]{10}(?![0-9a-zA-Z])")
"""Of an object, which some libraries have in the names of their threads: in hexadecimal, without ``0x`` where Linux has a program's memory, or in decimal."""
_ADDRESS_LENGTH_MIN = 7
_IDENT_FIRST = 0x7F00_0000_0000
_IDENT_STEP = 0x1000
"""Thread identities of tasks look like Linux's (large addresses) and are the same in every run."""


def is_task_ident(ident: int) -> bool:
    """Whether a thread identity is a task's: real ones are addresses of structures that no page begins with."""
    return ident >= _IDENT_FIRST and (ident - _IDENT_FIRST) % _IDENT_STEP == 0


class Task(Generic[Value]):
    """A task. Programs get it from ``spawn``; ``result``, ``done``, ``cancel`` are for them, the other attributes for the kernel."""

    __slots__ = (
        "__weakref__",
        "_children",
        "args",
        "cancelled",
        "crashed",
        "daemon",
        "dead",
        "entered",
        "error",
        "fn",
        "greenlet",
        "host",
        "ident",
        "joiners",
        "kernel",
        "killed",
        "kwargs",
        "label",
        "locals",
        "name",
        "on",
        "parent",
        "path",
        "pending",
        "plan",
        "points",
        "polled_at",
        "polls",
        "queue",
        "refusals",
        "serial",
        "started",
        "thread",
        "timer",
        "value",
        "why",
        "woken",
    )

    def __init__(self, kernel: Kernel, serial: int, parent: Task | None, name: str | None, base: str, fn: Callable[..., Any] | None) -> None:
        self.kernel = kernel
        self.serial = serial
        self.parent = parent
        self._children: dict[str, int] | None = None
        self.name = self._pick_name(parent, name, base)
        self.path: str = self.name if parent is None or parent.parent is None else f"{parent.path}/{self.name}"
        self.label = f"task {self.path} schedule"
        self.fn = fn
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.daemon = False
        self.host: Any = parent.host if parent is not None else None
        self.greenlet: Any = None
        self.ident = _IDENT_FIRST + serial * _IDENT_STEP
        self.locals: dict[Any, Any] | None = None
        self.thread: Any = None
        """The ``Thread`` object that stands for this task in the program, if it asked for one."""
        # waiting
        self.queue: deque[Task] | None = None
        self.timer: Timer | None = None
        self.woken = False
        self.why = ""
        self.on: Any = None
        self.pending: BaseException | None = None
        self.polls = 0
        self.polled_at = 0
        """How many tasks had been woken in the world when this one last polled in vain."""
        # choices
        self.points = 0
        self.plan: dict[int, int] | None = None
        self.entered: CodeType | None = None
        """A code object that it has just begun: the point before its first line is passed."""
        # the end
        self.started = False
        self.dead = False
        self.killed = False
        """Whether it has been told that it is to die while its world goes on."""
        self.crashed = False
        """Whether its host has, under it: what it still raises reaches nobody."""
        self.cancelled = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.joiners: deque[Task] | None = None
        """Who waits for its end, if anybody does."""
        self.refusals = 0

    @staticmethod
    def _pick_name(parent: Task | None, name: str | None, base: str) -> str:
        """A name that no other child of ``parent`` has: two tasks with one path would share one stream of the tape."""
        if parent is None:  # the kernel's own
            return name or base
        children = parent._children
        if children is None:
            # the paths of the first task's children begin with their own names, so none of them may be called like it
            children = parent._children = {} if parent.parent is not None else {parent.name: 1}
        stem = printable(name or base)
        if len(stem) > _ADDRESS_LENGTH_MIN and name:
            stem = _ADDRESS.sub("#", stem)  # another one in every run
        if "/" in stem:
            stem = stem.replace("/", ":")
        count = children.get(stem, 0) + 1
        picked = stem if name and count == 1 else f"{stem}-{count}"
        while picked != stem and picked in children:
            count += 1
            picked = f"{stem}-{count}"
        children[picked] = 1
        children[stem] = count
        return picked

    def __repr__(self) -> str:
        state = "dead" if self.dead else "waiting: " + self.why if self.queue is not None else "runnable" if self.started else "new"
        return f"<Task {self.path} {state}>"

    @property
    def done(self) -> bool:
        """True once the task has ended, however it ended."""
        return self.dead

    def result(self, timeout: Duration | None = None) -> Value:
        """Wait for the task's end and return what its function returned, or raise what it raised.

        ``timeout`` is virtual (seconds, timedelta or "80ms"); ``TimeoutError`` when it passes first. An error raised here counts as
        seen: the world's end does not raise it a second time.
        Raises ``TaskCancelled`` for a task that was cancelled.
        """
        kernel = self.kernel
        kernel.point()
        deadline = None if timeout is None else kernel.now + duration_ns(timeout, "timeout")
        if not kernel.join(self, deadline):
            raise TimeoutError(f"task {self.path} had not ended after {timeout} of virtual time")
        if kernel.watchers is not None:
            kernel.watchers.learns(kernel.current, self)
        if self.cancelled:
            raise TaskCancelled(f"task {self.path} was cancelled")
        if self.error is not None:
            kernel.errors[:] = [entry for entry in kernel.errors if entry[1] is not self.error]
            raise self.error
        return self.value  # type: ignore[no-any-return]  # of a function that is known by now

    def cancel(self) -> bool:
        """End the task: ``TaskKilled`` is raised where it stands. False if it had ended before; a task cannot cancel itself."""
        return cancel(self.kernel, self)
