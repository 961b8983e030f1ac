"""Urgent data: one byte of a stream that is out of band, as Linux keeps it (tcp_check_urg(), tcp_recv_urg() and tcp_recvmsg() in its tcp code).

PYTEST_DONT_REWRITE

Owns the mark in what one end receives, and reading up to it and over it. Does not know how bytes travel. Laws: the last byte of a call with MSG_OOB is
urgent, until a later one is; it stays in its place in the stream and is skipped there unless SO_OOBINLINE is on; reading stops before it; MSG_OOB never
waits. A stream without a mark pays nothing: ``stream.urgent`` is None, and where bytes are read the look at ``stream.cutter`` is the only one.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from simsock.kernel.files import POLLIN, POLLPRI, POLLRDHUP
from simsock.net.sockets import os_error

if TYPE_CHECKING:
    from simsock.net.tcp.segments import Segment
    from simsock.net.tcp.stream import StreamSocket

UNKNOWN, READ = -1, -2
"""Instead of the byte: it is not here yet; somebody has read it."""
POINTER_MAX = 0xFFFF
"""How far ahead a segment can point."""


class Mark:
    """Where the urgent byte is."""

    __slots__ = ("ahead", "byte")

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead
        """How many bytes are to be read before it."""
        self.byte = UNKNOWN


class Urgently:
    """A stream for which all that is written is urgent."""

    def __init__(self, stream: StreamSocket) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        """As ``StreamSocket.write``."""
        return write(self._stream, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def whole(have: int) -> int:
    """The cutter of a stream with a mark and without another one."""
    return have


def make_odd(stream: StreamSocket) -> None:
    """From now on it is looked at twice where bytes are read."""
    stream.odd = True
    if stream.cutter is None:
        stream.cutter = whole


def write(stream: StreamSocket, data: Any) -> int:
    """Take as many bytes as fit, the last of which is urgent. Raises as ``StreamSocket.write`` does."""
    if stream.error:
        stream.take_error()
    if stream.write_shut or not stream.state.connected:
        if stream.attempt is not None and not stream.write_shut:
            return 0
        raise os_error(errno.EPIPE)
    tx = stream.tx
    room = stream.send_bytes_max - stream.unsent_and_unacknowledged
    part = bytes(memoryview(data)[: max(0, room)])
    if not part or len(tx) >= stream.unsent_max:
        return 0
    stream.urgent_out = stream.next_seq + len(tx) + len(part) - 1
    peer = stream.peer
    if stream.sender is None and peer is not None and not peer.refuses_data and stream.wire.perfect and peer.wire.perfect:  # type: ignore[union-attr]
        told(peer, stream.urgent_out - stream.sent)
    tx += part
    stream.pump()
    return len(part)


# -- arriving ------------------------------------------------------------------------------------------------------------------------


def told(stream: StreamSocket, offset: int) -> None:
    """A segment says where the urgent byte is: so far behind the last that has arrived."""
    mark, ahead = stream.urgent, len(stream.rx) + offset
    if mark is not None:
        if ahead <= mark.ahead:
            return
        if not mark.ahead and not stream.inline and stream.rx:  # who reads the older one by MSG_OOB must not meet it in the stream
            del stream.rx[0]
            ahead -= 1
    stream.urgent = Mark(ahead)
    make_odd(stream)


def arrives(stream: StreamSocket, segment: Segment, nxt: int) -> None:
    """A segment with a pointer is there, in order or not; everything before ``nxt`` is."""
    pointer = getattr(segment, "urgent", 0)
    if pointer < nxt:
        return
    told(stream, pointer - nxt)
    mark, place = stream.urgent, pointer - segment.seq
    if mark is not None and mark.byte == UNKNOWN and mark.ahead == len(stream.rx) + pointer - nxt and 0 <= place < len(segment.data):
        mark.byte = segment.data[place]
        stream.wake_readers()


def look(stream: StreamSocket, mark: Mark) -> None:
    """More bytes are there."""
    if mark.byte == UNKNOWN and len(stream.rx) > mark.ahead:
        mark.byte = stream.rx[mark.ahead]


# -- reading -------------------------------------------------------------------------------------------------------------------------


def read(stream: StreamSocket, mark: Mark, count: int, peek: bool) -> bytes | None:
    """``StreamSocket.read`` when there are bytes, and a mark. None if there is nothing but an urgent byte, which stays: see ``skip``."""
    rx = stream.rx
    if mark.ahead:
        if mark.ahead >= len(rx) and held_back(stream, count):
            return None
        count = min(count, mark.ahead, stream.cutter(len(rx)))
        data = bytes(rx[:count])
        if not peek:
            mark.ahead -= len(data)
            _take_out(stream, len(data))
        return data
    skipped = 0 if stream.inline else 1
    if len(rx) > skipped:
        count = min(count, stream.cutter(len(rx) - skipped))
        data = bytes(rx[skipped : skipped + count])
        if not peek:
            stream.urgent = None
            _take_out(stream, skipped + len(data))
        return data
    if not readable(stream):
        return None
    if not peek:
        skip(stream)
        return stream.read(count)
    stream.rx = bytearray()  # for once: what comes after it is asked for
    try:
        return stream.read(count, True)
    finally:
        stream.rx = rx


def readable(stream: StreamSocket) -> bool:
    """Whether there is something to read beside bytes: an end, or an error."""
    return bool(stream.eof or stream.read_shut or stream.error or not stream.state.connected)


def _take_out(stream: StreamSocket, count: int) -> None:
    """So many bytes were read."""
    del stream.rx[:count]
    if stream.peer_receiver is not None or (stream.peer is not None and stream.peer.tx):
        stream.consumed()


def held_back(stream: StreamSocket, count: int) -> bool:
    """SO_RCVLOWAT: whether a call that asks for ``count`` bytes is to wait for more; one that waits by poll(2) does not know how many it asks for."""
    wanted = stream.lowat if stream.nonblocking else min(stream.lowat, count)
    return len(stream.rx) < wanted and not readable(stream)


def at_once(stream: StreamSocket, count: int, peek: bool = False) -> bytes | None:
    """What there is, though it is less than SO_RCVLOWAT says."""
    lowat, stream.lowat = stream.lowat, 1
    try:
        return stream.read(count, peek)
    finally:
        stream.lowat = lowat


def skip(stream: StreamSocket) -> None:
    """A call that reads meets the urgent byte, with nothing behind it yet."""
    mark = stream.urgent
    if mark is not None and not mark.ahead and not stream.inline and stream.rx:
        stream.urgent = None
        _take_out(stream, 1)


def receive(stream: StreamSocket, count: int, peek: bool) -> bytes:
    """MSG_OOB. Raises EINVAL when there is none, or it is not out of band; EAGAIN when it is on its way."""
    if stream.listening:
        raise os_error(errno.ENOTCONN)
    mark = stream.urgent
    if mark is None or mark.byte == READ or stream.inline:
        raise os_error(errno.EINVAL)
    if not stream.state.connected and not stream.eof:
        raise os_error(errno.ENOTCONN)
    if mark.byte == UNKNOWN:
        if readable(stream):
            return b""
        raise os_error(errno.EAGAIN)
    data = bytes([mark.byte])
    if not peek:
        mark.byte = READ
    return data if count else b""


def poll(stream: StreamSocket, mark: Mark, bits: int) -> int:
    """What poll(2) says of a stream with a mark; ``bits`` is what it would say without."""
    if bits & POLLIN and not bits & POLLRDHUP and not mark.ahead and not stream.inline and len(stream.rx) <= 1:
        bits &= ~POLLIN
    return bits | POLLPRI if mark.byte >= 0 else bits


def unread(stream: StreamSocket) -> int:
    """FIONREAD: up to the mark, unless the stream is at it, or it is no matter."""
    mark, have = stream.urgent, len(stream.rx)
    return mark.ahead if mark is not None and not stream.inline and mark.ahead < have else have
