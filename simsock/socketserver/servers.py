"""The servers on a socket: streams and datagrams, of the internet and of Unix.

Owns how each kind of socket is made, bound, asked for requests and closed. Does not know the life of a server around that
(``base.py``), nor how requests are handled side by side (``mixins.py``).
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from simsock.socketserver.base import BaseServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.network import Network


class TCPServer(BaseServer):
    """A server on a stream socket: each request is a connection."""

    address_family: int = socket.AF_INET
    socket_type: int = socket.SOCK_STREAM

    request_queue_size: int = 5
    """The backlog that ``listen()`` is called with; the standard server's is larger from 3.15 on, this one is the same on every Python."""

    allow_reuse_address: bool = False
    """Whether ``server_bind()`` sets ``SO_REUSEADDR``."""

    allow_reuse_port: bool = False
    """Whether ``server_bind()`` sets ``SO_REUSEPORT``; only on internet sockets, since Linux refuses it on others."""

    def __init__(
        self,
        server_address: Any,
        RequestHandlerClass: Callable[[Any, Any, Any], Any],
        bind_and_activate: bool = True,
        *,
        network: Network | None = None,
    ) -> None:
        super().__init__(server_address, RequestHandlerClass, network=network)
        self.socket = self.network.socket.socket(self.address_family, self.socket_type)
        if bind_and_activate:
            try:
                self.server_bind()
                self.server_activate()
            except BaseException:
                self.server_close()
                raise

    def server_bind(self) -> None:
        """Called by the constructor to bind the socket; ``server_address`` becomes the address it got. May be overridden."""
        names = self.network.socket
        if self.allow_reuse_address and hasattr(names, "SO_REUSEADDR"):
            self.socket.setsockopt(names.SOL_SOCKET, names.SO_REUSEADDR, 1)
        if self.allow_reuse_port and hasattr(names, "SO_REUSEPORT") and self.address_family in (names.AF_INET, names.AF_INET6):
            self.socket.setsockopt(names.SOL_SOCKET, names.SO_REUSEPORT, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def server_activate(self) -> None:
        """Called by the constructor to listen. May be overridden."""
        self.socket.listen(self.request_queue_size)

    def server_close(self) -> None:
        """Close the listening socket. May be extended."""
        self.socket.close()

    def fileno(self) -> int:
        """The descriptor of the listening socket."""
        return self.socket.fileno()  # type: ignore[no-any-return]  # a socket of whichever network

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection: ``(socket, address)``. May be overridden."""
        return self.socket.accept()  # type: ignore[no-any-return]  # a socket of whichever network

    def shutdown_request(self, request: Any) -> None:
        """Say to the peer that nothing more comes, then close."""
        try:
            # By name and not only by closing: another process or a dup() may hold the same connection, and the peer's end of file
            # should not wait for that.
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the peer was faster, or the handler closed it
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Close the connection."""
        request.close()


class UDPServer(TCPServer):
    """A server on a datagram socket: each request is ``(data, socket)``, the datagram and the server's own socket to answer with."""

    socket_type: int = socket.SOCK_DGRAM

    max_packet_size: int = 8192
    """How many bytes of a datagram are read; the rest is lost."""

    def server_activate(self) -> None:
        """Nothing: datagram sockets do not listen."""

    def get_request(self) -> tuple[Any, Any]:
        """Receive a datagram: ``((data, socket), address)``."""
        data, client_address = self.socket.recvfrom(self.max_packet_size)
        return (data, self.socket), client_address

    def shutdown_request(self, request: Any) -> None:
        """Nothing to shut down, the socket being the server's."""
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Nothing to close, the socket being the server's."""


if hasattr(socket, "AF_UNIX"):

    class UnixStreamServer(TCPServer):
        """A server on a Unix stream socket; its address is a path. The path's file is left for the program to remove."""

        address_family: int = socket.AF_UNIX

    class UnixDatagramServer(UDPServer):
        """A server on a Unix datagram socket; its address is a path. Clients get a reply if they have bound their own socket."""

        address_family: int = socket.AF_UNIX
