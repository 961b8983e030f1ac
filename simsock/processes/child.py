"""In a child: the exchange with home, and how the process ends.

PYTEST_DONT_REWRITE

Owns the child's end of the connection, its first turn, its handlers of signals, and its end. What each stand-in does instead is in ``stand_ins``. Laws:

* a child never passes a door of its world: there it ends like a program, with 0, SystemExit's code, or 1 and its traceback;
* home's ``atexit`` functions do not run in it, nor do ``finally`` blocks and finalizers of tasks that were not copied: the interpreter is never finalized;
* it dies with home, however that ends.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import os
import random
import signal as _real
import sys
import threading
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from simsock.choices import derive_seed
from simsock.kernel.program_lines import BOTTOM, room_of
from simsock.kernel.signals import Signals, signals_of
from simsock.processes import child_kernel
from simsock.processes.child_loops import SIGNAL, Loops
from simsock.processes.child_threads import Threads
from simsock.processes.messages import Channel, error_as_message, error_of, flat
from simsock.stdlib import _openssl

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel

_exit_really, _getppid = os._exit, os.getppid
_set_handler: Any = import_module("_signal").signal
_PR_SET_PDEATHSIG = 1
_die_with_parent: Any = getattr(ctypes.CDLL(None), "prctl", None)
here: Child
"""What this process is, in a child."""
_not_copied: list[Any] = []
"""The tasks of home's other threads: none of their ``finally`` blocks and finalizers may run here, so somebody has to have them."""


class Child:
    """This process."""

    def __init__(self, kernel: Kernel, channel: Channel, pid: int) -> None:
        self.kernel = kernel
        self.pid = pid
        self._channel = channel
        self.lines = child_kernel.Lines()
        self.wakeup_fd = -1
        self.threads = Threads(self, kernel.current)
        self._is_flushing = False
        self._is_leaving = False
        self._messages = 0
        self.loops = Loops(kernel, self.ask, self.messages, _not_traced)

    def messages(self) -> int:
        """How many were sent."""
        return self._messages

    # -- the exchange ----------------------------------------------------------------------------------------------------------------------

    def ask(self, name: str, *args: Any) -> Any:
        """Make a call at home, and return or raise what came of it."""
        kernel = self.kernel
        if kernel.finalized and not self._is_flushing:
            self._is_flushing = True
            try:
                while kernel.finalized:
                    kernel.finalized.pop(0)()
            finally:
                self._is_flushing = False
        message = (error_as_message(args[0], traced=True),) if name == "failed" else flat(args)
        self._send(name, message)
        return self.answer()

    def _send(self, name: str, args: tuple[Any, ...]) -> None:
        kernel, me = self.kernel, self.kernel.current
        steps, points, lines = kernel.steps, me.points, self.lines.told
        kernel.steps = me.points = 0
        self._messages += 1
        if lines:
            self.lines.told = []
        if not self._channel.send((name, args, steps, points, lines)):
            _exit_really(1)  # home is gone

    def answer(self) -> Any:
        """Home's answer to what was asked, or its first word."""
        while True:
            kind, value = self.learn(self.threads.receive())
            if kind == "answer":
                return value
            if kind == "error":
                raise error_of(value)
            self._handle(value)

    def learn(self, message: Any) -> tuple[str, Any]:
        """What every word of home's says: the time, and whether others can run. Returns the rest."""
        kind, value, self.kernel.now, skew, others, _ = message
        self.kernel.runq = child_kernel.SOMEBODY if others else child_kernel.NOBODY
        host = self.kernel.current.host
        if host is not None:
            host.skew_ns = skew
        return kind, value

    def add(self, name: str, *args: Any) -> Any:
        """Tell home what it waits for before it makes a call, and return or raise what came of that."""
        self._send(name, args)
        return self.answer()

    def say(self, name: str) -> None:
        """Tell home something that it does not answer."""
        self._send(name, ())

    def hear(self) -> Any:
        """Home's next word, for whichever thread."""
        while True:
            message = self._channel.receive()
            if message is None:
                _exit_really(1)
            if message[0] != "where":
                return message
            self._channel.send(self.threads.place(message[1]))

    def _handle(self, number: int) -> None:
        """Home says that a signal has come."""
        handler = signals_of(self.kernel).disposition(number)
        if self.wakeup_fd != -1:
            self.ask("late send", child_kernel.far(self.wakeup_fd), bytes((number,)))
        try:
            if callable(handler):
                handler(number, sys._getframe(2))
        except BaseException:
            self._send("raised", ())
            raise
        self._send("handled", ())

    def be_another(self, channel: Channel, pid: int, path: str) -> None:
        """This process was forked by a child just now."""
        kernel = self.kernel
        self._channel.close()
        self._channel, self.pid = channel, pid
        self._is_flushing = self._is_leaving = False
        self.lines.told = []
        kernel.finalized = []
        self.be_alone()
        _draw_anew(kernel, path)
        _be_the_only_thread()
        _watch_the_harness()

    def be_alone(self) -> None:
        """The current thread is this process's only one."""
        self.threads.be_alone()
        _be_of_one(self.kernel)

    # -- the end ---------------------------------------------------------------------------------------------------------------------------

    @property
    def own_descriptors(self) -> tuple[int, int]:
        """The way home, which stays open whatever the program closes."""
        return self._channel.reading, self._channel.writing

    def end_threads(self) -> None:
        """The program has come to its end: wait for its threads."""
        self.threads.wait_for_all()

    def die_of(self, number: int) -> NoReturn:
        """End as by a signal."""
        try:
            self._send("exit", (number,))
        finally:
            _exit_really(128 + number)

    def exit(self, status: int) -> NoReturn:
        """``os._exit``."""
        try:
            self._send("exit", ((status & 0xFF) << 8,))
        finally:
            _exit_really(status & 0xFF)

    def leave(self, status: int, error: BaseException | None) -> NoReturn:
        """The program has come to its end in this process."""
        if self._is_leaving:
            self.exit(1)
        self._is_leaving = True
        try:
            if isinstance(error, SystemExit):
                status = status_of(error)
            elif error is not None:
                status = 1
                self.tell(error)
            self.end_threads()
            atexit._run_exitfuncs()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        except BaseException:
            status = 1
        finally:
            self.exit(status)

    def tell(self, error: BaseException) -> None:
        """What is raised and caught by nobody is printed, and fails the test."""
        traceback.print_exception(error)
        self.kernel.task_failed(self.kernel.current, error)


def status_of(error: SystemExit) -> int:
    """The exit status that it stands for; its words are printed."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code
    print(code, file=sys.stderr)
    return 1


class _HomeStream(io.TextIOBase):
    """In the place of a standard stream that keeps what it is given in memory: home's gets it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, text: str, /) -> int:
        here.ask("output", self._name, str(text))
        return len(text)

    def writable(self) -> bool:
        return True


def _keeps_in_memory(stream: Any) -> bool:
    try:
        stream.fileno()
    except (AttributeError, OSError, ValueError):
        return stream is not None
    return False


def die_with(parent: int) -> None:
    """Be killed when home is."""
    if _die_with_parent is not None:
        _die_with_parent(_PR_SET_PDEATHSIG, int(_real.SIGKILL), 0, 0, 0)
    if _getppid() != parent:
        _exit_really(1)


def begin(kernel: Kernel, channel: Channel, pid: int, path: str, apply: Callable[[Child], None]) -> None:
    """This process becomes a child of the world. Called with the world in force, right after the fork; ``apply`` puts its stand-ins in."""
    global here
    interrupts = signals_of(kernel).disposition(int(_real.SIGINT))
    _set_handler(int(_real.SIGINT), int(_real.SIG_IGN))  # Ctrl-C is home's alone
    gc.disable()
    atexit._clear()
    _be_of_one(kernel)
    here = Child(kernel, channel, pid)
    child_kernel.ask, child_kernel.leave, child_kernel.threads, child_kernel.lines = here.ask, here.leave, here.threads, here.lines
    _set_handler(SIGNAL, here.loops.look)
    kernel.__class__ = here.threads.kind = child_kernel.ChildKernel
    kernel.alarm = child_kernel.POINTS_MAX
    kernel.circling = child_kernel.ChildCircling()
    child_kernel.messages = here.messages
    kernel.finalized = []
    kernel.log = child_kernel.NoLog(here.lines)  # type: ignore[assignment]
    kernel.process = table = child_kernel.Table()  # type: ignore[assignment]
    kernel.files = table.files  # type: ignore[assignment]
    listens = kernel.watchers is not None
    kernel.watchers = kernel.counts = kernel.late = kernel.sees = None
    if kernel.preemption is not None and kernel.preemption.granularity == "lines":
        kernel.watchers = here.lines if listens else None  # type: ignore[assignment]  # it hears what they do
    elif kernel.preemption is not None:
        kernel.preemption.live = None
        kernel.preemption = None
    kernel.pending_signal = None
    kernel.thread_state.become_a_childs()
    handlers = signals_of(kernel).handlers
    here.wakeup_fd = getattr(signals_of(kernel).wakes_up, "fd", -1)
    kernel.signals = Signals(kernel)
    kernel.signals.handlers.update({int(_real.SIGINT): interrupts, **handlers})
    _draw_anew(kernel, path)
    _be_the_only_thread()
    apply(here)
    _watch_the_harness()
    for name in ("stdout", "stderr"):
        if _keeps_in_memory(getattr(sys, name)):
            setattr(sys, name, _HomeStream(name))


def _be_of_one(kernel: Kernel) -> None:
    """No other task was copied."""
    me = kernel.current
    for task in kernel.tasks.values():
        if task is not me:
            task.dead = True
            _not_copied.append(task)
    kernel.tasks.clear()
    kernel.tasks[me.serial] = me
    kernel.steps = me.points = 0


def _draw_anew(kernel: Kernel, path: str) -> None:
    """Each process has chance of its own: two children of one parent would draw the same."""
    kernel.seed = derive_seed(kernel.seed, f"process {path}")
    for room in list(getattr(kernel.room, "__self__", {}).values()):
        if type(room) is _openssl.Room:
            room.key = b""
        if hasattr(room, "entropy_key"):
            room.entropy_key = b""
            room.urandom_calls = 0
            if room.draws_from_world:
                random.seed(derive_seed(kernel.seed, "random"))


def _be_the_only_thread() -> None:
    """As ``threading`` has it after a fork: who forked is the main thread, and alone."""
    library: Any = threading
    ident = library.get_ident()
    me = library._active.get(ident)
    library._limbo.clear()
    library._active.clear()
    if me is None:
        me = library._main_thread
    library._active[ident] = me
    library._main_thread = me


_RUNS_TESTS = ("pytest_simsock", "_pytest.python", "_pytest.unittest", "_pytest.fixtures", "pluggy", "unittest.case", "hypothesis")
"""Modules whose frames run code of the program, and go on when that has come to its end."""


def _watch_the_harness() -> None:
    """The innermost frame of what runs the test is a door, too, wherever the world ends: it must not go on here."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if room_of(frame) == BOTTOM or any(name == part or name.startswith(part + ".") for part in _RUNS_TESTS):
            break
        frame = frame.f_back
    if frame is not None:
        if sys.gettrace() is None:  # else there is one that watches lines, and lets frames have their own
            sys.settrace(_not_traced)
        frame.f_trace = _goes_on
        frame.f_trace_lines = True


def _not_traced(frame: Any, event: str, argument: Any) -> None:
    return None


def _goes_on(frame: Any, event: str, argument: Any) -> Any:
    here.leave(0, argument[1] if event == "exception" else None)


def at_door(*args: Any, **keywords: Any) -> NoReturn:
    """In the place of each door."""
    error = next((arg for arg in args if isinstance(arg, BaseException)), None) or sys.exception()
    here.leave(0, error)


__all__ = ["Child", "at_door", "begin", "die_with", "status_of"]
