"""Unix sockets: what all three types have in common (unix(7), Linux's af_unix.c).

Owns addresses, credentials and the accounting of buffers. Does not know Python's socket objects, nor who has which name (``names.py``). Law:

* what was sent is charged to its sender until the receiver has taken it, as much as Linux's socket buffers take.
"""

from __future__ import annotations

import errno
import os
import struct
from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel.files import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP
from simsock.net.addresses import AF_UNIX
from simsock.net.besides import STAMPS, stamp
from simsock.net.options import SO_PASSCRED, SO_PEERCRED, SO_RCVLOWAT, SO_REUSEPORT, SOL_SOCKET, Option
from simsock.net.sockets import Socket, os_error
from simsock.net.unix.ancillary import NOBODY, own_credentials
from simsock.net.unix.states import CLOSED, CONNECTED, LISTENING, NEW

if TYPE_CHECKING:
    from simsock.net.fabric import Fabric, Host
    from simsock.net.unix.ancillary import Passed

BUFFERS = (212_992, 212_992)
"""net.core.rmem_default and wmem_default."""
NAME_BYTES_MAX = 108

_PAGE = 4096
_SHARED_INFO = 320
_BUFFER = 256
"""Sizes of an x86-64 kernel's skb_shared_info (aligned) and sk_buff."""
_SMALL_BYTES_MAX, _SMALL_COST = 512 - _SHARED_INFO, 512 + _BUFFER


def cost(size: int, head_bytes_max: int) -> int:
    """What a message of so many bytes takes of its sender's buffer: alloc_skb_with_frags() rounds up to what the allocator has."""
    if size <= _SMALL_BYTES_MAX:
        return _SMALL_COST
    paged = min(size, -(-max(0, size - head_bytes_max) // _PAGE) * _PAGE)
    head = 1 << (size - paged + _SHARED_INFO - 1).bit_length()
    return _BUFFER + head + -(-paged // _PAGE) * _PAGE


SOCK_DGRAM = 2


class Letter:
    """What one call sent: its bytes, who sent it, and what it carries besides."""

    __slots__ = ("cost", "data", "noted", "passed", "sender")
    noted: int
    """When it was sent, of a message whose receiver asked for that; else -1."""

    def __init__(self, sender: UnixSocket, data: bytes, cost: int, passed: Passed | None) -> None:
        self.sender = sender
        self.data = data
        self.cost = cost
        self.passed = passed
        self.noted = -1
        sender.charged += cost

    def open(self, peek: bool) -> Passed | None:
        """What it carries besides its bytes, which only the first to look for good gets."""
        passed = self.passed
        if passed is not None:
            if peek:
                return passed.copy()
            self.passed = None
        return passed

    def done(self) -> None:
        """The receiver has taken it, or never will."""
        if self.passed is not None:
            self.passed.discard()
        sender = self.sender
        sender.charged -= self.cost
        if (sender.writers or sender.pollers) and sender.writable:
            sender.wake_writers()


class UnixSocket(Socket):
    """A Unix socket of any type."""

    __slots__ = ("acquainted", "blocked", "charged", "dead", "name", "pass_credentials", "peer", "rx", "serial", "stamp", "state")

    kind = "unix socket"
    eof = False

    def __init__(self, fabric: Fabric, host: Host, type: int) -> None:
        super().__init__(fabric, host, AF_UNIX, type, 0, host.tcp, BUFFERS)
        self.serial = host.unix.serial()
        self.title = f"{host.name}:unix#{self.serial}"
        self.state = NEW
        self.name: bytes | None = None
        self.peer: Any = None
        self.dead = False
        self.rx: deque[Letter] = deque()
        self.charged: int = 0
        self.blocked: dict[UnixSocket, None] = {}
        """Those that wait for room in this one's queue."""
        self.acquainted = False
        """Whether it knows who its peer is (of a listener: itself)."""
        self.pass_credentials = False
        self.stamp = 0
        """The option by which it has asked for timestamps, of which a stream makes none."""

    def describe(self) -> str:
        name = os.fsdecode(self.name).replace("\0", "@") if self.name else ""
        return f"{self.kind} {self.title} {name}".rstrip()

    @property
    def shown_name(self) -> str:
        """Its name as people write it, or its number."""
        return os.fsdecode(self.name).replace("\0", "@") if self.name else f"#{self.serial}"

    # -- names -----------------------------------------------------------------------------------------------------------------------

    def bind_name(self, name: bytes) -> None:
        """bind(2); an empty name picks an abstract one. Raises EADDRINUSE, EINVAL, and what the system says of a path."""
        self.name = self.host.unix.add(self, name)

    def bind_for_credentials(self) -> None:
        """Who wants credentials is to be known by a name (unix(7), "Autobind feature")."""
        if self.pass_credentials and self.name is None:
            self.bind_name(b"")

    @property
    def has_peer(self) -> bool:
        return self.peer is not None

    def unbind(self) -> None:
        if self.name is not None:
            self.host.unix.remove(self, self.name)

    @property
    def listening(self) -> bool:
        return self.state is LISTENING

    @property
    def connected(self) -> bool:
        return self.state is CONNECTED

    # -- options ---------------------------------------------------------------------------------------------------------------------

    def set_option(self, level: int, number: int, value: int | bytes) -> None:
        if level != SOL_SOCKET:
            raise os_error(errno.EOPNOTSUPP)
        super().set_option(level, number, value)

    def heed(self, option: Option, value: int | bytes) -> int | bytes:
        if option.number == SO_REUSEPORT and value:
            raise os_error(errno.EOPNOTSUPP)
        if option.number in STAMPS:
            for number in STAMPS:  # the latest counts, and ends those before
                self.options.pop((SOL_SOCKET, number), None)
            self.stamp = option.number if value else 0
        if option.number == SO_RCVLOWAT and self.carries_bytes and value not in (0, 1):
            raise Unsupported(f"setsockopt: SO_RCVLOWAT of a Unix stream is not simulated, got {value!r}; TCP has it")
        if option.number == SO_PASSCRED:
            self.pass_credentials = bool(value)
        return super().heed(option, value)

    def get_option(self, level: int, number: int) -> int | bytes:
        if level != SOL_SOCKET:
            raise os_error(errno.EOPNOTSUPP)
        return super().get_option(level, number)

    def option_value(self, option: Option) -> int | bytes:
        if option.number == SO_PEERCRED:
            return struct.pack("3i", *(own_credentials() if self.acquainted else NOBODY))
        if option.number in STAMPS:
            return int(option.number == self.stamp or (option.number == 63 and self.stamp == 64))
        return super().option_value(option)

    def put(self, letter: Letter) -> None:
        """A message is there."""
        if self.stamp:
            letter.noted = self.kernel.now
        self.rx.append(letter)
        self.wake_readers()

    def stamp_of(self, letter: Letter) -> tuple[int, int, bytes] | None:
        """The message that says when another one was sent, if this socket asks for it: if it did not then, when it is received."""
        if not self.stamp or self.carries_bytes:
            return None
        return stamp(self.host, self.stamp, letter.noted if letter.noted >= 0 else self.kernel.now)

    def pair_with(self, other: UnixSocket) -> None:
        """Become each other's peers."""
        self.peer, other.peer = other, self
        self.state = other.state = CONNECTED
        self.acquainted = other.acquainted = True

    def connect_name(self, name: bytes) -> bool:
        """connect(2); False when it has to wait."""
        raise NotImplementedError

    # -- waiting -----------------------------------------------------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        """unix_writable(): most of the buffer is free."""
        return self.state is not LISTENING and self.charged << 2 <= self.send_bytes_max

    def wake_blocked(self) -> None:
        """There is room in the queue, or none ever again."""
        if self.blocked:
            waiting, self.blocked = self.blocked, {}
            for socket in waiting:
                socket.wake_writers()

    def poll(self) -> int:
        """As unix_poll() in Linux's af_unix.c."""
        bits = POLLERR if self.error else 0
        if self.read_shut:
            bits |= POLLIN | POLLRDHUP | (POLLHUP if self.write_shut else 0)
        elif self.rx:
            bits |= POLLIN
        return bits | POLLOUT if self.writable else bits

    # -- the end -------------------------------------------------------------------------------------------------------------------------

    def shutdown(self, read: bool, write: bool) -> None:
        """shutdown(2); never an error."""
        self.shut(read, write)

    def shut(self, read: bool, write: bool) -> None:
        """No more of one direction, or of both."""
        self.read_shut |= read
        self.write_shut |= write
        self.wake_readers()
        self.wake_writers()
        if read:
            self.wake_blocked()

    def throw_away(self) -> None:
        """Whatever is in the queue is lost."""
        while self.rx:
            self.rx.popleft().done()

    def released(self) -> None:
        self.unbind()
        self.dead = True
        self.state = CLOSED
        self.read_shut = self.write_shut = True
        self.throw_away()
        self.wake_blocked()
        self.peer = None
