"""Programs with a bug of order, for measuring how soon a strategy finds it; each is a test function that takes a world.

Owns the programs; their healthy twins are ``healthy_programs``. The shapes are those of SCTBench (reorder, twostage, bluetooth driver, string buffer, work
stealing; Thomson, Donaldson and Betts, "Concurrency Testing Using Controlled Schedulers", 2016), written anew as Python threads, and of bugs that take one
preemption and K steps of another.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

Parts = tuple[list[Callable[[], object]], Callable[[], bool]]
"""What runs at the same time, and whether it came out right."""


def run_parts(parts: Parts) -> None:
    """Run a program in threads."""
    functions, is_right = parts
    _together(*functions)
    assert is_right()


def _together(*functions: Callable[[], object]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# -- reorder: many set two fields one after the other, one reads between ---------------------------------------------------------------------


class Pair:
    """Two fields, set one after the other."""

    def __init__(self) -> None:
        self.first = 0
        self.second = 0
        self.torn = False

    def set(self) -> None:
        self.first = 1
        self.second = -1

    def check(self) -> None:
        first = self.first
        second = self.second
        if first + second != 0:
            self.torn = True


def reorder(threads: int, make: Callable[[], Pair] = Pair) -> Parts:
    """``threads`` - 1 setters and one reader, which must not see the one without the other."""
    pair = make()
    return [*[pair.set] * (threads - 1), pair.check], lambda: not pair.torn


# -- twostage: two fields, each with a lock of its own -----------------------------------------------------------------------------------------


class Stages:
    """Two fields, each with a lock of its own."""

    def __init__(self) -> None:
        self.lock_one = threading.Lock()
        self.lock_two = threading.Lock()
        self.one = 0
        self.two = 0
        self.wrong = False

    def go(self) -> None:
        with self.lock_one:
            self.one = 1
        with self.lock_two:
            self.two = self.one + 1

    def look(self) -> None:
        with self.lock_one:
            if self.one == 0:
                return
            one = self.one
        with self.lock_two:
            two = self.two
        if two != one + 1:
            self.wrong = True


def twostage(threads: int, make: Callable[[], Stages] = Stages) -> Parts:
    """``threads`` - 1 that go and one that looks between the stages."""
    stages = make()
    return [*[stages.go] * (threads - 1), stages.look], lambda: not stages.wrong


# -- bluetooth: a driver that stops while a request comes in -------------------------------------------------------------------------------------


class Driver:
    """Counts requests, and waits for them when it stops."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pending = 1
        self.stopping = False
        self.event = threading.Event()
        self.stopped = False
        self.used_after_stop = False

    def _enter(self) -> bool:
        if self.stopping:
            return False
        with self.lock:
            self.pending += 1
        return True

    def _leave(self) -> None:
        with self.lock:
            self.pending -= 1
            if self.pending == 0:
                self.event.set()

    def request(self) -> None:
        if self._enter():
            if self.stopped:
                self.used_after_stop = True
            self._leave()

    def stop(self) -> None:
        self.stopping = True
        self._leave()
        self.event.wait()
        self.stopped = True


def bluetooth(make: Callable[[], Driver] = Driver) -> Parts:
    """A request is let in before the stop and works after it."""
    driver = make()
    return [driver.request, driver.stop], lambda: not driver.used_after_stop


# -- stringbuffer: a length that is old when it is used -------------------------------------------------------------------------------------------


class Buffer:
    """A text with a lock."""

    def __init__(self, text: str) -> None:
        self.lock = threading.RLock()
        self.text = text

    def length(self) -> int:
        with self.lock:
            return len(self.text)

    def part(self, end: int) -> str:
        with self.lock:
            if end > len(self.text):
                raise IndexError("the buffer is shorter than it was")
            return self.text[:end]

    def erase(self) -> None:
        with self.lock:
            self.text = ""

    def append(self, other: Buffer) -> None:
        with self.lock:
            size = other.length()
            self.text += other.part(size)


def stringbuffer(make: Callable[[str], Buffer] = Buffer) -> Parts:
    """One buffer is appended to another while it is erased."""
    source, target = make("abc"), make("")
    wrong: list[IndexError] = []

    def append() -> None:
        try:
            target.append(source)
        except IndexError as error:  # told at the end: not every tool takes what a thread raises for a failure
            wrong.append(error)

    return [append, source.erase], lambda: not wrong


class Count:
    """A number that is added to in two steps."""

    def __init__(self) -> None:
        self.value = 0

    def add(self) -> None:
        """One more."""
        seen = self.value
        self.value = seen + 1


def lost_update(threads: int, make: Callable[[], Count] = Count) -> Parts:
    """Each adds one to a number."""
    count = make()
    return [count.add] * threads, lambda: count.value == threads


# -- work stealing: the owner takes from one end, a thief from the other -------------------------------------------------------------------------------


class Tasks:
    """A queue whose owner takes no lock, unless it comes for the last task."""

    def __init__(self, size: int) -> None:
        self.tasks = list(range(size))
        self.lock = threading.Lock()
        self.head = 0
        self.tail = size
        self.taken: list[int] = []
        self.stolen: list[int] = []

    def take(self) -> None:
        """The owner takes the newest tasks until there is none."""
        while True:
            last = self.tail - 1
            self.tail = last
            if self.head <= last:
                self.taken.append(self.tasks[last])
                continue
            with self.lock:
                self.tail = last + 1
                if self.head <= last:
                    self.tail = last
                    self.taken.append(self.tasks[last])
                    continue
            return

    def steal(self) -> None:
        """A thief takes the oldest, twice: it looks whether there is one before it says that it takes it."""
        for _ in range(2):
            with self.lock:
                first = self.head
                if first < self.tail:
                    self.head = first + 1
                    self.stolen.append(self.tasks[first])


def work_stealing(make: Callable[[int], Tasks] = Tasks) -> Parts:
    """The same task must not be taken twice."""
    tasks = make(3)
    return [tasks.take, tasks.steal], lambda: sorted(tasks.taken + tasks.stolen) == tasks.tasks


# -- one preemption, K steps of somebody else -------------------------------------------------------------------------------------------------------


class Job:
    """What ``stop`` uses, its thread takes away."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.lock = threading.Lock()
        self.count = 0
        self.stops = 0
        self.thread: threading.Thread | None = None

    def lines(self, steps: int) -> None:
        self.go.wait()
        for _ in range(steps):
            self.count += 1
        self.thread = None

    def locks(self, steps: int) -> None:
        self.go.wait()
        for _ in range(steps):
            with self.lock:
                pass
        self.thread = None

    def stop(self) -> None:
        if self.thread is not None:
            self.go.set()
            with self.lock:
                self.stops = 1
            self.thread.join()


def one_preemption(kind: str, steps: int, sim: Any, make: Callable[[], Job] = Job) -> None:
    """Between a test of an attribute and its use another thread runs ``steps`` lines or lock operations and takes it away."""
    job = make()
    job.thread = threading.Thread(target=getattr(job, kind), args=(steps,))
    job.thread.start()
    job.stop()


# -- a threading server ---------------------------------------------------------------------------------------------------------------------------


class Counter(socketserver.StreamRequestHandler):
    """Counts without a lock."""

    def handle(self) -> None:
        server: Any = self.server
        seen = server.visits
        server.visits = seen + 1
        self.wfile.write(b"%d\n" % (seen + 1))


def server_counter(sim: Any, handler: type[Counter] = Counter) -> None:
    """Three clients of a standard threading server whose handler counts without a lock."""

    def visit() -> None:
        with socket.create_connection(address) as client:
            client.recv(100)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        counted: Any = server
        counted.visits = 0
        address = server.server_address
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        _together(visit, visit, visit)
        server.shutdown()
        serving.join()
    assert counted.visits == 3


PARTS: dict[str, Callable[[], Parts]] = {
    **{f"reorder_{threads}": partial(reorder, threads) for threads in (3, 5, 10, 20)},
    "twostage": partial(twostage, 2),
    "twostage_20": partial(twostage, 20),
    "bluetooth": bluetooth,
    "stringbuffer": stringbuffer,
    "lost update, 3 threads": partial(lost_update, 3),
    "work stealing": work_stealing,
}
"""Programs of functions that run at the same time: any tool can run these."""


def run_program(make: Callable[[], Parts], sim: Any) -> None:
    """One of ``PARTS``, in a world."""
    run_parts(make())


PROGRAMS: dict[str, tuple[Callable[[Any], None], dict[str, Any]]] = {
    **{name: (partial(run_program, make), {}) for name, make in PARTS.items()},
    **{f"one preemption, {steps} lines": (partial(one_preemption, "lines", steps), {}) for steps in (10, 20, 40, 200)},
    **{f"one preemption, {steps} lock operations": (partial(one_preemption, "locks", steps), {"preempt": "calls"}) for steps in (20, 150)},
    "a threading server's counter": (server_counter, {}),
}
"""By name: the program, and the options of its search."""
