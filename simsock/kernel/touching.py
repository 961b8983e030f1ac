"""What each transition of a run touches: what a task did from one question of the scheduler to the next.

PYTEST_DONT_REWRITE

Owns ``Touching``, a watcher that gathers the footprints of lines into those of transitions, for a search that leaves out orders which cannot matter. Does
not know searches. Unlike a strategy's guess, what is said here must never be too little; where it is not known for sure, it is ``OPAQUE``. Laws:

* a transition touches what its lines touch, what the lines of its callers touch, into which it may return, and what it did to the kernel's tables: timers
  that it set, tasks that it started, its end;
* a library's code is opaque, but for starting and ending a thread, and for what ``threading`` and ``queue`` do with things that have a lock of the world,
  whose name stands for all of them.
"""

from __future__ import annotations

import builtins
import ctypes
import sys
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from simsock.kernel.bytecode import Instruction, instructions_at
from simsock.kernel.footprints import (
    _CALLS,
    _CONSTANT,
    _FOREIGN_CODE,
    _NOT_A_START,
    _OPERATORS,
    _PURE,
    _UNKNOWN,
    ITEMS,
    NOTHING,
    OPAQUE,
    PLAIN,
    Footprint,
    Touch,
    _Line,
    _Method,
    is_simulated,
    local_value,
    simulated_names,
    static_attribute,
)
from simsock.kernel.items import GONE_THROUGH
from simsock.kernel.launcher import _body
from simsock.kernel.loop_heads import UNKNOWN as UNKNOWN_LOOP
from simsock.kernel.loop_heads import gone_through
from simsock.kernel.one_line_loops import Loop, elements_of, loops_of
from simsock.kernel.plain_operands import UNKNOWN, items_touched
from simsock.kernel.watchers import Watcher
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

ANY: Footprint = frozenset((OPAQUE,))
_ALIASES = frozenset(("__dict__", "vars", "globals", "setattr", "delattr", "__setattr__", "__delattr__"))
"""Who names one of these may reach attributes by other ways than their names. (``locals`` of a function are copies; the rewritten ``assert`` asks for them.)"""
_ITEMS = frozenset(((ITEMS, "r"), (ITEMS, "w")))
_TIMERS: Touch = ("timers", "w")
_SPAWNS: Touch = ("spawns", "w")
_MADE: Touch = ("things made", "w")
"""Locks and threads are numbered in the order in which they are made."""
_MAKES = frozenset("Lock RLock Event Condition Semaphore BoundedSemaphore Barrier Thread allocate_lock Queue LifoQueue PriorityQueue SimpleQueue".split())
_ENDS = {"join": None, "result": "j", "is_alive": "r", "done": "r"}
"""Methods of a thread or task that ask whether it has ended, and how they touch its end. Who waits for it, however long that takes, goes on when it has come
as he would if he had come later himself: when he began to wait makes no difference. ``join`` does nothing else; ``result`` may be one that does not wait."""
_UNLESS_IT_WAITS = "j"
_STARTS = frozenset("start spawn".split())
_QUIET = frozenset("sleep get_ident current_thread get_native_id monotonic monotonic_ns time time_ns perf_counter perf_counter_ns main_thread".split())
"""Functions of the simulated modules whose answers no other task that can run now changes; a sleep sets a timer, which is told."""
_QUIET_MODULES = frozenset(("math", "operator", "_operator"))
_CONTAINERS = frozenset(("builtins", "collections"))
_PURE_OF_VALUES = _PURE - frozenset("map filter sorted min max iter".split())
"""Of the functions that change nothing, those that call no argument."""
_READS_CONTENTS = _OPERATORS | _CALLS | {"BINARY_SUBSCR"}
_OTHER_OPERATORS = _OPERATORS - {"GET_ITER", "FOR_ITER"}
_TWO = frozenset("LOAD_FAST_LOAD_FAST LOAD_FAST_BORROW_LOAD_FAST_BORROW".split())
_SAVES = "LOAD_FAST_AND_CLEAR"
_PROLOGUE = frozenset("SWAP BUILD_LIST BUILD_SET BUILD_MAP GET_ITER".split())
"""After ``_SAVES``, until the loop of a comprehension begins. From 3.15 on, GET_ITER is among them; before, it comes first."""
_OF_FILES = frozenset("send throw close write writelines read readline readlines seek truncate flush".split())


def end_of(ident: object) -> str:
    """The name of the end of the task with this identity."""
    return f"end {ident}"


class _AnyOf(NamedTuple):
    """What the variable of a loop on one line stands for: each of these in its turn."""

    values: tuple[Any, ...]


class _Exact(_Line):
    """The reading of a line that says too much rather than too little."""

    def read(self) -> tuple[Footprint, Footprint]:
        """What the line touches, and what of it until its one simulated operation begins."""
        self.operation: set[Touch] = set()
        """Touches of simulated things."""
        self.foreign_calls = 0
        self.is_unsure = False
        if (simple := self._of_simple()) is not None:
            return simple, simple
        names = [found.name for found in self.instructions]
        self._stored: set[str] = set()
        self._loops: list[Loop] = []
        self._iterated: Any = _UNKNOWN
        self._before = self._name = ""
        self._is_called = self._was_called = self._starts = self._is_chain_called = False
        """Whether the chain that is being read is what the line calls; the same of the one before; whether it has just begun."""
        self._arguments: list[Any] = []
        """Functions and classes that it does not call itself."""
        self.calls_others = False
        """Whether it calls what may call them."""
        self._is_prologue = False
        """Whether the last instructions were what a comprehension begins with, between what it goes through and its loop."""
        self._heads: dict[int, Any] = {}
        """What loops go through, by the offsets of their heads."""
        if any("JUMP_BACKWARD" in name for name in names):
            self._loops = loops_of(self.instructions)
            for found in self.instructions:
                if found.name.startswith("STORE_FAST"):
                    self._stored.update(_names_of(found.value)[: 1 if found.name == "STORE_FAST_LOAD_FAST" else 2])
        whole = self.footprint()
        if self._arguments and self.calls_others:
            for argument in self._arguments:
                self.foreign_calls += 1
                super()._calls(argument)
            whole = frozenset(self.touches)
        written = {name for name, how in whole if how == "w"}
        changes_what_it_reads = any(how == "r" and name in written for name, how in whole - {(ITEMS, "r")})
        if self.is_unsure or (self.operation and (changes_what_it_reads or self.foreign_calls)):
            return ANY, ANY
        whole |= self.operation
        chains = sum(not _is_plain(value) for value in self.values)
        has_one = bool(self.operation) and chains == 1 and sum(name == "BEFORE_WITH" for name in names) < 2 and names.count("LOAD_SPECIAL") <= 2
        return whole, whole - self.operation if has_one else whole

    def _of_simple(self) -> Footprint | None:
        """Of a line without calls, whose items are known, or that is the head of a loop."""
        frame = self.frame
        assert frame is not None
        items = items_touched(self.instructions, PLAIN, self._value, _known_attribute)
        if items is None:
            through = gone_through(frame.f_code, self.instructions, self._value)
            if through is UNKNOWN_LOOP or type(through) not in GONE_THROUGH:
                return None
            items = GONE_THROUGH[type(through)]
        for found in self.instructions:
            super()._names(found)
        touches, self.touches = self.touches - _ITEMS, set()
        return frozenset(touches | items)

    def _start(self, found: Instruction) -> Any:
        start = super()._start(found)
        if found.name == "STORE_FAST_LOAD_FAST":
            self._stored.add(found.value[0])
            start = self._local(found.value[1])
        if start is not _NOT_A_START:
            self._starts, self._was_called = found.name in _TWO or found is not self.instructions[-1], self._is_called
            self._is_called = self._before == "PUSH_NULL" or (found.name == "LOAD_GLOBAL" and "NULL" in found.text)
        elif found.name == _SAVES:
            return _UNKNOWN
        elif found.name.startswith("STORE_FAST"):
            self._stored.update(_names_of(found.value))
        return start

    def _local(self, name: str) -> Any:
        """A local variable that the line has stored is another object by the time it is used; in a loop, one of those that the loop goes through."""
        if name not in self._stored:
            return super()._local(name)
        at = self._at.offset
        within = [loop for loop in self._loops if loop.variable == name and loop.first <= at < loop.last]
        values = elements_of(self._heads.get(within[-1].head, _UNKNOWN)) if within else None
        return _UNKNOWN if values is None else _AnyOf(values)

    def _names(self, found: Instruction) -> None:
        name = found.name
        self._before, self._at, self._name = self._name, found, name
        self._starts = False
        if name in ("PUSH_NULL", "LOAD_METHOD") or (name == "LOAD_ATTR" and "NULL|self" in found.text):
            self._is_called = True
        self._is_prologue = name == _SAVES or (self._is_prologue and name in _PROLOGUE)
        if (name == "GET_ITER" and not self._is_prologue) or (name == _SAVES and self._before not in ("GET_ITER", _SAVES)):
            self._iterated = _UNKNOWN
        elif name == "FOR_ITER":
            self._heads[found.offset], self._iterated = self._iterated, _UNKNOWN
        super()._names(found)

    def _attribute(self, value: Any, name: str) -> Any:
        if type(value) is _AnyOf:
            return _AnyOf(tuple(super(_Exact, self)._attribute(one, name) for one in value.values))
        return super()._attribute(value, name)

    def _chain_ends(self, value: Any, enters: bool) -> None:
        if self._name == "GET_ITER" or (self._name == _SAVES and self._before != _SAVES):
            # another name than that of a local variable may stand for another list by the second pass
            self._iterated = value if self._before.startswith("LOAD_FAST") else _UNKNOWN
        elif self._name == "FOR_ITER":
            self._heads[self._at.offset] = value
        if type(value) is _AnyOf:
            before, most = self.callees, self.called * (not value.values)
            for one in value.values:
                self.callees = before
                self._chain_ends(one, enters)
                most = max(most, self.callees - before)
            self.callees = before + most
            self._iterated = _UNKNOWN  # what a loop within a loop goes through is another one each time
            self._heads.update({self._at.offset: _UNKNOWN} if self._name == "FOR_ITER" else {})
            return
        names = []
        if value is not _UNKNOWN and not _is_plain(value) and not isinstance(value, _Method):
            names = simulated_names(value.__self__ if isinstance(value, MethodType) else value)
        if enters and not names and not _is_plain(value):
            self.is_unsure = True  # what is entered is not known
        if enters or self.called:
            self.operation.update((name, "w") for name in names)
        self._is_chain_called = self._was_called if self._starts else self._is_called and self._name not in _TWO
        if self._is_chain_called and (value is _UNKNOWN or isinstance(value, _Method)):
            self.calls_others = True
        super()._chain_ends(value, enters)

    def _operators(self, names: list[str]) -> None:
        heads = self._heads.values()
        if len(heads) == names.count("FOR_ITER") > 0 and all(type(value) in GONE_THROUGH for value in heads) and not _OTHER_OPERATORS.intersection(names):
            self.touches.update(touch for value in heads for touch in GONE_THROUGH[type(value)])
            return
        super()._operators(names)
        if not _READS_CONTENTS.isdisjoint(names) and any(hasattr(type(value), "__next__") or hasattr(type(value), "__missing__") for value in self.values):
            self.touches.add((ITEMS, "w"))  # to read it changes it

    def _value(self, loaded: str, what: Any) -> Any:
        """What one instruction loads."""
        frame = self.frame
        if frame is None or "CONST" in loaded or "SMALL" in loaded:
            return what
        if loaded == "LOAD_GLOBAL":
            return frame.f_globals[what] if what in frame.f_globals else vars(builtins).get(what, _UNKNOWN)
        return local_value(frame, what)

    def _follows(self, value: Any) -> bool:
        return not is_simulated(type(value).__module__) and super()._follows(value)

    def _calls_method(self, method: _Method) -> None:
        of = method.of
        known = type(of) is not object and not isinstance(of, _Method)
        if known and (names := simulated_names(of)):
            self.operation.update((name, "w") for name in names)
            super()._calls_method(method)
        elif (method.name in _OF_FILES and type(of).__module__ not in _CONTAINERS) or (
            known and type(of) not in PLAIN and type(of).__module__ not in _CONTAINERS
        ):
            self.touches.add(OPAQUE)
        else:
            super()._calls_method(method)

    def _calls(self, value: Any) -> None:
        owner = value.__self__ if isinstance(value, MethodType) else None
        function = value.__func__ if isinstance(value, MethodType) else value
        module = getattr(function, "__module__", "") if isinstance(function, (FunctionType, BuiltinFunctionType, type)) else type(function).__module__
        if not is_simulated(module):
            if isinstance(function, (FunctionType, type)) and not self._is_chain_called:
                self._arguments.append(value)
                return
            if function is range:
                self.callees += 1
                return
            self.foreign_calls += isinstance(function, (FunctionType, type)) and module != "builtins"
            self.calls_others = self.calls_others or (callable(function) and not (module == "builtins" and function.__name__ in _PURE_OF_VALUES))
            super()._calls(value)
            return
        if not callable(function):
            if simulated_names(function):
                self.callees += 1  # what leaves a ``with``
            return
        self.callees += 1
        self.operation.update(_of_simulated(function, owner))
        self.is_unsure = self.is_unsure or OPAQUE in self.operation

    def _calls_builtin(self, function: BuiltinFunctionType) -> None:
        owner = function.__self__
        if type(owner).__name__ == "module" or owner is None:
            if function.__module__ == "builtins":
                super()._calls_builtin(function)
            elif function.__module__ in _QUIET_MODULES:
                self.touches.add((ITEMS, "r"))
            else:
                self.touches.add(OPAQUE)
        elif simulated_names(owner) or type(owner).__module__ in _CONTAINERS:
            super()._calls_builtin(function)
        else:
            self.touches.add(OPAQUE)


def _known_attribute(value: Any, name: str) -> Any:
    found = static_attribute(value, name)
    return UNKNOWN if found is _UNKNOWN or found is _FOREIGN_CODE else found


def _is_plain(value: Any) -> bool:
    return value is _CONSTANT or type(value) in PLAIN


def _names_of(value: Any) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,)


def _of_simulated(function: Any, owner: Any) -> set[Touch]:
    name = getattr(function, "__name__", "")
    if owner is not None and (names := simulated_names(owner)) and type(owner).__name__ != "Thread" and not hasattr(owner, "_bootstrap"):
        return {(found, "w") for found in names}
    if name in _ENDS and owner is not None:
        ident = getattr(owner, "_ident", None) if hasattr(owner, "_bootstrap") else getattr(owner, "ident", None)
        how = _ENDS[name]
        return {OPAQUE} if ident is None else {(end_of(ident), how)} if how is not None else set()
    if name in _STARTS:
        return {_SPAWNS}
    if name in _MAKES:
        return {_MADE}
    if name in _QUIET:
        return set()
    return {OPAQUE}


class Standing(NamedTuple):
    """Where the tasks of a run stand at a question, as far as that can be kept for another run that comes to the same question."""

    touches: dict[int, tuple[Footprint, Footprint, bool]]
    is_aliased: bool


class _Ahead:
    """Where a task stands: its frame, the line that it is about to run or is in, and what that touches."""

    __slots__ = ("frame", "in_operation", "light", "line", "touches")

    def __init__(self, frame: FrameType | None, line: int, touches: Footprint, light: Footprint) -> None:
        self.frame = frame
        self.line = line
        self.touches = touches
        self.light = light
        """Until its operation begins."""
        self.in_operation = False


class Touching(Watcher):
    """Of one world. ``closed`` at a question, ``begins`` after it.

    ``sleeps``: what is touched is known from an earlier run, up to a question; there ``wakes`` is told how that run stood (``standing``).
    """

    def __init__(self, in_scope: Callable[[str], bool], sleeps: bool = False) -> None:
        self._in_scope = in_scope
        self._sleeps = sleeps
        self._kernel: Any = None
        self._ahead: dict[int, _Ahead] = {}
        """By task."""
        self._now: set[Touch] = set()
        """What the transition under way has touched, and those of tasks that went on after it because nobody else could."""
        self._runs = -1
        """Whose transition is under way; -1 when that task has come to its end or waits."""
        self._own: Footprint = ANY
        """What it had touched by then."""
        self._before: set[Touch] = set()
        """The same, once it is over."""
        self._begun = -1
        """Who went on after the last question."""
        self.forced: list[str] = []
        """Who went on after that one, because nobody else could, in the order of their turns."""
        self.is_cut = False
        """Whether the world has ended while others could have gone on."""
        self._last: _Ahead | None = None
        """What was told last, if its line has begun to run without a question."""
        self._told_at = (-1, -1)
        self._timers = 0
        self._errors = 0
        self._is_aliased = False
        """Whether some code may have made a dictionary of attributes known: from then on an item may be an attribute."""

    def world_begins(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def world_ends(self, kernel: Kernel) -> None:
        for task in kernel.tasks.values():
            if task is kernel.current:
                self._shows(task)
                self._forced(task)
        self.is_cut = any(task.queue is None or task.timer is not None for task in kernel.tasks.values() if task is not kernel.current)
        self._ahead.clear()
        self._last = None

    def standing(self) -> Standing:
        """At a question, after ``closed``."""
        return Standing({serial: (ahead.touches, ahead.light, ahead.in_operation) for serial, ahead in self._ahead.items()}, self._is_aliased)

    def wakes(self, known: Standing) -> None:
        """At the same question of a later run, after ``closed`` and before ``begins``."""
        self._sleeps = False
        self._is_aliased = known.is_aliased
        for serial, ahead in self._ahead.items():
            ahead.touches, ahead.light, ahead.in_operation = known.touches.get(serial, (ANY, ANY, True))

    def line(self, task: Task, code: CodeType, at: int) -> None:
        self._run_on()
        self._forced(task)
        if task.serial != self._told_at[0] and (before := self._ahead.get(task.serial)) is not None:
            self._now |= before.touches
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not code:
            frame = frame.f_back
        self._last = self._ahead[task.serial] = _Ahead(frame, at, *(self._of(frame, at) if frame is not None and not self._sleeps else (ANY, ANY)))
        self._told_at = (task.serial, self._kernel.steps + 1)

    def waits(self, task: Task) -> None:
        if task.why == "join" and task.timer is None:
            told, self._last = self._last, None
            ahead = self._ahead.get(task.serial)
            for touches in (told.touches if told is not None else NOTHING, ahead.touches if ahead is not None else ANY):
                self._now.update(touch for touch in touches if touch[1] != _UNLESS_IT_WAITS)
        else:
            self._shows(task)
            if task.why == "join":
                self._now.add((end_of(task.on.ident), "r"))
        self._is_over(task)

    def task_starts(self, task: Task) -> None:
        self._now.add(_SPAWNS)

    def task_ends(self, task: Task) -> None:
        self._shows(task)
        self._now.add((end_of(task.ident), "w"))
        self._ahead.pop(task.serial, None)
        self._is_over(task)

    def _is_over(self, task: Task) -> None:
        """A task's transition is, before the next question."""
        if task.serial == self._runs:
            self._runs, self._own = -1, self._all()
            self._before, self._now = self._now, set()
        else:
            self._forced(task)

    def _forced(self, task: Task) -> None:
        if task.serial != self._begun and (not self.forced or self.forced[-1] != task.path):
            self.forced.append(task.path)

    def _run_on(self) -> None:
        """The line that was told last has run."""
        if self._last is not None:
            self._now |= self._last.touches
            self._last = None

    def _shows(self, task: Task) -> None:
        """It has run, maybe without a line of the program."""
        self._run_on()
        ahead = self._ahead.get(task.serial)
        self._now |= ahead.touches if ahead is not None else ANY

    def _of(self, frame: FrameType, at: int) -> tuple[Footprint, Footprint]:
        """Of a frame's line and those of its callers: all, and until the operation begins."""
        touches: set[Touch] = set()
        light: set[Touch] = set()
        line = at
        inner: FrameType | None = frame
        while inner is not None:
            code = inner.f_code
            if self._in_scope(code.co_filename):
                if not _ALIASES.isdisjoint(code.co_names):
                    self._is_aliased = True
                    return ANY, ANY
                found, before = _Exact(instructions_at(code, line, True), inner, self._in_scope).read()
                if _write_back is not None:
                    _write_back(inner, 1)  # the copy that looking has made: while it is still true
                touches |= found
                light |= before if inner is frame else found
            elif code is _body.__code__ or code.co_filename == _RUNNER:
                break
            elif not (code.co_filename == _THREADING and code.co_name in _BOTTOM):
                return ANY, ANY
            if OPAQUE in touches or (self._is_aliased and any(name.startswith(ITEMS) for name, _ in touches)):
                return ANY, ANY
            inner = inner.f_back
            line = inner.f_lineno if inner is not None and inner.f_lineno is not None else 0
        return frozenset(touches), frozenset(light)

    def closed(self, task: Task, preempting: bool) -> Footprint:
        """``task`` asks: what the transition touched that has come to its end."""
        kernel = self._kernel
        ahead = self._ahead.get(task.serial)
        if not preempting:
            self._run_on()
            self._now |= ahead.touches if ahead is not None else NOTHING if task.dead else ANY
        elif self._told_at != (task.serial, kernel.steps):  # an operation of the line, not the line itself
            if ahead is None:
                self._now.add(OPAQUE)
            else:
                self._now |= ahead.touches if ahead.in_operation else ahead.light
                ahead.in_operation = True
        self._last = None
        self._forced(task)
        whole = self._all()
        if self._runs >= 0:
            self._own = whole
        return whole

    def _all(self) -> Footprint:
        """What has been touched since the last question."""
        kernel = self._kernel
        if kernel.timers._serial != self._timers:
            self._timers = kernel.timers._serial
            self._now.add(_TIMERS)
        if len(kernel.errors) != self._errors:
            self._errors = len(kernel.errors)
            self._now.add(OPAQUE)
        return ANY if OPAQUE in self._now or OPAQUE in self._before else frozenset(self._before | self._now)

    @property
    def after(self) -> Footprint:
        """What those have touched who went on after that, without a question."""
        return NOTHING if self._runs >= 0 else ANY if OPAQUE in self._now else frozenset(self._now)

    @property
    def own(self) -> Footprint:
        """What the transition touched that began after the last question, up to where its task waited or ended, or else to this question (after
        ``closed``); anything, while it is under way."""
        return self._own

    def begins(self, task: Task, asker: Task) -> None:
        """``task`` goes on after the question."""
        ahead = self._ahead.get(task.serial)
        self._last = None
        self._runs = self._begun = task.serial
        self._own, self._before = ANY, set()
        self.forced = []
        if ahead is None:
            self._now = set(NOTHING if task.points == 0 else ANY)
            return
        if not ahead.in_operation:
            if task is not asker and ahead.frame is not None and not self._sleeps:  # others may have put other objects where its names lead
                ahead.touches, ahead.light = self._of(ahead.frame, ahead.line)
            self._now = {touch for touch in ahead.light if touch[1] != _UNLESS_IT_WAITS}
            self._last = ahead
        else:
            self._now = {touch for touch in ahead.touches if touch[1] != _UNLESS_IT_WAITS}


_write_back: Any = None
if sys.version_info < (3, 12):
    _write_back = ctypes.pythonapi.PyFrame_LocalsToFast
    _write_back.argtypes = [ctypes.py_object, ctypes.c_int]
    _write_back.restype = None
_RUNNER = __file__.replace("kernel/touching.py", "search/runner.py")
_THREADING = sys.modules["threading"].__file__ if "threading" in sys.modules else ""
_BOTTOM = frozenset(("run", "_bootstrap", "_bootstrap_inner", "_context_run"))
"""Of ``threading``: what is below the function of a thread."""

__all__ = ["ANY", "Touching", "end_of"]
