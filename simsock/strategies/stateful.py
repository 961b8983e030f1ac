"""A server under any sequence of what clients and networks do: a state machine for Hypothesis.

Owns ``NetworkStateMachine``: its rules, and the oracles that are its invariants. Does not know protocols: a subclass names the server and says
what it should reply. Laws: a run is one world, so its clock, switches and losses are drawn with the steps and shrink with them; every rule
leaves the world settled.
"""

from __future__ import annotations

import socket as names
import warnings
from typing import Any

from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from simsock.errors import LeakWarning, UsageError
from simsock.strategies.requests import lines
from simsock.strategies.worlds import DrawnSimulation

CONNECTIONS_MAX = 3
_RESET = b"\1\0\0\0\0\0\0\0"
"""``SO_LINGER``: on, for no time, so that closing resets."""


class Connection:
    """A client's connection: what it ``sent`` and ``received``, and whether it still sends."""

    __slots__ = ("number", "received", "sends", "sent", "socket")

    def __init__(self, number: int, socket: Any) -> None:
        self.number = number
        self.socket = socket
        self.sent = b""
        self.received = b""
        self.sends = True


class NetworkStateMachine(RuleBasedStateMachine):
    """Opens, uses, closes and resets connections to a server, cuts the network and lets time pass, in any order.

    A subclass sets ``handler`` (a request handler class, or a server, as ``sim.serve`` takes it), and may set ``requests`` (what is sent: a
    strategy for bytes), ``options`` (of ``Simulation``) and ``serving`` (of ``sim.serve``), and override ``reply(sent)``: all bytes that the
    server should have sent when it has received ``sent``; by default the same bytes. Oracles: after every step, what came is the beginning of
    what should come, and no handler has raised; at the end no task is left over, and unless the network was cut each reply is whole.

    Run it as ``TestServer = MyMachine.TestCase``, or with ``hypothesis.stateful.run_state_machine_as_test``.
    """

    handler: Any = None
    requests: st.SearchStrategy[bytes] = lines(max_lines=2, max_length=3)
    options: dict[str, Any] = {}
    serving: dict[str, Any] = {}

    def __init__(self) -> None:
        super().__init__()
        if self.handler is None:
            raise UsageError(f"{type(self).__name__}: handler: expected a request handler class or a server, got None")
        self.sim = DrawnSimulation(**self.options)
        self.sim.draw_from(current_build_context().data.draw)
        self.connections: list[Connection] = []
        self.opened = 0
        self.is_cut = self.was_cut = False
        self.sim.__enter__()
        try:
            self.served = self.sim.serve(self.handler, **self.serving)
            self.sim.settle()
        except BaseException as error:
            self.sim.__exit__(type(error), error, error.__traceback__)
            raise

    def reply(self, sent: bytes) -> bytes:
        """What the server should have sent when it has received ``sent``."""
        return sent

    # -- steps -------------------------------------------------------------------------------------------------------------------------

    def _one(self, number: int) -> Connection:
        return self.connections[number % len(self.connections)]

    @precondition(lambda self: len(self.connections) < CONNECTIONS_MAX and not self.is_cut)
    @rule()
    def open(self) -> None:
        """A client connects."""
        self.opened += 1
        self.connections.append(Connection(self.opened, self.sim.connect(self.served)))
        self.sim.settle()

    @precondition(lambda self: any(connection.sends for connection in self.connections))
    @rule(data=st.data(), number=st.integers(0, CONNECTIONS_MAX - 1))
    def send(self, data: st.DataObject, number: int) -> None:
        """A client sends a request."""
        open_ones = [connection for connection in self.connections if connection.sends]
        connection = open_ones[number % len(open_ones)]
        request = data.draw(self.requests, label=f"connection {connection.number} sends")
        try:
            connection.socket.sendall(request)
        except OSError:
            connection.sends = False
        else:
            connection.sent += request
        self.sim.settle()

    @precondition(lambda self: bool(self.connections))
    @rule(number=st.integers(0, CONNECTIONS_MAX - 1))
    def receive(self, number: int) -> None:
        """A client takes what has come."""
        self._take(self._one(number))

    def _take(self, connection: Connection) -> None:
        connection.socket.setblocking(False)
        try:
            while data := connection.socket.recv(65536):
                connection.received += data
        except OSError:
            pass
        finally:
            connection.socket.setblocking(True)

    @precondition(lambda self: any(connection.sends for connection in self.connections))
    @rule(number=st.integers(0, CONNECTIONS_MAX - 1))
    def half_close(self, number: int) -> None:
        """A client says no more, and goes on listening."""
        open_ones = [connection for connection in self.connections if connection.sends]
        connection = open_ones[number % len(open_ones)]
        self._shut(connection)
        self.sim.settle()

    def _shut(self, connection: Connection) -> None:
        connection.sends = False
        try:
            connection.socket.shutdown(names.SHUT_WR)
        except OSError:
            pass  # the server has gone: what is missing of its reply is told at the end

    @precondition(lambda self: bool(self.connections))
    @rule(number=st.integers(0, CONNECTIONS_MAX - 1))
    def close(self, number: int) -> None:
        """A client goes, after it has taken what has come."""
        connection = self._one(number)
        self._take(connection)
        self.connections.remove(connection)
        connection.socket.close()
        self.sim.settle()

    @precondition(lambda self: bool(self.connections))
    @rule(number=st.integers(0, CONNECTIONS_MAX - 1))
    def reset(self, number: int) -> None:
        """A client goes with a reset."""
        connection = self._one(number)
        self.connections.remove(connection)
        connection.socket.setsockopt(names.SOL_SOCKET, names.SO_LINGER, _RESET)
        connection.socket.close()
        self.sim.settle()

    @rule(seconds=st.integers(1, 120))
    def advance(self, seconds: int) -> None:
        """Time passes."""
        self.sim.sleep(seconds)

    @precondition(lambda self: not self.is_cut)
    @rule()
    def partition(self) -> None:
        """The clients are cut off from the server."""
        self.sim.partition("client", self.served.host)
        self.is_cut = self.was_cut = True

    @precondition(lambda self: self.is_cut)
    @rule()
    def heal(self) -> None:
        """They are not any more; what was lost meanwhile comes again."""
        self.sim.heal()
        self.is_cut = False
        self.sim.sleep(130)  # longer than any pause between two tries of a segment

    # -- oracles -----------------------------------------------------------------------------------------------------------------------

    @invariant()
    def what_came_is_the_beginning_of_what_should_come(self) -> None:
        """No byte that was not asked for, none lost in between, none twice."""
        for connection in self.connections:
            should = self.reply(connection.sent)
            came = connection.received
            assert should.startswith(came), f"connection {connection.number}: received {came!r}, which does not begin {should!r}"

    @invariant()
    def no_handler_raises(self) -> None:
        """What a handler raised is told at once; but for a client's reset, which is none of its fault."""
        self.sim._kernel.errors[:] = [entry for entry in self.sim._kernel.errors if not isinstance(entry[1], ConnectionError)]  # type: ignore[union-attr]  # entered
        for error in self.sim.errors:
            raise error

    def teardown(self) -> None:
        """The end: the network heals, clients half-close, and take all that is left."""
        try:
            self._end()
        except BaseException as error:
            self.sim.__exit__(type(error), error, error.__traceback__)
            raise
        with warnings.catch_warnings():
            if self.was_cut:  # a handler whose client went meanwhile may never hear of it, as on Linux
                warnings.simplefilter("ignore", LeakWarning)
            self.sim.__exit__(None, None, None)

    def _end(self) -> None:
        context = current_build_context()
        if context.data.frozen or self.sim._kernel is None or self.sim._kernel.errors:
            return
        if self.is_cut:
            self.heal()
        for connection in self.connections:
            if connection.sends:
                self._shut(connection)
        self.sim.sleep(130)
        for connection in self.connections:
            self._take(connection)
            should = self.reply(connection.sent)
            came = connection.received
            whole = came == should or (self.was_cut and should.startswith(came))  # a connection may not survive a partition, if that is long
            assert whole, f"connection {connection.number}: received {came!r} in all, which should be {should!r}"
            connection.socket.close()


__all__ = ["Connection", "NetworkStateMachine"]
