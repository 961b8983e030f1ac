"""Which hosts a scenario has, and what they are called.

Owns the names: those of populations, which stand for all of their hosts, and those of hosts. Does not make any host. Laws:

* a name means one thing: two populations of one name, or a population and a host, are an error that says which;
* a host that the file names anywhere is one that is there; ``[[hosts]]`` makes any other known, such as those that a client's function makes.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from simsock.errors import ScenarioError
from simsock.net.addresses import canonical

if TYPE_CHECKING:
    from simsock.scenario.schema import Plan


def title_of(row: dict[str, Any]) -> str:
    """What a population is called."""
    return str(row["name"] or row["kind"].rpartition(":")[2].replace("_", "-"))


def members_of(row: dict[str, Any]) -> list[str]:
    """The hosts of a population."""
    return [f"{title_of(row)}-{number}" for number in range(1, row["count"] + 1)]


def hosts_of(plan: Plan, name: str) -> list[str]:
    """The hosts that a name stands for."""
    return next((members_of(row) for row in plan.rows("populations") if title_of(row) == name), [name])


def check_names(plan: Plan) -> None:
    """Raise ``ScenarioError`` for a name that means two things, or nothing."""
    _check_hosts(plan)
    singles = _singles(plan)
    _check_populations(plan, singles)
    known = {name for row in plan.rows("populations") for name in (title_of(row), *members_of(row))} | set(singles)
    for table in ("links", "timeline"):
        for number, row in enumerate(plan.rows(table), 1):
            for key in ("between", "host"):
                for name in (row[key] if isinstance(row[key], list) else [row[key]]) if row[key] is not None else ():
                    if name not in known:
                        raise plan.problem(f"{table}[{number}].{key}", row[key], f"there is no host or population {name!r}{_meant(plan, name)}")


def _singles(plan: Plan) -> dict[str, str]:
    """Every host but those of populations, with what it is."""
    clients = plan.table("clients").get("count", 0)
    found = {f"client-{number}": "a client" for number in range(1, clients + 1)}
    found.update({row["name"]: f"hosts[{number}]" for number, row in enumerate(plan.rows("hosts"), 1)})
    found[plan.table("server")["host"]] = "the server's host"
    return found


def _check_hosts(plan: Plan) -> None:
    names: dict[str, int] = {}
    owners: dict[Any, str] = {}
    for number, row in enumerate(plan.rows("hosts"), 1):
        name = row["name"]
        if name in names:
            raise plan.problem(f"hosts[{number}].name", name, f"hosts[{names[name]}] has that name")
        names[name] = number
        for address in row["addresses"] or ():
            owner = owners.setdefault(canonical(address), name)
            if owner != name:
                raise plan.problem(f"hosts[{number}].addresses", row["addresses"], f"{address} belongs to host {owner!r}")


def _check_populations(plan: Plan, singles: dict[str, str]) -> None:
    rows = plan.rows("populations")
    numbers: dict[str, int] = {}
    taken = {member: f"a client of populations[{number}]" for number, row in enumerate(rows, 1) for member in members_of(row)} | singles
    for number, row in enumerate(rows, 1):
        title = title_of(row)
        where = f"populations[{number}].name"
        if title in numbers:
            both = f"populations[{numbers[title]}] and populations[{number}] are both called {title!r}: give them names of their own"
            if row["name"] is None:
                raise ScenarioError(f"{plan.path}: {where} is missing: {both}", path=plan.path, key=where)
            raise plan.problem(where, title, both)
        numbers[title] = number
        if title in taken:
            raise plan.problem(where, title, f"{taken[title]} has that name")


def _meant(plan: Plan, name: str) -> str:
    counts = {title_of(row): row["count"] for row in plan.rows("populations")}
    known = [*dict.fromkeys([*counts, *reversed(_singles(plan))])]
    if close := get_close_matches(name, known, n=1, cutoff=0.6):
        return f"; did you mean {close[0]!r}?"
    clients = plan.table("clients").get("count", 0)
    several = {f"client-{number}" for number in range(2, clients)}
    shown = [f"{one!r}{f' ({one}-1 to {one}-{counts[one]})' if counts.get(one, 0) > 1 else ''}" for one in known if one not in several]
    return f"; known: {', '.join(shown)}; name any other in [[hosts]]"


__all__ = ["check_names", "hosts_of", "members_of", "title_of"]
