"""The simulated net: addresses, hosts, links, streams and datagrams."""

from simsock.net.fabric import Fabric, Host
from simsock.net.links import GilbertElliott, Link
from simsock.net.rules import Deliver, Drop, Packet, Pass

__all__ = ["Deliver", "Drop", "Fabric", "GilbertElliott", "Host", "Link", "Packet", "Pass"]
