"""Signals of the one process that a world has: who blocks which, which are pending, who takes them, and when a handler runs.

Owns dispositions, masks, pending signals and the running of handlers. Does not know the calls by which programs ask for all that, nor real signals:
what comes from outside the world (Ctrl-C, another process) never comes here. Laws:

* as on Linux, a signal of the process goes to the first task unless that blocks it, else to the first other one that does not, else it is pending;
* as in CPython, every handler runs in the first task: at once if that has sent the signal itself, else in its wait or before its next simulated
  call. If the handler returns, the wait goes on with what is left of its timeout (PEP 475); what it raises is raised there;
* a handler does not run where CPython would not let it: while a lock is given back, nor between a ``with`` block and its end;
* with the world's end all of it is gone.
"""

from __future__ import annotations

import signal as _real
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from simsock.errors import KilledBySignal, Unsupported
from simsock.harness import is_harness
from simsock.kernel.handler_places import may_run, shown_to_handler
from simsock.kernel.limits import Halt
from simsock.kernel.program_lines import place_of_current
from simsock.kernel.watchdog import watchdog
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

AGAIN: Any = 2
"""What a task's ``woken`` says when a handler has run in its wait: nobody woke it, and it looks again whether it still has to wait."""
USER, TIMER, OUTSIDE = 0, 0x80, 1 << 16
"""``si_code`` of siginfo(7): sent by a program (glibc's sigwaitinfo does not tell tgkill(2) from kill(2)), by the system; and by a program outside of the
world, which whoever receives it is told as the first."""
REAL_TIME_FIRST = int(getattr(_real, "SIGRTMIN", 34))
"""From here on each signal that is sent is kept; of one below, one."""
_NOTHING: frozenset[int] = frozenset()
_KILL, _STOP = int(getattr(_real, "SIGKILL", 9)), int(getattr(_real, "SIGSTOP", 19))
_IGNORED = frozenset(int(getattr(_real, name)) for name in ("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH") if hasattr(_real, name))
_PYTHON_IGNORES = {getattr(_real, name, None) for name in ("SIGPIPE", "SIGXFSZ")}
_ignored_by_others = {int(number) for number in _real.valid_signals() - _PYTHON_IGNORES if _real.getsignal(number) == _real.SIG_IGN}
"""Signals that this process ignores and no program has said so: whoever started it did (``nohup``, shells of what runs in the background), or a harness."""
_STOPS = frozenset(int(getattr(_real, name)) for name in ("SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU") if hasattr(_real, name))


def ignore_in_this_process(number: int) -> None:
    """Ignore a real signal from here on; programs in worlds do not see that."""
    _real.signal(number, _real.SIG_IGN)
    _ignored_by_others.add(int(number))


def name_of(number: int) -> str:
    """``"SIGTERM"``; of those without a name, ``"signal 40"``."""
    try:
        return _real.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Info(NamedTuple):
    """One signal that was sent: siginfo_t, as far as it has a meaning here."""

    number: int
    code: int


class Waiter:
    """A task in sigwaitinfo(2) or one of its kin."""

    __slots__ = ("info", "queue", "task", "wanted")

    def __init__(self, task: Task, wanted: frozenset[int]) -> None:
        self.task = task
        self.wanted = wanted
        self.info: Info | None = None
        self.queue: deque[Task] = deque()

    def describe(self) -> str:
        """Which signals it waits for."""
        return " or ".join(name_of(number) for number in sorted(self.wanted)) or "no signal at all"


class _Due(Halt):
    """As the first task's pending error: handlers are to run where it stands."""

    def meet(self, kernel: Kernel, task: Task) -> None:
        woken = task.woken  # what it waited for has come, or not: it learns of it when the handlers have run
        try:
            if kernel.signals is not None:
                kernel.signals.strike()
        finally:
            task.woken = woken
        if not woken:
            task.woken = AGAIN


class Signals:
    """Of one world."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.is_over = False
        """The world's block has been left: nothing is sent any more."""
        self.handlers: dict[int, Any] = {}
        """Those that the program has set in this world."""
        self.masks: dict[int, frozenset[int]] = {}
        """What each task blocks, by its serial number."""
        self.shared: list[Info] = []
        self.private: dict[int, list[Info]] = {}
        """Pending signals: of the process, and of single tasks."""
        self.wakes_up: Callable[[int], object] | None = None
        """Told of each signal whose handler is to run: ``signal.set_wakeup_fd``."""
        self.ran = 0
        """How many handlers have been called."""
        self._by_clock = False
        self._tripped: set[int] = set()
        self._due = _Due("signal")
        self._waiters: list[Waiter] = []
        self._pausing: dict[int, deque[Task]] = {}

    # -- dispositions and masks --------------------------------------------------------------------------------------------------------

    def disposition(self, number: int) -> Any:
        """A handler, SIG_DFL, SIG_IGN or None: the world's, else what it was before the world.

        What a harness has said (pytest-timeout, a search's process), and what the process was started with, is not the program's.
        """
        found = self.handlers.get(number)
        if found is None:
            found = watchdog.disposition(number)
            if is_harness(str(getattr(found, "__module__", ""))) if callable(found) else found == _real.SIG_IGN and number in _ignored_by_others:
                return _real.default_int_handler if number == _real.SIGINT else _real.SIG_DFL
        return found

    def handle(self, number: int, handler: Any) -> None:
        """Set its handler. One that is ignored from now on is pending for nobody any more, be it blocked or not (POSIX, sigaction)."""
        self.handlers[number] = handler
        if self._is_ignored(number):
            for queue in (self.shared, *self.private.values()):
                queue[:] = [info for info in queue if info.number != number]

    def mask(self, task: Task) -> frozenset[int]:
        """What a task blocks."""
        return self.masks.get(task.serial, _NOTHING)

    def inherit(self, parent: Task, child: Task) -> None:
        """A thread begins with what the one that starts it blocks."""
        if parent.serial in self.masks:
            self.masks[child.serial] = self.masks[parent.serial]

    def block(self, task: Task, mask: frozenset[int]) -> None:
        """Set what a task blocks; what was pending and is not blocked any more is taken."""
        self.masks[task.serial] = mask - {_KILL, _STOP}
        while True:
            ready = [info.number for info in (*self.private.get(task.serial, ()), *self.shared) if info.number not in self.masks[task.serial]]
            if not ready:
                return
            info = self._dequeue(task, frozenset((min(ready),)))
            if info is not None:
                self._act(info.number, task, None)

    def pending(self, task: Task) -> set[int]:
        """sigpending(2)."""
        return {info.number for info in (*self.private.get(task.serial, ()), *self.shared)}

    # -- sending -----------------------------------------------------------------------------------------------------------------------

    def send(self, number: int, code: int = USER, to: Task | None = None) -> None:
        """Send a signal to the process, or to one task of it. What the first task has to do about it is done by ``strike``."""
        kernel = self.kernel
        if self.is_over or kernel.ending:
            return
        if code == TIMER:
            kernel.log.append((kernel.now, "timer", "rings", name_of(number)))
        else:
            kernel.log.append((kernel.now, kernel.current.path, "signal", name_of(number)))
        self._deliver(number, code, to)

    def send_from_outside(self, number: int, index: int, by_clock: bool) -> None:
        """The world's ``index``-th signal whose moment was drawn: nobody in the world has sent it. ``by_clock``: no task is at a point."""
        kernel = self.kernel
        if not self.is_over and not kernel.ending:
            kernel.log.append((kernel.now, "outside", "strikes", name_of(number), index))
            self._by_clock = by_clock
            self._deliver(number, OUTSIDE, None)

    def _deliver(self, number: int, code: int, to: Task | None) -> None:
        kernel = self.kernel
        target = kernel.first if to is None else to
        if number not in self.mask(target) and self._is_ignored(number):
            return
        tasks = [to] if to is not None else [kernel.first, *kernel.tasks.values()]
        for task in tasks:
            waiter = next((waiter for waiter in self._waiters if waiter.task is task and number in waiter.wanted and waiter.info is None), None)
            if waiter is not None:
                waiter.info = Info(number, code % OUTSIDE)
                if waiter.queue:
                    kernel.wake(waiter.queue)
                return
            if number not in self.mask(task):
                self._act(number, task, code)
                return
        queue = self.shared if to is None else self.private.setdefault(to.serial, [])
        if number >= REAL_TIME_FIRST or not any(info.number == number for info in queue):
            queue.append(Info(number, code % OUTSIDE))

    def _is_ignored(self, number: int) -> bool:
        found = self.disposition(number)
        return bool(found == _real.SIG_IGN or (found == _real.SIG_DFL and number in _IGNORED))

    def _act(self, number: int, task: Task, code: int | None) -> None:
        """``task`` takes a signal that it does not block."""
        found = self.disposition(number)
        if number in (_KILL, _STOP):
            found = _real.SIG_DFL
        if callable(found):
            self.trip(number)
            pausing = self._pausing.get(task.serial)
            if pausing and task is not self.kernel.first:
                self.kernel.wake(pausing)
            if task is self.kernel.first:
                self._interrupt()
        elif not self._is_ignored(number):
            error = self._fatal(number, found)
            if code == TIMER or (code == OUTSIDE and self._by_clock):
                self.kernel._fail_first(error)
            elif code == OUTSIDE:
                self.kernel.pending_signal = error
                self.kernel.alarm = 0
            else:
                self.kernel.fatal(error)

    def _fatal(self, number: int, disposition: Any) -> Exception:
        name = name_of(number)
        if disposition is None:
            return Unsupported(f"{name}: its handler is none of Python's, and is not simulated")
        if number in _STOPS:
            return Unsupported(f"{name} would stop the process: that is not simulated")
        place = place_of_current()
        return KilledBySignal(f"{name} would have ended the program: it has no handler for it; task {self.kernel.current.path} at {place}", signal=name)

    def trip(self, number: int) -> None:
        """Its handler is to run in the first task, which does not hear of it in its wait."""
        self._tripped.add(number)
        first = self.kernel.first
        if first.pending is None:
            first.pending = self._due
        if self.wakes_up is not None:
            self.wakes_up(number)

    def _interrupt(self) -> None:
        """The first task's wait ends, if it can."""
        kernel = self.kernel
        first = kernel.first
        if first.queue is not None and first.pending is self._due:
            frame = sys._getframe(1) if getcurrent() is first.greenlet else first.greenlet.gr_frame
            if may_run(frame):
                kernel.detach(first)
                kernel.runq.append(first)

    def parking(self) -> None:
        """The current task is about to park, and stands in its queue already: if it is the first and has handlers to run, it does not wait for long."""
        if self._tripped and self.kernel.current is self.kernel.first:
            if self.kernel.first.pending is None:
                self.kernel.first.pending = self._due
            self._interrupt()

    # -- running handlers ----------------------------------------------------------------------------------------------------------------

    def strike(self, checked: bool = True) -> bool:
        """Run the handlers that are due. To be called where the first task stands; False if there was nothing to do.

        ``checked``: where CPython would not run them, leave them for the next simulated call.
        """
        kernel = self.kernel
        first = kernel.first
        if not self._tripped:
            return False
        if kernel.current is not first:
            if first.pending is None:
                first.pending = self._due
            return False
        if first.pending is self._due:
            first.pending = None
        if checked and not may_run(sys._getframe(1)):
            kernel.alarm = 0
            return True
        while self._tripped and not kernel.ending:
            number = min(self._tripped)
            self._tripped.discard(number)
            handler = self.disposition(number)
            if not callable(handler):  # it was taken back meanwhile
                continue
            self.ran += 1
            kernel.log.append((kernel.now, first.path, "handler", name_of(number)))
            try:
                handler(number, shown_to_handler(sys._getframe(1)))
            except BaseException:
                if self._tripped:
                    kernel.alarm = 0
                raise
        return True

    # -- waiting ---------------------------------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """pause(2): until a handler was called because of a signal that the current task took."""
        kernel = self.kernel
        task = kernel.current
        ran = self.ran
        queue = self._pausing[task.serial] = deque()
        try:
            while True:
                kernel.wait(queue, None, "pause")
                if task is not kernel.first or self.ran != ran:
                    return
        finally:
            del self._pausing[task.serial]

    def take(self, wanted: frozenset[int], deadline: int | None, why: str) -> Info | None:
        """sigtimedwait(2): one of the signals ``wanted``, pending or still to come; None when the deadline passed first."""
        kernel = self.kernel
        info = self._dequeue(kernel.current, wanted)
        if info is not None:
            return info
        if deadline is not None and deadline <= kernel.now:
            kernel.fruitless()
            return self._dequeue(kernel.current, wanted)
        waiter = Waiter(kernel.current, wanted)
        self._waiters.append(waiter)
        try:
            while waiter.info is None and kernel.wait(waiter.queue, deadline, why, waiter):
                pass
        finally:
            self._waiters.remove(waiter)
        return waiter.info

    def _dequeue(self, task: Task, wanted: frozenset[int]) -> Info | None:
        for queue in (self.private.get(task.serial), self.shared):
            if queue:
                found = min((info for info in queue if info.number in wanted), key=lambda info: info.number, default=None)
                if found is not None:
                    queue.remove(found)
                    return found
        return None


def signals_of(kernel: Kernel) -> Signals:
    """The world's, made when it is first asked for."""
    if kernel.signals is None:
        kernel.signals = Signals(kernel)
    return kernel.signals


__all__ = ["AGAIN", "TIMER", "USER", "Info", "Signals", "ignore_in_this_process", "name_of", "signals_of"]
