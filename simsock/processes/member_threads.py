"""Threads of a child, as home makes them: a proxy each.

PYTEST_DONT_REWRITE

Owns their calls. Does not know what a thread is in the child. Law: a thread's proxy is a task like any other, so it is started, woken, waited for and killed
as threads of home are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.starting import begin_at_once, give_back
from simsock.processes.proxy import Proxy, proxy_of

if TYPE_CHECKING:
    from simsock.processes.family import Member


def spawn(member: Member, name: str | None, base: str, daemon: bool) -> tuple[int, str]:
    """A thread that does nothing yet: (its number, its path)."""
    kernel = session.kernel()
    maker = proxy_of(kernel.current)
    member.threads_made += 1
    number = member.threads_made
    proxy = Proxy(kernel, member, maker.calls, number)
    task = kernel.spawn(proxy.run, (None,), name=name, base=base, daemon=daemon)
    task.value = proxy
    member.threads[number] = task
    member.masks[number] = member.masks[maker.number]
    return number, task.path


def begin(member: Member, number: int) -> None:
    """It runs until it has said that it does."""
    kernel = session.kernel()
    task = member.threads[number]
    proxy_of(task).starter = kernel.current
    begin_at_once(kernel, task)


def has_begun(member: Member) -> None:
    """The thread that calls says so."""
    kernel = session.kernel()
    proxy = proxy_of(kernel.current)
    starter, proxy.starter = proxy.starter, None
    give_back(kernel, starter)


def join(member: Member, number: int, deadline: int | None, overshoot_ns: int) -> bool:
    """Wait for the end of one."""
    kernel = session.kernel()
    task = member.threads.get(number)
    return task is None or kernel.join(task, deadline, overshoot_ns)


CALLS: dict[str, Any] = {"spawn": spawn, "begin": begin, "give back": has_begun, "join": join}

__all__ = ["CALLS"]
