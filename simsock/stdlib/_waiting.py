"""What the stand-ins for ``threading``, ``queue`` and ``time`` share: how an operation begins, how tasks stand in line.

PYTEST_DONT_REWRITE

Owns the rules below and nothing that programs see. Laws:

* every operation is a scheduling point, and one that looked in vain says so to the kernel, which makes a loop of such looks cost time;
* while a world ends, what needs no waiting is granted (a bounded number of times), and what needs waiting raises;
* an object works in the world that it was made in; one made outside every world works in whichever is active when it is used.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from collections import deque
from math import ceil, copysign, floor, isnan
from operator import index
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.core import FREE_POLLS
from simsock.kernel.signals import AGAIN
from simsock.kernel.task_table import FROM_OUTSIDE
from simsock.kernel.units import NS
from simsock.stdlib._room import Room

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

FREE_LOOKS = 256
"""How often tasks may look at the clock and the like in one instant before a look counts as a poll in vain."""
GRANTS_MAX = 10_000
"""Operations granted to one task while its world ends: a loop that swallows ``TaskKilled`` has to end too."""
TIMEOUT_MAX = 9223372036.0
"""CPython's, on Linux."""
TIMEOUT_TOO_LARGE = f"timestamp out of range for {'C PyTime_t' if sys.version_info >= (3, 13, 15) else 'platform time_t'}"
"""The words changed within 3.13: 3.13.0 has the old ones, 3.13.15 the new ones."""
_MS_NS = NS // 1000
_INTEGER_TOO_LARGE = (
    TIMEOUT_TOO_LARGE
    if sys.version_info >= (3, 13, 15)
    else f"timestamp too large to convert to C {'PyTime_t' if sys.version_info >= (3, 13) else '_PyTime_t'}"
)


def begin(bound: Kernel | None) -> Kernel | None:
    """An operation of an object made in world ``bound`` (None: outside every world) begins. Returns where it runs; None outside every world."""
    kernel = bound or session.active
    if kernel is not None:
        if kernel.ending:
            granted(kernel)
        else:
            kernel.point()
    return kernel


def granted(kernel: Kernel) -> None:
    """An operation that needs no waiting, while its world ends or after that."""
    if kernel.ended:
        return
    room = kernel.room(Room)
    if room.granted_to is not kernel.current:
        room.granted_to, room.grants = kernel.current, 0
    room.grants += 1
    if room.grants > GRANTS_MAX:
        kernel.refuse_call()


def in_vain(kernel: Kernel | None) -> None:
    """The operation did not find what it looked for, and did not wait."""
    if kernel is not None and not kernel.ending:
        kernel.fruitless()


def looked_at_clock(kernel: Kernel) -> None:
    """The operation looked at the clock, on which programs are known to spin. Most do not spin: many looks in one instant are free."""
    room = kernel.room(Room)
    if room.looked_at != kernel.now:
        room.looked_at = kernel.now
        room.looks = 1
        return
    room.looks += 1
    if room.looks > FREE_LOOKS:
        kernel.fruitless()
        room.looked_at = kernel.now  # time that passed by nothing but looking does not make the next look a first one


def looked(kernel: Kernel | None) -> None:
    """The operation looked at something else that others change, and found what programs seldom wait for. As above, but looks between which something has
    happened (a queue's item was taken, a task was woken, bytes were sent) are none of a loop that only looks."""
    if kernel is None or kernel.ending:
        return
    room = kernel.room(Room)
    if room.glanced_at != kernel.now:
        room.glanced_at = kernel.now
        room.glances = 1
        return
    room.glances += 1
    if room.glances > FREE_LOOKS:
        log = kernel.log
        news = (room.moved, kernel.wakes, log.count_flushed + len(log._buffer) - len(kernel.tape.deviations))
        if news != room.news:
            room.news, room.glances = news, 1
            return
        kernel.fruitless()
        room.glanced_at = kernel.now


def tried_in_vain(kernel: Kernel, polls: int, wakes: int) -> None:
    """What the current task tried has failed in the same instant, after it has perhaps waited: the try counts as a poll. ``polls`` and ``wakes``: as many
    as there were before it. Others had their turn if it waited, so nobody goes first as long as it costs nothing."""
    task = kernel.current
    task.polls = min(polls, FREE_POLLS) if task.polled_at != wakes else polls
    task.polled_at = kernel.wakes
    if task.polls >= FREE_POLLS:
        kernel.fruitless()
    else:
        task.polls += 1


def sought(path: Any) -> None:
    """A file is not there. Who looks for it again and again within one instant waits for it; who looks for many does not."""
    kernel = session.active
    if kernel is None or kernel.ending:
        return
    room = kernel.room(Room)
    if room.sought_at != kernel.now:
        room.sought_at = kernel.now
        room.sought.clear()
    if path in room.sought:
        looked(kernel)
    else:
        room.sought.add(path)


def moved(kernel: Kernel) -> None:
    """An item was put into a queue or taken out of it: whoever looks at the queue next does not look at the same again."""
    kernel.room(Room).moved += 1


def number(kernel: Kernel | None, kind: str) -> int:
    """How many of a kind this world has made, this one included; 0 outside every world. Reports tell objects apart by it."""
    if kernel is None:
        return 0
    counts = kernel.room(Room).made
    counts[kind] = count = counts.get(kind, 0) + 1
    return count


def described(kind: str, serial: int) -> str:
    """``"Lock-3"``."""
    return f"{kind}-{serial}" if serial else f"{kind} {FROM_OUTSIDE}"


def real_number(value: Any) -> int | float:
    """A timeout, from whatever this CPython takes for a number: up to 3.14 a float or an integer, from 3.15 on any real number. Its own error if not."""
    if isinstance(value, (int, float)):
        return value
    try:
        allocate_lock().acquire(True, value)  # a free one: nobody waits
    except (ValueError, OverflowError):  # a number, then
        pass
    return index(value) if hasattr(type(value), "__index__") else copysign(value, value)


def timeout_number(timeout: Any, kind: str, per_second: int = 1) -> int | float:
    """As above, with the errors of CPython's selectmodule.c, which up to 3.14 calls for ``kind``. It fits into a C timestamp."""
    try:
        number = real_number(timeout)
    except TypeError:
        if sys.version_info >= (3, 15):
            found = type(timeout)
            name = found.__qualname__ if found.__module__ == "builtins" else f"{found.__module__}.{found.__qualname__}"
            kind = f"a real number or None, not {name}"
        else:
            kind += " or None"
        raise TypeError(f"timeout must be {kind}") from None
    if isinstance(number, float):
        if isnan(number):
            raise ValueError("Invalid value NaN (not a number)")
        if not -TIMEOUT_MAX <= number / per_second <= TIMEOUT_MAX:
            raise OverflowError(TIMEOUT_TOO_LARGE)
    elif not -(1 << 63) <= number * (NS // per_second) < 1 << 63:
        raise OverflowError(_INTEGER_TOO_LARGE)
    return number


def milliseconds(timeout: Any, per_second: int) -> int:
    """What ``epoll``, and before 3.15 ``poll``, is asked to wait: whole milliseconds, rounded away from none, that fit into a C int."""
    exact = timeout_number(timeout, "an integer", per_second) * (1000 // per_second)
    number = ceil(exact) if exact >= 0 else floor(exact)
    if not -(1 << 31) <= number < 1 << 31:
        raise OverflowError("timeout is too large")
    return number


def poll_ns(timeout: Any) -> int:
    """Nanoseconds of a timeout of ``poll``, which is in milliseconds. From 3.15 on that calls ppoll(2), which waits to the nanosecond, however long."""
    if sys.version_info >= (3, 15):
        exact = timeout_number(timeout, "an integer", 1000) * _MS_NS
        return ceil(exact) if exact >= 0 else floor(exact)
    else:
        return milliseconds(timeout, 1000) * _MS_NS


def nanoseconds(seconds: Any) -> int:
    """Nanoseconds of a number of seconds, which may be negative; CPython's errors for everything else."""
    number = real_number(seconds)
    if isinstance(number, float):
        if isnan(number):
            raise ValueError("Invalid value NaN (not a number)")
        if not -TIMEOUT_MAX <= number <= TIMEOUT_MAX:
            raise OverflowError(TIMEOUT_TOO_LARGE)
        return round(number * NS)
    ns = number * NS
    if not -TIMEOUT_MAX * NS <= ns <= TIMEOUT_MAX * NS:
        raise OverflowError(TIMEOUT_TOO_LARGE)
    return ns


def timeout_ns(timeout: Any) -> int:
    """Nanoseconds of a timeout as ``Condition``, ``Event`` and ``join`` take it: -1 for None (never), 0 for what has passed already."""
    return -1 if timeout is None else max(nanoseconds(timeout), 0)


class Outside:
    """Who holds a lock that was taken outside every world. Reports and cycles of waits see it as a task that waits for nothing."""

    __slots__ = ()
    path = "(code outside the world)"
    serial = -1
    kernel = queue = on = None


OUTSIDE: Any = Outside()


class Line:
    """Tasks that wait for one of something.

    A task may come by and take what became free before the one that was woken for it has run: real locks let it, and races live on it. A
    task that this happened to stands in a line of its own from then on, and what becomes free next is handed to it: nobody starves.
    """

    __slots__ = ("barged", "fresh")

    def __init__(self) -> None:
        self.fresh: deque[Task] = deque()
        self.barged: deque[Task] = deque()

    def wait(
        self,
        kernel: Kernel,
        deadline: int | None,
        why: str,
        on: Any,
        there: Callable[[], object],
        pass_on: Callable[[Kernel, bool], object],
        again: bool = False,
    ) -> bool:
        """Park until the thing was handed over or ``there()`` is true; False when the deadline passed first.

        ``pass_on(kernel, handed_over)`` is called when the task dies while it stands here although it had been woken: the next one is to
        have what it was woken for. ``again``: the task was in line before and is not to go to the end.
        """
        queue = self.barged if again else self.fresh
        task = kernel.current
        while True:
            task.woken = False
            try:
                woken = kernel.wait(queue, deadline, why, on)
            except BaseException:
                if task.woken:
                    pass_on(kernel, queue is self.barged)
                raise
            if not woken:
                return False
            if task.woken is AGAIN:  # a signal's handler has run in between: nobody has handed it over
                if there():
                    return True
                continue
            if queue is self.barged or there():
                return True
            queue = self.barged

    def offer(self, kernel: Kernel) -> Task | None:
        """One more is there: the task that it belongs to from now on; None when nobody was passed over (the first in line then tries its luck)."""
        if self.barged:
            return kernel.wake(self.barged)
        if self.fresh:
            kernel.wake(self.fresh)
        return None
