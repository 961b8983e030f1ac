"""What the threads of a random world do: one function for each act, drawn by ``random_programs``.

Owns the acts and the state that they share (``Stage``). Does not know how a program is drawn, nor what is compared. Laws:

* an act takes its stage, its actor and three whole numbers; which lock or socket a number means is decided when the act runs, by the length of
  a list, so that acts are made for each other whatever happened before;
* what an act returns is written down and compared: whole numbers, floats of virtual clocks, texts, bytes, tuples of them. Nothing of it may
  differ between Pythons, unless the act says ``local=True``: then a program with it is compared with itself on one Python only.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import random
import selectors
import socket
import threading
import time
from typing import Any

ACTS: dict[str, tuple[Any, int, bool, bool]] = {}
"""Each act by its name: function, weight, whether it needs a patched world, whether it is for one Python only."""

SHORT = (0.001, 0.02, 0.3, 2.0)
TIMEOUTS = (0.0, 0.01, 0.25, 1.5, 30.0, None)

OLD_LOCK, OLD_RLOCK, OLD_CONDITION = threading.Lock(), threading.RLock(), threading.Condition()
OLD_QUEUE: Any = queue.Queue(3)
OLD_SIMPLE: Any = queue.SimpleQueue()
OLD_LOCAL = threading.local()
"""Made before every world, and used in all of them."""


class Modules:
    """What a program reaches the world by: the standard modules of a patched world, or those of ``sim.network``."""

    def __init__(self, network: Any = None) -> None:
        self.socket: Any = socket if network is None else network.socket
        self.threading: Any = threading if network is None else network.threading
        self.time: Any = time if network is None else network.time
        self.selectors: Any = selectors if network is None else network.selectors
        if network is None:
            self.queue: Any = queue
        else:
            from simsock.stdlib import queue as simulated

            self.queue = simulated


class Actor:
    """One thread or task of the program: its name in the trace, its host, the sockets that only it knows."""

    def __init__(self, name: str, host: str) -> None:
        self.name = name
        self.host = host
        self.own: list[Any] = []


class Stage:
    """What all actors of one world share."""

    def __init__(self, sim: Any, modules: Modules, hosts: list[str], patched: bool) -> None:
        self.sim = sim
        self.m = modules
        self.hosts = hosts
        self.patched = patched
        self.trace: list[tuple[Any, ...]] = []
        self.value = 0
        self.table: dict[int, int] = {}
        t, q = modules.threading, modules.queue
        self.locks = [t.Lock(), t.Lock(), t.RLock()]
        self.conditions = [t.Condition(), t.Condition(self.locks[0])]
        self.events = [t.Event(), t.Event()]
        self.semaphores = [t.Semaphore(2), t.BoundedSemaphore(1)]
        self.barrier = t.Barrier(2)
        self.queues = [q.Queue(2), q.LifoQueue(), q.PriorityQueue(3)]
        self.simple: Any = q.SimpleQueue() if patched else q.Queue()
        self.local = t.local()
        if patched:
            self.locks += [OLD_LOCK, OLD_RLOCK]
            self.conditions.append(OLD_CONDITION)
            self.queues.append(OLD_QUEUE)
        self.sockets: list[Any] = []
        self.listeners: list[tuple[str, int]] = []
        self.inboxes: list[tuple[str, int]] = []
        self.paths: list[str] = []
        self.threads: list[Any] = []
        self.actors: list[Actor] = []
        """Kept until the world has ended: in what order a frame lets go what it has is each Python's own affair."""
        self.children = 0

    def note(self, actor: Actor, act: str, *what: Any) -> None:
        self.trace.append((actor.name, act, *what))

    def any_socket(self, actor: Actor, number: int) -> Any:
        """One of the actor's own, or (for an odd number) one that everybody has."""
        pool = self.sockets if number % 3 == 0 and self.sockets else actor.own or self.sockets
        if not pool:
            raise LookupError("no socket yet")
        return pool[number % len(pool)]

    def keep(self, actor: Actor, sock: Any, number: int) -> None:
        sock.settimeout(TIMEOUTS[number % 5 if number % 7 else 5])
        (self.sockets if number % 4 == 0 else actor.own).append(sock)


def act(weight: int = 3, patched: bool = False, local: bool = False) -> Any:
    """Put a function among the acts."""

    def add(function: Any) -> Any:
        ACTS[function.__name__] = (function, weight, patched, local)
        return function

    return add


def of(things: Any, number: int) -> Any:
    """One of several."""
    return things[number % len(things)]


# -- threads, locks, queues ------------------------------------------------------------------------------------------------------------------


@act(4)
def reads_and_writes(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    value = s.value
    if a % 2:
        s.m.time.sleep(0)
    s.value = value + 1
    s.table[b % 4] = s.table.get(b % 4, 0) + value
    return value


@act(4)
def holds_a_lock(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    with of(s.locks, a):
        value = s.value
        if b % 2:
            s.m.time.sleep(of(SHORT, c))
        s.value = value + 1
    return s.value


@act()
def holds_two_locks(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    one, other = of(s.locks, a), of(s.locks, b)
    if one.acquire(timeout=5):
        try:
            got = other.acquire(timeout=of(SHORT, c))
            if got:
                other.release()
            return got
        finally:
            one.release()
    return None


@act()
def tries_a_lock(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    lock = of(s.locks, a)
    got = lock.acquire(blocking=False) if b % 2 else lock.acquire(timeout=of(SHORT, c))
    if got:
        reads_and_writes(s, me, a, b, c)
        lock.release()
    return got


@act(1)
def releases_what_others_hold(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    s.locks[a % 2].release()


@act()
def waits_for_a_condition(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    condition = of(s.conditions, a)
    with condition:
        if b % 2:
            return condition.wait(of(SHORT, c))
        return bool(condition.wait_for(lambda: s.value % 3 == 0, of(SHORT, c)))


@act()
def notifies(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    condition = of(s.conditions, a)
    with condition:
        s.value += 1
        condition.notify(b % 3) if c % 2 else condition.notify_all()


@act()
def waits_for_an_event(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    event = of(s.events, a)
    return event.wait(of(SHORT, b)), event.is_set()


@act()
def sets_an_event(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    of(s.events, a).set() if b % 3 else of(s.events, a).clear()


@act()
def takes_a_semaphore(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    semaphore = of(s.semaphores, a)
    if got := semaphore.acquire(timeout=of(SHORT, b)):
        s.m.time.sleep(of(SHORT, c))
        semaphore.release()
    return got


@act(2)
def meets_at_a_barrier(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    if a % 9 == 0:
        s.barrier.reset()
    return s.barrier.wait(of(SHORT, b))


@act(4)
def puts(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    one = of(s.queues, a)
    if b % 3 == 0:
        one.put_nowait(c % 10)
    else:
        one.put(c % 10, timeout=of(SHORT, b))
    return one.qsize()


@act(4)
def gets(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    one = of(s.queues, a)
    got = one.get_nowait() if b % 3 == 0 else one.get(timeout=of(SHORT, b))
    if c % 2 and hasattr(one, "task_done"):
        one.task_done()
    return got


@act()
def uses_a_simple_queue(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    one = OLD_SIMPLE if s.patched and c % 2 else s.simple
    if a % 2:
        one.put(b % 10)
        return one.qsize()
    return one.get(timeout=of(SHORT, b))


@act(4)
def sleeps(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    s.m.time.sleep(0 if a % 3 == 0 else of(SHORT, b))


@act(2)
def reads_clocks(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    return s.m.time.monotonic(), s.m.time.time(), s.m.time.perf_counter_ns()


@act(1)
def polls_a_flag(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    end = s.m.time.monotonic() + of(SHORT, a)
    looks = 0
    while s.m.time.monotonic() < end and not of(s.events, b).is_set():
        looks += 1
    return looks


@act(2)
def uses_a_local(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    local = OLD_LOCAL if s.patched and a % 2 else s.local
    before = getattr(local, "value", None)
    local.value = b
    s.m.time.sleep(0)
    return before, local.value


@act(2)
def starts_a_thread(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    if s.children >= 6:
        return None
    s.children += 1
    child = Actor(f"{me.name}/{s.children}", me.host)
    s.actors.append(child)

    def body() -> None:
        for number, name in enumerate(("reads_and_writes", "sleeps", "puts", "holds_a_lock")[a % 4 :]):
            perform(s, child, name, a + number, b, c)

    thread = s.m.threading.Thread(target=body, daemon=c % 5 == 0)
    thread.start()
    s.threads.append(thread)
    return thread.name, thread.daemon


@act(2)
def joins_a_thread(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    if s.threads:
        thread = of(s.threads, a)
        thread.join(of(SHORT, b))
        return thread.is_alive()
    return None


@act(1)
def sets_a_timer(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    timer = s.m.threading.Timer(of(SHORT, a), lambda: s.note(me, "timer"))
    timer.daemon = True
    timer.start()
    if b % 3 == 0:
        timer.cancel()


@act(1)
def counts_threads(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    return s.m.threading.active_count(), s.m.threading.current_thread().name


@act(1)
def drops_a_cycle(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    one, other = s.m.socket.socketpair()
    holder: list[Any] = [one]
    holder.append(holder)
    me.own.append(other)
    del one, holder
    if a % 3 == 0:
        gc.collect()


class WaitsInDel:
    """Its finalizer is a point."""

    def __init__(self, s: Stage, me: Actor) -> None:
        self.s, self.me = s, me

    def __del__(self) -> None:
        self.s.m.time.sleep(0.001)
        self.s.note(self.me, "finalizer")


@act(1)
def drops_what_waits(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    WaitsInDel(s, me)


@act(1)
def swallows_everything(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    for _ in range(3):
        with contextlib.suppress(BaseException):
            s.m.time.sleep(of(SHORT, a))


@act(2, patched=True)
def draws(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    return random.random(), os.urandom(3), random.randrange(100)


@act(1, patched=True, local=True)
def runs_a_pool(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        return tuple(pool.map(lambda n: (time.sleep(of(SHORT, n)), s.value + n)[1], range(a % 4)))


@act(1, patched=True, local=True)
def runs_a_loop(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    import asyncio

    async def body() -> Any:
        async def one(n: int) -> int:
            await asyncio.sleep(of(SHORT, n + b))
            return n

        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        there.send(b"loop")
        data = await reader.read(4)
        writer.close()
        there.close()
        return (*await asyncio.gather(*(one(n) for n in range(a % 3))), data)

    return asyncio.run(body(), debug=False)  # `-X dev` would make another program of it


def perform(s: Stage, me: Actor, name: str, a: int, b: int, c: int) -> None:
    """Do one act, and write down what came of it."""
    try:
        got = ACTS[name][0](s, me, a, b, c)
    except Exception as error:
        s.note(me, name, type(error).__name__, getattr(error, "errno", None))
    else:
        s.note(me, name, got)
