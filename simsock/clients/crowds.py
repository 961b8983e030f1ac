"""Many clients: how many of which kind, when they come, and what came of them by kind.

Owns groups, their arrivals and the report. Does not know what a client does. Laws of the file:

* in a world each client is a host of its own, named after its kind and number; elsewhere all are threads of this machine;
* all outcomes are there when the crowd is gone, in the order of the groups, and within a group in the order of arrival;
* what a client raises, which only a mistake makes it do, is raised when the crowd is gone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.clients.dice import dice, world
from simsock.clients.kinds import KINDS
from simsock.clients.outcome import REFUSED, RESULTS, SERVED, TIMED_OUT, Outcome, seconds
from simsock.errors import UsageError, meant
from simsock.net.fabric import fabric_of
from simsock.network import in_force

if TYPE_CHECKING:
    from random import Random

CLIENTS_MAX = 10_000
_ARRIVALS = re.compile(r"(?P<once>at once)|every (?P<every>\S.*)|poisson (?P<rate>[0-9]*\.?[0-9]+)/s")


@dataclass(frozen=True, slots=True)
class Group:
    """``count`` clients of one kind: a name of ``KINDS``, or a function that takes the address and returns an ``Outcome``.

    ``arrivals``: ``"at once"``, ``"every 50ms"``, or ``"poisson 20/s"`` (a random stream of so many a second on average), the first of them
    ``start`` after the crowd is let loose. ``name`` is what the report calls them (without: the kind). ``options`` go to the client's function.
    """

    kind: str | Callable[..., Outcome]
    count: int = 1
    arrivals: str = "at once"
    start: Any = 0
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ``UsageError`` for values that make no sense."""
        client = self.client
        if isinstance(self.count, bool) or not isinstance(self.count, int) or not 1 <= self.count <= CLIENTS_MAX:
            raise UsageError(f"count: expected a whole number from 1 to {CLIENTS_MAX:,}, got {self.count!r}")
        if not isinstance(self.name, str):
            raise UsageError(f"name: expected text, got {self.name!r}")
        if not isinstance(self.options, Mapping):
            raise UsageError(f"options: expected a dictionary, got {self.options!r}")
        seconds(self.start, "start")
        read_arrivals(self.arrivals)
        parameters = known_options(client)
        for option in self.options:
            if parameters is not None and option not in parameters:
                raise UsageError(f"{self.title}: unknown option {option!r}; known: {', '.join(parameters)}")

    @property
    def client(self) -> Callable[..., Outcome]:
        """The function that each client of the group runs.

        Raises ``UsageError`` for a kind that does not exist.
        """
        kind: Any = self.kind
        if callable(kind):
            return kind  # type: ignore[no-any-return]  # its annotation says what it is
        if not isinstance(kind, str) or kind not in KINDS:
            raise UsageError(f"unknown kind of client {kind!r}; expected one of {', '.join(KINDS)}, or a function{meant(kind, KINDS)}")
        return KINDS[kind]

    @property
    def title(self) -> str:
        """What they are called."""
        return self.name or (self.kind if isinstance(self.kind, str) else _named(self.kind).replace("_", "-"))


def _named(function: Any) -> str:
    return str(getattr(function, "__name__", None) or type(function).__name__)


def known_options(client: Callable[..., Any]) -> list[str] | None:
    """The names of what a client's function takes besides the address; None when it takes anything, or when that cannot be known."""
    try:
        parameters = signature(client).parameters
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    return list(parameters)[1:]


def check_outcome(outcome: Any, who: str) -> Outcome:
    """What a client's function returned. Raises ``UsageError`` if that is none."""
    if not isinstance(outcome, Outcome):
        raise UsageError(f"expected a function that returns a simsock.clients.Outcome, and {who} returned {outcome!r:.80}")
    return outcome


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of a report: how many had which result, and how many seconds they took."""

    kind: str
    count: int
    results: dict[str, int]
    min: float
    median: float
    p99: float
    max: float

    def as_dict(self) -> dict[str, Any]:
        """The row as plain values."""
        return {"kind": self.kind, "count": self.count, **self.results, "min": self.min, "median": self.median, "p99": self.p99, "max": self.max}


class Report(NamedTuple):
    """What came of a crowd: ``outcomes`` by the groups' titles, and ``came``: how many seconds after the beginning each client did."""

    outcomes: dict[str, list[Outcome]]
    came: Mapping[str, list[float]] = MappingProxyType({})

    def rows(self) -> list[Row]:
        """A row for each kind."""
        made = []
        for kind, outcomes in self.outcomes.items():
            times = sorted(outcome.seconds for outcome in outcomes)
            counts = {result: sum(outcome.result == result for outcome in outcomes) for result in RESULTS}
            made.append(Row(kind, len(outcomes), counts, times[0], _rank(times, 50), _rank(times, 99), times[-1]))
        return made

    def lines(self) -> list[str]:
        """The report as a table. Results that nobody had are left out, but for served, refused and timed out."""
        return table(self.rows())


def table(rows: Sequence[Row]) -> list[str]:
    """Rows as lines of text, right-aligned but for the kind."""
    results = [result for result in RESULTS if result in (SERVED, REFUSED, TIMED_OUT) or any(row.results[result] for row in rows)]
    cells = [["clients", "count", *results, "min", "median", "p99", "max"]]
    for row in rows:
        times = [f"{value:.3f}s" for value in (row.min, row.median, row.p99, row.max)]
        cells.append([row.kind, str(row.count), *(str(row.results[result]) for result in results), *times])
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(zip(line, widths))) for line in cells]


def _rank(ordered: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def let_loose(address: Any, groups: Sequence[Group]) -> Report:
    """Let all clients of all groups come as their arrivals say, and wait until the last one is gone.

    Raises ``UsageError`` for what are no groups, and what the first client that failed has raised.
    """
    given: Any = groups
    groups = list(given) if isinstance(given, Iterable) else []
    if not isinstance(given, Iterable) or not all(isinstance(group, Group) for group in groups):
        raise UsageError(f"let_loose: expected groups, such as [Group('polite', 10)], got {given!r:.80}")
    titles: dict[str, list[Outcome | None]] = {}
    failures: list[BaseException] = []
    came: dict[str, list[float]] = {}
    threads = []
    for group in groups:
        slots = titles.setdefault(group.title, [])
        for delay in delays(group):
            slots.append(None)
            came.setdefault(group.title, []).append(delay)
            threads.append(_thread(address, group, delay, slots, len(slots), failures))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return Report({title: [outcome for outcome in slots if outcome is not None] for title, slots in titles.items()}, came)


def _thread(address: Any, group: Group, delay: float, slots: list[Outcome | None], number: int, failures: list[BaseException]) -> Any:
    network = in_force()
    client = group.client
    name = f"{group.title}-{number}"

    def come() -> None:
        try:
            kernel = world()
            if kernel is not None:
                kernel.current.host = fabric_of(kernel).host(name)
            if delay:
                network.time.sleep(delay)
            slots[number - 1] = check_outcome(client(address, **group.options), f"{_named(client)} ({group.title})")
        except Exception as error:
            failures.append(error)

    return network.threading.Thread(target=come, name=name, daemon=True)


def delays(group: Group) -> list[float]:
    """When each client of a group comes, in seconds from the beginning."""
    start = seconds(group.start, "start")
    way, value = read_arrivals(group.arrivals)
    if way == "rate":
        return [start + when for when in _poisson(value, group.count, dice(f"arrivals {group.title}"))]
    return [start + value * number for number in range(group.count)]


def read_arrivals(arrivals: Any) -> tuple[str, float]:
    """``("every", seconds)`` or ``("rate", so many a second)``. Raises ``UsageError``."""
    read = _ARRIVALS.fullmatch(arrivals.strip()) if isinstance(arrivals, str) else None
    if read is None:
        raise UsageError(f'arrivals: expected "at once", "every 50ms" or "poisson 20/s", got {arrivals!r}')
    if read["rate"] is None:
        return "every", 0.0 if read["once"] else seconds(read["every"], "arrivals")
    rate = float(read["rate"])
    if rate <= 0:
        raise UsageError(f"arrivals: expected more than none a second, got {rate:g}/s")
    return "rate", rate


def _poisson(rate: float, count: int, source: Random) -> list[float]:
    """Moments with exponential gaps between them, in whole microseconds."""
    now = 0
    found = []
    for _ in range(count):
        now += round(-math.log((source.getrandbits(53) + 1) / 2**53) / rate * 1_000_000)
        found.append(now / 1_000_000)
    return found


def thundering_herd(address: Any, kind: str | Callable[..., Outcome] = "polite", count: int = 100, **options: Any) -> list[Outcome]:
    """``count`` clients at one instant."""
    group = Group(kind, count, options=options)
    return let_loose(address, [group]).outcomes[group.title]


def poisson_arrivals(address: Any, kind: str | Callable[..., Outcome] = "polite", count: int = 100, per_second: float = 10, **options: Any) -> list[Outcome]:
    """``count`` clients in a random stream, so many a second on average."""
    group = Group(kind, count, f"poisson {per_second:f}/s", options=options)
    return let_loose(address, [group]).outcomes[group.title]
