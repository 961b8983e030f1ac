"""One face for tests that run on the real network and in a world alike.

Owns the two testbeds: servers to talk to, sockets to talk with, threads, and what was raised in any of them. Does not know pytest.
Laws of the file:

* a test that uses a testbed only through this face passes on both, or has found a difference;
* what a handler or a spawned function raises is raised at the end, unless the test expected it;
* a testbed closes what it made, also when the test failed.
"""

from __future__ import annotations

import socket as standard
from typing import TYPE_CHECKING, Any, Protocol

from simsock.network import Network, RealNetwork, use
from simsock.socketserver import BaseServer, ThreadingTCPServer, error_hooks
from simsock.stubs import Stub, begin_stub
from simsock.world.expecting import Expectation, note, raise_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket
    from ssl import SSLContext
    from types import TracebackType
    from typing import Self

    from trio import SocketStream

    from simsock.stubs.answers import Said, Says
    from simsock.world.simulation import Simulation

_PATIENCE = 10.0
"""Seconds of real time that a real testbed waits for an error that is expected, and at its end for a thread."""

_LOOPBACK = {standard.AF_INET: "127.0.0.1", standard.AF_INET6: "::1"}


class Served(Protocol):
    """A server that is being served."""

    @property
    def address(self) -> Any:
        """Where it can be reached, as ``connect()`` takes it."""

    @property
    def server(self) -> Any:
        """The server."""

    def stop(self) -> None:
        """Shut it down, wait for its thread, close it. Again: nothing."""


class Testbed(Protocol):
    """What both testbeds can do; ``Simulation`` says more about each."""

    @property
    def kind(self) -> str:
        """``"real"`` or ``"sim"``."""

    @property
    def network(self) -> Network:
        """The network, for everything else."""

    @property
    def errors(self) -> list[BaseException]:
        """What handlers and spawned functions raised and nobody expected."""

    def serve(self, handler_or_server: Any, handler: Any = None, *, port: int = 0, server_class: Any = None, **options: Any) -> Served:
        """Run a server until the end of the test: a handler class, a server class and its handler, or a ready server."""

    def stub(
        self,
        *,
        lines: Mapping[Any, Said] | None = None,
        routes: Mapping[str, Said] | None = None,
        data: Said | None = None,
        otherwise: Said | None = None,
        greeting: Says | None = None,
        port: int = 0,
        tls: SSLContext | None = None,
    ) -> Stub:
        """A canned server."""

    def connect(self, served_or_address: Any, *, timeout: float | None = None) -> socket:
        """A stream socket connected to a server."""

    async def aconnect(self, served_or_address: Any) -> SocketStream:
        """A stream of trio's connected to a server."""
        raise NotImplementedError

    def datagram(self, *, address: Any = None) -> socket:
        """A bound datagram socket."""

    def spawn(self, fn: Callable[..., Any], *args: Any, name: str | None = None) -> Any:
        """Run a function in a thread; the result has ``.result(timeout=None)`` and ``.done``."""

    def expect_errors(self, *types: type[BaseException], match: str | None = None) -> Expectation:
        """Take errors of handlers and spawned functions; at least one must come."""


class RealTask:
    """A function running in a real thread, with the face of a world's task."""

    def __init__(self, bed: RealTestbed, fn: Callable[..., Any], args: tuple[Any, ...], name: str | None) -> None:
        self._bed = bed
        self._fn = fn
        self._args = args
        self._value: Any = None
        self._error: BaseException | None = None
        self.thread = bed.network.threading.Thread(target=self._run, name=name or getattr(fn, "__name__", None), daemon=True)

    def _run(self) -> None:
        try:
            self._value = self._fn(*self._args)
        except BaseException as error:
            self._error = error
            self._bed._note(error)

    @property
    def done(self) -> bool:
        """Whether the function has ended."""
        return not self.thread.is_alive()

    def result(self, timeout: float | None = None) -> Any:
        """What the function returned; what it raised is raised here, and then no more at the end. ``TimeoutError`` when it takes too long."""
        self.thread.join(timeout)
        if self.thread.is_alive():
            raise TimeoutError(f"{self.thread.name} is still running after {timeout} s")
        if self._error is not None:
            self._bed._forget(self._error)
            raise self._error
        return self._value


class RealServed:
    """A server served on the real network: ``address`` to connect to, ``server`` itself, ``stop()``."""

    def __init__(self, bed: RealTestbed, server: Any) -> None:
        self.server = server
        self._stopped = False
        self._task = bed.spawn(server.serve_forever, name=f"{type(server).__name__} serving")

    @property
    def address(self) -> Any:
        """Where it listens, as ``connect`` takes it: a wildcard is replaced by loopback."""
        address = self.server.server_address
        if isinstance(address, tuple) and address[0] in ("", "0.0.0.0", "::"):
            return (_LOOPBACK[self.server.address_family], *address[1:])
        return address

    def stop(self) -> None:
        """Shut the server down, wait for its thread, close it. Again: nothing."""
        if not self._stopped:
            self._stopped = True
            try:
                if not self._task.done:
                    self._shutdown()
            finally:
                self.server.server_close()

    def _shutdown(self) -> None:
        try:
            self.server.shutdown()
        except RuntimeError:
            if not self._task.done:  # else it failed before it served, which is what there is to tell
                raise
        self._task.thread.join()


class RealTestbed:
    """Loopback: real sockets on 127.0.0.1 (or ::1, by the server's ``address_family``) with ports that the system picks, real threads.

    A context manager. The ``host`` that some calls take names a host of a world; here every host is this machine.

    >>> from simsock.socketserver import StreamRequestHandler
    >>> class Upper(StreamRequestHandler):
    ...     def handle(self):
    ...         self.wfile.write(self.rfile.readline().upper())
    >>> with RealTestbed() as bed:
    ...     client = bed.connect(bed.serve(Upper))
    ...     client.sendall(b"hello\\n")
    ...     client.recv(100)
    b'HELLO\\n'
    """

    kind = "real"

    def __init__(self) -> None:
        self.network = RealNetwork()
        self._in_force = use(self.network)
        self._raised: list[BaseException] = []
        self._more = self.network.threading.Condition()  # notified when something is raised
        self._expectations: list[Expectation] = []
        self._served: list[RealServed] = []
        self._tasks: list[RealTask] = []
        self._sockets: list[Any] = []

    def __enter__(self) -> Self:
        error_hooks.append(self._handler_failed)
        self._in_force.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._wind_down()
            if error is None:
                for expectation in self._expectations:
                    expectation.check()
        finally:
            self._in_force.__exit__(None, None, None)
            error_hooks.remove(self._handler_failed)
        raised = [(None, other) for other in self.errors]
        if error is not None:
            note(error, raised)
        else:
            raise_errors(raised)

    def _wind_down(self) -> None:
        # Clients before servers: a handler that waits for one then comes to its end, and with it the loop or the server that waits for
        # the handler.
        for sock in self._sockets:
            sock.close()
        for served in self._served:
            served.stop()
        for task in self._tasks:
            task.thread.join(_PATIENCE)
            if not task.done:
                self._note(TimeoutError(f"{task.thread.name} is still running {_PATIENCE} s after the end of the test"))

    # -- errors ----------------------------------------------------------------------------------------------------------------------

    @property
    def errors(self) -> list[BaseException]:
        """What handlers and spawned functions raised so far and nobody expected, in order."""
        return [error for error in tuple(self._raised) if not any(expectation.take(error) for expectation in self._expectations)]

    def expect_errors(self, *types: type[BaseException], match: str | None = None) -> Expectation:
        """Take errors of handlers and spawned functions that are of one of ``types`` (any, without) and whose text matches.

        A plain call holds until the end; as a context manager it holds for the block. Either way at least one such error must come.
        """
        expectation = Expectation(self, types, match)
        self._expectations.append(expectation)
        return expectation

    def settle(self) -> None:
        """Wait until every error that is expected has come, or some seconds have passed: real threads say no other way that they are idle."""

        def come() -> bool:
            for error in self._raised:
                for expectation in self._expectations:
                    expectation.take(error)
            return all(expectation.errors for expectation in self._expectations)

        with self._more:
            self._more.wait_for(come, _PATIENCE)

    def _note(self, error: BaseException) -> None:
        with self._more:
            self._raised.append(error)
            self._more.notify_all()

    def _forget(self, error: BaseException) -> None:
        with self._more:
            self._raised[:] = [other for other in self._raised if other is not error]

    def _handler_failed(self, server: BaseServer, request: Any, client_address: Any, error: Exception) -> bool:
        mine = server.network is self.network
        if mine:
            self._note(error)
        return mine

    # -- servers and clients ---------------------------------------------------------------------------------------------------------

    def serve(
        self, handler_or_server: Any, handler: Any = None, *, host: str = "server", port: int = 0, server_class: Any = None, **options: Any
    ) -> RealServed:
        """Run a server in a thread of its own until the end.

        Takes a request handler class (served by ``server_class``, by default our ``ThreadingTCPServer``), a server class and its handler,
        or a ready server. ``options`` go to the server class.
        """
        server = handler_or_server
        if isinstance(handler_or_server, type):
            if hasattr(handler_or_server, "serve_forever"):
                server_class = handler_or_server
            else:
                handler = handler_or_server
            server_class = server_class or ThreadingTCPServer
            if issubclass(server_class, BaseServer):
                options.setdefault("network", self.network)
            server = server_class((_LOOPBACK[server_class.address_family], port), handler, **options)
        served = RealServed(self, server)
        self._served.append(served)
        return served

    def stub(
        self,
        *,
        lines: Mapping[Any, Said] | None = None,
        routes: Mapping[str, Said] | None = None,
        data: Said | None = None,
        otherwise: Said | None = None,
        greeting: Says | None = None,
        host: str = "server",
        port: int = 0,
        tls: SSLContext | None = None,
    ) -> Stub:
        """Run a canned server in threads until the end: as ``Simulation.stub``, on this machine."""
        return begin_stub(self.serve, "localhost", port, tls, (lines, routes, data, otherwise, greeting))

    def connect(self, served_or_address: Any, *, host: str = "client", timeout: float | None = None) -> socket:
        """A stream socket connected to a server; closed at the end."""
        sock: socket = self.network.socket.create_connection(getattr(served_or_address, "address", served_or_address)[:2], timeout)
        self._sockets.append(sock)
        return sock

    async def aconnect(self, served_or_address: Any, *, host: str = "client") -> SocketStream:
        """A stream of trio's connected to a server; closed with its test, by trio."""
        import trio

        address = getattr(served_or_address, "address", served_or_address)
        return await trio.open_tcp_stream(*address[:2])

    def datagram(self, *, host: str = "client", address: Any = None) -> socket:
        """A datagram socket bound to ``address``, or to 127.0.0.1 and a port that the system picks; closed at the end."""
        names = self.network.socket
        target = address or (_LOOPBACK[names.AF_INET], 0)
        sock: socket = names.socket(names.AF_INET6 if ":" in target[0] else names.AF_INET, names.SOCK_DGRAM)
        self._sockets.append(sock)
        sock.bind(target)
        return sock

    def spawn(self, fn: Callable[..., Any], *args: Any, name: str | None = None, host: str | None = None) -> RealTask:
        """Run a function in a thread: ``.result(timeout=None)``, ``.done``. What it raises fails the test unless it is asked for."""
        task = RealTask(self, fn, args, name)
        self._tasks.append(task)
        task.thread.start()
        return task


class SimTestbed:
    """A world with the face of a testbed. Its beginning and end are the world's."""

    kind = "sim"

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.network: Network = sim.network
        self.serve: Any = sim.serve
        self.stub: Any = sim.stub
        self.connect: Any = sim.connect
        self.aconnect: Any = sim.aconnect
        self.datagram: Any = sim.datagram
        self.spawn: Any = sim.spawn
        self.expect_errors = sim.expect_errors

    @property
    def errors(self) -> list[BaseException]:
        """What tasks and handlers have raised, and no ``expect_errors`` has taken."""
        return self.sim.errors
