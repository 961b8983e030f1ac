"""State that Python keeps for an OS thread and that belongs to a task.

PYTEST_DONT_REWRITE

Owns asyncio's running loop, from 3.14 on its current task too, and the contents of ``threading.local`` objects: when the kernel switches
tasks, what the one had is put aside and what the other had comes back. Does not know the scheduler. Laws: a task starts with nothing; locals
of the harness are shared by all tasks; contextvars, decimal contexts and exceptions in flight are each greenlet's own already.
"""

from __future__ import annotations

import _thread
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary, ref

from simsock.harness import is_harness
from simsock.kernel import Kernel, session
from simsock.kernel.unpreempted import unpreempted
from simsock.patching.room import Room

_modules = sys.modules
_ASYNCIO = "asyncio.events"
real_local: Any = _thread._local
registered: WeakKeyDictionary[Any, tuple[Any, Any]] = WeakKeyDictionary()
"""Every local of the program, with what its class's ``__init__`` was given: each task gets that anew."""
_born = 0
"""How many were registered so far: tells whether there are new ones."""
_carrier: Carrier | None = None
"""The one of the live world."""


class local(real_local):  # type: ignore[misc]  # an untyped C class
    """``threading.local`` as programs see it in the patched state; instances stay good for ever."""

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls, *args, **kwargs)
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if not is_harness(caller):
            global _born
            _born += 1
            registered[self] = (args, kwargs)
            kernel = session.active
            if kernel is not None and _carrier is not None and _carrier.kernel is kernel and kernel.thread == _get_ident():
                _carrier.add(self, args, kwargs)
        return self


local.__module__, local.__qualname__ = "_thread", "_local"
_get_ident = _thread.get_ident


def register(found: Any) -> None:
    """A local from before; what its ``__init__`` was given is in the C object."""
    global _born
    if found in registered:
        return
    _born += 1
    args: Any = ()
    kwargs: Any = {}
    if type(found).__init__ is not object.__init__:
        for part in gc.get_referents(found):
            if type(part) is tuple:
                args = part
            elif type(part) is dict and part and all(type(key) is str for key in part):
                kwargs = part
    registered[found] = (args, kwargs)


def _set_hooks(hooks: tuple[Any, Any]) -> None:
    if sys.getprofile() is not hooks[0]:
        sys.setprofile(hooks[0])
    if sys.gettrace() is not hooks[1]:
        sys.settrace(hooks[1])


@contextmanager
def _without_points(kernel: Kernel) -> Iterator[None]:
    """What runs within the block is counted as nothing, unless it waits."""
    task, steps, switches = kernel.current, kernel.steps, kernel.switches
    points = task.points
    with unpreempted(kernel):
        yield
    task.points = points
    if kernel.switches == switches:
        kernel.steps = steps


def _say_nothing(loop: Any, context: dict[str, Any]) -> None:
    """An event loop's handler of errors."""


class Carrier:
    """``kernel.thread_state``: called around every switch."""

    __slots__ = ("_aside", "_hooks", "_knows", "_loops", "_makers", "_refs", "_run", "_running", "_spaces", "_swap", "kernel")

    def __init__(self) -> None:
        self.kernel: Kernel | None = None
        self._running: Any = None
        self._run: Any = None
        self._swap: Any = None
        """asyncio's functions that get and set the running loop, once it is loaded; and that which exchanges the running loop's current task, where
        that is the OS thread's (3.14) and not the loop's own."""
        self._spaces: dict[int, dict[str, Any]] = {}
        """This OS thread's attributes of every local: one dict object each, whose contents come and go."""
        self._makers: dict[int, Any] = {}
        """What runs a subclass's ``__init__`` in a new task."""
        self._refs: list[Any] = []
        self._hooks: tuple[Any, Any] | None = None
        """The profile and trace functions of this OS thread outside the world, once a thread of the program has got any of its own."""
        self._aside: list[Any] | None = None
        """What the first task had when the world was suspended, in a list; None when it is not."""
        self._loops: dict[int, Any] = {}
        """The event loops of this world, by identity: those that were not closed when the last of them came, or not before the world's end. Weak references, so
        that a loop is freed when the program lets go of it."""
        self._knows: tuple[int, int] | None = None
        """The OS thread, and ``_born``, that the tables above are of: worlds of one search share them."""

    def enter(self, kernel: Kernel) -> None:
        """A world begins. What this may be interrupted by at any moment: only what is noted is ever cleared, and it is noted in one go."""
        global _carrier
        if self._knows != (kernel.thread, _born):
            self._clear()
            with _without_points(kernel):  # an OS thread that has not used one yet runs its ``__init__`` now
                for known, (args, kwargs) in list(registered.items()):
                    self.add(known, args, kwargs)
            self._knows = (kernel.thread, _born)
        # What the code outside had set is the first task's in each world, and what that changes ends with it.
        kernel.room(Room).locals_before = [(space, dict(space)) for space in self._spaces.values() if space]
        self.kernel = kernel
        _carrier = kernel.thread_state = self

    def leave(self) -> None:
        """The world is over."""
        global _carrier
        kernel = self.kernel
        if kernel is None:
            return
        _carrier = kernel.thread_state = None
        for space in self._spaces.values():
            space.clear()
        if self._hooks is not None:
            _set_hooks(self._hooks)
            self._hooks = None
        before = kernel.room(Room)
        for space, content in before.locals_before:
            space.update(content)
        self.kernel = None  # from here on it is done; until here it is done once more if something comes in between
        self._aside = None
        before.locals_before = []

    def _note_loop(self, loop: Any) -> None:
        """One more; a program may have run and closed thousands. Of those that close in the end tasks may still be freed."""
        if self.kernel is not None and not self.kernel.ending:
            self._loops = {key: known for key, known in self._loops.items() if not getattr(known(), "_closed", True)}
        try:
            self._loops[id(loop)] = ref(loop)
        except TypeError:  # of a class with slots
            self._loops[id(loop)] = lambda: loop

    def tasks_are_over(self) -> None:
        """The world's tasks have ended, and what they leave is about to be collected. asyncio complains of its tasks that are freed before they are done, and
        of errors that nobody asked for. Of loops that have ended with their world these are no mistakes of the program."""
        loops, self._loops = self._loops, {}
        for known in loops.values():
            loop = known()
            if getattr(loop, "_thread_id", loop) is None and loop is not None:  # it does not run any more
                loop.set_exception_handler(_say_nothing)

    def suspend(self) -> None:
        """Put the first task's state aside, and bring back what the code outside the world had."""
        global _carrier
        kernel = self.kernel
        if kernel is None or self._aside is not None:
            return
        self._aside = [self.save()]
        kernel.thread_state = _carrier = None
        for space, content in kernel.room(Room).locals_before:
            space.update(content)

    def resume(self) -> None:
        """The reverse."""
        global _carrier
        kernel, aside = self.kernel, self._aside
        if kernel is None or aside is None:
            return
        kernel.room(Room).locals_before = [(space, dict(space)) for space in self._spaces.values() if space]
        self.restore(aside[0])
        self._aside = None
        _carrier = kernel.thread_state = self

    def follow_hooks(self) -> None:
        """A thread is about to start that gets a profile or trace function (``threading.setprofile``, ``settrace``): from now on each task has its own."""
        if self._hooks is None:
            self._hooks = sys.getprofile(), sys.gettrace()

    def _clear(self) -> None:
        self._spaces.clear()
        self._makers.clear()
        self._refs.clear()

    def add(self, found: Any, args: Any, kwargs: Any) -> None:
        """One more local."""
        key = id(found)
        try:
            self._spaces[key] = found.__dict__
        except Exception:  # the program's __init__ failed in this thread: whoever uses the local will see it
            return
        if type(found).__init__ is not object.__init__:
            weak, make = ref(found), type(found).__init__
            self._makers[key] = lambda: make(weak(), *args, **kwargs)
        self._refs.append(ref(found, lambda _: self._forget(key)))

    def _forget(self, key: int) -> None:
        self._spaces.pop(key, None)
        self._makers.pop(key, None)

    def begin(self) -> None:
        """A new task runs for the first time: nothing of the one before it is left, and locals with an ``__init__`` are made anew.

        CPython does that when a thread first uses one. Here it is no place to switch tasks: which locals there are, used or not, must change no run.
        """
        self.restore(None)
        kernel = self.kernel
        if not self._makers or kernel is None:
            return
        with _without_points(kernel):
            for make in list(self._makers.values()):
                make()

    def _look_for_loops(self) -> Any:
        loops = _modules.get(_ASYNCIO)
        self._run = getattr(loops, "_set_running_loop", None)  # half-made while it is imported
        self._running = getattr(loops, "_get_running_loop", None) if self._run is not None else None
        if sys.version_info >= (3, 14) and self._running is not None:
            self._swap = getattr(_modules.get("_asyncio"), "_swap_current_task", None)
        return self._running

    def switch(self, task: Any) -> None:
        """Switch to another task and, some time, back: with what this OS thread keeps for each. All in one, because it is done at every switch."""
        running = self._running
        if running is None and _ASYNCIO in _modules:
            running = self._look_for_loops()
        kept: Any = None
        if (running is not None and running() is not None) or any(self._spaces.values()):
            kept = self.save()
        if self._hooks is None:
            task.greenlet.switch(task)
            if self._hooks is not None:
                _set_hooks(self._hooks)  # type: ignore[unreachable]  # another task may have begun to follow them meanwhile
        else:
            hooks = sys.getprofile(), sys.gettrace()
            _set_hooks(self._hooks)
            task.greenlet.switch(task)
            _set_hooks(hooks)
        kernel = self.kernel
        if kernel is None or kernel.thread_state is not self:  # the world has ended meanwhile
            return
        running = self._running
        if kept is not None or (running is not None and running() is not None) or any(self._spaces.values()):
            self.restore(kept)

    def save(self) -> Any:
        """Put the current task's state aside, leaving nothing behind; returns it."""
        loop = current = None
        running = self._running or self._look_for_loops()
        if running is not None:
            loop = running()
            if loop is not None:
                known = self._loops.get(id(loop))
                if known is None or known() is not loop:
                    self._note_loop(loop)
                current = self._put(None)
        kept = None
        for space in self._spaces.values():
            if space:
                if kept is None:
                    kept = []
                kept.append((space, dict(space)))
                space.clear()
        return (loop, kept, current) if loop is not None or kept is not None else None

    def _put(self, loop: Any, current: Any = None) -> Any:
        """Exchange the running loop; returns the current task of the one before."""
        swap = self._swap
        before = None
        if swap is not None:
            was = self._running()
            if was is not None:
                before = swap(was, None)
        self._run(loop)
        if current is not None:
            swap(loop, current)
        return before

    def restore(self, state: Any) -> None:
        """Bring back what ``save`` put aside; the task that ran in between has left nothing, or something to be thrown away."""
        running = self._running
        loop = None if state is None else state[0]
        if running is not None and running() is not loop:
            self._put(loop, None if state is None else state[2])
        for space in self._spaces.values():
            if space:
                space.clear()
        if state is not None and state[1] is not None:
            for space, content in state[1]:
                space.update(content)


__all__ = ["Carrier", "local", "real_local", "register", "registered"]
