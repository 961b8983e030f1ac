"""Clients of a world: sockets that a test connects by a line, blocking ones and trio's, and the canned server that a client is tested with.

PYTEST_DONT_REWRITE

Owns ``connect``, ``aconnect``, ``datagram`` and ``stub``, and from which host one goes to which address. Does not know how a connection comes about.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported, UsageError
from simsock.net.addresses import AF_INET6
from simsock.net.fabric import fabric_of
from simsock.patching import late
from simsock.world.hosts import Host
from simsock.world.servers import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket
    from ssl import SSLContext

    from trio import SocketStream

    from simsock.kernel import Kernel
    from simsock.network import SimulatedNetwork
    from simsock.stubs import Stub
    from simsock.stubs.answers import Said, Says
    from simsock.world.options import Options
    from simsock.world.typed import Address, Reachable


class Connecting:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:
        network: SimulatedNetwork
        options: Options
        _sockets: list[Any]

        serve: Callable[..., Served]

        def _running(self) -> Kernel: ...

        def _host_of(self, host: str | Host) -> Host: ...

    def connect(self, served_or_address: Reachable, *, host: str | Host | None = None, timeout: float | None = None) -> socket:
        """A stream socket of ``host``, connected to a ``Served``, to any server with a ``server_address``, or to an address. Closed with the world
        if not before. Without ``host`` it is the host ``client``'s; but 127.0.0.1 and wildcards are each host's own: an address of that kind
        means the one other host that listens there, at an address that others reach, or from that host itself if it listens for itself only.
        ``timeout``: virtual seconds, for the connection and then for each call, as of ``socket.create_connection``; None: without limit.
        Raises ``UsageError`` for what is no address, and what the connection fails with, such as ``ConnectionRefusedError`` or ``TimeoutError``.
        """
        where, address = self._way_to(self._address(served_or_address), host)
        where.must_be_up("connect")
        with where:
            sock: socket = self.network.socket.create_connection(address[:2], timeout)
        self._sockets.append(sock)
        return sock

    async def aconnect(self, served_or_address: Reachable, *, host: str | Host | None = None) -> SocketStream:
        """``connect`` for async tests on trio: a ``trio.SocketStream``, while whose connection is made the other tasks go on. Closed with the world if not
        before. Its limit of time is trio's: ``with trio.fail_after(5):``. Raises what ``connect`` raises.
        """
        trio: Any = sys.modules.get("trio")
        if trio is None or not trio.lowlevel.in_trio_run():
            raise UsageError(
                "aconnect: there is no trio.run around it, and it returns a stream of trio's; under asyncio: "
                "reader, writer = await asyncio.open_connection(sock=sim.connect(served))"
            )
        if not self.options.patch:
            raise Unsupported("aconnect in a world with patch=False: trio would wait for real sockets")
        where, address = self._way_to(self._address(served_or_address), host)
        where.must_be_up("connect")
        names: Any = self.network.socket
        with where:
            found = names.getaddrinfo(*address[:2], 0, names.SOCK_STREAM)
        raised: OSError | None = None
        for family, kind, protocol, _, target in found:
            with where:
                sock: Any = sys.modules["socket"].socket(family, kind, protocol)  # the class that trio knows
            self._sockets.append(sock)
            stream = trio.socket.from_stdlib_socket(sock)
            try:
                await stream.connect(target)
            except OSError as error:
                stream.close()
                raised = error
            except BaseException:
                stream.close()
                raise
            else:
                return trio.SocketStream(stream)  # type: ignore[no-any-return]  # of a module that is there by now
        raise raised or OSError(f"getaddrinfo knows no address of {address[0]!r}")

    def datagram(self, *, host: str | Host = "client", address: Address | None = None) -> socket:
        """A datagram socket of ``host``, bound to ``address`` or to the host's first one and any port. Closed with the world if not before.

        Raises ``UsageError`` for what is no address, ``OSError`` as ``bind`` does.
        """
        where = self._host_of(host)
        where.must_be_up("datagram")
        sockets: Any = self.network.socket
        target = address if address is not None else (where.addresses[0], 0)
        if not isinstance(target, tuple) or len(target) < 2:
            raise UsageError(f"datagram: expected an address (host, port), got {target!r}")
        with where:
            sock: socket = sockets.world_class()(AF_INET6 if ":" in str(target[0]) else sockets.AF_INET, sockets.SOCK_DGRAM)
            sock.bind(target)
        self._sockets.append(sock)
        return sock

    def stub(
        self,
        *,
        lines: Mapping[Any, Said] | None = None,
        routes: Mapping[str, Said] | None = None,
        data: Said | None = None,
        otherwise: Said | None = None,
        greeting: Says | None = None,
        host: str | Host = "server",
        port: int = 0,
        tls: SSLContext | None = None,
    ) -> Stub:
        """Run a canned server, for tests of clients: request lines (``lines``) or methods and paths of HTTP (``routes``) with what is said to each, or what
        every connection is told (``data``); ``otherwise`` is the answer to all others, ``greeting`` what is said first. What an answer may be, and more:
        ``simsock.stubs`` and docs/stubs.md. On the host ``localhost`` it listens at 127.0.0.1, elsewhere at the host's first address.
        Raises ``UsageError`` for answers that make no sense, ``Unsupported`` for ``tls`` in a world with ``patch=False``.
        """
        if tls is not None and not self.options.patch:
            raise Unsupported("stub: tls in a world with patch=False, which has no TLS")
        begin: Callable[..., Stub] = late.import_module("simsock.stubs").begin_stub
        return begin(self.serve, host, port, tls, (lines, routes, data, otherwise, greeting))

    def _way_to(self, address: Any, host: str | Host | None) -> tuple[Host, Any]:
        """From which host ``connect`` goes to which address."""
        where = self._host_of(host if host is not None else "client")
        if host is None:
            fabric = fabric_of(self._running())
            own = fabric.host(where.name)
            found = fabric.listening_elsewhere(own, str(address[0]), address[1]) if isinstance(address[1], int) else None
            if found is not None:
                there, ip = found
                return (where, (ip, *address[1:])) if ip else (self._host_of(there.name), address)
        return where, address

    @staticmethod
    def _address(served_or_address: Any) -> Any:
        address = served_or_address.address if isinstance(served_or_address, Served) else getattr(served_or_address, "server_address", served_or_address)
        if not isinstance(address, tuple) or len(address) < 2:
            raise UsageError(f"connect: expected a served server or an address (host, port), got {served_or_address!r}")
        return address
