"""Processes of a world that are killed from outside, as an operator or a machine short of memory kills them: now, or at a moment that the tape chooses.

PYTEST_DONT_REWRITE

Owns who is struck, and that it is written down. Does not know who orders it. Laws: nobody in the world has sent it, so nobody is told but by what is
missing afterwards; one that has ended before is not struck, and then the fault had no effect.
"""

from __future__ import annotations

import signal as _real
from typing import TYPE_CHECKING, Any

from simsock.kernel.happened import Happened
from simsock.kernel.moments import Moment, Moments
from simsock.processes import family, proxy

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.processes.family import Member


def known(kernel: Kernel) -> list[Member]:
    """All processes that were ever forked in this world."""
    return family.family_of(kernel).members if family.has_children(kernel) else []


class Kill:
    """One that was ordered: of a process, or of one of those that live on a host by then."""

    def __init__(self, kernel: Kernel, member: Member | None, host: Any, is_plain: bool) -> None:
        self._kernel = kernel
        self._member = member
        self._host = host
        self._is_plain = is_plain
        self._number = kernel.room(Moments).number("kill")
        self._name = host.name if member is None else path_of(member)
        words = f"kill of a process on {host.name}" if member is None else f"kill of {self._name}"
        self._fault = kernel.room(Happened).fault(words)

    def within(self, ns: int) -> None:
        """Let it come at a moment that is drawn."""
        kernel = self._kernel
        stream = kernel.tape.stream(f"kill {self._name} #{self._number}")
        Moment(kernel, "kill", stream, ns, self._is_plain, self._comes)

    def now(self) -> None:
        """Let it come now."""
        kernel = self._kernel
        member = self._whom()
        if member is not None:
            kernel.log.append((kernel.now, kernel.current.path, "kill", path_of(member)))
            self._strike(member)

    def _comes(self, by_clock: bool) -> None:
        kernel = self._kernel
        member = None if kernel.ending else self._whom()
        if member is not None:
            kernel.log.append((kernel.now, "outside", "kills", path_of(member), self._number))
            self._strike(member)

    def _strike(self, member: Member) -> None:
        self._fault.times += 1
        proxy.strike(self._kernel, member, int(_real.SIGKILL))

    def _whom(self) -> Member | None:
        if self._member is not None:
            return self._member if _lives(self._member) else None
        living = [member for member in known(self._kernel) if _lives(member) and member.task.host is self._host]  # type: ignore[union-attr]
        if len(living) < 2:
            return living[0] if living else None
        stream = self._kernel.tape.stream(f"kill {self._name} #{self._number} whom")
        is_dull = self._is_plain and hasattr(self._kernel.tape.source, "seed")
        return living[0 if is_dull else stream.choose(len(living))]


def path_of(member: Member) -> str:
    """What a process is called in records and stories."""
    return member.task.path if member.task is not None else f"process {member.pid}"


def _lives(member: Member) -> bool:
    return member.status is None and member.task is not None and not member.task.dead and member.left is None


__all__ = ["Kill", "known", "path_of"]
