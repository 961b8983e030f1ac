"""The process that forks on demand, as far as others can see it: ``multiprocessing``'s fork server.

PYTEST_DONT_REWRITE

Owns whose children are those that are started for it, and how their ends are told. It is no real process: it has a number, and waits for its children.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from simsock.kernel.files import Process
from simsock.kernel.identity import PROCESS
from simsock.processes import family
from simsock.processes.family import Member

if TYPE_CHECKING:
    from simsock.kernel import Kernel

_SIGNED = Struct("q")
"""A number as ``multiprocessing`` writes it."""


class Server:
    """``kernel.room(Server)``."""

    __slots__ = ("kernel", "member")

    def __init__(self) -> None:
        self.kernel: Any = None
        self.member: Member | None = None

    def adopt(self, child: Member, pipe: Any) -> None:
        """A process has been started for it; its number and its end are to be written to the pipe."""
        if self.member is None:
            known = family.family_of(self.kernel)
            self.member = Member(PROCESS + len(known.members) + 1, known.home, Process("forkserver"))
            self.member.table.owner = self.member
            known.members.append(self.member)
        child.parent = self.member
        pipe.references += 1
        pipe.write(memoryview(_SIGNED.pack(child.pid)))
        child.epilogue = lambda: self._tell(pipe, child)

    def _tell(self, pipe: Any, child: Member) -> None:
        child.reaped = True
        status = child.status or 0
        code = -(status & 0x7F) if status & 0x7F else status >> 8
        try:
            pipe.write(memoryview(_SIGNED.pack(code)))
        except BrokenPipeError:  # nobody wants to know
            pass
        pipe.references -= 1
        if not pipe.references:
            pipe.released()


def of(kernel: Kernel) -> Server:
    """The world's."""
    server = kernel.room(Server)
    server.kernel = kernel
    return server


__all__ = ["Server", "of"]
