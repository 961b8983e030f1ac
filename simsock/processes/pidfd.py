"""Descriptors of processes: ``os.pidfd_open``.

PYTEST_DONT_REWRITE

Owns the open file, which can be polled once the process has ended. Does not know who ends it. Law: processes that were not made in this world are the system's.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.kernel.files import POLLIN, OpenFile
from simsock.processes import family, killing

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.processes.family import Member


class PidFile(OpenFile):
    """What such a descriptor refers to."""

    __slots__ = ("member",)

    kind = "process"

    def __init__(self, kernel: Kernel, member: Member) -> None:
        super().__init__(kernel)
        self.member = member

    def poll(self) -> int:
        return POLLIN if self.member.status is not None else 0

    def released(self) -> None:
        self.member.watched.remove(self)

    def describe(self) -> str:
        return f"the end of process {self.member.pid}"


def open_known(pid: int, flags: int) -> int | None:
    """pidfd_open(2) of a process of this world that is not home and was not waited for; None if there is none of that number."""
    kernel = session.kernel()
    member = family.found(kernel, pid) if family.has_children(kernel) else None
    if member is None:
        return None
    kernel.point()
    if flags & ~getattr(os, "PIDFD_NONBLOCK", 0):
        raise os_error(errno.EINVAL)
    file = PidFile(kernel, member)
    file.nonblocking = bool(flags)
    member.watched.append(file)
    return kernel.process.open(file)


def send(fd: int, number: int) -> None:
    """pidfd_send_signal(2)."""
    file: Any = session.kernel().files.get(fd)
    if not isinstance(file, PidFile):
        raise os_error(errno.EBADF)
    if file.member.reaped:
        raise os_error(errno.ESRCH)
    killing.kill(file.member.pid, number)


__all__ = ["PidFile", "open_known", "send"]
