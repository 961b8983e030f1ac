"""Calling a predicate of the test's while the world stands still around it.

PYTEST_DONT_REWRITE

Owns what such a predicate may do: look. Does not know what it is for. Laws:

* a simulated call in it that would count, ask or wait is a ``UsageError`` that names it, and so is whatever leaves a record or an answer on the tape;
* worlds in which nothing is asked aside pay nothing: the kernel changes its class for as long as the predicate runs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from simsock.errors import UsageError
from simsock.kernel.core import Kernel
from simsock.kernel.program_lines import program_call
from simsock.oracles.places import place_of_frame

if TYPE_CHECKING:
    from collections.abc import Callable

_REFUSED = ("point", "step", "ask", "spawn", "yield_", "fruitless", "wait", "sleep", "_sleep_until", "settle", "wait_tick", "call_at", "start_all")


class _Aside(Kernel):
    """A kernel whose current task is asked something."""

    __slots__ = ()


class _Refusal(UsageError):
    """Told apart from those that the program raises."""


def _refuse(self: Kernel, *args: Any, **kwargs: Any) -> NoReturn:
    frame = sys._getframe(1)
    call = program_call(frame)[1] or "a simulated call"
    raise _Refusal(f"{call} at {place_of_frame(frame)}: it is asked between two steps, where nothing may wait or count. Read plain attributes instead")


for _name in _REFUSED:
    setattr(_Aside, _name, _refuse)


def ask_aside(kernel: Kernel, who: str, predicate: Callable[[], Any]) -> Any:
    """What ``predicate()`` returns. ``who`` asks: the first words of an error about what it did."""
    before = kernel.__class__
    vain, records, answers = kernel.polling.vain, kernel.log.count, len(kernel.tape.deviations)
    kernel.atomic += 1
    kernel.__class__ = _Aside
    try:
        answer = predicate()
    except _Refusal as refusal:
        raise UsageError(f"{who} makes a simulated call, {refusal}") from None
    finally:
        kernel.__class__ = before
        kernel.atomic -= 1
        kernel.polling.vain = vain  # who looks at the clock in it does not wait for it
    if kernel.log.count != records or len(kernel.tape.deviations) != answers:
        raise UsageError(f"{who} changes the world: it may only look")
    return answer


__all__ = ["ask_aside"]
