"""Signals that a test sends to the program.

PYTEST_DONT_REWRITE

Owns ``Simulation.signal``. Does not know how a signal is handled, nor how its moment is drawn. Law: a signal of a world reaches nothing outside of it.
"""

from __future__ import annotations

from signal import NSIG
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.drawn_signals import send_within
from simsock.kernel.units import Duration, duration_ns
from simsock.stdlib.signal import send

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


__all__ = ["Striking"]
