"""Groups and sessions of the processes of a world.

PYTEST_DONT_REWRITE

Owns who may join which, as Linux has it. Does not know signals, nor real processes. Laws: each function speaks for the process whose call is being made;
the test's own process leads its group and its session.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.kernel.identity import own_numbers
from simsock.processes import family

if TYPE_CHECKING:
    from simsock.processes.family import Member


def is_known(pid: int) -> bool:
    """Whether a number is that of a process of this world, as its calls say it."""
    return pid in (0, *own_numbers()) or any(member.pid == pid for member in family.everybody(session.kernel()))


def _named(pid: int) -> Member:
    me = family.caller(session.kernel())
    if pid == 0 or (me.parent is None and pid in own_numbers()):
        return me
    found = next((member for member in family.everybody(session.kernel()) if member.pid == pid), None)
    if found is None:
        raise os_error(errno.ESRCH)
    return found


def getpgid(pid: int, /) -> int:
    """getpgid(2)."""
    return _named(pid).group


def getsid(pid: int, /) -> int:
    """getsid(2)."""
    return _named(pid).session


def setpgid(pid: int, group: int, /) -> None:
    """setpgid(2): of the process itself, or a child of it."""
    if group < 0:
        raise os_error(errno.EINVAL)
    me, member = family.caller(session.kernel()), _named(pid)
    if member is not me and member.parent is not me:
        raise os_error(errno.ESRCH)
    number = group or member.pid
    if member.parent is None and number in own_numbers():
        return  # where it is
    is_there = number == member.pid or any(other.group == number and other.session == me.session for other in family.everybody(session.kernel()))
    if member.session != me.session or member.session == member.pid or not is_there:
        raise os_error(errno.EPERM)
    member.group = number


def setsid() -> None:
    """setsid(2)."""
    me = family.caller(session.kernel())
    if any(member.group == me.pid for member in family.everybody(session.kernel())):
        raise os_error(errno.EPERM)
    me.group = me.session = me.pid


__all__ = ["getpgid", "getsid", "is_known", "setpgid", "setsid"]
