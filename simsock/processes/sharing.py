"""What ``multiprocessing`` shares among processes by other means than memory and descriptors: semaphores, and queues that a thread fills.

PYTEST_DONT_REWRITE

Owns how a child uses a semaphore, which is home's, and how it puts into a queue. Does not know ``multiprocessing`` beyond the names of its parts. Laws: a
semaphore is counted at home, whoever made it, so who waits for one is seen there; what a forked child puts into a queue is written at once, by whoever
puts it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.processes.redirecting import original_of, redirect
from simsock.stdlib._semaphores import Semaphores, SemLock

if TYPE_CHECKING:
    from simsock.processes.child import Child
    from simsock.processes.family import Member

_METHODS = "acquire release _count _get_value _is_mine _is_zero".split()


def make(member: Member, kind: int, value: int, maxvalue: int) -> int:
    """At home: a semaphore for a child; its number."""
    return SemLock(kind, value, maxvalue, "", True).number


def use(member: Member, number: int, name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """At home: a method of a semaphore."""
    return getattr(session.kernel().room(Semaphores).made[number], name)(*args, **keywords)


def apply(child: Child) -> None:
    """In a child: its semaphores are home's."""
    validated = original_of(SemLock.__init__)

    def init(self: Any, kind: int, value: int, maxvalue: int, name: str, unlink: bool) -> None:
        validated(self, kind, value, maxvalue, name, unlink)
        self.number = self.handle = child.ask("semaphore", kind, value, maxvalue)

    def rebuild(handle: int, kind: int, maxvalue: int, name: str | None) -> Any:
        made = SemLock.__new__(SemLock)
        made.kind, made.maxvalue, made.name, made.number, made.handle = kind, maxvalue, None, handle, handle
        return made

    redirect(SemLock._rebuild, rebuild)
    redirect(SemLock.__init__, init)
    redirect(SemLock._after_fork, lambda self: None)
    for name in _METHODS:
        redirect(getattr(SemLock, name), _method(child, name))
    queues: Any = sys.modules.get("multiprocessing.queues")
    if queues is not None:
        redirect(queues.Queue.put, _put(queues))
        redirect(queues.JoinableQueue.put, _put(queues))


def _method(child: Child, name: str) -> Any:
    return lambda self, *args, **keywords: child.ask("use semaphore", self.number, name, args, keywords)


def _put(queues: Any) -> Any:
    """``Queue.put`` without the thread that writes: this process does, and waits while the pipe is full."""

    def put(self: Any, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed")
        if not self._sem.acquire(block, timeout):
            raise queues.Full
        data = queues._ForkingPickler.dumps(obj)
        if hasattr(self, "_unfinished_tasks"):
            with self._cond:
                self._unfinished_tasks.release()
        with self._wlock:
            self._writer.send_bytes(data)

    return put


__all__ = ["apply", "make", "use"]
