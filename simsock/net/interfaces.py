"""The interfaces of a host: ``lo`` with 127.0.0.0/8 and ::1, ``eth0`` with the addresses that others reach it at.

Owns their numbers, the netmask and the broadcast address of an IPv4 address, and which interface has an address. Does not know sockets. Laws: every
host has the same two; there are no routers, so whatever leaves ``eth0`` for a group or for everybody passes every other host; an IPv4 address has the
netmask of its class (RFC 791, 3.2), which Linux gives to one that is set without a netmask.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from simsock.net.addresses import is_loopback, is_v6

if TYPE_CHECKING:
    from simsock.net.fabric import Host

INTERFACES = {"lo": 1, "eth0": 2}
"""Those of every host of a world."""
LO, ETH0 = 1, 2
EVERYBODY = "255.255.255.255"
"""In whichever network (RFC 919)."""


def _network_bytes(ip: str) -> int:
    """How many of the four bytes of an address tell its network: classes A, B and C."""
    first = int(ip.partition(".")[0])
    return 1 if first < 128 else 2 if first < 192 else 3


def netmask(ip: str) -> str:
    """The netmask of an IPv4 address."""
    known = _network_bytes(ip)
    return ".".join(["255"] * known + ["0"] * (4 - known))


@lru_cache(maxsize=4096)
def broadcast_of(ip: str) -> str:
    """The address that reaches everybody in the network of an IPv4 address."""
    known = _network_bytes(ip)
    return ".".join(ip.split(".")[:known] + ["255"] * (4 - known))


def interface_to(ip: str) -> int:
    """The interface on which an address of one host alone is reached, and on which it is seen to arrive."""
    return LO if is_loopback(ip) else ETH0


def interface_of(host: Host, ip: str) -> int:
    """The interface of a host that has an address, 0 if none has."""
    return LO if is_loopback(ip) else ETH0 if ip in host.addresses else 0


def address_of(host: Host, interface: int, v6: bool) -> str:
    """The first address of a kind that an interface has; empty if it has none."""
    if interface == LO:
        return "::1" if v6 else "127.0.0.1"
    return next((ip for ip in host.addresses if is_v6(ip) == v6), "")


def broadcast_interface(host: Host, ip: str) -> int:
    """The interface to which an IPv4 address means everybody, 0 if it does to none: 127.255.255.255, or that of a network which the host is in."""
    if ip == broadcast_of("127.0.0.1"):
        return LO
    return ETH0 if any(not is_v6(own) and broadcast_of(own) == ip for own in host.addresses) else 0
