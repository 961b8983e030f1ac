"""What is to hold after every step.

PYTEST_DONT_REWRITE

Owns ``sim.always``: when its predicates are asked, and what becomes of a world in which one is false. Laws:

* they are asked before each simulated call and each line at which the world may switch tasks, when a task ends, and at the end of the world's block: so each
  state that another task could see is looked at;
* the first that is false stops the world, since all that comes after is no news: the error is raised in the first task, as limits are;
* a predicate only looks (see ``aside``).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simsock.errors import InvariantBroken, UsageError
from simsock.kernel.strategies import plain
from simsock.kernel.watchers import Watcher
from simsock.oracles.aside import ask_aside
from simsock.oracles.places import Place, place_of_frame, words_of_function

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task


class Always:
    """A predicate in force. ``remove()`` ends it, and so does the end of a ``with`` block, after one more look."""

    def __init__(self, invariants: Invariants, predicate: Callable[[], object], name: str | None, unless: tuple[Callable[[], bool], ...]) -> None:
        self._invariants = invariants
        self.predicate = predicate
        self._unless = unless
        self.words = name or words_of_function(predicate)

    def remove(self) -> None:
        """It is not asked any more. Nothing happens if it was not."""
        self._invariants.remove(self)

    def __enter__(self) -> Always:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is None:
            self._invariants.look_now(self)
        self.remove()

    def __repr__(self) -> str:
        return f"<simsock always {self.words}>"

    def holds(self, kernel: Kernel) -> tuple[bool, str]:
        """Whether it does now; and what an assertion in it said."""
        for is_held in self._unless:
            if is_held():
                return True, ""
        who = f"always: {self.words}"
        try:
            answer = ask_aside(kernel, who, self.predicate)
        except AssertionError as error:
            return False, str(error).strip().partition("\n")[0] or "an assertion in it failed"
        except Exception as error:
            error.add_note(f"raised in what {who} asks after every step")
            raise
        if answer is None:
            raise UsageError(f"{who} returned None: expected True or False")
        return bool(answer), ""


class Invariants(Watcher):
    """Those of one world: ``kernel.room(Invariants)``."""

    def __init__(self) -> None:
        self.all: tuple[Always, ...] = ()
        self.kernel: Kernel | None = None
        self._last: dict[int, tuple[CodeType, int]] = {}
        """The line that each task was told to run last, by the task's serial number. Whoever goes on without a look runs that line of its own, so what is found
        false in a task is its own doing."""
        self._is_broken = False

    def add(self, predicate: Callable[[], object], name: str | None, unless: tuple[Callable[[], bool], ...]) -> Always:
        """One more, which is asked at once."""
        always = Always(self, predicate, name, unless)
        self.all = (*self.all, always)
        try:
            self.look_now(always)
        except BaseException:
            self.remove(always)
            raise
        return always

    def remove(self, always: Always) -> None:
        """One less."""
        self.all = tuple(other for other in self.all if other is not always)

    # -- when they are asked -----------------------------------------------------------------------------------------------------------

    def world_begins(self, kernel: Kernel) -> None:
        self.kernel = kernel
        before = kernel.sees

        def sees(task: Task, code: CodeType | None, place: int) -> None:
            if before is not None:
                before(task, code, place)
            if code is None and self.all and not kernel.atomic:
                self._at_a_call(kernel, task)

        kernel.sees = sees
        if kernel.choose is None:  # points are to be seen
            kernel.choose, kernel.asks_strategy = plain, True

    def world_ends(self, kernel: Kernel) -> None:
        self.kernel = None
        self.all = ()
        self._last.clear()

    def line(self, task: Task, code: CodeType, at: int) -> None:
        if self.all:
            self._look(task)
            self._last[task.serial] = code, at

    def task_ends(self, task: Task) -> None:
        self._look(task)
        self._last.pop(task.serial, None)

    def _at_a_call(self, kernel: Kernel, task: Task) -> None:
        self._look(task)
        if self._is_broken:
            error, kernel.pending_signal = kernel.pending_signal, None
            if error is not None:
                kernel.fatal(error)

    def look_now(self, always: Always) -> None:
        """In the first task, which may be told at once."""
        kernel = self.kernel
        if kernel is not None and not kernel.ending and not self._is_broken:
            holds, said = always.holds(kernel)
            if not holds:
                raise self._broken(kernel, always, said, kernel.current)

    def judge_last(self, kernel: Kernel) -> None:
        """The world's block is over."""
        for always in self.all:
            self.look_now(always)

    # -- what becomes of it ------------------------------------------------------------------------------------------------------------

    def _look(self, task: Task) -> None:
        kernel = task.kernel
        if self._is_broken or kernel.ending:
            return
        try:
            for always in self.all:
                holds, said = always.holds(kernel)
                if not holds:
                    self._stop(kernel, self._broken(kernel, always, said, task))
                    return
        except Exception as error:  # a predicate that is none
            self._stop(kernel, error)

    def _stop(self, kernel: Kernel, error: Exception) -> None:
        """The world's first task is told, wherever it stands; and so is the world's end, if that task swallows it."""
        self._is_broken = True
        kernel.errors.append((None, error))  # type: ignore[arg-type]  # it is no task's
        kernel.pending_signal = error
        kernel.alarm = 0

    def _broken(self, kernel: Kernel, always: Always, said: str, task: Task) -> InvariantBroken:
        place, what = place_of_frame(sys._getframe(1)), "came to"
        if task.serial in self._last:
            code, at = self._last[task.serial]
            place, what = Place(code.co_filename, _line_of(kernel, code, at), code.co_qualname), "had just run"
        text = f"not always: {always.words}" + (f": {said}" if said else "")
        return InvariantBroken(f"{text} (step {kernel.steps:,}); {task.path} {what} {place}: {place.source}", task=task.path, same=(always.words,))


def _line_of(kernel: Kernel, code: CodeType, at: int) -> int:
    if kernel.preemption is None or kernel.preemption.granularity == "lines":
        return at
    return next((line or 0 for start, end, line in code.co_lines() if start <= at < end), 0)


def whether_held(lock: Any) -> Callable[[], bool]:
    """The function that says whether somebody has a lock, without a simulated call. ``UsageError`` for what is none."""
    inner = getattr(lock, "_lock", lock)  # a condition's
    if hasattr(inner, "holder"):
        return lambda: inner.holder is not None
    if not callable(getattr(inner, "locked", None)):
        raise UsageError(f"always: unless: expected a lock, an RLock or a condition, or a list of them, got {lock!r}")
    return lambda: bool(inner.locked())


__all__ = ["Always", "Invariants", "whether_held"]
