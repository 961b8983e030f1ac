"""``os.fork`` in a world.

PYTEST_DONT_REWRITE

Owns the fork itself, on both sides, until each goes on. Laws:

* it is a real fork: memory is copied as Linux copies it, and the hooks of the standard library run as outside the world: nobody is scheduled meanwhile;
* to fork is one question: the child's task is there before anybody is asked who goes on, and the child does nothing until it has its turn;
* a program that has only one process pays nothing for any of this.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported, WorldEnded
from simsock.kernel import session
from simsock.kernel.boundaries import boundary
from simsock.kernel.files import Tables
from simsock.kernel.identity import PROCESS, over
from simsock.kernel.starting import begin_at_once
from simsock.kernel.watchdog import watchdog
from simsock.processes import child, family, interpreter, programs, servers, stand_ins
from simsock.processes.calls import CALLS
from simsock.processes.family import Member
from simsock.processes.messages import Channel, make_channels
from simsock.processes.proxy import Proxy, end_really, proxy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel, Task
    from simsock.processes.interpreter import Start

_fork_really, _exit_really, _write, _getpid = os.fork, os._exit, os.write, os.getpid
CHILDREN_MAX = 1_000
"""How many processes may be there at once."""


class _AtHome(list[Any]):
    """What finalizers want done: of objects in home's memory, so with home's descriptors, whoever's turn it is."""

    def __init__(self, kernel: Kernel, waiting: list[Any]) -> None:
        super().__init__(waiting)
        self._kernel = kernel

    def pop(self, place: Any = -1) -> Any:
        action, kernel = super().pop(place), self._kernel
        home = family.family_of(kernel).home

        def act() -> None:
            before = kernel.process
            if home is not None:
                kernel.process, kernel.files = home.table, home.table.files
            try:
                action()
            finally:
                kernel.process, kernel.files = before, before.files

        return act


def fork(stand_aside: Callable[[], None], come_back: Callable[[], None], carry: Callable[[Kernel], None], start: Start | None = None) -> int:
    """``os.fork``. The functions: take the world out of the way as for pytest's hooks, bring it back, have tasks carry their process over switches.

    With a program that is to ``start`` the child runs that, and not what comes after the fork.
    """
    kernel = session.kernel()
    if kernel.ending:
        raise WorldEnded(f"this world {over(kernel)}: no process can be started in it")
    kernel.point()
    known = family.family_of(kernel)
    if not isinstance(kernel.finalized, _AtHome):
        kernel.finalized = _AtHome(kernel, kernel.finalized)
        carry(kernel)
    living = [member for member in known.members if member.status is None]
    if len(living) >= CHILDREN_MAX:
        raise Unsupported(f"os.fork: more than {CHILDREN_MAX:,} processes in a world")
    parent = family.caller(kernel)
    pid = PROCESS + len(known.members) + 1
    for stream in (sys.stdout, sys.stderr) if start is None else ():
        if stream is not None:
            stream.flush()  # or both processes would write what is in the buffer
    ignored: frozenset[int] = frozenset()
    if start is not None:
        programs.check(start, parent.table)
        ignored = programs.ignored_by(kernel, parent)
    at_home, far = make_channels()
    home_pid = _getpid()
    try:
        real = _fork(kernel, stand_aside, come_back)
    except BaseException:
        at_home.close()
        far.close()
        raise
    if not real:
        _begin_child(kernel, known, (at_home, far), pid, home_pid)
        if start is not None:
            interpreter.become(child.here, start, ignored)
        return 0
    far.close()
    host = kernel.current.host
    # The test's own process has the descriptors of all hosts, as real ones have not: those of clients elsewhere would stay open in a server's children.
    member = Member(pid, parent, parent.table.fork(f"process {pid}", None if host is kernel.first.host else host))
    member.table.owner = member
    member.channel, member.real = at_home, real
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
    _begin_proxy(kernel, member, start is not None)
    watchdog.deliver()
    return pid


def _begin_proxy(kernel: Kernel, member: Member, starts: bool) -> None:
    proxy = Proxy(kernel, member, CALLS)
    starter = kernel.current
    task: Task = kernel.spawn(proxy.run, (starter,), base="process")
    member.task = task
    task.value = proxy
    if starts:
        kernel.log.append((kernel.now, starter.path, "start", member.pid))
    else:
        kernel.log.append((kernel.now, starter.path, "fork", member.pid))
    begin_at_once(kernel, task)
    kernel.point()


@boundary
def _fork(kernel: Kernel, stand_aside: Callable[[], None], come_back: Callable[[], None]) -> int:
    """The fork with the world out of the way; in the child it has not come back yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the other thread is the watchdog's, which holds nothing
        stand_aside()
        real = -1
        try:
            real = _fork_really()
        finally:
            come_back()
    return real


def _begin_child(kernel: Kernel, known: family.Family, channels: tuple[Channel, Channel], pid: int, home_pid: int) -> None:
    try:
        child.die_with(home_pid)
        at_home, far = channels
        at_home.close()
        for member in known.members:
            if member.channel is not None:
                member.channel.close()
        path = f"{kernel.current.path}/process {pid}"
        child.begin(kernel, far, pid, path, stand_ins.apply)
        child.here.answer()
    except BaseException:
        _write(2, traceback.format_exc().encode())
        _exit_really(1)  # half of a child must not go on in its parent's code


def end_all(kernel: Kernel) -> None:
    """The world is over: whatever process is left is killed. Safe to call again."""
    for member in kernel.room(family.Family).members:
        end_really(member)


__all__ = ["CHILDREN_MAX", "end_all", "fork"]
