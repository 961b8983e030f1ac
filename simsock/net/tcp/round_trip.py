"""How long a sender waits for an acknowledgement: RFC 6298 with Linux's floor and ceiling.

PYTEST_DONT_REWRITE

Owns the smoothed round trip and the timeout made of it. Knows no clock: who measures hands in what was measured.
"""

from __future__ import annotations

RTO_FLOOR_NS = 200_000_000
RTO_CEILING_NS = 120_000_000_000
"""Linux's, of any retransmission timeout."""
RTO_FIRST_NS = 1_000_000_000
"""RFC 6298, 2.1: before the first measurement."""


class RoundTrip:
    """Estimates the round trip; ``timeout_ns`` is doubled by ``back_off`` and made anew by the next measurement."""

    __slots__ = ("smoothed_ns", "timeout_ns", "variation_ns")

    def __init__(self, first_ns: int | None) -> None:
        self.smoothed_ns = -1
        self.variation_ns = 0
        self.timeout_ns = RTO_FIRST_NS
        if first_ns is not None:
            self.measured(first_ns)

    def measured(self, ns: int) -> None:
        """A round trip took so long."""
        if self.smoothed_ns < 0:
            self.smoothed_ns = ns
            self.variation_ns = ns // 2
        else:
            self.variation_ns += (abs(self.smoothed_ns - ns) - self.variation_ns) // 4
            self.smoothed_ns += (ns - self.smoothed_ns) // 8
        self.renew()

    def renew(self) -> None:
        """There was progress: the timeout is no longer backed off. As in Linux's tcp_input.c the floor is the variation's."""
        if self.smoothed_ns < 0:
            self.timeout_ns = RTO_FIRST_NS
        else:
            self.timeout_ns = min(self.smoothed_ns + max(RTO_FLOOR_NS, 4 * self.variation_ns), RTO_CEILING_NS)

    def back_off(self) -> None:
        """It passed in vain (RFC 6298, 5.5)."""
        self.timeout_ns = min(self.timeout_ns * 2, RTO_CEILING_NS)
