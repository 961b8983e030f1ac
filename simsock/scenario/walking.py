"""A scenario's world to walk through by hand: its server runs, its clients come, and whoever walks says how time passes and what goes wrong.

Owns ``walk`` and what can be done on a walk. Does not read words that somebody types (``simsock shell`` does), nor write files. Laws of the file:

* what is done becomes a row of the scenario's timeline and is checked as one: what a file could not order, nobody can;
* a walk is repeated by doing the same again: its world is that of schedule 1, in which tasks go on in the plain order;
* what becomes of a connection by hand is an answer in words, never an exception; a mistake in a call is one.
"""

from __future__ import annotations

import socket
import tomllib
import warnings
from contextlib import contextmanager
from struct import pack
from typing import TYPE_CHECKING, Any

from simsock.clients import Report
from simsock.errors import LeakWarning, UsageError, meant
from simsock.kernel.task_table import task_table
from simsock.kernel.units import NS, Duration, duration_ns
from simsock.scenario.acting import Stage
from simsock.scenario.naming import hosts_of, members_of, title_of
from simsock.scenario.running import ScenarioTest, importable, search_options
from simsock.scenario.schema import ACTIONS, read
from simsock.scenario.schema import plan as checked_plan
from simsock.scenario.serving import serve
from simsock.scenario.setting import put_in
from simsock.search.runner import nth_seed
from simsock.world.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsock.clients import Outcome
    from simsock.scenario.schema import Plan

HOST = "you"
"""The host that connections by hand come from."""
PATIENCE_S = 10.0
"""How long a connection by hand waits, in virtual time, before it is given up."""
RECORDS_KEPT = 20_000
RECV_BYTES = 65_536
STEPS_MAX = 10_000
_TURNS_MAX = 10_000
_AT_ONCE = pack("ii", 1, 0)
"""What SO_LINGER is set to for a close that resets."""


class _Stage(Stage):
    """A stage that says what has come of clients so far."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.outcomes: dict[str, list[Outcome]] = {}

    def _client(self, row: dict[str, Any], number: int) -> Any:
        act = super()._client(row, number)

        def noted(address: Any, *arguments: Any, **options: Any) -> Outcome:
            outcome = act(address, *arguments, **options)
            self.outcomes.setdefault(title_of(row), []).append(outcome)
            return outcome

        return noted


class Walk:
    """A scenario's world, entered. ``sim`` is the world itself, for everything that has no method here."""

    def __init__(self, test: ScenarioTest, sim: Simulation) -> None:
        self.sim = sim
        self.plan: Plan = test.plan
        self._test = test
        self._stage = _Stage(test.plan, sim, test.cast.kinds)
        self._lines: dict[str, Any] = {}
        self.faults: list[dict[str, Any]] = []
        """What was done so far, as rows of a timeline."""
        self.hosts: list[str] = []
        """Hosts that connections by hand came from, and that the scenario does not have."""
        self._told = 0
        self._begin()

    def _begin(self) -> None:
        sim, plan, stage = self.sim, self.plan, self._stage
        stage.build()
        self.served = serve(plan, sim, self._test.cast, plan.table("server")["port"])
        stage.on_restart = self._restarted
        self._began_ns = sim.now_ns  # from which a timeline counts
        self._test._spawn_clients(sim, self.served)
        if plan.rows("timeline"):
            sim.spawn(stage.run_timeline, name="timeline")
        if plan.rows("populations"):
            sim.spawn(stage.let_loose, self.served, name="populations")

    def _restarted(self, name: str) -> None:
        if name == self.plan.table("server")["host"]:
            serve(self.plan, self.sim, self._test.cast, self.served.address[1])

    # -- time ------------------------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self.sim.now_ns / NS

    def run(self, duration: Duration) -> None:
        """Let so much virtual time pass."""
        self.sim.sleep(duration)

    def step(self, count: int = 1) -> bool:
        """Let everything run that can, then let time pass until the next thing happens: so many times. False when nothing is left to happen."""
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= STEPS_MAX:
            raise UsageError(f"step: expected a whole number from 1 to {STEPS_MAX:,}, got {count!r:.80}")
        kernel = self.sim._running()
        for _ in range(count):
            if not self._all_have_run():
                following = kernel.timers.next_deadline()
                if following is None:
                    return False
                self.sim.sleep((following - kernel.now) / NS)
                self._all_have_run()
        return True

    def _all_have_run(self) -> bool:
        """Give way to all who can run now. Whether there was somebody."""
        kernel = self.sim._running()
        for turn in range(_TURNS_MAX):
            if not kernel.runq:
                return turn > 0
            kernel.yield_()
        return True

    # -- what goes wrong ---------------------------------------------------------------------------------------------------------------

    def do(self, action: str, **row: Any) -> None:
        """Let happen now what a row of ``[[timeline]]`` says: ``do("partition", between=["a", "b"])``. Raises ``ScenarioError`` for what no file can say."""
        if action not in ACTIONS:
            raise UsageError(f"do: expected one of {', '.join(ACTIONS)}, got {action!r:.80}{meant(action, ACTIONS)}")
        number = len(self.plan.rows("timeline")) + len(self.faults) + 1
        made = {"at": _duration(self.sim.now_ns - self._began_ns), "do": action, **row}
        checked = checked_plan(self.plan.path, self._document([*self.faults, made])).rows("timeline")[-1]
        with self._stage._ordered(f"timeline[{number}].do", action):
            self._stage._do(checked)
        self.faults.append(made)
        if action == "restart":
            for name in hosts_of(self.plan, checked["host"]):
                self._restarted(name)

    def _document(self, faults: list[dict[str, Any]]) -> dict[str, Any]:
        """The scenario's file as it would be with what was done so far."""
        with open(self.plan.path, "rb") as file:
            document = put_in(tomllib.load(file), self.plan.settings, self.plan.path)
        document["timeline"] = [*document.get("timeline", []), *faults]
        document["hosts"] = [*document.get("hosts", []), *({"name": name} for name in self.hosts)]
        return document

    # -- connections by hand -----------------------------------------------------------------------------------------------------------

    def connect(self, name: str, host: str = HOST) -> str:
        """Connect to the server, from ``host``. Returns ``"connected"``, or how it failed."""
        if not isinstance(name, str) or not name or name in self._lines:
            raise UsageError(f"connect: expected a name that no other connection has, got {name!r:.80}")
        if not isinstance(host, str) or not host:
            raise UsageError(f"connect: expected the name of a host, got {host!r:.80}")
        if host not in (*self.known_hosts(), *self.hosts):
            self.hosts.append(host)
        try:
            self._lines[name] = self.sim.connect(self.served, host=host, timeout=PATIENCE_S)
        except OSError as error:
            return _ended(error)
        return "connected"

    def send(self, name: str, data: bytes) -> str:
        """Say something. Returns ``"sent"``, or how it failed."""
        if not isinstance(data, bytes):
            raise UsageError(f"send: expected bytes, got {data!r:.80}")
        line = self._line(name)
        try:
            line.settimeout(PATIENCE_S)
            line.sendall(data)
        except OSError as error:
            return _ended(error)
        return "sent"

    def receive(self, name: str, within: Duration = 1) -> bytes | str:
        """What comes next, as it comes: bytes, ``b""`` at the end, or how it failed (``"nothing came"`` within so much virtual time)."""
        line = self._line(name)
        seconds = duration_ns(within, "receive: within") / NS
        if seconds <= 0:
            raise UsageError(f"receive: within: expected more than no time, got {within!r:.80}")
        try:
            line.settimeout(seconds)
            data: bytes = line.recv(RECV_BYTES)
        except TimeoutError:
            return "nothing came"
        except OSError as error:
            return _ended(error)
        return data

    def shut(self, name: str) -> str:
        """Say no more, and go on hearing. Returns ``"shut"``, or how it failed."""
        try:
            self._line(name).shutdown(socket.SHUT_WR)
        except OSError as error:
            return _ended(error)
        return "shut"

    def close(self, name: str, reset: bool = False) -> str:
        """Close it, or ``reset`` it. Its name is free again."""
        line = self._line(name)
        if reset:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        line.close()
        del self._lines[name]
        return "reset" if reset else "closed"

    def _line(self, name: str) -> Any:
        if name not in self._lines:
            known = f"there is {', '.join(self._lines)}, and its name is the first word" if self._lines else "there is none yet: connect"
            raise UsageError(f"there is no connection {name!r:.80}; {known}{meant(name, self._lines)}")
        return self._lines[name]

    # -- what can be seen ----------------------------------------------------------------------------------------------------------------

    def connections(self) -> list[str]:
        """The names of all connections by hand."""
        return list(self._lines)

    def known_hosts(self) -> list[str]:
        """The hosts that the scenario names, populations' clients one by one."""
        plan = self.plan
        clients = plan.table("clients").get("count", 0)
        return [
            plan.table("server")["host"],
            *(row["name"] for row in plan.rows("hosts")),
            *(f"client-{number}" for number in range(1, clients + 1)),
            *(member for row in plan.rows("populations") for member in members_of(row)),
        ]

    def netstat(self) -> str:
        """All sockets of all hosts."""
        return str(self.sim.netstat())

    def tasks(self) -> str:
        """Who waits for what, and where."""
        return task_table(self.sim._running())

    def clients(self) -> Report:
        """What has come of the populations' clients that are gone by now."""
        return Report({title: list(outcomes) for title, outcomes in self._stage.outcomes.items()})

    def happened(self) -> list[tuple[Any, ...]]:
        """What has happened since this was asked last: as ``Simulation.records``."""
        count = self.sim._running().log.count
        new, self._told = count - self._told, count
        return self.sim.records[-new:] if new else []


def _duration(ns: int) -> str:
    """In the largest unit that says it exactly."""
    for unit, size in (("s", NS), ("ms", 1_000_000), ("us", 1_000)):
        if ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns}ns"


def _ended(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return "reset"
    return str(error.strerror or error)


@contextmanager
def walk(path: Any, *, seed: int | str | None = None, server: str | None = None, settings: tuple[str, ...] = ()) -> Iterator[Walk]:
    """A context manager: the world of the scenario file ``path``, with its server running, at virtual time 0.

    ``seed`` and ``server`` (``"module:Class"``) take the place of what the file says, ``settings`` are as those of ``--set``. Raises ``ScenarioError``.
    What tasks and handlers raised is raised at the end.
    """
    plan = read(str(path), settings)
    with importable(plan, server):
        test = ScenarioTest(plan, server)
        options = search_options(test, plan)
        del options["target"]
        options.update(strategy="fifo", preempt="calls")
        first = nth_seed(plan.table("search")["seed"] if seed is None else seed, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LeakWarning)  # a walk ends in the middle, and leaves tasks behind
            with Simulation(seed=first, records=RECORDS_KEPT, **options) as sim:
                yield Walk(test, sim)


__all__ = ["HOST", "Walk", "walk"]
