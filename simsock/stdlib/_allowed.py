"""Sockets that talk to a real peer: ``allow="127.0.0.1:5432"``.

PYTEST_DONT_REWRITE

Owns what a simulated stream socket becomes when it connects to an address that the world lets through: a real one, in place; and the class of those that take
over such a socket's descriptor, as ``ssl.SSLSocket`` does. Does not know what peers a world allows, nor who asks. Laws: what it does is outside time,
and the world stands still while it waits; nothing that it sends or receives is recorded, so no run with one can be repeated for certain, and the world
knows that it had one.
"""

from __future__ import annotations

import _socket
import socket as _real
import weakref
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.stdlib._closing import close_descriptor
from simsock.stdlib._room import Room
from simsock.stdlib._socketbase import SocketBase

_OF_PYTHON = tuple("makefile sendfile close detach __enter__ __exit__ _decref_socketios _sendfile_use_sendfile _sendfile_use_send get_inheritable".split())
"""Methods that the standard class has in Python, over those in C; taken before any world."""
_begin: Any = vars(_real.socket)["__init__"]


class Allowed(SocketBase):
    """A real socket. It began as a simulated one, whose object it is."""

    __slots__ = ()

    def __init__(self, family: int, type: int, proto: int, fileno: int) -> None:
        self._kernel = kernel = session.kernel()
        self._sim_family, self._sim_type, self._sim_proto = int(family), int(type), int(proto)
        _begin(self, family, type, proto, fileno)
        kernel.room(Room).real_sockets[fileno] = weakref.ref(self)

    def _real_close(self, _close: Any = _socket.socket.close) -> None:
        _close(self)

    @property
    def family(self) -> Any:
        """The address family."""
        return _real.AddressFamily(self._sim_family)

    @property
    def type(self) -> Any:
        """The socket type."""
        return _real.SocketKind(self._sim_type)

    def __repr__(self) -> str:
        return f"<real socket fd={self.fileno()}, allowed in this world>"


for _name, _method in vars(_socket.socket).items():
    if not _name.startswith("_") and _name not in (*_OF_PYTHON, "family", "type"):
        setattr(Allowed, _name, _method)
for _name in _OF_PYTHON:
    if _name in vars(_real.socket):
        setattr(Allowed, _name, vars(_real.socket)[_name])


def connect_for_real(sock: Any, target: tuple[str, int], what: str) -> int:
    """Make a simulated stream socket a real one and connect it, by the method ``what``: 0, what ``connect_ex`` gives, or the system's error."""
    kernel = sock._kernel
    room = kernel.room(Room)
    ip, port = target
    shown = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
    if type(sock).__name__ != "socket" or not type(sock).__module__.startswith(("socket", "simsock.")):
        raise Unsupported(f"allow: a socket of class {type(sock).__qualname__} to the real peer {shown}: only socket.socket itself can become a real one")
    kernel.log.append((kernel.now, kernel.current.path, "real peer", shown))
    if shown not in room.real_peers:
        room.real_peers.append(shown)
    timeout, fd = sock.gettimeout(), sock._fd
    close_descriptor(kernel, fd)
    sock.__class__ = Allowed
    init: Any = _socket.socket.__init__
    init(sock, sock._sim_family, sock._sim_type, sock._sim_proto)
    sock.settimeout(timeout)
    room.real_sockets[sock.fileno()] = weakref.ref(sock)
    room.peers_by_number[fd] = room.peers_by_number[sock.fileno()] = shown
    if what == "connect_ex":
        return int(sock.connect_ex((ip, port)))
    sock.connect((ip, port))
    return 0


def is_behind(kernel: Any, fd: Any) -> bool:
    """Whether a descriptor is that of a socket that talks to a real peer of this world."""
    found = kernel.room(Room).real_sockets.get(fd) if type(fd) is int else None
    sock = found() if found is not None else None
    return sock is not None and sock.fileno() == fd


_over: dict[type, type] = {}


def over_a_real_one(own: type) -> type:
    """A subclass of a program's class of sockets, such as ``ssl.SSLSocket``, whose instances are real ones: they take over the descriptor of one that is."""
    found = _over.get(own)
    if found is None:
        found = _over[own] = type(own)(own.__name__, (own, Allowed), {"__module__": own.__module__, "__qualname__": own.__qualname__})
    return found


def note_for(error: BaseException, peers: list[str]) -> None:
    """Say on a failure that the run had real peers."""
    error.add_note(f"this run talked to {', '.join(peers)} for real (allow=), outside the world's time: no token repeats it for certain")


__all__ = ["Allowed", "connect_for_real", "is_behind", "note_for", "over_a_real_one"]
