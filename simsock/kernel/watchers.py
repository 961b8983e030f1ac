"""Who is told of what happens in a world: stories, tallies, oracles, and whoever else wants to know.

PYTEST_DONT_REWRITE

Owns ``Watcher``, the base class of all of them, and the list of those that watch one world. Does not know what anybody does with the news.
Laws:

* a watcher never changes a run: it neither parks nor draws nor records, and makes no simulated call; the digest is the same with and without;
* it keeps texts and numbers, nothing of the program's: an object kept longer than the program keeps it is closed later than without;
* what it raises is raised at the world's end, and from then on it is told nothing;
* a world without watchers pays one test where something happens, and nothing at all for its records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from simsock.kernel.core import Kernel
    from simsock.kernel.records import Record
    from simsock.kernel.task import Task


class Watcher:
    """What can be heard of a world. Subclasses override what they want to hear; whoever overrides nothing costs nothing.

    ``Simulation.add_watcher`` takes one, before the world begins or while it runs. The methods are called from inside the kernel, where its
    tables may be half written: look at what you are given, and return.
    """

    def world_begins(self, kernel: Kernel) -> None:
        """It is watched from now on."""

    def world_ends(self, kernel: Kernel) -> None:
        """Every task is dead. The last that is told."""

    def task_starts(self, task: Task) -> None:
        """``task`` was started, by ``task.parent``; it has not run yet."""

    def task_ends(self, task: Task) -> None:
        """``task`` has ended, by itself or with its world. The world's first task does not: it is the code around the world."""

    def recorded(self, record: Record) -> None:
        """Something was recorded: (virtual nanoseconds, who, what, …). ``simsock.choices.journal`` knows every kind."""

    def waits(self, task: Task) -> None:
        """``task`` parks: ``task.why`` says what it does and ``task.on`` whose news it waits for."""

    def takes(self, task: Task, thing: Any) -> None:
        """``task`` has taken a lock (again, if it may), one from a semaphore, or an item from a queue. ``thing.describe()`` names it."""

    def gives(self, task: Task, thing: Any) -> None:
        """``task`` has given a lock up, one back to a semaphore, or put an item into a queue."""

    def learns(self, task: Task, thing: Any) -> None:
        """``task`` has learned what others did, and taken nothing: that a task has ended (``thing`` is it), or that an event's flag is up (its lock).
        Without a ``thing`` the test lets the world run, by ``sim.sleep`` and the like, or has."""

    def fails(self, task: Task, call: str, number: int | None, on: Any) -> None:
        """A simulated ``call`` of ``task`` fails with this errno (a resolver's number if negative, None for a timeout that passed). ``on``: the open
        file that it was made on, where that is known."""

    def moves(self, task: Task, data: Any) -> None:
        """``task`` has received or sent these bytes; the record of it comes next. A view of the program's buffer: take what is needed of it at once."""

    def deviates(self, task: Task, index: int, chosen: Task) -> None:
        """Question ``index`` of ``task`` had not the dull answer: ``chosen`` goes on. It still stands in the run queue."""

    def line(self, task: Task, code: CodeType, at: int) -> None:
        """``task`` is about to run a line (or, at ``preempt="instructions"``, the instruction at an offset) of ``code``, which is in scope."""


EVENTS = tuple(name for name in vars(Watcher) if not name.startswith("_"))


class Watchers:
    """Those that watch one world: each event is a function that tells everybody who wants to hear of it."""

    __slots__ = (
        "deviates",
        "everybody",
        "fails",
        "gives",
        "hears_records",
        "learns",
        "line",
        "moves",
        "recorded",
        "takes",
        "task_ends",
        "task_starts",
        "waits",
        "world_ends",
    )

    deviates: Callable[[Task, int, Task], object]
    fails: Callable[[Task, str, int | None, Any], object]
    gives: Callable[[Task, Any], object]
    learns: Callable[[Task, Any], object]
    line: Callable[[Task, CodeType, int], object]
    moves: Callable[[Task, Any], object]
    recorded: Callable[[Record], object]
    takes: Callable[[Task, Any], object]
    task_ends: Callable[[Task], object]
    task_starts: Callable[[Task], object]
    waits: Callable[[Task], object]
    world_ends: Callable[[Kernel], object]

    def __init__(self, kernel: Kernel, everybody: tuple[Watcher, ...]) -> None:
        self.everybody = everybody
        for event in EVENTS:
            if event != "world_begins":
                setattr(self, event, _teller(kernel, event, everybody))
        self.hears_records = self.recorded is not _nobody


def watching(kernel: Kernel) -> tuple[Watcher, ...]:
    """Those that watch a world now."""
    return kernel.watchers.everybody if kernel.watchers is not None else ()


def watch(kernel: Kernel, watcher: Watcher) -> None:
    """From now on ``watcher`` is told what happens."""
    _set(kernel, (*watching(kernel), watcher))
    watcher.world_begins(kernel)


def unwatch(kernel: Kernel, watcher: Watcher) -> None:
    """It is told no more; nothing happens if it was not."""
    _set(kernel, tuple(other for other in watching(kernel) if other is not watcher))


def _set(kernel: Kernel, everybody: tuple[Watcher, ...]) -> None:
    kernel.watchers = watchers = Watchers(kernel, everybody) if everybody else None
    kernel.log.tell(watchers.recorded if watchers is not None and watchers.hears_records else None)


def _failed(kernel: Kernel, watcher: Watcher, error: Exception) -> None:
    """It is told no more, the run goes on as it would have, and the error is raised at the world's end."""
    unwatch(kernel, watcher)
    kernel.errors.append((kernel.current, error))


def _nobody(*facts: Any) -> None:
    """Nobody wants to hear of it."""


def _teller(kernel: Kernel, event: str, everybody: tuple[Watcher, ...]) -> Callable[..., object]:
    told = [(watcher, getattr(watcher, event)) for watcher in everybody if getattr(type(watcher), event) is not getattr(Watcher, event)]
    if not told:
        return _nobody

    def tell(*facts: Any) -> None:
        kernel.atomic += 1  # a watcher's own lines are no points, and a signal waits until it has heard
        try:
            for watcher, hear in told:
                try:
                    hear(*facts)
                except Exception as error:
                    _failed(kernel, watcher, error)
        finally:
            kernel.atomic -= 1

    return tell
