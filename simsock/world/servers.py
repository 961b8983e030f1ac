"""What a world hands out: servers that run in it.

Owns the public ``Served``, and what ``sim.serve`` makes of its arguments. Does not know how a world begins and ends.
"""

from __future__ import annotations

from _socket import socket as RealSocket
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.net.addresses import AF_INET6
from simsock.stdlib._socketobject import socket as SimulatedSocket

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.world.hosts import Host


class Served:
    """A server that runs in a world: ``address`` to connect to, ``server`` itself, ``stop()``."""

    __slots__ = ("_stopped", "host", "kernel", "server", "task")

    def __init__(self, kernel: Kernel, server: Any, host: Host) -> None:
        self.kernel = kernel
        self.server = server
        self.host = host
        self._stopped = False
        self.task = kernel.spawn(server.serve_forever, base=host.name, host=host._host, daemon=True)

    @property
    def address(self) -> Any:
        """Where it listens, as ``connect`` takes it: a wildcard is replaced by the host's own address."""
        address = self.server.server_address
        if isinstance(address, tuple) and address[0] in ("", "0.0.0.0", "::"):
            wanted = address[0] == "::" or getattr(self.server, "address_family", None) == AF_INET6
            own = next((ip for ip in self.host.addresses if (":" in ip) == wanted), self.host.addresses[0])
            return (own, *address[1:])
        return address

    def stop(self) -> None:
        """Shut the server down, wait for its loop, and close it (which waits for its threads as ``block_on_close`` says)."""
        if self._stopped:
            return
        self._stopped = True
        self.shutdown()
        with self.host:
            self.server.server_close()

    def shutdown(self) -> None:
        """The first half of ``stop``."""
        if not self.task.done:
            self.server.shutdown()
            self.kernel.join(self.task, None)

    def __repr__(self) -> str:
        return f"<simsock.Served {type(self.server).__name__} at {self.address}>"


def make_server(what: Any, handler: Any, host: Host, port: int, server_class: Any, options: dict[str, Any]) -> Any:
    """A ready server from what ``sim.serve`` takes: a handler class, a server class with its handler, or a server."""
    if not isinstance(what, type):
        if not all(callable(getattr(what, name, None)) for name in ("serve_forever", "shutdown", "server_close")):
            raise UsageError(f"serve: expected a request handler class, a server class or a server with serve_forever(), got {what!r}")
        if handler is not None or options or port:
            raise UsageError(f"serve: {what!r} is a ready server; port, handler and further options have no meaning for it")
        sock = getattr(what, "socket", None)
        if isinstance(sock, RealSocket) and not isinstance(sock, SimulatedSocket):
            raise UsageError(
                f"serve: {what!r} has a real socket, {sock!r}: it was made outside this world. Make it inside (in the test, or in a fixture that "
                "asks for `sim`), or give serve the server class and its handler"
            )
        return what
    if hasattr(what, "serve_forever"):
        if handler is None:
            raise UsageError(f"serve: server class {what.__name__} needs its handler: sim.serve({what.__name__}, Handler)")
        server_class = what
    else:
        handler = what
    family = getattr(server_class, "address_family", None)
    ip = next((ip for ip in host.addresses if (":" in ip) == (family == AF_INET6)), None)
    if ip is None:
        raise UsageError(f"serve: host {host.name!r} has no address for {server_class.__name__}: {', '.join(host.addresses)}")
    with host:
        return server_class((ip, port), handler, **options)
