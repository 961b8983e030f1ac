"""What happens in the world of a scenario: its hosts, its links, the faults on its timeline and its populations.

Owns the way from tables to a world. Does not judge what comes of it. Laws of the file:

* a population's name stands for all of its hosts wherever a host is named;
* an action that worlds cannot do yet is an error that names it, before anything runs;
* what a world refuses of the file's own orders is a ``ScenarioError``, which ends the search: it says nothing about the server.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from simsock.clients import Group, Outcome, Report, let_loose
from simsock.clients.crowds import check_outcome
from simsock.clients.kinds import KINDS
from simsock.errors import ScenarioError, Unsupported, UsageError
from simsock.kernel.units import NS, duration_ns
from simsock.scenario.naming import hosts_of, title_of
from simsock.scenario.schema import Plan, condition_of, options_of
from simsock.world.hosts import Host
from simsock.world.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OF_A_HOST = ("crash", "restart", "pause", "resume", "jump")


def missing_actions(plan: Plan) -> None:
    """Raise ``ScenarioError`` for an action on the timeline that worlds cannot do."""
    for number, row in enumerate(plan.rows("timeline"), 1):
        action = row["do"]
        face: Any = Host if action in _OF_A_HOST else Simulation
        if not hasattr(face, action):
            raise plan.problem(f"timeline[{number}].do", action, f"not simulated yet: {face.__name__} has no {action}()")


class Stage:
    """A world as a scenario wants it."""

    def __init__(self, plan: Plan, sim: Simulation, clients: dict[str, Callable[..., Outcome]]) -> None:
        self._plan = plan
        self._sim = sim
        self._clients = clients
        self.on_restart: Callable[[str], object] = lambda name: None
        """Called with the name of a host that is up again: nothing runs on it any more."""
        self.problem: ScenarioError | None = None
        """What the file has ordered and the world has refused, as soon as there is something: then nothing that came of the run counts."""

    def build(self) -> None:
        """Make the hosts and set the links. Raises ``ScenarioError``."""
        plan, sim = self._plan, self._sim
        for number, row in enumerate(plan.rows("hosts"), 1):
            with self._ordered(f"hosts[{number}].addresses", row["addresses"]):
                sim.host(row["name"], addresses=row["addresses"])
        for number, row in enumerate(plan.rows("links"), 1):
            key = "between" if row["between"] is not None else "host"
            with self._ordered(f"links[{number}].{key}", row[key]):
                self._set_link(row["between"] or [row["host"]], row, row["both_ways"])
        for number, row in enumerate(plan.rows("populations"), 1):
            if row["link"] is not None:
                with self._ordered(f"populations[{number}].link", row["link"]):
                    self._set_link([title_of(row)], row["link"])

    @contextmanager
    def _ordered(self, where: str, value: Any) -> Iterator[None]:
        """What the world refuses in the block is the file's mistake, and no failure of what is tested."""
        try:
            yield
        except ScenarioError:
            raise
        except (UsageError, Unsupported) as error:
            self.problem = self.problem or self._plan.problem(where, value, str(error))
            raise self.problem from error

    def _set_link(self, names: list[str], table: dict[str, Any], both_ways: bool = True) -> None:
        host = self._sim.host  # they are there: the file's names were checked
        for one in map(host, hosts_of(self._plan, names[0])):
            for other in map(host, hosts_of(self._plan, names[1])) if len(names) > 1 else (None,):
                self._sim.link(one, other, condition_of(table), both_ways=both_ways)

    # -- the timeline ----------------------------------------------------------------------------------------------------------------

    def run_timeline(self) -> None:
        """Let happen what the timeline says, when it says so."""
        began = self._sim.now_ns
        rows = sorted(enumerate(self._plan.rows("timeline"), 1), key=lambda numbered: duration_ns(numbered[1]["at"]))
        for number, row in rows:
            wait = began + duration_ns(row["at"]) - self._sim.now_ns
            if wait > 0:
                self._sim.sleep(wait / NS)
            with self._ordered(f"timeline[{number}].do", row["do"]):
                self._do(row)
            if row["do"] == "restart":  # what comes now is the server's own code
                for name in hosts_of(self._plan, row["host"]):
                    self.on_restart(name)

    def _do(self, row: dict[str, Any]) -> None:
        sim, action = self._sim, row["do"]
        if action in _OF_A_HOST:
            for name in hosts_of(self._plan, row["host"]):
                arguments = (signed_seconds(row["by"]),) if action == "jump" else ()
                getattr(sim.host(name), action)(*arguments)
        elif action == "kill":
            for name in hosts_of(self._plan, row["host"]):
                sim.kill(name, within=row["within"])
        elif action == "resolver":
            keys = {key: row[key] for key in ("fail", "chance", "delay", "addresses") if row[key] is not None}
            getattr(sim, action)(row["name"], **keys)
        elif action == "link":
            self._set_link(row["between"], row["link"])
        else:
            names = row["between"] or ([row["host"]] if row["host"] is not None else [])
            getattr(sim, action)(*([sim.host(one) for one in hosts_of(self._plan, name)] for name in names), one_way=bool(row["one_way"]))

    # -- populations -----------------------------------------------------------------------------------------------------------------

    def let_loose(self, address: Any) -> Report:
        """Let all populations come, and wait until the last client is gone."""
        groups = []
        for number, row in enumerate(self._plan.rows("populations"), 1):
            client = self._client(row, number)
            if row["payload"] is not None:
                client = partial(_say_something, client, row["payload"])
            groups.append(Group(client, row["count"], row["arrivals"], row["start"], title_of(row), options_of(row)))
        return let_loose(address, groups)

    def _client(self, row: dict[str, Any], number: int) -> Callable[..., Outcome]:
        """A population's client, whose mistakes are those of the file."""
        kind = row["kind"]
        where = f"populations[{number}].kind"
        own = self._clients.get(kind)

        def ours(address: Any, *arguments: Any, **options: Any) -> Outcome:
            with self._ordered(where, kind):
                return KINDS[kind](address, *arguments, **options)

        def theirs(address: Any, *arguments: Any, **options: Any) -> Outcome:
            assert own is not None
            outcome = own(address, *arguments, **options)
            with self._ordered(where, kind):
                return check_outcome(outcome, "it")

        return ours if own is None else theirs


def _say_something(client: Callable[..., Outcome], payload: str, address: Any, **options: Any) -> Outcome:
    """A client with a request that Faker made for it alone."""
    from simsock.faker import make

    return client(address, getattr(make(), payload)(), **options)


def signed_seconds(value: Any) -> float:
    """Seconds of a duration that may be negative."""
    if isinstance(value, str) and value.startswith("-"):
        return -duration_ns(value[1:]) / NS
    if isinstance(value, (int, float)):
        return float(value)
    return duration_ns(value) / NS
