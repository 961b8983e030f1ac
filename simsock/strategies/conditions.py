"""Strategies for the conditions of a world: links, faults on a timeline, ways of picking who runs.

Owns ``links``, ``faults`` and ``schedules``. Does not know programs. Law: the simplest condition is the dull one: a perfect link, no fault, fifo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from simsock.errors import UsageError
from simsock.kernel.strategies import NAMES
from simsock.kernel.units import Duration, duration_ns, share
from simsock.net import Link
from simsock.strategies.checks import check_range, check_strategy

if TYPE_CHECKING:
    from simsock.kernel import Task
    from simsock.simulation import Simulation

_MS = 1_000_000
KINDS = ("partition", "hold", "link")


def links(
    *,
    max_latency: Duration = "200ms",
    max_jitter: Duration = "50ms",
    max_loss: float | str = "20%",
    max_duplicate: float | str = "10%",
    max_corrupt: float | str = "10%",
) -> st.SearchStrategy[Link]:
    """Links with any of these impairments up to its limit, in whole milliseconds and percents. The simplest is perfect."""
    delays = {name: duration_ns(value, f"links: max_{name}") // _MS for name, value in (("latency", max_latency), ("jitter", max_jitter))}
    limits = {"loss": max_loss, "duplicate": max_duplicate, "corrupt": max_corrupt}
    shares = {name: int(share(value, f"links: max_{name}") * 100 + 1e-9) for name, value in limits.items()}
    drawn = {name: st.integers(0, most).map(lambda ms: ms / 1000) for name, most in delays.items()}
    drawn |= {name: st.integers(0, most).map(lambda percent: percent / 100) for name, most in shares.items()}
    return st.builds(Link, **drawn)


def schedules(*names: str) -> st.SearchStrategy[str]:
    """Values of ``strategy=`` for ``simulations``: these, or all that need no object. The simplest is the first, by default ``"fifo"``."""
    for name in names:
        if name not in NAMES:
            raise UsageError(f"schedules: expected some of {', '.join(map(repr, NAMES))}, got {name!r}")
    return st.sampled_from(names or NAMES)


class Fault(NamedTuple):
    """Something that goes wrong between two hosts ``at`` (virtual seconds) and, but for a ``"link"``, is over after ``lasts``."""

    at: float
    kind: str
    a: str
    b: str
    lasts: float = 0
    link: Link | None = None


class Timeline:
    """Faults in the order in which they come; ``start(sim)`` lets them come, counted from then on."""

    __slots__ = ("faults",)

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.at)

    def __repr__(self) -> str:
        return f"Timeline({self.faults!r})"

    def __eq__(self, other: object) -> bool:
        return self.faults == other.faults if isinstance(other, Timeline) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # its faults may be changed

    def start(self, sim: Simulation) -> list[Task]:
        """Begin; returns the tasks, one a fault. Those that are not over when the world ends are ended with it."""
        tasks = [sim.spawn(_happen, sim, fault, name=f"fault-{number}") for number, fault in enumerate(self.faults, 1)]
        for task in tasks:
            task.daemon = True
        return tasks


def _happen(sim: Simulation, fault: Fault) -> None:
    sim.sleep(fault.at)
    if fault.kind == "link":
        sim.link(fault.a, fault.b, fault.link)
        return
    begin, end = (sim.partition, sim.heal) if fault.kind == "partition" else (sim.hold, sim.release)
    begin(fault.a, fault.b)
    sim.sleep(fault.lasts)
    end(fault.a, fault.b)


def faults(
    hosts: Sequence[str] = ("client", "server"),
    *,
    kinds: Sequence[str] = KINDS,
    max_faults: int = 3,
    within: Duration = "10s",
    max_lasts: Duration = "10s",
    link: st.SearchStrategy[Link] | None = None,
) -> st.SearchStrategy[Timeline]:
    """What goes wrong between ``hosts``, and when: partitions that heal, packets held back and released, links that change (to one of ``link``).

    Begins ``within`` so much virtual time; a partition or hold is over after ``max_lasts`` at most. The simplest is a timeline without faults.
    """
    check_range("faults", "faults", 0, max_faults)
    if isinstance(hosts, str) or len(hosts) < 2 or len(set(hosts)) < len(hosts) or not all(isinstance(host, str) for host in hosts):
        raise UsageError(f"faults: hosts: expected the names of at least two hosts, got {hosts!r}")
    if isinstance(kinds, str) or not kinds or any(kind not in KINDS for kind in kinds):
        raise UsageError(f"faults: kinds: expected some of {', '.join(map(repr, KINDS))}, got {kinds!r}")
    changed = links() if link is None else check_strategy("faults", "link", link)
    times = st.integers(0, duration_ns(within, "faults: within") // _MS).map(lambda ms: ms / 1000)
    lasting = st.integers(0, duration_ns(max_lasts, "faults: max_lasts") // _MS).map(lambda ms: ms / 1000)
    pairs = st.sampled_from([(a, b) for number, a in enumerate(hosts) for b in hosts[number + 1 :]])

    @st.composite
    def one(draw: st.DrawFn) -> Fault:
        kind, at, (a, b) = draw(st.sampled_from(list(kinds))), draw(times), draw(pairs)
        rest: dict[str, Any] = {"link": draw(changed)} if kind == "link" else {"lasts": draw(lasting)}
        return Fault(at, kind, a, b, **rest)

    return st.lists(one(), max_size=max_faults).map(Timeline)


__all__ = ["Fault", "Timeline", "faults", "links", "schedules"]
