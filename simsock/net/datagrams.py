"""Datagrams: UDP (RFC 768) as Linux's udp(7) describes it.

Owns messages with boundaries, dropped when lost or when the receiver's buffer is full. Does not know Python's socket objects. Modelled:
"port unreachable" reported to connected sockets. Who gets a datagram for many is ``groups.py``'s. Law: a datagram is delivered whole or not
at all.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.kernel.files import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP
from simsock.net import besides, groups
from simsock.net.addresses import AF_INET6, ANY_V4, ANY_V6, LOOPBACK_V4, LOOPBACK_V6, Endpoint, is_any, is_group, is_loopback, is_v6, needs_interface
from simsock.net.interfaces import EVERYBODY, LO
from simsock.net.options import (
    IP_MTU_DISCOVER,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_UDP,
    IPV6_DONTFRAG,
    IPV6_MTU_DISCOVER,
    SOL_SOCKET,
    UDPLITE_RECV_CSCOV,
    UDPLITE_SEND_CSCOV,
    Option,
)
from simsock.net.ports import pick
from simsock.net.sockets import Received, Socket, os_error
from simsock.net.tap import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.net.fabric import Fabric, Host
    from simsock.net.link.wire import Wire
    from simsock.net.ports import PortTable
    from simsock.net.tap import Tap

SOCK_DGRAM = 2
BUFFERS = (212_992, 212_992)
"""net.core.rmem_default and wmem_default."""
PAYLOAD_BYTES_MAX = 65_507
PAYLOAD_BYTES_MAX_V6 = 65_527
HEADERS_BYTES, HEADERS_BYTES_V6 = 28, 48
"""IP and UDP headers: what a link with a rate carries beside the payload."""
IP_HEADERS_BYTES = 20
"""Of each fragment over IPv4; over IPv6 a fragment header comes to the 40 bytes (RFC 8200, 4.5)."""
_DISCOVER, _DISCOVER_V6, _DONT_FRAGMENT_V6 = (IPPROTO_IP, IP_MTU_DISCOVER), (IPPROTO_IPV6, IPV6_MTU_DISCOVER), (IPPROTO_IPV6, IPV6_DONTFRAG)
_WILDCARDS = (ANY_V4, ANY_V6)
_DISCOVERS = (2, 3, 4)
"""IP_PMTUDISC_DO, PROBE and INTERFACE."""
OVERHEAD_BYTES = 512
"""What the receive buffer is charged beside the payload; Linux charges the whole socket buffer structure."""


def _packet_bytes(data: bytes, ip: str) -> int:
    return len(data) + (HEADERS_BYTES_V6 if is_v6(ip) else HEADERS_BYTES)


note_refused: Callable[[OSError, DatagramSocket], None] | None = None
"""Tells people on an error why a datagram was refused. Put here by who knows what is outside the world."""


class DatagramSocket(Socket):
    """A UDP socket."""

    __slots__ = ("asks", "bound_to_many", "charged", "groups", "marks", "rx", "vanished")

    kind = "datagram"
    no_port = errno.EAGAIN
    title_of_protocol = "udp"
    covers = 0
    """How many bytes of what is sent its checksum covers, with the 8 of the header; 0: all."""
    covered_bytes: int | None = None
    """The same without the header; None: all."""
    arrive_at_many = staticmethod(groups.arrive)

    def __init__(self, fabric: Fabric, host: Host, family: int, protocol: int, table: PortTable) -> None:
        super().__init__(fabric, host, family, SOCK_DGRAM, protocol, table, BUFFERS)
        self.rx: deque[tuple[bytes, Endpoint, besides.Flight, int]] = deque()
        """The data, who sent it, all that is known of it, and when it came if somebody asked for anything then (else -1)."""
        self.asks: set[tuple[int, int]] = set()
        """Which control messages it wants."""
        self.marks = False
        """Whether its options change what the headers of its datagrams have."""
        self.charged = 0
        self.bound_to_many = False
        """Bound to a group, or to a broadcast address: what it sends comes from another one."""
        self.groups: groups.Groups | None = None
        """Unless it has nothing to do with any."""
        self.vanished = False
        """Gone with its host's memory."""

    def connect(self, target: Endpoint) -> None:
        """Fix the peer: only its datagrams are received from now on."""
        if is_group(target[0]) and self._connect_to_many(target):
            return
        if self.fabric.host_at(self.host, target[0]) is not None or (self.family == AF_INET6 and self.v6_only):
            self.fabric.route(self, target[0])
        elif self.asked_ip and is_loopback(self.asked_ip):
            raise os_error(errno.EINVAL)
        if is_any(target[0]):
            target = (self._itself(target[0]), target[1])
        # To connect sends nothing: whoever asks for the own address towards an address that nobody has is told it, as where there is a route.
        self.bind_for(*target)
        self.remote = target

    def _itself(self, ip: str) -> str:
        """What a wildcard means to who sends: the address that the socket is bound to, or else the host's loopback."""
        own = self.asked_ip
        if own and not is_any(own) and is_v6(own) == is_v6(ip) and not self.bound_to_many:
            return own
        return LOOPBACK_V6 if is_v6(ip) else LOOPBACK_V4

    def _connect_to_many(self, target: Endpoint) -> bool:
        """The same for a group, or for everybody; False if the address means nothing like it here."""
        ip = target[0]
        self.bind_to_send(target)
        if needs_interface(ip) and "%" not in ip and (self.groups is None or not self.groups.interface_v6):
            raise os_error(errno.EINVAL)
        interface = groups.interface_to(self, ip)
        if not interface:
            return False
        if ip == EVERYBODY or is_loopback(ip):  # not 10.255.255.255, to which programs connect in order to learn their own address
            groups.may_send(self, ip)
        assert self.local is not None
        if self.local[0] in ("::", "0.0.0.0"):
            self.local = (groups.source_to(self, interface, ip.partition("%")[0]), self.local[1])
        self.remote = target
        return True

    @property
    def has_peer(self) -> bool:
        return self.remote is not None and bool(self.remote[1])

    def read(self, peek: bool = False) -> tuple[bytes, Endpoint, besides.Flight, int] | None:
        """The next datagram whole; None when there is none yet. Raises the pending error."""
        if self.error:
            self.take_error()
        if self.rx:
            if peek:
                return self.rx[0]
            found = self.rx.popleft()
            self.charged -= len(found[0]) + OVERHEAD_BYTES
            return found
        return None

    @property
    def unread(self) -> int:
        """FIONREAD: the bytes of the next datagram."""
        return len(self.rx[0][0]) if self.rx else 0

    def receive(self, count: int, peek: bool = False) -> Received | None:
        found = self.read(peek)
        if found is None:
            return None
        data, source, flight, noted = found
        size = len(data)
        return data if count >= size else data[:count], source, size, besides.Incoming(self, flight, noted) if self.asks else None

    def send(self, data: bytes, target: Endpoint | None, passed: Any = None) -> int:
        """Send one datagram. Raises EDESTADDRREQ, EMSGSIZE, ENETUNREACH, EPIPE and the pending error."""
        self.bind_to_send(target)
        if target is None:
            target = self.remote
            if target is None:
                raise os_error(errno.EDESTADDRREQ)
        elif not target[1]:
            raise os_error(errno.EINVAL)
        ip, _ = target
        if passed is not None:
            passed.read(self, is_v6(ip))
        if is_group(ip) and (interface := groups.interface_to(self, ip, passed)):
            return self._send_to_many(bytes(data), (ip.partition("%")[0], target[1]), interface, passed)
        fabric, host = self.fabric, self.host
        receiver = fabric.route(self, ip) if passed is None else fabric.route(self, ip, passed.interface)
        if receiver is host and ip in _WILDCARDS:
            ip = self._itself(ip)
            target = (ip, target[1])
        if len(data) > (PAYLOAD_BYTES_MAX_V6 if is_v6(ip) else PAYLOAD_BYTES_MAX):
            raise os_error(errno.EMSGSIZE)
        if self.error:
            self.take_error()
        if self.write_shut:
            raise os_error(errno.EPIPE)
        assert self.local is not None
        source = (self.local[0] if self.remote is not None and self.local[0] not in ("::", "0.0.0.0") else self._source(ip), self.local[1])
        header = None
        if self.marks or passed is not None:
            header = besides.header_of(self, ip, passed)
            if passed is not None and passed.source is not None:
                source = (passed.source or besides.default_source(host, ip), source[1])
        wire = fabric.wire(host, receiver)
        if wire.perfect:
            if fabric.tap is not None:
                fabric.tap.passes(wire, self.frame(source, target, bytes(data)))
            self._arrive((receiver, target, bytes(data), source, header, 0))
        else:
            if 0 < wire.link.mtu < _packet_bytes(data, target[0]) and self._whole(is_v6(target[0])):
                raise os_error(errno.EMSGSIZE)
            self._depart(wire, (receiver, target, bytes(data), source, header, 0), self._arrive, fabric.tap)
        return len(data)

    def _send_to_many(self, data: bytes, target: Endpoint, interface: int, passed: Any) -> int:
        """The same to a group or to everybody: one for each host, as the way to it has it."""
        fabric, ip = self.fabric, target[0]
        groups.may_send(self, ip)
        if len(data) > (PAYLOAD_BYTES_MAX_V6 if is_v6(ip) else PAYLOAD_BYTES_MAX):
            raise os_error(errno.EMSGSIZE)
        header = besides.header_of(self, ip, passed)
        loops, others = groups.receivers(self, ip, interface, header[0])
        ways = [(other, fabric.wire(self.host, other)) for other in others]
        if self._whole(is_v6(ip)) and any(0 < wire.link.mtu < _packet_bytes(data, ip) for _, wire in ways):
            raise os_error(errno.EMSGSIZE)
        if self.error:
            self.take_error()
        if self.write_shut:
            raise os_error(errno.EPIPE)
        assert self.local is not None
        source = ((passed.source if passed is not None else "") or groups.source_to(self, interface, ip), self.local[1])
        tap, frame = fabric.tap, self.frame(source, target, data)
        if tap is not None:
            tap.sets_out(self.host.name, frame)
        if loops:
            ways.insert(0, (self.host, fabric.wire(self.host, self.host)))
        for receiver, wire in ways:
            flight = (receiver, target, data, source, header, interface)
            if wire.perfect or (receiver is self.host and interface != LO):  # its own copy never leaves the host
                if tap is None:
                    self.arrive_at_many(flight)
                else:
                    tap.lands((wire, frame, self.arrive_at_many, flight))
            else:
                self._depart(wire, flight, self.arrive_at_many, None)
        return len(data)

    def _depart(self, wire: Wire, flight: Any, arrive: Callable[[Any], object], tap: Tap | None) -> None:
        """Put a datagram on an imperfect wire; ``tap`` is to hear that it sets out."""
        _, target, data, source = flight[:4]
        v6 = is_v6(target[0])
        size = _packet_bytes(data, target[0])
        if wire.governed and (after := wire.ruling(self.title_of_protocol, size, data, (source, target))) is not None:
            if tap is not None:
                tap.departs(wire, self.frame(source, target, data), after < 0)
            if after >= 0:
                self._launch(wire, self.kernel.now + after, flight, arrive)
            return
        parts = wire.fragments(size, HEADERS_BYTES_V6 if v6 else IP_HEADERS_BYTES)
        launched = False
        for _ in range(wire.copies()):
            if any(wire.dropped(part) for part in parts):
                continue
            arriving: bytes | None = data
            for _ in parts:
                if arriving is not None:
                    arriving = wire.damaged(arriving, self.covered_bytes)
            if arriving is not None:
                delay = max([wire.delay_ns(part) for part in parts])
                self._launch(wire, self.kernel.now + delay, (*flight[:2], arriving, *flight[3:]), arrive)
                launched = True
        if tap is not None:
            tap.departs(wire, self.frame(source, target, data), not launched)

    def _launch(self, wire: Wire, arrival: int, flight: Any, arrive: Callable[[Any], object]) -> None:
        tap = self.fabric.tap
        if tap is None:
            wire.launch(arrival, arrive, flight)
        else:
            _, target, data, source = flight[:4]
            wire.launch(arrival, tap.lands, (wire, self.frame(source, target, data), arrive, flight))

    def _whole(self, v6: bool) -> bool:
        """Whether it is not to be fragmented: ip_sk_ignore_df() in Linux's ip.h, and IPV6_DONTFRAG."""
        if v6:
            return bool(self.options.get(_DONT_FRAGMENT_V6)) or self.options.get(_DISCOVER_V6) in _DISCOVERS
        return self.options.get(_DISCOVER) in _DISCOVERS

    def bind_to_send(self, target: Endpoint | None) -> None:
        """Whoever sends has a port, whatever comes of it (inet_autobind() in Linux's af_inet.c)."""
        if not self.bound_ip:
            try:
                self.bind_somewhere(*(target or ("", 0)))
            except OSError:
                raise os_error(self.no_port) from None

    def _source(self, ip: str) -> str:
        assert self.local is not None
        own = self.local[0]
        return own if own not in ("::", "0.0.0.0") and not self.bound_to_many else self.host.source_for(ip)

    @staticmethod
    def table_of(host: Host) -> PortTable:
        """The sockets of the protocol on a host."""
        return host.udp

    def frame(self, source: Endpoint, target: Endpoint, data: bytes) -> Frame:
        """A datagram as who listens in sees it."""
        return Frame("udp", source, target, data)

    def _arrive(self, flight: besides.Flight) -> None:
        receiver, target, data, source, _, _ = flight
        if receiver.down:
            return
        found = [socket for socket in self.table_of(receiver).at(*target) if isinstance(socket, DatagramSocket)]
        # A connected socket hears only its peer (with port 0: an address), and is preferred for what the peer sends.
        exact = [socket for socket in found if socket.remote == source]
        candidates = exact or [socket for socket in found if socket.remote is None or socket.remote == (source[0], 0)]
        if candidates:
            pick(candidates, source).take(data, source, flight)
        elif self.remote == target or self.remote == (target[0], 0):
            back = self.fabric.wire(receiver, self.host)
            if back.perfect:
                self._unreachable(target)
            elif not back.lost():
                back.launch(self.kernel.now + back.delay_ns(), self._unreachable, target)

    def take_error(self) -> None:
        """Raise the pending error, once, with what there is to tell of it."""
        try:
            super().take_error()
        except OSError as error:
            if note_refused is not None:
                note_refused(error, self)
            raise

    def _unreachable(self, target: Endpoint) -> None:
        if self.remote in (target, (target[0], 0)) and self.references:
            self.error = errno.ECONNREFUSED
            self.wake_readers()

    def take(self, data: bytes, source: Endpoint, flight: besides.Flight) -> None:
        """A datagram is there; it is dropped when the buffer is full."""
        if self.charged >= self.receive_bytes_max:
            self.kernel.log.append((self.kernel.now, self.title, "buffer full", len(data)))
            return
        self.charged += len(data) + OVERHEAD_BYTES
        self.rx.append((data, source, flight, self.kernel.now if self.asks else -1))
        self.wake_readers()

    def shutdown(self, read: bool, write: bool) -> None:
        """shutdown(2). Raises ENOTCONN without a peer, as Linux does (after having done it)."""
        if read:
            self.read_shut = True
            self.wake_readers()
        if write:
            self.write_shut = True
        self.changed()
        if self.remote is None:
            raise os_error(errno.ENOTCONN)

    def _bindable(self, ip: str) -> str:
        found = super()._bindable(ip)
        self.bound_to_many = True
        return found

    def heed(self, option: Option, value: int | bytes) -> int | bytes:
        if option.number in (UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV) and option.level == IPPROTO_UDP:
            return self.set_coverage(option.number, int(value))
        besides.heed(self, option, value)
        return super().heed(option, groups.heed(self, option, value))

    def option_value(self, option: Option) -> int | bytes:
        if option.level == SOL_SOCKET and option.number in besides.STAMPS:
            return besides.stamp_option(self, option.number)
        return super().option_value(option)

    def set_coverage(self, number: int, value: int) -> int:
        """Options of UDP-Lite, which UDP does not know although they may be read."""
        raise os_error(errno.ENOPROTOOPT)

    def released(self) -> None:
        groups.leave_all(self)
        self.unbind()
        self.rx.clear()

    def vanish(self) -> None:
        """The host has crashed."""
        self.vanished = True
        self.read_shut = self.write_shut = True
        self.released()

    def poll(self) -> int:
        """As datagram_poll() in Linux's core/datagram.c."""
        bits = POLLOUT
        if self.read_shut:
            bits |= POLLIN | POLLRDHUP | (POLLHUP if self.write_shut else 0)
        elif self.rx:
            bits |= POLLIN
        return bits | POLLERR if self.error else bits
