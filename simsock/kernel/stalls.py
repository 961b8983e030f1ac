"""Tasks that stand still although they could go on, while the others and the clock do.

PYTEST_DONT_REWRITE

Owns the option ``stalls``: where a task stands still, and until when. Does not know why a program would mind. Laws:

* each task has a stream of its own (``task X stall``), asked at every point; schedule questions keep their numbers, and who goes on meanwhile is
  asked of nobody: whoever is next;
* how long is counted in moments at which a timer of somebody else fires, so that a microsecond and a minute are alike, and bounded by a duration;
  whoever stood still goes on when nobody else can run, before the clock moves again;
* who stands still counts as something that is on its way;
* a world without the option has nothing of this: its timers are the plain ones, and nobody looks at its points for it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.choices import derive_seed
from simsock.kernel.happened import Happened
from simsock.kernel.headroom import FRAMES_MIN
from simsock.kernel.task import Task
from simsock.kernel.task_table import deadlock
from simsock.kernel.timers import Timer, Timers

if TYPE_CHECKING:
    from types import CodeType

    from simsock.choices.tape import Stream
    from simsock.kernel.core import Kernel

BOUND = "1s"
"""How long a task stands still at most, if it is not said."""
STALLS_MAX = 3
"""How often one task stands still in one run."""
MOMENTS = (1, 2, 4)
"""How many moments pass, by the answer to the question; the last answer means the whole bound."""
ANSWERS = len(MOMENTS) + 2
_RATES = 8
"""At a point of a task the chance is 1/2, 1/4 ... or one half to this power, the same for the whole run; half of all tasks never stand still."""
_LATER = 8
"""By how much the chance falls with each time."""
WHY = "stall"


class _Still:
    """One task that stands still."""

    __slots__ = ("began", "index", "left", "task")

    def __init__(self, task: Task, index: int, began: int, left: int) -> None:
        self.task = task
        self.index = index
        self.began = began
        self.left = left


class _Asked:
    """One task's stream, and how often it has stood still."""

    __slots__ = ("chance", "left", "stream")

    def __init__(self, stream: Stream, chance: float | None) -> None:
        self.stream = stream
        self.chance = chance
        self.left = STALLS_MAX


class StallTimers(Timers):
    """Timers that tell ``stalls`` of each moment at which some have fired."""

    __slots__ = ("_fired", "_what", "stalls")

    def __init__(self) -> None:
        super().__init__()
        self.stalls: Stalls | None = None
        self._fired: Timer | None = None
        """The first of this moment, unless it is the bound of one who stands still."""
        self._what: tuple[str, str] = ("", "")

    def pop_due(self, now: int) -> Timer | None:
        timer = super().pop_due(now)
        stalls = self.stalls
        if stalls is None or not stalls.still:
            self._fired = None
            return timer
        if timer is not None:
            if self._fired is None and timer.action != stalls.bound:
                self._fired, self._what = timer, _what(timer)
        elif self._fired is not None:
            self._fired = None
            stalls.moment(self._what)
        return timer


def _what(timer: Timer) -> tuple[str, str]:
    """Whose timer it is, and what that task did: empty if it is no task's."""
    task = timer.argument
    return (task.path, task.why) if isinstance(task, Task) and task.queue is not None else ("", "")


class Stalls:
    """Of one world. ``sees`` is told of every point."""

    def __init__(self, kernel: Kernel, bound_ns: int, is_plain: bool) -> None:
        self.kernel = kernel
        self.bound_ns = bound_ns
        self.still: list[_Still] = []
        self.is_over = False
        """Nobody stands still any more."""
        self._is_plain = is_plain
        self._fault = kernel.room(Happened).fault("stalls")
        self._asked: dict[int, _Asked] = {}
        self._queue: deque[Task] = deque()
        timers = StallTimers()
        timers.stalls = self
        kernel.timers = timers
        kernel.late = self._begins
        self.bound = self._bound

    def sees(self, task: Task, code: CodeType | None, place: int) -> None:
        """A point: the question whether ``task`` stands still here."""
        if self.is_over:
            return
        asked = self._asked.get(task.serial)
        if asked is None:
            asked = self._asked[task.serial] = self._open(task)
        if asked.chance is None:
            return
        answer = asked.stream.seldom(asked.chance, ANSWERS)
        if not answer:
            return
        asked.left -= 1
        asked.chance = asked.chance / _LATER if asked.left else None
        kernel = self.kernel
        if kernel.ending or kernel.atomic or kernel._frames_left[0] < FRAMES_MIN:
            return
        if code is None:
            self._stand_still(task, asked.stream.index - 1, answer)
        else:
            kernel.preemption._outside(self._stand_still, task, asked.stream.index - 1, answer)

    def _begins(self, task: Task) -> None:
        """It is about to run its first line, which is a place to stand still like any other."""
        if task is not self.kernel.first:
            self.sees(task, None, 0)

    def _open(self, task: Task) -> _Asked:
        """The rate is drawn from the seed and not from the tape: in a replay it does not matter."""
        source = self.kernel.tape.source
        stream = self.kernel.tape.stream(f"task {task.path} stall")
        if not hasattr(source, "seed"):  # a replay's or drawn by Hypothesis
            return _Asked(stream, 1 / 8)
        number = derive_seed(source.seed, f"stalls {task.path}")
        rate = 1 / (2 << (number >> 1) % _RATES)
        if stream.label in source.plans:  # a draft says where
            return _Asked(stream, rate)
        return _Asked(stream, None if self._is_plain or number & 1 else rate)

    def _stand_still(self, task: Task, index: int, answer: int) -> None:
        kernel = self.kernel
        began = kernel.now
        still = _Still(task, index, began, MOMENTS[answer - 1] if answer <= len(MOMENTS) else -1)
        why, woken = task.why, task.woken
        kernel.log.append((began, task.path, "stands still", index))
        self._fault.times += 1
        self.still.append(still)
        self._queue.append(task)
        task.queue, task.why = self._queue, WHY
        task.timer = kernel.timers.add(began + self.bound_ns, self.bound, still)
        kernel.in_flight += 1
        try:
            self._others(task)
        finally:
            kernel.in_flight -= 1
            if still in self.still:
                self.still.remove(still)
            task.why, task.woken = why, woken

    def _others(self, task: Task) -> None:
        """As when a task parks, but nobody is asked who is next."""
        kernel = self.kernel
        runq = kernel.runq
        while not runq and not (kernel.held and kernel._let_in()):
            if not kernel._stir():
                kernel._fail_first(deadlock(kernel))
        following = runq.popleft()
        if following is not task:
            kernel.go_to(following)
        elif task.pending is not None:
            kernel._raise_pending(task)

    def moment(self, what: tuple[str, str]) -> None:
        """Somebody's timer has fired."""
        for still in list(self.still):
            still.left -= 1
            if not still.left:
                self._release(still, what)

    def _bound(self, still: Any) -> None:
        still.task.timer = None
        self._release(still)

    def _release(self, still: _Still, what: tuple[str, str] | tuple[()] = ()) -> None:
        """It goes on as soon as nobody else can run; unless something else has ended its standing still."""
        task = still.task
        self.still.remove(still)
        if task.queue is self._queue:
            kernel = self.kernel
            kernel.detach(task)
            kernel.held.append(task)
            kernel.log.append((kernel.now, task.path, "may go on", still.index, kernel.now - still.began, *what))


__all__ = ["BOUND", "WHY", "StallTimers", "Stalls"]
