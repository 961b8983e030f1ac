"""Signals in a child: handlers are its own, all else about them is home's.

PYTEST_DONT_REWRITE

Owns what stands in a child for the functions of ``_signal``. Law: a signal whose handler is to run is first written to the wakeup descriptor, as CPython's
handler in C does.
"""

from __future__ import annotations

import errno
import signal as _real
from operator import index
from typing import TYPE_CHECKING, Any

from simsock.kernel.failures import os_error
from simsock.kernel.interval_timers import KINDS
from simsock.kernel.signals import Info, signals_of
from simsock.kernel.units import NS
from simsock.processes import family
from simsock.processes.child_kernel import far
from simsock.processes.redirecting import original_of, redirect
from simsock.stdlib import signal as sim_signal
from simsock.stdlib._buffers import c_int
from simsock.stdlib._waiting import nanoseconds

if TYPE_CHECKING:
    from simsock.processes.child import Child

_ALARM_MAX = 2**31 - 1


def apply(child: Child) -> None:
    """Put all of them in place."""
    for name, function in (*_handlers(child).items(), *_timers(child).items(), *_waits(child).items()):
        redirect(getattr(sim_signal, name), function)


def _handlers(child: Child) -> dict[str, Any]:
    def signal(signalnum: Any, handler: Any, /) -> Any:
        signals = signals_of(child.kernel)
        number = int(signalnum)
        if number not in _real.valid_signals() or number in (_real.SIGKILL, _real.SIGSTOP):
            raise os_error(errno.EINVAL)
        if not (callable(handler) or handler in (_real.SIG_DFL, _real.SIG_IGN)):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        before = signals.disposition(number)
        signals.handlers[number] = handler
        child.ask("disposition", number, family.kind_of(handler))
        return before

    def send(number: int, to: Any = None) -> None:
        child.ask("call", "kill", (child.pid, int(number)), {})

    def set_wakeup_fd(fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
        fd = index(fd)
        if fd != -1 and child.ask("call", "os.get_blocking", (far(fd),), {}):
            raise ValueError(f"the fd {fd} must be in non-blocking mode")
        before, child.wakeup_fd = child.wakeup_fd, fd
        return before

    def pthread_kill(thread_id: int, signalnum: int, /) -> None:
        if index(thread_id) not in (child.kernel.thread, child.kernel.current.ident):
            raise os_error(errno.ESRCH)
        send(index(signalnum))

    def interrupt_main(signum: int = int(_real.SIGINT), /) -> None:
        send(signum)

    return {"signal": signal, "send": send, "set_wakeup_fd": set_wakeup_fd, "pthread_kill": pthread_kill, "interrupt_main": interrupt_main}


def _timers(child: Child) -> dict[str, Any]:
    def alarm(seconds: int, /) -> int:
        seconds = c_int(seconds)
        left, _ = child.ask("set timer", 0, (seconds if seconds >= 0 else _ALARM_MAX) * NS, 0)
        whole, rest = divmod(left, NS)
        return int(whole + (rest >= NS // 2 or bool(rest and not whole)))

    def setitimer(which: int, seconds: float, interval: float = 0.0, /) -> tuple[float, float]:
        ns, interval_ns = (-(-nanoseconds(number) // 1_000) * 1_000 for number in (seconds, interval))
        if index(which) not in KINDS or ns < 0 or interval_ns < 0:
            raise _real.ItimerError(errno.EINVAL, "Invalid argument")
        left, before = child.ask("set timer", index(which), ns, interval_ns)
        return seconds_of(left), seconds_of(before)

    def getitimer(which: int, /) -> tuple[float, float]:
        if index(which) not in KINDS:
            raise _real.ItimerError(errno.EINVAL, "Invalid argument")
        left, interval = child.ask("timer left", index(which))
        return seconds_of(left), seconds_of(interval)

    seconds_of = original_of(sim_signal._seconds)
    return {"alarm": alarm, "setitimer": setitimer, "getitimer": getitimer}


def _waits(child: Child) -> dict[str, Any]:
    mask_of, told = original_of(sim_signal._mask), original_of(sim_signal._told)

    def pthread_sigmask(how: int, mask: Any, /) -> set[int]:
        wanted = mask_of(mask)
        if index(how) not in sim_signal.HOW:
            raise os_error(errno.EINVAL)
        return set(child.ask("mask", index(how), tuple(sorted(wanted))))

    def sigpending() -> set[int]:
        return set(child.ask("pending signals"))

    def pause() -> None:
        while not child.ask("wait", None, "pause", "a signal", 0):
            pass

    def take(sigset: Any, timeout_ns: int | None, why: str) -> Any:
        deadline = None if timeout_ns is None else child.kernel.now + timeout_ns
        number = child.ask("take signal", tuple(sorted(mask_of(sigset))), deadline, why)
        return Info(number, 0) if number else None

    def sigwait(sigset: Any, /) -> int:
        return int(take(sigset, None, "sigwait").number)

    def sigwaitinfo(sigset: Any, /) -> Any:
        return told(take(sigset, None, "sigwaitinfo"))

    def sigtimedwait(sigset: Any, timeout: float, /) -> Any:
        ns = nanoseconds(timeout)
        if ns < 0:
            raise ValueError("timeout must be non-negative")
        return told(take(sigset, ns, "sigtimedwait"))

    found = (pthread_sigmask, sigpending, pause, sigwait, sigwaitinfo, sigtimedwait)
    return {function.__name__: function for function in found}


__all__ = ["apply"]
