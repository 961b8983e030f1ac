"""Signals that a test sends to the program, and processes of it that a test kills.

PYTEST_DONT_REWRITE

Owns ``Simulation.signal`` and ``Simulation.kill``. Does not know how a signal is handled, nor how a moment is drawn. Law: a signal of a world reaches nothing
outside of it.
"""

from __future__ import annotations

from signal import NSIG
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.drawn_signals import send_within
from simsock.kernel.identity import PROCESS
from simsock.kernel.units import Duration, duration_ns
from simsock.patching import late
from simsock.processes.doors import refused
from simsock.stdlib.signal import send
from simsock.world.hosts import Host

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.world.options import Options


class Striking:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:
        options: Options
        _run: Any

        def _running(self) -> Kernel: ...
        def _host_of(self, host: str | Host) -> Host: ...

    def signal(self, number: int, *, within: Duration | None = None) -> None:
        """Send a signal to the program, as ``os.kill(os.getpid(), number)`` does in it: its handler runs in the first task, whose wait it interrupts.

        With ``within`` (seconds, a timedelta or ``"1s"``) it comes from outside, at a moment of the tape's choice: after some lines and simulated calls of the
        program or after some virtual time, at the latest when so much has passed. In schedule 1 of a search it comes at once.
        One that nobody handles, and whose default action would end the process, raises ``KilledBySignal`` there.
        """
        kernel = self._running()
        if not self.options.patch:
            raise UsageError("signal: signals are simulated in patched worlds only, and this one has patch=False")
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number < NSIG:
            raise UsageError(f"signal: expected the number of a signal, such as signal.SIGTERM, got {number!r}")
        if within is None:
            send(int(number))
        else:
            send_within(kernel, int(number), duration_ns(within, "signal: within"), self._run.number == 1)

    def kill(self, process: Any, *, within: Duration | None = None) -> None:
        """End a process of the world as SIGKILL from outside does: nothing of it runs any more, and what it had open is closed.

        ``process`` is its number, an object with one (``multiprocessing.Process``), or a host or its name: then it is one of the processes that live there
        by then, of the tape's choice. With ``within`` (seconds, a timedelta or ``"1s"``) it comes at a moment of the tape's choice: after some lines and
        simulated calls of the program, or after some virtual time, at the latest when so much has passed. In schedule 1 of a search it comes at once, and
        to the oldest. A process that has ended by then is left alone.
        Raises ``UsageError`` for what is no process, and in a world with ``patch=False``.
        """
        kernel = self._running()
        if not self.options.patch:
            raise UsageError("kill: processes are simulated in patched worlds only, and this one has patch=False")
        ns = None if within is None else duration_ns(within, "kill: within")
        kernel.point()
        member, host = self._whom(kernel, process)
        crashes: Any = late.import_module("simsock.processes.crashes")
        kill = crashes.Kill(kernel, member, host, self._run.number == 1)
        if ns is None:
            kill.now()
        else:
            kill.within(ns)

    def _whom(self, kernel: Kernel, process: Any) -> tuple[Any, Any]:
        """(the process, None), or (None, the host of it)."""
        if isinstance(process, (Host, str)):
            return None, self._host_of(process)._host
        number = getattr(process, "pid", process)
        members = late.import_module("simsock.processes.crashes").known(kernel)
        if isinstance(number, int) and not isinstance(number, bool):
            if number == PROCESS:
                raise UsageError(f"kill: process {number} is the one that the test itself runs in; sim.signal sends it a signal")
            for member in members:
                if member.pid == number:
                    return member, None
        there = ", ".join(str(member.pid) for member in members) or "none was forked yet"
        raise UsageError(f"kill: expected the number of a process of this world ({there}), an object that has one as its pid, or a host; got {process!r}")


refused[Striking.kill] = "sim.kill"


__all__ = ["Striking"]
