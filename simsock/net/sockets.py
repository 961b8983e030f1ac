"""What streams and datagrams have in common: an address, options, waiting.

Owns binding and what the options of all sockets do. Does not know Python's socket objects: calls that would block return None here.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel.failures import os_error as os_error
from simsock.kernel.files import WaitedFile
from simsock.kernel.units import NS
from simsock.net.addresses import AF_INET6, AF_UNIX, ANY_V4, ANY_V6, Endpoint, is_any, is_group, is_multicast, is_v6, needs_interface
from simsock.net.interfaces import EVERYBODY, INTERFACES, broadcast_interface
from simsock.net.options import (
    IP_BIND_ADDRESS_NO_PORT,
    IP_MTU,
    IP_MULTICAST_ALL,
    IP_TOS,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPPROTO_UDPLITE,
    IPV6_MTU,
    IPV6_V6ONLY,
    OPTIONS,
    SO_ACCEPTCONN,
    SO_BINDTODEVICE,
    SO_DOMAIN,
    SO_ERROR,
    SO_PEERCRED,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_RCVLOWAT,
    SO_RCVTIMEO,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_SNDBUF,
    SO_SNDTIMEO,
    SO_TYPE,
    SOL_SOCKET,
    Option,
    known_level,
    known_to_linux,
)
from simsock.net.unix.ancillary import NOBODY

if TYPE_CHECKING:
    from simsock.kernel.task import Task
    from simsock.net.fabric import Fabric, Host
    from simsock.net.ports import PortTable

_STREAM = 1
"""SOCK_STREAM."""
_OTHER_PROTOCOLS = {1: (IPPROTO_UDP, IPPROTO_UDPLITE), 2: (IPPROTO_TCP,)}
_NO_PORT = (IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT)
MTU = 1500
"""Of a link that says nothing else: Ethernet's."""

Received = tuple[bytes, Any, int, Any]
"""(data, who sent it or None, the message's whole length, what came besides)."""

BUFFER_BYTES_MIN = 2304
BUFFER_BYTES_MAX = 425_984
"""What SO_RCVBUF and SO_SNDBUF are held to (twice net.core.rmem_max, as Linux doubles what is asked for)."""


def _time_ns(value: int | bytes) -> int | None:
    """A ``struct timeval`` in nanoseconds, None for none. Raises EDOM."""
    assert isinstance(value, bytes)
    seconds, micros = struct.unpack_from("qq", value)
    if not 0 <= micros < 1_000_000:
        raise os_error(errno.EDOM)
    if seconds < 0:
        return 0
    return seconds * NS + micros * 1000 or None


class Socket(WaitedFile):
    """A bound or unbound socket of a host."""

    __slots__ = (
        "asked_ip",
        "automatic",
        "bound_ip",
        "child",
        "error",
        "fabric",
        "family",
        "holder",
        "host",
        "interface",
        "local",
        "mode",
        "options",
        "protocol",
        "read_shut",
        "receive_bytes_max",
        "receive_timeout_ns",
        "remote",
        "reuse_address",
        "reuse_port",
        "send_bytes_max",
        "send_timeout_ns",
        "table",
        "title",
        "type",
        "v6_only",
        "write_shut",
    )

    kind = "socket"
    odd = False
    """Whether a call that reads may find bytes and hand out none: a stream with an urgent byte, or with SO_RCVLOWAT."""
    urgent: Any = None
    """Of a stream with urgent data: where it is."""
    carries_bytes = False
    """Whether it is a stream of bytes, and not of messages."""
    no_port = errno.EADDRNOTAVAIL
    """What connect(2) says when every port of the ephemeral range is taken."""

    def __init__(self, fabric: Fabric, host: Host, family: int, type: int, protocol: int, table: PortTable, buffers: tuple[int, int]) -> None:
        WaitedFile.__init__(self, fabric.kernel)
        self.fabric = fabric
        self.host = host
        self.family = family
        self.type = type
        self.protocol = protocol
        self.table = table
        self.title = f"{self.kind} of {host.name}"
        """What the socket is called in records and reports; both ends once it is connected."""
        self.child = False
        self.automatic = False
        """Whether the system chose the port: it is given back when a connection fails or a listener stops, though it is still reported."""
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self.bound_ip = self.asked_ip = ""
        self.interface = 0
        """The number of the interface that it is bound to, 0 for none."""
        self.error = 0
        self.read_shut = False
        self.write_shut = False
        self.reuse_address = False
        self.reuse_port = False
        self.v6_only = False
        self.receive_bytes_max, self.send_bytes_max = buffers
        self.options: dict[tuple[int, int], int | bytes] = {}
        self.receive_timeout_ns: int | None = None
        self.send_timeout_ns: int | None = None
        """SO_RCVTIMEO and SO_SNDTIMEO: how long a call of a blocking socket waits."""
        self.holder: Task | None = None
        self.mode = 0o777
        """The permissions of its inode, which those of a Unix socket's path are made of."""

    # -- what it is doing ---------------------------------------------------------------------------------------------------------------

    @property
    def listening(self) -> bool:
        """Whether connections come to it."""
        return False

    @property
    def connected(self) -> bool:
        """Whether it is one end of a connection."""
        return False

    # -- data ------------------------------------------------------------------------------------------------------------------------

    def receive(self, count: int, peek: bool = False) -> Received | None:
        """What recvmsg(2) gets; None when there is nothing yet."""
        raise NotImplementedError

    def shutdown(self, read: bool, write: bool) -> None:
        """shutdown(2)."""
        raise NotImplementedError

    # -- addresses -----------------------------------------------------------------------------------------------------------------

    @property
    def has_peer(self) -> bool:
        """Whether getpeername(2) has an answer."""
        return self.remote is not None

    def bind(self, ip: str, port: int) -> None:
        """Take a local address; port 0 picks an ephemeral one. Raises EINVAL, EADDRNOTAVAIL, EADDRINUSE."""
        if not is_any(ip):
            if is_group(ip):
                ip = self._bindable(ip)
            elif not self.host.owns(ip):
                raise os_error(errno.EADDRNOTAVAIL)
        if self.bound_ip:
            raise os_error(errno.EINVAL)
        if not port and self.options.get(_NO_PORT):
            self.local, self.asked_ip = (ip, 0), ip  # the address alone; the port comes when it is known whom it is for
            return
        self._take(ip, port)

    def _take(self, ip: str, port: int, avoid: int = 0) -> None:
        """The same where the address is known to do; not port ``avoid``."""
        now = self.kernel.now
        self.automatic = not port
        if not port:
            port = self.table.free_port(avoid) or 0
            if not port:
                raise os_error(errno.EADDRINUSE)
        elif self.table.conflict(self, ip, port, now):
            if self.local is not None:  # that of a connection that failed is forgotten in the attempt
                self.local = (ANY_V6 if self.family == AF_INET6 else ANY_V4, self.local[1])
            raise os_error(errno.EADDRINUSE)
        self.local = (ip, port)
        self.bound_ip = self.asked_ip = ip
        self.child = False  # an accepted socket whose connection is over, and that begins anew
        self.title = f"{self.host.name}:{port}"
        self.table.add(self, port)

    def _bindable(self, ip: str) -> str:
        """The address of a group, or of everybody, that bind(2) takes. Raises EINVAL, EADDRNOTAVAIL, ENODEV."""
        plain, _, zone = ip.partition("%")
        if is_v6(plain):
            if self.bound_ip or self.carries_bytes:
                raise os_error(errno.EINVAL)
            if zone and int(zone) not in INTERFACES.values():
                raise os_error(errno.ENODEV)
            if needs_interface(plain) and not zone:
                raise os_error(errno.EINVAL)
            self.interface = int(zone or 0)
        elif plain != EVERYBODY and not is_multicast(plain) and not broadcast_interface(self.host, plain):
            raise os_error(errno.EADDRNOTAVAIL)
        return plain

    def bind_for(self, ip: str, port: int) -> None:
        """Take the local address from which a peer is reached, keeping a port that was bound already."""
        source = self.host.source_for(ip)
        try:
            self.bind_somewhere(ip, port)
        except OSError:
            raise os_error(self.no_port) from None
        assert self.local is not None
        if is_any(self.local[0]):
            self.local = (source, self.local[1])

    def bind_somewhere(self, ip: str = "", port: int = 0) -> None:
        """Take a port of the ephemeral range if there is no port yet: not that of a peer on the same host, which would be meeting oneself."""
        if not self.bound_ip:
            avoid = port if ip and (is_any(ip) or self.host.owns(ip)) else 0
            self._take(self.asked_ip or (ANY_V6 if self.family == AF_INET6 else ANY_V4), 0, avoid)

    def unbind_automatic(self) -> None:
        """Give back a port that the system chose; one that the program asked for stays."""
        if self.automatic and self.bound_ip:
            self.unbind()
            self.bound_ip = ""

    def start_over(self) -> None:
        """As tcp_disconnect(): nothing is shut down any more, the local address is what bind(2) said."""
        self.read_shut = self.write_shut = False
        if self.local is not None:
            self.local = (self.asked_ip, self.local[1])

    def unbind(self) -> None:
        """Give the local address back."""
        if self.local is None:
            return
        if not self.child:
            self.table.remove(self, self.local[1])
        elif self.bound_ip:
            self.bound_ip = ""
            self.table.release(self.local[1], self.reuse_address)

    def _set_reuse_address(self, on: bool) -> None:
        if self.child and self.bound_ip and self.local is not None:
            # The table counts accepted connections by this option.
            self.table.release(self.local[1], self.reuse_address)
            self.table.hold(self.local[1], on)
        self.reuse_address = on

    # -- options -------------------------------------------------------------------------------------------------------------------

    def set_option(self, level: int, number: int, value: int | bytes) -> None:
        """setsockopt(2). Raises ENOPROTOOPT, EINVAL, EOPNOTSUPP, and ``Unsupported`` for what is not simulated."""
        option = self._option(level, number, "setsockopt")
        if option is None or option.effect == "read":
            raise os_error(errno.ENOPROTOOPT)
        value = self._checked(option, value)
        if option.effect == "refused" and (option.order or value != option.unset):
            raise Unsupported(f"setsockopt: {option.name} (option {number} of level {level}) is not simulated, got {value!r}")
        value = self.heed(option, value)
        if not option.order:
            self.options[option.level, number] = value

    def heed(self, option: Option, value: int | bytes) -> int | bytes:
        """Have an option take effect, if it has one; returns what is read back."""
        number = option.number
        if option.level == SOL_SOCKET:
            if number == SO_REUSEADDR:
                self._set_reuse_address(bool(value))
            elif number == SO_REUSEPORT:
                self.reuse_port = bool(value)
            elif number == SO_RCVBUF:
                value = self.receive_bytes_max = min(max(2 * (int(value) & 0xFFFF_FFFF), BUFFER_BYTES_MIN), BUFFER_BYTES_MAX)
            elif number == SO_SNDBUF:
                value = self.send_bytes_max = min(max(2 * (int(value) & 0xFFFF_FFFF), 2 * BUFFER_BYTES_MIN), BUFFER_BYTES_MAX)
                if self.type != _STREAM or self.family == AF_UNIX:
                    self.wake_writers()  # there may be room now; TCP tells only who has met none
            elif number == SO_RCVTIMEO:
                self.receive_timeout_ns = _time_ns(value)
            elif number == SO_SNDTIMEO:
                self.send_timeout_ns = _time_ns(value)
            elif number == SO_RCVLOWAT:
                return 0x7FFF_FFFF if int(value) < 0 else int(value) or 1  # which changes nothing for messages
            elif number == SO_BINDTODEVICE:
                return self._bind_to_device(value)
        elif option.level == IPPROTO_IPV6 and number == IPV6_V6ONLY:
            if self.local is not None and self.local[1]:
                raise os_error(errno.EINVAL)
            self.v6_only = bool(value)
        elif option.level == IPPROTO_IP and number == IP_TOS:
            return int(value) & 0xFF
        return value

    def _bind_to_device(self, value: int | bytes) -> bytes:
        """SO_BINDTODEVICE: an interface's name, or nothing. Raises ENODEV."""
        assert isinstance(value, bytes)
        name = value[:15].partition(b"\0")[0]
        if name and name.decode("latin-1") not in INTERFACES:
            raise os_error(errno.ENODEV)
        self.interface = INTERFACES.get(name.decode("latin-1"), 0)
        return name and name + b"\0"

    def _option(self, level: int, number: int, what: str) -> Option | None:
        """The row of the table, or None when Linux does not know it, either."""
        if not self.knows_level(level):
            return None
        option = OPTIONS.get((level, number))
        if option is None:
            if known_to_linux(level, number):
                raise Unsupported(f"{what}: option {number} of level {level} is not simulated")
            return None
        if option.only and (self.family == AF_UNIX) != (option.only == "unix"):
            raise os_error(errno.EOPNOTSUPP)
        return option

    def knows_level(self, level: int) -> bool:
        """Whether the socket has options of a level."""
        return known_level(level) and level not in _OTHER_PROTOCOLS.get(self.type, ()) and (level != IPPROTO_IPV6 or self.family == AF_INET6)

    @staticmethod
    def _checked(option: Option, value: int | bytes) -> int | bytes:
        """A value as the option's kind has it. Raises EINVAL."""
        size = len(value) if isinstance(value, bytes) else 4
        if option.kind == "bytes":
            if size < option.size:
                raise os_error(errno.EINVAL)
            return value if isinstance(value, bytes) else value.to_bytes(4, "little", signed=True)
        if size < option.size and (option.level != IPPROTO_IP or not size):
            raise os_error(errno.EINVAL)
        if isinstance(value, bytes):
            number = int.from_bytes(value[:4], "little", signed=True) if size >= option.size else value[0]  # ip(7): a byte will do
        else:
            number = value
        if option.kind == "switch":
            return int(bool(number))
        if option.resets and number == -1:
            return option.default
        if not option.low <= number <= option.high:
            raise os_error(errno.EINVAL)
        return number

    def get_option(self, level: int, number: int) -> int | bytes:
        """getsockopt(2): an integer, or bytes; Linux's default for an option that was never set."""
        if not self.knows_level(level):
            raise os_error(errno.ENOPROTOOPT if self.family == AF_INET6 else errno.EOPNOTSUPP)
        option = self._option(level, number, "getsockopt")
        if option is None or option.order:
            raise os_error(errno.ENOPROTOOPT)
        return self.option_value(option)

    def option_value(self, option: Option) -> int | bytes:
        """The value of an option: what is known of it, or what was stored."""
        number = option.number
        if option.level == SOL_SOCKET:
            if number == SO_ERROR:
                return self.pop_error()
            told = {
                SO_REUSEADDR: self.reuse_address,
                SO_REUSEPORT: self.reuse_port,
                SO_RCVBUF: self.receive_bytes_max,
                SO_SNDBUF: self.send_bytes_max,
                SO_TYPE: self.type,
                SO_ACCEPTCONN: self.listening,
                SO_PROTOCOL: self.protocol,
                SO_DOMAIN: self.family,
            }
            if number in told:
                return int(told[number])
            if number == SO_PEERCRED:
                return struct.pack("3i", *NOBODY)
        elif (option.level, number) in ((IPPROTO_IP, IP_MTU), (IPPROTO_IPV6, IPV6_MTU)):
            return self._mtu()
        elif (option.level, number) == (IPPROTO_IP, IP_MULTICAST_ALL) and self.family == AF_INET6:
            return self.options.get((option.level, number), 0)
        if number == SO_BINDTODEVICE and option.level == SOL_SOCKET:
            return next((name.encode() + b"\0" for name, known in INTERFACES.items() if known == self.interface), b"")
        return self.options.get((option.level, number), option.unset)

    def _mtu(self) -> int:
        """What fits on the way to the peer. Raises ENOTCONN without one."""
        if self.remote is None:
            raise os_error(errno.ENOTCONN)
        there = self.fabric.host_at(self.host, self.remote[0])
        wire = self.fabric.known_wire(self.host, there) if there is not None else None
        return wire.link.mtu or MTU if wire is not None else MTU

    # -- errors -------------------------------------------------------------------------------------------------------------------------

    def pop_error(self) -> int:
        """The pending error, once; 0 when there is none."""
        error, self.error = self.error, 0
        return error

    def take_error(self) -> None:
        """Raise the pending error, once."""
        if self.error:
            raise os_error(self.pop_error())

    def describe(self) -> str:
        return f"{self.kind} {self.title}"
