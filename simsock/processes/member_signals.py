"""What home keeps of a child's signals beside its dispositions: masks, what waits behind them, who waits for one, timers.

PYTEST_DONT_REWRITE

Owns these calls as home makes them for a child. Does not know how a signal reaches a child. Laws: each thread has a mask, and a
signal is kept if all of them block it: once, also if it would be ignored (signal(7)); timers are not inherited, and end with their process.
"""

from __future__ import annotations

import signal as _real
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.interval_timers import IntervalTimers
from simsock.kernel.signals import name_of
from simsock.processes import proxy

_NEVER = frozenset((int(_real.SIGKILL), int(_real.SIGSTOP)))
"""Nobody blocks these, or waits for them."""

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.processes.family import Member


class Timers(IntervalTimers):
    """Of one child."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._member = member

    def send(self, kernel: Kernel, number: int) -> None:
        kernel.log.append((kernel.now, "timer", "rings", name_of(number)))
        proxy.send(kernel, self._member, number, quietly=True, by_clock=True)


class _For:
    """What is waited for, in tables of waits."""

    def __init__(self, wanted: tuple[int, ...]) -> None:
        self._wanted = wanted

    def describe(self) -> str:
        return " or ".join(name_of(number) for number in sorted(self._wanted)) or "no signal at all"


def set_timer(member: Member, which: int, ns: int, interval_ns: int) -> tuple[int, int]:
    """setitimer(2) and alarm(2): (what was left of the one before, its interval)."""
    kernel = session.kernel()
    kernel.point()
    if member.timers is None:
        member.timers = Timers(member)
    found: tuple[int, int] = member.timers.set(kernel, which, ns, interval_ns)
    return found


def timer_left(member: Member, which: int) -> tuple[int, int]:
    """getitimer(2)."""
    kernel = session.kernel()
    kernel.point()
    return (0, 0) if member.timers is None else member.timers.left(kernel, which)


def mask(member: Member, how: int, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """pthread_sigmask(3): what the thread blocked before."""
    kernel = session.kernel()
    kernel.point()
    thread = proxy.proxy_of(kernel.current).number
    before = member.masks[thread]
    wanted = frozenset(numbers)
    after = wanted if how == _real.SIG_SETMASK else before | wanted if how == _real.SIG_BLOCK else before - wanted
    member.masks[thread] = after - _NEVER
    _let_go(kernel, member)
    return tuple(sorted(before))


def _let_go(kernel: Kernel, member: Member) -> None:
    """Signals that nothing holds any more come."""
    for number in sorted(number for number in member.held if not member.holds(number)):
        member.held.discard(number)
        proxy.send(kernel, member, number, quietly=True)


def pending(member: Member) -> tuple[int, ...]:
    """sigpending(2)."""
    kernel = session.kernel()
    kernel.point()
    if not member.held:
        kernel.fruitless()
    return tuple(sorted(member.held))


def take(member: Member, wanted: tuple[int, ...], deadline: int | None, why: str) -> int:
    """sigtimedwait(2): the number of one of these, or 0 when the deadline passed first."""
    kernel = session.kernel()
    kernel.point()
    thread = proxy.proxy_of(kernel.current).number
    mine = member.wanted[thread] = frozenset(wanted) - _NEVER
    is_over = False
    try:
        while not (found := min(member.held & mine, default=0)) and not is_over:
            is_over = not kernel.wait(member.signalled, deadline, why, _For(wanted))
    finally:
        del member.wanted[thread]
    member.held.discard(found)
    _let_go(kernel, member)
    return found


CALLS: dict[str, Any] = {"set timer": set_timer, "timer left": timer_left, "mask": mask, "pending signals": pending, "take signal": take}

__all__ = ["CALLS", "Timers"]
