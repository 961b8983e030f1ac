"""Faults of the resolver: what asking for a name comes to.

Owns the orders of a test for names, by name. Does not know sockets, nor who asks. Law: names are compared without regard to case, as in the
DNS; an order for every name ("*") counts where there is none for the name itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.units import duration_ns, share
from simsock.net.addresses import canonical
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simsock.kernel.happened import Fault

UNKNOWN, TEMPORARY = "unknown", "temporary"
FAILURES = (UNKNOWN, TEMPORARY)
EVERY_NAME = "*"


class Order(NamedTuple):
    """What happens when a name is asked for."""

    fail: str
    """``""``, or one of ``FAILURES``."""
    chance: float
    delay_ns: int
    addresses: tuple[str, ...]

    @property
    def does_something(self) -> bool:
        """Whether it is more than that all is well."""
        return bool(self.fail or self.delay_ns or self.addresses)

    def __str__(self) -> str:
        words = [f"fails ({self.fail})" + (f" {self.chance:.4g} of the time" if self.chance < 1 else "")] if self.fail else []
        words += [f"takes {self.delay_ns / 1_000_000:g} ms"] if self.delay_ns else []
        words += [f"has {', '.join(self.addresses)}"] if self.addresses else []
        return ", ".join(words) or "answers"


class Resolver:
    """The orders of one world."""

    __slots__ = ("_orders",)

    def __init__(self) -> None:
        self._orders: dict[str, tuple[Order, Fault]] = {}

    def set(self, name: str, order: Order, fault: Fault | None) -> None:
        """From now on; an order without anything in it is none."""
        if fault is not None:
            self._orders[name.lower()] = order, fault
        else:
            self._orders.pop(name.lower(), None)

    def order_for(self, name: str) -> tuple[Order, Fault] | None:
        """What a test has ordered for a name, and where it is counted that it took effect."""
        return (self._orders.get(name.lower()) or self._orders.get(EVERY_NAME)) if self._orders else None

    def forget(self) -> None:
        """All is well again."""
        self._orders.clear()


def make_order(fail: Any, chance: Any, delay: Any, addresses: Iterable[str]) -> Order:
    """Check what a test orders. Raises ``UsageError``."""
    if fail is not None and fail not in FAILURES:
        raise UsageError(f"resolver: fail={fail!r}: expected None, {' or '.join(map(repr, FAILURES))}")
    if share(chance, "resolver chance") < 1 and not fail:
        raise UsageError(f"resolver: chance={chance!r} needs fail: it says how often that happens")
    found = []
    for address in [addresses] if isinstance(addresses, str) else addresses:
        ip = canonical(address) if isinstance(address, str) else None
        if ip is None:
            raise UsageError(f"resolver: addresses: expected IP addresses, got {address!r}")
        found.append(ip)
    return Order(fail or "", share(chance, "resolver chance"), duration_ns(delay, "resolver delay"), tuple(found))
