"""Rules: what a test decides about single packets.

Owns rulings, what a rule is shown of a packet, and the asking of rules. Does not know links. Laws:

* a rule sees each packet once, when it sets out and before the link's impairments; the first rule that does not pass a packet decides;
* a rule that raises, or answers something else than a ruling, fails the test at the world's end, and its packet passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.units import Duration, duration_ns
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel
    from simsock.kernel.happened import Fault
    from simsock.net.addresses import Endpoint


class Packet(NamedTuple):
    """What a rule sees, read-only. Hosts by name, addresses as (IP, port); ``size`` counts headers, ``data`` is the payload."""

    source: str
    destination: str
    protocol: str
    """``"tcp"``, ``"udp"`` or ``"udplite"``."""
    size: int
    data: bytes
    source_address: Endpoint
    destination_address: Endpoint
    flags: str = ""
    """Of a segment: ``"SYN"``, ``"ACK PSH"`` …"""


class Ruling:
    """What becomes of a packet: ``Pass``, ``Drop`` or ``Deliver(after)``."""

    __slots__ = ("after_ns", "name")

    def __init__(self, name: str, after_ns: int) -> None:
        self.name = name
        self.after_ns = after_ns

    def __repr__(self) -> str:
        return self.name


Pass = Ruling("Pass", -1)
"""The link's condition decides."""
Drop = Ruling("Drop", -1)
"""The packet is lost."""


def Deliver(after: Duration = 0) -> Ruling:  # reads as the other rulings do
    """The packet arrives after just that time, whatever the link's condition."""
    return Ruling(f"Deliver({after!r})", duration_ns(after, "Deliver"))


Rules = list["tuple[int, Callable[[Packet], Any], Fault]"]
"""The rules in force, with the numbers by which they are taken back, and where it is counted what they decide."""


def decide(kernel: Kernel, rules: Rules, packet: Packet) -> Ruling:
    """Ask the rules in turn. They run wherever the packet was sent from, so they must not wait."""
    kernel.atomic += 1  # no preemption inside: a rule may be asked while the kernel looks for whom to run
    before = (kernel.now, kernel.switches)
    try:
        for _, rule, fault in list(rules):
            try:
                ruling = rule(packet)
                if ruling is not None and not isinstance(ruling, Ruling):
                    raise UsageError(f"rule: expected Pass, Drop or Deliver(after), got {ruling!r}")
                if (kernel.now, kernel.switches) != before:
                    before = (kernel.now, kernel.switches)
                    raise UsageError(f"rule: {rule!r} waited: a rule decides at once; Deliver(after) is for a packet that takes its time")
            except Exception as error:
                kernel.task_failed(kernel.current, error)
                continue
            if ruling is not None and ruling is not Pass:
                fault.times += 1
                kernel.log.append((kernel.now, f"link {packet.source}->{packet.destination}", "rule", repr(ruling), packet.protocol, packet.size))
                return ruling
        return Pass
    finally:
        kernel.atomic -= 1
