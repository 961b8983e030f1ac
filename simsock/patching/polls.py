"""The looks of ``threading`` and ``queue`` on which programs spin, while the patched state lasts.

Owns which methods of the standard classes are exchanged: their own, in place, since programs hold the classes. Law: outside a world's thread they do
what they always did, and afterwards they are what they were, by identity.
"""

from __future__ import annotations

import queue
import threading
from _thread import get_ident as _real_ident
from typing import Any

from simsock.kernel import session
from simsock.kernel.task import is_task_ident
from simsock.patching.classes import exchange, names_of
from simsock.stdlib import _polls, _thread_hashes
from simsock.stdlib._waiting import begin, looked

_swaps: list[tuple[type, dict[str, Any], list[tuple[str, Any, Any]]]] = []
for _class, _name, _now in (*_polls.polls_of_threading(vars(threading)), *_polls.polls_of_queue(vars(queue))):
    if not _swaps or _swaps[-1][0] is not _class:
        _swaps.append((_class, names_of(_class), []))
    _swaps[-1][2].append((_name, vars(_class)[_name], _now))
_enumerate, _active_count = threading.enumerate, threading.active_count


def apply() -> None:
    """The patched state begins."""
    exchange(_swaps)


def remove() -> None:
    """The patched state ends."""
    exchange(_swaps, back=True)


def methods() -> list[tuple[Any, Any]]:
    """(method, what stands in for it) of each that is exchanged in its class."""
    return [(before, now) for _, _, pairs_ in _swaps for _, before, now in pairs_]


def _list() -> list[Any]:
    looked(begin(session.active))
    return _of_the_world()


def _number() -> int:
    looked(begin(session.active))
    return len(_of_the_world())


def _of_the_world() -> list[Any]:
    """The main thread, the one that the world runs in, and the world's own. Others are the harness's, and no program waits for those."""
    main, here = threading.main_thread(), _real_ident()
    return [thread for thread in _enumerate() if thread is main or thread.ident == here or _is_task_s(thread)]


def _is_task_s(thread: threading.Thread) -> bool:
    return _thread_hashes.born_in_world(thread) if thread.ident is None else is_task_ident(thread.ident)


def pairs() -> list[tuple[Any, Any]]:
    """Functions that programs spin on, and what stands in for them."""
    return [(_enumerate, _list), (_active_count, _number)]


__all__ = ["apply", "methods", "pairs", "remove"]
