"""A child's task at home: it makes the calls that the child asks for.

PYTEST_DONT_REWRITE

Owns the exchange with one child from its first turn to its end, its signals, and the certainty that the real process is gone when its task is. Does not know
which calls there are. Laws:

* a child computes while its proxy has its turn, and at no other time; home waits for it then, and the watchdog's limit holds for both;
* a handler runs in the child, in its proxy's turn: the call in which the child waits goes on afterwards, or is given up if the handler raised;
* however a proxy ends, its child has been killed and waited for, and its descriptors are closed.
"""

from __future__ import annotations

import os
import signal as _real
from functools import cache
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from simsock.errors import Unsupported
from simsock.kernel.limits import Halt
from simsock.kernel.signals import AGAIN, USER, name_of, signals_of
from simsock.kernel.starting import give_back
from simsock.processes import child_loops, family, far_times
from simsock.processes.far_titles import TITLE, title_of
from simsock.processes.messages import error_as_message, flat

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from types import CodeType

    from simsock.kernel import Kernel, Task
    from simsock.processes.family import Member

_kill_really, _wait_really = os.kill, os.waitpid
_WNOHANG = os.WNOHANG
_STOPS = frozenset(int(getattr(_real, name)) for name in ("SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU") if hasattr(_real, name))

Calls = "dict[str, Callable[..., Any]]"


_LONG = 8
"""After so many vain looks for its next message a child computes for long; each takes a tenth of a second."""
_BETWEEN_CALLS = frozenset(("line", "count"))
_CODE = compile("pass", "", "exec")


@cache
def _code(filename: str, name: str, first: int) -> CodeType:
    """In the place of a function's code in a child, which home may not have: where it stands, and nothing in it."""
    return _CODE.replace(co_filename=filename, co_name=name.rpartition(".")[2], co_qualname=name, co_firstlineno=first)


class _Gone(BaseException):
    """The process has ended, with a status as wait(2) tells it; None: the system knows it."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


class _ThreadOver(BaseException):
    """A thread of the process has ended, and not the process."""


class _Withdrawn(BaseException):
    """A handler has raised in the child, which has given up the call that is being made."""


class _Due(Halt):
    """As a proxy's pending error: handlers are to run in its child."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__("signal")
        self.proxy = proxy

    def meet(self, kernel: Kernel, task: Task) -> None:
        if self.proxy.is_at_line:
            return  # they run at the child's next call
        woken = task.woken  # what it waited for has come, or not: it learns of it when the handlers have run
        self.proxy.run_handlers()
        task.woken = woken or AGAIN


class _Killed(Halt):
    """As a proxy's pending error: its child was killed by a signal."""

    def __init__(self, number: int) -> None:
        super().__init__("killed")
        self.number = number

    def meet(self, kernel: Kernel, task: Task) -> None:
        raise _Gone(self.number)


class _Dismissed(Halt):
    """As a proxy's pending error: its thread is there no more, and its process goes on."""

    def __init__(self) -> None:
        super().__init__("dismissed")

    def meet(self, kernel: Kernel, task: Task) -> None:
        raise _ThreadOver


class Proxy:
    """Of one child, or of one of its threads."""

    def __init__(self, kernel: Kernel, member: Member, calls: dict[str, Callable[..., Any]], number: int = 0) -> None:
        self.kernel = kernel
        self.member = member
        self.calls = calls
        self.number = number
        """Which of the child's threads; 0 is the one that forked."""
        self.starter: Task | None = None
        """Who waits until it has begun."""
        self.sleeping: deque[Task] | None = None
        """Where it waits for something in the child's memory."""
        self._due = _Due(self)
        self.news: Any = None
        """What had happened when the child had last passed many points."""
        self.vain = 0
        """How often in a row it was the same."""
        self.is_at_line = False
        """The child stands between two calls, where none of its handlers may run."""

    def run(self, starter: Task | None) -> None:
        """What the task does."""
        kernel, member = self.kernel, self.member
        kernel.process, kernel.files = member.table, member.table.files
        status: int | None = None
        lives = False
        try:
            if starter is not None:
                give_back(kernel, starter)
            self.answer(None)
            self._serve(False)
        except _Gone as gone:
            status = gone.status
        except _ThreadOver:
            lives = True
            del member.threads[self.number], member.masks[self.number]
        finally:
            if not lives and member.status is None:
                self._end(status)
            home = family.family_of(kernel).home
            if home is not None:
                kernel.process, kernel.files = home.table, home.table.files

    # -- the exchange ----------------------------------------------------------------------------------------------------------------------

    def _serve(self, nested: bool) -> str:
        """Make the calls that the child asks for; ``nested``: until its handler is done."""
        while True:
            name, args = self.hear()
            self.is_at_line = name in _BETWEEN_CALLS
            if name == "exit":
                self.member.left = args[0]
                raise _Gone(args[0])
            if nested and name in ("handled", "raised"):
                return str(name)
            if name == "thread ends":
                raise _ThreadOver
            try:
                if self.member.pending and not self.is_at_line:
                    self.run_handlers()
                value = self.calls[name](self.member, *args)
                if self.member.pending and not self.is_at_line:
                    self.run_handlers()
            except _Withdrawn:
                continue
            except Exception as error:
                self._refuse(error)
            else:
                self.answer(value)

    def hear(self) -> tuple[str, Any]:
        """What the child asks for next, and with what. What it has done since it asked before is counted, and told."""
        name, args, steps, points, lines = self._next()
        self.kernel.current.points += points
        if lines:
            self._tell(lines, steps)
        self._count(steps)
        return name, args

    def _next(self) -> Any:
        """The child's next message. It computes until then."""
        kernel, channel = self.kernel, self.member.channel
        assert channel is not None
        looks = 0
        while not channel.is_ready():
            looks += 1
            if looks >= _LONG and not looks & (looks - 1) and self.member.real:
                _kill_really(self.member.real, child_loops.SIGNAL)
            if kernel.pending_signal is not None:  # the watchdog's, or Ctrl-C: there may be no next call
                error, kernel.pending_signal = kernel.pending_signal, None
                kernel.fatal(error)
        message = channel.receive()
        if message is None:
            raise _Gone(None)
        channel.is_computing = False
        if message[0] == "circles":
            return message
        # It has computed, which nobody sees here: what it asks for again and again is not in vain because its proxy is where it was.
        kernel.polling.vain = kernel.polling._equal = 0
        kernel.circling._news = None
        return message

    def _count(self, steps: int) -> None:
        """The child has passed so many points by itself."""
        kernel = self.kernel
        kernel.steps += steps
        if kernel.steps >= kernel.alarm and not kernel.ending:
            kernel._alarm()

    def _tell(self, lines: list[Any], steps: int) -> None:
        """The child has come to these lines, of which it may have passed all but the last, or has something to be written down."""
        kernel = self.kernel
        task = kernel.current
        kernel.steps += steps - 1  # as at a line of home's own, which is told before it is counted
        for item in lines:
            if type(item) is int:
                _wake(kernel, self.member, item)
            elif type(item) is dict:
                far_times.told(kernel, item)
            elif type(item) is list:
                what, *rest = (title_of(self.member, part) if isinstance(part, str) and part.startswith(TITLE) else part for part in item)
                kernel.log.append((kernel.now, task.path, what, *rest))  # of TLS, which encrypts in the child
            elif kernel.watchers is not None:
                filename, name, first, at = item
                kernel.watchers.line(task, _code(filename, name, first), at)
        kernel.steps -= steps - 1

    def _clock(self) -> tuple[int, int, bool, int]:
        """The time, by the world and by the child's host; whether anybody else can run, or has to be asked all the same; for which thread it is."""
        kernel = self.kernel
        host = kernel.current.host
        return kernel.now, host.skew_ns if host is not None else 0, bool(kernel.runq) or hasattr(kernel.timers, "stalls"), self.number

    def _send(self, *message: Any) -> None:
        assert self.member.channel is not None
        self.member.channel.is_computing = True
        if not self.member.channel.send((*message, *self._clock())):
            raise _Gone(None)

    def answer(self, value: Any) -> None:
        """What comes of what it has asked for."""
        self._send("answer", flat(value))

    def _refuse(self, error: Exception) -> None:
        self._send("error", error_as_message(error))

    def place_in_process(self) -> str:
        """Where the child's thread stands; it can be asked while it waits for home's word."""
        channel = self.member.channel
        if channel is None or channel.is_computing or self.member.status is not None:
            return "?"
        told = channel.receive() if channel.send(("where", self.number)) else None
        return "?" if told is None else str(told)

    def run_handlers(self) -> None:
        """Have the child run the handlers of its pending signals, in its main thread."""
        pending = self.member.pending if not self.number else None
        while pending:
            number = min(pending)
            pending.discard(number)
            if family.disposition(self.kernel, self.member, number) != family.HANDLED:
                continue  # taken back meanwhile
            self.kernel.log.append((self.kernel.now, self.kernel.current.path, "handler", name_of(number)))
            self._send("signal", number)
            if self._serve(True) == "raised":
                raise _Withdrawn

    # -- the end ---------------------------------------------------------------------------------------------------------------------------

    def _end(self, status: int | None) -> None:
        kernel, member = self.kernel, self.member
        if member.timers is not None:
            member.timers.end(kernel)
        found = end_really(member)
        if status is None:
            status = found if found is not None and member.left is None else member.left or 0
        try:
            for fd in sorted(member.table.files):
                if kernel.ending:
                    break
                member.table.close(fd)
            member.table.files.clear()
            if not kernel.ending:
                kernel.log.append((kernel.now, kernel.current.path, "exit", *told_status(status)))
            family.ends(kernel, member, status)
            if not kernel.ending and member.parent is not None and member.parent.status is None:
                send(kernel, member.parent, int(_real.SIGCHLD), quietly=True)
        finally:
            for task in (member.task, *member.threads.values()):  # its other threads are gone with it
                if task is not None and task is not kernel.current and not task.dead and not kernel.ending:
                    task.pending = _Killed(status)
                    _stir(kernel, task)


def _wake(kernel: Kernel, member: Member, number: int) -> None:
    """Another thread of the same process has woken this one, in their memory."""
    task = member.threads.get(number) if number else member.task
    waiting = proxy_of(task).sleeping if task is not None and not task.dead else None
    if waiting:
        kernel.wake(waiting)


def end_really(member: Member) -> int | None:
    """See to it that the real process is gone and waited for; returns its status, None if that was done before. Safe to call again."""
    if member.channel is not None:
        member.channel.close()
    real, member.real = member.real, 0
    if not real:
        return None
    try:
        pid, status = _wait_really(real, _WNOHANG)
        if not pid:
            if member.left is None:
                _kill_really(real, _real.SIGKILL)
            _, status = _wait_really(real, 0)
    except ChildProcessError:  # somebody waits for every child of this real process
        return None
    except BaseException:
        member.real = real
        raise
    return status


def told_status(status: int) -> tuple[Any, ...]:
    """A status in a record: ``("status", 1)`` or ``("SIGKILL",)``."""
    return (name_of(os.WTERMSIG(status)),) if os.WIFSIGNALED(status) else (os.WEXITSTATUS(status),)


# -- signals ---------------------------------------------------------------------------------------------------------------------------------


def send(kernel: Kernel, member: Member, number: int, quietly: bool = False, by_clock: bool = False) -> None:
    """Send a signal to a process. ``quietly``: the system does, and nobody is told of it where it does nothing; ``by_clock``: in no task's turn."""
    if member.parent is None:
        if not (quietly and kernel.signals is None):
            signals_of(kernel).send(number, USER)
        return
    if not number or member.status is not None:
        return
    if member.holds(number):
        member.held.add(number)
        kernel.wake_all(member.signalled)
        return
    what = family.disposition(kernel, member, number) if number != _real.SIGKILL else family.DEFAULT
    if family.is_nothing(number, what):
        return
    if not quietly:
        kernel.log.append((kernel.now, kernel.current.path, "signal", name_of(number)))
    if what == family.DEFAULT and number in _STOPS:
        raise Unsupported(f"{name_of(number)} would stop process {member.pid}: that is not simulated")
    task = member.task
    if task is None or task.dead:
        return
    here = not by_clock and getcurrent() is task.greenlet
    if what == family.HANDLED:
        member.pending.add(number)
        if not here and task.pending is None:
            task.pending = proxy_of(task)._due
            _stir(kernel, task)
    elif here:
        raise _Gone(number)
    else:
        strike(kernel, member, number)


def strike(kernel: Kernel, member: Member, number: int) -> None:
    """A signal that nobody can handle comes from outside: the process ends where it stands. To be called from anywhere, also where nothing may be raised."""
    if member.status is not None:
        return
    for task in (member.task, *member.threads.values()):
        if task is None or task.dead:
            continue
        task.pending = _Killed(number)
        if task.queue is not None:
            _stir(kernel, task)
        elif task is kernel.current:  # it stands at a point
            task.killed = True
            kernel.alarm = 0


def dismiss_threads(kernel: Kernel, member: Member) -> None:
    """The threads of a process but for its main one are there no more."""
    for task in member.threads.values():
        if not task.dead:
            task.pending = _Dismissed()
            _stir(kernel, task)


def _stir(kernel: Kernel, task: Task) -> None:
    """A proxy that waits does so no more."""
    if task.queue is not None:
        kernel.detach(task)
        kernel.runq.append(task)


def proxy_of(task: Task) -> Proxy:
    """The proxy whose task it is."""
    return task.value  # type: ignore[no-any-return]  # put there by the fork


__all__ = ["Proxy", "dismiss_threads", "end_really", "proxy_of", "send", "strike", "told_status"]
