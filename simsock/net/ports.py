"""Which socket has which port of a host.

Owns Linux's rules for binding (ip(7), socket(7): ``SO_REUSEADDR``, ``SO_REUSEPORT``, wildcards, dual-stack sockets, TIME_WAIT) and the
look-up of who receives a packet. Does not know streams from datagrams beyond those rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from simsock.net.addresses import ANY_V4, ANY_V6, Endpoint, is_any, is_v6
from simsock.net.interfaces import interface_to

if TYPE_CHECKING:
    from simsock.net.sockets import Socket

EPHEMERAL_FIRST, EPHEMERAL_LAST = 32768, 60999
"""net.ipv4.ip_local_port_range's default."""


Ends = tuple[Endpoint, Endpoint | None]
"""A connection's local and remote address."""
_NEVER: tuple[int, bool, Ends] = (0, True, (("", 0), None))


class PortTable:
    """The bound sockets of one protocol on one host."""

    __slots__ = ("_bound", "_held", "_lingering", "_next")

    def __init__(self) -> None:
        self._bound: dict[int, list[Socket]] = {}
        self._held: dict[int, list[int]] = {}
        """Accepted connections on a port: how many without and with SO_REUSEADDR. Counted, as there may be many thousands."""
        self._next = EPHEMERAL_FIRST
        self._lingering: dict[int, tuple[int, bool, Ends]] = {}
        """Ports in TIME_WAIT: until when (nanoseconds of virtual time), whether the socket had SO_REUSEADDR, and the latest connection's ends."""

    def conflict(self, socket: Socket, ip: str, port: int, now: int) -> bool:
        """Whether binding would fail with EADDRINUSE."""
        for other in self._bound.get(port, ()):
            if other is not socket and _overlap(socket, ip, other) and not _may_share(socket, other):
                return True
        held = self._held.get(port)
        if held is not None and (held[0] or (held[1] and not socket.reuse_address)):
            return True
        until, reuse, _ = self._lingering.get(port, _NEVER)
        return until > now and not (reuse and socket.reuse_address)

    def listens_already(self, socket: Socket, ip: str, port: int) -> bool:
        """Whether somebody listens where ``socket`` is about to."""
        others = self._bound.get(port, ())
        return any(other is not socket and other.listening and _overlap(socket, ip, other) and not _may_share(socket, other) for other in others)

    def hold(self, port: int, reuse: bool) -> None:
        """An accepted connection uses the port."""
        self._held.setdefault(port, [0, 0])[reuse] += 1

    def release(self, port: int, reuse: bool) -> None:
        """An accepted connection is gone."""
        held = self._held[port]
        held[reuse] -= 1
        if not any(held):
            del self._held[port]

    def linger(self, port: int, until: int, reuse: bool, ends: Ends) -> None:
        """A connection on the port was closed from this side: TIME_WAIT."""
        self._lingering[port] = (until, reuse, ends)

    def in_time_wait(self, now: int) -> dict[int, Ends]:
        """The ports in TIME_WAIT, and the ends of the latest connection of each that is."""
        return {port: ends for port, (until, _, ends) in self._lingering.items() if until > now}

    def bound(self) -> list[Socket]:
        """The sockets that have a port, but for accepted connections."""
        return [socket for sockets in self._bound.values() for socket in sockets]

    def forget(self) -> None:
        """No port is in TIME_WAIT any more: the host has crashed."""
        self._lingering.clear()

    def add(self, socket: Socket, port: int) -> None:
        """Enter a bound socket."""
        self._bound.setdefault(port, []).append(socket)

    def remove(self, socket: Socket, port: int) -> None:
        """Forget a socket; nothing happens if it was not entered."""
        others = self._bound.get(port)
        if others is not None and socket in others:
            others.remove(socket)
            if not others:
                del self._bound[port]

    def free_port(self, avoid: int = 0) -> int | None:
        """The next free port of the ephemeral range but ``avoid``, in rotation; None when all are taken.

        One in TIME_WAIT is as good as any when its turn comes again, 28,232 ports later: net.ipv4.tcp_tw_reuse allows it.
        """
        for _ in range(EPHEMERAL_LAST - EPHEMERAL_FIRST + 1):
            port = self._next
            self._next = port + 1 if port < EPHEMERAL_LAST else EPHEMERAL_FIRST
            if port not in self._bound and port not in self._held and port != avoid:
                return port
        return None

    def with_port(self, port: int) -> list[Any]:
        """All sockets that are bound to a port, in the order in which they were."""
        return list(self._bound.get(port, ()))

    def at(self, ip: str, port: int) -> list[Socket]:
        """The sockets that a packet for this address may belong to, the most specific first."""
        found = [socket for socket in self._bound.get(port, ()) if _receives(socket, ip)]
        if len(found) > 1:
            found.sort(key=lambda socket: (is_any(socket.bound_ip), is_v6(socket.bound_ip) != is_v6(ip)))
        return found


def pick(found: list[Any], source: Endpoint) -> Any:
    """Which of the sockets that ``PortTable.at`` found gets a packet from ``source``.

    The most specific ones; among several with SO_REUSEPORT the source decides, as Linux's hash of it does; else the newest.
    """
    first = found[0]
    if len(found) == 1:
        return first
    same = [socket for socket in found if socket.bound_ip == first.bound_ip]
    if all(socket.reuse_port for socket in same):
        return same[crc32(f"{source[0]} {source[1]}".encode()) % len(same)]
    return same[-1]


def _receives(socket: Socket, ip: str) -> bool:
    bound = socket.bound_ip
    if socket.interface and socket.interface != interface_to(ip):
        return False
    if bound == ip:
        return True
    if bound == ANY_V6:
        return is_v6(ip) or not socket.v6_only
    return bound == ANY_V4 and not is_v6(ip)


def _overlap(socket: Socket, ip: str, other: Socket) -> bool:
    theirs = other.bound_ip
    if socket.interface and other.interface and socket.interface != other.interface:
        return False
    if ip == theirs:
        return True
    if is_v6(ip) == is_v6(theirs):
        return is_any(ip) or is_any(theirs)
    # An IPv6 wildcard that is not v6-only takes the IPv4 port as well.
    return (ip == ANY_V6 and not socket.v6_only) or (theirs == ANY_V6 and not other.v6_only)


def _may_share(socket: Socket, other: Socket) -> bool:
    if socket.reuse_port and other.reuse_port:
        return True
    return socket.reuse_address and other.reuse_address and not other.listening and not socket.listening
