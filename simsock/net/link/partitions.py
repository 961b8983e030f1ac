"""Faults between hosts: who is cut off from whom, whose packets are held back, which rules hold.

Owns what tests have ordered so far, for wires that are there and for those to come. Does not know what a wire does about it. Law: of
several orders for one way the latest counts; a host is never cut off from itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.net.link.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simsock.kernel.happened import Fault
    from simsock.net.link.rules import Packet
    from simsock.net.link.wire import Wire

Way = tuple[str | None, str | None]
"""From a host to a host; None is every other one."""


class Switch:
    """Something that is on or off for each way; where it is on, the fault that it counts for."""

    __slots__ = ("orders",)

    def __init__(self) -> None:
        self.orders: list[tuple[Way, Fault | None]] = []

    def order(self, ways: Iterable[Way], on: Fault | None) -> None:
        """Turn it on or off (None); orders that a later one covers are forgotten."""
        for way in ways:
            self.orders = [(other, state) for other, state in self.orders if not (way[0] in (None, other[0]) and way[1] in (None, other[1]))]
            self.orders.append((way, on))

    def on(self, source: str, destination: str) -> Fault | None:
        """The state of one way."""
        if source == destination:
            return None
        for (one, other), on in reversed(self.orders):
            if one in (None, source) and other in (None, destination):
                return on
        return None


class Interference:
    """The orders in force in one world."""

    __slots__ = ("_numbers", "down", "holds", "partitions", "rules")

    def __init__(self) -> None:
        self.partitions = Switch()
        self.holds = Switch()
        self.rules: Rules = []
        self.down: dict[str, Fault | None] = {}
        """Hosts that have crashed: nothing sets out from them or arrives; and the crash, if it is one."""
        self._numbers = 0

    def apply(self, wire: Wire) -> None:
        """Have a wire follow the orders; a new one follows none."""
        cut = self.partitions.on(wire.source, wire.destination)
        down = [end for end in (wire.source, wire.destination) if end in self.down]
        wire.sever(bool(down) or cut is not None, cut or (self.down[down[0]] if down else None))
        wire.hold(self.holds.on(wire.source, wire.destination))
        wire.govern(self.rules)

    @property
    def at_rest(self) -> bool:
        """Whether there are no orders at all."""
        return not (self.rules or self.down or self.partitions.orders or self.holds.orders)

    def add_rule(self, rule: Callable[[Packet], object], fault: Fault) -> int:
        """A rule holds from now on, after those before it; returns the number to take it back by."""
        self._numbers += 1
        self.rules.append((self._numbers, rule, fault))
        return self._numbers

    def remove_rule(self, number: int) -> None:
        """Take a rule back."""
        self.rules[:] = [entry for entry in self.rules if entry[0] != number]


def ways(ones: Iterable[str], others: Iterable[str] | None, one_way: bool) -> list[Way]:
    """The ways from each of some hosts to each of others (None: to every other host), and back."""
    pairs: list[Way] = [(one, other) for one in ones for other in (others if others is not None else (None,)) if one != other]
    return pairs if one_way else pairs + [(other, one) for one, other in pairs]
