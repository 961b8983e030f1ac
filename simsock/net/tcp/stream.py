"""Streams: enough of TCP that a program meets what it meets on Linux.

PYTEST_DONT_REWRITE

Owns connections: bytes in order, finite buffers, half-close, resets (RFC 9293), errors as Linux reports them. Does not know Python's socket
objects, nor how bytes survive an imperfect way: ``sender.py`` and ``receiver.py`` do. Laws:

* over a perfect link bytes go straight into the peer's buffer: no timer, no segment object;
* what was accepted from the program is delivered once, in order, or the peer learns of a reset.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any
from zlib import crc32

from simsock.kernel.files import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP
from simsock.net.addresses import format_endpoint
from simsock.net.options import IPPROTO_TCP, OPTIONS, TCP_CONGESTION, TCP_INFO, TCP_MAXSEG, Option
from simsock.net.sockets import Received, Socket, os_error
from simsock.net.tcp import urgent
from simsock.net.tcp.keepalive import Keepalive
from simsock.net.tcp.options import CONGESTION, UNSENT_MAX, congestion_control, heed, info, keepalive_times, keeps_alive, user_timeout_ns
from simsock.net.tcp.segments import ACK, FIN, RST, carry, segment_bytes_max
from simsock.net.tcp.sender import Sender
from simsock.net.tcp.states import CLOSE_WAIT, ENDED, FAILED, LISTEN, NEW, SYN_SENT, TIME_WAIT, Event, State, after

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.net.fabric import Fabric, Host
    from simsock.net.link.connections import Trouble
    from simsock.net.link.wire import Wire
    from simsock.net.ports import PortTable
    from simsock.net.tcp.handshake import AcceptQueue
    from simsock.net.tcp.receiver import Receiver

SOCK_STREAM = 1
BUFFERS = (131_072, 131_072)
"""Bytes of receive and send buffer of a new stream (net.ipv4.tcp_rmem's default; the send side without autotuning)."""
TIME_WAIT_NS = 60_000_000_000


class StreamSocket(Socket):
    """One end of a connection, or a socket that may become one, or a listener (then ``accepting`` is set)."""

    __slots__ = (
        "accepting",
        "attempt",
        "cutter",
        "eof",
        "fin_sent",
        "first_round_trip_ns",
        "inline",
        "keepalive",
        "last_arrival",
        "linger_ns",
        "linger_reset",
        "lowat",
        "odd",
        "on_handshake_complete",
        "orphan",
        "peer",
        "peer_receiver",
        "refuses_data",
        "rx",
        "segment_limit",
        "sender",
        "sent",
        "shortener",
        "state",
        "trouble",
        "tx",
        "uncounted",
        "unreported",
        "unsent_max",
        "urgent",
        "urgent_out",
        "user_timeout_ns",
        "vanished",
        "wire",
    )

    kind = "stream"
    carries_bytes = True

    def __init__(self, fabric: Fabric, host: Host, family: int, protocol: int, table: PortTable) -> None:
        super().__init__(fabric, host, family, SOCK_STREAM, protocol, table, BUFFERS)
        self.state: State = NEW
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
        self.refuses_data = False
        """Data that arrives is answered by a reset: an orphan, a dead end, or one that is shut down both ways."""
        self.linger_reset = False
        self.linger_ns = 0
        """How long close(2) waits until everything is acknowledged."""
        self.vanished = False
        """Gone with its host's memory."""
        self.sent = 1
        """The next sequence number, while no machine counts them."""
        self.first_round_trip_ns: int | None = 0
        self.user_timeout_ns = 0
        self.segment_limit = 0
        """TCP_MAXSEG, 0 for none."""
        self.unsent_max = UNSENT_MAX
        """TCP_NOTSENT_LOWAT: with so many bytes that have not set out, nothing more is taken."""
        self.lowat = 1
        """SO_RCVLOWAT: with fewer bytes there is nothing to read."""
        self.odd = False
        self.inline = False
        """SO_OOBINLINE."""
        self.urgent: urgent.Mark | None = None
        """Where the latest urgent byte is that the peer has told of and that nobody has read past."""
        self.urgent_out = 0
        """The sequence number of the latest urgent byte that was written, 0 for none."""
        self.uncounted = False
        """Connected, and nobody counts segments, nor how long this connection has been idle."""
        self.sender: Sender | None = None
        """The machine that sends, unless all is perfect."""
        self.peer_receiver: Receiver | None = None
        """The peer's machine's other half."""
        self.keepalive: Keepalive | None = None
        self.on_handshake_complete: Callable[[], None] | None = None
        """Of an accepting end whose handshake is not complete: completes it."""
        self.last_arrival = 0
        """When the latest segment that this end has sent arrives."""
        self.cutter: Any = None
        self.shortener: Any = None
        """What a call that sends takes at most, of so many bytes; or None."""
        self.trouble: Trouble | None = None
        """What the link does to this connection, on the way out."""

    def turn(self, event: Event) -> None:
        """Something happened: the one place where the state changes."""
        self.state = self.state.steps.get(event) or after(self.state, event)

    @property
    def listening(self) -> bool:
        return self.state is LISTEN

    @property
    def connected(self) -> bool:
        return self.state.connected

    # -- becoming connected ------------------------------------------------------------------------------------------------------------

    def join(self, peer: StreamSocket | None, wire: Wire) -> None:
        """Become one end of a connection; ``wire`` is the way out."""
        self.turn("join" if self.on_handshake_complete is None else "syn")
        self.peer = peer
        self.wire = wire
        if self.local is not None:
            self.title = f"{self.host.name}:{self.local[1]}->{format_endpoint(self.remote)}"
        self.cutter, self.shortener = self.fabric.cutter(self), self.fabric.shortener(self)
        if self.odd:
            urgent.make_odd(self)
        if not wire.perfect:
            self._meet_trouble(wire.trouble())
        self.uncounted = peer is not None and self.keepalive is None and peer.keepalive is None
        if self.options:
            self._heed_options()

    def _meet_trouble(self, trouble: Trouble | None) -> None:
        self.trouble = trouble
        for ns, what in trouble.times if trouble is not None else ():
            self.kernel.timers.add(self.kernel.now + ns, self.struck, what)

    def struck(self, what: str) -> None:
        """The link resets, ends or silences this connection, because of what is on the way out."""
        peer, trouble = self.peer, self.trouble
        if not self.state.connected or peer is None or trouble is None:
            return
        self.kernel.log.append((self.kernel.now, self.title, what, "by the link"))
        if what == "blackhole":
            trouble.silent = True
            return
        trouble.saw(what)
        if what == "close":
            peer.hang_up()
            self.hang_up()
        else:
            for end in (peer, self):
                if self.fabric.tap is not None:
                    self.fabric.tap.conjured(end, RST | ACK)
            peer.reset()
            self.reset()

    def set_option(self, level: int, number: int, value: int | bytes) -> None:
        super().set_option(level, number, value)
        self._heed_options()

    def heed(self, option: Option, value: int | bytes) -> int | bytes:
        return super().heed(option, heed(self, option, value))

    def option_value(self, option: Option) -> int | bytes:
        if option.level == IPPROTO_TCP:
            if option.number == TCP_INFO:
                return info(self)
            if option.number == TCP_MAXSEG:
                return self.segment_bytes
            if option.number == TCP_CONGESTION:
                return congestion_control(CONGESTION)
        return super().option_value(option)

    @property
    def segment_bytes(self) -> int:
        """How many bytes a segment has at most, as far as can be known now."""
        peer = self.peer
        if not self.state.connected or peer is None:
            return self.segment_limit or OPTIONS[IPPROTO_TCP, TCP_MAXSEG].default
        limit, other = self.segment_limit, peer.segment_limit
        return segment_bytes_max(self.wire, peer.wire, min(limit, other) if limit and other else limit or other)

    def inherit(self, listener: StreamSocket) -> None:
        """What an accepted connection has from its listener: its options, and in which directions it was shut down."""
        self.options.update(listener.options)
        self.receive_bytes_max, self.send_bytes_max = listener.receive_bytes_max, listener.send_bytes_max
        self.receive_timeout_ns, self.send_timeout_ns = listener.receive_timeout_ns, listener.send_timeout_ns
        self.reuse_address, self.reuse_port = listener.reuse_address, listener.reuse_port
        self.linger_reset, self.linger_ns = listener.linger_reset, listener.linger_ns
        self.lowat, self.odd = listener.lowat, listener.lowat > 1
        self.inline, self.interface = listener.inline, listener.interface
        self.segment_limit, self.unsent_max = listener.segment_limit, listener.unsent_max
        self.read_shut = listener.read_shut

    def _heed_options(self) -> None:
        options = self.options
        self.user_timeout_ns = user_timeout_ns(options)
        if not self.state.connected or self.peer is None:
            return
        on = keeps_alive(options)
        if self.keepalive is None:
            if on:
                self.keepalive = Keepalive(self)
                self.uncounted = self.peer.uncounted = False
        elif on:
            self.keepalive.set_again()
        else:
            self.keepalive.stop()
            self.keepalive = None

    @property
    def keepalive_times(self) -> tuple[int, int, int]:
        """(seconds idle, seconds between probes, how many probes)."""
        return keepalive_times(self.options)

    @property
    def next_seq(self) -> int:
        """The sequence number of what is sent next."""
        return self.sent if self.sender is None else self.sender.nxt

    def start_over(self) -> None:
        super().start_over()
        self.turn("disconnect")
        self.eof = self.fin_sent = self.refuses_data = False
        self.sent = 1
        self.urgent, self.urgent_out = None, 0
        self.rx.clear()

    @property
    def has_peer(self) -> bool:
        return self.state.connected and self.remote is not None

    # -- reading -------------------------------------------------------------------------------------------------------------------

    @property
    def unread(self) -> int:
        """FIONREAD: bytes that have arrived."""
        return len(self.rx) if self.urgent is None else urgent.unread(self)

    def receive(self, count: int, peek: bool = False) -> Received | None:
        data = self.read(count, peek)
        return None if data is None else (data, None, len(data), None)

    def read(self, count: int, peek: bool = False) -> bytes | None:
        """Up to ``count`` bytes; ``b""`` at the end of the stream; None when there is nothing yet. Raises the pending error."""
        rx = self.rx
        if rx:
            have = len(rx)
            if self.cutter is not None and count:
                if self.urgent is not None:
                    return urgent.read(self, self.urgent, count, peek)
                if have < self.lowat and urgent.held_back(self, count):
                    return None
                count = min(count, self.cutter(have))
            if peek:
                return bytes(rx[:count])
            if count >= have:
                data = bytes(rx)
                rx.clear()
            else:
                data = bytes(rx[:count])
                del rx[:count]
            peer = self.peer
            if self.peer_receiver is not None or (peer is not None and peer.tx):
                self.consumed()
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
        state = self.state
        if not state.connected and state is not SYN_SENT:
            if state is NEW:
                raise os_error(errno.ENOTCONN)
            return b""
        return None

    def consumed(self) -> None:
        """Room appeared in the receive buffer: the sender hears of it, over the way back."""
        receiver = self.peer_receiver
        if receiver is not None:
            receiver.consumed()
            return
        peer = self.peer
        if peer is not None and peer.tx:
            wire = self.wire
            if wire is None or (wire.perfect and peer.wire.perfect):  # type: ignore[union-attr]  # connected: has a wire
                peer.pump()
            else:
                # The way was perfect when the peer ran out of room: it does not know of this.
                sender = peer.start_sender(0)
                sender.pump()
                sender.receiver.consumed()

    # -- writing -------------------------------------------------------------------------------------------------------------------

    def write(self, data: Any) -> int:
        """Take as many bytes as fit; 0 when none do (the caller waits). Raises EPIPE, the pending error."""
        tx = self.tx
        count = len(data)
        if self.uncounted and not tx and not self.error and not self.write_shut:
            peer: Any = self.peer
            if self.wire.perfect and peer.wire.perfect and not peer.refuses_data:  # type: ignore[union-attr]  # plain: connected
                rx = peer.rx
                if count <= peer.receive_bytes_max - len(rx):
                    rx += data
                    if self.fabric.tap is not None:
                        self.fabric.tap.bytes_pass(self, data, peer.receive_bytes_max - len(rx))
                    self.sent += count
                    if peer.readers or peer.pollers:
                        peer.wake_readers()
                    return count
        if self.error:
            self.take_error()
        if self.write_shut or not self.state.connected:
            if self.state is SYN_SENT and not self.write_shut:
                return 0
            raise os_error(errno.EPIPE)
        room = self.send_bytes_max - self.unsent_and_unacknowledged
        if room <= 0 or len(tx) >= self.unsent_max:
            return 0
        if count > room:
            data = memoryview(data)[:room]
            count = room
        tx += data
        self.pump()
        return count

    @property
    def unsent_and_unacknowledged(self) -> int:
        """Bytes in the send buffer."""
        sender = self.sender
        return len(self.tx) if sender is None else len(self.tx) + sender.nxt - sender.una

    def pump(self) -> None:
        """Move what may be sent: as much as the receiver's window has room for."""
        tx, peer, wire = self.tx, self.peer, self.wire
        if peer is None or wire is None:
            tx.clear()
            return
        if not (wire.perfect and peer.wire.perfect) or self.sender is not None or peer.vanished:  # type: ignore[union-attr]  # as above
            self._pump_segments(peer)
            return
        tap = self.fabric.tap
        if tx and peer.refuses_data:
            if tap is not None:
                tap.bytes_pass(self, tx)
            tx.clear()
            peer.meets_nobody()
            return
        if tx:
            room = peer.receive_bytes_max - len(peer.rx)
            if room > 0:
                if not self.uncounted:
                    self._heard(peer)
                part = bytes(tx[:room])
                del tx[:room]
                if tap is not None:
                    tap.bytes_pass(self, part, room - len(part))
                self.sent += len(part)
                peer.arrive_bytes(part)
                if len(tx) < self.send_bytes_max and (self.writers or self.pollers):
                    self.wake_writers()
        if self.state.closes and not tx and not self.fin_sent:
            self.fin_sent = True
            if tap is not None:
                tap.bytes_pass(self, b"", peer.receive_bytes_max - len(peer.rx), fin=True)
            self.sent += 1
            self.refuses_data = self.refuses_data or self.read_shut
            peer.fin_arrives()
            self.fin_acknowledged()

    def _heard(self, peer: StreamSocket) -> None:
        """Bytes went one way and their acknowledgement the other, at once."""
        for end in (self, peer):
            if end.keepalive is not None:
                end.keepalive.hears()

    def _pump_segments(self, peer: StreamSocket) -> None:
        """The same over an imperfect way, or while something is on its way yet."""
        sender = self.sender
        if not self.tx and (self.fin_sent or not self.state.closes):
            return
        if sender is None:
            sender = self.start_sender(max(0, peer.receive_bytes_max - len(peer.rx)))
        elif sender.idle and not sender.probe.armed and self.wire.perfect and peer.wire.perfect and not peer.vanished:  # type: ignore[union-attr]
            self.sent = sender.nxt
            self._stop_sender()
            peer.peer_receiver = None
            self.pump()
            return
        sender.pump()

    def start_sender(self, room: int) -> Sender:
        """From now on segments are counted. The peer has so much room, as far as this end knows."""
        peer = self.peer
        assert peer is not None and self.sender is None
        self.sender = Sender(self, peer, room)
        peer.peer_receiver = self.sender.receiver
        self.uncounted = False
        return self.sender

    def _stop_sender(self) -> None:
        if self.sender is not None:
            self.sender.stop()
            self.sender = None
            self.uncounted = self.keepalive is None and self.peer is not None and self.peer.keepalive is None

    def tell_retransmission(self, why: str, seq: int) -> None:
        """Note that something is sent again."""
        self.kernel.log.append((self.kernel.now, self.title, why, seq))

    def arrive_bytes(self, data: bytes) -> None:
        """Bytes are there."""
        blow, peer = "", self.peer
        if peer is not None and peer.trouble is not None:
            count, blow = peer.trouble.passes(len(data))
            data = data[:count]
        self.rx += data
        if self.urgent is not None:
            urgent.look(self, self.urgent)
        if self.fabric.verbose:
            self.kernel.log.append((self.kernel.now, self.title, "arrive", len(data), crc32(data)))
        if data:
            self.wake_readers()
        if blow and peer is not None:
            peer.struck(blow)

    def meets_nobody(self) -> None:
        """Data reached this end, which takes none any more: a RST goes back."""
        peer = self.peer
        if not self.state.connected:
            if peer is not None:
                self.refuse(peer)
            return
        if not self.orphan:
            self.error = errno.ECONNRESET
            self.wake_readers()
        self.wake_writers()
        self.send_reset("data came after it was closed" if self.orphan else "data came after it was shut for reading")

    def fin_arrives(self) -> None:
        """The peer sends no more; an end that is over, by a reset say, does not care."""
        if not self.state.connected:
            return
        self.eof = True
        self.turn("fin")
        self.wake_readers()
        if self.pollers:
            self.changed()
        self._finish_if_over()

    def fin_acknowledged(self) -> None:
        """The peer has everything."""
        if self.state.unacknowledged:
            self.turn("fin acknowledged")
            self.wake_writers()
            self._finish_if_over()

    def _finish_if_over(self) -> None:
        """Both FINs have arrived: this end is over, also when the program has not closed it yet."""
        if self.state is TIME_WAIT and self.local is not None and self.bound_ip:
            self.table.linger(self.local[1], self.kernel.now + TIME_WAIT_NS, self.reuse_address, (self.local, self.remote))
        if self.state is TIME_WAIT or self.state is ENDED:
            self._end()

    # -- ending --------------------------------------------------------------------------------------------------------------------

    def shutdown(self, read: bool, write: bool) -> None:
        """Half-close. Raises ENOTCONN when not connected. On a listener the reading side is the listening, the writing side nothing."""
        if self.accepting is not None:
            if read:
                self.accepting.close()
            return
        if self.state is SYN_SENT and self.attempt is not None:
            self.attempt.give_up()
            self.start_over()
            self.unbind_automatic()
            self.error = errno.ECONNRESET
            self.wake_readers()
            self.wake_writers()
            return
        if not self.state.connected:
            if self.state is NEW:  # Linux does it and complains
                self.read_shut |= read
                self.write_shut |= write
                self.changed()
            elif self.state is FAILED:
                self.turn("end")
            elif self.unreported:  # connected and reset, and nobody has called connect(2) to learn of it: nobody will
                self.unreported = False
                self.remote = None
            raise os_error(errno.ENOTCONN)
        self.unreported = False
        if read and not self.read_shut:
            self.read_shut = True
            self.refuses_data = self.refuses_data or self.fin_sent
            self.wake_readers()
        if write and not self.state.closes:  # perhaps for the second time: one that was shut down before it was connected has sent no FIN
            self.write_shut = True
            self.turn("close")
            self.wake_writers()
            self.pump()
        self.changed()

    def released(self) -> None:
        """The last descriptor is closed: FIN after what is still to be sent, or RST when unread bytes are thrown away."""
        if self.accepting is not None:
            self.accepting.close()
            self.unbind()
            return
        if self.attempt is not None:
            self.attempt.give_up()
        if not self.state.connected:
            self.unbind()
            return
        self.orphan = self.refuses_data = True
        if self.rx or self.linger_reset:
            reason = "it was closed with SO_LINGER and a time of 0" if self.linger_reset else "it was closed with data that nobody had read"
            self.rx.clear()
            self.tx.clear()
            self.send_reset(reason)
            return
        self.fabric.orphans[self] = None
        self.write_shut = True
        if not self.state.closes:
            self.turn("close")
            self.pump()

    def wait_closed(self) -> None:
        """SO_LINGER with a time: close(2) waits until the peer has everything, or that time has passed."""
        deadline = self.kernel.now + self.linger_ns
        while self.state.unacknowledged and self.kernel.wait(self.writers, deadline, "close", self):
            pass

    def send_reset(self, reason: str) -> None:
        """RST to the peer, for a reason in words; this end is gone at once. One that is lost is not sent again unless the peer sends."""
        peer = self.peer
        under_way = self.sender is not None and not self.sender.idle
        connected = self.state.connected
        self._die()
        if peer is None or not connected or not peer.state.connected:
            return
        self.kernel.log.append((self.kernel.now, self.title, "RST", reason))
        self.refuse(peer, under_way)

    def refuse(self, peer: StreamSocket, under_way: bool = False) -> None:
        """RST, as an answer to what reached a dead end."""
        wire = self.wire
        if wire is None or (wire.perfect and not under_way):
            if self.fabric.tap is not None:
                self.fabric.tap.signal(wire, self, RST | ACK, self.sent)
            peer.reset()
        else:
            carry(wire, self, RST | ACK, self.sent, b"", StreamSocket._reset_arrives, peer)

    def _reset_arrives(self) -> None:
        self.reset()

    def reset(self, number: int = 0) -> None:
        """A RST arrived (or the connection was given up with errno ``number``)."""
        if not self.state.connected:
            return
        self.error = number or (errno.EPIPE if self.state is CLOSE_WAIT else errno.ECONNRESET)
        self._die()
        self.wake_readers()
        self.wake_writers()

    def hang_up(self) -> None:
        """The link ends the connection as a proxy does: this end reads the end of the stream, and what it sends meets nobody."""
        peer = self.peer
        if self.state.connected and not self.eof:
            if self.fabric.tap is not None:
                self.fabric.tap.conjured(self, FIN | ACK)
            if peer is not None:
                peer.refuses_data = True
            self.fin_arrives()

    def vanish(self) -> None:
        """The host has crashed: nobody hears of it. What reaches this end is answered by a RST once the host is up again."""
        self.vanished = True
        queue = self.accepting
        if queue is not None:
            self.accepting = None
            while queue.ready:
                queue.ready.popleft().vanish()
        if self.attempt is not None:
            self.attempt.give_up()
        self.rx.clear()
        self.orphan = True
        self._die()

    def _die(self) -> None:
        self.refuses_data = True
        self.tx.clear()
        self._end()

    def _end(self) -> None:
        self.turn("end")
        if self.orphan:
            self.fabric.orphans.pop(self, None)
        if self.sender is not None:
            self.sent = self.sender.nxt
            self._stop_sender()
        self.uncounted = False
        self.on_handshake_complete = None
        if self.keepalive is not None:
            self.keepalive.stop()
            self.keepalive = None
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
        if peer is not None and not peer.state.connected and not self.state.connected:
            self.peer = peer.peer = None
            self.peer_receiver = peer.peer_receiver = None

    # -- readiness -----------------------------------------------------------------------------------------------------------------

    def poll(self) -> int:
        """As tcp_poll() in Linux's tcp.c."""
        if self.accepting is not None:
            return POLLIN if self.accepting.ready else 0
        state = self.state
        done = self.eof or self.read_shut
        if state.connected:
            bits = 0
            if self.write_shut:
                bits = POLLOUT | POLLHUP if done else POLLOUT
            else:
                used = self.unsent_and_unacknowledged
                if self.send_bytes_max - used >= used // 2 and len(self.tx) < self.unsent_max:
                    bits = POLLOUT
        elif state is SYN_SENT:
            bits = 0
        else:
            bits = POLLOUT | POLLHUP
            done = done or state is not NEW
        if done:
            bits |= POLLIN | POLLRDHUP
        elif len(self.rx) >= self.lowat:
            bits |= POLLIN
        if self.urgent is not None:
            bits = urgent.poll(self, self.urgent, bits)
        return bits | POLLERR if self.error else bits
