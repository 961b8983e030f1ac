"""The healthy twins of ``racy_programs``: the same programs without the bug, which no schedule makes fail.

Owns what is mended in each. Does not know searches. Law: every program has its twin, under the same name and with the same options.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.quality.racy_programs import (
    PROGRAMS,
    Buffer,
    Count,
    Counter,
    Driver,
    Job,
    Pair,
    Parts,
    Stages,
    Tasks,
    bluetooth,
    lost_update,
    one_preemption,
    reorder,
    run_program,
    server_counter,
    stringbuffer,
    twostage,
    work_stealing,
)


class _LockedPair(Pair):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def set(self) -> None:
        with self.lock:
            super().set()

    def check(self) -> None:
        with self.lock:
            super().check()


class _OneLock(Stages):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def go(self) -> None:
        with self.lock:
            super().go()

    def look(self) -> None:
        with self.lock:
            super().look()


class _AsksUnderItsLock(Driver):
    def _enter(self) -> bool:
        with self.lock:
            if self.stopping:
                return False
            self.pending += 1
        return True

    def stop(self) -> None:
        with self.lock:
            self.stopping = True
        self._leave()
        self.event.wait()
        self.stopped = True


class _TakesAllAtOnce(Buffer):
    def append(self, other: Buffer) -> None:
        with self.lock, other.lock:
            self.text += other.part(other.length())


class _LockedCount(Count):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def add(self) -> None:
        with self.lock:
            super().add()


class _SaysBeforeItLooks(Tasks):
    def steal(self) -> None:
        for _ in range(2):
            with self.lock:
                first = self.head
                self.head = first + 1
                if first < self.tail:
                    self.stolen.append(self.tasks[first])
                else:
                    self.head = first


class _KeepsItsThread(Job):
    def stop(self) -> None:
        thread = self.thread
        if thread is not None:
            self.go.set()
            with self.lock:
                self.stops = 1
            thread.join()


class _LockedCounter(Counter):
    def handle(self) -> None:
        with vars(self.server).setdefault("lock", threading.Lock()):
            super().handle()


_PARTS: dict[str, Callable[[], Parts]] = {
    **{f"reorder_{threads}": partial(reorder, threads, _LockedPair) for threads in (3, 5, 10, 20)},
    "twostage": partial(twostage, 2, _OneLock),
    "twostage_20": partial(twostage, 20, _OneLock),
    "bluetooth": partial(bluetooth, _AsksUnderItsLock),
    "stringbuffer": partial(stringbuffer, _TakesAllAtOnce),
    "lost update, 3 threads": partial(lost_update, 3, _LockedCount),
    "work stealing": partial(work_stealing, _SaysBeforeItLooks),
}
_TESTS: dict[str, Callable[[Any], None]] = {
    **{name: partial(run_program, make) for name, make in _PARTS.items()},
    **{f"one preemption, {steps} lines": partial(one_preemption, "lines", steps, make=_KeepsItsThread) for steps in (10, 20, 40, 200)},
    **{f"one preemption, {steps} lock operations": partial(one_preemption, "locks", steps, make=_KeepsItsThread) for steps in (20, 150)},
    "a threading server's counter": partial(server_counter, handler=_LockedCounter),
}
HEALTHY: dict[str, tuple[Callable[[Any], None], dict[str, Any]]] = {name: (_TESTS[name], options) for name, (_, options) in PROGRAMS.items()}
"""By name: the program, and the options of its search."""
