"""Listening to one run: what happened in it, step by step, as plain facts.

PYTEST_DONT_REWRITE

Owns the taking of notes. Does not word them (``story``) nor lay them out (``columns``). Laws:

* listening never changes a run: it neither parks, nor draws, nor records, and keeps texts and numbers only, nothing of the program's;
* notes are bounded: of a very long run the newest are kept;
* a line counts from when it runs, not from when its task was switched out before it.
"""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.choices import journal
from simsock.errors import Finding
from simsock.kernel.footprints import NOTHING, Footprint
from simsock.kernel.holders import named_footprint
from simsock.kernel.program_lines import call_for_child, innermost_line, program_call
from simsock.kernel.task_table import frame_of, lock_of
from simsock.kernel.watchers import Watcher
from simsock.report.besides import COLLECTS, GOES_ON, HOLDS_BACK, STANDS_STILL, Besides, Where
from simsock.report.holding import Holding, Spot, one_of, semaphore_of
from simsock.report.silent_causes import Deeds

if TYPE_CHECKING:
    from types import CodeType

    from simsock.choices import Deviation
    from simsock.kernel import Kernel, Task

EVENTS_MAX = 200_000
"""Events kept, at least; twice as many at most."""

Place = tuple[str, int]
"""A source file and a line."""

PAYLOAD_MAX = 40
"""Bytes shown of what is sent or received."""
LINE, RECORD, FAULT, FAILURE = "line", "record", "fault", "failure"
SPOT_MAX = 100
"""Events looked at for the line of a call."""
_USUAL = (errno.EAGAIN, errno.EINPROGRESS, errno.EALREADY)
"""What calls that do not wait say all the time."""


class Event(NamedTuple):
    """A task was about to run a line, or something was recorded, such as a fault that the test ordered. ``words`` is empty for a line."""

    kind: str
    task: str
    place: Place | None
    words: str
    now: int
    touches: Footprint = NOTHING
    """What a line touches that others may see."""


class Pick(NamedTuple):
    """The scheduler went on with ``chosen`` instead of ``passed``, after ``at`` events.

    ``how`` the task came to the point: ``"line"`` (between ``before`` and ``place``), ``"within"`` (a line), ``"call"`` (of ``what``, at
    ``place``), ``"wait"`` (for ``what``), ``"gave way"`` or ``"ended"``. ``held``: which locks other tasks waited for, and who held them.
    """

    label: str
    index: int  # type: ignore[assignment]  # hides tuple.index, as in Deviation
    at: int
    how: str
    task: str
    before: Place | None
    place: Place | None
    what: str
    chosen: str
    passed: str
    held: tuple[str, ...]
    stands_back: bool = False
    """``passed`` stays back until nobody else can run."""
    touches: Footprint = NOTHING
    """What the line touches before which ``task`` stands."""


class Listener(Watcher):
    """Notes of one world, from its beginning to its failure."""

    def __init__(self, granularity: str) -> None:
        self.events: list[Event] = []
        self.dropped = 0
        """Events that were forgotten: the first of ``events`` has this number."""
        self.picks: list[Pick] = []
        self.asked: list[tuple[int, Deviation]] = []
        """All deviations in the order in which they happened, each with the number of events before it."""
        self.sparse = granularity == "calls"
        """No lines are told: rows have to come from what is recorded."""
        self._by_offset = granularity == "instructions"
        self._inside = False
        """The last instruction told was not the first one of its line."""
        self._lines: dict[CodeType, dict[int, int]] = {}
        self._last: dict[str, tuple[Place | None, Place]] = {}
        self._stopped: list[tuple[Task, int, Event]] = []
        """Tasks that were switched out just before a line, and that line: it counts when they go on."""
        self._line_task: Task | None = None
        self._line_steps = -1
        self._kernel: Kernel | None = None
        self._ends_at: int | None = None
        self._payload: bytes | None = None
        """What the record that comes next has moved: its first bytes."""
        self.deeds = Deeds()
        self.besides = Besides()
        self.holding = Holding()
        self.failed = "main"
        """The task in which the error was raised."""

    def world_begins(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def finish(self, error: BaseException | None) -> None:
        """The run is over: keep the notes, let go of the world."""
        self._went_on(None)
        self._catch_up()
        if error is not None:
            self.failed = next((event.task for event in reversed(self.events) if event.words == f"raises {type(error).__name__}"), "main")
            if isinstance(error, Finding) and "task" in error.facts:
                self.failed = error.facts["task"]
            place = innermost_line(error)
            if self._ends_at is not None:
                del self.events[max(0, self._ends_at - self.dropped) :]
            last = next((event for event in reversed(self.events) if event.task == self.failed), None)
            is_told = last is not None and last[:3] == (LINE, self.failed, place)
            if self.sparse and place is not None and self._kernel is not None and not is_told:
                self.events.append(Event(LINE, self.failed, place, "", self._kernel.now))
        self._kernel = self._line_task = None
        self._stopped.clear()

    def failed_here(self) -> None:
        """The error has been raised: what comes from now on, such as the teardown of fixtures, has nothing to do with it."""
        if self._ends_at is None:
            self._ends_at = self.count

    @property
    def count(self) -> int:
        """How many events there were so far."""
        return self.dropped + len(self.events)

    # -- what the kernel tells -------------------------------------------------------------------------------------------------------

    def line(self, task: Task, code: CodeType, at: int) -> None:
        kernel = task.kernel
        line = self._line_at(code, at) if self._by_offset else at
        place = (code.co_filename, line)
        last = self._last.get(task.path)
        self._line_task = task
        self._line_steps = kernel.steps + 1
        is_second_half = kernel.preemption is not None and kernel.preemption.is_within
        self._inside = (self._by_offset or is_second_half) and last is not None and last[1] == place
        if self._inside:
            return
        self._last[task.path] = (last[1] if last is not None else None, place)
        self._add(Event(LINE, task.path, place, "", kernel.now, named_footprint(code, at, not self._by_offset, locals_too=True)), task)

    def takes(self, task: Task, thing: Any) -> None:
        self.besides.takes(task, thing)
        if not task.kernel.ending:
            place = self._calls(task)
            self.holding.takes(task.path, str(thing.describe()), self._spot(task, place))
            if (semaphore := _semaphore(thing)) is not None:
                self.holding.begins_to_count(str(thing.describe()), semaphore._value)

    def gives(self, task: Task, thing: Any) -> None:
        self.besides.gives(task, thing)
        if not task.kernel.ending:
            place = self._calls(task)
            self.holding.gives(task.path, str(thing.describe()))
            if (semaphore := _semaphore(thing)) is not None:
                self.holding.has_counted(task.path, str(thing.describe()), semaphore._value, self._spot(task, place))

    def waits(self, task: Task) -> None:
        if not task.kernel.ending:
            place = self._calls(task)
            if hasattr(task.on, "holder"):
                semaphore = semaphore_of(sys._getframe(1))
                lock = str(task.on.describe()) if semaphore is None else one_of(str(semaphore._cond._lock.describe()))
                self.holding.waits(task.path, lock, self._spot(task, place))

    def _spot(self, task: Task, place: Place | None) -> Spot:
        """A place in the program at which a task stands, and the number of the event that shows it, if one does."""
        for number in range(len(self.events) - 1, max(-1, len(self.events) - SPOT_MAX), -1):
            if self.events[number][:3] == (LINE, task.path, place):
                return Spot(place, self.dropped + number)
        return Spot(place, -1)

    def _calls(self, task: Task) -> Place | None:
        """The program has made a simulated call there. Where no lines are told, that is the line to show; once, whatever the call is made of."""
        kernel = self._kernel
        if kernel is None or task is not kernel.current:
            return None
        place = _stand()[0]
        if self.sparse and place is not None:
            if self._stopped:
                self._went_on(task)
            last = next((event for event in reversed(self.events) if not event.words.startswith("(")), None)
            if last is None or last[:3] != (LINE, task.path, place):
                self._add(Event(LINE, task.path, place, "", kernel.now), task)
        return place

    def moves(self, task: Task, data: Any) -> None:
        self._payload = bytes(data[: PAYLOAD_MAX + 1])

    def fails(self, task: Task, call: str, number: int | None, on: Any) -> None:
        if number not in _USUAL:
            how = "times out" if number is None else f"fails: {errno.errorcode.get(number, number)}"
            self._add(Event(FAILURE, task.path, _stand()[0], f"{call} {how}", task.kernel.now), task)

    def recorded(self, record: tuple[Any, ...]) -> None:
        kernel = self._kernel
        if kernel is None or kernel.ending:
            return
        task = kernel.current
        if record[2] == "strikes":
            self._catch_up()
            self.besides.strikes(record, Where(None, *_stand()) if task is kernel.first and task.queue is None else None)
            return
        if record[2] == "kills":
            self._catch_up()
            victim = next((task for task in kernel.tasks.values() if task.path == record[3]), None)
            waits = victim is not None and victim.queue is not None
            where = None if waits or record[3] not in self._last else Where(*self._last[record[3]])
            self.besides.kills(record, where, _call_of(victim))
            return
        if record[2] == "takes":
            self.besides.taken[record[3], record[4]] = record[6]
            return
        if record[2] in (STANDS_STILL, GOES_ON, COLLECTS, HOLDS_BACK):
            self._besides(kernel, task, record)
            return
        payload, self._payload = self._payload, None
        words = _with_payload(record, journal.act(record), payload) if record[1] == task.path else ""
        if record[1] != task.path:
            self.deeds.note(record)
        if words:
            self._add(Event(FAULT if record[2] in journal.FAULTS else RECORD, task.path, _stand()[0], words, kernel.now), task)
        else:
            self._catch_up()

    def _besides(self, kernel: Kernel, task: Task, record: tuple[Any, ...]) -> None:
        """The task stands at a point, before a line or a call, and does not run it yet; or one that stood still may go on."""
        if record[2] == GOES_ON:
            self.besides.note(record, Where(None, None))
            return
        if task is self._line_task and kernel.steps == self._line_steps:
            where = Where(*self._last.get(task.path, (None, None)))
        else:
            where = Where(None, *_stand())
        self.besides.note(record, where)
        before = self.events[-1] if self.events else None
        is_ahead = before is not None and before[:3] == (LINE, task.path, where.place) and not where.what
        if record[2] == STANDS_STILL:
            if is_ahead:
                self._stopped.append((task, task.points, self.events.pop()))
            self._catch_up()
            return
        self._catch_up()
        event = Event(RECORD, task.path, where.place, journal.act(record), kernel.now)
        self.events.insert(len(self.events) - is_ahead, event)

    def deviates(self, task: Task, index: int, chosen: Task) -> None:
        kernel = task.kernel
        runq = kernel.runq
        before: Place | None = None
        what = ""
        if self._stopped:
            self._went_on(task)
        if task is self._line_task and kernel.steps == self._line_steps and task.queue is None and not task.dead:
            how, passed = "within" if self._inside else "line", task.path
            before, place = self._last.get(task.path, (None, None))
        elif task.dead:
            how, place, passed = "ended", None, runq[0].path
        elif task.queue is not None or any(other is task for other in runq):
            how = "wait" if task.queue is not None else "gave way"
            what = task.why
            place, passed = _stand()[0], runq[0].path
        else:
            how, passed = "call", task.path
            place, what = _stand()
            if self.sparse and place is not None:
                self._stopped.append((task, task.points, Event(LINE, task.path, place, "", kernel.now)))
        count = len(runq) + (how in ("line", "within", "call"))
        stands_back = kernel.tape.deviations[-1].value >= count
        held = tuple(text for other in kernel.tasks.values() if other is not task and (text := _holding(other)))
        touches = NOTHING
        if how == "line" and self.events and self.events[-1][:3] == (LINE, task.path, place):
            touches = self.events[-1].touches
            self._stopped.append((task, task.points, self.events.pop()))
        self._catch_up()
        self.picks.append(Pick(task.label, index, self.count, how, task.path, before, place, what, chosen.path, passed, held, stands_back, touches))

    # -- keeping ---------------------------------------------------------------------------------------------------------------------

    def _went_on(self, now: Task | None) -> None:
        """Count the lines before which tasks were switched out that have gone on since: ``now`` has, and those that parked again have."""
        for entry in list(self._stopped):
            task, points, event = entry
            if task is now or task.points > points:
                self._stopped.remove(entry)
                self._catch_up()
                self.events.append(event)

    def _add(self, event: Event, task: Task) -> None:
        if self._stopped:
            self._went_on(task)
        self._catch_up()
        events = self.events
        events.append(event)
        if len(events) > 2 * EVENTS_MAX:
            del events[:EVENTS_MAX]
            self.dropped += EVENTS_MAX

    def _catch_up(self) -> None:
        """Note where the deviations that the tape has recorded since the last look belong."""
        kernel = self._kernel
        if kernel is not None:
            recorded = kernel.tape.deviations
            for place in range(len(self.asked), len(recorded)):
                self.asked.append((self.count, recorded[place]))

    def _line_at(self, code: CodeType, offset: int) -> int:
        lines = self._lines.get(code)
        if lines is None:
            lines = self._lines[code] = {}
            for start, end, line in code.co_lines():
                for at in range(start, end, 2):
                    lines[at] = line or code.co_firstlineno
        return lines.get(offset, code.co_firstlineno)


def _semaphore(thing: Any) -> Any:
    """The semaphore, if it is the lock that one has inside which is taken or given back."""
    semaphore = semaphore_of(sys._getframe(2)) if getattr(thing, "inner", False) else None
    return semaphore if semaphore is not None and getattr(semaphore._cond, "_lock", None) is thing else None


def _holding(task: Task) -> str:
    """``"handler-2 waits for Lock #1, held by handler-1"``, or nothing."""
    if task.queue is None:
        return ""
    holder = getattr(task.on, "holder", None)
    if holder is None or getattr(holder, "serial", -1) < 0:  # nobody, or nobody in particular: who will release it is not known
        return ""
    return f"{{{task.path}}} waits for {lock_of(task)}, held by {{{holder.path}}}"


def _stand() -> tuple[Place | None, str]:
    """Where the program stands, and which simulated call it has made there."""
    frame, call = program_call(sys._getframe(1))
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None, call


def _call_of(task: Task | None) -> str:
    """Of a process that is killed: ``"in socket.recv"``, which it has asked for, or ``"before"`` that; empty if it has asked for nothing."""
    if task is None:
        return ""
    call = call_for_child(frame_of(task))
    return f" {'in' if task.queue is not None else 'before'} {call}" if call else ""


def _with_payload(record: tuple[Any, ...], words: str, payload: bytes | None) -> str:
    """The words of a record, with the bytes that were moved."""
    size = next((part for part in record[3:] if isinstance(part, int)), 0)
    if not payload or not size or not words or words.startswith("("):
        return words
    cut = f"… ({size:,} bytes)" if size > PAYLOAD_MAX else ""
    return f"{record[2]} {payload[:PAYLOAD_MAX]!r}{cut}"
