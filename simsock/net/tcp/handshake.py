"""Listening and connecting: the handshake.

Owns the accept queue (its length is the backlog's, as on Linux one more than asked for) and connection attempts with their
retransmissions (RFC 9293; 1, 3, 7 … s after a lost SYN). Simpler than reality: a half-open connection has no state of its own at the
listener, and does not count in its queue. Law: over a perfect link to a listener with room a connection is established in the same
instant, without a timer.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.kernel.units import NS
from simsock.net.addresses import Endpoint
from simsock.net.ports import pick
from simsock.net.sockets import os_error
from simsock.net.tcp.options import syn_tries
from simsock.net.tcp.segments import ACK, RST, SYN, carry
from simsock.net.tcp.states import NEW, SYN_SENT
from simsock.net.tcp.stream import StreamSocket

if TYPE_CHECKING:
    from simsock.net.fabric import Host
    from simsock.net.link.wire import Wire

SOMAXCONN = 4096
SYN_RTO_NS = NS
"""RFC 6298, 2.1: before the first measurement."""
SYNACK_TRIES = 6
"""Linux: tcp_synack_retries is 5, plus the first try."""


class AcceptQueue:
    """Connections that wait to be accepted."""

    __slots__ = ("backlog", "listener", "ready")

    def __init__(self, listener: StreamSocket, backlog: int) -> None:
        self.listener = listener
        self.ready: deque[StreamSocket] = deque()
        self.resize(backlog)

    def resize(self, backlog: int) -> None:
        """Set the limit: ``listen`` may be called again."""
        self.backlog = min(max(backlog, 0), SOMAXCONN)

    @property
    def full(self) -> bool:
        """Linux compares with "greater than", so one more connection than the backlog waits."""
        return len(self.ready) > self.backlog

    def add(self, connection: StreamSocket) -> None:
        """A handshake is complete."""
        self.ready.append(connection)
        self.listener.wake_readers()

    def close(self) -> None:
        """No more listening: whoever waits in the queue is reset. The address stays, and ``listen`` may be called again."""
        listener = self.listener
        listener.accepting = None
        listener.start_over()
        listener.unbind_automatic()
        while self.ready:
            connection = self.ready.popleft()
            connection.orphan = connection.refuses_data = True
            connection.send_reset("its listener was closed before anybody accepted it")
        listener.wake_readers()


def listen(socket: StreamSocket, backlog: int) -> None:
    """listen(2). Raises EINVAL on a connected socket, EADDRINUSE when somebody listens there already."""
    if socket.accepting is not None and socket.listening:
        socket.accepting.resize(backlog)
        return
    if socket.state is not NEW:
        raise os_error(errno.EINVAL)
    socket.bind_somewhere()
    assert socket.local is not None
    if socket.table.listens_already(socket, *socket.local):
        raise os_error(errno.EADDRINUSE)
    socket.turn("listen")
    socket.accepting = AcceptQueue(socket, backlog)


def accept(socket: StreamSocket) -> StreamSocket | None:
    """The next connection, or None when there is none yet. Raises EINVAL when not listening."""
    queue = socket.accepting
    if queue is None or not socket.listening:
        raise os_error(errno.EINVAL)
    return queue.ready.popleft() if queue.ready else None


class Attempt:
    """One connect(2) under way."""

    __slots__ = ("_answer_timer", "_began_at", "_child", "_listener", "_timeout_ns", "_timer", "_tries", "client", "target")

    def __init__(self, client: StreamSocket, target: Endpoint) -> None:
        self.client = client
        self.target = target
        self._tries = 0
        self._timeout_ns = SYN_RTO_NS
        self._timer: Any = None
        self._began_at = client.kernel.now
        self._listener: StreamSocket | None = None
        self._child: StreamSocket | None = None
        self._answer_timer: Any = None

    def start(self) -> None:
        """Send the first SYN. Raises ENETUNREACH when there is no such host."""
        client = self.client
        client.bind_for(*self.target)
        client.remote = self.target
        client.turn("connect")
        client.attempt = self
        self._send_syn(None)

    def give_up(self) -> None:
        """The program closed the socket before it was connected."""
        self._cancel_timer()
        self.client.attempt = None

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self.client.kernel.call_off(self._timer)
            self._timer = None

    # -- the client's SYN ------------------------------------------------------------------------------------------------------------

    def _send_syn(self, _: object) -> None:
        client, kernel = self.client, self.client.kernel
        self._timer = None
        if client.attempt is not self:
            return
        if self._tries >= syn_tries(client.options) or (client.user_timeout_ns and kernel.now - self._began_at >= client.user_timeout_ns):
            self._fail(errno.ETIMEDOUT)
            return
        self._tries += 1
        fabric = client.fabric
        server = fabric.route(client, self.target[0]) if client.interface else fabric.host_at(client.host, self.target[0])
        assert server is not None  # looked up before the attempt began
        wire = client.fabric.wire(client.host, server)
        if wire.perfect:
            self._seen(wire, client, SYN, 0)
            self._syn_arrives((server, kernel.now))
        else:
            carry(wire, client, SYN, 0, b"", self._syn_arrives, (server, kernel.now))
        if client.attempt is self and client.state is SYN_SENT:
            deadline = kernel.now + self._timeout_ns
            if client.user_timeout_ns:
                deadline = min(deadline, self._began_at + client.user_timeout_ns)
            self._timer = kernel.call_at(deadline, self._send_syn, None)
            self._timeout_ns *= 2

    def _syn_arrives(self, syn: tuple[Host, int]) -> None:
        """A SYN is there, with the time at which it was sent: it comes back with the answer, as a timestamp does (RFC 7323)."""
        server, sent_at = syn
        client = self.client
        if client.attempt is not self or server.down:
            return
        back = client.fabric.wire(server, client.host)
        if self._child is not None:
            self._answer_syn(back, sent_at)  # the first answer was lost, or is on its way yet
            return
        found = [socket for socket in server.tcp.at(*self.target) if socket.listening]
        listener = pick(found, client.local) if found and client.local is not None else None
        if listener is None:
            if client.local == self.target and server is client.host:
                self._meet_itself(back)
            else:
                self._refuse(back)
            return
        assert isinstance(listener, StreamSocket) and listener.accepting is not None
        if listener.accepting.full:
            client.kernel.log.append((client.kernel.now, listener.title, "backlog full"))
            if server.refuses_overflow:
                self._refuse(back)
            return  # else the SYN goes unanswered and is sent again, as on Linux
        self._listener = listener
        self._child = self._make_child(listener, server)
        self._answer_syn(back, sent_at)

    def _refuse(self, back: Wire) -> None:
        """Answer a SYN with a RST."""
        self.client.fabric.refused = self.client.host, str(self.target[0]), self.target[1]
        if back.perfect:
            self._seen(back, self.client, RST | ACK, 0)
            self._fail(errno.ECONNREFUSED)
        else:
            carry(back, self.client, RST | ACK, 0, b"", self._fail, errno.ECONNREFUSED)

    def _answer_syn(self, back: Wire, sent_at: int) -> None:
        """Send a SYN-ACK."""
        child = self._child
        assert child is not None
        if back.perfect:
            self._seen(back, child, SYN | ACK, 0)
            self._established((child, sent_at))
        else:
            carry(back, child, SYN | ACK, 0, b"", self._established, (child, sent_at))

    @staticmethod
    def _seen(wire: Wire, end: StreamSocket, flags: int, seq: int) -> None:
        """A segment passes without being one."""
        if end.fabric.tap is not None:
            end.fabric.tap.signal(wire, end, flags, seq)

    def _meet_itself(self, wire: Wire) -> None:
        """A socket that connects to its own address opens the connection from both sides at once (RFC 9293, 3.5) and is its own peer."""
        client = self.client
        if client.write_shut:
            self._fail(0)
            return
        self._cancel_timer()
        client.attempt = None
        client.join(client, wire)
        client.unreported = True
        client.wake_writers()
        client.pump()

    def _make_child(self, listener: StreamSocket, server: Host) -> StreamSocket:
        client = self.client
        child = StreamSocket(client.fabric, server, listener.family, listener.protocol, listener.table)
        child.child = True
        child.local = self.target
        child.remote = client.local
        child.inherit(listener)
        return child

    def _established(self, answer: tuple[StreamSocket, int]) -> None:
        """The SYN-ACK is here; the accepting side learns of it one trip later."""
        child, sent_at = answer
        client = self.client
        if client.attempt is not self:
            return
        self._cancel_timer()
        client.attempt = None
        fabric = client.fabric
        out, back = fabric.wire(client.host, child.host), fabric.wire(child.host, client.host)
        client.first_round_trip_ns = child.first_round_trip_ns = client.kernel.now - sent_at
        child.on_handshake_complete = self._accepted
        client.join(child, out)
        child.join(client, back)
        child.bound_ip = self.target[0]
        child.table.hold(self.target[1], child.reuse_address)
        client.unreported = True
        client.wake_writers()
        if out.perfect:
            self._seen(out, client, ACK, 1)
            self._accepted()
        if child.on_handshake_complete is not None:
            self._timeout_ns = SYN_RTO_NS
            self._tries = 0
            self._acknowledge(None)

    def _acknowledge(self, _: object) -> None:
        """Answer the SYN-ACK, which the server repeats until an answer arrives."""
        client, child = self.client, self._child
        self._answer_timer = None
        if child is None or child.on_handshake_complete is None:
            return
        if self._tries >= SYNACK_TRIES:
            child.vanish()  # what comes later meets nobody
            return
        self._tries += 1
        kernel = client.kernel
        if client.state.connected:
            carry(client.fabric.wire(client.host, child.host), client, ACK, 1, b"", self._acknowledged, None)
        self._answer_timer = kernel.call_at(kernel.now + self._timeout_ns, self._acknowledge, None)
        self._timeout_ns *= 2

    def _acknowledged(self, _: object) -> None:
        if self._child is not None and self._child.on_handshake_complete is not None:
            self._accepted()

    def _accepted(self) -> None:
        """The handshake is complete: the last acknowledgement has arrived, or data with it."""
        child, listener = self._child, self._listener
        assert child is not None and listener is not None
        if listener.accepting is None or not listener.listening:
            self._answered(child)
            if listener.vanished:
                child.vanish()
                return
            child.orphan = child.refuses_data = True
            child.send_reset("the connection was not wanted")
            return
        if listener.accepting.full:
            child.kernel.log.append((child.kernel.now, listener.title, "backlog full"))
            if child.host.refuses_overflow:
                self._answered(child)
                child.orphan = child.refuses_data = True
                child.send_reset("the connection was not wanted")
            return  # else the acknowledgement goes unheard, and the SYN-ACK is sent again
        self._answered(child)
        listener.accepting.add(child)
        if listener.write_shut:
            child.shutdown(False, True)

    def _answered(self, child: StreamSocket) -> None:
        child.on_handshake_complete = None
        child.turn("established")
        if self._answer_timer is not None:
            child.kernel.call_off(self._answer_timer)
            self._answer_timer = None

    def _fail(self, number: int) -> None:
        client = self.client
        if client.attempt is not self:
            return
        self._cancel_timer()
        client.attempt = None
        client.turn("fail")
        client.error = number
        client.remote = None
        client.unbind_automatic()
        client.wake_writers()
        client.wake_readers()
