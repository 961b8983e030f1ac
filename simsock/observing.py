"""What a test sees of a world from outside: the table of its sockets.

Owns the methods of ``Simulation`` that look. Does not know how anything is stored. Law: who looks changes nothing: no step, no draw, no
record, the same digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.net.netstat import Netstat, netstat

if TYPE_CHECKING:
    from simsock.kernel import Kernel


ROWS_TOLD_MAX = 40


class Observing:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:

        def _running(self) -> Kernel: ...

    def netstat(self) -> Netstat:
        """All sockets of all hosts as they are now: a tuple of ``SocketEntry``; ``str()`` of it is a table as ss(8) prints it."""
        return netstat(self._running())


def note_sockets(error: BaseException, kernel: Kernel) -> None:
    """Add the sockets to an error that says which tasks wait for what."""
    if sockets := netstat(kernel):
        error.add_note(f"sockets:\n{sockets.table(ROWS_TOLD_MAX)}")
