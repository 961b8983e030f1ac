"""The simulated net: addresses, hosts, links, streams and datagrams."""

from simsock.net.fabric import Fabric, Host
from simsock.net.link.rules import Deliver, Drop, Packet, Pass
from simsock.net.link.settings import GilbertElliott, Link

SIMSOCK_ROOM = "inside"

__all__ = ["Deliver", "Drop", "Fabric", "GilbertElliott", "Host", "Link", "Packet", "Pass"]
