"""A process that was forked enters the world: what home then knows of it.

PYTEST_DONT_REWRITE

Owns its number, and the table, masks and task that it begins with. Does not know who has forked it really, nor how. Law: its task is there before anybody is
asked who goes on, and the process does nothing until it has its turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel.files import Tables
from simsock.kernel.identity import PROCESS
from simsock.kernel.starting import begin_at_once
from simsock.processes import family, programs, servers
from simsock.processes.family import Member
from simsock.processes.proxy import Proxy, proxy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel, Task
    from simsock.processes.interpreter import Start
    from simsock.processes.messages import Channel

CHILDREN_MAX = 1_000
"""How many processes may be there at once."""


def next_number(kernel: Kernel) -> int:
    """The number of the process that comes next, if there may be one more."""
    members = family.family_of(kernel).members
    if sum(member.status is None for member in members) >= CHILDREN_MAX:
        raise Unsupported(f"os.fork: more than {CHILDREN_MAX:,} processes in a world")
    return PROCESS + len(members) + 1


def path_of_next(kernel: Kernel, pid: int) -> str:
    """What its chance is derived from."""
    return f"{kernel.current.path}/process {pid}"


def admit(
    kernel: Kernel,
    pid: int,
    channel: Channel,
    real: int,
    calls: dict[str, Callable[..., Any]],
    start: Start | None = None,
    ignored: frozenset[int] = frozenset(),
) -> None:
    """It is there, a child of whoever has the turn. With a program that it is to ``start`` it has what is passed on to that."""
    known, parent = family.family_of(kernel), family.caller(kernel)
    # The test's own process has the descriptors of all hosts, as real ones have not: those of clients elsewhere would stay open in a server's children.
    host = kernel.current.host if parent.parent is None else None
    member = Member(pid, parent, parent.table.fork(f"process {pid}", None if host is kernel.first.host else host))
    member.table.owner = member
    member.channel, member.real = channel, real
    known.members.append(member)
    if start is not None and start.told >= 0:
        servers.of(kernel).adopt(member, parent.table.files[start.told])
    kernel.room(Tables).children.append(member.table)
    if parent.parent is not None:
        member.masks[0] = parent.masks[proxy_of(kernel.current).number]
    elif kernel.signals is not None:
        member.masks[0] = kernel.signals.mask(kernel.current)
    if start is not None:
        programs.begin(member, start, parent.table, ignored)
    elif parent.parent is None and kernel.signals is not None:
        member.dispositions = {number: family.kind_of(handler) for number, handler in kernel.signals.handlers.items()}
    proxy = Proxy(kernel, member, calls)
    starter = kernel.current
    task: Task = kernel.spawn(proxy.run, (starter,), base="process")
    member.task = task
    task.value = proxy
    kernel.log.append((kernel.now, starter.path, "fork" if start is None else "start", member.pid))
    begin_at_once(kernel, task)
    kernel.point()


__all__ = ["CHILDREN_MAX", "admit", "next_number", "path_of_next"]
