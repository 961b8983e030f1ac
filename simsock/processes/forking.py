"""``os.fork`` in a world.

PYTEST_DONT_REWRITE

Owns the fork itself, on both sides, until each goes on. Laws:

* it is a real fork: memory is copied as Linux copies it, and the hooks of the standard library run as outside the world: nobody is scheduled meanwhile;
* to fork is one question: the child's task is there before anybody is asked who goes on, and the child does nothing until it has its turn;
* a program that has only one process pays nothing for any of this.
"""

from __future__ import annotations

import os
import traceback
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from simsock.errors import WorldEnded
from simsock.kernel import session
from simsock.kernel.identity import over
from simsock.kernel.watchdog import watchdog
from simsock.processes import births, child, descendants, family, interpreter, programs, stand_ins
from simsock.processes.calls import CALLS
from simsock.processes.messages import Channel, make_channels
from simsock.processes.proxy import end_really
from simsock.processes.real_forks import aside, flush
from simsock.processes.redirecting import make_ready, redirect

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel
    from simsock.processes.interpreter import Start

_NO_CHILD: Any = SimpleNamespace(ask=None, kernel=None)
"""In the place of one where only the names of functions count."""
_fork_really, _exit_really, _write, _getpid = os.fork, os._exit, os.write, os.getpid


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
    _make_ready()
    if not isinstance(kernel.finalized, _AtHome):
        kernel.finalized = _AtHome(kernel, kernel.finalized)
        carry(kernel)
    parent = family.caller(kernel)
    pid = births.next_number(kernel)
    if start is None:
        flush()
    ignored: frozenset[int] = frozenset()
    if start is not None:
        programs.check(start, parent.table)
        ignored = programs.ignored_by(kernel, parent)
    at_home, far = make_channels()
    home_pid = _getpid()
    try:
        real = aside(kernel, stand_aside, come_back, _fork_really)
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
    births.admit(kernel, pid, at_home, real, CALLS, start, ignored)
    watchdog.deliver()
    return pid


@cache
def _make_ready() -> None:
    """Once: what every child does first is half done before the fork."""
    make_ready(lambda: stand_ins.apply(_NO_CHILD))


def _begin_child(kernel: Kernel, known: family.Family, channels: tuple[Channel, Channel], pid: int, home_pid: int) -> None:
    try:
        child.die_with(home_pid)
        at_home, far = channels
        at_home.close()
        for member in known.members:
            if member.channel is not None:
                member.channel.close()
        child.begin(kernel, far, pid, births.path_of_next(kernel, pid), stand_ins.apply)
        redirect(fork, lambda *how: descendants.fork(child.here, *how))
        child.here.answer()
    except BaseException:
        _write(2, traceback.format_exc().encode())
        _exit_really(1)  # half of a child must not go on in its parent's code


def end_all(kernel: Kernel) -> None:
    """The world is over: whatever process is left is killed. Safe to call again."""
    for member in kernel.room(family.Family).members:
        end_really(member)


__all__ = ["end_all", "fork"]
