"""What happens in the world of a scenario: its hosts, its links, the faults on its timeline and its populations.

Owns the way from tables to a world. Does not judge what comes of it. Laws of the file:

* a population's name stands for all of its hosts wherever a host is named;
* an action that worlds cannot do yet is an error that names it, before anything runs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from simsock.clients import Group, Outcome, Report, let_loose
from simsock.clients.kinds import KINDS
from simsock.kernel.units import NS, duration_ns
from simsock.scenario.schema import Plan, condition_of, options_of, title_of
from simsock.simulation import Simulation
from simsock.worldly import Host

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self._counts: dict[str, int] = {}
        for row in plan.rows("populations"):
            self._counts[title_of(row)] = self._counts.get(title_of(row), 0) + row["count"]

    def build(self) -> None:
        """Make the hosts and set the links."""
        plan, sim = self._plan, self._sim
        for row in plan.rows("hosts"):
            sim.host(row["name"], addresses=row["addresses"])
        for row in plan.rows("links"):
            if row["between"] is not None:
                self._set_link(row["between"], row, row["both_ways"])
            else:
                for host in self._hosts_of(row["host"]):
                    set_link(sim, host, None, row, row["both_ways"])
        for row in plan.rows("populations"):
            if row["link"] is not None:
                for host in self._hosts_of(title_of(row)):
                    set_link(sim, host, None, row["link"])

    def _hosts_of(self, name: str) -> list[str]:
        count = self._counts.get(name)
        return [name] if count is None else [f"{name}-{number}" for number in range(1, count + 1)]

    def _set_link(self, between: list[str], table: dict[str, Any], both_ways: bool = True) -> None:
        for one in self._hosts_of(between[0]):
            for other in self._hosts_of(between[1]):
                set_link(self._sim, one, other, table, both_ways)

    # -- the timeline ----------------------------------------------------------------------------------------------------------------

    def run_timeline(self) -> None:
        """Let happen what the timeline says, when it says so."""
        began = self._sim.now_ns
        rows = sorted(self._plan.rows("timeline"), key=lambda row: duration_ns(row["at"]))
        for row in rows:
            wait = began + duration_ns(row["at"]) - self._sim.now_ns
            if wait > 0:
                self._sim.sleep(wait / NS)
            self._do(row)

    def _do(self, row: dict[str, Any]) -> None:
        sim, action = self._sim, row["do"]
        if action in _OF_A_HOST:
            for name in self._hosts_of(row["host"]):
                arguments = (signed_seconds(row["by"]),) if action == "jump" else ()
                getattr(sim.host(name), action)(*arguments)
                if action == "restart":
                    self.on_restart(name)
        elif action == "resolver":
            keys = {key: row[key] for key in ("fail", "chance", "delay", "addresses") if row[key] is not None}
            getattr(sim, action)(row["name"], **keys)
        elif action == "link":
            self._set_link(row["between"], row["link"])
        else:
            names = row["between"] or ([row["host"]] if row["host"] is not None else [])
            getattr(sim, action)(*map(self._hosts_of, names), one_way=bool(row["one_way"]))

    # -- populations -----------------------------------------------------------------------------------------------------------------

    def let_loose(self, address: Any) -> Report:
        """Let all populations come, and wait until the last client is gone."""
        groups = []
        for row in self._plan.rows("populations"):
            client = self._clients.get(row["kind"]) or KINDS[row["kind"]]
            if row["payload"] is not None:
                client = partial(_say_something, client, row["payload"])
            groups.append(Group(client, row["count"], row["arrivals"], row["start"], title_of(row), options_of(row)))
        return let_loose(address, groups)


def _say_something(client: Callable[..., Outcome], payload: str, address: Any, **options: Any) -> Outcome:
    """A client with a request that Faker made for it alone."""
    from simsock.faker import make

    return client(address, getattr(make(), payload)(), **options)


def set_link(sim: Simulation, one: str, other: str | None, table: dict[str, Any], both_ways: bool = True) -> None:
    """Set one link of a world as a table says."""
    sim.link(one, other, condition_of(table), both_ways=both_ways)


def signed_seconds(value: Any) -> float:
    """Seconds of a duration that may be negative."""
    if isinstance(value, str) and value.startswith("-"):
        return -duration_ns(value[1:]) / NS
    if isinstance(value, (int, float)):
        return float(value)
    return duration_ns(value) / NS
