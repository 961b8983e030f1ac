"""What a task hands to whoever waits for it: is that a thread of the process, from outside the world?

PYTEST_DONT_REWRITE

Owns the looks at those who wait at a condition, or for a queue in C, before anything is handed over. Does not word the refusal, nor know who may do so all
the same (``simsock.patching.outsiders``). Laws: outside a world's thread nothing is asked; who waits at a condition without a task behind its lock is
another OS thread; nothing that is found here is kept.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.plain_locals import variables_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

refuse: Callable[[Any, str, int], None] | None = None
"""Told of the object, what is done to it and the number of the OS thread that waits there; may raise."""
_SHARED_MAX = 50
"""So many attributes are looked at of what a waiting function knows."""


def to_whom(condition: Any, number: int | None, thing: Any, call: str) -> None:
    """Before as many as ``number`` (None: all) of those who wait at a condition are notified."""
    kernel = session.active
    if kernel is None or refuse is None or kernel.thread != get_ident() or kernel.ending:
        return
    told = 0
    for waiter in list(condition._waiters):
        if told == number:
            return
        if getattr(waiter, "holder", None) is None:  # a task has its waiter, or whoever is to release it for it
            ident = _who_waits(waiter)
            if ident:
                refuse(thing, call, ident)
            else:
                _forget(condition, waiter)
                continue
        told += 1


def _forget(condition: Any, waiter: Any) -> None:
    """Whoever waited with this is gone: it could not take it off the list, where a hybrid came in its place meanwhile."""
    with suppress(ValueError):
        condition._waiters.remove(waiter)


def _who_waits(waiter: Any) -> int:
    """The OS thread that waits with this lock in a condition's ``wait``; 0 if it does no longer."""
    locks = [waiter, getattr(waiter, "_real", waiter)]
    for ident, innermost in sys._current_frames().items():
        frame: FrameType | None = innermost
        while frame is not None and frame.f_globals.get("__name__") in ("threading", "simsock.stdlib._locks"):
            if frame.f_code.co_name == "wait" and any(variables_of(frame).get("waiter") is lock for lock in locks):
                return ident
            frame = frame.f_back
    return 0


def through_queue(queue: Any, real: Any) -> None:
    """Before something is put into a queue in C that was made outside the world: whoever waits there is in C, too."""
    kernel = session.active
    if kernel is None or refuse is None or kernel.ending:
        return
    for ident, frame in sys._current_frames().items():
        if ident != kernel.thread and _knows(frame, queue, real):
            refuse(queue, "SimpleQueue.put", ident)
            return


def _knows(frame: FrameType, queue: Any, real: Any) -> bool:
    """Whether the function in which a thread stands has one of these in a variable, under a global name, or as an attribute of what it has."""
    known = list(variables_of(frame).values())
    known += [frame.f_globals[name] for name in frame.f_code.co_names if name in frame.f_globals]
    if any(value is queue or value is real for value in known):
        return True
    for value in known:
        try:
            space = object.__getattribute__(value, "__dict__")
        except AttributeError:
            continue
        if type(space) is dict and any(held is queue or held is real for held in list(islice(space.values(), _SHARED_MAX))):
            return True
    return False


__all__ = ["refuse", "through_queue", "to_whom"]
