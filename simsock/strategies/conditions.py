"""Strategies for the conditions of a world: links, faults on a timeline, ways of picking who runs.

Owns ``links``, ``faults`` and ``schedules``. Does not know programs. Law: the simplest condition is the dull one: a perfect link, no fault, fifo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from simsock.errors import UsageError
from simsock.kernel.strategies import FIFO
from simsock.kernel.strategies import check_strategy as check_order
from simsock.kernel.units import Duration, duration_ns, share
from simsock.net import Link
from simsock.net.fabric import LOCALHOST
from simsock.strategies.checks import check_range, check_strategy

if TYPE_CHECKING:
    from simsock.kernel import Task
    from simsock.world.hosts import Host
    from simsock.world.simulation import Simulation

_MS = 1_000_000
KINDS = ("partition", "hold", "link")
"""What goes wrong between two hosts. These alone are the default of ``faults``: a test that lives through them need not live through a crash."""
KINDS_OF_A_HOST = ("crash", "pause", "kill")


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
    """Values of ``strategy=`` for ``simulations``: these names, or ``"fifo"`` and ``"random"``. The simplest is the first.

    In a world whose answers are drawn, Hypothesis picks: ``"random"`` by single switches, ``"pct"`` by priorities, other names by either.
    Raises ``UsageError`` for names that are no strategy's.
    """
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"schedules: expected names of strategies, got {name!r}")
        check_order(name)
    return st.sampled_from(names or (FIFO, "random"))


class Fault(NamedTuple):
    """Something that goes wrong ``at`` (virtual seconds) and, but for a ``"link"``, is over after ``lasts``.

    Between two hosts, ``a`` and ``b``: ``"partition"``, ``"hold"``, ``"link"``. On the host ``a`` alone (``b`` is None): ``"crash"``, which a
    restart ends, ``"pause"``, which a resume ends, and ``"kill"``, which ends one of the processes that were forked there, if one lives.
    """

    at: float
    kind: str
    a: str
    b: str | None = None
    lasts: float = 0
    link: Link | None = None

    def __repr__(self) -> str:
        given = [(name, getattr(self, name)) for name in self._fields]
        return f"Fault({', '.join(f'{name}={value!r}' for name, value in given if name not in self._field_defaults or value != self._field_defaults[name])})"

    def check(self) -> None:
        """Raise ``UsageError`` for one that makes no sense."""
        alone = self.kind in KINDS_OF_A_HOST
        if not alone and self.kind not in KINDS:
            raise UsageError(f"{self}: kind: expected one of {', '.join(map(repr, (*KINDS, *KINDS_OF_A_HOST)))}, got {self.kind!r}")
        if alone != (self.b is None):
            raise UsageError(f"{self}: b: {'a ' + self.kind + ' concerns one host, got' if alone else 'expected the other host, got'} {self.b!r}")
        if alone and self.kind != "kill" and self.a == LOCALHOST:
            raise UsageError(f"{self}: a: {LOCALHOST!r} is where the test runs; give what is to {self.kind} a host of its own")


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

    def start(self, sim: Simulation, restarted: Callable[[str], object] | None = None) -> list[Task]:
        """Begin; returns the tasks, one a fault. Those that are not over when the world ends are ended with it.

        A host that is up again after a crash has nothing running on it: ``restarted(name)`` starts there what should run, for example
        ``lambda name: sim.serve(Handler, host=name, port=80)``. Without it connections to the host are refused from then on. A host that is
        down or paused already is left alone by a crash or pause that comes meanwhile (a paused host may crash).
        Raises ``UsageError`` for a ``restarted`` that is no function. Times are virtual seconds from now.
        """
        if restarted is not None and not callable(restarted):
            raise UsageError(f"Timeline.start: restarted: expected a function that takes a host's name, got {restarted!r}")
        for fault in self.faults:
            fault.check()
        tasks = [
            sim.spawn(_happen, sim, fault, restarted, name=f"fault-{number}", host=LOCALHOST)  # which does not crash
            for number, fault in enumerate(self.faults, 1)
        ]
        for task in tasks:
            task.daemon = True
        return tasks


def _happen(sim: Simulation, fault: Fault, restarted: Callable[[str], object] | None) -> None:
    sim.sleep(fault.at)
    if fault.kind in KINDS_OF_A_HOST:
        host = sim.host(fault.a)
        if fault.kind == "kill":
            sim.kill(host)
        elif fault.kind == "crash":
            _crash(sim, host, fault, restarted)
        else:
            _pause(sim, host, fault)
        return
    assert fault.b is not None  # checked
    if fault.kind == "link":
        assert fault.link is not None  # checked, too
        sim.link(fault.a, fault.b, fault.link)
        return
    begin, end = (sim.partition, sim.heal) if fault.kind == "partition" else (sim.hold, sim.release)
    begin(fault.a, fault.b)
    sim.sleep(fault.lasts)
    end(fault.a, fault.b)


def _crash(sim: Simulation, host: Host, fault: Fault, restarted: Callable[[str], object] | None) -> None:
    if not host.is_up:
        return
    host.crash()
    sim.sleep(fault.lasts)
    if not sim.host(fault.a).is_up:  # or the test has restarted it meanwhile
        host.restart()
        if restarted is not None:
            restarted(host.name)


def _pause(sim: Simulation, host: Host, fault: Fault) -> None:
    if not host.is_up or host.is_paused:
        return
    host.pause()
    ours = host._frozen
    sim.sleep(fault.lasts)
    if host._frozen is ours:  # and not another pause, after a crash in this one
        host.resume()


def faults(
    hosts: Sequence[str] = ("client", "server"),
    *,
    kinds: Sequence[str] = KINDS,
    victims: Sequence[str] | None = None,
    max_faults: int = 3,
    within: Duration = "10s",
    max_lasts: Duration = "10s",
    link: st.SearchStrategy[Link] | None = None,
) -> st.SearchStrategy[Timeline]:
    """What goes wrong between ``hosts``, and when: partitions that heal, packets held back and released, links that change (to one of ``link``).

    With ``"crash"``, ``"pause"`` and ``"kill"`` among the ``kinds`` also on one host alone: one of ``victims``, by default any of ``hosts``. Begins
    ``within`` so much virtual time; what ends is over after ``max_lasts`` at most. The simplest is a timeline without faults.
    Durations are virtual seconds, or ``"80ms"``. Raises ``UsageError`` for hosts and kinds that do not fit each other.
    """
    check_range("faults", "faults", 0, max_faults)
    if isinstance(kinds, str) or not kinds or any(kind not in (*KINDS, *KINDS_OF_A_HOST) for kind in kinds):
        raise UsageError(f"faults: kinds: expected some of {', '.join(map(repr, (*KINDS, *KINDS_OF_A_HOST)))}, got {kinds!r}")
    alone = [kind for kind in kinds if kind in KINDS_OF_A_HOST]
    if len(alone) < len(kinds):
        _check_hosts("hosts", hosts, 2)
    elif victims is None:
        _check_hosts("hosts", hosts, 1)
    if victims is not None:
        if not alone:
            raise UsageError(f"faults: victims: they crash, pause and are killed, which none of the kinds {tuple(kinds)} is, got {victims!r}")
        _check_hosts("victims", victims, 1)
    struck = list(hosts if victims is None else victims)
    harsh = [kind for kind in alone if kind != "kill"]
    if harsh and LOCALHOST in struck:
        raise UsageError(f"faults: victims: {LOCALHOST!r} is where the test runs; give what is to {harsh[0]} a host of its own, got {struck!r}")
    changed = links() if link is None else check_strategy("faults", "link", link)
    times = st.integers(0, duration_ns(within, "faults: within") // _MS).map(lambda ms: ms / 1000)
    lasting = st.integers(0, duration_ns(max_lasts, "faults: max_lasts") // _MS).map(lambda ms: ms / 1000)
    pairs = [(a, b) for number, a in enumerate(hosts) for b in hosts[number + 1 :]]

    @st.composite
    def one(draw: st.DrawFn) -> Fault:
        kind, at = draw(st.sampled_from(list(kinds))), draw(times)
        a, b = (draw(st.sampled_from(struck)), None) if kind in alone else draw(st.sampled_from(pairs))
        rest: dict[str, Any] = {"link": draw(changed)} if kind == "link" else {"lasts": draw(lasting)}
        return Fault(at, kind, a, b, **rest)

    return st.lists(one(), max_size=max_faults).map(Timeline)


def _check_hosts(option: str, hosts: Any, least: int) -> None:
    if isinstance(hosts, str) or not all(isinstance(host, str) for host in hosts) or not least <= len(set(hosts)) == len(hosts):
        wanted = "the names of at least two hosts" if least == 2 else "the names of hosts"
        raise UsageError(f"faults: {option}: expected {wanted}, got {hosts!r}")


__all__ = ["Fault", "Timeline", "faults", "links", "schedules"]
