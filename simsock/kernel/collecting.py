"""The garbage collector at a moment that nobody chose.

PYTEST_DONT_REWRITE

Owns the option ``collect``: at which points of a task the collector runs, so that ``__del__`` methods and callbacks of weak references strike there. Does
not know what they do. Laws:

* each task has a stream of its own (``task X collect``), asked at every point; what a collection calls runs in that task, as in Python;
* Python ignores what a ``__del__`` method raises, and so a deadlock in one: the world's own errors are raised again when the collection is over;
* a world without the option has nothing of this: it collects at counted steps.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

from simsock.choices import derive_seed
from simsock.errors import Deadlock, KilledBySignal, LimitExceeded, TaskKilled, WorldEnded
from simsock.kernel.happened import Happened

if TYPE_CHECKING:
    from types import CodeType

    from simsock.choices.tape import Stream
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

COLLECTIONS_MAX = 32
"""How often the collector runs at one task's points in one run."""
_RATES = 7
"""At a point the chance is 1/2, 1/4 ... or one half to this power, the same for all tasks of a run: garbage that is made under a lock wants many
collections, garbage from before it wants few."""
_OURS = (Deadlock, LimitExceeded, KilledBySignal)


class Collecting:
    """Of one world. ``sees`` is told of every point."""

    def __init__(self, kernel: Kernel, is_plain: bool) -> None:
        self.kernel = kernel
        self._is_plain = is_plain
        self._fault = kernel.room(Happened).fault("collect")
        self._asked: dict[int, tuple[Stream, float]] = {}
        self._left: dict[int, int] = {}
        self._is_at_work = False
        self._raised: list[BaseException] = []
        self._before: Any = None

    def sees(self, task: Task, code: CodeType | None, place: int) -> None:
        """A point: the question whether the collector runs here."""
        if self._is_plain or self._is_at_work:
            return
        found = self._asked.get(task.serial)
        if found is None:
            found = self._asked[task.serial] = self.kernel.tape.stream(f"task {task.path} collect"), self._rate()
            self._left[task.serial] = COLLECTIONS_MAX
        if not self._left[task.serial]:
            return
        stream, rate = found
        if not stream.chance(rate):
            return
        self._left[task.serial] -= 1
        kernel = self.kernel
        if kernel.ending or kernel.atomic:
            return
        if code is None:
            self._collect(task, stream.index - 1)
        else:
            kernel.preemption._outside(self._collect, task, stream.index - 1)

    def _rate(self) -> float:
        """Drawn from the seed and not from the tape: in a replay it does not matter."""
        source = self.kernel.tape.source
        if not hasattr(source, "seed"):
            return 1 / 8
        return 1 / (2 << derive_seed(source.seed, "collections") % _RATES)

    def _collect(self, task: Task, index: int) -> None:
        kernel = self.kernel
        kernel.log.append((kernel.now, task.path, "collects", index))
        self._fault.times += 1
        self._is_at_work = True
        try:
            gc.collect()
        finally:
            self._is_at_work = False
        if kernel.finalized:
            kernel._drain()
        if self._raised:
            raise self._raised.pop()

    def begin(self) -> None:
        """Listen to what Python ignores, until ``end``."""
        self._before, sys.unraisablehook = sys.unraisablehook, self._hear

    def end(self) -> None:
        """No more."""
        if sys.unraisablehook == self._hear:
            sys.unraisablehook = self._before
        self._raised.clear()

    def _hear(self, unraisable: Any) -> None:
        if self._is_at_work and isinstance(unraisable.exc_value, _OURS):
            self._raised.append(unraisable.exc_value)
        elif not isinstance(unraisable.exc_value, (TaskKilled, WorldEnded)):
            self._before(unraisable)


__all__ = ["Collecting"]
