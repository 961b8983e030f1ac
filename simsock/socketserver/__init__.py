"""Servers by the names of the standard ``socketserver``, on any network.

Owns the public face of the framework and its ready-made combinations; the parts are the modules beside this one. Every public name of the
standard module is here with its signature; servers take a further keyword ``network``, None for the one in force where they are made.

    >>> class Upper(StreamRequestHandler):
    ...     def handle(self):
    ...         self.wfile.write(self.rfile.readline().upper())
    >>> with ThreadingTCPServer(("127.0.0.1", 0), Upper) as server:
    ...     server.server_address[0]
    '127.0.0.1'

Where it is better than the standard module, on purpose:

* ``shutdown()`` ends the loop at once, and where it would have to wait for ever it raises ``RuntimeError`` (see its docstring);
* the loop sleeps until there is something to do, unless ``service_actions`` is overridden;
* an ``Exception`` of ``verify_request`` is an error of that request and not the end of the server;
* a request is shut down also when ``handle_error`` raises;
* a peer that is gone when a handler's buffered ``wfile`` is flushed is no error of the handler, as was meant;
* threads that have ended are forgotten at once, at a cost that does not depend on how many there are; a thread that closes its own
  server waits for the others and not for itself;
* ``error_hooks`` let a test learn of the errors that would otherwise only be printed.

What the standard module does not have: ``ThreadPoolMixIn``, a limited number of threads; ``SelectorMixIn``, many connections in one thread,
with ``SelectorRequestHandler``, whose ``handle()`` is a generator.
"""

from __future__ import annotations

import os
import socket

from simsock.network import error_hooks
from simsock.socketserver.base import BaseServer
from simsock.socketserver.handlers import BaseRequestHandler, DatagramRequestHandler, StreamRequestHandler
from simsock.socketserver.mixins import ThreadingMixIn
from simsock.socketserver.pools import ThreadPoolMixIn
from simsock.socketserver.selecting import SelectorMixIn
from simsock.socketserver.servers import TCPServer, UDPServer
from simsock.socketserver.waits import SelectorRequestHandler

SIMSOCK_ROOM = "outside"

__all__ = [
    "BaseRequestHandler",
    "BaseServer",
    "DatagramRequestHandler",
    "SelectorMixIn",
    "SelectorRequestHandler",
    "SelectorTCPServer",
    "StreamRequestHandler",
    "TCPServer",
    "ThreadPoolMixIn",
    "ThreadPoolTCPServer",
    "ThreadPoolUDPServer",
    "ThreadingMixIn",
    "ThreadingTCPServer",
    "ThreadingUDPServer",
    "UDPServer",
    "error_hooks",
]


class ThreadingTCPServer(ThreadingMixIn, TCPServer):
    """A TCP server with a thread for each connection."""


class ThreadingUDPServer(ThreadingMixIn, UDPServer):
    """A UDP server with a thread for each datagram."""


class ThreadPoolTCPServer(ThreadPoolMixIn, TCPServer):
    """A TCP server with at most ``max_workers`` threads; while all are busy, clients wait to be accepted."""


class ThreadPoolUDPServer(ThreadPoolMixIn, UDPServer):
    """A UDP server with at most ``max_workers`` threads; while all are busy, datagrams wait in the socket's buffer, or are lost."""


class SelectorTCPServer(SelectorMixIn, TCPServer):
    """A TCP server that handles all its connections in one thread. There is none for UDP: a datagram is never partly finished."""


if hasattr(os, "fork"):
    from simsock.socketserver.mixins import ForkingMixIn

    __all__ += ["ForkingMixIn", "ForkingTCPServer", "ForkingUDPServer"]

    class ForkingTCPServer(ForkingMixIn, TCPServer):
        """A TCP server with a process for each connection."""

    class ForkingUDPServer(ForkingMixIn, UDPServer):
        """A UDP server with a process for each datagram."""


if hasattr(socket, "AF_UNIX"):
    from simsock.socketserver.servers import UnixDatagramServer, UnixStreamServer

    __all__ += ["ThreadingUnixDatagramServer", "ThreadingUnixStreamServer", "UnixDatagramServer", "UnixStreamServer"]
    __all__ += ["SelectorUnixStreamServer", "ThreadPoolUnixDatagramServer", "ThreadPoolUnixStreamServer"]

    class ThreadingUnixStreamServer(ThreadingMixIn, UnixStreamServer):
        """A Unix stream server with a thread for each connection."""

    class ThreadingUnixDatagramServer(ThreadingMixIn, UnixDatagramServer):
        """A Unix datagram server with a thread for each datagram."""

    class ThreadPoolUnixStreamServer(ThreadPoolMixIn, UnixStreamServer):
        """A Unix stream server with at most ``max_workers`` threads."""

    class ThreadPoolUnixDatagramServer(ThreadPoolMixIn, UnixDatagramServer):
        """A Unix datagram server with at most ``max_workers`` threads."""

    class SelectorUnixStreamServer(SelectorMixIn, UnixStreamServer):
        """A Unix stream server that handles all its connections in one thread."""

    if hasattr(os, "fork"):
        __all__ += ["ForkingUnixDatagramServer", "ForkingUnixStreamServer"]

        class ForkingUnixStreamServer(ForkingMixIn, UnixStreamServer):
            """A Unix stream server with a process for each connection."""

        class ForkingUnixDatagramServer(ForkingMixIn, UnixDatagramServer):
            """A Unix datagram server with a process for each datagram."""
