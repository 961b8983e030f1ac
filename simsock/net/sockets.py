"""What streams and datagrams have in common: an address, options, waiting.

Owns binding and the options that are stored and read back. Does not know Python's socket objects: calls that would block return None here.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel.failures import os_error as os_error
from simsock.kernel.files import WaitedFile
from simsock.net.addresses import AF_INET6, ANY_V4, ANY_V6, Endpoint, is_any, is_group
from simsock.net.unix.ancillary import NOBODY, Passed

if TYPE_CHECKING:
    from simsock.kernel.task import Task
    from simsock.net.fabric import Fabric, Host
    from simsock.net.ports import PortTable

SOL_SOCKET, IPPROTO_IPV6 = 1, 41
SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_LINGER, SO_REUSEPORT, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN = 2, 3, 4, 7, 8, 13, 15, 30, 38, 39
SO_PEERCRED = 17
IPV6_V6ONLY = 26
"""asm-generic/socket.h's and in6.h's numbers."""

IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP = 0, 6, 17

_OPTIONS = {
    SOL_SOCKET: range(1, 84),
    IPPROTO_IP: range(1, 53),
    IPPROTO_TCP: range(1, 46),
    IPPROTO_UDP: (1, 100, 101, 102, 103, 104),
    IPPROTO_IPV6: range(1, 84),
}
"""The levels and the names in them that Linux knows; others are ENOPROTOOPT."""
_OTHER_PROTOCOL = {1: IPPROTO_UDP, 2: IPPROTO_TCP}
_SWITCHES = {(SOL_SOCKET, name) for name in (1, 2, 5, 6, 9, 10, 15, 29)} | {(IPPROTO_TCP, name) for name in (1, 3)} | {(IPPROTO_IPV6, IPV6_V6ONLY)}
"""Options that are read back as 0 or 1 whatever they were set to."""
_STRUCTURES = {(SOL_SOCKET, SO_LINGER): 8, (SOL_SOCKET, 20): 16, (SOL_SOCKET, 21): 16}
"""Options whose value is not an integer: bytes of at least such a length."""
_NOT_SIMULATED = {
    (SOL_SOCKET, 18): "SO_RCVLOWAT",
    (SOL_SOCKET, 20): "SO_RCVTIMEO",
    (SOL_SOCKET, 21): "SO_SNDTIMEO",
    (SOL_SOCKET, 25): "SO_BINDTODEVICE",
    (IPPROTO_IP, 35): "IP_ADD_MEMBERSHIP",
    (IPPROTO_IPV6, 20): "IPV6_JOIN_GROUP",
}
"""Options that programs set because they change what calls do; storing them without effect would hide that they do not."""
_DEFAULTS = {
    (SOL_SOCKET, 18): 1,
    (IPPROTO_IP, 2): 64,
    (IPPROTO_TCP, 2): 536,
    (IPPROTO_TCP, 4): 7200,
    (IPPROTO_TCP, 5): 75,
    (IPPROTO_TCP, 6): 9,
    (IPPROTO_TCP, 7): 6,
    (IPPROTO_TCP, 12): 1,
    (IPPROTO_IPV6, 16): 64,
    (IPPROTO_IPV6, 18): 1,
    (IPPROTO_IPV6, 19): 1,
}
"""Linux's values of options that nobody set, where they are not 0."""

Received = tuple[bytes, Any, int, "Passed | None"]
"""(data, who sent it or None, the message's whole length, what came besides)."""

BUFFER_BYTES_MIN = 2304
BUFFER_BYTES_MAX = 425_984
"""What SO_RCVBUF and SO_SNDBUF are held to (twice net.core.rmem_max, as Linux doubles what is asked for)."""


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
        "local",
        "options",
        "protocol",
        "read_shut",
        "receive_bytes_max",
        "remote",
        "reuse_address",
        "reuse_port",
        "send_bytes_max",
        "table",
        "title",
        "type",
        "v6_only",
        "write_shut",
    )

    kind = "socket"
    carries_bytes = False
    """Whether it is a stream of bytes, and not of messages."""
    no_port = errno.EADDRNOTAVAIL
    """What connect(2) says when every port of the ephemeral range is taken."""

    def __init__(self, fabric: Fabric, host: Host, family: int, type: int, protocol: int, table: PortTable, buffers: tuple[int, int]) -> None:
        super().__init__(fabric.kernel)
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
        self.error = 0
        self.read_shut = False
        self.write_shut = False
        self.reuse_address = False
        self.reuse_port = False
        self.v6_only = False
        self.receive_bytes_max, self.send_bytes_max = buffers
        self.options: dict[tuple[int, int], Any] = {}
        self.holder: Task | None = None

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
        if not is_any(ip) and not self.host.owns(ip) and not is_group(ip):
            raise os_error(errno.EADDRNOTAVAIL)
        if self.bound_ip:
            raise os_error(errno.EINVAL)
        now = self.kernel.now
        self.automatic = not port
        if not port:
            port = self.table.free_port() or 0
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

    def bind_for(self, ip: str) -> None:
        """Take the local address from which a peer at ``ip`` is reached, keeping a port that was bound already."""
        source = self.host.source_for(ip)
        try:
            self.bind_somewhere()
        except OSError:
            raise os_error(self.no_port) from None
        assert self.local is not None
        if is_any(self.local[0]):
            self.local = (source, self.local[1])

    def bind_somewhere(self) -> None:
        """Take a port of the ephemeral range if there is no port yet."""
        if not self.bound_ip:
            self.bind(self.asked_ip or (ANY_V6 if self.family == AF_INET6 else ANY_V4), 0)

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

    def set_option(self, level: int, name: int, value: Any) -> None:
        """Store an option; those that the simulation heeds take effect."""
        self._check_option(level, name, value)
        if isinstance(value, bytes) and (level, name) not in _STRUCTURES:
            value = int.from_bytes(value[:4], "little", signed=True)
        if (level, name) in _SWITCHES:
            value = int(bool(value))
        if level == SOL_SOCKET and isinstance(value, int):
            if name == SO_REUSEADDR:
                self._set_reuse_address(bool(value))
            elif name == SO_REUSEPORT:
                self.reuse_port = bool(value)
            elif name == SO_RCVBUF:
                self.receive_bytes_max = min(max(2 * value, BUFFER_BYTES_MIN), BUFFER_BYTES_MAX)
            elif name == SO_SNDBUF:
                self.send_bytes_max = min(max(2 * value, 2 * BUFFER_BYTES_MIN), BUFFER_BYTES_MAX)
            elif name in (SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN, SO_PEERCRED):
                raise os_error(errno.ENOPROTOOPT)
        elif level == IPPROTO_IPV6 and name == IPV6_V6ONLY:
            if self.local is not None:
                raise os_error(errno.EINVAL)
            self.v6_only = bool(value)
        self.options[level, name] = value

    def _knows_level(self, level: int) -> bool:
        return level in _OPTIONS and level != _OTHER_PROTOCOL.get(self.type) and (level != IPPROTO_IPV6 or self.family == AF_INET6)

    def _check_option(self, level: int, name: int, value: Any) -> None:
        if not self._knows_level(level) or name not in _OPTIONS[level]:
            raise os_error(errno.ENOPROTOOPT)
        if (level, name) in _NOT_SIMULATED and value:
            raise Unsupported(f"setsockopt: option {name} of level {level} ({_NOT_SIMULATED[level, name]}) is not simulated, got {value!r}")
        size = len(value) if isinstance(value, bytes) else 4
        if size < _STRUCTURES.get((level, name), 4):
            raise os_error(errno.EINVAL)

    def get_option(self, level: int, name: int) -> Any:
        """Read an option back: an integer, or the bytes that were stored; Linux's default, or 0, for one never set."""
        if not self._knows_level(level):
            raise os_error(errno.EOPNOTSUPP)
        if name not in _OPTIONS[level]:
            raise os_error(errno.ENOPROTOOPT)
        if level == SOL_SOCKET:
            if name == SO_ERROR:
                return self.pop_error()
            heeded = {
                SO_REUSEADDR: self.reuse_address,
                SO_REUSEPORT: self.reuse_port,
                SO_RCVBUF: self.receive_bytes_max,
                SO_SNDBUF: self.send_bytes_max,
                SO_TYPE: self.type,
                SO_ACCEPTCONN: self.listening,
                SO_PROTOCOL: self.protocol,
                SO_DOMAIN: self.family,
            }
            if name in heeded:
                return int(heeded[name])
            if name == SO_PEERCRED:
                return struct.pack("3i", *NOBODY)
        elif level == IPPROTO_IPV6 and name == IPV6_V6ONLY:
            return int(self.v6_only)
        value = self.options.get((level, name))
        if value is None:
            value = bytes(_STRUCTURES[level, name]) if (level, name) in _STRUCTURES else _DEFAULTS.get((level, name), 0)
        return value

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
