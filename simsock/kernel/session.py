"""What a process has to have set up while worlds run in it.

Owns the state that many worlds share: garbage collection off and everything older frozen, preemption events, which world is active.
A search opens one session for thousands of worlds; a world alone opens and closes its own. Law: what a session changed is as it was
before, also after an error.
"""

from __future__ import annotations

import gc
import itertools
import sys
from _thread import RLock
from types import FrameType
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.hypothesis_time import before_freezing
from simsock.kernel import coverage_check
from simsock.kernel.boundaries import boundary
from simsock.kernel.launcher import borrow_launcher, return_launcher
from simsock.kernel.preempt import Preemption, make_preemption
from simsock.kernel.scope import Scope
from simsock.kernel.undoing import Undoing, do_all, each_again
from simsock.kernel.watchdog import watchdog
from simsock.supported import check

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

active: Kernel | None = None
"""The world that runs in this process, or None. One at a time."""
suspended: Kernel | None = None
"""A world that is out of the way for a while: see ``Session.suspend``."""
entered: Any = None
"""Who has begun a world (or half of one) in this process and has not taken all of it back; or None."""
before: tuple[int, int, Any] | None = None
"""Of the world that ended last: the first descriptor that it had given to nobody, its number and its seed."""


_FROZEN_AT_START_MAX = 1_000
"""CPython 3.12 starts with some hundred objects frozen; a program that freezes its own has many more, and keeps them frozen."""


COLLECT_EVERY = 2_000
"""Sessions between two full garbage collections. What was frozen once counts as old for good, so CPython itself hardly ever looks for what
the worlds before left behind."""

_sessions = itertools.count(1)
freezes = 0
"""How often objects were put out of the way of collections: when they come back, all of them are old."""
_open: set[Session] = set()
"""The sessions under way. There is one, but for a moment when a search in one OS thread ends while another begins in the next."""
_opening: Any = RLock()
"""Held by an OS thread for the few lines that begin or end a session in it. A signal may strike between them and the lock stays taken then: the same thread
goes on with it, and lets go of all of it when it takes back what it had begun."""
_was_enabled = _was_frozen = False


def kernel() -> Kernel:
    """The active world's kernel; ``UsageError`` outside every world."""
    if active is None:
        raise UsageError("no world is running here: enter one with `with simsock.Simulation():`")
    return active


def _suspend_collection(session: Session) -> None:
    """No collection of its own accord from now on; the first session notes how things were before."""
    global _was_enabled, _was_frozen
    _opening.acquire()
    try:
        if not _open:
            _was_enabled = gc.isenabled()
            _was_frozen = gc.get_freeze_count() > _FROZEN_AT_START_MAX
        _open.add(session)
        gc.disable()
    finally:
        _let_go()


def _resume_collection(session: Session) -> None:
    """The last session puts things as they were before the first. To be called again if it is interrupted."""
    _opening.acquire()
    try:
        if session not in _open:
            return
        if len(_open) == 1:
            if not _was_frozen:
                gc.unfreeze()
            if _was_enabled:
                gc.enable()
                if next(_sessions) % COLLECT_EVERY == 0:
                    gc.collect()
        _open.discard(session)
    finally:
        _let_go()


def _let_go() -> None:
    while _opening._is_owned():
        _opening.release()


class Session:
    """A context manager; re-entering is not possible, nesting is an error of whoever uses it."""

    __slots__ = ("_begun", "_has_world", "launcher", "patching", "preemption")

    def __init__(self, granularity: str = "calls", scope: Scope | None = None, patching: Any = None) -> None:
        self.patching = patching
        """What puts the stand-ins into the process: ``prepare``, ``apply`` and ``remove`` frame the session, ``enter`` and ``leave`` each world; or None."""
        self.preemption: Preemption | None = None
        if granularity != "calls":
            assert scope is not None, "preemption needs a scope"
            self.preemption = make_preemption(granularity, scope)
        self.launcher: Any = None
        self._begun = Undoing()
        self._has_world = False
        """A world has begun in it, or half of one, and not all of that is taken back."""

    @boundary
    def __enter__(self) -> Session:
        check()
        if sys.gettrace() is not None:
            coverage_check.check(self.preemption.granularity if self.preemption is not None else "calls")
        try:
            self._begin()
        except BaseException:
            self._begun.take_back()
            raise
        return self

    def _begin(self) -> None:
        global freezes
        begun, patching, preemption = self._begun, self.patching, self.preemption
        begun.begin(lambda: watchdog.stop(self))
        watchdog.start(self)
        if preemption is not None:
            begun.begin(preemption.stop)
            preemption.start()
        begun.begin(self._return_launcher)
        self.launcher = borrow_launcher()
        begun.begin(lambda: _resume_collection(self))
        _suspend_collection(self)
        if patching is not None:
            patching.prepare()
        before_freezing()
        # Collections inside a world look at what the world made: older objects go out of the way, in constant time.
        gc.freeze()
        freezes += 1
        if patching is not None:
            begun.begin(patching.remove)
            patching.apply()

    def _return_launcher(self) -> None:
        launcher, self.launcher = self.launcher, None
        if launcher is not None:
            return_launcher(launcher)

    @boundary
    def __exit__(self, *exc: object) -> None:
        do_all(self.leave_world, self._begun.take_back)

    def enter_world(self, world: Kernel, frame: FrameType | None) -> None:
        """A world begins; ``frame`` is the frame that it begins in. ``leave_world`` takes back what was begun, also half of it."""
        global active
        self._has_world = True
        watchdog.guard(world)
        active = world
        preemption = world.preemption = self.preemption
        if preemption is not None:
            preemption.enter(world, frame)
        if self.patching is not None:
            self.patching.enter(world)

    def suspend(self) -> None:
        """The world stands still, in its first task, and this thread is outside it until ``resume``: what it calls is real. Cheap."""
        global active, suspended
        watchdog.pause()
        if self.preemption is not None:
            self.preemption.live = None
        suspended, active = active, None
        if self.patching is not None:
            self.patching.suspend()

    def resume(self) -> None:
        """Go on where the world was suspended; nothing happens if it was not. Safe to call again after it was interrupted."""
        global active, suspended
        kernel = suspended
        if kernel is None:
            return
        if self.patching is not None:
            self.patching.resume()
        if self.preemption is not None:
            self.preemption.live = kernel
        active, suspended = kernel, None
        watchdog.go_on(kernel)

    def leave_world(self) -> None:
        """The world is over: called after its last task is dead, or when it could not begin. Safe to call again, also when it was interrupted."""
        global active, suspended, before
        if not self._has_world:
            return
        world = active or suspended
        if world is not None:
            before = world.process.given, world.number, world.seed
        preemption, patching = self.preemption, self.patching
        try:
            if preemption is not None:
                preemption.leave()
            active = suspended = None
            if patching is not None:
                patching.leave()
            watchdog.release()
        except BaseException:
            parts = (*((preemption.leave,) if preemption is not None else ()), _deactivate, *((patching.leave,) if patching is not None else ()))
            each_again(*parts, watchdog.release)
            self._has_world = False
            raise
        self._has_world = False


def _deactivate() -> None:
    global active, suspended
    active = suspended = None
