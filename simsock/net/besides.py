"""What datagrams carry beside their data: hops and traffic class, for whom they were, on which interface and when they came (ip(7), RFC 3542).

Owns the reading of control messages that are sent, and the making of those that are received, in Linux's order and layouts. Does not know buffers of
limited size, nor how a datagram travels. Simpler than reality: no extension headers, so options that ask for them are never answered; nothing takes a
hop away, as there are no routers. Law: a socket that asks for nothing and has set nothing pays two looks for one that it sends, and one for each that it gets.
"""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from simsock.errors import Unsupported
from simsock.kernel.units import NS
from simsock.net.addresses import AF_INET6, ANY_V4, ANY_V6, is_any, is_group, is_multicast, is_v6, mapped
from simsock.net.interfaces import INTERFACES, address_of, interface_to
from simsock.net.options import IP_MULTICAST_TTL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPV6_MULTICAST_HOPS, SOL_SOCKET, Option
from simsock.net.sockets import os_error

if TYPE_CHECKING:
    from simsock.net.addresses import Endpoint
    from simsock.net.datagrams import DatagramSocket
    from simsock.net.fabric import Host

IP_TOS, IP_TTL, IP_RETOPTS, IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_ORIGDSTADDR = 1, 2, 7, 8, 12, 13, 20
IPV6_2292PKTINFO, IPV6_2292HOPLIMIT, IPV6_UNICAST_HOPS, IPV6_RECVPKTINFO, IPV6_PKTINFO = 2, 8, 16, 49, 50
IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT, IPV6_DONTFRAG, IPV6_RECVTCLASS, IPV6_TCLASS = 51, 52, 62, 66, 67
_HEADERS_V6 = {54: "IPV6_HOPOPTS", 55: "IPV6_RTHDRDSTOPTS", 57: "IPV6_RTHDR", 59: "IPV6_DSTOPTS", 3: "IPV6_2292HOPOPTS", 5: "IPV6_2292RTHDR"}
UDP_SEGMENT = 103
STAMPS = {29: ("SO_TIMESTAMP", 1_000), 35: ("SO_TIMESTAMPNS", 1), 63: ("SO_TIMESTAMP_NEW", 1_000), 64: ("SO_TIMESTAMPNS_NEW", 1)}
"""By number: the name, and how many nanoseconds its second number counts."""
_ASKS = {
    *((IPPROTO_IP, number) for number in (IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_ORIGDSTADDR)),
    *((IPPROTO_IPV6, number) for number in (IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_2292PKTINFO, IPV6_2292HOPLIMIT)),
}
_MARKS = {(IPPROTO_IP, IP_TOS), (IPPROTO_IP, IP_TTL), (IPPROTO_IPV6, IPV6_UNICAST_HOPS), (IPPROTO_IPV6, IPV6_TCLASS)}
HOPS = 64
"""What a datagram may make unless somebody says otherwise."""

Header = tuple[int, int, int]
"""(hops, traffic class, how many bytes the checksum covers; 0: all) of one that differs from (64, 0, 0)."""
Flight = tuple["Host", "Endpoint", bytes, "Endpoint", "Header | None", int]
"""(the host that it reaches, for whom it is, the data, who sends it, what its header has, the interface; 0: that of the address)."""


def heed(socket: DatagramSocket, option: Option, value: int | bytes) -> None:
    """Have an option take effect that asks for messages, or that sets what a header has."""
    where = option.level, option.number
    if where in _ASKS:
        (socket.asks.add if value else socket.asks.discard)(where)
    elif where in _MARKS:
        socket.marks = True
    elif option.level == SOL_SOCKET and option.number in STAMPS:
        for number in STAMPS:  # the latest counts, and ends those before
            socket.options.pop((SOL_SOCKET, number), None)
            socket.asks.discard((SOL_SOCKET, number))
        if value:
            socket.asks.add((SOL_SOCKET, option.number))


def stamp_option(socket: DatagramSocket, number: int) -> int:
    """What is read of an option for timestamps."""
    asks = socket.asks
    return int((SOL_SOCKET, number) in asks or (number == 63 and (SOL_SOCKET, 64) in asks))


def refuse_stamps(option: Option, value: int | bytes) -> None:
    """Of a socket whose messages have none."""
    if option.level == SOL_SOCKET and option.number in STAMPS and value:
        raise Unsupported(f"setsockopt: {option.name} of this kind of socket is not simulated; datagram sockets and Unix sockets have it")


def stamp(host: Host, number: int, ns: int) -> tuple[int, int, bytes]:
    """The message that says when something came to a host, in the form of this option."""
    ns += host.fabric.kernel.epoch_ns + host.skew_ns
    return SOL_SOCKET, number, struct.pack("qq", ns // NS, ns % NS // STAMPS[number][1])


# -- sending -------------------------------------------------------------------------------------------------------------------------


class Outgoing:
    """Control messages that go with one datagram."""

    __slots__ = ("hops", "interface", "messages", "source", "traffic_class")

    def __init__(self, messages: list[tuple[int, int, bytes]]) -> None:
        self.messages = messages
        self.hops: int | None = None
        self.traffic_class: int | None = None
        self.source: str | None = None
        """The address to send from; empty if that is the system's choice."""
        self.interface = 0

    def discard(self) -> None:
        """Nothing is held."""

    def read(self, socket: DatagramSocket, v6: bool) -> None:
        """Understand those for the family of the target, as ip_cmsg_send() and ip6_datagram_send_ctl() do. Raises EINVAL, ENODEV, ENETUNREACH."""
        for level, kind, data in self.messages:
            if level == IPPROTO_UDP:
                if kind == UDP_SEGMENT:
                    raise Unsupported("sendmsg: UDP_SEGMENT (ancillary data 103 of level 17) is not simulated")
                raise os_error(errno.EINVAL)
            if level == IPPROTO_IP and not v6:
                self._read_v4(socket, kind, data)
            elif level == IPPROTO_IPV6 and v6:
                self._read_v6(socket, kind, data)

    def _read_v4(self, socket: DatagramSocket, kind: int, data: bytes) -> None:
        if kind == IP_PKTINFO and len(data) == 12:
            self._leave_by(struct.unpack_from("i", data)[0])
            source = str(IPv4Address(data[4:8]))
            if source != ANY_V4 and not socket.host.owns(source):
                raise os_error(errno.ENETUNREACH)
            self.source = "" if source == ANY_V4 else source
        elif kind == IP_TTL and len(data) == 4:
            self.hops = _within(data, 1, 255)
        elif kind == IP_TOS and len(data) in (1, 4):
            self.traffic_class = _within(data, 0, 255)
        elif kind == IP_RETOPTS:
            if data:
                raise Unsupported(f"sendmsg: IP_RETOPTS (ancillary data {kind} of level 0) is not simulated, got {data!r}")
        else:
            raise os_error(errno.EINVAL)

    def _read_v6(self, socket: DatagramSocket, kind: int, data: bytes) -> None:
        if kind in (IPV6_PKTINFO, IPV6_2292PKTINFO) and len(data) >= 20:
            self._leave_by(struct.unpack_from("i", data, 16)[0])
            source = str(IPv6Address(data[:16]))
            if source != ANY_V6 and not socket.host.owns(source):
                raise os_error(errno.EINVAL)
            self.source = None if source == ANY_V6 else source
        elif kind in (IPV6_HOPLIMIT, IPV6_2292HOPLIMIT) and len(data) == 4:
            hops = _within(data, -1, 255)
            self.hops = None if hops < 0 else hops
        elif kind == IPV6_TCLASS and len(data) == 4:
            self.traffic_class = _within(data, -1, 255) & 0xFF
        elif kind == IPV6_DONTFRAG and len(data) == 4:
            if _within(data, 0, 1):
                raise Unsupported("sendmsg: IPV6_DONTFRAG (ancillary data 62 of level 41) is not simulated; the option of that name is")
        elif kind in _HEADERS_V6:
            raise Unsupported(f"sendmsg: {_HEADERS_V6[kind]} (ancillary data {kind} of level 41) is not simulated")
        else:
            raise os_error(errno.EINVAL)

    def _leave_by(self, interface: int) -> None:
        if interface and interface not in INTERFACES.values():
            raise os_error(errno.ENODEV)
        self.interface = interface


def _within(data: bytes, low: int, high: int) -> int:
    number = int.from_bytes(data, "little", signed=len(data) == 4)
    if not low <= number <= high:
        raise os_error(errno.EINVAL)
    return number


def header_of(socket: DatagramSocket, ip: str, out: Outgoing | None) -> Header:
    """What the headers have of a datagram that a socket sends to an address."""
    v6, options = is_v6(ip), socket.options
    if is_group(ip) and is_multicast(ip):
        where, default = ((IPPROTO_IPV6, IPV6_MULTICAST_HOPS) if v6 else (IPPROTO_IP, IP_MULTICAST_TTL)), 1
    else:
        where, default = ((IPPROTO_IPV6, IPV6_UNICAST_HOPS) if v6 else (IPPROTO_IP, IP_TTL)), HOPS
    hops = out.hops if out is not None else None
    kind = out.traffic_class if out is not None else None
    if hops is None:
        hops = int(options.get(where, default))
    if kind is None:
        kind = int(options.get((IPPROTO_IPV6, IPV6_TCLASS) if v6 else (IPPROTO_IP, IP_TOS), 0))
    return hops, kind, socket.covers


# -- receiving -----------------------------------------------------------------------------------------------------------------------


class Incoming:
    """What a socket that asks may be told of one datagram."""

    __slots__ = ("_flight", "_noted", "_socket")

    def __init__(self, socket: DatagramSocket, flight: Flight, noted: int) -> None:
        self._socket = socket
        self._flight = flight
        self._noted = noted
        """When it came, if the socket asked for anything then; else -1."""

    def discard(self) -> None:
        """Nothing is held."""

    def messages(self) -> list[tuple[int, int, bytes]]:
        """(level, type, data) of all that is asked for."""
        socket, asks = self._socket, self._socket.asks
        (ip, port), v6 = self._flight[1], is_v6(self._flight[1][0])
        hops, kind, _ = self._flight[4] or (HOPS, 0, 0)
        found = []
        for number in STAMPS:
            if (SOL_SOCKET, number) in asks:
                found.append(stamp(socket.host, number, self._noted if self._noted >= 0 else socket.kernel.now))
        interface = self._flight[5] or interface_to(ip)
        if socket.family == AF_INET6:
            told = IPv6Address(mapped(ip)).packed + struct.pack("i", interface)
            if (IPPROTO_IPV6, IPV6_RECVPKTINFO) in asks:
                found.append((IPPROTO_IPV6, IPV6_PKTINFO, told))
            if v6:
                for asked, kind_told, data in (
                    (IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT, struct.pack("i", hops)),
                    (IPV6_RECVTCLASS, IPV6_TCLASS, struct.pack("i", kind)),
                    (IPV6_2292PKTINFO, IPV6_2292PKTINFO, told),
                    (IPV6_2292HOPLIMIT, IPV6_2292HOPLIMIT, struct.pack("i", hops)),
                ):
                    if (IPPROTO_IPV6, asked) in asks:
                        found.append((IPPROTO_IPV6, kind_told, data))
        if not v6:
            local = ip if not is_group(ip) else address_of(socket.host, interface, False) or ANY_V4
            index, local = (interface, local) if self._noted >= 0 else (0, ANY_V4)  # Linux looks when it arrives, if somebody asks then
            to = IPv4Address(ip).packed
            for asked, kind_told, data in (
                (IP_PKTINFO, IP_PKTINFO, struct.pack("i", index) + IPv4Address(local).packed + to),
                (IP_RECVTTL, IP_TTL, struct.pack("i", hops)),
                (IP_RECVTOS, IP_TOS, bytes([kind])),
                (IP_ORIGDSTADDR, IP_ORIGDSTADDR, struct.pack("=H", 2) + struct.pack("!H", port) + to + bytes(8)),
            ):
                if (IPPROTO_IP, asked) in asks:
                    found.append((IPPROTO_IP, kind_told, data))
        return found


def default_source(host: Host, ip: str) -> str:
    """The address from which the system would send to another one."""
    return host.source_for(ip) if not is_any(ip) else host.source_for("::1" if is_v6(ip) else "127.0.0.1")
