"""Datagrams: UDP (RFC 768) as Linux's udp(7) describes it.

Owns messages with boundaries, dropped when lost or when the receiver's buffer is full. Does not know Python's socket objects. Modelled:
"port unreachable" reported to connected sockets. Not modelled: broadcast, multicast. Law: a datagram is delivered whole or not
at all.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

from simsock.errors import Unsupported
from simsock.kernel.files import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP
from simsock.net.addresses import AF_INET6, Endpoint, is_group, is_v6
from simsock.net.options import IP_MTU_DISCOVER, IPPROTO_IP, IPPROTO_IPV6, IPV6_DONTFRAG, IPV6_MTU_DISCOVER
from simsock.net.ports import pick
from simsock.net.sockets import Received, Socket, os_error
from simsock.net.tap import Frame

if TYPE_CHECKING:
    from simsock.net.fabric import Fabric, Host
    from simsock.net.link.wire import Wire
    from simsock.net.ports import PortTable
    from simsock.net.unix.ancillary import Passed

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
_DISCOVERS = (2, 3, 4)
"""IP_PMTUDISC_DO, PROBE and INTERFACE."""
OVERHEAD_BYTES = 512
"""What the receive buffer is charged beside the payload; Linux charges the whole socket buffer structure."""


class DatagramSocket(Socket):
    """A UDP socket."""

    __slots__ = ("charged", "rx", "vanished")

    kind = "datagram"
    no_port = errno.EAGAIN

    def __init__(self, fabric: Fabric, host: Host, family: int, protocol: int, table: PortTable) -> None:
        super().__init__(fabric, host, family, SOCK_DGRAM, protocol, table, BUFFERS)
        self.rx: deque[tuple[bytes, Endpoint]] = deque()
        self.charged = 0
        self.vanished = False
        """Gone with its host's memory."""

    def connect(self, target: Endpoint) -> None:
        """Fix the peer: only its datagrams are received from now on."""
        if self.fabric.host_at(self.host, target[0]) is not None or (self.family == AF_INET6 and self.v6_only):
            self.fabric.route(self, target[0])
        # To connect sends nothing: whoever asks for the own address towards an address that nobody has is told it, as where there is a route.
        self.bind_for(*target)
        self.remote = target

    @property
    def has_peer(self) -> bool:
        return self.remote is not None and bool(self.remote[1])

    def read(self, peek: bool = False) -> tuple[bytes, Endpoint] | None:
        """The next datagram whole, and who sent it; None when there is none yet. Raises the pending error."""
        if self.error:
            self.take_error()
        if self.rx:
            if peek:
                return self.rx[0]
            data, source = self.rx.popleft()
            self.charged -= len(data) + OVERHEAD_BYTES
            return data, source
        return None

    @property
    def unread(self) -> int:
        """FIONREAD: the bytes of the next datagram."""
        return len(self.rx[0][0]) if self.rx else 0

    def receive(self, count: int, peek: bool = False) -> Received | None:
        found = self.read(peek)
        return None if found is None else (found[0][:count], found[1], len(found[0]), None)

    def send(self, data: bytes, target: Endpoint | None, passed: Passed | None = None) -> int:
        """Send one datagram. Raises EDESTADDRREQ, EMSGSIZE, ENETUNREACH, EPIPE and the pending error."""
        self.bind_to_send(target)
        if target is None:
            target = self.remote
            if target is None:
                raise os_error(errno.EDESTADDRREQ)
        elif not target[1]:
            raise os_error(errno.EINVAL)
        ip, _ = target
        if is_group(ip):
            raise Unsupported(f"sendto: broadcast and multicast are not simulated, got address {ip!r}")
        fabric, host = self.fabric, self.host
        receiver = fabric.route(self, ip)
        if len(data) > (PAYLOAD_BYTES_MAX_V6 if is_v6(ip) else PAYLOAD_BYTES_MAX):
            raise os_error(errno.EMSGSIZE)
        if self.error:
            self.take_error()
        if self.write_shut:
            raise os_error(errno.EPIPE)
        assert self.local is not None
        source = (self.local[0] if self.remote is not None and self.local[0] not in ("::", "0.0.0.0") else self._source(ip), self.local[1])
        wire = fabric.wire(host, receiver)
        if wire.perfect:
            if fabric.tap is not None:
                fabric.tap.passes(wire, Frame("udp", source, target, bytes(data)))
            self._arrive((receiver, target, bytes(data), source))
        else:
            self._depart(wire, receiver, target, bytes(data), source)
        return len(data)

    def _depart(self, wire: Wire, receiver: Host, target: Endpoint, data: bytes, source: Endpoint) -> None:
        """Put a datagram on an imperfect wire. Raises EMSGSIZE."""
        v6 = is_v6(target[0])
        size = len(data) + (HEADERS_BYTES_V6 if v6 else HEADERS_BYTES)
        if 0 < wire.link.mtu < size and self._whole(v6):
            raise os_error(errno.EMSGSIZE)
        tap = self.fabric.tap
        if wire.governed and (after := wire.ruling("udp", size, data, (source, target))) is not None:
            if tap is not None:
                tap.departs(wire, Frame("udp", source, target, data), after < 0)
            if after >= 0:
                self._launch(wire, self.kernel.now + after, (receiver, target, data, source))
            return
        parts = wire.fragments(size, HEADERS_BYTES_V6 if v6 else IP_HEADERS_BYTES)
        launched = False
        for _ in range(wire.copies()):
            if any(wire.dropped(part) for part in parts):
                continue
            arriving: bytes | None = data
            for _ in parts:
                if arriving is not None:
                    arriving = wire.damaged(arriving)
            if arriving is not None:
                delay = max([wire.delay_ns(part) for part in parts])
                self._launch(wire, self.kernel.now + delay, (receiver, target, arriving, source))
                launched = True
        if tap is not None:
            tap.departs(wire, Frame("udp", source, target, data), not launched)

    def _launch(self, wire: Wire, arrival: int, flight: tuple[Host, Endpoint, bytes, Endpoint]) -> None:
        tap = self.fabric.tap
        if tap is None:
            wire.launch(arrival, self._arrive, flight)
        else:
            _, target, data, source = flight
            wire.launch(arrival, tap.lands, (wire, Frame("udp", source, target, data), self._arrive, flight))

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
        return own if own not in ("::", "0.0.0.0") else self.host.source_for(ip)

    def _arrive(self, flight: tuple[Host, Endpoint, bytes, Endpoint]) -> None:
        receiver, target, data, source = flight
        if receiver.down:
            return
        found = [socket for socket in receiver.udp.at(*target) if isinstance(socket, DatagramSocket)]
        # A connected socket hears only its peer, and is preferred for what the peer sends.
        exact = [socket for socket in found if socket.remote == source]
        candidates = exact or [socket for socket in found if socket.remote is None]
        if candidates:
            pick(candidates, source).take(data, source)
        elif self.remote == target:
            back = self.fabric.wire(receiver, self.host)
            if back.perfect:
                self._unreachable(target)
            elif not back.lost():
                back.launch(self.kernel.now + back.delay_ns(), self._unreachable, target)

    def _unreachable(self, target: Endpoint) -> None:
        if self.remote == target and self.references:
            self.error = errno.ECONNREFUSED
            self.wake_readers()

    def take(self, data: bytes, source: Endpoint) -> None:
        """A datagram is there; it is dropped when the buffer is full."""
        if self.charged >= self.receive_bytes_max:
            self.kernel.log.append((self.kernel.now, self.title, "buffer full", len(data)))
            return
        self.charged += len(data) + OVERHEAD_BYTES
        self.rx.append((data, source))
        self.wake_readers()

    def shutdown(self, read: bool, write: bool) -> None:
        """shutdown(2). Raises ENOTCONN without a peer, as Linux does (after having done it)."""
        if read:
            self.read_shut = True
            self.wake_readers()
        if write:
            self.write_shut = True
        if self.remote is None:
            raise os_error(errno.ENOTCONN)

    def released(self) -> None:
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
