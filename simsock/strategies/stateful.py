"""A server under any sequence of what clients and networks do: a state machine for Hypothesis.

Owns ``NetworkStateMachine``: its rules, and the oracles that are its invariants. Does not know protocols: a subclass names the server and says
what it should reply. Laws: a run is one world, so its clock, switches and losses are drawn with the steps and shrink with them; every rule
leaves the world settled.
"""

from __future__ import annotations

import errno
import socket as names
import sys
import warnings
from typing import Any

from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simsock.errors import LeakWarning, UsageError
from simsock.kernel.strategies import DEFAULT
from simsock.net.link.settings import PERFECT
from simsock.strategies.requests import lines
from simsock.strategies.steps import ahead, steps
from simsock.strategies.worlds import DrawnSimulation
from simsock.world.expecting import Expectation
from simsock.world.servers import Served

CONNECTIONS_MAX = 3
_PAUSE_MAX = 130
"""Seconds: longer than any pause between two tries of a segment."""
_PAUSES = st.integers(0, 119).map(lambda less: 120 - less)
"""Seconds that pass in a step. The longest is the simplest: what needs half a minute to show fails with one step of two minutes as well, whereas
thirty steps of a second do not become one of thirty seconds by leaving out steps and making numbers smaller, which is how Hypothesis shrinks."""
_RESET = b"\1\0\0\0\0\0\0\0"
"""``SO_LINGER``: on, for no time, so that closing resets."""


class Connection:
    """A client's connection: what it ``sent`` and ``received``, whether it still sends.

    ``hurt``: it lived through a partition or a crash; ``lost``: it was there in a crash.
    """

    __slots__ = ("hurt", "lost", "number", "received", "sends", "sent", "socket")

    def __init__(self, number: int, socket: Any) -> None:
        self.number = number
        self.socket = socket
        self.sent = b""
        self.received = b""
        self.sends = True
        self.hurt = self.lost = False


class _Innocent(Expectation):
    """What clients and the network do to a handler: a reset, or that nobody acknowledges for a quarter of an hour what it has sent."""

    def take(self, error: BaseException) -> bool:
        return isinstance(error, ConnectionError) or (isinstance(error, OSError) and error.errno == errno.ETIMEDOUT)

    def check(self) -> None:
        """None has to come."""


class NetworkStateMachine(RuleBasedStateMachine):
    """Opens, uses, closes and resets connections to a server, cuts the network, crashes the server's host and lets time pass, in any order.

    A subclass sets ``handler`` (a request handler class, or a server, as ``sim.serve`` takes it), and may set ``requests`` (what is sent: a
    strategy for bytes), ``options`` (of ``Simulation``) and ``serving`` (of ``sim.serve``), and override ``reply(sent)``: all bytes that the
    server should have sent when it has received ``sent``; by default the same bytes. Oracles: after every step, what came is the beginning of
    what should come, and no handler has raised; at the end no task is left over, and each reply is whole, but for those on connections that
    lived through a partition or a crash.

    A crash loses all that the server has in memory. After the restart ``serve(port)`` starts it again at the address that it had; override it
    if more is to be done. ``crashes = False`` leaves crashes out; so does a ``handler`` that is a ready server, which cannot be made again.

    Run it as ``TestServer = MyMachine.TestCase``, or with ``hypothesis.stateful.run_state_machine_as_test``.
    """

    handler: Any = None
    requests: st.SearchStrategy[bytes] = lines(max_lines=2, max_length=3)
    options: dict[str, Any] = {}
    serving: dict[str, Any] = {}
    crashes = True

    def __init__(self) -> None:
        super().__init__()
        draw = current_build_context().data.draw
        hypothesis_s: Any = getattr(self, "_rules_strategy", None)  # with it we find, too, but shrink badly
        if hypothesis_s is not None:
            vars(self)["_rules_strategy"] = steps(hypothesis_s, draw)
        if self.handler is None:
            raise UsageError(f"{type(self).__name__}: handler: expected a request handler class or a server, got None")
        self.sim = DrawnSimulation(**self.options)
        self.sim.answer_by(ahead(draw), self.options.get("strategy", DEFAULT))
        self.connections: list[Connection] = []
        self.opened = 0
        self.is_cut = self.was_cut = False
        self.is_down = False
        self.may_be_unheard = False
        """Whether a handler may wait for ever for a client that is gone: its reset may have been lost, as on Linux."""
        self.sim.__enter__()
        self.sim._expectations.append(_Innocent(self.sim, (), None))
        try:
            self.served = self.serve(None)
            self.sim.settle()
        except BaseException as error:
            self.sim.__exit__(type(error), error, error.__traceback__)
            raise

    def reply(self, sent: bytes) -> bytes:
        """What the server should have sent when it has received ``sent``."""
        return sent

    def serve(self, port: int | None) -> Served:
        """Start the server: at the beginning (``port`` is None: the one of ``serving``, or any), and at ``port`` after each restart."""
        return self.sim.serve(self.handler, **(self.serving if port is None else {**self.serving, "port": port}))

    # -- steps -------------------------------------------------------------------------------------------------------------------------

    def _one(self, number: int) -> Connection:
        """The newest is number 0: it is the one that most steps mean, and which stays so whatever others there are."""
        return self.connections[-1 - number % len(self.connections)]

    def _one_that_sends(self, number: int) -> Connection:
        those = [connection for connection in self.connections if connection.sends]
        return those[-1 - number % len(those)]

    def _settle(self) -> None:
        """Let happen what can: all of it, unless somebody tries again and again to reach what cannot be reached."""
        if self.is_cut or self.is_down:
            self.sim.sleep(1)
        else:
            self.sim.settle()

    @initialize()
    def first_open(self) -> None:
        """A client connects. Faults and passing time say little about a server without one: most runs would be of nothing else."""
        self.open()

    @precondition(lambda self: len(self.connections) < CONNECTIONS_MAX and not self.is_cut and not self.is_down)
    @rule()
    def open(self) -> None:
        """A client connects."""
        self.opened += 1
        self.connections.append(Connection(self.opened, self.sim.connect(self.served)))
        self.sim.settle()

    @precondition(lambda self: any(connection.sends for connection in self.connections))
    @rule(number=st.integers(0, CONNECTIONS_MAX - 1), request=st.runner().flatmap(lambda machine: machine.requests))
    def send(self, number: int, request: bytes) -> None:
        """A client sends a request."""
        connection = self._one_that_sends(number)
        try:
            connection.socket.sendall(request)
        except OSError:
            connection.sends = False
        else:
            connection.sent += request
        self._settle()

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
        connection = self._one_that_sends(number)
        self._shut(connection)
        self._settle()

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
        self._settle()

    @precondition(lambda self: bool(self.connections))
    @rule(number=st.integers(0, CONNECTIONS_MAX - 1))
    def reset(self, number: int) -> None:
        """A client goes with a reset."""
        connection = self._one(number)
        self.connections.remove(connection)
        self.may_be_unheard |= self.sim.options.link != PERFECT
        connection.socket.setsockopt(names.SOL_SOCKET, names.SO_LINGER, _RESET)
        connection.socket.close()
        self._settle()

    @rule(seconds=_PAUSES)
    def advance(self, seconds: int) -> None:
        """So many seconds of virtual time pass."""
        self.sim.sleep(seconds)

    @precondition(lambda self: not self.is_cut and any(not connection.lost for connection in self.connections))
    @rule()
    def partition(self) -> None:
        """The clients are cut off from the server."""
        self.sim.partition("client", self.served.host)
        self.is_cut = self.was_cut = True
        for connection in self.connections:
            connection.hurt = True

    @precondition(lambda self: self.is_cut)
    @rule()
    def heal(self) -> None:
        """They are not any more; what was lost meanwhile comes again."""
        self.sim.heal()
        self.is_cut = False
        self.sim.sleep(_PAUSE_MAX)

    def _may_crash(self) -> bool:
        return self.crashes and not self.is_down and isinstance(self.handler, type) and any(not connection.lost for connection in self.connections)

    @precondition(_may_crash)
    @rule()
    def crash(self) -> None:
        """The server's host loses its power: connections fall silent."""
        self.is_down = True
        for connection in self.connections:
            connection.hurt = connection.lost = True
        self.served.host.crash()

    @precondition(lambda self: self.is_down)
    @rule()
    def restart(self) -> None:
        """It is back, and the server listens where it did; connections from before are reset when they say something."""
        self.served.host.restart()
        self.is_down = False
        self.served = self.serve(self.served.address[1])
        self.sim.sleep(_PAUSE_MAX)

    def _reply(self, connection: Connection) -> bytes:
        should: Any = self.reply(connection.sent)
        if not isinstance(should, (bytes, bytearray)):
            raise UsageError(f"{type(self).__name__}.reply: expected bytes, got {should!r}")
        return bytes(should)

    # -- oracles -----------------------------------------------------------------------------------------------------------------------

    @invariant()
    def what_came_is_the_beginning_of_what_should_come(self) -> None:
        """No byte that was not asked for, none lost in between, none twice."""
        for connection in self.connections:
            should = self._reply(connection)
            came = connection.received
            assert should.startswith(came), f"connection {connection.number}: received {came!r}, which does not begin {should!r}"

    @invariant()
    def no_handler_raises(self) -> None:
        """What a handler raised is told at once; but for what clients and the network have done to its connection, which is none of its fault."""
        for error in self.sim.errors:
            raise error

    def teardown(self) -> None:
        """The end: the network heals, the server comes back, clients half-close, and take all that is left."""
        failure = sys.exception()
        try:
            if failure is None:  # else a second failure would only say the same in other words
                self._end()
        except BaseException as error:
            self.sim.__exit__(type(error), error, error.__traceback__)
            raise
        with warnings.catch_warnings():
            if self.was_cut or self.may_be_unheard:
                warnings.simplefilter("ignore", LeakWarning)
            self.sim.__exit__(type(failure) if failure is not None else None, failure, failure.__traceback__ if failure is not None else None)

    def _end(self) -> None:
        context = current_build_context()
        if context.data.frozen or self.sim._kernel is None or self.sim.errors:
            return
        if self.is_cut:
            self.heal()
        if self.is_down:
            self.restart()
        for connection in self.connections:
            if connection.sends:
                self._shut(connection)
        self.sim.sleep(_PAUSE_MAX)
        for connection in self.connections:
            self._take(connection)
        self.what_came_is_the_beginning_of_what_should_come()  # first: it says more
        for connection in self.connections:
            should = self._reply(connection)
            came = connection.received
            whole = came == should or (connection.hurt and should.startswith(came))  # it may not survive a long partition, and never a crash
            assert whole, f"connection {connection.number}: received {came!r} in all, which should be {should!r}"
            connection.socket.close()


__all__ = ["Connection", "NetworkStateMachine"]
