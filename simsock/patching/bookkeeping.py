"""What ``threading`` does on its own account: operations on locks that are no places where another task may go on.

PYTEST_DONT_REWRITE

Owns which frames of ``Lib/threading.py`` those are. Does not know locks. A thread's start takes a dozen operations on locks and its end another,
more on 3.11 than on 3.13; a search that may switch at each of them spends its schedules there and finds the program's own races late. Laws:

* what a program calls keeps a point of its own: ``start``, ``join``, the lock of a condition and all that is built on it;
* an operation that must wait does wait, wherever it stands; only the choice before it is not asked for.
"""

from __future__ import annotations

import threading
from types import CodeType, FrameType, FunctionType
from typing import Any

_SPACE = vars(threading)


def _codes(cls: Any, *names: str) -> frozenset[CodeType]:
    """Those of its methods that this Python has."""
    found = (vars(cls).get(name) for name in names)
    return frozenset(method.__code__ for method in found if isinstance(method, FunctionType))


_WHOLE = _codes(threading.Thread, "start", "_bootstrap", "_bootstrap_inner", "_stop") | _codes(threading.Condition, "_is_owned", "_release_save")
"""With all that they call in ``threading``: a thread's first and last moments, what follows the wait of a ``join``, what a condition asks its lock."""
_RELEASES = _codes(threading.Condition, "notify") | _codes(threading.Thread, "_wait_for_tstate_lock")
"""Releases that stand right there: of a waiter's own lock, while the condition's is held, and of the lock by which a thread tells its end."""
_PROGRAM = _codes(threading.Thread, "run") | _codes(threading.Timer, "run")
"""From here on the program's target is at work, be it a function of ``threading``."""


def is_bookkeeping(frame: FrameType | None, own: dict[str, Any], releasing: bool = False) -> bool:
    """Whether the operation that was called in ``frame``, ``releasing`` a lock or not, is; frames whose namespace is ``own`` are the operation's."""
    while frame is not None and frame.f_globals is own:
        frame = frame.f_back
    if frame is None or frame.f_globals is not _SPACE:
        return False
    if releasing and frame.f_code in _RELEASES:
        return True
    while frame is not None and frame.f_globals is _SPACE:
        code = frame.f_code
        if code in _WHOLE:
            return True
        if code in _PROGRAM:
            return False
        frame = frame.f_back
    return False


__all__ = ["is_bookkeeping"]
