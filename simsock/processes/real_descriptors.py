"""Real descriptors that are sent from one process of a world to another, over its Unix sockets.

PYTEST_DONT_REWRITE

Owns how they come out of a child, and into one. Does not know control messages beyond their form. Law: while one is on its way it is home's.
"""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, Any

from simsock.kernel.failures import bad_descriptor
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.kernel.originals import original
from simsock.net.options import SOL_SOCKET
from simsock.net.unix import ancillary
from simsock.processes.borrowing import borrow
from simsock.stdlib._ancillary import SCM_RIGHTS

if TYPE_CHECKING:
    from simsock.kernel.files import Process
    from simsock.processes.child import Child
    from simsock.processes.family import Member

_dup, _close, _getppid = original(os, "dup"), original(os, "close"), os.getppid


def _copy(process: Process, fd: int) -> int:
    """At home: of one that a process sends."""
    owner = process.owner
    if owner is None or owner.parent is None:
        return int(_dup(fd))
    try:
        return borrow(owner.real, fd)
    except OSError:
        raise bad_descriptor() from None


ancillary.copy_of_real = _copy


def received(child: Child, value: tuple[Any, ...]) -> tuple[Any, ...]:
    """In a child: what ``recvmsg`` has returned at home, with this process's descriptors."""
    data, messages, *rest = value
    lent: list[int] = []
    found = [(level, kind, _here(words, lent) if (level, kind) == (SOL_SOCKET, SCM_RIGHTS) else words) for level, kind, words in messages]
    if lent:
        child.ask("given", lent)
    return (data, found, *rest)


def _here(words: bytes, lent: list[int]) -> bytes:
    fds = array("i", words)
    for place, fd in enumerate(fds):
        if fd < FIRST_DESCRIPTOR:
            lent.append(fd)
            fds[place] = borrow(_getppid(), fd)
    return fds.tobytes()


def given(member: Member, fds: list[int]) -> None:
    """At home: the child has these."""
    for fd in fds:
        _close(fd)


__all__ = ["given", "received"]
