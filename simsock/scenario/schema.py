"""What a scenario file may say.

Owns the tables and keys of the TOML form, as models of pydantic, and the words of complaints about them. Does not import what a file names,
nor run anything. Laws:

* every complaint names the file, ``table.key``, the value found and what was expected;
* a table or key that is not there is an error that names the nearest one that is, never silence;
* a new table is an entry of ``MODELS``; whoever uses it reads ``Plan.table`` or ``Plan.rows``.
"""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from types import FunctionType, GenericAlias
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, create_model

from simsock.clients.crowds import CLIENTS_MAX, known_options, read_arrivals
from simsock.clients.kinds import KINDS
from simsock.errors import ScenarioError, SimsockError
from simsock.kernel.preempt import GRANULARITIES
from simsock.kernel.strategies import DEFAULT
from simsock.net import Link
from simsock.net.link.profiles import changed, line
from simsock.net.link.settings import ARGUMENTS as IMPAIRMENTS
from simsock.net.resolver import FAILURES
from simsock.scenario import checks
from simsock.scenario.checks import REFERENCE
from simsock.scenario.naming import check_names, title_of
from simsock.scenario.setting import put_in, words
from simsock.search.verdict import FAILS, INCONCLUSIVE
from simsock.world.options import WORLD_OPTIONS

SEARCH_OPTIONS = tuple(name for name in WORLD_OPTIONS if name not in ("strategy", "preempt", "link", "chunks", "max_time"))
"""Options of worlds that ``[search]`` takes as they are; the others have defaults, or a table, of their own."""
FILE_BYTES_MAX = 1_000_000
NUMBER_BITS_MAX = 256
"""Of a whole number anywhere in a file: a seed may have as many."""
SCHEDULES_MAX = 10_000_000
PORT_MAX = 65_535
THREADS_MAX = 1_000_000


class Plan(NamedTuple):
    """A checked file: its path as given, and every table with every key, defaults filled in. A table that is not there is None."""

    path: str
    tables: dict[str, dict[str, Any] | None]
    lists: dict[str, list[dict[str, Any]]] = {}
    settings: tuple[str, ...] = ()
    """What the command line has put in the place of the file's values: ``"links.1.loss=5%"``."""

    def table(self, name: str) -> dict[str, Any]:
        """A table, empty if the file has none of that name."""
        return self.tables[name] or {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The tables of a name that there may be many of."""
        return self.lists.get(name, [])

    def problem(self, where: str, value: Any, what: str) -> ScenarioError:
        """The error for ``table.key`` of this file."""
        return problem(self.path, where, value, what)


def problem(path: str, where: str, value: Any, what: str) -> ScenarioError:
    """A complaint about one key; a value in it is cut to a readable length."""
    shown = repr(value)
    return ScenarioError(f"{path}: {where} = {shown if len(shown) <= 80 else shown[:77] + '...'}: {what}", path=path, key=where)


# -- tables ----------------------------------------------------------------------------------------------------------------------------------


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _OpenTable(BaseModel):
    model_config = ConfigDict(extra="allow")


def _table(title: str, /, *, is_open: bool = False, **keys: Any) -> Any:
    """A model. Each key is a check, or a pair of a check and the default; a key with a check alone must be given, with a default of None need not."""
    fields: dict[str, Any] = {}
    for key, given in keys.items():
        check, default = given if isinstance(given, tuple) else (given, ...)
        alias = key.removesuffix("_")
        kind: Any = Annotated[Any, PlainValidator(check)] if isinstance(check, FunctionType) else check
        fields[key] = (kind, Field(default, alias=alias) if alias != key else default)
    return create_model(title, __base__=_OpenTable if is_open else _Table, **fields)


_CONDITION: dict[str, Any] = {"profile": (checks.profile, None), **{name: (checks.impairment(name), None) for name in IMPAIRMENTS}}
_TWO_OR_ONE: dict[str, Any] = {"between": (checks.two_hosts, None), "host": (checks.line, None)}


def _named(value: Any) -> Any:
    """A link may be a profile's name instead of a table."""
    return {"profile": checks.profile(value)} if isinstance(value, str) else value


LinkTable = _table("LinkTable", **_CONDITION)
LINK: Any = Annotated[LinkTable | None, BeforeValidator(_named)]
_AS_THEY_ARE: dict[str, Any] = {name: (checks.world_option(name), None) for name in SEARCH_OPTIONS}
MODELS: dict[str, Any] = {
    "scenario": _table("Scenario", name=checks.line, about=checks.line, expect=(checks.one_of(FAILS, INCONCLUSIVE), INCONCLUSIVE), error=(checks.line, None)),
    "server": _table(
        "Server",
        class_=(checks.reference, None),
        handler=(checks.reference, None),
        function=(checks.reference, None),
        host=(checks.host, "server"),
        port=(checks.whole(0, PORT_MAX), 0),
    ),
    "clients": _table("Clients", count=(checks.whole(1, CLIENTS_MAX), 1), send=(checks.text, None), client=(checks.reference, None)),
    "check": _table("Check", function=checks.reference),
    "search": _table(
        "Search",
        schedules=(checks.whole(1, SCHEDULES_MAX), 1000),
        strategy=(checks.world_option("strategy"), DEFAULT),
        preempt=(checks.one_of(*GRANULARITIES), "lines"),
        seed=(checks.seed, 0),
        chunks=(checks.chunks, "whole"),
        max_time=(checks.duration, None),
        **_AS_THEY_ARE,
    ),
    "link": LinkTable,
    "expectations": _table(
        "Expectations",
        served=(checks.by_population(checks.duration), None),
        results=(checks.by_population(checks.results), None),
        replies=(checks.by_population(checks.text), None),
        same_replies=(checks.texts, None),
        handler_errors=(checks.errors, None),
        no_leaks=(checks.switch, False),
        threads_max=(checks.whole(1, THREADS_MAX), None),
        within=(checks.duration, None),
        check=(checks.reference, None),
    ),
    "hosts": _table("Host", name=checks.host, addresses=(checks.reachable, None)),
    "links": _table("Between", **_TWO_OR_ONE, both_ways=(checks.switch, True), **_CONDITION),
    "populations": _table(
        "Population",
        is_open=True,  # further keys are options of the client's function
        kind=checks.text,
        name=(checks.host, None),
        count=(checks.whole(1, CLIENTS_MAX), 1),
        arrivals=(checks.line, "at once"),
        start=(checks.duration, 0),
        link=(LINK, None),
        request=(checks.text, None),
        payload=(checks.line, None),
        until=(checks.end, None),
    ),
    "timeline": _table(
        "Fault",
        at=checks.duration,
        do=checks.line,
        **_TWO_OR_ONE,
        one_way=(checks.switch, None),
        by=(checks.difference, None),
        within=(checks.duration, None),
        link=(LINK, None),
        name=(checks.line, None),
        fail=(checks.one_of(*FAILURES), None),
        chance=(checks.share, None),
        delay=(checks.duration, None),
        addresses=(checks.addresses, None),
    ),
}
"""Every table by its name."""

TABLES = ("scenario", "server", "clients", "check", "search", "link", "expectations")
"""The tables that stand alone."""
LISTS = ("hosts", "links", "populations", "timeline")
"""The tables that there may be many of."""
REQUIRED = ("scenario", "server")

_FIELDS: dict[str, Any] = {name: (MODELS[name], ...) if name in REQUIRED else (MODELS[name] | None, None) for name in TABLES}
_FIELDS["link"] = (LINK, None)
_FIELDS.update({name: (GenericAlias(list, (MODELS[name],)), []) for name in LISTS})
Document: Any = create_model("Document", __base__=_Table, **_FIELDS)
_KEYS = {table: [field.alias or name for name, field in model.model_fields.items()] for table, model in MODELS.items()}

ACTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "partition": ((), ("between", "host", "one_way")),
    "heal": ((), ("between", "host", "one_way")),
    "hold": ((), ("between", "host", "one_way")),
    "release": ((), ("between", "host", "one_way")),
    "crash": (("host",), ()),
    "restart": (("host",), ()),
    "pause": (("host",), ()),
    "resume": (("host",), ()),
    "jump": (("host", "by"), ()),
    "kill": (("host",), ("within",)),
    "link": (("between", "link"), ()),
    "resolver": (("name",), ("fail", "chance", "delay", "addresses")),
}
"""What may happen on a timeline, with the keys that it needs and those that it may have."""
CUTS = ("partition", "heal", "hold", "release")
"""Those of them that are about what is between hosts: two, or one and all others; to heal and to release may be about all."""


# -- reading ---------------------------------------------------------------------------------------------------------------------------------


def read(path: str, settings: tuple[str, ...] = ()) -> Plan:
    """The checked plan in a file, with some values set otherwise (``"links.1.loss=5%"``). Raises ``ScenarioError``."""
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror or error}", path=path) from None
    except ValueError:  # a zero in it, or half a character
        raise ScenarioError(f"{path}: cannot be read: no file can have such a name", path=path) from None
    if len(data) > FILE_BYTES_MAX:
        raise ScenarioError(f"{path}: too long for a scenario: more than {FILE_BYTES_MAX:,} bytes", path=path)
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScenarioError(f"{path}: not UTF-8 text (at line {line})", path=path) from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: not TOML: {error}{_quotes_missing(data, str(error))}", path=path) from None
    except RecursionError:
        raise ScenarioError(f"{path}: not a scenario: nested too deeply", path=path) from None
    except ValueError:  # Python reads no decimal number that is longer
        raise ScenarioError(f"{path}: not a scenario: it has a whole number of thousands of digits", path=path) from None
    _check_numbers(path, "", document)
    if not settings:
        return plan(path, document)
    changed = put_in(document, settings, path)
    _check_numbers(path, "", changed)
    try:
        return plan(path, changed)._replace(settings=settings)
    except ScenarioError as error:
        error.add_note(f"with{words(settings)}")
        raise


def _check_numbers(path: str, where: str, value: Any) -> None:
    """Whole numbers that nobody means: they could not even be named in a complaint."""
    if isinstance(value, int) and value.bit_length() > NUMBER_BITS_MAX:
        raise ScenarioError(f"{path}: {where}: a whole number of more than {NUMBER_BITS_MAX} bits is more than a scenario can mean", path=path, key=where)
    for key, part in value.items() if isinstance(value, dict) else enumerate(value, 1) if isinstance(value, list) else ():
        named = f"{where}[{key}]" if isinstance(key, int) else f"{where}.{key}".lstrip(".")
        _check_numbers(path, named, part)


def plan(path: str, document: dict[str, Any]) -> Plan:
    """The plan of a parsed file."""
    try:
        made = Document.model_validate(document)
    except ValidationError as error:
        raise _complaint(path, error) from None
    tables = {name: None if (model := getattr(made, name)) is None else _plain(model) for name in TABLES}
    tables["search"] = tables["search"] or _plain(MODELS["search"]())  # there even if the file has none
    read = Plan(path, tables, {name: [_plain(model) for model in getattr(made, name)] for name in LISTS})
    _exclude(read)
    return read


def _plain(model: BaseModel) -> dict[str, Any]:
    values = model.model_dump(by_alias=True)
    for name, value in values.items():
        if name == "link" and value is not None:
            values[name] = {key: given for key, given in value.items() if given is not None}
    return values


def _complaint(path: str, error: ValidationError) -> ScenarioError:
    """The first problem in our words; what is unknown goes first, because what is missing may be what was meant."""
    found = error.errors(include_url=False)
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    place, value = first["loc"], first["input"]
    where = _where(place)
    if first["type"] == "extra_forbidden":
        known = (*TABLES, *LISTS) if len(place) == 1 else _KEYS["link" if place[-2] == "link" else str(place[0])]
        if len(place) == 1:
            return ScenarioError(f"{path}: unknown table [{where}]{_nearest(where, known, _table_name)}", path=path, key=where)
        table = _where(place[:-1])
        return problem(path, where, value, f"unknown key{_nearest(str(place[-1]), known, (table + '.{}').format)}")
    if first["type"] == "missing":
        if len(place) == 1:
            return ScenarioError(f"{path}: table [{where}] is missing", path=path, key=where)
        return ScenarioError(f"{path}: {where} is missing", path=path, key=where)
    if first["type"] == "list_type":
        return problem(path, where, value, f"expected tables, [[{where}]]")
    if first["type"] == "model_type":
        if isinstance(place[-1], int):
            return problem(path, where, value, f"expected a table, [[{place[0]}]]")
        wanted = f"[{where}]" if len(place) == 1 else '{ latency = "50ms" }, or the name of a profile'
        return problem(path, where, value, f"expected a table, {wanted}")
    return problem(path, where, value, str(first.get("ctx", {}).get("error", first["msg"])))


def _where(place: tuple[int | str, ...]) -> str:
    """``populations[1].count``: as a file's reader counts."""
    found = ""
    for part in place:
        found += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if found else part
    return found


def _table_name(name: str) -> str:
    return f"[[{name}]]" if name in LISTS else f"[{name}]"


_UNQUOTED = re.compile(r"\s*[\w.-]+\s*=\s*(?P<value>[+-]?[\d.]+\s*(%|[A-Za-z][\w/]*))\s*(#.*)?")


def _quotes_missing(data: bytes, said: str) -> str:
    """What to do about ``loss = 5%``, if that is the line that an error names."""
    number = re.search(r"at line (\d+)", said)
    line = data.decode("utf-8").splitlines()[int(number[1]) - 1 : int(number[1])] if number is not None else []
    found = _UNQUOTED.fullmatch(line[0]) if line else None
    return f'; a value with a unit is a text: "{found["value"]}"' if found is not None else ""


def _nearest(name: str, known: Any, form: Any) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {form(close[0])}?"
    return f"; known: {', '.join(map(form, known))}"


# -- what must not, or must, stand together --------------------------------------------------------------------------------------------------


def _exclude(made: Plan) -> None:
    scenario, server, clients = made.table("scenario"), made.table("server"), made.table("clients")
    if made.tables["clients"] is None and not made.rows("populations"):
        raise ScenarioError(f"{made.path}: table [clients] is missing", path=made.path, key="clients")
    if server["class"] is None and server["handler"] is None and server["function"] is None:
        told = "server.class, server.handler or server.function is missing: which server is it about?"
        raise ScenarioError(f"{made.path}: {told}", path=made.path, key="server.class")
    for key in ("class", "handler"):
        if server["function"] is not None and server[key] is not None:
            raise made.problem("server.function", server["function"], f"not together with server.{key} = {server[key]!r}")
    if clients and clients["send"] is None and clients["client"] is None:
        raise ScenarioError(f"{made.path}: clients.send or clients.client is missing: what do they do?", path=made.path, key="clients.send")
    if clients and clients["send"] is not None and clients["client"] is not None:
        raise made.problem("clients.send", clients["send"], f"not together with clients.client = {clients['client']!r}")
    if scenario["error"] is not None and scenario["expect"] != FAILS:
        raise made.problem("scenario.error", scenario["error"], f"has no meaning with scenario.expect = {scenario['expect']!r}")
    _check_link(made, "link", made.table("link"))
    for number, row in enumerate(made.rows("links"), 1):
        if (row["between"] is None) == (row["host"] is None):
            raise made.problem(f"links[{number}].between", row["between"], "expected either between or host")
        _check_link(made, f"links[{number}]", impairments(row))
    for number, row in enumerate(made.rows("populations"), 1):
        _check_population(made, f"populations[{number}]", row)
    for number, row in enumerate(made.rows("timeline"), 1):
        _check_fault(made, f"timeline[{number}]", row)
    check_names(made)
    _check_expectations(made)


def impairments(row: dict[str, Any]) -> dict[str, Any]:
    """The keys of a table that are about a link's condition, without those that are not given."""
    return {name: value for name, value in row.items() if (name in IMPAIRMENTS or name == "profile") and value is not None}


def _check_link(made: Plan, where: str, given: dict[str, Any]) -> None:
    try:
        condition = condition_of(given)
        if where != "link":
            line(condition)
    except SimsockError as error:
        raise ScenarioError(f"{made.path}: {where}: {error}", path=made.path, key=where) from None


def condition_of(table: dict[str, Any]) -> Link:
    """The link that a table describes: a profile, or a perfect link, with impairments."""
    given = impairments(table)
    return changed(given.pop("profile", "perfect"), given)


def _check_population(made: Plan, where: str, row: dict[str, Any]) -> None:
    kind = row["kind"]
    if kind not in KINDS and not REFERENCE.fullmatch(kind):
        raise made.problem(f"{where}.kind", kind, f'expected a kind of client, or "module:function"{_nearest(kind, KINDS, str)}')
    if row["request"] is not None and row["payload"] is not None:
        raise made.problem(f"{where}.request", row["request"], f"not together with {where}.payload = {row['payload']!r}")
    if row["payload"] is not None:
        from simsock.faker import PAYLOADS

        if row["payload"] not in PAYLOADS:
            raise made.problem(f"{where}.payload", row["payload"], f"expected one of {', '.join(map(repr, PAYLOADS))}")
    if row["link"] is not None:
        _check_link(made, f"{where}.link", row["link"])
    try:
        read_arrivals(row["arrivals"])
    except SimsockError as error:
        raise made.problem(f"{where}.arrivals", row["arrivals"], str(error).partition(": ")[2]) from None
    if kind in KINDS:
        check_options(made, where, row, KINDS[kind])


def options_of(row: dict[str, Any]) -> dict[str, Any]:
    """What a population gives to its client's function."""
    given = {name: value for name, value in row.items() if name not in _KEYS["populations"]}
    if row["request"] is not None:
        given["request"] = row["request"].encode()
    if row["until"] is not None:
        given["until"] = row["until"].encode() if isinstance(row["until"], str) else row["until"]
    return given


def check_options(made: Plan, where: str, row: dict[str, Any], client: Any) -> None:
    """Whether a client's function takes what a population gives to it."""
    parameters = known_options(client)
    if parameters is None:
        return
    known = [*parameters, *(name for name in _KEYS["populations"] if name not in ("request", "until"))]
    wanted = [*options_of(row), *(["request"] if row["payload"] is not None else [])]
    for name in wanted:
        if name not in known:
            raise made.problem(f"{where}.{name}", row.get(name), f"unknown key for {row['kind']}{_nearest(name, known, (where + '.{}').format)}")


def _check_fault(made: Plan, where: str, row: dict[str, Any]) -> None:
    action = row["do"]
    if action not in ACTIONS:
        raise made.problem(f"{where}.do", action, f"unknown{_nearest(action, ACTIONS, repr)}")
    needed, allowed = ACTIONS[action]
    for name in needed:
        if row[name] is None:
            raise ScenarioError(f"{made.path}: {where}.{name} is missing: {action!r} needs it", path=made.path, key=f"{where}.{name}")
    for name, value in row.items():
        if value is not None and name not in ("at", "do", *needed, *allowed):
            raise made.problem(f"{where}.{name}", value, f"has no meaning with {where}.do = {action!r}")
    if action in CUTS and row["between"] is not None and row["host"] is not None:
        raise made.problem(f"{where}.host", row["host"], f"not together with {where}.between")
    if action in ("partition", "hold") and row["between"] is None and row["host"] is None:
        raise ScenarioError(f"{made.path}: {where}.between or {where}.host is missing: {action!r} needs one of them", path=made.path, key=f"{where}.between")
    if row["chance"] is not None and row["fail"] is None:
        raise made.problem(f"{where}.chance", row["chance"], f"needs {where}.fail: it says how often that happens")
    if row["link"] is not None:
        _check_link(made, f"{where}.link", row["link"])


def _check_expectations(made: Plan) -> None:
    expected = made.table("expectations")
    known = [title_of(row) for row in made.rows("populations")]
    if expected.get("no_leaks") and any(row["do"] == "crash" for row in made.rows("timeline")):
        raise made.problem("expectations.no_leaks", True, "not together with a crash, which takes away what was there before")
    for key in ("served", "results", "replies", "same_replies"):
        for name in expected.get(key) or ():
            if name not in known:
                raise made.problem(f"expectations.{key}", name, f"no population of that name{_nearest(name, known, str)}")
