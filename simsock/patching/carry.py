"""State that Python keeps for an OS thread and that belongs to a task.

Owns asyncio's running loop and the contents of ``threading.local`` objects: when the kernel switches tasks, what the one had is put aside
and what the other had comes back. Does not know the scheduler. Laws: a task starts with nothing; locals of the harness are shared by all
tasks; contextvars, decimal contexts and exceptions in flight are each greenlet's own already.
"""

from __future__ import annotations

import _thread
import sys
from typing import Any
from weakref import WeakKeyDictionary

from simsock.kernel import Kernel, session
from simsock.patching.slots import is_harness

_real_local: Any = _thread._local
_registered: WeakKeyDictionary[Any, tuple[Any, Any]] = WeakKeyDictionary()
"""Every local of the program, with what its class's ``__init__`` was given: each task gets that anew."""


class local(_real_local):  # type: ignore[misc]  # an untyped C class
    """``threading.local`` as programs see it in the patched state; instances stay good for ever."""

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls, *args, **kwargs)
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if not is_harness(caller):
            _registered[self] = (args, kwargs)
            if session.active is not None:
                session.active.state.setdefault("locals", {})[id(self)] = (self, args, kwargs)
        return self


local.__module__, local.__qualname__ = "_thread", "_local"


class Carrier:
    """``kernel.carry``: called around every switch."""

    __slots__ = ("_get", "_locals", "_set", "kernel")

    def __init__(self) -> None:
        self.kernel: Kernel | None = None
        self._get: Any = None
        self._set: Any = None
        self._locals: dict[int, Any] = {}

    def enter(self, kernel: Kernel) -> None:
        """A world begins."""
        self.kernel = kernel
        kernel.carry = self
        self._locals = kernel.state.setdefault("locals", {})
        for known, (args, kwargs) in list(_registered.items()):
            self._locals[id(known)] = (known, args, kwargs)

    def leave(self) -> None:
        """The world is over."""
        if self.kernel is not None:
            self.kernel.carry = None
            self.kernel = None
        self._locals = {}

    def begin(self) -> None:
        """A new task runs for the first time: nothing of the one before it is left, and locals with an ``__init__`` are made anew."""
        self.restore(None)
        for found, args, kwargs in list(self._locals.values()):
            if type(found).__init__ is not object.__init__:
                found.__init__(*args, **kwargs)

    def save(self) -> Any:
        """Put the current task's state aside, leaving nothing behind; returns it."""
        loop = None
        asyncio = sys.modules.get("asyncio.events")
        if asyncio is not None:
            loop = asyncio._get_running_loop()
            if loop is not None:
                asyncio._set_running_loop(None)
        kept = None
        for found, _, _ in self._locals.values():
            space = found.__dict__
            if space:
                if kept is None:
                    kept = []
                kept.append((space, dict(space)))
                space.clear()
        return (loop, kept) if loop is not None or kept is not None else None

    def restore(self, state: Any) -> None:
        """Bring back what ``save`` put aside; the task that ran in between has left nothing, or something to be thrown away."""
        asyncio = sys.modules.get("asyncio.events")
        if asyncio is not None and (state is None or state[0] is None) and asyncio._get_running_loop() is not None:
            asyncio._set_running_loop(None)
        for found, _, _ in self._locals.values():
            if found.__dict__:
                found.__dict__.clear()
        if state is not None:
            if state[0] is not None and asyncio is not None:
                asyncio._set_running_loop(state[0])
            for space, content in state[1] or ():
                space.update(content)


__all__ = ["Carrier", "local"]
