"""Programs and worlds at random: a seed makes both.

Owns how they are drawn (``plan``) and how one is run (``run``). Does not know what is compared with what. Laws:

* a plan is plain data, drawn before there is a world, from a generator of its own: the same on every machine and every Python;
* what a run gives is a text that is equal for equal runs: the world's digest, what every act gave, what the world ended in, how far its clock came.
"""

from __future__ import annotations

import contextlib
import queue
import re
import threading
import time
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from random import Random
from typing import Any, NamedTuple

import simsock
from simsock.socketserver import BaseRequestHandler, StreamRequestHandler
from tests.quality import random_acts, random_network_acts
from tests.quality.random_acts import ACTS, OLD_CONDITION, OLD_LOCK, OLD_QUEUE, OLD_RLOCK, OLD_SIMPLE, Actor, Modules, Stage, perform

STRATEGIES = ("fifo", "random", "pct", "pct:2", "pcth", "pcth:2", "pos", "surw", "surw:selective", "portfolio", "object")
LINKS: tuple[Any, ...] = (
    "perfect",
    "perfect",
    "lan",
    "flaky-wifi",
    "hostile",
    {"latency": "3ms", "jitter": "2ms", "loss": 0.05},
    {"latency": "1ms", "duplicate": 0.3, "reorder": 0.2, "corrupt": 0.1, "checksum": False},
    {"rate": "256kbit", "queue": 20, "mtu": 1400, "latency": "5ms"},
    {"reset_after": 3_000, "toxicity": 0.5},
    {"slice": 100, "slow_close": "1s"},
)
HOSTS = ("alpha", "beta", "gamma")


class Plan(NamedTuple):
    """A program and its world, as plain data."""

    seed: int
    strategy: str
    preempt: str
    link: Any
    chunks: Any
    face: str
    """``"patched"``: the standard modules; ``"network"``: those of ``sim.network`` in a patched world; ``"bare"``: the same, with ``patch=False``."""
    servers: tuple[str, ...]
    actors: tuple[tuple[str, str, tuple[tuple[str, int, int, int], ...]], ...]
    """Of each: how it is started, its host, its acts. The first one's are the first task's."""
    raises: bool
    """Whether the last actor fails in the end."""
    ends: str
    """``"joins"``, or ``"leaves"`` the world while tasks still run."""
    local: bool
    """Whether it can only be compared on one Python."""


def plan(seed: int, calls: bool = False) -> Plan:
    """What the seed means; ``calls``: in a world that is preempted at simulated calls."""
    draw = Random(f"world {seed}")
    face = draw.choice(("patched", "patched", "patched", "network", "bare"))
    preempt = draw.choice(("calls", "calls", "lines", "lines", "instructions"))
    if calls:
        preempt = "calls"
    names = sorted(name for name, (_, _, patched, local) in ACTS.items() if not (patched and face != "patched") and not (local and calls))
    pool = [name for name in names for _ in range(ACTS[name][1])]
    favourites = draw.sample(names, 8)  # a world of few kinds of acts goes deeper into each
    if draw.random() < 0.5:
        pool += favourites * 12
    actors = []
    for number in range(draw.randrange(2, 6)):
        acts = tuple((draw.choice(pool), draw.randrange(1000), draw.randrange(1000), draw.randrange(1000)) for _ in range(draw.randrange(2, 14)))
        actors.append((draw.choice(("thread", "daemon", "task")), draw.choice(HOSTS), acts if number else acts[:6]))
    return Plan(
        seed=seed,
        strategy=draw.choice(STRATEGIES),
        preempt=preempt,
        link=draw.choice(LINKS),
        chunks=draw.choice(("whole", "whole", "bytes", "random", (1, 3, 100))),
        face=face,
        servers=tuple(draw.choice(sorted(SERVERS)) for _ in range(draw.randrange(1, 3))),
        actors=tuple(actors),
        raises=draw.random() < 0.1,
        ends=draw.choice(("joins", "joins", "leaves")),
        local=preempt != "calls" or any(ACTS[name][3] for _, _, acts in actors for name, *_ in acts),
    )


# -- servers ---------------------------------------------------------------------------------------------------------------------------------


class Echo(BaseRequestHandler):
    def handle(self) -> None:
        self.request.settimeout(20)
        while data := self.request.recv(1000):
            self.request.sendall(data)


class Lines(StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line.upper())


class Rude(BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(3)


class Slow(BaseRequestHandler):
    def handle(self) -> None:
        self.request.settimeout(5)
        for _ in range(5):
            time.sleep(0.1) if isinstance(self.request, random_acts.socket.socket) else None
            self.request.sendall(self.request.recv(2) or b".")


SERVERS: dict[str, tuple[type[BaseRequestHandler], str]] = {
    "echo": (Echo, "ThreadingTCPServer"),
    "lines": (Lines, "ThreadingTCPServer"),
    "rude": (Rude, "TCPServer"),
    "slow": (Slow, "ThreadingTCPServer"),
}


# -- running ---------------------------------------------------------------------------------------------------------------------------------


class Stubborn:
    """A strategy of the program's own: it stays with a task for a while."""

    def begin(self, run: Any) -> None:
        self.draw = Random(run.seed)

    def pick(self, task: Any, runnable: Any, preempting: bool) -> Any:
        return task if preempting and self.draw.random() < 0.8 else self.draw.choice(runnable)

    def end(self, run: Any) -> None:
        pass


def options(what: Plan) -> dict[str, Any]:
    """The options of a plan's world."""
    return {
        "strategy": Stubborn() if what.strategy == "object" else what.strategy,
        "preempt": what.preempt,
        "scope": [random_acts, random_network_acts],
        "link": simsock.Link(**what.link) if isinstance(what.link, dict) else what.link,
        "chunks": what.chunks if isinstance(what.chunks, str) else list(what.chunks),
        "patch": what.face != "bare",
        "max_steps": 8_000,
        "max_time": "1d",
        "max_real_time": 600,
    }


def program(what: Plan, sim: simsock.Simulation) -> Stage:
    """The program of a plan, in a world that has been entered."""
    modules = Modules(None if what.face == "patched" else sim.network)
    stage = Stage(sim, modules, list(HOSTS), what.face == "patched")
    sim._stage = stage  # type: ignore[attr-defined]  # for whoever asks after an error
    for name in HOSTS:
        sim.host(name)
    for number, name in enumerate(what.servers):
        handler, server = SERVERS[name]
        served = sim.serve(handler, server_class=getattr(simsock.socketserver, server), host=HOSTS[number])
        stage.listeners.append((HOSTS[number], served.address[1]))
    sim.datagram(host="alpha")
    actors = []
    for number, (how, host, acts) in enumerate(what.actors):
        actor = Actor(f"{number}", host)
        stage.actors.append(actor)

        def body(actor: Actor = actor, acts: Any = acts, last: bool = number == len(what.actors) - 1) -> None:
            for one in acts:
                perform(stage, actor, *one)
            if last and what.raises:
                raise ValueError("as planned")

        if number == 0:
            first = body
        elif how == "task":
            actors.append(sim.host(host).spawn(body))
        else:
            with sim.host(host):
                thread = modules.threading.Thread(target=body, daemon=how == "daemon")
                thread.start()
            actors.append(thread)
    first()
    if what.ends == "joins":
        for one in actors:
            if hasattr(one, "join"):
                one.join(100)
            else:
                sim.run_until(lambda one=one: one.done, timeout=100)
    return stage


class Ran(NamedTuple):
    """What came of a world."""

    seed: int
    run: str
    """16 digits of the world's digest, what every act gave, its steps and how far its clock came."""
    outcome: str
    """8 digits of what it raised and which tasks it left running."""
    words: str
    """8 digits of what people read, which may differ between Pythons: the error's text and the table of sockets."""
    steps: int
    records: list[Any]
    trace: list[Any]
    error: str
    token: str


def run(what: Plan, records: int = 100, prepare: Any = None, **more: Any) -> Ran:
    """Run a plan in a world of its own; ``more`` are options of the world, instead of the plan's own."""
    clear_old()
    sim = simsock.Simulation(**more, records=records) if "token" in more else simsock.Simulation(seed=what.seed, records=records, **{**options(what), **more})
    if prepare is not None:
        prepare(sim)
    error: BaseException | None = None
    table = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with sim:
                program(what, sim)
                table = str(sim.netstat())
        except Exception as raised:
            error = raised
    return _told(what, sim, error, table)


def _told(what: Plan, sim: simsock.Simulation, error: BaseException | None, table: str) -> Ran:
    stage = getattr(sim, "_stage", None)
    trace = stage.trace if stage is not None else []
    kernel: Any = sim._kernel
    if kernel is None:  # it did not begin
        raise error or AssertionError("no world")
    whole = repr((sim.digest, trace, kernel.steps, kernel.now))
    outcome = repr((_kind(error), sorted(leak for leak in sim.leaks if leak.startswith("task "))))
    ran = Ran(
        what.seed, _short(whole, 8), _short(outcome, 4), _short(f"{_text(error)}\n{table}", 4), kernel.steps, sim.records, list(trace), _text(error), sim.token
    )
    if stage is not None:
        stage.__dict__.clear()
    return ran


def _short(text: str, size: int) -> str:
    return blake2b(text.encode("utf-8", "backslashreplace"), digest_size=size).hexdigest()


def _kind(error: Any) -> Any:
    """Of an error its class, of a group those of its parts too."""
    if isinstance(error, BaseExceptionGroup):
        return (type(error).__name__, *(_kind(one) for one in error.exceptions))
    return error if isinstance(error, str) else type(error).__name__


def _text(error: Any) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join([str(error), *(_text(one) for one in error.exceptions)])
    return "" if error is None else f"{type(error).__name__}: {_ENTERED.sub('where the world was entered', str(error))}"


_ENTERED = re.compile(r"tests/quality/(random_programs|worlds_at_random)\.py:\d+ in (run|session|test)\b")
"""Each way enters its worlds in a place of its own."""


@contextlib.contextmanager
def nothing_old() -> Iterator[None]:
    """For searches, whose worlds come one after another without anybody between them: to empty within one what another left would be points of it."""
    fresh = {"OLD_LOCK": threading.Lock(), "OLD_RLOCK": threading.RLock(), "OLD_CONDITION": threading.Condition()}
    fresh |= {"OLD_QUEUE": queue.Queue(3), "OLD_SIMPLE": queue.SimpleQueue(), "OLD_LOCAL": threading.local()}
    old = {name: getattr(random_acts, name) for name in fresh}
    vars(random_acts).update(fresh)
    try:
        yield
    finally:
        vars(random_acts).update(old)


def clear_old() -> None:
    """What was made before every world is as new: a world that ended may have left something in it."""
    for lock in (OLD_LOCK, OLD_RLOCK, OLD_CONDITION):
        if not lock.acquire(blocking=False):
            raise AssertionError(f"a world has left {lock!r} locked")
        lock.release()
    for one in (OLD_QUEUE, OLD_SIMPLE):
        while not one.empty():
            one.get_nowait()
    if getattr(OLD_QUEUE, "unfinished_tasks", 0):
        OLD_QUEUE.unfinished_tasks = 0
    random_acts.OLD_LOCAL.__dict__.clear()
