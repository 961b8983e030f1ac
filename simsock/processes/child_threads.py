"""Threads of a child: greenlets in its own memory, each with a proxy at home.

PYTEST_DONT_REWRITE

Owns which of them goes on when home answers, their start and their end. Does not know the calls that they make. Laws:

* home decides who runs: a thread that has asked for something waits for home's next word, and goes on if that is for it; else the one goes on that it is for;
* a wake within the child is told with the next message: nobody goes on before that in any case;
* a process whose program is over waits for its threads, but for daemons.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from simsock.kernel import starting
from simsock.kernel.core import Kernel
from simsock.kernel.program_lines import place_of, place_of_current
from simsock.processes.redirecting import original_of, redirect

if TYPE_CHECKING:
    from simsock.kernel.task import Task
    from simsock.processes.child import Child

MAIN = 0
"""The number of the thread that forked."""


class Threads:
    """Of one child."""

    def __init__(self, child: Child, main: Task) -> None:
        self._child = child
        self.kind: Any = None
        """The class of the child's kernel."""
        self._tasks: dict[int, Task] = {MAIN: main}
        self._numbers: dict[int, int] = {main.serial: MAIN}
        self._words: dict[int, Any] = {}
        """What home has said to whom, until he goes on."""

    def number(self, task: Task) -> int | None:
        """What home calls a thread; None for one that is none of this process."""
        return self._numbers.get(task.serial)

    def be_alone(self) -> None:
        """The current one was forked, or goes on as another program; the others are not there."""
        me = self._child.kernel.current
        self._tasks, self._numbers, self._words = {MAIN: me}, {me.serial: MAIN}, {}

    def place(self, number: int) -> str:
        """Where a thread stands."""
        task = self._tasks.get(number)
        return "?" if task is None else place_of_current() if task is self._child.kernel.current else place_of(task.greenlet)

    def receive(self) -> Any:
        """Home's next word for the current thread. Others go on meanwhile."""
        child, kernel = self._child, self._child.kernel
        me = self._numbers[kernel.current.serial]
        while me not in self._words:
            message = child.hear()
            if message[-1] == me:
                return message
            kind, atomic = kernel.__class__, kernel.atomic
            kernel.__class__, kernel.atomic = self.kind, 0  # it may stand in the body of a module, in which nobody is asked
            kernel.thread_state.switch(self._hand_on(message))
            kernel.__class__, kernel.atomic = kind, atomic
        return self._words.pop(me)

    def _hand_on(self, message: Any) -> Task:
        """It is for another thread, which goes on: returns that."""
        other = self._tasks[message[-1]]
        self._child.kernel.current = other
        if other.started:
            self._words[message[-1]] = message
        else:  # it begins, and has asked for nothing
            self._child.learn(message)
        return other

    def spawn(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, name: str | None, base: str, daemon: bool) -> Task:
        """A thread, which home lets begin."""
        child, kernel = self._child, self._child.kernel
        task = Kernel._new_task(kernel, kernel.current, name, base, fn)
        task.args, task.kwargs, task.daemon = args, kwargs or {}, daemon
        task.greenlet = kernel._launcher
        number, task.path = child.ask("spawn", name, base, daemon)
        self._tasks[number], self._numbers[task.serial] = task, number
        return task

    def ends(self, task: Task) -> Task:
        """The last thing that a thread does: returns who goes on, whose greenlet its own becomes a child of."""
        child, kernel = self._child, self._child.kernel
        me = task.greenlet
        task.dead = True
        task.fn = task.locals = task.thread = task.greenlet = None
        task.args, task.kwargs = (), {}
        kernel.tasks.pop(task.serial, None)
        child.say("thread ends")
        del self._tasks[self._numbers.pop(task.serial)]
        other = self._hand_on(child.hear())
        me.parent = other.greenlet
        return other

    def join(self, task: Task, deadline: int | None, overshoot_ns: int) -> bool:
        """Wait for a thread's end."""
        number = self.number(task)
        return True if task.dead or number is None else bool(self._child.ask("join", number, deadline, overshoot_ns))

    def wait_for_all(self) -> None:
        """The program is over but for these."""
        mine = (self._child.kernel.current, self._tasks[MAIN])
        while others := [task for task in self._tasks.values() if not task.daemon and task not in mine]:
            self.join(others[0], None, 0)


def apply(child: Child) -> None:
    """Put in place what starts threads."""

    def begin_at_once(kernel: Kernel, task: Task) -> None:
        child.ask("begin", child.threads.number(task))

    def give_back(kernel: Kernel, starter: Task | None) -> None:
        if starter is not None:
            child.ask("give back")

    shut_down = original_of(threading._shutdown)  # type: ignore[attr-defined]  # what the interpreter calls at its end, and multiprocessing at a process's

    def shutdown() -> None:
        child.threads.wait_for_all()
        shut_down()

    redirect(starting.begin_at_once, begin_at_once)
    redirect(starting.give_back, give_back)
    redirect(threading._shutdown, shutdown)  # type: ignore[attr-defined]


__all__ = ["MAIN", "Threads", "apply"]
