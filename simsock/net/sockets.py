"""What streams and datagrams have in common: an address, options, waiting.

Owns binding, the options that are stored and read back, the queues in which tasks wait, and the making of Linux's errors. Does not know
Python's socket objects: calls that would block return None here.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.kernel.files import OpenFile
from simsock.net.addresses import AF_INET6, AF_UNIX, ANY_V4, ANY_V6, Endpoint, is_any, is_group

if TYPE_CHECKING:
    from simsock.kernel.task import Task
    from simsock.net.fabric import Fabric, Host
    from simsock.net.ports import PortTable

SOL_SOCKET, IPPROTO_IPV6 = 1, 41
SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_LINGER, SO_REUSEPORT, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN = 2, 3, 4, 7, 8, 13, 15, 30, 38, 39
IPV6_V6ONLY = 26
"""asm-generic/socket.h's and in6.h's numbers."""

BUFFER_BYTES_MIN = 2304
BUFFER_BYTES_MAX = 425_984
"""What SO_RCVBUF and SO_SNDBUF are held to (twice net.core.rmem_max, as Linux doubles what is asked for)."""


def os_error(number: int) -> OSError:
    """Linux's error with its text; Python picks the subclass (``ConnectionRefusedError`` …) by the number."""
    return OSError(number, os.strerror(number))


class Socket(OpenFile):
    """A bound or unbound socket of a host."""

    __slots__ = (
        "bound_ip",
        "child",
        "error",
        "fabric",
        "family",
        "holder",
        "host",
        "listening",
        "local",
        "options",
        "protocol",
        "read_shut",
        "readers",
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
        "writers",
    )

    kind = "socket"

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
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self.bound_ip = ""
        self.error = 0
        self.listening = False
        self.read_shut = False
        self.write_shut = False
        self.reuse_address = False
        self.reuse_port = False
        self.v6_only = False
        self.receive_bytes_max, self.send_bytes_max = buffers
        self.options: dict[tuple[int, int], Any] = {}
        self.readers: deque[Task] = deque()
        self.writers: deque[Task] = deque()
        self.holder: Task | None = None

    # -- addresses -----------------------------------------------------------------------------------------------------------------

    def bind(self, ip: str, port: int) -> None:
        """Take a local address; port 0 picks an ephemeral one. Raises EINVAL, EADDRNOTAVAIL, EADDRINUSE."""
        if self.local is not None:
            raise os_error(errno.EINVAL)
        if not is_any(ip) and not self.host.owns(ip) and not is_group(ip):
            raise os_error(errno.EADDRNOTAVAIL)
        now = self.kernel.now
        if not port:
            port = self.table.free_port(self, ip, now) or 0
            if not port:
                raise os_error(errno.EADDRINUSE)
        elif self.table.conflict(self, ip, port, now):
            raise os_error(errno.EADDRINUSE)
        self.local = (ip, port)
        self.bound_ip = ip
        self.title = f"{self.host.name}:{port}"
        self.table.add(self, port)

    def bind_for(self, ip: str) -> None:
        """Take the local address from which a peer at ``ip`` is reached, keeping a port that was bound already."""
        if self.local is None:
            self.bind(ANY_V6 if self.family == AF_INET6 else ANY_V4, 0)
        assert self.local is not None
        if is_any(self.local[0]):
            self.local = (self.host.source_for(ip), self.local[1])

    def unbind(self) -> None:
        """Give the local address back."""
        if self.local is None or self.family == AF_UNIX:
            return
        if not self.child:
            self.table.remove(self, self.local[1])
        elif self.bound_ip:
            self.bound_ip = ""
            self.table.release(self.local[1], self.reuse_address)

    # -- options -------------------------------------------------------------------------------------------------------------------

    def set_option(self, level: int, name: int, value: Any) -> None:
        """Store an option; those that the simulation heeds take effect."""
        if level == SOL_SOCKET and isinstance(value, int):
            if name == SO_REUSEADDR:
                self.reuse_address = bool(value)
            elif name == SO_REUSEPORT:
                self.reuse_port = bool(value)
            elif name == SO_RCVBUF:
                self.receive_bytes_max = min(max(2 * value, BUFFER_BYTES_MIN), BUFFER_BYTES_MAX)
            elif name == SO_SNDBUF:
                self.send_bytes_max = min(max(2 * value, 2 * BUFFER_BYTES_MIN), BUFFER_BYTES_MAX)
            elif name in (SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN):
                raise os_error(errno.ENOPROTOOPT)
        elif level == IPPROTO_IPV6 and name == IPV6_V6ONLY:
            if self.local is not None:
                raise os_error(errno.EINVAL)
            self.v6_only = bool(value)
        self.options[level, name] = value

    def get_option(self, level: int, name: int) -> Any:
        """Read an option back: an integer, or the bytes that were stored; 0 for one never set."""
        if level == SOL_SOCKET:
            if name == SO_ERROR:
                error, self.error = self.error, 0
                return error
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
        elif level == IPPROTO_IPV6 and name == IPV6_V6ONLY:
            return int(self.v6_only)
        value = self.options.get((level, name), 0)
        if isinstance(value, int) and level == SOL_SOCKET and name != SO_LINGER:
            return value if value in (0, 1) or (level, name) in self.options else 0
        return value

    # -- waiting -------------------------------------------------------------------------------------------------------------------

    def wait_readable(self, deadline: int | None, why: str) -> bool:
        """Park until something happened that a reader should look at; False when the deadline passed."""
        return self.kernel.wait(self.readers, deadline, why, self)

    def wait_writable(self, deadline: int | None, why: str) -> bool:
        """Park until something happened that a writer should look at; False when the deadline passed."""
        return self.kernel.wait(self.writers, deadline, why, self)

    def wake_readers(self) -> None:
        """There is something to read, or nothing ever again."""
        if self.readers:
            self.kernel.wake_all(self.readers)
        if self.pollers:
            self.changed()

    def wake_writers(self) -> None:
        """There is room to write, or none ever again."""
        if self.writers:
            self.kernel.wake_all(self.writers)
        if self.pollers:
            self.changed()

    def take_error(self) -> None:
        """Raise the pending error, once."""
        if self.error:
            error, self.error = self.error, 0
            raise os_error(error)

    def describe(self) -> str:
        return f"{self.kind} {self.title}"
