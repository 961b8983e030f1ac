"""Every public exception of simsock, each saying whose fault it is.

Owns the exception classes and nothing else. Laws of the file:

* an exception's message is built once, by whoever raises it, is printable from then on, and survives pickling word for word;
* ``fault`` names who can mend it: ``"test"`` (the way simsock is used), ``"program"`` (the code under test), ``"replay"``
  (a token that does not fit what is run) or ``"simsock"`` (a defect of this package).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

SIMSOCK_ROOM = "inside"


def meant(name: object, known: Iterable[str]) -> str:
    """``"; did you mean 'seed'?"`` when one of the known names is near, else nothing: for the end of a message."""
    if not isinstance(name, str):
        return ""
    import difflib

    near = difflib.get_close_matches(name[:100], list(known), 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


class SimsockError(Exception):
    """Base class of every error that simsock itself raises.

    ``fault`` is ``"test"``, ``"program"``, ``"replay"`` or ``"simsock"``: whose code to look at first.
    """

    fault = "test"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(printable(message, lines=True))
        self.facts = facts
        """Further plain values about the error, such as ``limit`` or ``report``; what they are depends on the class."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.args[0], self.facts))


def _rebuild(cls: type[SimsockError], message: str, facts: dict[str, Any]) -> SimsockError:
    return cls(message, **facts)


class UsageError(SimsockError, ValueError):
    """A call of simsock's own interface makes no sense; the message names the value and what was expected."""


class Unsupported(SimsockError, NotImplementedError):
    """Something real systems have and the simulator has not; the message names the option and the value."""


class Fenced(Unsupported):
    """Code inside a patched world reached for something real: a socket, a process, a fork. ``facts["call"]`` names the call."""

    fault = "program"


class WorldEnded(SimsockError):
    """A socket or wait of a world was used after that world had ended (or while it was ending)."""


class BadToken(SimsockError, ValueError):
    """A token is damaged, too long, or of a version that this simsock does not read."""

    fault = "replay"


class ReplayMismatch(SimsockError):
    """A replayed run asked other questions than the recorded one; the message says where they part."""

    fault = "replay"


class Nondeterminism(SimsockError):
    """Two runs with the same seed differed; the message names the first difference."""

    fault = "program"


class Deadlock(SimsockError):
    """No task can run and no timer is left, or tasks wait for each other in a cycle.

    ``facts["report"]`` is the table of who waits for what, where, held by whom.
    """

    fault = "program"


class LimitExceeded(SimsockError):
    """A run met one of its limits; the message names the limit, its value and the busiest or blocked place."""

    fault = "program"


class StepLimit(LimitExceeded):
    """More scheduling steps than ``max_steps``: an endless loop, or a limit that is too small."""


class TimeLimit(LimitExceeded):
    """Virtual time went past ``max_time``."""


class RealTimeLimit(LimitExceeded):
    """The run took longer than ``max_real_time`` of real time: blocked in a real call, or looping without a simulated one."""


class KilledBySignal(SimsockError):
    """A signal of the world would have ended the program: nobody handles it, and that is its default action. ``facts["signal"]`` is its name."""

    fault = "program"


class BusyLoop(RealTimeLimit):
    """The program goes round in a loop that only looks, and nothing that it looks at can change while it runs. ``facts["place"]`` is the loop."""


class TaskCancelled(SimsockError):
    """The result was asked for of a task that had been cancelled."""


class TaskWillNotEnd(SimsockError):
    """A task swallowed every attempt to end it with its world; the message names the line it stayed on."""

    fault = "program"


class SearchFailure(SimsockError, AssertionError):
    """A search found a failing schedule and the failure could not be raised as itself; carries the verdict's text."""

    fault = "program"


class Finding(SimsockError, AssertionError):
    """What an oracle has seen in a run, although nothing in the program said so. ``facts["same"]`` is what two of them have in common that are one."""

    fault = "program"


class InvariantBroken(Finding):
    """What ``sim.always`` was told did not hold at some step. ``facts["task"]`` is who had just run."""


class DataRace(Finding):
    """Two tasks used an attribute that ``sim.watch`` watches, one of them to write it, and nothing put one before the other."""


class LockInversion(Finding):
    """Tasks took locks in opposite orders, as ``sim.watch_locks`` has seen: they may wait for each other for ever, although they did not this time."""


class LivenessBroken(Finding):
    """What ``sim.eventually`` was told did not come true in time, although nothing was at fault any more."""


class NeverHappened(SimsockError, AssertionError):
    """What a search (or a world with ``require_faults=True``) should have seen never came: a fault, a ``sometimes``, a ``reachable``."""


class NotLinearizable(Finding):
    """A history of ``sim.history`` is none that the model allows, in whatever order its operations happened between their calls and returns."""


class ScenarioError(SimsockError, ValueError):
    """A scenario file is broken; the message names the file and the key."""


class TaskKilled(BaseException):
    """Thrown into tasks that still live when their world ends. Not an ``Exception``: do not catch it."""


class LeakWarning(UserWarning):
    """Tasks of the program were still running when their world ended. No ``ResourceWarning``, which Python shows to nobody by default."""


class KeptWarning(UserWarning):
    """The program keeps a function, from before the world, where no world can put another one: it stays real there."""


class UnseenErrorWarning(UserWarning):
    """Work that the program has handed to a pool failed, and nobody looked: neither the caller nor a callback has asked the future for its error."""


class NoEffectWarning(UserWarning):
    """Something that a world was asked for did nothing in it, such as a link when all that was sent stayed on one host."""
