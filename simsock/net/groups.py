"""Datagrams for many: multicast groups and broadcast, among the hosts of a world (RFC 1112, 3376, 4291; ip(7), ipv6(7)).

Owns who is in which group, the way that such a datagram takes, and who gets it. Does not know Python's socket objects, nor what a link does. Simpler
than reality: no IGMP and no MLD passes, a datagram sets out for every host and is looked at there; hosts are in one link, so a time to live of 1 reaches
them all. Laws (those of Linux's udp.c, igmp.c and mcast.c): whether a host takes a datagram in is the host's affair, by the groups that any of its
sockets has joined on that interface; then every socket with the port gets one of its own, unless it is bound to or connected to something else, or has
joined elsewhere only and IP_MULTICAST_ALL is off. What is sent on ``lo`` comes back whatever IP_MULTICAST_LOOP says.
"""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.net.addresses import AF_INET6, ANY_V4, ANY_V6, Endpoint, is_any, is_loopback, is_multicast, is_v6
from simsock.net.interfaces import ETH0, EVERYBODY, INTERFACES, LO, address_of, broadcast_interface, interface_of
from simsock.net.options import (
    IP_ADD_MEMBERSHIP,
    IP_DROP_MEMBERSHIP,
    IP_MULTICAST_ALL,
    IP_MULTICAST_IF,
    IP_MULTICAST_LOOP,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPV6_JOIN_GROUP,
    IPV6_LEAVE_GROUP,
    IPV6_MULTICAST_ALL,
    IPV6_MULTICAST_IF,
    IPV6_MULTICAST_LOOP,
    MCAST_JOIN_GROUP,
    MCAST_LEAVE_GROUP,
    OPTIONS,
    SO_BROADCAST,
    SOL_SOCKET,
    Option,
)
from simsock.net.sockets import os_error

if TYPE_CHECKING:
    from simsock.net import besides
    from simsock.net.datagrams import DatagramSocket
    from simsock.net.fabric import Host
    from simsock.net.ports import PortTable
    from simsock.net.sockets import Socket

MEMBERSHIPS_MAX = 20
"""net.ipv4.igmp_max_memberships' default."""
ALL_HOSTS = frozenset(("224.0.0.1", "ff01::1", "ff02::1"))
"""Groups that every interface is in."""
_JOINS = {
    (IPPROTO_IP, IP_ADD_MEMBERSHIP): True,
    (IPPROTO_IP, IP_DROP_MEMBERSHIP): False,
    (IPPROTO_IP, MCAST_JOIN_GROUP): True,
    (IPPROTO_IP, MCAST_LEAVE_GROUP): False,
    (IPPROTO_IPV6, IPV6_JOIN_GROUP): True,
    (IPPROTO_IPV6, IPV6_LEAVE_GROUP): False,
    (IPPROTO_IPV6, MCAST_JOIN_GROUP): True,
    (IPPROTO_IPV6, MCAST_LEAVE_GROUP): False,
}
_AF_INET_BYTES = struct.pack("H", 2)
_AF_INET6_BYTES = struct.pack("H", AF_INET6)


class Groups:
    """What a datagram socket has to do with groups."""

    __slots__ = ("address", "interface", "interface_v6", "joined")

    def __init__(self) -> None:
        self.joined: list[tuple[int, str]] = []
        """(interface, group), the newest first."""
        self.interface = self.interface_v6 = 0
        """IP_MULTICAST_IF and IPV6_MULTICAST_IF; 0: the way to a group is that to all others."""
        self.address = ""
        """The source address that IP_MULTICAST_IF tells, empty for the interface's own."""


def refuse_of_stream(option: Option) -> None:
    """What streams say of the options of groups."""
    where = option.level, option.number
    if where in _JOINS:
        if option.number in (MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP):
            raise Unsupported(f"setsockopt: {option.name} of a stream is not simulated; join with a datagram socket")
        raise os_error(errno.EPROTO)
    if where == (IPPROTO_IP, IP_MULTICAST_IF):
        raise os_error(errno.EINVAL)


def heed(socket: DatagramSocket, option: Option, value: int | bytes) -> int | bytes:
    """Have an option of groups take effect; returns what is read back. Raises EINVAL, ENODEV, EADDRINUSE, EADDRNOTAVAIL, ENOBUFS."""
    where = option.level, option.number
    if where in _JOINS:
        assert isinstance(value, bytes)
        interface, group = _membership(socket.host, option, value, leaving=not _JOINS[where])
        (_join if _JOINS[where] else _leave)(socket, interface, group)
    elif where == (IPPROTO_IP, IP_MULTICAST_IF):
        return _set_interface(socket, value)
    elif where == (IPPROTO_IPV6, IPV6_MULTICAST_IF):
        if value and value not in INTERFACES.values():
            raise os_error(errno.ENODEV)
        _groups(socket).interface_v6 = int(value)
    return value


def _groups(socket: DatagramSocket) -> Groups:
    if socket.groups is None:
        socket.groups = Groups()
    return socket.groups


def _membership(host: Host, option: Option, value: bytes, leaving: bool) -> tuple[int, str]:
    """(interface, group) of ``struct ip_mreq``, ``ip_mreqn``, ``ipv6_mreq`` or ``group_req``; an interface of 0 is any, of an IPv6 group."""
    v6 = option.level == IPPROTO_IPV6
    own = ""
    if option.number in (MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP):
        interface, family, packed = int.from_bytes(value[:4], "little"), value[8:10], value[16:32] if v6 else value[12:16]
        if family != (_AF_INET6_BYTES if v6 else _AF_INET_BYTES):
            raise os_error(errno.EADDRNOTAVAIL if v6 else errno.EINVAL)
    elif v6:
        packed, interface = value[:16], int.from_bytes(value[16:20], "little")
    else:
        if len(value) < 8:
            raise os_error(errno.EINVAL)
        packed, own = value[:4], str(IPv4Address(value[4:8]))
        interface = int.from_bytes(value[8:12], "little") if len(value) >= 12 else 0
    group = str(IPv6Address(packed) if v6 else IPv4Address(packed))
    if not is_multicast(group) and (v6 or not leaving):
        raise os_error(errno.EINVAL)
    if v6:
        found = not interface or interface in INTERFACES.values() or leaving
    elif interface:
        found = interface in INTERFACES.values() or leaving
    else:
        interface = interface_of(host, own) if own not in ("", ANY_V4) else ETH0 if address_of(host, ETH0, False) else 0
        found = bool(interface)
    if not found:
        raise os_error(errno.EADDRNOTAVAIL if leaving and own not in ("", ANY_V4) else errno.ENODEV)
    return interface, group


def _join(socket: DatagramSocket, interface: int, group: str) -> None:
    groups = _groups(socket)
    if any(known == group and interface in (0, other) for other, known in groups.joined):
        raise os_error(errno.EADDRINUSE)
    interface = interface or ETH0
    if not is_v6(group) and sum(not is_v6(other) for _, other in groups.joined) >= MEMBERSHIPS_MAX:
        raise os_error(errno.ENOBUFS)
    groups.joined.insert(0, (interface, group))
    members = socket.host.groups
    members[interface, group] = members.get((interface, group), 0) + 1


def _leave(socket: DatagramSocket, interface: int, group: str) -> None:
    groups = _groups(socket)
    for known in groups.joined:
        if known[1] == group and interface in (0, known[0]):
            groups.joined.remove(known)
            _forget(socket.host, known)
            return
    raise os_error(errno.EADDRNOTAVAIL)


def _forget(host: Host, known: tuple[int, str]) -> None:
    host.groups[known] -= 1
    if not host.groups[known]:
        del host.groups[known]


def leave_all(socket: DatagramSocket) -> None:
    """The socket is closed."""
    if socket.groups is not None:
        while socket.groups.joined:
            _forget(socket.host, socket.groups.joined.pop())


def _set_interface(socket: DatagramSocket, value: int | bytes) -> bytes:
    """IP_MULTICAST_IF: an address, a ``struct ip_mreq`` or ``ip_mreqn``. Raises EADDRNOTAVAIL."""
    assert isinstance(value, bytes)
    packed = value[4:8] if len(value) >= 8 else value[:4]
    address = str(IPv4Address(packed))
    interface = int.from_bytes(value[8:12], "little") if len(value) >= 12 else 0
    groups = _groups(socket)
    if not interface and address == ANY_V4:
        groups.interface, groups.address = 0, ""
        return packed
    if not interface:
        interface = interface_of(socket.host, address)
    if interface not in INTERFACES.values():
        raise os_error(errno.EADDRNOTAVAIL)
    if socket.interface not in (0, interface):
        raise os_error(errno.EINVAL)
    groups.interface, groups.address = interface, "" if address == ANY_V4 else address
    return packed


# -- sending -------------------------------------------------------------------------------------------------------------------------


def interface_to(socket: DatagramSocket, ip: str, out: besides.Outgoing | None = None) -> int:
    """The interface on which a datagram for ``ip`` leaves when the address means many to the socket's host; 0 when it does not.

    Raises ENETUNREACH, and EINVAL from a loopback address to elsewhere.
    """
    host, groups = socket.host, socket.groups
    plain, _, zone = ip.partition("%")
    if socket.family == AF_INET6 and socket.v6_only and not is_v6(plain):
        raise os_error(errno.ENETUNREACH)
    given = (out.interface if out is not None else 0) or socket.interface
    if is_v6(plain):
        interface = given or int(zone or 0) or (groups.interface_v6 if groups is not None else 0) or ETH0
        if interface not in INTERFACES.values():
            raise os_error(errno.ENODEV)
        if interface == LO:
            raise os_error(errno.ENETUNREACH)  # Linux has a route for groups on every interface but this
    elif is_multicast(plain) or plain == EVERYBODY:
        own = _unicast(socket)
        interface = given or (groups.interface if groups is not None and plain != EVERYBODY else 0)
        interface = interface or (interface_of(host, own) if own else 0) or ETH0
    else:
        interface = broadcast_interface(host, plain)
        if not interface:
            return 0
    own = _unicast(socket)
    if interface == ETH0 and own and is_loopback(own):
        raise os_error(errno.EINVAL)
    if not address_of(host, interface, is_v6(plain)):
        raise os_error(errno.ENETUNREACH)
    return interface


def _unicast(socket: DatagramSocket) -> str:
    """The address that a socket sends from, empty if it is none of its own: a wildcard, or a group."""
    own = socket.local[0] if socket.local is not None else ""
    return "" if not own or is_any(own) or (socket.bound_to_many and socket.bound_ip == own) else own


def source_to(socket: DatagramSocket, interface: int, ip: str) -> str:
    """The address from which a datagram for many leaves."""
    own = _unicast(socket)
    if own and is_v6(own) == is_v6(ip):
        return own
    groups = socket.groups
    if groups is not None and groups.address and is_multicast(ip) and not is_v6(ip):
        return groups.address
    return address_of(socket.host, interface, is_v6(ip))


def may_send(socket: Socket, ip: str) -> None:
    """Raises EACCES for what means everybody, without SO_BROADCAST."""
    if not is_multicast(ip) and not socket.options.get((SOL_SOCKET, SO_BROADCAST)):
        raise os_error(errno.EACCES)


def receivers(socket: DatagramSocket, ip: str, interface: int, hops: int) -> tuple[bool, list[Host]]:
    """(whether the sender's own host gets a copy, the others for which it sets out)."""
    host = socket.host
    if interface == LO:
        return True, []
    v6 = is_v6(ip)
    if not is_multicast(ip):
        loops, leaves = True, True
    else:
        loops = bool(socket.options.get((IPPROTO_IPV6, IPV6_MULTICAST_LOOP) if v6 else (IPPROTO_IP, IP_MULTICAST_LOOP), 1))
        leaves = hops > 0 and not (v6 and ip[3] == "1")
    return loops, [other for other in socket.fabric.hosts() if other is not host] if leaves else []


# -- arriving ------------------------------------------------------------------------------------------------------------------------


def arrive(flight: besides.Flight) -> None:
    """A datagram for many is at a host."""
    arrive_by(flight[0].udp, flight)


def arrive_by(table: PortTable, flight: besides.Flight) -> None:
    """The same by a protocol with a table of its own."""
    host, (ip, port), data, source, _, interface = flight
    if host.down or not _takes_in(host, ip, interface):
        return
    for socket in table.with_port(port):
        if _gets(socket, ip, interface, source):
            socket.take(data, source, flight)


def _takes_in(host: Host, ip: str, interface: int) -> bool:
    if is_multicast(ip):
        return ip in ALL_HOSTS or (interface, ip) in host.groups
    return ip == EVERYBODY or broadcast_interface(host, ip) == interface


def _gets(socket: Any, ip: str, interface: int, source: Endpoint) -> bool:
    """As __udp_is_mcast_sock() in Linux's udp.c and udp_v6_is_mcast_sock() in its IPv6 twin."""
    bound, v6 = socket.bound_ip, is_v6(ip)
    if socket.interface not in (0, interface):
        return False
    if socket.remote is not None and is_any(bound):
        return False  # connect(2) has bound it to one address
    if v6:
        if socket.family != AF_INET6 or bound not in (ANY_V6, ip):
            return False
    elif bound not in (ANY_V4, ip) and (bound != ANY_V6 or socket.v6_only):
        return False
    if socket.remote is not None and socket.remote not in (source, (source[0], 0)):
        return False
    if not is_multicast(ip):
        return True
    joined = socket.groups.joined if socket.groups is not None else ()
    if any(group == ip and (v6 or known == interface) for known, group in joined):
        return True
    where = (IPPROTO_IPV6, IPV6_MULTICAST_ALL) if v6 else (IPPROTO_IP, IP_MULTICAST_ALL)
    return bool(socket.options.get(where, 0 if socket.family == AF_INET6 and not v6 else OPTIONS[where].default))
