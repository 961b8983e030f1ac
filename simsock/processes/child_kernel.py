"""The kernel of a child: the copied one, which asks home for all that concerns others.

PYTEST_DONT_REWRITE

Owns what the kernel's methods do in a child. Does not know how messages travel. Laws:

* the copied scheduler never runs: a wait is a message, and whatever else would switch, start or end tasks is refused by name;
* a point is a message only if a strategy is asked at points and another task can run. All others are counted here, and told with the next message: the clock
  cannot move meanwhile, since the child has the turn, and nobody becomes runnable;
* lines are told only to whoever listens; a handler of a signal never runs at a line, but at the next simulated call;
* descriptors are home's: the child has no table of its own.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn

from simsock.errors import SimsockError, Unsupported
from simsock.kernel.circling import Circling
from simsock.kernel.core import Kernel
from simsock.kernel.files import DESCRIPTORS_MAX, FIRST_DESCRIPTOR
from simsock.kernel.program_lines import program_call
from simsock.kernel.signals import AGAIN
from simsock.kernel.units import OVERSHOOT_NS
from simsock.kernel.watchers import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from simsock.kernel.task import Task

POINTS_MAX = 1_000
"""How many points a child passes before home hears of it, if it makes no other call."""
SOMEBODY: deque[Any] = deque((None,))
NOBODY: deque[Any] = deque()
"""Home's run queue, as far as a child knows it: whether any other task can run."""
_HERE = frozenset(("recv", "send", "handshake", "encrypt", "decrypt"))
"""Records that a child writes itself."""
ask: Any = None
"""Makes a call at home. Put here when the child begins."""
leave: Any = None
"""Ends the process: (status, what it raised)."""
threads: Any = None
"""The process's threads."""
messages: Any = None
"""How many messages were sent home."""
lines: Any = None
"""What is told with the next message."""
shows: Any = None
"""In a program that was started: shows on standard error what a thread has ended with, which fails no test: (task, error)."""
LOW = FIRST_DESCRIPTOR + DESCRIPTORS_MAX
"""From here on home has the child's standard streams, where no other descriptor can be."""
low: dict[int, int] = {}
"""The numbers 0, 1 and 2 where they are simulated, and what home calls them."""


def far(fd: int) -> int:
    """A descriptor as home calls it."""
    return low.get(fd, fd)


def near(fd: int) -> int:
    """One of home's as it is called here."""
    return fd if fd < LOW else fd - LOW


def is_simulated(fd: Any) -> bool:
    """Whether a descriptor is one of the world's, if it is open."""
    return isinstance(fd, int) and (fd >= FIRST_DESCRIPTOR or fd in low)


def refuse(what: str = "") -> NoReturn:
    """The error about something that a child cannot do yet."""
    call = what or program_call(sys._getframe(1))[1] or "this call"
    raise Unsupported(f"{call} in a child process of a world: that is not simulated yet")


class ChildKernel(Kernel):
    """What the class of the kernel is in a child."""

    __slots__ = ()

    def point(self) -> None:
        self.steps = steps = self.steps + 1
        if self.asks_strategy and self.runq:
            ask("point")
        else:
            if self.asks_strategy:
                self.current.points += 1
            if steps >= self.alarm or self.finalized:
                self._alarm()

    def step(self) -> None:
        self.steps += 1

    def ask(self, task: Task, goes_on: bool) -> None:
        """At a line."""
        self.preemption._outside(ask, "line")  # another thread may go on

    def _alarm(self) -> None:
        looking: Any = self.circling  # a child's
        if looking._steps_left and not self.finalized:
            self.alarm = POINTS_MAX
            if looking._comes_back(self) and ask("circles"):
                looking.begin(self)
            return
        self.alarm = POINTS_MAX
        if self.preemption is not None:
            self.preemption.rearm()
        vain = ask("count")
        if vain > 1 and not vain & (vain - 1) and self.preemption is None:
            looking.begin(self)

    def fruitless(self) -> None:
        ask("fruitless")

    def yield_(self) -> None:
        ask("yield")

    def sleep(self, ns: int) -> None:
        ask("sleep", ns)

    def wait(self, queue: deque[Task], deadline: int | None, why: str, on: Any = None, overshoot_ns: int = OVERSHOOT_NS) -> Any:
        task = self.current
        task.woken = False
        queue.append(task)
        describe = getattr(on, "describe", None)
        again = ask("wait", deadline, why, _words(on) if describe is not None else "", overshoot_ns)
        if task.woken:  # by a handler that has run meanwhile
            return True
        if task in queue:
            queue.remove(task)
        if again:
            task.woken = AGAIN
            return AGAIN
        return False

    def wake(self, queue: deque[Task]) -> Task:
        task = queue.popleft()
        task.woken = True
        if task is not self.current and (number := threads.number(task)) is not None:
            lines.told.append(number)
            self.runq = SOMEBODY
        return task

    def detach(self, task: Task) -> None:
        task.queue = None

    def finalize(self, action: Callable[[], object]) -> None:
        self.finalized.append(action)

    def task_failed(self, task: Task, error: BaseException) -> None:
        if shows is not None and task.error is error and not isinstance(error, SimsockError):
            shows(task, error)
        elif not any(known is error for _, known in self.errors):
            self.errors.append((task, error))
            ask("failed", error)

    def _end_task(self, task: Task) -> Task | None:
        if threads.number(task):
            return threads.ends(task)  # type: ignore[no-any-return]  # a task
        leave(0 if task.error is None else 1, None)
        return None

    def spawn(
        self, fn: Callable[..., Any], args: Any = (), kwargs: Any = None, *, name: str | None = None, base: str = "task", daemon: bool = False, host: Any = None
    ) -> Any:
        return threads.spawn(fn, args, kwargs, name, base, daemon)

    def join(self, task: Task, deadline: int | None, overshoot_ns: int = 0) -> bool:
        return bool(threads.join(task, deadline, overshoot_ns))

    def collect(self) -> None:
        pass

    def _refused(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse()

    start_all = settle = wait_tick = switch_to = go_to = _park = _next = _stir = advance = call_at = fatal = _refused


class ChildCircling(Circling):
    """Whether this process's tasks go round. What happens elsewhere it learns with home's answers."""

    def begin(self, kernel: Kernel) -> None:
        """Look closely from now on."""
        self._has_news(kernel)
        self._begin(kernel)

    def _has_news(self, kernel: Kernel) -> bool:
        before, self._news = self._news, (kernel.now, messages())
        return bool(self._news != before)


class _Unpreempted(ChildKernel):
    """While the body of a module runs: nobody is asked at its points."""

    __slots__ = ()

    def point(self) -> None:
        self.steps += 1
        if self.asks_strategy:
            self.current.points += 1


ChildKernel.UNPREEMPTED = _Unpreempted  # type: ignore[attr-defined]  # see kernel/unpreempted.py


class Lines(Watcher):
    """In the place of those who watch the world: the lines of this process, until they are told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        """Lines as tuples, as lists what is to be written down, as numbers threads that were woken, as dictionaries what was done to real files."""

    def line(self, task: Task, code: CodeType, at: int) -> None:
        self.told.append((code.co_filename, code.co_qualname, code.co_firstlineno, at))


def _words(on: Any) -> str:
    """What a task of the child waits for, and who has it: maybe a thread that was not copied."""
    words = str(on.describe())
    holder = getattr(on, "holder", None)
    path = getattr(holder, "path", None)
    if path is None or getattr(holder, "serial", -1) < 0:
        return words
    return f"{words}, held by {path}" + (", which was not copied into this process" if threads.number(holder) is None else "")


class NoLog:
    """In the place of the log: what happens is written down at home, and told to it if it happens here, as TLS does."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def append(self, record: tuple[Any, ...]) -> None:
        if record[2] in _HERE:
            self._lines.told.append([*record[2:]])

    def flush(self) -> None:
        pass


class Descriptors:
    """In the place of the table's dictionary: whether a descriptor is open, home says."""

    def __contains__(self, fd: object) -> bool:
        return is_simulated(fd)

    def get(self, fd: int, default: Any = None) -> Any:
        return default

    def __getitem__(self, fd: int) -> Any:
        refuse()

    def __iter__(self) -> Iterator[int]:
        refuse()

    values = items = __iter__


class Table:
    """In the place of the descriptor table."""

    def __init__(self) -> None:
        self.files = Descriptors()

    def close(self, fd: int) -> None:
        ask("discard", far(fd))

    def dup(self, fd: int) -> Any:
        return ask("call", "os.dup", (far(fd),), {})

    def __getattr__(self, name: str) -> Any:
        refuse()


__all__ = [
    "LOW",
    "NOBODY",
    "POINTS_MAX",
    "SOMEBODY",
    "ChildCircling",
    "ChildKernel",
    "Descriptors",
    "Lines",
    "NoLog",
    "Table",
    "far",
    "is_simulated",
    "low",
    "near",
    "refuse",
]
