"""What a task waits for, in the program's words: not for a lock inside of a queue, but for the queue.

PYTEST_DONT_REWRITE

Owns which functions of ``threading`` and ``queue`` are waits, and the numbers of their objects. Found from the frames of a task when a report is
written, so a run pays nothing for it. Laws: the outermost object counts; objects are numbered in the order of their making, each kind for itself,
without those that ``threading`` and ``queue`` make for themselves.
"""

from __future__ import annotations

import gc
import queue
import threading
from types import CodeType
from typing import Any

from simsock.kernel import task_table
from simsock.stdlib._waiting import described

_WAITS = {
    "Queue": {"get": "get from", "put": "put to", "join": "join"},
    "Event": {"wait": "wait for"},
    "Condition": {"wait": "wait for", "wait_for": "wait for"},
    "Semaphore": {"acquire": "acquire"},
    "Barrier": {"wait": "wait for"},
}
_words: dict[int, tuple[str, CodeType]] = {}
"""By identity of the code: what waiting there is called."""
_ends: dict[int, CodeType] = {}
"""Whatever calls these belongs to another program: a thread's target may be a queue's method."""
_kinds: dict[str, tuple[type, ...]] = {}


def learn(namespace: dict[str, Any]) -> None:
    """Note the functions of one module ``threading`` or ``queue``, before any of them is replaced."""
    for name, waits in _WAITS.items():
        cls = namespace.get(name)
        if cls is not None:
            _kinds[name] = (*_kinds.get(name, ()), cls)
            for method, words in waits.items():
                code = vars(cls)[method].__code__
                _words[id(code)] = words, code
    for name in ("Thread", "Timer"):
        if name in namespace:
            code = namespace[name].run.__code__
            _ends[id(code)] = code
            _kinds[name] = (*_kinds.get(name, ()), namespace[name])


def words_of(frame: Any) -> tuple[str, str] | None:
    """What the task does whose innermost frame this is, and with what: ``("get from", "Queue-2")``; None if it is nothing of the kind."""
    found = None
    while frame is not None:
        if id(frame.f_code) in _ends:
            break
        known = _words.get(id(frame.f_code))
        if known is not None and "self" in frame.f_locals:
            found = known[0], frame.f_locals["self"]
        frame = frame.f_back
    if found is None:
        return None
    words, waited = found
    return words, name_of(waited)


def name_of(waited: Any) -> str:
    """``"Queue-2"``."""
    return described(type(waited).__name__, _number(waited))


def _lock_of(waited: Any) -> Any:
    for name in ("mutex", "_lock"):
        lock = getattr(waited, name, None)
        if lock is not None:
            return lock
    return getattr(getattr(waited, "_cond", None), "_lock", None)


def _number(waited: Any) -> int:
    """Its place among all of its kind that the world has made and that are still there."""
    lock = _lock_of(waited)
    serial = getattr(lock, "_serial", 0)
    if not serial:
        return 0
    kind = type(waited)
    inner: set[int] = set()
    found = []
    for other in gc.get_objects():
        cls = type(other)
        if cls is kind:
            found.append(other)
        elif issubclass(cls, _kinds["Thread"]):
            inner.add(id(getattr(other, "_started", None)))
        if issubclass(cls, _kinds["Queue"]):
            inner.update(id(getattr(other, name, None)) for name in ("not_empty", "not_full", "all_tasks_done"))
        elif issubclass(cls, (*_kinds["Event"], *_kinds["Semaphore"], *_kinds["Barrier"])):
            inner.add(id(getattr(other, "_cond", None)))
    others = [_lock_of(other) for other in found if id(other) not in inner and other is not waited]
    return 1 + sum(1 for other in others if 0 < getattr(other, "_serial", 0) < serial and other._made_in == lock._made_in)


learn(vars(threading))
learn(vars(queue))
task_table.words_of = words_of

__all__ = ["learn", "name_of", "words_of"]
