"""The simulated net: addresses, hosts, links, streams and datagrams."""

from simsock.net.fabric import Fabric, Host
from simsock.net.links import GilbertElliott, Link

__all__ = ["Fabric", "GilbertElliott", "Host", "Link"]
