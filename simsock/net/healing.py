"""Nothing is at fault any more: what was ordered between hosts ends, links lose and hurt nothing, names resolve.

Owns the list of what ends. Does not know who asks. Laws: the time that a link takes (latency, jitter, rate, mtu) is no fault and stays; what is under way
goes on; hosts that are down come up again, with nothing on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.net.crashes import restart
from simsock.net.tcp.stream import StreamSocket

if TYPE_CHECKING:
    from simsock.net.fabric import Fabric


def heal_all(fabric: Fabric) -> None:
    """End every fault of the net."""
    orders = fabric.interference
    orders.partitions.order([(None, None)], None)
    orders.holds.order([(None, None)], None)
    orders.rules.clear()
    fabric.resolver.forget()
    for host in fabric.hosts():
        if host.down:
            restart(fabric, host)
    fabric.heal_links()
    files = {id(file): file for file in [*fabric.kernel.files.values(), *fabric.orphans]}
    for file in files.values():
        if isinstance(file, StreamSocket):
            file.trouble = None
    fabric.interfere()


__all__ = ["heal_all"]
