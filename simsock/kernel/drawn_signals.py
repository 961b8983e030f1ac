"""A signal from outside at a moment that the tape chooses.

Owns what is asked and what comes then. Does not know handlers, nor how a moment is drawn. Law: it is sent by nobody in the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.moments import Moment, Moments
from simsock.kernel.signals import name_of, signals_of

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel


def send_within(kernel: Kernel, number: int, within_ns: int, is_plain: bool) -> None:
    """Have a signal come within so much virtual time."""
    signals = signals_of(kernel)
    index = kernel.room(Moments).number("signal")
    stream = kernel.tape.stream(f"signal {name_of(number)} #{index}")
    Moment(kernel, "signal", stream, within_ns, is_plain, lambda by_clock: signals.send_from_outside(number, index, by_clock))


__all__ = ["send_within"]
