"""A signal from outside at a moment that the tape chooses.

Owns the drawing of the moment and its coming. Does not know handlers. Laws: the dull answer is at once; a moment is after so many lines and simulated calls
of the program, whosever they are, or after so much virtual time, whichever of both was drawn; it never comes later than it was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.kernel.signals import name_of, signals_of

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

BITS = 12
"""Steps are drawn from nothing to two to this power, near ones more often than far ones; time up to what was asked for, likewise."""


class Drawn:
    """One signal that is to come."""

    __slots__ = ("at", "index", "kernel", "number", "timer")

    def __init__(self, kernel: Kernel, number: int, within_ns: int, index: int, is_plain: bool) -> None:
        self.kernel = kernel
        self.number = number
        self.index = index
        """Which of the world's drawn signals it is, from 1."""
        self.at: int | None = None
        ns = within_ns
        label = f"signal {name_of(number)} #{index}"
        stream = kernel.tape.stream(label)
        answer = 0 if is_plain and hasattr(kernel.tape.source, "seed") else stream.choose(1 << BITS + 1)
        near = answer >> 1
        if answer & 1:
            ns = (within_ns * near**2) >> 2 * BITS
        else:
            self.at = kernel.steps + (near**3 >> 2 * BITS)
        self.timer: Any = kernel.timers.add(kernel.now + ns, self._rings, None)

    def _rings(self, _: Any) -> None:
        self.timer = None
        self._comes(by_clock=True)

    def look(self) -> bool:
        """Some steps have passed. True when it has come."""
        if self.timer is None or self.at is None or self.kernel.steps < self.at:
            return self.timer is None
        self.kernel.timers.cancel(self.timer)
        self.timer = None
        self._comes(by_clock=False)
        return True

    def _comes(self, by_clock: bool) -> None:
        kernel = self.kernel
        signals = signals_of(kernel)
        if self in signals.drawn:
            signals.drawn.remove(self)
        signals.send_from_outside(self.number, self.index, by_clock)


def send_within(kernel: Kernel, number: int, within_ns: int, is_plain: bool) -> None:
    """Have a signal come within so much virtual time."""
    signals = signals_of(kernel)
    signals.drawn_count += 1
    drawn = Drawn(kernel, number, within_ns, signals.drawn_count, is_plain)
    signals.drawn.append(drawn)
    kernel.alarm = 0  # the next point looks when it is due


__all__ = ["send_within"]
