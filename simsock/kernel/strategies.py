"""Who runs next: the built-in answers to that question.

PYTEST_DONT_REWRITE

Owns the strategies that need nothing but the run queue. Knows no sockets and no search. Laws: a strategy draws from its own seeded
stream and never from the tape, because the tape records what was picked; pick 0 is the dull answer.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from simsock.choices import derive_seed
from simsock.errors import UsageError

if TYPE_CHECKING:
    from simsock.choices import DrawnSource
    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.task import Task

NAMES = ("fifo", "random")


def make_choose(strategy: Any, seed: int | str) -> Choose | None:
    """The function that the kernel calls; None for plain fifo, which asks nothing.

    ``strategy`` is a name of ``NAMES`` or an object with ``next(runnable, current)``: it gets the list of runnable tasks (the current one
    first when it could go on, then in the order in which they became runnable) and the current task, and returns one of the list.
    """
    if strategy == "fifo":
        return None
    if strategy == "random":
        return _random_walk(seed)
    if isinstance(strategy, str):
        raise UsageError(f"strategy: expected one of {', '.join(map(repr, NAMES))} or an object with next(runnable, current), got {strategy!r}")
    if not callable(getattr(strategy, "next", None)):
        raise UsageError(f"strategy: expected an object with next(runnable, current), got {strategy!r}")
    return _object(strategy)


def replaying(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
    """Pick what the record says, and the dull answer elsewhere. A pick that no longer exists stays unused and is reported as such."""
    plan = task.plan
    if plan:
        pick = plan.get(index, 0)
        if pick < count:
            return pick
    return 0


def drawing(source: DrawnSource) -> Choose:
    """Picks that are drawn with all other answers of a run: sparsely, a task at a time."""

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        return source.pick(task.label, count)

    return choose


def _random_walk(seed: int | str) -> Choose:
    draw = _bytes(derive_seed(seed, "strategy random")).__next__

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        if count == 1:
            return 0
        if count <= 256:
            mask = _MASKS[count]
            pick = draw() & mask
            while pick >= count:
                pick = draw() & mask
            return pick
        bits = count.bit_length()
        wide = count
        while wide >= count:
            wide = int.from_bytes(bytes(draw() for _ in range(4)), "little") & ((1 << bits) - 1)
        return wide

    return choose


_MASKS = [(1 << max(count - 1, 0).bit_length()) - 1 for count in range(257)]
"""The smallest mask that covers 0 to count - 1, for a draw with rejection."""


def _bytes(seed: int) -> Iterator[int]:
    """An endless stream of bytes, cheap to begin: a search begins one for every schedule. Hashing, so the same everywhere."""
    key = seed.to_bytes(8, "little")
    for block in itertools.count():
        yield from blake2b(block.to_bytes(8, "little"), key=key).digest()


def _object(strategy: Any) -> Choose:
    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        runnable = [task, *kernel.runq] if preempting else list(kernel.runq)
        kernel.atomic += 1
        try:
            picked = strategy.next(runnable, task)
        except BaseException as error:
            return kernel.strategy_failed(error, preempting)
        finally:
            kernel.atomic -= 1
        for pick, candidate in enumerate(runnable):
            if candidate is picked:
                return pick
        text = f"strategy {strategy!r}: next() returned {picked!r}, which is not one of the {count} runnable tasks"
        return kernel.strategy_failed(UsageError(text), preempting)

    return choose
