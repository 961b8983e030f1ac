"""Switching tasks between two lines (or bytecode instructions) of the program.

PYTEST_DONT_REWRITE

Owns the two mechanisms: ``sys.monitoring`` with local events on 3.12 and later, ``sys.settrace`` on 3.11. Does not know who is picked, nor what a
line touches (see ``points``). Laws: only code in scope has events; the points of a line are the same on every Python; a callback runs with tracing
off, so it is switched on around a switch of greenlets (``PyThreadState_LeaveTracing`` / ``EnterTracing``, public since 3.11); nothing stays
installed after ``stop``.
"""

from __future__ import annotations

import ctypes
import sys
from _thread import get_ident
from itertools import islice
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.halves import INLINED
from simsock.kernel.happened import Happened
from simsock.kernel.plain_locals import forget_copy, touches
from simsock.kernel.points import Points, Rule, points_of
from simsock.kernel.scope import Scope
from simsock.kernel.spinning import SPINNING, Spinning, busy_loop, next_event, program_frame_of
from simsock.kernel.updates import meets

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

GRANULARITIES = ("calls", "lines", "instructions")
LOOKED_AT_MAX = 20
"""Tasks of which it is looked whether they stand at a line that another one is in."""
_TOOL_IDS = (3, 4)
_TOOL = "simsock"
_monitoring: Any = getattr(sys, "monitoring", None)
"""PEP 669's module; None on 3.11."""

_BRANCHES: tuple[int, ...] = (_monitoring.events.BRANCH_LEFT, _monitoring.events.BRANCH_RIGHT) if sys.version_info >= (3, 14) else ()

_leave = ctypes.pythonapi.PyThreadState_LeaveTracing
_enter = ctypes.pythonapi.PyThreadState_EnterTracing
_leave.argtypes = _enter.argtypes = [ctypes.c_void_p]
_leave.restype = _enter.restype = None
_get_state = ctypes.pythonapi.PyThreadState_Get
_get_state.argtypes = []
_get_state.restype = ctypes.c_void_p


def outside_of_tracing(call: Any, *args: Any) -> Any:
    """Call something that may switch greenlets from a trace function, with the thread's tracing as it is outside of one."""
    state = ctypes.c_void_p(_get_state())
    _leave(state)
    try:
        return call(*args)
    finally:
        _enter(state)


class Preemption:
    """Events on the code of one scope, feeding the world that is ``live``."""

    def __init__(self, scope: Scope, granularity: str) -> None:
        self.scope = scope
        self.granularity = granularity
        self.live: Kernel | None = None
        self.thread = 0
        self.thread_state = ctypes.c_void_p()
        self._by_line = granularity == "lines"
        self._spinning: dict[int, Spinning] = {}
        """By the serial number of the task that goes through many lines."""
        self._points: dict[int, Points] = {}
        """By identity of the code, which each of them keeps."""
        self._code: CodeType | None = None
        self._rules: dict[int, Rule] = {}
        """Of the code that was asked about last: programs stay in one for a while."""
        self._met: set[tuple[int, int]] = set()
        """Where two tasks of this world have met already: the identity of the code, and the offset."""
        self.is_within = False
        """While those who watch are told of a line: it is the second half of one that they were told of."""

    def start(self) -> None:
        """Install the events for this OS thread's programs."""
        raise NotImplementedError

    def stop(self) -> None:
        """Take every event out again."""
        raise NotImplementedError

    def enter(self, kernel: Kernel, frame: FrameType | None) -> None:
        """A world begins; ``frame`` is the innermost frame of whoever entered it: functions that run already are watched too."""
        self._spinning.clear()
        self._met.clear()
        self.thread_state = ctypes.c_void_p(_get_state())
        self.thread = get_ident()
        self.watch_frames(frame)
        self.live = kernel

    def leave(self) -> None:
        """The world ends: no more events reach it."""
        self.live = None

    def watch_frames(self, frame: FrameType | None) -> None:
        """Watch the functions on the stack that are in scope."""
        raise NotImplementedError

    def rearm(self) -> None:
        """At a later point: whatever CPython switched off because an exception left a callback is switched on again."""

    def let_wait(self, kernel: Kernel) -> bool:
        """The current task has gone through many lines without a switch. Whether it has waited here, because all that it does is to look for
        what others do: as long as anybody else can run, and then for whatever happens next."""
        task = kernel.current
        spinning = self._spinning.get(task.serial)
        if spinning is None:
            spinning = self._spinning[task.serial] = Spinning()
        frame = program_frame_of(sys._getframe(1))
        stays = spinning.stays(frame)
        if frame is not None:
            forget_copy(frame)
        if not stays:
            return False
        deadline = None if kernel.runq else next_event(kernel)
        if deadline is not None:
            kernel._sleep_until(deadline, SPINNING)
        elif kernel.runq or kernel.held:
            kernel.held.append(task)
            kernel._park()
        else:
            kernel.fatal(busy_loop(kernel, frame))
        return True

    def points(self, code: CodeType) -> Points:
        """What is known of a code object's points."""
        points = self._points.get(id(code))
        if points is None:
            points = self._points[id(code)] = points_of(code, self._by_line)
        return points

    def at(self, code: CodeType, place: int, frame: FrameType | None = None) -> None:
        """The current task is about to run a line (or the instruction at an offset) of ``code``, in ``frame`` (by default the caller's)."""
        kernel = self.live
        if kernel is None or get_ident() != self.thread or kernel.atomic:
            return
        task = kernel.current
        if task.entered is not None:
            entered, task.entered = task.entered, None
            if entered is code and frame is None and place == self.points(code).start:
                return  # the line that the call began with: some Pythons tell it again, some in the first call only
        if kernel.watchers is not None:
            kernel.watchers.line(task, code, place)
        kernel.steps = steps = kernel.steps + 1
        if steps >= kernel.alarm:
            self._outside(kernel._alarm)
        if kernel.asks_strategy:
            if code is not self._code:
                self._code, self._rules = code, self.points(code).lines
            if place in self._rules:
                rule = self._rules[place]
                if rule is False or not touches(rule, frame or sys._getframe(1)):  # type: ignore[arg-type]  # True is never kept
                    return
            if kernel.sees is not None:
                kernel.sees(task, code, place)
            if not kernel.runq:
                task.points += 1
            elif (chosen := kernel.ask(task, True)) is not None:
                self._outside(kernel.switch_to, chosen)

    def within(self, code: CodeType, line: int) -> None:
        """The current task is about to run the second half of a line: see ``halves``."""
        kernel = self.live
        if kernel is None or get_ident() != self.thread or kernel.atomic:
            return
        task = kernel.current
        task.entered = None
        if kernel.watchers is not None:
            self.is_within = True
            kernel.watchers.line(task, code, line)
            self.is_within = False
        kernel.steps = steps = kernel.steps + 1
        if steps >= kernel.alarm:
            self._outside(kernel._alarm)
        if kernel.asks_strategy:
            if kernel.sees is not None:
                kernel.sees(task, code, line)
            if not kernel.runq:
                task.points += 1
            elif (chosen := kernel.ask(task, True)) is not None:
                self._outside(kernel.switch_to, chosen)

    def updates(self, code: CodeType, offset: int, frame: FrameType) -> None:
        """The current task is about to write what it has read, in one go: note if another one stands before the same: see ``updates``."""
        kernel = self.live
        if kernel is None or not kernel.runq or get_ident() != self.thread or kernel.atomic or not kernel.asks_strategy or (id(code), offset) in self._met:
            return
        update = self.points(code).updates[offset]
        for task in islice(kernel.runq, LOOKED_AT_MAX):
            other = program_frame_of(task.greenlet.gr_frame) if task.started else None
            if other is not None and meets(update, offset, frame, other):
                self._met.add((id(code), offset))
                kernel.room(Happened).met[code.co_filename, update.line] = None
                return

    def _outside(self, call: Any, *args: Any) -> None:
        """Call something that may switch greenlets, with the thread's tracing as it is outside callbacks."""
        state = self.thread_state
        _leave(state)
        try:
            call(*args)
        finally:
            _enter(state)


class _Monitoring(Preemption):
    """3.12 and later."""

    def __init__(self, scope: Scope, granularity: str) -> None:
        super().__init__(scope, granularity)
        self._tool = -1
        self._codes: list[CodeType] = []
        self._again: set[tuple[int, int]] = set()
        """Tasks that have jumped back to the test of a loop on one line, with the identity of its code."""

    def start(self) -> None:
        monitoring = _monitoring
        for tool in _TOOL_IDS:
            if monitoring.get_tool(tool) is None:
                break
        else:
            holders = " and ".join(f"{tool} by {monitoring.get_tool(tool)!r}" for tool in _TOOL_IDS)
            raise UsageError(f"preempt={self.granularity!r} needs a free sys.monitoring tool id; {holders} are taken")
        self._tool = tool
        monitoring.use_tool_id(tool, _TOOL)
        events = monitoring.events
        self._local = events.LINE if self.granularity == "lines" else events.INSTRUCTION
        monitoring.register_callback(tool, self._local, self._of_lines() if self._by_line else self.at)
        if self._by_line:
            monitoring.register_callback(tool, events.INSTRUCTION, self._on_instruction)
        monitoring.register_callback(tool, events.PY_START, self._on_start)
        monitoring.register_callback(tool, events.PY_RESUME, self._on_resume)
        monitoring.register_callback(tool, events.JUMP, self._on_jump)
        for event in _BRANCHES:
            monitoring.register_callback(tool, event, self._on_branch)
        monitoring.set_events(tool, events.PY_START | events.PY_RESUME)
        # An earlier use of this tool id may have switched off the start events of code that is in scope now.
        monitoring.restart_events()

    def stop(self) -> None:
        monitoring, tool = _monitoring, self._tool
        if tool < 0 or monitoring.get_tool(tool) != _TOOL:
            return
        for code in self._codes:
            monitoring.set_local_events(tool, code, 0)
        self._codes.clear()
        monitoring.set_events(tool, 0)
        events = monitoring.events
        for event in (events.LINE, events.INSTRUCTION, events.PY_START, events.PY_RESUME, events.JUMP, *_BRANCHES):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
        self._tool = -1

    def _of_lines(self) -> Any:
        """``at`` for the lines that CPython tells of: what is the same for all lines of a function is at hand, and nothing is given that is not."""
        outside, points = self._outside, self.points
        known: CodeType | None = None
        rules: list[Rule | None] = []
        first = 0

        def at_line(code: CodeType, line: int) -> None:
            nonlocal known, first, rules
            kernel = self.live
            if kernel is None or get_ident() != self.thread or kernel.atomic:
                return
            task = kernel.current
            if task.entered is not None:
                entered, task.entered = task.entered, None
                if entered is code and line == points(code).start:
                    return  # see at
            if kernel.watchers is not None:
                kernel.watchers.line(task, code, line)
            kernel.steps = steps = kernel.steps + 1
            if steps >= kernel.alarm:
                outside(kernel._alarm)
            if kernel.asks_strategy:
                if code is not known:
                    first, rules = points(code).numbered
                    known = code
                rule = rules[line - first]
                if rule is not None and (rule is False or not touches(rule, sys._getframe(1))):  # type: ignore[arg-type]  # True is never kept
                    return
                if kernel.sees is not None:
                    kernel.sees(task, code, line)
                if not kernel.runq:
                    task.points += 1
                elif (chosen := kernel.ask(task, True)) is not None:
                    outside(kernel.switch_to, chosen)

        return at_line

    def _on_start(self, code: CodeType, offset: int) -> Any:
        if code.co_filename not in self.scope:
            return _monitoring.DISABLE
        self._watch(code)
        start = self.points(code).start
        if start is None or code.co_name == "<module>":
            return _monitoring.DISABLE
        self.at(code, start, sys._getframe(1))
        kernel = self.live
        if kernel is not None and get_ident() == self.thread:
            kernel.current.entered = code
        return None

    def _on_resume(self, code: CodeType, offset: int) -> Any:
        if code.co_filename in self.scope:
            self._watch(code)
        return _monitoring.DISABLE

    def _on_jump(self, code: CodeType, offset: int, destination: int) -> Any:
        """There are no line events for a line that jumps back to itself."""
        jumps = self.points(code).jumps
        if offset not in jumps:
            return _monitoring.DISABLE
        line = jumps[offset]
        if line is not None:
            self.at(code, line, sys._getframe(1))
        elif (kernel := self.live) is not None and get_ident() == self.thread:
            self._again.add((kernel.current.serial, id(code)))
        return None

    def _on_branch(self, code: CodeType, offset: int, destination: int) -> None:
        """A loop on one line has been at its test again, and goes on or ends."""
        kernel = self.live
        if kernel is None or get_ident() != self.thread or not self._again:
            return
        found = self.points(code).tests.get(offset)
        key = kernel.current.serial, id(code)
        if found is not None and key in self._again:
            begin, end, line = found
            if destination >= begin:
                self._again.discard(key)
                if destination <= end:
                    self.at(code, line, sys._getframe(1))

    def _on_instruction(self, code: CodeType, offset: int) -> Any:
        """Of code that has lines with second halves, or that write what they have read."""
        points = self.points(code)
        if offset in points.halves:
            self.within(code, points.halves[offset])
        elif offset in points.updates:
            self.updates(code, offset, sys._getframe(1))
        else:
            return _monitoring.DISABLE
        return None

    def enter(self, kernel: Kernel, frame: FrameType | None) -> None:
        self._again.clear()
        super().enter(kernel, frame)

    def _watch(self, code: CodeType) -> None:
        if code.co_name != "<module>" and not _monitoring.get_local_events(self._tool, code):
            points, events = self.points(code), self._local
            if points.jumps:
                events |= _monitoring.events.JUMP
            if points.tests:
                events |= sum(_BRANCHES)
            if points.told_of:
                events |= _monitoring.events.INSTRUCTION
            _monitoring.set_local_events(self._tool, code, events)
            self._codes.append(code)

    def watch_frames(self, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename in self.scope:
                self._watch(frame.f_code)
            frame = frame.f_back


class _Tracing(Preemption):
    """3.11."""

    _begun: CodeType | None = None
    """One of ``INLINED`` whose first line is told next: beginning it is no point of its own."""
    _ours: Any = None
    _local_trace: Any = None

    def __init__(self, scope: Scope, granularity: str) -> None:
        super().__init__(scope, granularity)
        self._line_traces: dict[int, Any] = {}
        """By identity of the code, which each of them keeps."""

    def start(self) -> None:
        other = sys.gettrace()
        if other is not None:
            raise UsageError(
                f"preempt={self.granularity!r} needs sys.settrace on Python 3.11, but {other!r} is installed (a debugger, or coverage?); "
                'use preempt="calls", or Python 3.12 or later'
            )
        self._event = "line" if self.granularity == "lines" else "opcode"
        self._ours = self._of_calls()
        self._local_trace = self._local

    def stop(self) -> None:
        self._line_traces.clear()
        self._take_out()

    def enter(self, kernel: Kernel, frame: FrameType | None) -> None:
        super().enter(kernel, frame)
        if sys.gettrace() is None:  # from here on only: each function that begins costs, and beginning a world is some hundred of them
            sys.settrace(self._ours)

    def _take_out(self) -> None:
        if self._ours is not None and sys.gettrace() is self._ours:
            sys.settrace(None)

    def rearm(self) -> None:
        if self.live is not None and sys.gettrace() is None:
            sys.settrace(self._ours)
            self.watch_frames(sys._getframe(1))

    def watch_frames(self, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename in self.scope and frame.f_code.co_name != "<module>":
                self._watch(frame)
            frame = frame.f_back

    def _watch(self, frame: FrameType) -> None:
        frame.f_trace = self._trace_of(frame)

    def leave(self) -> None:
        super().leave()
        self._take_out()
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_trace is not None and (frame.f_trace is self._local_trace or frame.f_trace is self._line_traces.get(id(frame.f_code))):
                frame.f_trace = None
                frame.f_trace_opcodes = False
                frame.f_trace_lines = True
            frame = frame.f_back

    def _of_calls(self) -> Any:
        """The trace function of the thread: told of each function that begins, of the kernel's and of libraries too."""
        answers, scope = self.scope.answers, self.scope

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            code = frame.f_code
            filename = code.co_filename
            if (filename not in answers and filename not in scope) or not answers[filename] or code.co_name == "<module>":
                return None
            if id(code) in self._line_traces:
                return self._line_traces[id(code)]
            if self._by_line and code.co_name in INLINED:
                self._begun = code
            return self._trace_of(frame)

        return trace

    def _trace_of(self, frame: FrameType) -> Any:
        """What is told of the events of a frame, which is set up for them."""
        code = frame.f_code
        if not self._by_line:
            frame.f_trace_opcodes = True
            frame.f_trace_lines = False
        elif self.points(code).self_jumps:
            frame.f_trace_opcodes = True
        elif code.co_name not in INLINED:
            return self._line_trace(code)
        return self._local_trace

    def _line_trace(self, code: CodeType) -> Any:
        """``_local`` and ``at`` in one, for the lines of one function: half of what a line costs is looking up what is the same for all of them."""
        known = self._line_traces.get(id(code))
        if known is not None:
            return known
        first, rules = self.points(code).numbered
        told_of = self.points(code).told_of

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            kernel = self.live
            if event != "line" or kernel is None or kernel.atomic or get_ident() != self.thread:
                if event == "opcode":
                    self._at_instruction(code, frame)
                return trace
            if told_of:
                frame.f_trace_opcodes = frame.f_lineno in told_of
            try:
                if kernel.watchers is not None:
                    kernel.watchers.line(kernel.current, code, frame.f_lineno)
                kernel.steps = steps = kernel.steps + 1
                if steps >= kernel.alarm:
                    self._outside(kernel._alarm)
                if kernel.asks_strategy:
                    line = frame.f_lineno
                    rule = rules[line - first]
                    if rule is not None and (rule is False or not touches(rule, frame)):  # type: ignore[arg-type]  # True is never kept
                        return trace
                    task = kernel.current
                    if kernel.sees is not None:
                        kernel.sees(task, code, line)
                    if not kernel.runq:
                        task.points += 1
                    elif (chosen := kernel.ask(task, True)) is not None:
                        self._outside(kernel.switch_to, chosen)
            except BaseException:  # CPython takes a trace function out that raises
                self._taken_out()
                raise
            return trace

        self._line_traces[id(code)] = trace
        return trace

    def _at_instruction(self, code: CodeType, frame: FrameType) -> None:
        points, offset = self.points(code), frame.f_lasti
        try:
            if offset in points.halves:
                self.within(code, points.halves[offset])
            elif offset in points.updates:
                self.updates(code, offset, frame)
        except BaseException:
            self._taken_out()
            raise

    def _taken_out(self) -> None:
        if self.live is not None and not self.live.ending:
            self.live.alarm = 0

    def _local(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if event == "line" and self._begun is not None:
            begun, self._begun = self._begun, None
            if begun is code:
                return self._local_trace
        points = self.points(code)
        # A line that is nothing but a jump to itself is no new line to CPython; its instruction is told.
        if event == self._event or (event == "opcode" and frame.f_lasti in points.self_jumps):
            try:
                self.at(code, frame.f_lineno if self._by_line else frame.f_lasti, frame)
            except BaseException:
                self._taken_out()
                raise
        elif event == "opcode" and self._by_line:
            self._at_instruction(code, frame)
        return self._local_trace


def make_preemption(granularity: str, scope: Scope) -> Preemption:
    """The mechanism of this Python for ``"lines"`` or ``"instructions"``."""
    return (_Monitoring if sys.version_info >= (3, 12) else _Tracing)(scope, granularity)
