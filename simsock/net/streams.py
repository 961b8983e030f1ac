"""Streams: enough of TCP that a program meets what it meets on Linux.

PYTEST_DONT_REWRITE

Owns connections: bytes in order, finite buffers, half-close, resets (RFC 9293). Does not know Python's socket objects. Modelled: windows
made of the receiver's free buffer, retransmission of what a link loses (it comes later), FIN and RST in their place, errors as Linux
reports them. Simpler than reality: no congestion control, and segments that are lost delay those behind them instead of being selectively
acknowledged; who measures throughput under loss could tell. Laws:

* over a perfect link bytes go straight into the peer's buffer: no timer, no packet object;
* what was accepted from the program is delivered once, in order, or the peer learns of a reset.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any
from zlib import crc32

from simsock.kernel.files import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP
from simsock.net.addresses import format_endpoint
from simsock.net.links import RTO_CEILING_NS, RTO_FLOOR_NS, SEGMENT_BYTES_MAX, SEGMENT_HEADERS_BYTES, SEGMENT_TRIES
from simsock.net.sockets import Received, Socket, os_error

if TYPE_CHECKING:
    from simsock.net.fabric import Fabric, Host
    from simsock.net.links import Wire
    from simsock.net.listeners import AcceptQueue
    from simsock.net.ports import PortTable

SOCK_STREAM = 1
BUFFERS = (131_072, 131_072)
"""Bytes of receive and send buffer of a new stream (net.ipv4.tcp_rmem's default; the send side without autotuning)."""
TIME_WAIT_NS = 60_000_000_000

NEW, CONNECTING, CONNECTED, CLOSED, FAILED = "new", "connecting", "connected", "closed", "failed"
"""CLOSED: both directions are over, or a reset came. FAILED: connect(2) failed in the background and nobody called it again since."""


class Flight:
    """Something on its way from one end to the other: what it does on arrival, and how often it was sent."""

    __slots__ = ("action", "landed", "timeout_ns", "tries", "what")

    def __init__(self, action: Any, what: bytes | None, timeout_ns: int) -> None:
        self.action = action
        self.what = what
        self.timeout_ns = timeout_ns
        self.tries = 0
        self.landed = False


class StreamSocket(Socket):
    """One end of a connection, or a socket that may become one, or a listener (then ``accepting`` is set)."""

    __slots__ = (
        "accepting",
        "attempt",
        "cut",
        "deaf",
        "eof",
        "fin_sent",
        "flying",
        "last_arrival",
        "linger_reset",
        "orphan",
        "peer",
        "pipe",
        "rx",
        "state",
        "tx",
        "unreported",
        "wire",
    )

    kind = "stream"
    carries_bytes = True

    def __init__(self, fabric: Fabric, host: Host, family: int, protocol: int, table: PortTable) -> None:
        super().__init__(fabric, host, family, SOCK_STREAM, protocol, table, BUFFERS)
        self.state = NEW
        self.accepting: AcceptQueue | None = None
        self.attempt: Any = None
        self.unreported = False
        self.peer: StreamSocket | None = None
        self.wire: Wire | None = None
        self.rx = bytearray()
        self.tx = bytearray()
        self.eof = False
        self.fin_sent = False
        self.orphan = False
        """No program has this end any more."""
        self.deaf = False
        """Data that arrives is answered by a reset: an orphan, a dead end, or one that is shut down both ways."""
        self.linger_reset = False
        self.flying = 0
        """Bytes that were sent and have not been passed on to the peer."""
        self.pipe: deque[Flight] = deque()
        """What was sent and not passed on, in order."""
        self.last_arrival = 0
        self.cut: Any = None

    # -- becoming connected ------------------------------------------------------------------------------------------------------------

    def join(self, peer: StreamSocket | None, wire: Wire) -> None:
        """Become one end of a connection; ``wire`` is the way out."""
        self.state = CONNECTED
        self.peer = peer
        self.wire = wire
        if self.local is not None:
            self.title = f"{self.host.name}:{self.local[1]}->{format_endpoint(self.remote)}"
        self.cut = self.fabric.cutter(self)

    def start_over(self) -> None:
        super().start_over()
        self.eof = self.fin_sent = self.deaf = False
        self.rx.clear()

    @property
    def has_peer(self) -> bool:
        return self.state is CONNECTED and self.remote is not None

    # -- reading -------------------------------------------------------------------------------------------------------------------

    def receive(self, count: int, peek: bool = False) -> Received | None:
        data = self.read(count, peek)
        return None if data is None else (data, None, len(data), None)

    def read(self, count: int, peek: bool = False) -> bytes | None:
        """Up to ``count`` bytes; ``b""`` at the end of the stream; None when there is nothing yet. Raises the pending error."""
        rx = self.rx
        if rx:
            have = len(rx)
            if self.cut is not None and count:
                count = min(count, self.cut(have))
            if peek:
                return bytes(rx[:count])
            if count >= have:
                data = bytes(rx)
                rx.clear()
            else:
                data = bytes(rx[:count])
                del rx[:count]
            self._consumed()
            return data
        # The order of tcp_recvmsg(): the peer's FIN, the error, our own shutdown, the state.
        if self.eof:
            return b""
        if self.accepting is not None:
            raise os_error(errno.ENOTCONN)
        if self.error:
            self.take_error()
        if self.read_shut:
            return b""
        if self.state is not CONNECTED and self.state is not CONNECTING:
            if self.state is NEW:
                raise os_error(errno.ENOTCONN)
            return b""
        return None

    def _consumed(self) -> None:
        """Room appeared in the receive buffer: the sender hears of it, over the way back."""
        peer = self.peer
        if peer is not None and peer.tx:
            wire = self.wire
            if wire is None or wire.perfect:
                peer.pump()
            else:
                self.kernel.call_at(self.kernel.now + wire.delay_ns(), StreamSocket.pump, peer)

    # -- writing -------------------------------------------------------------------------------------------------------------------

    def write(self, data: Any) -> int:
        """Take as many bytes as fit; 0 when none do (the caller waits). Raises EPIPE, the pending error."""
        if self.error:
            self.take_error()
        if self.write_shut or self.state is not CONNECTED:
            if self.state is CONNECTING and not self.write_shut:
                return 0
            raise os_error(errno.EPIPE)
        count = len(data)
        tx = self.tx
        if not tx:
            peer = self.peer
            if self.wire.perfect and not self.pipe and peer is not None:  # type: ignore[union-attr]  # connected: has a wire
                room = peer.receive_bytes_max - len(peer.rx)
                if count <= room and not peer.deaf:
                    peer.rx += data
                    if peer.readers or peer.pollers:
                        peer.wake_readers()
                    return count
        room = self.send_bytes_max - len(tx)
        if room <= 0:
            return 0
        if count > room:
            data = memoryview(data)[:room]
            count = room
        tx += data
        self.pump()
        return count

    def pump(self) -> None:
        """Move what may be sent: as much as the receiver's window has room for."""
        tx, peer, wire = self.tx, self.peer, self.wire
        if peer is None or wire is None:
            tx.clear()
            return
        if tx and peer.deaf:
            tx.clear()
            self._depart(StreamSocket._meets_nobody, None)
            return
        if tx:
            room = peer.receive_bytes_max - len(peer.rx) - self.flying
            if room > 0:
                if wire.perfect and not self.pipe:
                    part = bytes(tx[:room])
                    del tx[:room]
                    peer.arrive_bytes(part)
                else:
                    self._send_segments(min(room, len(tx)))
                if len(tx) < self.send_bytes_max and (self.writers or self.pollers):
                    self.wake_writers()
        if self.write_shut and not tx and not self.fin_sent:
            self.fin_sent = True
            self.deaf = self.deaf or self.read_shut
            self._depart(StreamSocket._fin_arrives, None)

    def _send_segments(self, count: int) -> None:
        tx = self.tx
        while count > 0:
            part = bytes(tx[: min(count, SEGMENT_BYTES_MAX)])
            del tx[: len(part)]
            count -= len(part)
            self.flying += len(part)
            self._depart(StreamSocket._segment_arrives, part)

    def _depart(self, action: Any, what: bytes | None) -> None:
        """Put something on the wire. It arrives in order, after as many retransmissions as the link's losses need."""
        wire = self.wire
        assert wire is not None
        if wire.perfect and not self.pipe:
            action((self, what))
            return
        flight = Flight(action, what, max(RTO_FLOOR_NS, 2 * wire.latency_ns))
        self.pipe.append(flight)
        self._transmit(flight)

    def _transmit(self, flight: Flight) -> None:
        """Send once, or once more; every try meets the link as it is then."""
        if self.state is not CONNECTED:
            return  # reset meanwhile: what was lost stays lost
        wire, kernel = self.wire, self.kernel
        assert wire is not None
        if flight.tries >= SEGMENT_TRIES:
            self.reset(errno.ETIMEDOUT)
            return
        flight.tries += 1
        size = SEGMENT_HEADERS_BYTES + len(flight.what or b"")
        if wire.lost(size):
            kernel.call_at(kernel.now + flight.timeout_ns, self._transmit, flight)
            flight.timeout_ns = min(flight.timeout_ns * 2, RTO_CEILING_NS)
        else:
            arrival = kernel.now + wire.delay_ns(size)
            self.last_arrival = max(self.last_arrival, arrival)
            kernel.call_at(arrival, self._land, flight)

    def _land(self, flight: Flight) -> None:
        """A packet is there; it is passed on once all before it are."""
        flight.landed = True
        pipe = self.pipe
        while pipe and pipe[0].landed:
            first = pipe.popleft()
            first.action((self, first.what))

    @staticmethod
    def _segment_arrives(flight: tuple[StreamSocket, bytes]) -> None:
        sender, data = flight
        sender.flying -= len(data)
        peer = sender.peer
        if peer is None:
            return
        if peer.deaf:
            sender._meets_nobody(flight)
            return
        peer.arrive_bytes(data)
        if sender.tx or sender.write_shut:
            sender.pump()

    def arrive_bytes(self, data: bytes) -> None:
        """Bytes are there."""
        self.rx += data
        if self.fabric.verbose:
            self.kernel.log.append((self.kernel.now, self.title, "arrive", len(data), crc32(data)))
        self.wake_readers()

    @staticmethod
    def _meets_nobody(flight: tuple[StreamSocket, Any]) -> None:
        """Data reached a socket that takes none any more: a RST comes back."""
        sender = flight[0]
        sender.tx.clear()
        peer = sender.peer
        if peer is not None and peer.state is CONNECTED and not peer.orphan:
            peer.error = errno.ECONNRESET
            peer.wake_readers()
            peer.wake_writers()
        sender._ask_again(0)

    def _ask_again(self, tries: int) -> None:
        """What was sent meets nobody: it is sent again until the RST gets through."""
        peer = self.peer
        if peer is None or self.state is not CONNECTED or peer.send_reset():
            return
        if tries >= SEGMENT_TRIES:
            self.reset(errno.ETIMEDOUT)
        else:
            self.kernel.call_at(self.kernel.now + min(RTO_FLOOR_NS << tries, RTO_CEILING_NS), self._ask_again, tries + 1)

    @staticmethod
    def _fin_arrives(flight: tuple[StreamSocket, Any]) -> None:
        sender = flight[0]
        peer = sender.peer
        if peer is not None:
            peer.eof = True
            peer.wake_readers()
            if peer.pollers:
                peer.changed()
            if sender.eof and peer.fin_sent and peer.state is CONNECTED:
                # The second FIN: whoever sent the first one is the active closer and keeps its port for TIME_WAIT.
                if peer.local is not None and peer.bound_ip:
                    peer.table.linger(peer.local[1], peer.kernel.now + TIME_WAIT_NS, peer.reuse_address)
                sender._finish()
                peer._finish()

    # -- ending --------------------------------------------------------------------------------------------------------------------

    def shutdown(self, read: bool, write: bool) -> None:
        """Half-close. Raises ENOTCONN when not connected. On a listener the reading side is the listening, the writing side nothing."""
        if self.accepting is not None:
            if read:
                self.accepting.close()
            return
        if self.state is CONNECTING and self.attempt is not None:
            self.attempt.give_up()
            self.state = NEW
            self.start_over()
            self.unbind_automatic()
            self.error = errno.ECONNRESET
            self.wake_readers()
            self.wake_writers()
            return
        if self.state is not CONNECTED:
            if self.state is NEW:  # Linux does it and complains
                self.read_shut |= read
                self.write_shut |= write
            elif self.state is FAILED:
                self.state = CLOSED
            elif self.unreported:  # connected and reset, and nobody has called connect(2) to learn of it: nobody will
                self.unreported = False
                self.remote = None
            raise os_error(errno.ENOTCONN)
        self.unreported = False
        if read and not self.read_shut:
            self.read_shut = True
            self.deaf = self.deaf or self.fin_sent
            self.wake_readers()
        if write and not self.write_shut:
            self.write_shut = True
            self.wake_writers()
            self.pump()

    def released(self) -> None:
        """The last descriptor is closed: FIN after what is still to be sent, or RST when unread bytes are thrown away."""
        if self.accepting is not None:
            self.accepting.close()
            self.unbind()
            return
        if self.attempt is not None:
            self.attempt.give_up()
        if self.state is not CONNECTED:
            self.unbind()
            return
        self.orphan = self.deaf = True
        if self.rx or self.linger_reset:
            self.rx.clear()
            self.tx.clear()
            self.send_reset()
            return
        if not self.write_shut:
            self.write_shut = True
            self.pump()

    def send_reset(self) -> bool:
        """RST to the peer; this end is gone at once. False when it is lost: a RST is not sent again unless the peer sends."""
        peer, wire = self.peer, self.wire
        self._die()
        if peer is None or wire is None or peer.state is not CONNECTED:
            return True
        self.kernel.log.append((self.kernel.now, self.title, "RST"))
        if wire.perfect and not self.pipe:
            peer.reset()
        elif wire.lost():
            return False
        else:
            self.kernel.call_at(max(self.last_arrival, self.kernel.now + wire.delay_ns()), StreamSocket.reset, peer)
        return True

    def reset(self, number: int = 0) -> None:
        """A RST arrived (or the connection was given up with errno ``number``)."""
        if self.state is not CONNECTED:
            return
        self.error = number or (errno.EPIPE if self.eof else errno.ECONNRESET)
        self._die()
        self.wake_readers()
        self.wake_writers()

    def _die(self) -> None:
        self.state = CLOSED
        self.deaf = True
        self.tx.clear()
        self._leave_port()
        self._part()

    def _leave_port(self) -> None:
        """As inet_put_port() when a connection is over: a port that the program asked for is its own until it closes the socket."""
        if self.orphan or self.child:
            self.unbind()
        else:
            self.unbind_automatic()

    def _part(self) -> None:
        """Two dead ends forget each other: no cycle is left for the garbage collector."""
        peer = self.peer
        if peer is not None and peer.state is CLOSED and self.state is CLOSED:
            self.peer = peer.peer = None

    def _finish(self) -> None:
        """Both FINs have arrived: this end is over, also when the program has not closed it yet."""
        self.state = CLOSED
        self._leave_port()
        self._part()

    # -- readiness -----------------------------------------------------------------------------------------------------------------

    def poll(self) -> int:
        """As tcp_poll() in Linux's tcp.c."""
        if self.accepting is not None:
            return POLLIN if self.accepting.ready else 0
        state = self.state
        done = self.eof or self.read_shut
        if state is CONNECTED:
            bits = 0
            if self.write_shut:
                bits = POLLOUT | POLLHUP if done else POLLOUT
            else:
                used = len(self.tx)
                if self.send_bytes_max - used >= used // 2:
                    bits = POLLOUT
        elif state is CONNECTING:
            bits = 0
        else:
            bits = POLLOUT | POLLHUP
            done = done or state is not NEW
        if done:
            bits |= POLLIN | POLLRDHUP
        elif self.rx:
            bits |= POLLIN
        return bits | POLLERR if self.error else bits
