"""``os.fork`` in a child.

PYTEST_DONT_REWRITE

Owns both sides of it: what home is asked and told, and how a copy of a child becomes another child. Laws:

* memory is that of the child that forks, and the world is still home's: it is home's child that comes of it, with a way home of its own;
* between the question and the word that it is done nobody else runs.
"""

from __future__ import annotations

import errno
import os
import traceback
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.processes import births
from simsock.processes.borrowing import borrow
from simsock.processes.child import Child, die_with
from simsock.processes.messages import Channel, far_away, make_channels
from simsock.processes.proxy import proxy_of
from simsock.processes.real_forks import adopting, aside, flush, fork_for_home

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.processes.family import Member

_exit_really, _getppid, _write = os._exit, os.getppid, os.write

# -- in the child ----------------------------------------------------------------------------------------------------------------------------


def fork(child: Child, stand_aside: Callable[[], None], come_back: Callable[[], None], carry: Any, start: None = None) -> int:
    """``os.fork``."""
    flush()
    home, channels = _getppid(), make_channels()
    at_home, far = channels
    try:
        pid, path = child.ask("fork")
        try:
            real = aside(child.kernel, stand_aside, come_back, lambda: fork_for_home(far.send))
        except OSError as error:
            real = -(error.errno or errno.EAGAIN)
        if real:
            child.add("forked", real, at_home.reading, at_home.writing)
    except BaseException:
        at_home.close()
        far.close()
        raise
    if not real:
        _begin(child, channels, pid, path, home)
        return 0
    at_home.close()
    far.close()
    return int(pid)


def _begin(child: Child, channels: tuple[Channel, Channel], pid: int, path: str, home: int) -> None:
    """In what was forked."""
    try:
        at_home, far = channels
        at_home.close()
        child.be_another(far, pid, path)
        child.answer()
        die_with(home)
    except BaseException:
        _write(2, traceback.format_exc().encode())
        _exit_really(1)  # half of a child must not go on in its parent's code


# -- at home ---------------------------------------------------------------------------------------------------------------------------------


def fork_for(member: Member) -> None:
    """A child forks: it is told the number and the path of what comes of it, and says when that is there."""
    kernel = session.kernel()
    kernel.point()
    proxy = proxy_of(kernel.current)
    pid = births.next_number(kernel)
    with adopting():
        proxy.answer((pid, births.path_of_next(kernel, pid)))
        _, (real, *ends) = proxy.hear()
    if real < 0:
        raise os_error(-real)
    reading, writing = (far_away(borrow(member.real, fd, flags)) for fd, flags in zip(ends, (os.O_RDONLY, os.O_WRONLY), strict=True))
    channel = Channel(reading, writing)
    born = channel.receive()
    if not born or born < 0:
        channel.close()
        raise os_error(-born if born else errno.EAGAIN)
    births.admit(kernel, pid, channel, born, proxy.calls)


__all__ = ["fork", "fork_for"]
