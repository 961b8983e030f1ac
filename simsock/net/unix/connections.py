"""Unix sockets with connections: streams and sequenced packets (unix(7)).

Owns listening, connecting and accepting, and bytes and packets in order between two ends. Does not know Python's socket objects: calls that
would block say so here. Laws: a connection is there as soon as the listener's queue has room for it; what the peer closes over unread bytes
is a reset.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import Any

from simsock.kernel.files import POLLHUP, POLLIN
from simsock.net.sockets import Received, os_error
from simsock.net.tcp.handshake import SOMAXCONN
from simsock.net.unix.ancillary import Passed
from simsock.net.unix.common import Letter, UnixSocket, cost
from simsock.net.unix.states import CLOSED, CONNECTED, LISTENING, NEW

SOCK_STREAM, SOCK_SEQPACKET = 1, 5
HEAD_BYTES_MAX = 4096 - 320
CHUNK_BYTES_MAX = HEAD_BYTES_MAX + 32_768
"""The most that a stream puts into one of its buffers."""
PACKET_HEAD_BYTES_MAX = 16_384 - 320


class UnixConnection(UnixSocket):
    """One end of a connection, or a socket that may become one, or a listener."""

    __slots__ = ("backlog", "cutter", "ready", "shortener")

    def __init__(self, fabric: Any, host: Any, type: int) -> None:
        super().__init__(fabric, host, type)
        self.backlog = 0
        self.ready: deque[UnixConnection] | None = None
        self.cutter: Any = None
        self.shortener: Any = None

    # -- becoming connected ------------------------------------------------------------------------------------------------------------

    def listen(self, backlog: int) -> None:
        """listen(2). Raises EINVAL without a name, or on a connection."""
        if self.name is None or self.state not in (NEW, LISTENING):
            raise os_error(errno.EINVAL)
        self.state = LISTENING
        if self.ready is None:
            self.ready = deque()
        self.backlog = min(max(backlog, 0), SOMAXCONN)
        self.acquainted = True
        self.wake_blocked()

    def accept(self) -> UnixConnection | None:
        """The next connection, or None when there is none yet. Raises EINVAL when not listening."""
        if self.ready is None:
            raise os_error(errno.EINVAL)
        if self.ready:
            connection = self.ready.popleft()
            self.wake_blocked()
            return connection
        return None

    def connect_name(self, name: bytes) -> bool:
        """connect(2). False when the listener's queue is full: this socket is told when it no longer is. Raises whatever connect(2) fails with."""
        other = self.host.unix.find(name, self.type)
        assert isinstance(other, UnixConnection)
        self.bind_for_credentials()
        if other.ready is None or other.read_shut:
            raise os_error(errno.ECONNREFUSED)
        if len(other.ready) > other.backlog:
            other.blocked[self] = None
            return False
        if self.state is not NEW:
            raise os_error(errno.EISCONN if self.state is CONNECTED else errno.EINVAL)
        child = type(self)(self.fabric, self.host, self.type)
        child.name = other.name
        child.child = True
        child.pass_credentials = other.pass_credentials
        self.pair_with(child)
        self.title, child.title = f"{self.title}->#{child.serial}", f"{child.title}->#{self.serial}"
        child.cutter, self.cutter = self.fabric.cutter(child), self.fabric.cutter(self)
        child.shortener, self.shortener = self.fabric.shortener(child), self.fabric.shortener(self)
        other.ready.append(child)
        other.wake_readers()
        return True

    def unbind(self) -> None:
        if not self.child:
            super().unbind()

    # -- the end -------------------------------------------------------------------------------------------------------------------------

    def shutdown(self, read: bool, write: bool) -> None:
        self.shut(read, write)
        if self.peer is not None:
            self.peer.shut(write, read)

    def released(self) -> None:
        self._end(bool(self.rx))

    def _end(self, abruptly: bool) -> None:
        peer = self.peer
        super().released()
        if abruptly:
            self.kernel.log.append((self.kernel.now, self.title, "RST", "it was closed with data that nobody had read"))
        if peer is not None and not peer.dead:
            if abruptly:
                peer.error = errno.ECONNRESET
            peer.shut(True, True)
        if self.ready is not None:
            while self.ready:
                self.ready.popleft().refuse()

    def refuse(self) -> None:
        """The listener is gone, and nobody has accepted this connection."""
        self._end(True)

    # -- readiness -----------------------------------------------------------------------------------------------------------------------

    @property
    def unread(self) -> int:
        """FIONREAD: the bytes of all that has arrived."""
        return sum(len(letter.data) for letter in self.rx)

    def poll(self) -> int:
        bits = super().poll()
        if self.state in (NEW, CLOSED):
            bits |= POLLHUP
        return bits | POLLIN if self.ready else bits


class UnixStream(UnixConnection):
    """Bytes without boundaries."""

    __slots__ = ()

    kind = "unix stream"
    carries_bytes = True

    def read(self, count: int) -> bytes | None:
        """Up to ``count`` bytes, without what came with them; None when there is nothing yet. Raises as ``receive`` does."""
        rx = self.rx
        if len(rx) == 1 and self.cutter is None and self.state is CONNECTED:
            letter = rx[0]
            if len(letter.data) <= count:
                rx.popleft()
                letter.done()
                return letter.data
        found = self.receive(count)
        if found is None:
            return None
        if found[3] is not None:
            found[3].discard()
        return found[0]

    def receive(self, count: int, peek: bool = False) -> Received | None:
        """Up to ``count`` bytes and what came with them; None when there is nothing yet. Raises EINVAL without a connection, ECONNRESET."""
        if self.state is not CONNECTED:
            raise os_error(errno.EINVAL)
        rx = self.rx
        if not rx:
            if self.error:
                self.take_error()
            return (b"", None, 0, None) if self.read_shut else None
        if self.cutter is not None and count:
            count = min(count, self.cutter(sum(len(letter.data) for letter in rx)))
        parts: list[bytes] = []
        source, passed = rx[0].sender.name, None
        for letter in list(rx) if peek else iter(lambda: rx[0] if rx else None, None):
            assert letter is not None
            part = letter.data[:count]
            parts.append(part)
            count -= len(part)
            passed = letter.open(peek)
            if not peek:
                if len(part) < len(letter.data):
                    letter.data = letter.data[len(part) :]
                else:
                    rx.popleft()
                    letter.done()
            if passed is not None or not count:
                break  # bytes behind descriptors are for the next call
        data = b"".join(parts)
        return data, source, len(data), passed

    def write(self, data: Any, passed: Passed | None = None) -> int:
        """Take as many bytes as fit; 0 when none do (the caller waits). Raises ENOTCONN, EPIPE."""
        peer = self.peer
        if self.state is not CONNECTED:
            raise os_error(errno.ENOTCONN)
        if self.write_shut or peer.dead or peer.read_shut:
            raise os_error(errno.EPIPE)  # an end with an error is shut both ways as well
        self.bind_for_credentials()
        size, sent = len(data), 0
        most = min(CHUNK_BYTES_MAX, (self.send_bytes_max >> 1) - 64)
        while sent < size and self.charged < self.send_bytes_max:
            part = bytes(data[sent : sent + most])
            peer.rx.append(Letter(self, part, cost(len(part), HEAD_BYTES_MAX), passed))
            passed = None
            sent += len(part)
        if sent:
            peer.wake_readers()
        elif passed is not None and not size:
            passed.discard()
        return sent


class UnixPackets(UnixConnection):
    """Packets in order: ``SOCK_SEQPACKET``."""

    __slots__ = ()

    kind = "unix packets"

    def receive(self, count: int, peek: bool = False) -> Received | None:
        """The next packet; None when there is none yet. Raises ENOTCONN and the pending error."""
        if self.state is not CONNECTED:
            raise os_error(errno.ENOTCONN)
        if self.error:
            self.take_error()
        if not self.rx:
            return (b"", None, 0, None) if self.read_shut else None
        return take_letter(self, count, peek)

    def send(self, data: bytes, target: Any, passed: Passed | None = None) -> int | None:
        """Send one packet; None when it has to wait. Raises ENOTCONN, EMSGSIZE, EPIPE and the pending error."""
        if self.error:
            self.take_error()
        if self.state is not CONNECTED:
            raise os_error(errno.ENOTCONN)
        self.bind_for_credentials()
        if len(data) > self.send_bytes_max - 32:
            raise os_error(errno.EMSGSIZE)
        if self.write_shut or self.peer.dead or self.peer.read_shut:
            raise os_error(errno.EPIPE)
        if self.charged >= self.send_bytes_max:
            return None
        self.peer.put(Letter(self, data, cost(len(data), PACKET_HEAD_BYTES_MAX), passed))
        return len(data)


def take_letter(socket: UnixSocket, count: int, peek: bool) -> Received:
    """The first message of a queue, cut to ``count`` bytes."""
    letter = socket.rx[0] if peek else socket.rx.popleft()
    passed = letter.open(peek)
    if (stamp := socket.stamp_of(letter)) is not None:
        passed = passed or Passed()
        passed.stamp = stamp
    answer = letter.data[:count], letter.sender.name, len(letter.data), passed
    if not peek:
        letter.done()
        socket.wake_blocked()
    return answer
