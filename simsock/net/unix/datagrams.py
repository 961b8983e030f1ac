"""Unix datagrams (unix(7)): reliable, in order, with a queue that makes senders wait.

Owns the peers that connect(2) fixes, and the queue. Does not know Python's socket objects. Law: nothing is lost once it was sent, unless its
receiver goes.
"""

from __future__ import annotations

import errno
from typing import Any

from simsock.kernel.files import POLLOUT
from simsock.net.sockets import Received, os_error
from simsock.net.unix.ancillary import Passed
from simsock.net.unix.common import Letter, UnixSocket, cost
from simsock.net.unix.connections import PACKET_HEAD_BYTES_MAX, take_letter

SOCK_DGRAM = 2
QUEUE_MAX = 10
"""net.unix.max_dgram_qlen's default; Linux compares with "greater than"."""


class UnixDatagram(UnixSocket):
    """Messages with boundaries."""

    __slots__ = ()

    kind = "unix datagrams"

    @property
    def _full(self) -> bool:
        return len(self.rx) > QUEUE_MAX

    @property
    def unread(self) -> int:
        """FIONREAD: the bytes of the next message."""
        return len(self.rx[0].data) if self.rx else 0

    def connect_name(self, name: bytes) -> bool:
        """Fix the peer. Raises EPERM when it has another one."""
        other = self.host.unix.find(name, self.type)
        self.bind_for_credentials()
        self._check_may_send(other)
        before, self.peer = self.peer, other
        if before is not None and before is not other:
            self._disconnected(before)
        return True

    def _check_may_send(self, other: UnixSocket) -> None:
        if other.peer is not None and other.peer is not self:
            raise os_error(errno.EPERM)

    def _disconnected(self, before: UnixSocket) -> None:
        """As unix_dgram_disconnected(): what the former peer sent is lost, and it hears of that if it thinks itself connected."""
        if self.rx:
            self.throw_away()
            self.wake_blocked()
            if not before.dead and before.peer is self:
                before.error = errno.ECONNRESET
                before.wake_readers()
                before.wake_writers()

    def receive(self, count: int, peek: bool = False) -> Received | None:
        """The next message; None when there is none yet. Raises the pending error."""
        if self.error:
            self.take_error()
        return take_letter(self, count, peek) if self.rx else None

    def send(self, data: bytes, target: Any, passed: Passed | None = None) -> int | None:
        """Send one message; None when it has to wait for room. Raises as unix_dgram_sendmsg() in Linux's af_unix.c."""
        if target == b"":
            raise os_error(errno.EINVAL)
        self.bind_for_credentials()
        if len(data) > self.send_bytes_max - 32:
            raise os_error(errno.EMSGSIZE)
        if self.error:
            self.take_error()
        if self.write_shut:
            raise os_error(errno.EPIPE)
        if self.charged >= self.send_bytes_max:
            return None
        other = self.peer if target is None else self.host.unix.find(target, self.type)
        if other is None:
            raise os_error(errno.ENOTCONN)
        if other.dead:
            self.peer = None
            self._disconnected(other)
            raise os_error(errno.ECONNREFUSED)
        self._check_may_send(other)
        if other.read_shut:
            raise os_error(errno.EPIPE)
        if self._blocked_by(other):
            return None
        other.put(Letter(self, data, cost(len(data), PACKET_HEAD_BYTES_MAX), passed))
        return len(data)

    def _blocked_by(self, other: Any) -> bool:
        if other is self or other.peer is self or not other._full:
            return False
        other.blocked[self] = None
        return True

    def poll(self) -> int:
        """As unix_dgram_poll() in Linux's af_unix.c."""
        bits = super().poll()
        peer = self.peer
        if bits & POLLOUT and peer is not None and not peer.dead and self._blocked_by(peer):
            bits &= ~POLLOUT
        return bits
