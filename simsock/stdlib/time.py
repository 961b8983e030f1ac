"""Stand-in for ``time``: the world's clock by the standard names.

PYTEST_DONT_REWRITE

Owns what the virtual nanoseconds are called. Laws: no real clock is read; every clock stands still between two waits, so a program that
spins on one is made to wait a little after a while; the wall clock starts at the world's ``start_time``, by default 2026-01-01T00:00Z, and
the monotonic ones at 1000 s. Processor time is taken to pass with the clock.
"""

from __future__ import annotations

import time as _real
from collections.abc import Callable
from sys import _getframe
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.originals import hidden
from simsock.kernel.units import NS, OVERSHOOT_NS
from simsock.stdlib._waiting import granted, looked_at_clock, nanoseconds

_PURE = "altzone asctime daylight get_clock_info mktime strptime struct_time timezone tzname".split()
"""What reads no clock, and is taken from the real module as it is."""

for _name in (*_PURE, *(name for name in dir(_real) if name.startswith("CLOCK_"))):
    globals()[_name] = getattr(_real, _name)
del _name

_FUNCTIONS = (
    "asctime clock_gettime clock_gettime_ns ctime gmtime localtime monotonic monotonic_ns perf_counter perf_counter_ns process_time "
    "process_time_ns sleep strftime thread_time thread_time_ns time time_ns"
).split()
__all__ = [*_FUNCTIONS, *(name for name in _PURE if name != "asctime")]  # noqa: PLE0604  # a table, not a literal

MONOTONIC_START_NS = 1_000 * NS


def __getattr__(name: str) -> Any:
    if hasattr(_real, name) and not name.startswith("_"):
        raise Unsupported(f"time.{name} is not simulated yet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def sleep(seconds: float, /) -> None:
    """Let so much virtual time pass, and a little more; at least the others get their turn."""
    ns = nanoseconds(seconds)
    if ns < 0:
        raise ValueError("sleep length must be non-negative")
    session.kernel().sleep(ns + OVERSHOOT_NS if ns else 0)


def _elapsed() -> int:
    """Virtual nanoseconds since the world began, as an operation."""
    kernel = session.kernel()
    if kernel.ending:
        granted(kernel)
    else:
        kernel.point()
        looked_at_clock(kernel)
        if kernel.polling.vain:
            kernel.polling.looked_at_clock(_getframe(1))
    return kernel.now


def time_ns() -> int:
    """Nanoseconds since 1970, as the clock of the task's host shows them."""
    elapsed = _elapsed()
    kernel = session.kernel()
    return kernel.epoch_ns + elapsed + (kernel.current.host.skew_ns if kernel.current.host is not None else 0)


def time() -> float:
    """Seconds since 1970."""
    return time_ns() / NS


def monotonic_ns() -> int:
    """Nanoseconds on a clock that is never put back."""
    return MONOTONIC_START_NS + _elapsed()


def monotonic() -> float:
    """Seconds on a clock that is never put back."""
    return (MONOTONIC_START_NS + _elapsed()) / NS


def process_time_ns() -> int:
    """Nanoseconds since the world began."""
    return _elapsed()


def process_time() -> float:
    """Seconds since the world began."""
    return _elapsed() / NS


perf_counter_ns, perf_counter = monotonic_ns, monotonic
thread_time_ns, thread_time = process_time_ns, process_time


def clock_gettime_ns(clk_id: int, /) -> int:
    """Nanoseconds on one of the system's clocks."""
    if clk_id == _real.CLOCK_REALTIME:
        return time_ns()
    if clk_id in (_real.CLOCK_MONOTONIC, getattr(_real, "CLOCK_MONOTONIC_RAW", None), getattr(_real, "CLOCK_BOOTTIME", None)):
        return monotonic_ns()
    if clk_id in (_real.CLOCK_PROCESS_CPUTIME_ID, _real.CLOCK_THREAD_CPUTIME_ID):
        return process_time_ns()
    raise Unsupported(f"time.clock_gettime: clock {clk_id!r} is not simulated")


def clock_gettime(clk_id: int, /) -> float:
    """Seconds on one of the system's clocks."""
    return clock_gettime_ns(clk_id) / NS


def clock_settime(clk_id: int, time: float, /) -> None:
    """Refused: it would set the machine's clock."""
    raise Unsupported(f"time.clock_settime({clk_id!r}, {time!r}): nothing in a world sets the machine's clock; host.jump(seconds) sets a host's")


def clock_settime_ns(clk_id: int, time: int, /) -> None:
    """Refused: it would set the machine's clock."""
    raise Unsupported(f"time.clock_settime_ns({clk_id!r}, {time!r}): nothing in a world sets the machine's clock; host.jump(seconds) sets a host's")


def pthread_getcpuclockid(thread_id: int, /) -> int:
    """Refused: a thread of a world is none of the system's."""
    raise Unsupported(f"time.pthread_getcpuclockid({thread_id!r}): threads of a world have no clocks of their own; time.thread_time is simulated")


def _of_moment(name: str) -> Any:
    """A function of the real module that takes seconds since 1970; without any, the virtual now."""
    real = getattr(_real, name)

    def of_moment(seconds: float | None = None, /) -> Any:
        return real(time_ns() // NS if seconds is None else seconds)

    of_moment.__name__ = of_moment.__qualname__ = name
    of_moment.__doc__ = real.__doc__
    return of_moment


gmtime, localtime, ctime = map(_of_moment, ("gmtime", "localtime", "ctime"))
_asctime: Callable[..., str] = hidden(_real, "asctime")
_strftime: Callable[..., str] = hidden(_real, "strftime")  # taken now: in a patched world the module's attributes are what calls these


def asctime(t: Any = None, /) -> str:
    """A broken-down time as text; without any, the virtual now."""
    return _asctime(localtime() if t is None else t)


def strftime(format: str, t: Any = None, /) -> str:
    """A broken-down time in a format; without any, the virtual now."""
    return _strftime(format, localtime() if t is None else t)
