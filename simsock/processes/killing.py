"""``os.kill`` and ``os.killpg`` among the processes of a world.

PYTEST_DONT_REWRITE

Owns who is meant by a number. Does not know what a signal does. Law: a number that is none of this world's is the fence's business.
"""

from __future__ import annotations

import errno
import signal as _real

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.processes import family, proxy
from simsock.stdlib import signal as sim_signal


def is_known(pid: int) -> bool:
    """Whether ``kill`` with this number can mean a process that was forked in this world."""
    kernel = session.kernel()
    if not family.has_children(kernel):
        return False
    return pid in (0, -1) or any(abs(pid) in (member.pid, member.group) for member in family.family_of(kernel).members)


def kill(pid: int, number: int) -> None:
    """kill(2)."""
    kernel = session.kernel()
    kernel.point()
    if not 0 <= number < _real.NSIG:
        raise os_error(errno.EINVAL)
    me = family.caller(kernel)
    if pid == -1:
        raise Unsupported("os.kill(-1, …): to signal every process of the machine is not simulated; name one, or a group")
    targets = [member for member in family.everybody(kernel) if (member.pid == pid if pid > 0 else member.group == (-pid or me.group))]
    if not targets:
        raise os_error(errno.ESRCH)
    for member in sorted(targets, key=lambda member: member is me):  # the caller last: it may not come back
        if member.parent is None and me is member:
            sim_signal.send(number)
        elif number:
            proxy.send(kernel, member, number)


__all__ = ["is_known", "kill"]
