"""What a world hands out: servers that run in it.

Owns the public ``Served``, and what ``sim.serve`` makes of its arguments. Does not know how a world begins and ends.
"""

from __future__ import annotations

from _socket import socket as RealSocket
from typing import TYPE_CHECKING, Any, Generic, overload

from simsock.errors import UsageError
from simsock.net.addresses import AF_INET6
from simsock.patching import late
from simsock.stdlib._socketobject import socket as SimulatedSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeVar

    from simsock.kernel import Kernel
    from simsock.socketserver import ThreadingTCPServer
    from simsock.world.hosts import Host
    from simsock.world.typed import Serving

    Server = TypeVar("Server", default=Any)
    Ready = TypeVar("Ready", bound=Serving)
else:
    from typing import TypeVar

    Server = TypeVar("Server")


class Served(Generic[Server]):
    """A server that runs in a world: ``address`` to connect to, ``server`` itself, ``stop()``."""

    __slots__ = ("_runs", "_stopped", "host", "kernel", "server", "task")

    def __init__(self, kernel: Kernel, server: Any, host: Host) -> None:
        self.kernel = kernel
        self.server: Server = server
        self._runs: Any = server
        """The same, of which it is known what servers have."""
        self.host = host
        self._stopped = False
        self.task = kernel.spawn(self._runs.serve_forever, base=host.name, host=host._host, daemon=True)

    @property
    def address(self) -> Any:
        """Where it listens, as ``connect`` takes it: a wildcard is replaced by the host's own address."""
        address = self._runs.server_address
        if isinstance(address, tuple) and address[0] in ("", "0.0.0.0", "::"):
            wanted = address[0] == "::" or getattr(self._runs, "address_family", None) == AF_INET6
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
            self._runs.server_close()

    def shutdown(self) -> None:
        """The first half of ``stop``."""
        if not self.task.done:
            self._runs.shutdown()
            self.kernel.join(self.task, None)

    def __repr__(self) -> str:
        return f"<simsock.Served {type(self.server).__name__} at {self.address}>"


class Servers:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:
        _served: list[Served]

        def _running(self) -> Kernel: ...

        def _host_of(self, host: str | Host) -> Host: ...

    @overload
    def serve(self, handler_or_server: Callable[..., Ready], handler: Any, *, host: str | Host = ..., port: int = ..., **options: Any) -> Served[Ready]: ...

    @overload
    def serve(self, handler_or_server: type[Ready], *, host: str | Host = ..., port: int = ..., **options: Any) -> Served[Ready]: ...

    @overload
    def serve(
        self, handler_or_server: type[object], *, host: str | Host = ..., port: int = ..., server_class: Callable[..., Ready], **options: Any
    ) -> Served[Ready]: ...

    @overload
    def serve(
        self, handler_or_server: type[object], *, host: str | Host = ..., port: int = ..., server_class: None = ..., **options: Any
    ) -> Served[ThreadingTCPServer]: ...

    @overload
    def serve(self, handler_or_server: Ready, *, host: str | Host = ...) -> Served[Ready]: ...

    def serve(
        self,
        handler_or_server: Any,
        handler: Any = None,
        *,
        host: str | Host = "server",
        port: int = 0,
        server_class: Any = None,
        **options: Any,
    ) -> Served[Any]:
        """Run a server in a task of its own until the world ends.

        Takes a request handler class (served by ``server_class``, by default our ``ThreadingTCPServer``), a server class and its handler (or alone, if it
        is made from an address and brings its handler), or a ready server. It listens on ``port`` (0: any) of ``host``; ``options`` go to the server class.
        Raises ``UsageError`` for what is none of these, and while the host is down; what the server's constructor raises, such as ``OSError``
        (EADDRINUSE), as it is.
        """
        if server_class is None:
            server_class = late.import_module("simsock.socketserver").ThreadingTCPServer
        kernel = self._running()
        where = self._host_of(host)
        where.must_be_up("serve")
        server = make_server(handler_or_server, handler, where, port, server_class, options)
        served: Served[Any] = Served(kernel, server, where)
        self._served.append(served)
        return served


def make_server(what: Any, handler: Any, host: Host, port: int, server_class: Any, options: dict[str, Any]) -> Any:
    """A ready server from what ``sim.serve`` takes: a handler class, a server class with or without its handler, or a server."""
    if not isinstance(what, type):
        if not all(callable(getattr(what, name, None)) for name in ("serve_forever", "shutdown", "server_close")):
            raise UsageError(f"serve: expected a request handler class, a server class or a server with serve_forever(), got {what!r}")
        if handler is not None or options or port:
            raise UsageError(f"serve: {what!r} is a ready server; port, handler and further options have no meaning for it")
        if is_real(sock := getattr(what, "socket", None)):
            raise UsageError(
                f"serve: {what!r} has a real socket, {sock!r}: it was made outside this world. Make it inside (in the test, or in a fixture that "
                "asks for `sim`), or give serve the server class and its handler"
            )
        return what
    if hasattr(what, "serve_forever"):
        server_class = what
        if handler is None and not is_made_of_address(what):
            raise UsageError(f"serve: server class {what.__name__} needs its handler: sim.serve({what.__name__}, Handler)")
    else:
        handler = what
    family = getattr(server_class, "address_family", None)
    ip = next((ip for ip in host.addresses if (":" in ip) == (family == AF_INET6)), None)
    if ip is None:
        raise UsageError(f"serve: host {host.name!r} has no address for {server_class.__name__}: {', '.join(host.addresses)}")
    with host:
        try:
            return server_class((ip, port), *([handler] if handler is not None else ()), **options)
        except TypeError:
            if handler is None or takes(server_class, 2) or not is_made_of_address(server_class):
                raise
            name = server_class.__name__
    raise UsageError(f"serve: server class {name} is made from an address alone, and brings its own handler: sim.serve({name})")


def is_real(sock: object) -> bool:
    """Whether it is a real socket, and none of a world."""
    return isinstance(sock, RealSocket) and not isinstance(sock, SimulatedSocket)


def is_made_of_address(server_class: Any) -> bool:
    """Whether a server class can be made from an address alone, and needs no handler class beside it. Of one whose ``__init__`` hands on whatever it is
    given (``*args``), the class that it hands it to says so."""
    inspect = late.import_module("inspect")
    for owner in server_class.__mro__:
        init = vars(owner).get("__init__")
        if init is None or owner is object:
            continue
        try:
            passes_on = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in inspect.signature(init).parameters.values())
        except (TypeError, ValueError):
            break
        if not passes_on:
            return takes(init, 2)
    return takes(server_class, 1)


def takes(function: Any, count: int) -> bool:
    """Whether something can be called with so many arguments; True when it cannot be known."""
    try:
        late.import_module("inspect").signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True
