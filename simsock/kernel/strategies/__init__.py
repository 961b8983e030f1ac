"""Who runs next: the answers to that question, one small file each.

PYTEST_DONT_REWRITE

Owns the names of strategies and their life cycle. Knows no sockets and no search. Laws:

* a strategy draws from a stream seeded for its run and never from the tape, because the tape records what was picked; pick 0 is the dull answer;
* what a strategy decides depends on its run alone: on the seed, the schedule's number, and what the first schedules of that seed have shown;
* while a world runs, a strategy is one plain function, ``choose(kernel, task, index, count, preempting)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.strategies.objects import PARTS, asking
from simsock.kernel.strategies.questions import Question, Questions
from simsock.kernel.strategies.random_walk import random_walk
from simsock.kernel.strategies.records import drawing, plain, replaying
from simsock.kernel.strategies.runs import Profile, Run, run_of_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.choices import Token
    from simsock.kernel.core import Choose

FIFO = "fifo"
_MAKERS: dict[str, Callable[[Run], Choose]] = {"random": random_walk}
"""By name, what makes the function of one run."""
NAMES = (FIFO, *_MAKERS)
COUNTED_RUNS = 1
"""How many of the first schedules a strategy may learn from."""


def check_strategy(strategy: Any) -> None:
    """A ``UsageError`` unless ``strategy`` is a name of ``NAMES`` or an object with the life cycle."""
    if isinstance(strategy, str):
        if strategy not in NAMES:
            raise UsageError(f"strategy: expected one of {', '.join(map(repr, NAMES))} or an object with {_FORM}, got {strategy!r}")
        return
    missing = [part for part in PARTS if not callable(getattr(strategy, part, None))]
    if not missing:
        if isinstance(strategy, type):
            raise UsageError(f"strategy: expected an object, got the class {strategy!r}; write {strategy.__name__}()")
        return
    if callable(getattr(strategy, "next", None)):
        raise UsageError(
            f"strategy: {strategy!r} has next(runnable, current), a form that is not asked any more. Write {_FORM}: what the object draws from is made "
            "in begin, from run.seed, and pick returns one of runnable, in which task comes first when it could go on (preempting)"
        )
    raise UsageError(f"strategy: expected an object with {_FORM}, got {strategy!r}, which has no {' and no '.join(missing)}")


_FORM = "begin(run), pick(task, runnable, preempting) and end(run)"


def asks(strategy: Any) -> bool:
    """Whether a strategy is asked at all: plain fifo is not."""
    return bool(strategy != FIFO)


def learns(strategy: Any) -> int:
    """How many of the first schedules of its search a strategy learns from."""
    return 0 if strategy in (FIFO, "random") else COUNTED_RUNS


def run_of(token: Token) -> Run:
    """The run that a token stands for, where it is made outside its search. ``BadToken`` when that cannot be."""
    strategy = token.options.get("strategy", FIFO)
    return run_of_token(token, strategy, learns(strategy))


def begin(strategy: Any, run: Run) -> Choose | None:
    """The life of a strategy in one run begins: the function that the kernel calls; None for fifo, which asks nothing.

    Schedule 1 of a search is the plain order, whatever the strategy.
    """
    if strategy == FIFO:
        return None
    if run.number == 1:
        return plain
    if isinstance(strategy, str):
        return _MAKERS[strategy](run)
    strategy.begin(run)
    return asking(strategy)


def end(strategy: Any, run: Run) -> None:
    """It ends. What ``begin`` was not called for is not ended."""
    if not isinstance(strategy, str) and run.number != 1:
        strategy.end(run)


__all__ = [
    "COUNTED_RUNS",
    "FIFO",
    "NAMES",
    "Profile",
    "Question",
    "Questions",
    "Run",
    "asks",
    "begin",
    "check_strategy",
    "drawing",
    "end",
    "learns",
    "plain",
    "replaying",
    "run_of",
]
