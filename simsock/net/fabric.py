"""The net of one world: its hosts, their names and addresses, and the wires between them.

Owns who is where. Does not know tasks, nor Python's socket objects. Laws: hosts are numbered in the order in which the program first
names them; a wire is one object for the life of a world, whose condition may change.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.escaping import printable
from simsock.kernel.happened import Happened
from simsock.net.addresses import AF_INET, AF_INET6, LOOPBACK_V4, LOOPBACK_V6, Endpoint, canonical, is_any, is_group, is_loopback, is_v6, nth_address, unmapped
from simsock.net.chunks import make_cutter
from simsock.net.datagrams import DatagramSocket
from simsock.net.interfaces import interface_to
from simsock.net.link.partitions import Interference
from simsock.net.link.profiles import Hostile
from simsock.net.link.seen import count_link
from simsock.net.link.settings import PERFECT, Link, chances
from simsock.net.link.wire import Wire
from simsock.net.options import IPPROTO_UDPLITE
from simsock.net.ports import PortTable
from simsock.net.resolver import Resolver
from simsock.net.sockets import Socket, os_error
from simsock.net.tcp.handshake import Attempt
from simsock.net.tcp.stream import SOCK_STREAM, StreamSocket
from simsock.net.udplite import LiteSocket
from simsock.net.unix.common import UnixSocket
from simsock.net.unix.connections import SOCK_SEQPACKET, UnixPackets, UnixStream
from simsock.net.unix.datagrams import SOCK_DGRAM, UnixDatagram
from simsock.net.unix.names import SocketFiles, UnixNames

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.kernel.happened import Fault
    from simsock.net.tap import Tap

LOCALHOST = "localhost"
NOBODY = "(nobody)"
_UNIX: dict[int, type[UnixSocket]] = {SOCK_STREAM: UnixStream, SOCK_DGRAM: UnixDatagram, SOCK_SEQPACKET: UnixPackets}


class Host:
    """A machine of the world. ``addresses`` are those that other hosts reach it at; 127.0.0.0/8 and ::1 are its own as well."""

    __slots__ = ("_udplite", "_unix", "addresses", "down", "fabric", "groups", "name", "refuses_overflow", "skew_ns", "tcp", "udp")

    def __init__(self, fabric: Fabric, name: str, addresses: tuple[str, ...]) -> None:
        self.fabric = fabric
        self.name = name
        self.addresses = addresses
        self.down = False
        """Crashed, and not up again: nothing that reaches it is answered."""
        self.refuses_overflow = False
        """Whether a full accept queue is told with a RST."""
        self.skew_ns = 0
        """How far its wall clock is ahead of the world's."""
        self.groups: dict[tuple[int, str], int] = {}
        """By interface and group, how many sockets have joined it."""
        self.tcp = PortTable()
        self.udp = PortTable()
        self._udplite: PortTable | None = None
        self._unix: UnixNames | None = None

    @property
    def udplite(self) -> PortTable:
        """The ports of UDP-Lite, which hardly any world has."""
        if self._udplite is None:
            self._udplite = PortTable()
        return self._udplite

    @property
    def unix(self) -> UnixNames:
        """The names of its Unix sockets."""
        if self._unix is None:
            self._unix = UnixNames(self.fabric.socket_files)
        return self._unix

    def __repr__(self) -> str:
        return f"<Host {printable(self.name)} {' '.join(self.addresses)}>"

    def owns(self, ip: str) -> bool:
        """Whether an address is this host's."""
        ip = unmapped(ip)
        return ip in self.addresses or is_loopback(ip)

    def source_for(self, ip: str) -> str:
        """The own address from which a peer is reached."""
        plain = unmapped(ip)
        if is_loopback(plain):
            return LOOPBACK_V6 if is_v6(plain) else LOOPBACK_V4
        if plain in self.addresses:
            return plain
        for own in self.addresses:
            if is_v6(own) == is_v6(plain):
                return own
        raise os_error(errno.ENETUNREACH)


def fabric_of(kernel: Kernel) -> Fabric:
    """The net of a world, which has one from its beginning on."""
    return kernel.room(Fabric)


class Fabric:
    """All hosts and wires of a world. What few worlds ask for is made when it is first asked for: each begins with one of these."""

    __slots__ = (
        "_by_address",
        "_chunks",
        "_configured",
        "_connections",
        "_default",
        "_hostile",
        "_hosts",
        "_interference",
        "_loopback",
        "_resolver",
        "_seen",
        "_sends",
        "_settings",
        "_silent",
        "_socket_files",
        "_wires",
        "asked",
        "background_timers",
        "kernel",
        "localhost",
        "orphans",
        "real_ports",
        "refused",
        "tap",
        "verbose",
    )

    def __init__(self, kernel: Kernel, link: Link = PERFECT, chunks: Any = "whole", loopback: Link = PERFECT, sends: Any = "whole") -> None:
        self.kernel = kernel
        self.verbose = False
        self.tap: Tap | None = None
        """Who listens in on what is sent."""
        self.orphans: dict[StreamSocket, None] = {}
        """Streams that no program has any more and that are not over, in the order in which they were closed."""
        self.background_timers = 0
        """How many timers are set that only ask whether a peer is still there."""
        self._default = link
        self._loopback = loopback
        self._seen = {} if link is PERFECT else count_link(kernel.room(Happened), link, "every link")
        """Where it is counted what the impairments of links do that have no condition of their own."""
        self._hostile: Link | None = None
        self._interference: Interference | None = None
        self._resolver: Resolver | None = None
        self._socket_files: SocketFiles | None = None
        self.asked: set[str] = set()
        """Names of hosts whose addresses a program was told."""
        self._silent: set[str] = set()
        self._chunks = _WHOLE if chunks == "whole" else (chunks, kernel.room(Happened).fault(f"chunks={_shown(chunks)}"))
        self._sends = _WHOLE if sends == "whole" else (sends, kernel.room(Happened).fault(f"sends={_shown(sends)}"))
        self._hosts: dict[str, Host] = {}
        self.real_ports: dict[tuple[str, int], str] = {}
        """By protocol ("tcp", "udp") and port, where something was refused: the address that a real socket of this process has there; for words only."""
        self.refused: tuple[Host, str, int] | None = None
        """Who was refused a connection last, and where: for words only."""
        self._by_address: dict[str, Host] = {}
        self._wires: dict[tuple[str, str], Wire] = {}
        self._configured: dict[tuple[str | None, str | None], tuple[int, Link, dict[str, Fault]]] = {}
        """By source and destination (None: any), with the number of the setting: later ones have higher numbers."""
        self._settings = 0
        self._connections: dict[str, int] = {}
        self.localhost = self._add_host(LOCALHOST, nth_address(1))

    @property
    def interference(self) -> Interference:
        """The orders of tests for what passes between hosts."""
        if self._interference is None:
            self._interference = Interference()
        return self._interference

    @property
    def resolver(self) -> Resolver:
        """The orders for names."""
        if self._resolver is None:
            self._resolver = Resolver()
        return self._resolver

    @property
    def socket_files(self) -> SocketFiles:
        """The files of Unix sockets."""
        if self._socket_files is None:
            self._socket_files = SocketFiles()
        return self._socket_files

    def remove_socket_files(self) -> None:
        """The world is over, and the files of its Unix sockets go. Safe to call again."""
        if self._socket_files is not None:
            self._socket_files.remove()

    # -- hosts -----------------------------------------------------------------------------------------------------------------------

    def host(self, name: str, addresses: Iterable[str] | None = None) -> Host:
        """The host of that name; an unknown one is made, with ``addresses`` or the next free ones."""
        host = self._hosts.get(name) if isinstance(name, str) else None
        if host is None:
            host = self._make_host(name, addresses)
        elif addresses is not None and tuple(map(canonical, addresses)) != host.addresses:
            raise UsageError(f"host {name!r} exists already, with addresses {', '.join(host.addresses)}")
        return host

    def _make_host(self, name: str, addresses: Iterable[str] | None) -> Host:
        if not isinstance(name, str) or not name or len(name) > 253 or name.split() != [name]:
            raise UsageError(f"host: expected a name without blanks, got {name!r}")
        found = self._checked(name, addresses) if addresses is not None else nth_address(len(self._hosts) + 1)
        taken = self._by_address
        for ip in found:
            if ip in taken:  # somebody was given it
                self._checked(name, found)
        return self._add_host(name, found)

    def _add_host(self, name: str, addresses: tuple[str, ...]) -> Host:
        host = self._hosts[name] = Host(self, name, addresses)
        for ip in addresses:
            self._by_address[ip] = host
        return host

    def _checked(self, name: str, addresses: Iterable[str]) -> tuple[str, ...]:
        found: list[str] = []
        if isinstance(addresses, str) or not isinstance(addresses, Iterable):
            raise UsageError(f"host {name!r}: addresses: expected several, such as a list, got {addresses!r}")
        for address in addresses:
            ip = canonical(address) if isinstance(address, str) else None
            if ip is None or is_any(ip) or is_loopback(ip) or is_group(ip):
                raise UsageError(f"host {name!r}: expected IP addresses that others can reach, got {address!r}")
            if ip in self._by_address:
                raise UsageError(f"host {name!r}: address {ip} belongs to host {self._by_address[ip].name!r}")
            found.append(ip)
        if not found:
            raise UsageError(f"host {name!r}: addresses: expected at least one, got {addresses!r}")
        return tuple(found)

    def hosts(self) -> list[Host]:
        """All hosts, in the order in which they were made."""
        return list(self._hosts.values())

    def known(self, name: str) -> Host | None:
        """The host of that name, or None; case does not matter, as in the DNS."""
        return self._hosts.get(name) or next((host for host in self._hosts.values() if host.name.lower() == name.lower()), None)

    def host_at(self, source: Host, ip: str) -> Host | None:
        """The host that ``source`` reaches at an address."""
        plain = unmapped(ip)
        if is_any(plain) or is_loopback(plain):
            return source
        found = self._by_address.get(plain)
        return found if found is not None or plain not in self._silent else self._nobody()

    def silence(self, addresses: Iterable[str]) -> None:
        """Addresses that are routed although no host may have them: who sends there meets silence."""
        self._silent.update(addresses)

    def _nobody(self) -> Host:
        """Who has them: a host that never answers."""
        nobody = Host(self, NOBODY, ())
        nobody.down = True
        self.interference.down[NOBODY] = None
        return nobody

    def route(self, socket: Socket, ip: str, interface: int = 0) -> Host:
        """The host that a socket reaches at an address, by an interface (0: any). Raises ENETUNREACH when there is none, EINVAL from loopback to elsewhere."""
        host = socket.host
        if socket.family == AF_INET6 and socket.v6_only and not is_v6(ip):
            raise os_error(errno.ENETUNREACH)
        interface = interface or socket.interface
        if interface and interface != interface_to(ip) and not is_any(ip):
            return self._nobody()  # on that interface Linux takes whatever is asked for to be on the link, where nobody has it
        found = self.host_at(host, ip)
        if found is None:
            raise os_error(errno.ENETUNREACH)
        if found is not host and socket.asked_ip and is_loopback(socket.asked_ip):
            raise os_error(errno.EINVAL)
        return found

    def listening_elsewhere(self, own: Host, ip: str, port: int) -> tuple[Host, str] | None:
        """Of an address that is each host's own: the one other host with a stream that listens there when ``own`` has none, and the address at
        which others reach it (empty: there is none). None if it is no such address, or if there is no such host, or several.
        """
        plain = canonical(ip)
        if plain is None or not (is_any(plain) or is_loopback(plain)):
            return None
        looked = (LOOPBACK_V6 if is_v6(plain) else LOOPBACK_V4) if is_any(plain) else plain
        found = [(host, socket) for host in self._hosts.values() for socket in host.tcp.at(looked, port) if socket.listening]
        if len({host.name for host, _ in found}) != 1 or found[0][0] is own:
            return None
        host, socket = found[0]
        reached = [address for address in host.addresses if is_v6(address) == is_v6(plain)] if is_any(socket.bound_ip) else []
        return host, reached[0] if reached else ""

    def name_of(self, ip: str) -> str | None:
        """The name of the host with that address."""
        plain = unmapped(ip)
        if is_loopback(plain):
            return LOCALHOST
        host = self._by_address.get(plain)
        return host.name if host is not None else None

    # -- wires -----------------------------------------------------------------------------------------------------------------------

    def wire(self, source: Host, destination: Host) -> Wire:
        """The wire from one host to another. The loopback of a host has its own default, and is else configured by its own name only."""
        key = (source.name, destination.name)
        wire = self._wires.get(key)
        if wire is None:
            keys = [key] if source is destination else [key, (source.name, None), (None, destination.name)]
            settings = [self._configured[found] for found in keys if found in self._configured]
            if settings:
                _, link, seen = max(settings, key=_number)
            else:
                link, seen = self._loopback if source is destination else self._default, self._seen
            wire = self._wires[key] = Wire(self.kernel, source.name, destination.name, self._drawn(link), seen if link is not PERFECT else None)
            if self._interference is not None and not self._interference.at_rest:
                self._interference.apply(wire)
        return wire

    def unused_link(self) -> Link | None:
        """The link that was asked for, if all that was sent was sent on a perfect loopback, by the only host that there is."""
        if len(self._hosts) > 1 or not self._wires or any(wire.link.as_dict() for wire in self._wires.values()):
            return None
        asked = [self._default, *(link for (source, destination), (_, link, _) in self._configured.items() if source is None or destination is None)]
        return next((link for link in asked if link.as_dict()), None)

    @property
    def is_configured(self) -> bool:
        """Whether any link was given a condition by name."""
        return bool(self._configured)

    @property
    def has_carried(self) -> bool:
        """Whether anything was ever sent, on loopback too."""
        return bool(self._wires)

    def known_wire(self, source: Host, destination: Host) -> Wire | None:
        """The wire from one host to another if it is there already."""
        return self._wires.get((source.name, destination.name))

    def interfere(self) -> None:
        """Have every wire follow the orders that are in force now."""
        for wire in self._wires.values():
            self.interference.apply(wire)

    def _drawn(self, link: Link) -> Link:
        """The link itself, or what "hostile" means in this run."""
        if not isinstance(link, Hostile):
            return link
        if self._hostile is None:
            self._hostile = link.draw(self.kernel.tape)
            self.kernel.log.append((self.kernel.now, "net", "hostile", repr(self._hostile)))
        return self._hostile

    def set_link(self, a: str, b: str | None, link: Link, both_ways: bool) -> None:
        """Configure the way from ``a`` to ``b`` (to everyone but itself when None), and back. The latest setting that fits a wire counts."""
        keys: list[tuple[str | None, str | None]] = [(a, b)]
        if both_ways:
            keys.append((b, a))
        self.kernel.tape.source.configured(chances(link))
        seen = count_link(self.kernel.room(Happened), link, f"{a} {'<->' if both_ways else '->'} {b if b is not None else 'all others'}")
        for source, destination in keys:
            self._settings += 1
            self._configured[source, destination] = (self._settings, link, seen)
            for (one, other), wire in self._wires.items():
                wildcard = (source is None or destination is None) and one != other
                if source in (one, None) and destination in (other, None) and (wildcard or None not in (source, destination)):
                    wire.set(self._drawn(link), seen)

    def heal_links(self) -> None:
        """No link loses, damages, doubles or hurts anything from now on, those to come included; how long they take stays."""
        self._default, self._loopback = self._drawn(self._default).healed(), self._drawn(self._loopback).healed()
        self._configured = {key: (number, self._drawn(link).healed(), seen) for key, (number, link, seen) in self._configured.items()}
        for wire in self._wires.values():
            wire.set(wire.link.healed(), wire.seen)

    # -- sockets ---------------------------------------------------------------------------------------------------------------------

    def stream(self, host: Host, family: int, protocol: int = 0) -> StreamSocket:
        """A new TCP socket of a host."""
        return StreamSocket(self, host, family, protocol, host.tcp)

    def datagram(self, host: Host, family: int, protocol: int = 0) -> DatagramSocket:
        """A new UDP or UDP-Lite socket of a host."""
        if protocol == IPPROTO_UDPLITE:
            return LiteSocket(self, host, family, protocol, host.udplite)
        return DatagramSocket(self, host, family, protocol, host.udp)

    def unix(self, host: Host, kind: int) -> UnixSocket:
        """A new Unix socket of a host."""
        return _UNIX[kind](self, host, kind)

    def pair(self, host: Host, kind: int) -> tuple[UnixSocket, UnixSocket]:
        """Two connected Unix sockets without names, as socketpair(2) makes them."""
        one, other = self.unix(host, kind), self.unix(host, kind)
        one.pair_with(other)
        one.title = other.title = "socketpair"
        if isinstance(one, UnixStream) and isinstance(other, UnixStream):
            one.shortener, other.shortener = self.shortener(one), self.shortener(other)
        return one, other

    def joined(self, host: Host) -> tuple[StreamSocket, StreamSocket]:
        """The two ends of a TCP connection that no handshake made; who asks for them gives them addresses."""
        one, other = self.stream(host, AF_INET), self.stream(host, AF_INET)
        wire = Wire(self.kernel, host.name, host.name, PERFECT)
        one.join(other, wire)
        other.join(one, wire)
        one.cutter = other.cutter = one.shortener = other.shortener = None
        return one, other

    def connect(self, socket: StreamSocket, target: Endpoint) -> None:
        """Begin connect(2); ``socket.state`` and ``socket.error`` say how it went or goes. Raises ENETUNREACH for an address nobody has."""
        self.route(socket, target[0])
        if is_group(target[0]):
            raise os_error(errno.ENETUNREACH)
        if is_any(target[0]):
            target = (LOOPBACK_V6 if is_v6(target[0]) else LOOPBACK_V4, target[1])
        Attempt(socket, target).start()

    def cutter(self, socket: Socket) -> Any:
        """What cuts the bytes that a new connection receives, or None. Connections between two hosts are numbered, so a label stays what it is."""
        return self._cut(self._chunks, socket, receives=True)

    def shortener(self, socket: Socket) -> Any:
        """What cuts short the sends of a new connection, or None."""
        return self._cut(self._sends, socket, receives=False)

    def _cut(self, chosen: tuple[Any, Fault | None], socket: Socket, receives: bool) -> Any:
        how, fault = chosen
        if how == "whole":
            return None
        here = f"{socket.host.name}/socketpair" if socket.title == "socketpair" else socket.host.name
        there = self.name_of(socket.remote[0]) if socket.remote else here
        pair = f"{here}{'<-' if receives else '->'}{there}"
        number = self._connections[pair] = self._connections.get(pair, 0) + 1
        if receives:
            return make_cutter(how, self.kernel.tape, f"chunks {here}<-{there} #{number}", fault)
        return make_cutter(how, self.kernel.tape, f"sends {here}->{there} #{number}", fault, self._taken)

    def _taken(self, label: str, index: int, count: int, have: int) -> None:
        """A send takes a part."""
        kernel = self.kernel
        kernel.log.append((kernel.now, kernel.current.path, "takes", label, index, count, have))


_WHOLE: tuple[Any, Fault | None] = ("whole", None)


def _shown(sizes: Any) -> str:
    return repr(list(sizes) if isinstance(sizes, tuple) else sizes)


def _number(setting: tuple[int, Link, dict[str, Fault]]) -> int:
    return setting[0]


__all__ = ["AF_INET", "AF_INET6", "LOCALHOST", "SOCK_STREAM", "Fabric", "Host"]
