"""UDP-Lite (RFC 3828) as Linux's udplite(7) describes it: UDP whose checksum covers only as much of a datagram as the sender says.

Owns the coverage, what a receiver refuses for it, and the ports, which are not UDP's. All else is ``datagrams.py``'s. Law: what is damaged where the checksum
does not cover it arrives as it has become.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.net import groups
from simsock.net.datagrams import DatagramSocket
from simsock.net.options import UDPLITE_SEND_CSCOV
from simsock.net.tap import Frame

if TYPE_CHECKING:
    from simsock.net import besides
    from simsock.net.addresses import Endpoint
    from simsock.net.fabric import Fabric, Host
    from simsock.net.ports import PortTable

HEADER_BYTES = 8
_COVERAGE_MAX = 0xFFFF


def _arrive_at_many(flight: besides.Flight) -> None:
    groups.arrive_by(flight[0].udplite, flight)


class LiteSocket(DatagramSocket):
    """A UDP-Lite socket."""

    __slots__ = ("covers", "wants")

    title_of_protocol = "udplite"
    arrive_at_many = staticmethod(_arrive_at_many)

    def __init__(self, fabric: Fabric, host: Host, family: int, protocol: int, table: PortTable) -> None:
        super().__init__(fabric, host, family, protocol, table)
        self.covers = 0
        self.wants: int | None = None
        """How much the checksum of what it receives has to cover, if that is not all (0: all); None if nobody asked for anything."""

    @staticmethod
    def table_of(host: Host) -> PortTable:
        return host.udplite

    @property
    def covered_bytes(self) -> int | None:  # type: ignore[override]  # the same as an attribute
        return self.covers - HEADER_BYTES if self.covers else None

    def frame(self, source: Endpoint, target: Endpoint, data: bytes) -> Frame:
        return Frame("udplite", source, target, data, covers=self.covers)

    def take(self, data: bytes, source: Endpoint, flight: besides.Flight) -> None:
        """As udp_queue_rcv_one_skb() in Linux's udp.c: what covers less than is asked for is dropped."""
        covers = flight[4][2] if flight[4] is not None else 0
        if self.wants is not None and 0 < covers < HEADER_BYTES + len(data) and not 0 < self.wants <= covers:
            self.kernel.log.append((self.kernel.now, self.title, "covers too little", len(data)))
            return
        super().take(data, source, flight)

    def set_coverage(self, number: int, value: int) -> int:
        value = 0 if value == 0 else min(max(value, HEADER_BYTES), _COVERAGE_MAX)
        if number == UDPLITE_SEND_CSCOV:
            self.covers, self.marks = value, True
        else:
            self.wants = value
        return value


__all__ = ["LiteSocket"]
