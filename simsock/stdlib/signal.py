"""Stand-ins for the functions of ``_signal``: sending, handling, blocking and awaiting signals within a world.

Owns CPython's calling conventions and errors. Does not know how a signal finds its task. Laws:

* no real signal is sent, no real handler or timer is set; what a real signal from outside does stays what it was before the world;
* handlers are set in the world's first task, if the world was entered in the main thread: elsewhere there are no signals in CPython either.
"""

from __future__ import annotations

import errno
import os as _os
import signal as _real
import sys
import threading as _threading
from importlib import import_module
from operator import index
from types import SimpleNamespace
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.failures import bad_descriptor, os_error
from simsock.kernel.handler_places import uninterruptible
from simsock.kernel.identity import own_number
from simsock.kernel.interval_timers import KINDS, IntervalTimers
from simsock.kernel.signals import TIMER, USER, Info, Signals, name_of, signals_of
from simsock.kernel.units import NS
from simsock.net.pipes import EventCounter, PipeEnd
from simsock.net.sockets import Socket
from simsock.stdlib._buffers import c_int
from simsock.stdlib._waiting import begin, in_vain, looked, nanoseconds

_getuid = _os.getuid
_fstat = _os.fstat
_main_thread, _real_threads = _threading.main_thread, sys._current_frames
_struct = _real.struct_siginfo
_signal: Any = import_module("_signal")  # without the enumerations of ``signal``
_set_really, _valid = _signal.signal, _signal.valid_signals
_FATAL = frozenset(int(number) for number in (_real.SIGKILL, _real.SIGSTOP))
_ALARM_MAX = 2**31 - 1
HOW = (int(_real.SIG_BLOCK), int(_real.SIG_UNBLOCK), int(_real.SIG_SETMASK))


def _signals(what: str = "") -> Signals:
    """The world's signals; ``ValueError`` with the text ``what`` (or Unsupported without) where CPython has no signals."""
    kernel = session.kernel()
    main = kernel.thread == _main_thread().ident
    if what and not (main and kernel.current is kernel.first):
        raise ValueError(what)
    if not main:
        raise Unsupported("signals of a world that was entered in another thread than the main one: CPython handles signals in the main thread only")
    return signals_of(kernel)


def _checked(signalnum: Any) -> int:
    number = index(signalnum)
    if not 1 <= number < _real.NSIG:
        raise ValueError("signal number out of range")
    return number


# -- handlers --------------------------------------------------------------------------------------------------------------------------


def signal(signalnum: int, handler: Any, /) -> Any:
    """Set the handler of a signal for the rest of the world; returns the one before."""
    signals = _signals("signal only works in main thread of the main interpreter")
    number = index(signalnum)
    if number not in _valid() or number in _FATAL or not (callable(handler) or handler in (_real.SIG_DFL, _real.SIG_IGN)):
        return _set_really(signalnum, handler)  # says what is wrong
    begin(signals.kernel)
    before = signals.disposition(number)
    signals.handle(number, handler)
    return before


def getsignal(signalnum: int, /) -> Any:
    """The handler of a signal."""
    return _signals_anywhere().disposition(_checked(signalnum))


def _signals_anywhere() -> Signals:
    return signals_of(session.kernel())


def siginterrupt(signalnum: int, flag: bool, /) -> None:
    """Nothing: calls that a handler interrupts go on (PEP 475)."""
    if _checked(signalnum) in _FATAL:
        raise os_error(errno.EINVAL)


def set_wakeup_fd(fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
    """Have the number of each signal that is handled written to a descriptor of the world; returns the one before, or -1."""
    signals = _signals("set_wakeup_fd only works in main thread of the main interpreter")
    fd = index(fd)
    file = signals.kernel.files.get(fd)
    if fd != -1:
        if file is None:
            if fd < 0:
                raise bad_descriptor()
            _fstat(fd)  # is it one at all?
            raise Unsupported(f"set_wakeup_fd({fd}): a real descriptor, made outside this world")
        if not file.nonblocking:
            raise ValueError(f"the fd {fd} must be in non-blocking mode")
    before = signals.wakes_up
    signals.wakes_up = None if fd == -1 else _Wakeup(signals, fd, warn_on_full_buffer)
    return before.fd if isinstance(before, _Wakeup) else -1


class _Wakeup:
    """Writes signals' numbers, as CPython's handler in C does: no simulated call, and never waits."""

    def __init__(self, signals: Signals, fd: int, warns: bool) -> None:
        self.fd = fd
        self._files = signals.kernel.files  # the program's own: who sends the signal may be another process
        self._warns = warns

    def __call__(self, number: int) -> None:
        file: Any = self._files.get(self.fd)
        data = bytes((number,))
        try:
            if isinstance(file, (PipeEnd, EventCounter)):
                taken = file.write(memoryview(data))
            elif not isinstance(file, Socket):
                raise bad_descriptor()
            else:
                sock: Any = file
                taken = sock.write(data) if sock.carries_bytes else sock.send(data, None, None)
        except OSError as error:
            self._tell(error)
        else:
            if not taken and self._warns:
                self._tell(os_error(errno.EAGAIN))

    def _tell(self, error: OSError) -> None:
        words, hook = "Exception ignored when trying to write to the signal wakeup fd", sys.unraisablehook
        if hook is sys.__unraisablehook__:  # which takes nothing that Python code can make
            print(f"{words}:\n{type(error).__name__}: {error}", file=sys.stderr)
            return
        if sys.version_info < (3, 12):
            print(f"{words}:", file=sys.stderr)
        told: Any = SimpleNamespace(exc_type=type(error), exc_value=error, exc_traceback=error.__traceback__, object=None)
        told.err_msg = words if sys.version_info >= (3, 12) else None
        hook(told)


# -- sending -----------------------------------------------------------------------------------------------------------------------------


def send(number: int, to: Any = None) -> None:
    """Send a signal to the program, or to one task of it; handlers of the caller's have run when this returns."""
    signals = _signals()
    kernel = signals.kernel
    if kernel.ending:
        return
    kernel.point()
    if not 0 <= number < _real.NSIG:
        raise os_error(errno.EINVAL)
    if number:
        signals.send(number, USER, to)
    signals.strike(checked=False)


def raise_signal(signalnum: int, /) -> None:
    """Send a signal to the thread that calls."""
    send(index(signalnum), to=session.kernel().current)


def pthread_kill(thread_id: int, signalnum: int, /) -> None:
    """Send a signal to a thread of the world, by its identity."""
    kernel = session.kernel()
    thread_id, number = index(thread_id), index(signalnum)
    found = kernel.first if thread_id == kernel.thread else next((task for task in kernel.tasks.values() if task.ident == thread_id), None)
    if found is None:
        if thread_id in _real_threads():
            raise Unsupported(f"signal.pthread_kill({thread_id}, {name_of(number)}): a real thread, which is none of this world")
        raise os_error(errno.ESRCH)
    send(number, to=found)


def interrupt_main(signum: int = int(_real.SIGINT), /) -> None:
    """As if a signal had come, but for the wait of the first task, which goes on: ``_thread.interrupt_main``."""
    signals = _signals_anywhere()
    number = _checked(signum)
    begin(signals.kernel)
    if callable(signals.disposition(number)) and not signals.kernel.ending:
        signals.trip(number)
        signals.strike(checked=False)


# -- timers ------------------------------------------------------------------------------------------------------------------------------


def alarm(seconds: int, /) -> int:
    """Have SIGALRM sent after so many seconds, 0: not at all; returns how many were left of the alarm before."""
    seconds = c_int(seconds)
    seconds = seconds if seconds >= 0 else _ALARM_MAX
    signals = _signals()
    left, _ = signals.kernel.room(IntervalTimers).set(signals.kernel, 0, seconds * NS, 0)
    begin(signals.kernel)
    whole, rest = divmod(left, NS)
    return whole + (rest >= NS // 2 or bool(rest and not whole))  # alarm_setitimer in Linux's kernel/time/itimer.c


def setitimer(which: int, seconds: float, interval: float = 0.0, /) -> tuple[float, float]:
    """Have a timer ring after so many seconds and then in an interval; returns what was left of the one before, and its interval."""
    which = index(which)
    ns, interval_ns = (-(-nanoseconds(number) // 1_000) * 1_000 for number in (seconds, interval))
    if which not in KINDS or ns < 0 or interval_ns < 0:
        raise _real.ItimerError(errno.EINVAL, _os.strerror(errno.EINVAL))
    signals = _signals()
    before = signals.kernel.room(IntervalTimers).set(signals.kernel, which, ns, interval_ns)
    begin(signals.kernel)
    return _seconds(before[0]), _seconds(before[1])


def getitimer(which: int, /) -> tuple[float, float]:
    """What is left of a timer, and its interval."""
    which = index(which)
    if which not in KINDS:
        raise _real.ItimerError(errno.EINVAL, _os.strerror(errno.EINVAL))
    kernel = session.kernel()
    begin(kernel)
    left, interval = kernel.room(IntervalTimers).left(kernel, which)
    return _seconds(left), _seconds(interval)


def _seconds(ns: int) -> float:
    whole, rest = divmod(ns // 1_000, 1_000_000)
    return whole + rest / 1e6


# -- masks and waits ---------------------------------------------------------------------------------------------------------------------


def _mask(sigset: Any) -> frozenset[int]:
    numbers = []
    for item in sigset:
        number = index(item)
        if not 1 <= number < _real.NSIG:
            raise ValueError(f"signal number {number} out of range [1; {_real.NSIG - 1}]")
        numbers.append(number)
    return frozenset(numbers)


def pthread_sigmask(how: int, mask: Any, /) -> set[int]:
    """Change which signals the calling thread blocks; returns those that it blocked before."""
    signals = _signals()
    kernel = signals.kernel
    how, wanted = index(how), _mask(mask)
    if how not in HOW:
        raise os_error(errno.EINVAL)
    begin(kernel)
    before = signals.mask(kernel.current)
    after = wanted if how == _real.SIG_SETMASK else before | wanted if how == _real.SIG_BLOCK else before - wanted
    if not kernel.ending:
        signals.block(kernel.current, after)
        signals.strike(checked=False)
    return set(before)


def sigpending() -> set[int]:
    """The signals that are pending for the calling thread."""
    signals = _signals()
    begin(signals.kernel)
    found = signals.pending(signals.kernel.current)
    (looked if found else in_vain)(signals.kernel)
    return found


def pause() -> None:
    """Wait until a handler was called."""
    signals = _signals()
    if signals.kernel.ending:
        signals.kernel.refuse_wait()
    signals.kernel.point()
    signals.pause()


def _take(sigset: Any, timeout_ns: int | None, why: str) -> Info | None:
    signals = _signals()
    kernel, wanted = signals.kernel, _mask(sigset)
    if kernel.ending:
        kernel.refuse_wait()
    kernel.point()
    return signals.take(wanted, None if timeout_ns is None else kernel.now + timeout_ns, why)


@uninterruptible
def sigwait(sigset: Any, /) -> int:
    """Wait for one of some signals and take it; returns its number. Handlers of others run afterwards, as glibc has it."""
    info = _take(sigset, None, "sigwait")
    assert info is not None, "it waits for ever"
    return info.number


def sigwaitinfo(sigset: Any, /) -> Any:
    """Wait for one of some signals and take it; returns what is known of it."""
    return _told(_take(sigset, None, "sigwaitinfo"))


def sigtimedwait(sigset: Any, timeout: float, /) -> Any:
    """The same for a time; None when none came."""
    ns = nanoseconds(timeout)
    if ns < 0:
        raise ValueError("timeout must be non-negative")
    return _told(_take(sigset, ns, "sigtimedwait"))


def _told(info: Info | None) -> Any:
    if info is None:
        return None
    sender = (0, 0) if info.code == TIMER else (own_number(), _getuid())
    return _struct((info.number, info.code, 0, *sender, 0, 0))


REPLACED = (
    "alarm getitimer getsignal pause pthread_kill pthread_sigmask raise_signal set_wakeup_fd setitimer siginterrupt signal sigpending sigtimedwait "
    "sigwait sigwaitinfo"
).split()
"""What stands here for a function of ``_signal``."""

__all__ = [*REPLACED, "interrupt_main", "send"]  # noqa: PLE0604  # a table, not a literal
