"""IP addresses as the simulated net sees them.

Owns families, wildcards, mapped addresses and their comparison. Knows no hosts. An endpoint here is ``(ip, port)`` with the address as
canonical text; a colon in it means IPv6.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

Endpoint = tuple[str, int]

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
"""Linux's numbers."""

ANY_V4, ANY_V6 = "0.0.0.0", "::"
LOOPBACK_V4, LOOPBACK_V6 = "127.0.0.1", "::1"
MAPPED = "::ffff:"
_BROADCASTS = (".255.255.255", ".255.255.255", ".255.255", ".255")
"""How the addresses that mean everybody end, by the first two bits of a network: classes A, B and C."""


@lru_cache(maxsize=4096)
def canonical(ip: str) -> str | None:
    """The one spelling of an IP address, or None when the text is not one. Scope ids are dropped: a host here has one interface."""
    try:
        return str(ip_address(ip.partition("%")[0]))
    except ValueError:
        return None


def is_v6(ip: str) -> bool:
    """Whether a canonical address is IPv6."""
    return ":" in ip


def is_any(ip: str) -> bool:
    """Whether an address is a wildcard."""
    return ip in (ANY_V4, ANY_V6)


@lru_cache(maxsize=4096)
def is_loopback(ip: str) -> bool:
    """127.0.0.0/8 or ::1."""
    return ip_address(ip).is_loopback


@lru_cache(maxsize=4096)
def is_group(ip: str) -> bool:
    """Multicast (perhaps with the number of an interface behind a ``%``), or an IPv4 address that may mean everybody in a network."""
    return ip_address(ip).is_multicast or (not is_v6(ip) and ip.endswith(_BROADCASTS[min(int(ip.partition(".")[0]) >> 6, 3)]))


@lru_cache(maxsize=4096)
def is_multicast(ip: str) -> bool:
    """Multicast."""
    return ip_address(ip).is_multicast


def needs_interface(ip: str) -> bool:
    """Whether an IPv6 address is that of a group within one link or one interface: then an interface belongs to it (RFC 4007)."""
    return ip[:2] == "ff" and is_v6(ip) and ip[3] in "12" and len(ip.partition(":")[0]) == 4


@lru_cache(maxsize=4096)
def unmapped(ip: str) -> str:
    """The IPv4 address inside an IPv4-mapped IPv6 one, else the address itself."""
    if is_v6(ip):
        mapped = IPv6Address(ip).ipv4_mapped
        if mapped is not None:
            return str(mapped)
    return ip


def mapped(ip: str) -> str:
    """An IPv4 address as an IPv6 socket reports it."""
    return ip if is_v6(ip) else MAPPED + ip


@lru_cache(maxsize=4096)
def nth_address(number: int) -> tuple[str, str]:
    """The IPv4 and IPv6 addresses of the Nth host, from 1: 10.0.0.N and fd00::N, carrying over into the next byte."""
    return str(IPv4Address((10 << 24) + number)), str(IPv6Address((0xFD00 << 112) + number))


def format_endpoint(endpoint: Endpoint | None) -> str:
    """``10.0.0.1:80``, ``[fd00::1]:80``, or ``-`` for none."""
    if endpoint is None:
        return "-"
    ip, port = endpoint
    return f"[{ip}]:{port}" if is_v6(ip) else f"{ip}:{port}"
