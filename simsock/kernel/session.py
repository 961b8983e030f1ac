"""What a process has to have set up while worlds run in it.

Owns the state that many worlds share: garbage collection off and everything older frozen, preemption events, which world is active.
A search opens one session for thousands of worlds; a world alone opens and closes its own. Law: what a session changed is as it was
before, also after an error.
"""

from __future__ import annotations

import gc
import itertools
import sys
from _thread import allocate_lock
from types import FrameType
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel import coverage_check
from simsock.kernel.launcher import borrow_launcher, return_launcher
from simsock.kernel.preempt import Preemption, make_preemption
from simsock.kernel.scope import Scope
from simsock.kernel.watchdog import watchdog
from simsock.supported import check

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

active: Kernel | None = None
"""The world that runs in this process, or None. One at a time."""
suspended: Kernel | None = None
"""A world that is out of the way for a while: see ``Session.suspend``."""


_FROZEN_AT_START_MAX = 1_000
"""CPython 3.12 starts with some hundred objects frozen; a program that freezes its own has many more, and keeps them frozen."""


COLLECT_EVERY = 2_000
"""Sessions between two full garbage collections. What was frozen once counts as old for good, so CPython itself hardly ever looks for what
the worlds before left behind."""

_sessions = itertools.count(1)
_open: set[Session] = set()
"""The sessions under way. There is one, but for a moment when a search in one OS thread ends while another begins in the next."""
_opening = allocate_lock()
_was_enabled = _was_frozen = False


def kernel() -> Kernel:
    """The active world's kernel; ``UsageError`` outside every world."""
    if active is None:
        raise UsageError("no world is running here: enter one with `with simsock.Simulation():`")
    return active


def _suspend_collection(session: Session) -> None:
    """No collection of its own accord from now on; the first session notes how things were before."""
    global _was_enabled, _was_frozen
    with _opening:
        if not _open:
            _was_enabled = gc.isenabled()
            _was_frozen = gc.get_freeze_count() > _FROZEN_AT_START_MAX
        _open.add(session)
        gc.disable()


def _resume_collection(session: Session) -> None:
    """The last session puts things as they were before the first."""
    with _opening:
        _open.discard(session)
        if _open:
            return
        if not _was_frozen:
            gc.unfreeze()
        if _was_enabled:
            gc.enable()
            if next(_sessions) % COLLECT_EVERY == 0:
                gc.collect()


class Session:
    """A context manager; re-entering is not possible, nesting is an error of whoever uses it."""

    __slots__ = ("launcher", "patching", "preemption")

    def __init__(self, granularity: str = "calls", scope: Scope | None = None, patching: Any = None) -> None:
        self.patching = patching
        """What puts the stand-ins into the process: ``prepare``, ``apply`` and ``remove`` frame the session, ``enter`` and ``leave`` each world; or None."""
        self.preemption: Preemption | None = None
        if granularity != "calls":
            assert scope is not None, "preemption needs a scope"
            self.preemption = make_preemption(granularity, scope)

    def __enter__(self) -> Session:
        check()
        if sys.gettrace() is not None:
            coverage_check.check(self.preemption.granularity if self.preemption is not None else "calls")
        if self.preemption is not None:
            self.preemption.start()
        self.launcher = borrow_launcher()
        watchdog.start()
        try:
            _suspend_collection(self)
            if self.patching is not None:
                self.patching.prepare()
            # Collections inside a world look at what the world made: older objects go out of the way, in constant time.
            gc.freeze()
            if self.patching is not None:
                self.patching.apply()
        except BaseException:
            self._take_down()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if self.patching is not None:
                self.patching.remove()
        finally:
            self._take_down()

    def _take_down(self) -> None:
        _resume_collection(self)
        return_launcher(self.launcher)
        watchdog.stop()
        if self.preemption is not None:
            self.preemption.stop()

    def enter_world(self, world: Kernel, frame: FrameType | None) -> None:
        """A world begins; ``frame`` is the frame that it begins in."""
        global active
        watchdog.guard(world)
        active = world
        world.preemption = self.preemption
        if self.preemption is not None:
            self.preemption.enter(world, frame)
        if self.patching is not None:
            try:
                self.patching.enter(world)
            except BaseException:
                active = None
                watchdog.release()
                raise

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
        """The world is over: called after its last task is dead."""
        global active
        active = None
        if self.patching is not None:
            self.patching.leave()
        watchdog.release()
