"""Who runs next: the answers to that question, one small file each.

PYTEST_DONT_REWRITE

Owns the names of strategies and their life cycle. Knows no sockets and no search. Laws:

* a strategy draws from a stream seeded for its run and never from the tape, because the tape records what was picked; pick 0 is the dull answer;
* what a strategy decides depends on its run alone: on the seed, the schedule's number, and what the first schedules of that seed have shown;
* while a world runs, a strategy is one plain function, ``choose(kernel, task, index, count, preempting)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError, meant
from simsock.kernel.strategies.objects import PARTS, asking
from simsock.kernel.strategies.records import plain, replaying
from simsock.kernel.strategies.runs import NAMED_RUNS, Profile, Run, run_of_token
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.choices import Token
    from simsock.kernel.core import Choose
    from simsock.kernel.strategies.drawn_members import drawing
    from simsock.kernel.strategies.questions import Question, Questions
    from simsock.kernel.strategies.shown import Showing

FIFO = "fifo"
DEFAULT = "portfolio"
"""What searches use unless told otherwise."""


class Known(NamedTuple):
    """A strategy by name: its file, how many of the first schedules it learns from, and whether it takes a depth."""

    file: str
    learns: int
    deep: bool = False
    lowest: int = 1
    """The least depth."""


_KNOWN: dict[str, Known] = {
    "random": Known("random_walk", 0),
    "pct": Known("priorities", 1, deep=True),
    "pcth": Known("hot_names", NAMED_RUNS, deep=True),
    "pos": Known("partial_orders", 0),
    "surw": Known("events_left", 1),
    "surw:selective": Known("events_left", NAMED_RUNS),
    "portfolio": Known("portfolio", NAMED_RUNS),
    "guided": Known("guided", NAMED_RUNS),
    "dfs": Known("", 0, deep=True, lowest=0),
}
"""Each file has the function that makes the one of a run, by the name of the strategy (or what is behind its colon). It is read when somebody wants it."""
_MADE_ON_DEMAND = {"drawing": "drawn_members", "Question": "questions", "Questions": "questions", "Showing": "shown"}


def __getattr__(name: str) -> Any:
    file = _MADE_ON_DEMAND.get(name)
    if file is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"simsock.kernel.strategies.{file}"), name)
    return value


def _maker(strategy: str) -> Callable[..., Choose]:
    """What makes the function of a run by the strategy of that name. To be asked for before a world begins; it is there from then on."""
    known, _ = _known(strategy)
    if not known.file:
        return _search_only
    name = strategy.partition(":")[0] if known.deep else strategy.rpartition(":")[2]
    module = import_module(f"simsock.kernel.strategies.{known.file}")
    make: Callable[..., Choose] = getattr(module, _FUNCTIONS.get(name, name))
    return make


_FUNCTIONS = {"random": "random_walk"}
"""Where a strategy's name is not its function's."""


def _search_only(run: Run, *depth: int) -> Choose:
    raise UsageError(
        'strategy: "dfs" goes through all schedules of a test, which simsock.explore, the command and scenarios do; a world alone cannot, nor can the marker'
    )


NAMES = (FIFO, *_KNOWN)
DEPTH_MAX = 100
DFS = "dfs"
"""All schedules, one after the other."""
GUIDED = "guided"
"""Schedules that are made of earlier ones."""
_SAID = ", ".join(repr(name) for name in NAMES) + ", 'pct:D', 'pcth:D' (a depth), 'dfs:N' (preemptions)"


def check_strategy(strategy: Any) -> None:
    """A ``UsageError`` unless ``strategy`` is a name of ``NAMES`` or an object with the life cycle."""
    if isinstance(strategy, str):
        if strategy != FIFO:
            _maker(strategy)
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


def _known(strategy: str) -> tuple[Known, tuple[int, ...]]:
    """The strategy of that name, and its depth if it has one."""
    known = _KNOWN.get(strategy)
    if known is not None:
        return known, ()
    name, _, depth = strategy.partition(":")
    known = _KNOWN.get(name)
    if known is None or not known.deep or not (depth.isascii() and depth.isdigit() and known.lowest <= int(depth[:4]) <= DEPTH_MAX and len(depth) < 4):
        raise UsageError(f"strategy: expected one of {_SAID} or an object with {_FORM}, got {strategy!r}{meant(strategy, _KNOWN)}")
    return known, (int(depth),)


_FORM = "begin(run), pick(task, runnable, preempting) and end(run)"


def levels(strategy: Any) -> tuple[bool, int | None]:
    """Whether a strategy tries all schedules, which is a search's affair, and the most preemptions if it stops there."""
    if isinstance(strategy, str) and strategy.partition(":")[0] == DFS:
        _, depth = _known(strategy)
        return True, depth[0] if depth else None
    return False, None


def asks(strategy: Any) -> bool:
    """Whether a strategy is asked at all: plain fifo is not."""
    return bool(strategy != FIFO)


def learns(strategy: Any) -> int:
    """How many of the first schedules of its search a strategy learns from."""
    if not isinstance(strategy, str):
        return NAMED_RUNS
    return 0 if strategy == FIFO else _known(strategy)[0].learns


def run_of(token: Token) -> Run:
    """The run that a token stands for, where it is made outside its search. ``BadToken`` when that cannot be."""
    strategy = token.options.get("strategy", FIFO)
    is_object = strategy not in NAMES and ":" not in str(strategy)  # a token has no objects, only their picks
    return run_of_token(token, strategy, NAMED_RUNS if is_object else learns(strategy))


def begin(strategy: Any, run: Run) -> Choose | None:
    """The life of a strategy in one run begins: the function that the kernel calls; None for fifo, which asks nothing.

    Schedule 1 of a search is the plain order, whatever the strategy.
    """
    if strategy == FIFO:
        return None
    if run.number == 1:
        return plain
    if isinstance(strategy, str):
        _, depth = _known(strategy)
        return _maker(strategy)(run, *depth)
    strategy.begin(run)
    return asking(strategy)


def end(strategy: Any, run: Run) -> None:
    """It ends. What ``begin`` was not called for is not ended."""
    if not isinstance(strategy, str) and run.number != 1:
        strategy.end(run)


__all__ = [
    "DEFAULT",
    "FIFO",
    "GUIDED",
    "NAMES",
    "Profile",
    "Question",
    "Questions",
    "Run",
    "Showing",
    "asks",
    "begin",
    "check_strategy",
    "drawing",
    "end",
    "learns",
    "levels",
    "plain",
    "replaying",
    "run_of",
]
