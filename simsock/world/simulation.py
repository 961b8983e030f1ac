"""One world as a context manager.

PYTEST_DONT_REWRITE

Owns how a world begins and ends, and the face that tests see. Does not know strategies of search, nor pytest. Laws:

* inside the ``with`` block the code is the world's first task;
* what a task or handler raised is raised again at the end, unless it was expected;
* the end follows the order of ``kernel/teardown.py``, also after an error.
"""

from __future__ import annotations

import atexit
import gc
import sys
import warnings
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from simsock import network as networks
from simsock.choices import ReplaySource, SeededSource, Tape
from simsock.errors import Deadlock, LeakWarning, LimitExceeded, UnseenErrorWarning, UsageError
from simsock.escaping import printable
from simsock.kernel import Kernel, Session, Task, session, strategies
from simsock.kernel.boundaries import WithStatement, boundary, is_boundary
from simsock.kernel.leaks import open_descriptors, running_tasks
from simsock.kernel.program_lines import program_frame
from simsock.kernel.rooms import keep
from simsock.kernel.scope import make_scope
from simsock.kernel.task_table import task_table, wait_cycles, waits_of
from simsock.kernel.teardown import collect_forgotten, end
from simsock.kernel.undoing import Undoing, each_again
from simsock.kernel.units import NS, Duration, duration_ns
from simsock.kernel.watchdog import watchdog
from simsock.kernel.watchers import Watcher, watch
from simsock.net import Fabric
from simsock.net.fabric import fabric_of
from simsock.net.link.profiles import HOSTILE, changed, line
from simsock.net.link.settings import PERFECT
from simsock.patching import close_connections, late, make_patching
from simsock.patching.room import Room as PatchRoom
from simsock.stdlib._allowed import note_for
from simsock.stdlib._room import Room as LibraryRoom
from simsock.world.causes import tell_cause
from simsock.world.choosing import NOTHING, choose_world, see_choices, seeded
from simsock.world.connecting import Connecting
from simsock.world.expecting import Expectation, note, raise_errors, tell_unseen
from simsock.world.faults import Faults
from simsock.world.hoping import Hoping, called
from simsock.world.hosts import Host, base_name, check_function
from simsock.world.judging import Judging
from simsock.world.observing import Observing, end_captures, note_sockets, warn_of_no_effect
from simsock.world.options import NEED_CONSENT, WORLD_OPTIONS, Options, check_names, peer_of
from simsock.world.servers import Servers
from simsock.world.striking import Striking

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import TypeVar, TypeVarTuple, Unpack

    from simsock.choices import DrawnSource
    from simsock.net.link.typed import Condition, Impairments
    from simsock.world.servers import Served
    from simsock.world.typed import Names, WorldOptions

    Arguments = TypeVarTuple("Arguments")
    Value = TypeVar("Value")

_SIMULATED = networks.SimulatedNetwork()
_USE = networks.use(_SIMULATED)
"""What is in force while a world is: of all worlds, since there is one at a time."""
_END_PATIENCE_NS = 60 * NS
"""How much virtual time the end of a world gives servers to finish what they handle."""


class Simulation(Servers, Connecting, Faults, Observing, Striking, Judging, Hoping):
    """A deterministic world: hosts, links, sockets, threads and a clock that exist only in this process.

    >>> with Simulation(seed=7) as sim:
    ...     sim.sleep("1h")
    ...     sim.now
    3600.0

    ``seed`` is an integer or text; ``token`` repeats a run that a token was printed for (its options then come from the token, but for those by
    which a program reaches out of its world, ``patch=False`` and ``entropy="real"``: these it needs to be given as well). The other
    options, whose units and defaults docs/options.md has in a table, are ``strategy``, ``preempt``, ``scope``, ``link``,
    ``chunks``, ``sends``, ``stalls``, ``collect``, ``asyncio_order``, ``entropy``, ``start_time``, ``max_steps``, ``max_time`` (virtual),
    ``max_real_time``, ``patch``, ``loopback``, ``keep_imports``, ``fresh``, ``allow``, ``require_faults``, ``tls_time``.
    Raises ``UsageError`` for values that make no sense, also for a world inside a world.
    """

    __slots__ = ("__dict__", "__weakref__")

    def __init__(self, *, seed: int | str = 0, token: str | None = None, records: int = 2000, **options: Unpack[WorldOptions]) -> None:
        if not isinstance(seed, (int, str)) or isinstance(seed, bool):
            raise UsageError(f"seed: expected an integer or a text, got {seed!r}")
        if isinstance(records, bool) or not isinstance(records, int) or records < 0:
            raise UsageError(f"records: expected how many to keep, from 0, got {records!r}")
        deviations = run = None
        if token is not None:
            from simsock.choices import Token

            carried = Token.decode(token)
            given: Any = options
            unused = set(options) - {"scope", "max_real_time", *NEED_CONSENT}
            if unused:
                raise UsageError(f"token: its options are its own; {', '.join(sorted(unused))} cannot be given beside it")
            seed, deviations, run = carried.seed, carried.deviations, strategies.run_of(carried)
            checked = Options.from_dict(carried.options, **{name: given[name] for name in ("scope", "max_real_time", *NEED_CONSENT) if name in given})
        else:
            check_names("Simulation", options, (*WORLD_OPTIONS, "seed", "token", "records"))
            checked = Options.from_keywords(**options)
        self._set_up(checked, seed, deviations, records, run)

    def _set_up(self, options: Options, seed: int | str, deviations: Any, records: int, run: strategies.Run | None) -> None:
        self.options = options
        self.seed = seed
        self.network = _SIMULATED
        self._planned = deviations
        self._records = records
        self._kernel: Kernel | None = None
        self._session: Session | None = None
        self._own_session = True
        self._is_one_of_many = False
        self._near: FrameType | None = None
        self._holders: list[tuple[str, dict[str, Any]]] = []
        """Namespaces that are no module's and hold what the test took from packages that are imported anew: (words, namespace)."""
        self._served: list[Served] = []
        self._sockets: list[Any] = []
        self._hosts: dict[str, Host] = {}
        self._only_named: dict[str, str] = {}
        """Hosts that nothing but a condition has named, and which."""
        self._expectations: list[Expectation] = []
        self._begun = Undoing()
        """What takes the world back out of the process."""
        self._is_in = self._was_left = False
        self._run = run or strategies.Run(seed)  # what the strategy is told of this run
        self._watchers: list[Watcher] = []
        """Those that were added before it began."""
        self._questions: Any = None
        """Who writes a replay's questions down, if somebody does."""
        self._drawn: DrawnSource | None = None  # where the tape's answers come from, if somebody draws them
        self._drawn_strategy: Any = strategies.FIFO
        """What the scheduler is asked by then: where nothing else is said, the portfolio's members."""
        self.leaks: list[str] = []
        """After the end: tasks (no daemons) that still ran, which is warned of as well, and descriptors that were still open."""

    def _write_questions(self) -> strategies.Questions:
        """In a replay that has not begun: every question is written down in what is returned."""
        questions = self._questions = strategies.Questions(self.options.preempt != "instructions")
        self._watchers.append(questions)
        return questions

    @classmethod
    def _prepared(
        cls, options: Options, seed: int | str, deviations: Any, session: Session, records: int = 200, run: strategies.Run | None = None
    ) -> Simulation:
        """A world with options that were checked before, inside a session that outlives it: what a search makes thousands of."""
        self = cls.__new__(cls)
        self._set_up(options, seed, deviations, records, run)
        self._session = session
        self._own_session = False
        return self

    # -- the beginning and the end ---------------------------------------------------------------------------------------------------

    @boundary
    def __enter__(self) -> Simulation:
        if self._kernel is not None:
            raise UsageError("this world has been entered before; make a new Simulation")
        if session.active is not None or session.entered is not None:
            clear_away()
        frame = sys._getframe(1)
        while is_boundary(frame.f_code) and frame.f_back is not None:
            frame = frame.f_back
        try:
            self._begun.begin(self._forget)
            session.entered = self
            self._begin(self._near or frame, WithStatement(frame))
            watchdog.deliver()
            kernel: Any = self._kernel
            if kernel.pending_signal is not None:
                raise kernel.pending_signal
        except BaseException:  # also a signal's, which may come anywhere
            self._take_back()
            raise
        self._is_in = True
        return self

    def _take_back(self) -> None:
        """Undo what is left of a beginning, or of an end that was interrupted. To be called again if that is interrupted, too."""
        if self._begun:
            self._is_in = False
            self._begun.take_back()

    def _forget(self) -> None:
        try:
            if self._own_session and self._session is not None:
                self._session.__exit__()
        finally:
            if session.entered is self:
                session.entered = None

    def _begin(self, frame: FrameType, statement: WithStatement) -> None:
        if not _SIMULATED.is_loaded:
            _SIMULATED.load()
        options = self.options
        if options.fresh:
            _fresh().check_packages(options.fresh)
        begun = self._begun
        opened = self._session
        if opened is None:
            scope = None
            if options.preempt != "calls" or options.scope is not None:
                scope = make_scope(options.scope, (program_frame(frame) or frame).f_code.co_filename)
            opened = self._session = Session(options.preempt, scope, make_patching(options))
        if self._own_session:
            opened.__enter__()
        if options.collect is not None or options.link is HOSTILE:
            gc.collect()  # what the worlds before it have left behind is no garbage of this one's
        planned = self._planned
        drawn = self._drawn
        if planned is None:
            if drawn is None:
                tape = Tape(seeded(self.seed, self._run, options) if self._run.number else SeededSource(self.seed))
                choose = strategies.begin(options.strategy, self._run)
            else:
                tape = Tape(drawn)
                choose = strategies.drawing(drawn, self._drawn_strategy) if strategies.asks(self._drawn_strategy) else None
        else:
            tape = Tape(ReplaySource(planned))
            choose = strategies.replaying if self._questions is None else self._questions.choose
        asks = choose is not None
        chosen = choose_world(options, tape)
        sees_points = chosen is not NOTHING and chosen.sees_points
        if sees_points and choose is None:
            choose = strategies.plain  # points are to be seen
        kernel = self._kernel = Kernel(tape, choose, options.limits, opened.launcher, self._records)
        kernel.with_statement, kernel.leave_now = statement, self._leave_now
        for watcher in self._watchers:
            watch(kernel, watcher)
        explores_all = options.asyncio_order == "any"
        if options.patch:
            kernel.room(PatchRoom).ready_options = explores_all, asks or explores_all or planned is not None, self._run.number == 1
        if chosen.drawn:
            chosen.begin(kernel)
        kernel.epoch_ns = options.start_ns
        kernel.seed = self.seed
        if options.keep_imports:
            kernel.room(PatchRoom).keeps_imports = True
        if options.allow:
            kernel.room(LibraryRoom).allowed = frozenset(map(peer_of, options.allow))
        if options.fresh:
            kernel.room(PatchRoom).fresh = options.fresh
        if options.tls_time == "world":
            kernel.room(PatchRoom).judges_certificates = True
        fabric = Fabric(kernel, options.link, options.chunks, options.link if options.loopback else PERFECT, chosen.sends)
        keep(kernel.room, fabric)
        kernel.first.host = fabric.localhost
        begun.begin(self._take_out)
        opened.enter_world(kernel, frame)
        if planned is None:
            self._run.world_begins(kernel, asks)
        if sees_points:
            see_choices(kernel, chosen, self._run.number == 1, begun)
        networks.push(_USE)
        networks.error_hooks.append(self._handler_failed)
        if options.fresh:
            _fresh().begin(kernel, options.fresh, self._holders, frame)

    def _take_out(self) -> None:
        """The world comes out of the process, whatever of it is in. Safe to call again."""
        assert self._kernel is not None and self._session is not None, "it has begun"
        try:
            if session.suspended is not None:
                self._resume()
            if not self._kernel.ended:
                self._end_tasks()
            self._session.leave_world()
            self._leave_network()
        except BaseException:
            each_again(self._resume, self._end_tasks, self._session.leave_world, self._leave_network)
            raise

    def _leave_network(self) -> None:
        networks.drop(_USE)
        if self._kernel is not None:
            fabric_of(self._kernel).remove_socket_files()
        hooks, ours = networks.error_hooks, self._handler_failed
        if ours in hooks:
            hooks.remove(ours)

    def _end_tasks(self) -> None:
        kernel = self._kernel
        if kernel is not None and not kernel.ended:
            try:
                end_captures(kernel)
            finally:
                end(kernel)
            kernel.files.clear()

    def _leave_now(self, error: BaseException) -> None:
        """In a signal's handler: what it raises would leave the block without a call of ``__exit__``."""
        try:
            self.__exit__(type(error), error, error.__traceback__)
        finally:
            self._was_left = True

    def _is_left_behind(self) -> bool:
        """Whether it is known that nobody will call ``__exit__`` any more, or go on with it."""
        kernel = self._kernel
        if not self._is_in or kernel is None:
            return True
        if kernel.thread != get_ident() or getcurrent() is not kernel.first.greenlet:
            return False
        return kernel.struck or (kernel.with_statement is not None and kernel.with_statement.is_over())

    @boundary
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._was_left:
            return
        kernel = self._kernel
        if kernel is None or session.active is not kernel:
            kernel = self._running()
        if kernel.first.greenlet is not getcurrent():
            raise UsageError("a world is left by the task that entered it")
        kernel.current = kernel.first
        self._is_in = False
        if kernel.signals is not None:
            kernel.signals.is_over = True
        ours = error is not None
        problems: list[Any] = []
        try:
            if error is not None:
                tell_cause(error, kernel)
            if isinstance(error, Deadlock) and self._own_session:  # a search and the plugin tell it in their own ways
                note_sockets(error, kernel)
            if error is None:
                try:
                    self._wind_down(kernel)
                except BaseException as late:
                    error = late
            self._run.world_ends(kernel)
            unmade = [*(self._unmade() if self._only_named else []), *self._faults_missing(kernel)] if error is None else []
            problems = [*unmade, *self._finish(kernel, sound=error is None)]
        finally:
            try:
                self._take_back()
            finally:
                if self._begun:
                    self._take_back()  # it was interrupted
            self._served.clear()
            self._sockets.clear()
        if self._own_session:
            kernel.leave_now = None  # without it all that the world alone needed goes when nobody has it any more, and not with a garbage collection
        raised = self._unexpected(kernel)
        for _, failure in raised:
            tell_cause(failure, kernel)
        if self._planned is None and self._drawn is None and not isinstance(self.options.strategy, str):
            problems.extend(self._end_strategy(kernel, error or (raised[0][1] if raised else None)))
        if problems:
            raised.extend((None, problem) for problem in problems)
        if kernel.pending_signal is not None and (error is None or isinstance(kernel.pending_signal, KeyboardInterrupt)):
            error, ours = kernel.pending_signal, False  # a signal that came while the world ended
        watchdog.deliver()
        if self.options.allow and (peers := kernel.room(LibraryRoom).real_peers):
            for failure in [error] if error is not None else [entry[1] for entry in raised]:
                note_for(failure, peers)
        unseen = tell_unseen(kernel, error, raised) if self.options.patch else ""
        if error is not None:
            note(error, raised)
            if ours:
                return
            raise error
        if raised:
            raise_errors(raised)
        if unseen:
            warnings.warn(UnseenErrorWarning(unseen), stacklevel=2)
        if self.options.link is not PERFECT or fabric_of(kernel).is_configured:
            warn_of_no_effect(kernel, stacklevel=2)
        if self.leaks and (tasks := [leak for leak in self.leaks if leak.startswith("task ")]):
            warnings.warn(LeakWarning(f"the world ended while tasks still ran: {', '.join(map(printable, tasks))}"), stacklevel=2)

    def _end_strategy(self, kernel: Kernel, error: BaseException | None) -> list[BaseException]:
        """The strategy's life in this run ends, after the last task's; what it raises is one more problem."""
        run = self._run
        run.error, run.steps = error, kernel.steps
        try:
            strategies.end(self.options.strategy, run)
        except Exception as late:
            kernel.strategy_error = kernel.strategy_error or late
            return [late]
        finally:
            run.error = None  # its traceback holds the whole world
        return []

    def _suspend(self) -> bool:
        """For the pytest plugin: stand still while control is pytest's. False if the code that asks is none of the world's first task."""
        kernel = self._kernel
        if kernel is None or session.active is not kernel or kernel.thread != get_ident() or kernel.current is not kernel.first or kernel.ending:
            return False
        assert self._session is not None
        networks.pop(_USE)
        self._session.suspend()
        return True

    def _resume(self) -> None:
        """Go on, if it was suspended."""
        if self._session is not None and self._kernel is not None and session.suspended is self._kernel:
            self._session.resume()
            if _USE not in networks._stack:
                networks.push(_USE)

    def _wind_down(self, kernel: Kernel) -> None:
        """Let every task begin, stop the servers, close what tests were handed, and let what is being handled come to its end."""
        for host in self._hosts.values():
            host.thaw()
        kernel.start_all()
        stops: list[Task] = []
        if self._served:
            stops += [kernel.spawn(served.stop, base="stop", host=served.host._host, daemon=True) for served in self._served if not served._stopped]
            kernel.start_all()
        # A server without threads may be in the middle of a request whose end it learns from the close.
        for sock in self._sockets:
            sock.close()
        deadline = kernel.now + _END_PATIENCE_NS
        for task in stops:
            kernel.join(task, deadline)  # in vain where a handler waits for a peer that says no more: it is ended with the world
        if len(kernel.tasks) > 1 and (cycles := wait_cycles(kernel)):
            names = "; ".join(" -> ".join(task.path for task in [*cycle, cycle[0]]) for cycle in cycles)
            raise Deadlock(f"deadlock: tasks wait for each other in a cycle: {names}\n{task_table(kernel)}", report=task_table(kernel), waits=waits_of(kernel))
        if self.options.patch and kernel.room(PatchRoom).runs_loops:
            collect_forgotten(kernel)
        if kernel.watchers is not None:
            self._judge_last(kernel)
        for expectation in self._expectations:
            expectation.check()

    def _finish(self, kernel: Kernel, sound: bool) -> list[Any]:
        current = self._session
        assert current is not None
        unwritten = end_captures(kernel)
        if current.preemption is not None:
            current.preemption.leave()
        if len(kernel.tasks) > 1:
            self._look_for_leaks(kernel)
        problems = end(kernel, collect=self._own_session)  # a search collects after many worlds instead
        if self._own_session and sound:
            self.leaks += open_descriptors(kernel)
        close_connections(kernel)
        kernel.files.clear()
        return [*unwritten, *problems]

    def _look_for_leaks(self, kernel: Kernel) -> None:
        def counts(task: Task) -> bool:
            given_up = task.pending is not None or (task.queue is None and task.why.startswith("stopped"))  # cancelled, or told in an error
            return task is not kernel.first and task.started and not given_up and not (self.options.fresh and _fresh().outlives_tests(kernel, task))

        self.leaks += running_tasks(kernel, counts)

    def _unexpected(self, kernel: Kernel) -> list[tuple[Task | None, BaseException]]:
        if self._expectations and self.options.patch:
            room = kernel.room(PatchRoom)
            refused, room.refused = room.refused, []
            for error in refused:
                for expectation in self._expectations:
                    expectation.take(error)
        if not kernel.errors:
            return []
        return [entry for entry in kernel.errors if not any(expectation.take(entry[1]) for expectation in self._expectations)]

    def _handler_failed(self, server: Any, request: Any, client_address: Any, error: Exception) -> bool:
        kernel = self._kernel
        if kernel is None or session.active is not kernel or get_ident() != kernel.thread:
            return False
        kernel.task_failed(kernel.current, error)
        return True

    def _running(self) -> Kernel:
        kernel = self._kernel
        if kernel is None or session.active is not kernel:
            why = "enter it with `with`" if kernel is None else "it stands still while pytest is at work" if session.suspended is kernel else "it has ended"
            raise UsageError(f"this world is not running: {why}")
        return kernel

    # -- time ------------------------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self.now_ns / NS

    @property
    def now_ns(self) -> int:
        """Virtual nanoseconds since the world began."""
        if self._kernel is None:
            return 0
        self._kernel.polling.vain = 0  # who looks at the clock may be waiting for it
        return self._kernel.now

    def sleep(self, duration: Duration) -> None:
        """Let so much virtual time pass (seconds, timedelta or "80ms")."""
        self._let_run(self._running().sleep, duration_ns(duration, "sleep"))

    def run_until(self, predicate: Callable[[], object], timeout: Duration | None = None) -> Any:
        """Let the world run until ``predicate()`` is true, and return what it returned.

        Raises ``TimeoutError`` after ``timeout`` of virtual time, ``Deadlock`` when nothing can happen any more.
        """
        kernel = self._lets_run(self._running())
        if not callable(predicate):
            raise UsageError(f"run_until: expected a function without arguments, got {predicate!r}")
        deadline = None if timeout is None else kernel.now + duration_ns(timeout, "timeout")
        alarm = kernel.timers.add(deadline, lambda _: None, None) if deadline is not None else None
        try:
            while not (answer := predicate()):
                if deadline is not None and kernel.now >= deadline:
                    raise TimeoutError(f"run_until: {called(predicate)} was still false after {timeout} of virtual time")
                switches = kernel.switches
                kernel.point()
                if kernel.switches == switches:  # nobody has run who may have made it true
                    kernel.wait_tick()
            self._lets_run(kernel)
            return answer
        finally:
            if alarm is not None:
                kernel.timers.cancel(alarm)

    def settle(self) -> None:
        """Let everything run until no task can and nothing is on its way. Sleeping tasks go on sleeping."""
        self._let_run(self._running().settle)

    # -- tasks and hosts -----------------------------------------------------------------------------------------------------------

    def spawn(self, fn: Callable[[*Arguments], Value], *args: *Arguments, name: str | None = None, host: str | Host | None = None) -> Task[Value]:
        """Run ``fn(*args)`` as a task: ``.result(timeout=None)``, ``.done``, ``.cancel()``. What it raises fails the test unless it is asked for."""
        kernel = self._running()
        check_function(fn)
        if host is not None:
            return self._host_of(host).spawn(fn, *args, name=name)
        return kernel.spawn(fn, args, name=name, base=base_name(fn))

    def host(self, name: str, addresses: Names | None = None, clock_skew: Duration | None = None, refuse_overflow: bool | None = None) -> Host:
        """The host of that name; a new one is made with ``addresses``, or the next of 10.0.0.N and fd00::N.

        ``clock_skew``: how far its wall clock is ahead of the world's (behind it, if negative), in seconds or as "-5s".
        ``refuse_overflow``: whether who comes when a backlog is full is refused (a RST); by default the SYN goes unanswered, as on Linux.
        Raises ``UsageError`` for addresses that are none or another host's, and for other ones than the host was made with.
        """
        kernel = self._running()
        net = fabric_of(kernel).host(name, addresses)
        self._only_named.pop(name, None)
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host(kernel, net)
        if clock_skew is not None:
            host.set_skew(clock_skew)
        if refuse_overflow is not None:
            if not isinstance(refuse_overflow, bool):
                raise UsageError(f"host: refuse_overflow: expected True or False, got {refuse_overflow!r}")
            net.refuses_overflow = refuse_overflow
        return host

    def _host_of(self, host: str | Host) -> Host:
        if isinstance(host, Host):
            return host
        known = self._hosts.get(host) if type(host) is str and host not in self._only_named else None
        return self.host(host) if known is None or session.active is not self._kernel else known

    def link(
        self, a: str | Host, b: str | Host | None = None, condition: Condition = "perfect", *, both_ways: bool = True, **impairments: Unpack[Impairments]
    ) -> None:
        """Set the condition of the link from ``a`` to ``b`` (and back, with ``both_ways``), or of all links of ``a`` when ``b`` is None.

        ``condition`` is a ``Link`` or a profile's name, ``impairments`` are those of ``Link`` and change it. What is under way keeps its time.
        """
        kernel = self._running()
        condition = line(changed(condition, {**impairments}))
        names = [self._name_of("link", host) for host in ((a,) if b is None else (a, b))]
        kernel.log.append((kernel.now, kernel.current.path, "link", *names, repr(condition)))
        fabric_of(kernel).set_link(names[0], names[1] if b is not None else None, condition, both_ways)

    # -- what happened ---------------------------------------------------------------------------------------------------------------

    @property
    def errors(self) -> list[BaseException]:
        """What tasks and handlers raised so far and nobody expected, in order."""
        return [error for _, error in self._unexpected(self._kernel)] if self._kernel is not None else []

    def expect_errors(self, *types: type[BaseException], match: str | None = None) -> Expectation:
        """Take errors of tasks and handlers that are of one of ``types`` (any, without) and whose text matches the regular expression.

        A plain call holds until the world ends; as a context manager it holds for the block. Either way at least one such error must come.
        """
        expectation = Expectation(self, types, match)
        self._expectations.append(expectation)
        return expectation

    @property
    def records(self) -> list[tuple[Any, ...]]:
        """The newest things that happened, oldest first: (virtual nanoseconds, task, what, …)."""
        return self._kernel.log.records() if self._kernel is not None else []

    @property
    def digest(self) -> str:
        """32 hexadecimal digits of everything that happened so far: equal for equal runs."""
        return self._kernel.log.digest() if self._kernel is not None else ""

    @property
    def token(self) -> str:
        """A text that repeats this run: ``Simulation(token=…)``, ``simsock.replay(test, token)``."""
        return self._token(None)

    def _token(self, target: str | None) -> str:
        from simsock.choices import Token

        plain = self.options.as_dict()
        deviations = self._planned
        if deviations is None and (plain.get("strategy") == "object" or self._run.number or self._drawn is not None) and self._kernel is not None:
            deviations = tuple(self._kernel.tape.deviations)
        return Token(self.seed, plain, deviations, target=target).encode()

    @property
    def deviations(self) -> list[Any]:
        """The answers that were not the dull ones, in order: (label, index, value)."""
        return list(self._kernel.tape.deviations) if self._kernel is not None else []


def clear_away() -> None:
    """There is a world in this process: take it back if it was left behind, and say so; else that is an error."""
    if not take_back_what_was_left():
        raise UsageError("a world inside a world: leave the first one before entering another")
    warnings.warn("a world was not left, because Python passed over its end (see docs/fidelity.md): it has been taken back now", RuntimeWarning, stacklevel=3)


def take_back_what_was_left() -> bool:
    """Whether a world was left behind in this process, which has been taken back."""
    other = session.entered
    if other is None or not other._is_left_behind():
        return False
    other._take_back()
    return True


@atexit.register
def _at_exit() -> None:
    """The interpreter's end: nobody leaves a world any more."""
    other = session.entered
    if other is not None and not (other._kernel is not None and other._kernel.thread != get_ident()):
        other._take_back()
        warnings.warn("a world was not left before the interpreter's end: it has been taken back", RuntimeWarning, stacklevel=1)


def _fresh() -> Any:
    """What worlds need in which packages are imported anew: there before the first of them begins."""
    return late.import_module("simsock.patching.fresh")


__all__ = ["LimitExceeded", "Simulation"]
