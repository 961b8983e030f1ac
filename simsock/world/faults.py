"""The faults that a test scripts: partitions, packets held back, rules, names.

Owns the methods of ``Simulation`` that make things go wrong on purpose. Does not know how the net obeys. Law: each stands in the records,
so that it is part of the digest and of the story.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError, meant
from simsock.kernel.happened import Happened
from simsock.net.fabric import fabric_of
from simsock.net.link.partitions import ways
from simsock.net.resolver import make_order
from simsock.world.hosts import Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Literal

    from simsock.kernel import Kernel
    from simsock.kernel.units import Duration
    from simsock.net import Fabric
    from simsock.net.link.rules import Packet
    from simsock.world.typed import Hosts, Names


class Rule:
    """A rule in force: ``remove()`` ends it, and so does the end of a ``with`` block."""

    __slots__ = ("_fabric", "_number", "_rule")

    def __init__(self, fabric: Fabric, rule: Callable[[Packet], object]) -> None:
        self._fabric = fabric
        self._rule = rule
        self._number = fabric.interference.add_rule(rule, fabric.kernel.room(Happened).fault(f"rule {_called(rule)}"))
        fabric.interfere()

    def remove(self) -> None:
        """It holds no longer."""
        self._fabric.interference.remove_rule(self._number)
        self._fabric.interfere()

    def __enter__(self) -> Rule:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<simsock rule {self._rule!r}>"


class Faults:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:
        _only_named: dict[str, str]

        def _running(self) -> Kernel: ...
        def _host_of(self, host: str | Host) -> Host: ...
        def host(self, name: str, addresses: Any = None) -> Host: ...

    def partition(self, a: Hosts, b: Hosts | None = None, *, one_way: bool = False) -> None:
        """Cut ``a`` off from ``b`` (from every other host when None); with ``one_way`` only what ``a`` sends does not arrive.

        Both are a host or several. Datagrams vanish, streams try again until they give up, ``connect`` ends in ``ETIMEDOUT``. What is under way
        arrives.
        """
        self._order("partition", a, b, one_way)

    def heal(self, a: Hosts | None = None, b: Hosts | None = None, *, one_way: bool = False) -> None:
        """End partitions: between ``a`` and ``b``, all of ``a``, or all."""
        self._order("heal", a, b, one_way)

    def hold(self, a: Hosts, b: Hosts | None = None, *, one_way: bool = False) -> None:
        """Hold back what is between ``a`` and ``b`` (every other host when None), also what is under way already, until ``release``."""
        self._order("hold", a, b, one_way)

    def release(self, a: Hosts | None = None, b: Hosts | None = None, *, one_way: bool = False) -> None:
        """Let go on what ``hold`` keeps: everything that was due by now arrives at once, in order."""
        self._order("release", a, b, one_way)

    def _order(self, what: str, a: Any, b: Any, one_way: bool) -> None:
        kernel = self._running()
        if not isinstance(one_way, bool):
            raise UsageError(f"{what}: one_way: expected True or False, got {one_way!r}")
        fabric = fabric_of(kernel)
        switch = fabric.interference.partitions if what in ("partition", "heal") else fabric.interference.holds
        ones = self._names(what, a) if a is not None else None
        others = self._names(what, b) if b is not None else None
        if ones is None and others is not None:
            raise UsageError(f"{what}: expected hosts before {b!r}, or none at all")
        asked = ways(ones, others, one_way) if ones is not None else [(None, None)]
        if not asked:
            raise UsageError(f"{what}: a host cannot be cut off from itself, got {a!r} and {b!r}")
        shown = "everything" if ones is None else f"{','.join(ones)} {'->' if one_way else '<->'} {','.join(others) if others is not None else 'all others'}"
        kernel.log.append((kernel.now, kernel.current.path, what, shown))
        switch.order(asked, kernel.room(Happened).fault(f"{what} {shown}") if what in ("partition", "hold") else None)
        fabric.interfere()

    def resolver(
        self, name: str, *, fail: Literal["unknown", "temporary"] | None = None, chance: float | str = 1, delay: Duration = 0, addresses: str | Names = ()
    ) -> None:
        """Say what becomes of asking for ``name`` (``"*"``: for every name that has no order of its own) from now on.

        ``fail``: ``"unknown"`` (EAI_NONAME) or ``"temporary"`` (EAI_AGAIN), each time or with a ``chance``. ``delay``: the answer takes so long.
        ``addresses``: what the name has instead of its host's; one that no host has answers nobody (``connect`` ends in ETIMEDOUT). Without
        any of these all is well again.
        ``delay`` is in seconds, or ``"80ms"``; ``chance`` a share. Raises ``UsageError`` for values that make no sense.
        """
        kernel = self._running()
        if not isinstance(name, str) or not name:
            raise UsageError(f'resolver: expected a name, or "*", got {name!r}')
        order = make_order(fail, chance, delay, addresses)
        fabric = fabric_of(kernel)
        fabric.resolver.set(name, order, kernel.room(Happened).fault(f"resolver {name}: {order}") if order.does_something else None)
        fabric.silence(order.addresses)
        kernel.log.append((kernel.now, kernel.current.path, "resolver", f"{name}: {order}"))

    def _names(self, what: str, hosts: Any) -> list[str]:
        """The names of one host or several; unknown ones are made, as everywhere."""
        if isinstance(hosts, (str, Host)):
            hosts = [hosts]
        if not isinstance(hosts, Iterable) or not (hosts := list(hosts)):
            raise UsageError(f"{what}: expected a host or several, got {hosts!r}")
        return [self._name_of(what, host) for host in hosts]

    def _name_of(self, what: str, host: Any) -> str:
        """The name of a host that a condition is for. It is made, as everywhere, but somebody has to live there before the world ends: see ``_unmade``."""
        if isinstance(host, Host):
            return host.name
        is_known = not isinstance(host, str) or host in self._only_named or any(host == known.name for known in fabric_of(self._running()).hosts())
        name = self.host(host).name
        if not is_known:
            self._only_named[name] = what
        return name

    def _unmade(self) -> list[UsageError]:
        """What is wrong with conditions between hosts, at the world's end: names of hosts on which nobody has lived, and for which nobody has asked.

        In a world without hosts in which nothing was sent there was nothing that could be missed.
        """
        fabric = fabric_of(self._running())
        made = [host.name for host in fabric.hosts() if host.name not in self._only_named]
        if made == [fabric.localhost.name] and not fabric.has_carried:
            return []
        return [
            UsageError(f"{what}: nobody made host {name!r}, and nobody asked for it, so it had no effect; there are {', '.join(made)}{meant(name, made)}")
            for name, what in self._only_named.items()
            if name not in fabric.asked
        ]

    def rule(self, rule: Callable[[Packet], object]) -> Rule:
        """Have ``rule(packet)`` decide about every packet: it returns ``Pass`` (or None), ``Drop`` or ``Deliver(after)``, and must not wait.

        It holds until the world ends, or for the block when it is used as a context manager. Packets of a host to itself are shown, too.
        Raises ``UsageError`` for what is no function.
        """
        if not callable(rule):
            raise UsageError(f"rule: expected a function that takes a packet, got {rule!r}")
        kernel = self._running()
        kernel.log.append((kernel.now, kernel.current.path, "rule", _called(rule)))
        return Rule(fabric_of(kernel), rule)


def _called(rule: Any) -> str:
    return str(getattr(rule, "__qualname__", type(rule).__name__))
