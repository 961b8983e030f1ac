"""The kernel: virtual time, tasks, and the one place that decides who runs.

PYTEST_DONT_REWRITE

Owns the clock, the run queue, parking and waking, and the limits. Does not know packets, sockets or Python's modules. Laws:

* one OS thread; a task is a greenlet; the scheduler runs inside whoever parks and switches straight to the next task;
* the default is dull: at a point the same task goes on, at a park the longest runnable goes next; whatever differs is a deviation on the tape;
* time moves only when no task can run, and then to the next timer;
* ``alarm`` is the only thing that the hot path compares: limits, the end of the world, finalizers and fairness all set it.
"""

from __future__ import annotations

import gc
from _thread import get_ident
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from simsock.errors import LimitExceeded, StepLimit, TaskKilled, TimeLimit, WorldEnded
from simsock.kernel.circling import Circling
from simsock.kernel.files import Process
from simsock.kernel.headroom import FRAMES_MIN, frames_left
from simsock.kernel.headroom import refuse as no_room
from simsock.kernel.identity import over
from simsock.kernel.killing import raise_in
from simsock.kernel.limits import Halt, Limits
from simsock.kernel.moments import due
from simsock.kernel.polling import Polling
from simsock.kernel.program_lines import place_of_current
from simsock.kernel.records import Log
from simsock.kernel.rooms import make_room
from simsock.kernel.task import Task
from simsock.kernel.task_table import deadlock, task_table, waits_of
from simsock.kernel.teardown import refuse
from simsock.kernel.timers import Timers
from simsock.kernel.units import EPOCH_NS, OVERSHOOT_NS, format_ns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from greenlet import greenlet

    from simsock.choices import Tape
    from simsock.kernel.boundaries import WithStatement
    from simsock.kernel.signals import Signals
    from simsock.kernel.watchers import Watchers

    Choose = Callable[["Kernel", Task, int, int, bool], int]
    """A strategy: (kernel, current task, index of the question in its stream, number of candidates, whether going on is one) to a pick."""


CHECK_EVERY = 1_000
"""Steps between two looks at the slow things: fairness, memory of the log."""
COLLECT_EVERY = 20_000
"""Steps between two garbage collections in a young world; an old one waits for a quarter of its age."""
TASKS_MAX = 100_000
FREE_POLLS = 64
"""Fruitless polls of one task in a row that cost no time."""
POLL_COST_NS_MAX = 1_000_000
_numbers = count(1)


class Kernel:
    """One world's kernel."""

    __slots__ = (
        "__weakref__",
        "_collect_at",
        "_collected",
        "_frames_left",
        "_idlers",
        "_launcher",
        "_limit_at",
        "_serial",
        "abandoned",
        "alarm",
        "alive_max",
        "asks_strategy",
        "atomic",
        "choose",
        "circling",
        "counts",
        "current",
        "ended",
        "ending",
        "epoch_ns",
        "errors",
        "files",
        "finalized",
        "first",
        "held",
        "in_flight",
        "last_words",
        "late",
        "leave_now",
        "limits",
        "log",
        "now",
        "number",
        "pending_signal",
        "polling",
        "preemption",
        "process",
        "room",
        "runq",
        "seed",
        "sees",
        "signals",
        "steps",
        "strategy_error",
        "struck",
        "switches",
        "tape",
        "tasks",
        "thread",
        "thread_state",
        "timers",
        "wakes",
        "watchers",
        "with_statement",
    )

    def __init__(self, tape: Tape, choose: Choose | None, limits: Limits, launcher: greenlet, keep_records: int = 2000) -> None:
        self.tape = tape
        self.choose = choose
        self.limits = limits
        self.now = 0
        self.number = next(_numbers)  # tells worlds of one process apart, and decides nothing
        self.steps = 0
        self.switches = 0
        self.asks_strategy = choose is not None
        self.alive_max = 1  # most tasks alive at once
        self.late: Callable[[Task], object] | None = None  # told of each task that has begun: see stalls.py
        self.counts: dict[str, int] | None = None  # questions that each ended task had asked, by its path, if anybody wants to know
        self.strategy_error: BaseException | None = None
        self.sees: Callable[[Task, CodeType | None, int], object] | None = None  # told of every point: see strategies/sights.py
        self.alarm = CHECK_EVERY if limits.steps > CHECK_EVERY else limits.steps
        self.atomic = 0
        self.log = Log(keep_records)
        self.timers = Timers()
        self.runq: deque[Task] = deque()
        self.polling = Polling()
        self.circling = Circling()
        self.last_words = ""
        self.held: list[Task] = []  # who could run and stays back until nobody else can: an answer to the question who runs now
        self.tasks: dict[int, Task] = {}
        self.errors: list[tuple[Task, BaseException]] = []
        self.finalized: list[Callable[[], object]] = []
        self.in_flight = 0
        self.process = Process("program")
        self.files = self.process.files
        self.seed: int | str = 0
        self.epoch_ns = EPOCH_NS  # what the clocks of this world show when it begins, in nanoseconds since 1970
        self.room = make_room()
        """What a higher floor keeps for this world: an object of a class of its own, made when it is first asked for."""
        self.watchers: Watchers | None = None  # who is told of what happens
        self.thread_state: Any = None
        """What Python keeps for an OS thread and belongs to a task: ``save()`` before a switch, ``restore(saved)`` after it, ``begin()`` in a new
        task; None when there is nothing of that kind."""
        self.ending = False
        self.ended = False
        self.abandoned: list[Task] = []
        self.pending_signal: BaseException | None = None
        """What a signal wants raised, and could not while the kernel itself was at work: the next point or park does it."""
        self.signals: Signals | None = None  # as soon as a program has anything to do with them
        self.struck = False
        """A signal's error was raised where the program stood: if the world is not left by that, Python has passed over its end."""
        self.with_statement: WithStatement | None = None
        self.leave_now: Callable[[BaseException], object] | None = None
        """Ends the world at once, from where its first task stands, because of an error that its ``with`` statement would not see."""
        self.wakes = 0
        self.preemption: Any = None
        """What switches tasks between lines, if anything does; the session sets it."""
        self._serial = 0
        self._idlers: deque[Task] | None = None
        self._collect_at = COLLECT_EVERY
        self._collected = False
        self._limit_at = limits.steps
        self.thread = get_ident()
        self._frames_left = frames_left()
        self._launcher = launcher
        self.first = self._new_task(None, "main", "main", None)
        self.first.greenlet = getcurrent()
        self.first.started = True
        self.current = self.first

    # -- tasks ---------------------------------------------------------------------------------------------------------------------

    def _new_task(self, parent: Task | None, name: str | None, base: str, fn: Callable[..., Any] | None) -> Task:
        serial = self._serial
        if len(self.tasks) >= TASKS_MAX:
            raise LimitExceeded(f"more than {TASKS_MAX:,} tasks live at once", limit="tasks")
        self._serial = serial + 1
        task = Task(self, serial, parent, name, base, fn)
        if self.choose is not None:
            task.plan = self.tape.plan(task.label)
        self.tasks[serial] = task
        if len(self.tasks) > self.alive_max:
            self.alive_max = len(self.tasks)
        return task

    def spawn(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        base: str = "task",
        host: Any = None,
        daemon: bool = False,
    ) -> Task:
        """A new task that runs ``fn(*args, **kwargs)``; it becomes runnable at once and starts when it is picked."""
        if self.ending:
            raise WorldEnded(f"this world {over(self)}: no task can be started in it")
        task = self._new_task(self.current, name, base, fn)
        task.args = args
        task.kwargs = kwargs or {}
        task.daemon = daemon
        if host is not None:
            task.host = host
        task.greenlet = self._launcher
        if self.signals is not None:
            self.signals.inherit(self.current, task)
        self.log.append((self.now, self.current.path, "spawn", task.path))
        self.runq.append(task)
        if self.watchers is not None:
            self.watchers.task_starts(task)
        return task

    def _end_task(self, task: Task) -> Task | None:
        """The last thing that a task does: choose who goes on, and become that greenlet's child so that returning switches to it."""
        task.dead = True
        task.fn = None
        task.args = ()
        task.kwargs = {}
        task.locals = task.thread = None
        if self.counts is not None:
            self.counts[task.path] = task.points
        self.tasks.pop(task.serial, None)  # not there any more when it was given up as one that would not end
        me = task.greenlet
        task.greenlet = None
        if self.watchers is not None:
            self.watchers.task_ends(task)
        if self.ending:
            return None
        self.log.append((self.now, task.path, "end"))
        while task.joiners:
            self.wake(task.joiners)
        nxt = self._next(task)
        self.switches += 1
        self.current = nxt
        me.parent = nxt.greenlet
        return nxt

    def task_failed(self, task: Task, error: BaseException) -> None:
        """A task or handler raised: remembered for the world's end."""
        if task.crashed or (self.ending and (self.ended or isinstance(error, WorldEnded))):
            return  # no fault of the program: it was told so while it ended
        if any(known is error for _, known in self.errors):
            return
        self.log.append((self.now, task.path, "error", type(error).__name__))
        self.errors.append((task, error))

    def join(self, task: Task, deadline: int | None, overshoot_ns: int = 0) -> bool:
        """Park until ``task`` is dead; False when the deadline passed first."""
        while not task.dead:
            task.joiners = task.joiners or deque()
            if not self.wait(task.joiners, deadline, "join", task, overshoot_ns):
                return task.dead
        return True

    # -- points: where a task may be switched out ------------------------------------------------------------------------------------

    def point(self) -> None:
        """A simulated operation is about to happen."""
        self.steps = steps = self.steps + 1
        if steps >= self.alarm:
            self._alarm()
        if self.asks_strategy:
            if self.sees is not None:
                self.sees(self.current, None, 0)
            if not self.runq:
                self.current.points += 1
            elif (chosen := self.ask(self.current, True)) is not None:
                self.switch_to(chosen)

    def step(self) -> None:
        """Something is about to happen that counts, but before which no other task goes on."""
        self.steps = steps = self.steps + 1
        if steps >= self.alarm:
            self._alarm()

    def ask(self, task: Task, goes_on: bool) -> Task | None:
        """The one question of the scheduler: who runs now? Called where there is a choice; where there is none, the point is only counted.

        ``task`` could go on itself (``goes_on``), or has parked, given way or ended. None is the dull answer: it goes on, or the longest runnable
        does. Any other is a deviation: it is recorded, and the task that was chosen is out of the run queue. With n candidates, answers from n
        on choose as those from 1 on do, and hold back whoever would have run.
        """
        runq = self.runq
        index = task.points
        task.points = index + 1
        count = len(runq) + goes_on
        pick = self.choose(self, task, index, count, goes_on)  # type: ignore[misc]  # whoever asks has a strategy
        if not pick:
            return None
        place = pick - goes_on if pick < count else pick - count + 1 - goes_on
        chosen = runq[place]
        self.tape.record(task.label, index, pick)
        self.log.append((self.now, task.path, "yield" if goes_on else "next", chosen.path))
        if self.watchers is not None:
            self.watchers.deviates(task, index, chosen)
        del runq[place]
        if pick >= count:
            self.held.append(task if goes_on else runq.popleft())
        return chosen

    def switch_to(self, chosen: Task) -> None:
        """Go on with a task that was chosen instead of the current one, which stays runnable."""
        task = self.current
        if self._frames_left[0] < FRAMES_MIN:
            self.runq.appendleft(chosen)
            no_room(self, task)
        if not self.held or task not in self.held:
            self.runq.append(task)
        self.switches += 1
        self.current = chosen
        if self.thread_state is None:
            chosen.greenlet.switch(chosen)
        else:
            self.thread_state.switch(chosen)
        if task.pending is not None:
            self._raise_pending(task)

    def go_to(self, other: Task) -> None:
        """Switch to a task that is in no queue; the current one is in one already."""
        task = self.current
        self.switches += 1
        self.current = other
        if self.thread_state is None:
            other.greenlet.switch(other)
        else:
            self.thread_state.switch(other)
        if task.pending is not None:
            self._raise_pending(task)

    def yield_(self) -> None:
        """Let the others run first: the current task goes to the end of the run queue."""
        if self.runq or self._let_in():
            self.runq.append(self.current)
            self._park()

    def start_all(self) -> None:
        """Let the others run until each task that was spawned has at least begun."""
        while (self.runq or self.held) and any(not task.started for task in (*self.runq, *self.held)):
            self.circling.give_way(self)

    def _let_in(self) -> bool:
        """Nobody else can run: the first of those held back can again. False if there is none."""
        if self.held:
            self.runq.append(self.held.pop(0))
        return bool(self.runq)

    def fruitless(self) -> None:
        """The current task polled in vain. Others go first; a task that does nothing else pays in time, or it would stand still.

        The price rises only as long as nobody is woken in between: a busy server that empties its sockets polls in vain, too.
        """
        task = self.current
        polls = task.polls
        if task.polled_at != self.wakes:
            task.polled_at = self.wakes
            polls = min(polls, FREE_POLLS)
        task.polls = polls = polls + 1
        if polls > FREE_POLLS:  # whoever else can run: two tasks that only poll would keep each other, and the clock, from moving
            cost = min(POLL_COST_NS_MAX, 1_000 << min(polls // FREE_POLLS, 20))
            self._sleep_until(self.now + cost, "polling")
        elif self.runq:
            self.yield_()

    # -- waits -------------------------------------------------------------------------------------------------------------------

    def wait(self, queue: deque[Task], deadline: int | None, why: str, on: Any = None, overshoot_ns: int = OVERSHOOT_NS) -> bool:
        """Park the current task in ``queue`` until somebody wakes it (True) or virtual time reaches ``deadline`` (False), a little late for programs."""
        if self.ending:
            self.refuse_wait()
        task = self.current
        task.polls = 0
        task.woken = False
        if deadline is not None:
            if deadline <= self.now:
                self.yield_()
                return False
            task.timer = self.timers.add(deadline + overshoot_ns, self._expired, task)
        task.why = why
        task.on = on
        task.queue = queue
        queue.append(task)
        if self.watchers is not None:
            self.watchers.waits(task)
        self._park()
        return task.woken

    def wake(self, queue: deque[Task]) -> Task:
        """Make the first task of ``queue`` runnable; its ``wait`` returns True."""
        task = queue.popleft()
        task.queue = None
        task.on = None
        task.woken = True
        self.wakes += 1
        timer = task.timer
        if timer is not None:
            self.timers.cancel(timer)
            task.timer = None
        self.runq.append(task)
        return task

    def wake_all(self, queue: deque[Task]) -> None:
        """Make every task of ``queue`` runnable, in the order in which they parked."""
        while queue:
            self.wake(queue)

    def _expired(self, task: Task) -> None:
        task.timer = None
        self.detach(task)
        self.runq.append(task)

    def detach(self, task: Task) -> None:
        """Take a parked task out of the queue it waits in, without waking it."""
        queue = task.queue
        if queue is not None:
            for place, other in enumerate(queue):
                if other is task:
                    del queue[place]
                    break
            task.queue = None
            task.on = None
        if task.timer is not None:
            self.timers.cancel(task.timer)
            task.timer = None

    def sleep(self, ns: int) -> None:
        """Park for so many nanoseconds of virtual time."""
        self.point()
        if ns <= 0:
            self.fruitless()
        else:
            self.current.polls = 0
            self._sleep_until(self.now + ns, "sleep")

    def _sleep_until(self, deadline: int, why: str) -> None:
        if self.ending:
            self.refuse_wait()
        task = self.current
        queue: deque[Task] = deque((task,))
        task.timer = self.timers.add(deadline, self._expired, task)
        task.why = why
        task.queue = queue
        if self.watchers is not None:
            self.watchers.waits(task)
        self._park()
        if self.now < deadline:  # a signal's handler has run in between
            self._sleep_until(deadline, why)

    def settle(self) -> None:
        """Park until no other task can run and nothing is on its way. Does not pass time beyond that."""
        self.point()
        while True:
            if self.runq or self.held or self.in_flight:
                if self.ending:
                    self.refuse_wait()
                task = self.current
                task.polls = 0
                task.why = "settle"
                task.queue = self._idlers = self._idlers or deque()
                task.queue.append(task)
                self._park()  # until _stir finds nothing else to do; whoever can run by now waits for something of the kind, too
            before = (self.wakes, self.in_flight)
            self.collect()
            if (self.wakes, self.in_flight) == before:
                return

    def wait_tick(self) -> None:
        """Let everything run that can, then at most one timer's instant: the step of ``run_until``."""
        if self.runq or self.held:
            self.circling.give_way(self)
        elif not self._stir():
            self.fatal(deadlock(self))
        if self.current.pending is not None:
            self._raise_pending(self.current)

    # -- the scheduler -------------------------------------------------------------------------------------------------------------

    def _park(self) -> None:
        """Switch to the next task; returns when somebody switches back."""
        task = self.current
        if self._frames_left[0] < FRAMES_MIN:
            no_room(self, task)
        self.steps = steps = self.steps + 1
        if steps >= self.alarm:
            self._alarm_parking()
        nxt = self._next(task) if self.asks_strategy or not self.runq else self.runq.popleft()
        if nxt is not task:
            self.switches += 1
            self.current = nxt
            if self.thread_state is None:
                nxt.greenlet.switch(nxt)
            else:
                self.thread_state.switch(nxt)
        if task.pending is not None:
            self._raise_pending(task)

    def _next(self, task: Task) -> Task:
        """Who runs next, moving the clock if nobody can. Never raises: limits end up as the first task's pending error."""
        runq = self.runq
        while not runq and not (self.held and self._let_in()):
            if not self._stir():
                self._fail_first(deadlock(self))
        if self.asks_strategy:
            if len(runq) == 1:
                task.points += 1
            elif (chosen := self.ask(task, False)) is not None:
                return chosen
        return runq.popleft()

    def _stir(self) -> bool:
        """No task can run: do the next thing that may change that. False when there is nothing left to do."""
        if self.finalized:
            self._drain()
        elif self._idlers and not self.in_flight:
            self.wake(self._idlers)
        else:
            return self.advance()
        return True

    def advance(self) -> bool:
        """Move the clock to the next timer and fire everything due then. False when there is none."""
        timers = self.timers
        deadline = timers.next_deadline()
        if deadline is None:
            return False
        if deadline > self.limits.time_ns:
            limit = format_ns(self.limits.time_ns)
            self._fail_first(TimeLimit(f"virtual time would pass max_time ({limit})\n{task_table(self)}", limit="max_time", waits=waits_of(self)))
            return True
        if deadline > self.now:
            if self.polling.is_vain_for_ever(self):
                return False
            self.now = deadline
        while (timer := timers.pop_due(self.now)) is not None:
            action, argument = timer.action, timer.argument
            timer.action = timer.argument = None
            action(argument)  # type: ignore[misc]  # a live timer has an action
        return True

    def call_at(self, deadline: int, action: Callable[[Any], object], argument: Any) -> Any:
        """Run ``action(argument)`` inside the kernel at a virtual time, as something that is in flight; it must not park."""
        self.in_flight += 1
        return self.timers.add(deadline, self._arrive, (action, argument))

    def call_off(self, timer: Any) -> None:
        """Take back a ``call_at``."""
        if timer.action is not None:
            self.in_flight -= 1
            self.timers.cancel(timer)

    def _arrive(self, flight: tuple[Callable[[Any], object], Any]) -> None:
        self.in_flight -= 1
        flight[0](flight[1])

    def _fail_first(self, error: BaseException) -> None:
        """Have ``error`` raised in the first task, wherever it stands."""
        first = self.first
        first.pending = error
        # Not ``self.current``: a signal may have come between naming the next task and switching to it.
        if getcurrent() is not first.greenlet or first.queue is not None or first in self.runq:
            self.detach(first)
            for queue in (self.runq, self.held):
                if first in queue:
                    queue.remove(first)
            self.runq.appendleft(first)

    def strategy_failed(self, error: BaseException, preempting: bool) -> int:
        """The strategy raised: it is not asked again. Returns the pick by which the first task runs next and hears of it."""
        self.asks_strategy = False
        self.strategy_error = error
        if preempting and self.current is self.first:
            raise error
        self._fail_first(error)
        return 1 if preempting else 0

    def fatal(self, error: BaseException) -> None:
        """The world cannot go on: raise ``error`` in the first task and never come back to the current one."""
        if getcurrent() is self.first.greenlet:
            self.current = self.first
            raise error
        task = self.current
        self._fail_first(error)
        self.runq.remove(self.first)
        task.why = "stopped: " + type(error).__name__
        self.current = self.first
        self.first.greenlet.switch(self.first)
        # Only the world's end resumes this task, by throwing into it; anything else is a defect.
        self._raise_pending(task)

    def _raise_pending(self, task: Task) -> None:
        error, task.pending = task.pending, None
        if isinstance(error, Halt):
            error.meet(self, task)
        elif error is not None:
            raise_in(self, task, error)

    # -- the slow path ---------------------------------------------------------------------------------------------------------------

    def _alarm(self) -> None:
        """At a point."""
        if self.ending:
            self.refuse_call()
            return
        error = self._look()
        if error is not None:
            self.fatal(error)
        if self.current.killed:
            self._raise_pending(self.current)
            return
        if self.signals is not None and self.signals.strike():
            return
        self.circling.be_fair(self)

    def _alarm_parking(self) -> None:
        """In a task that stands in its queue already: it goes on parking, whatever the first task is told."""
        if not self.ending:
            error = self._look()
            if error is not None:
                self._fail_first(error)
            elif self.signals is not None:
                self.signals.parking()

    def _look(self) -> BaseException | None:
        """What is due every now and then. Returns what the first task is to be told: a signal came, or the steps are used up."""
        if self.preemption is not None:
            self.preemption.rearm()
        if self.finalized:
            self._drain()
        following = due(self)
        if self.pending_signal is not None:
            error, self.pending_signal = self.pending_signal, None
            return error
        steps = self.steps
        if steps >= self._limit_at:
            limit = self.limits.steps
            place = place_of_current()
            self.alarm = self._limit_at = steps + CHECK_EVERY  # the first task gets as many steps again to clean up
            text = f"more than max_steps ({limit:,}) steps; task {self.current.path} at {place}\n{task_table(self)}"
            return StepLimit(text, limit="max_steps", place=place)
        self.log.flush()
        if steps >= self._collect_at:
            self._collect_at = steps + max(COLLECT_EVERY, steps // 4)  # seldomer as the world grows: the time for it stays linear
            self.collect()
        self.alarm = min(steps + CHECK_EVERY, self._limit_at) if following is None else min(steps + CHECK_EVERY, self._limit_at, following)
        return None

    def collect(self) -> None:
        """Collect garbage here, at a counted step, and close what its finalizers want closed."""
        gc.collect()
        self._collected = True
        if self.finalized:
            self._drain()

    def collect_last(self) -> None:
        """Collect at the world's end. All that it made is young, and looked at alone, unless it collected before."""
        gc.collect(2 if self._collected else 0)
        self._drain()

    def finalize(self, action: Callable[[], object]) -> None:
        """Called by finalizers, which may interrupt the kernel anywhere: do ``action`` at the next point instead."""
        if not self.ended:
            self.finalized.append(action)
            if not self.ending:
                self.alarm = 0

    def _drain(self) -> None:
        while self.finalized:
            self.finalized.pop(0)()

    # -- the end (see teardown.py for its order) ---------------------------------------------------------------------------------------

    def refuse_call(self) -> None:
        """A simulated operation while the world ends."""
        refuse(self, WorldEnded(f"this world {over(self)}"))

    def refuse_wait(self) -> None:
        """A wait while the world ends, or after it."""
        refuse(self, WorldEnded(f"this world {over(self)}") if self.ended else TaskKilled("the world has ended"))
