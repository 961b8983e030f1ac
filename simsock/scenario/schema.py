"""What a scenario file may say.

Owns the tables and keys of the TOML form, and the checks of their values. Does not import what a file names, nor run anything. Laws:

* every complaint names the file, ``table.key``, the value found and what was expected;
* a table or key that is not in ``TABLES`` is an error that names the nearest one that is, never silence;
* a new table is one entry of ``TABLES``; whoever uses it reads ``Plan.tables``.
"""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.errors import ScenarioError, SimsockError
from simsock.kernel.preempt import GRANULARITIES
from simsock.kernel.strategies import NAMES as STRATEGIES
from simsock.net import Link
from simsock.search.verdict import FAILS, INCONCLUSIVE

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_BYTES_MAX = 1_000_000
CLIENTS_MAX = 10_000
SCHEDULES_MAX = 10_000_000
REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""``module:name``, both possibly dotted."""


class Key(NamedTuple):
    """One key of a table: the check (it returns the value to use or raises ``ValueError`` with what was expected) and the default."""

    check: Callable[[Any], Any]
    default: Any = None
    required: bool = False


class Plan(NamedTuple):
    """A checked file: its path as given, and every table with every key, defaults filled in. A table that is not there is None."""

    path: str
    tables: dict[str, dict[str, Any] | None]

    def table(self, name: str) -> dict[str, Any]:
        """A table, empty if the file has none of that name."""
        return self.tables[name] or {}

    def problem(self, where: str, value: Any, what: str) -> ScenarioError:
        """The error for ``table.key`` of this file."""
        return problem(self.path, where, value, what)


def problem(path: str, where: str, value: Any, what: str) -> ScenarioError:
    """A complaint about one key; a value in it is cut to a readable length."""
    shown = repr(value)
    return ScenarioError(f"{path}: {where} = {shown if len(shown) <= 80 else shown[:77] + '...'}: {what}", path=path, key=where)


# -- checks ----------------------------------------------------------------------------------------------------------------------------------


def _line(value: Any) -> str:
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value.strip()
    raise ValueError("expected one line of text")


def _text(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("expected text")


def _reference(value: Any) -> str:
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value
    raise ValueError('expected "module:name"')


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"expected a whole number from {low:,} to {high:,}")

    return check


def _one_of(*names: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise ValueError(f"expected one of {', '.join(map(repr, names))}")

    return check


def _seed(value: Any) -> int | str:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise ValueError("expected a whole number or text")


def _impairment(name: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        try:
            Link(**{name: value})
        except (SimsockError, TypeError) as error:
            raise ValueError(str(error)) from None
        return value

    return check


TABLES: dict[str, dict[str, Key]] = {
    "scenario": {
        "name": Key(_line, required=True),
        "about": Key(_line, required=True),
        "expect": Key(_one_of(FAILS, INCONCLUSIVE), required=True),
        "error": Key(_line),
    },
    "server": {"class": Key(_reference), "handler": Key(_reference)},
    "clients": {"count": Key(_whole(1, CLIENTS_MAX), 1), "send": Key(_text), "client": Key(_reference)},
    "check": {"function": Key(_reference, required=True)},
    "search": {
        "schedules": Key(_whole(1, SCHEDULES_MAX), 1000),
        "strategy": Key(_one_of(*STRATEGIES), "random"),
        "preempt": Key(_one_of(*GRANULARITIES), "lines"),
        "seed": Key(_seed, 0),
    },
    "link": {name: Key(_impairment(name)) for name in ("latency", "jitter", "loss")},
}
"""Every table that a file may have, with its keys. ``search`` is there even if the file has none."""

REQUIRED = ("scenario", "server", "clients")
ALWAYS = ("search",)


# -- reading ---------------------------------------------------------------------------------------------------------------------------------


def read(path: str) -> Plan:
    """The checked plan in a file. Raises ``ScenarioError``."""
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror or error}", path=path) from None
    if len(data) > FILE_BYTES_MAX:
        raise ScenarioError(f"{path}: too long for a scenario: more than {FILE_BYTES_MAX:,} bytes", path=path)
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScenarioError(f"{path}: not UTF-8 text (at line {line})", path=path) from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: not TOML: {error}", path=path) from None
    except RecursionError:
        raise ScenarioError(f"{path}: not a scenario: nested too deeply", path=path) from None
    return plan(path, document)


def plan(path: str, document: dict[str, Any]) -> Plan:
    """The plan of a parsed file."""
    for name, content in document.items():
        if name not in TABLES:
            raise ScenarioError(f"{path}: unknown table [{name}]{_nearest(name, TABLES, '[{}]')}", path=path, key=name)
        if not isinstance(content, dict):
            raise problem(path, name, content, f"expected a table, [{name}]")
    tables: dict[str, dict[str, Any] | None] = {}
    for name, keys in TABLES.items():
        given = document.get(name)
        if given is None and name in REQUIRED:
            raise ScenarioError(f"{path}: table [{name}] is missing", path=path, key=name)
        tables[name] = None if given is None and name not in ALWAYS else _checked(path, name, keys, given or {})
    made = Plan(path, tables)
    _exclude(made)
    return made


def _checked(path: str, table: str, keys: dict[str, Key], given: dict[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        if name not in keys:
            raise problem(path, f"{table}.{name}", value, f"unknown key{_nearest(name, keys, table + '.{}')}")
    values = {}
    for name, key in keys.items():
        if name in given:
            try:
                values[name] = key.check(given[name])
            except ValueError as error:
                raise problem(path, f"{table}.{name}", given[name], str(error)) from None
        elif key.required:
            raise ScenarioError(f"{path}: {table}.{name} is missing", path=path, key=f"{table}.{name}")
        else:
            values[name] = key.default
    return values


def _nearest(name: str, known: Any, form: str) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {form.format(close[0])}?"
    return f"; known: {', '.join(form.format(other) for other in known)}"


def _exclude(made: Plan) -> None:
    """What must not, or must, stand together."""
    scenario, server, clients = made.table("scenario"), made.table("server"), made.table("clients")
    if server["class"] is None and server["handler"] is None:
        raise ScenarioError(f"{made.path}: server.class or server.handler is missing: which server is it about?", path=made.path, key="server.class")
    if clients["send"] is None and clients["client"] is None:
        raise ScenarioError(f"{made.path}: clients.send or clients.client is missing: what do they do?", path=made.path, key="clients.send")
    if clients["send"] is not None and clients["client"] is not None:
        raise made.problem("clients.send", clients["send"], f"not together with clients.client = {clients['client']!r}")
    if scenario["error"] is not None and scenario["expect"] != FAILS:
        raise made.problem("scenario.error", scenario["error"], f"has no meaning with scenario.expect = {scenario['expect']!r}")
