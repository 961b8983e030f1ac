"""Stand-in for ``socket``: the standard names over the world's net.

PYTEST_DONT_REWRITE

Owns the module's names: constants of the real module, the resolver, functions that make sockets. The object itself is in
``_socketobject.py``. Law: what is not simulated is an error that names it (``docs/fidelity.md`` lists the differences from Linux).
"""

from __future__ import annotations

import errno
import socket as _real
from array import array
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.net.addresses import AF_INET as _AF_INET
from simsock.net.addresses import AF_INET6 as _AF_INET6
from simsock.net.addresses import AF_UNIX as _AF_UNIX
from simsock.net.sockets import os_error
from simsock.stdlib._buffers import c_int
from simsock.stdlib._closing import close_descriptor
from simsock.stdlib._errors import UnsupportedName
from simsock.stdlib._names import (
    current_host,
    fabric,
    getaddrinfo,
    getfqdn,
    gethostbyaddr,
    gethostbyname,
    gethostbyname_ex,
    gethostname,
    getnameinfo,
)
from simsock.stdlib._room import Room, meet
from simsock.stdlib._services import getprotobyname, getservbyname, getservbyport, if_indextoname, if_nameindex, if_nametoindex
from simsock.stdlib._socketobject import getdefaulttimeout, setdefaulttimeout, socket

_PURE = (
    "AddressFamily AddressInfo EAI_AGAIN MsgFlag SocketIO SocketKind error gaierror herror htonl htons inet_aton inet_ntoa inet_ntop inet_pton "
    "ntohl ntohs timeout has_ipv6 EBADF EAGAIN EWOULDBLOCK CMSG_LEN CMSG_SPACE"
).split()
for _name in dir(_real):
    if _name.isupper() or _name.startswith(("AF_", "SOCK_", "SO_", "IP", "TCP_", "MSG_", "AI_", "NI_", "EAI_")) or _name in _PURE:
        globals()[_name] = getattr(_real, _name)
del _name
SocketIO = _real.SocketIO
error = OSError
timeout = TimeoutError
gaierror, herror = _real.gaierror, _real.herror

__all__ = [  # noqa: PLE0604  # constants are added from the real module
    "create_connection",
    "create_server",
    "dup",
    "fromfd",
    "getaddrinfo",
    "getdefaulttimeout",
    "getfqdn",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostname",
    "getnameinfo",
    "getprotobyname",
    "getservbyname",
    "getservbyport",
    "has_dualstack_ipv6",
    "if_indextoname",
    "if_nameindex",
    "if_nametoindex",
    "setdefaulttimeout",
    "sethostname",
    "socket",
    "socketpair",
    *[name for name in _real.__all__ if name in globals()],
]


def __getattr__(name: str) -> Any:
    if hasattr(_real, name) and not name.startswith("_"):
        raise UnsupportedName(f"socket.{name} is not simulated yet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


SocketType = socket


def world_class() -> type[socket]:
    """The class of sockets that are made for the program: in a patched world what ``socket.socket`` is there, which programs may ask for."""
    return session.kernel().room(Room).socket_class or socket


def socketpair(family: int | None = None, type: int = _real.SOCK_STREAM, proto: int = 0) -> tuple[socket, socket]:
    """Two connected sockets."""
    kernel = session.kernel()
    kernel.point()
    if family in (_AF_INET, _AF_INET6):
        raise os_error(errno.EOPNOTSUPP)
    if family not in (None, _AF_UNIX):
        raise Unsupported(f"socketpair: family {family!r} is not simulated; AF_UNIX is")
    if proto not in (0, _AF_UNIX):
        raise os_error(errno.EPROTONOSUPPORT)
    kind = int(type) & 0xF
    if kind not in (_real.SOCK_STREAM, _real.SOCK_DGRAM, _real.SOCK_SEQPACKET):
        raise Unsupported(f"socketpair: type {type!r} is not simulated; SOCK_STREAM, SOCK_DGRAM and SOCK_SEQPACKET are")
    one, other = map(world_class()._wrap, fabric().pair(current_host(), kind))
    for end in (one, other):
        end._sim_proto = proto
        if int(type) & _real.SOCK_NONBLOCK:
            end.setblocking(False)
    return one, other


def create_connection(address: Any, timeout: Any = _real._GLOBAL_DEFAULT_TIMEOUT, source_address: Any = None, *, all_errors: bool = False) -> socket:  # type: ignore[attr-defined]
    """Connect to the first address of a name that answers; ``ExceptionGroup`` of all errors with ``all_errors``."""
    host, port = address
    errors: list[OSError] = []
    for family, kind, proto, _, target in getaddrinfo(host, port, 0, _real.SOCK_STREAM):
        sock = None
        try:
            sock = world_class()(family, kind, proto)
            if timeout is not _real._GLOBAL_DEFAULT_TIMEOUT:  # type: ignore[attr-defined]  # the standard marker, which callers pass on
                sock.settimeout(timeout)
            if source_address:
                sock.bind(source_address)
            sock.connect(target)
            return sock
        except OSError as error:
            if not all_errors:
                errors.clear()  # the last one is raised
            errors.append(error)
            if sock is not None:
                sock.close()
    try:
        if not errors:
            raise OSError("getaddrinfo returns an empty list")
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        raise errors[0]
    finally:
        errors.clear()


def create_server(address: Any, *, family: int = _AF_INET, backlog: int | None = None, reuse_port: bool = False, dualstack_ipv6: bool = False) -> socket:
    """A listening TCP socket; with ``dualstack_ipv6`` one that takes IPv4 connections as well."""
    if dualstack_ipv6 and family != _AF_INET6:
        raise ValueError("dualstack_ipv6 requires AF_INET6")
    sock = socket(family, _real.SOCK_STREAM)
    try:
        sock.setsockopt(_real.SOL_SOCKET, _real.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(_real.SOL_SOCKET, _real.SO_REUSEPORT, 1)
        if family == _AF_INET6:
            sock.setsockopt(_real.IPPROTO_IPV6, _real.IPV6_V6ONLY, 0 if dualstack_ipv6 else 1)
        try:
            sock.bind(address)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} (while attempting to bind on address {address!r})") from None
        if backlog is None:
            sock.listen()
        else:
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def has_dualstack_ipv6() -> bool:
    """Hosts here always can."""
    return True


def close(fd: int, /) -> None:
    """Close a descriptor."""
    fd = c_int(fd)
    kernel = session.kernel()
    kernel.point()
    close_descriptor(kernel, fd)


def dup(fd: int, /) -> int:
    """Another descriptor for the same socket."""
    fd = c_int(fd)
    kernel = session.kernel()
    kernel.point()
    if fd < FIRST_DESCRIPTOR and fd not in kernel.files:
        meet(kernel, "socket.dup", fd)
    return kernel.process.dup(fd)


def fromfd(fd: int, family: int, type: int, proto: int = 0) -> socket:
    """A socket object over a duplicate of a descriptor."""
    return socket(family, type, proto, dup(fd))


def send_fds(sock: Any, buffers: Any, fds: Any, flags: int = 0, address: Any = None) -> int:
    """Send bytes with descriptors beside them, over a Unix socket."""
    message = (_real.SOL_SOCKET, _real.SCM_RIGHTS, array("i", fds))
    return sock.sendmsg(buffers, [message], flags, address)  # type: ignore[no-any-return]  # a number


def recv_fds(sock: Any, bufsize: int, maxfds: int, flags: int = 0) -> tuple[bytes, list[int], int, Any]:
    """(data, descriptors, flags, the sender's address)."""
    fds = array("i")
    data, messages, told, address = sock.recvmsg(bufsize, _real.CMSG_LEN(maxfds * fds.itemsize), flags)
    for level, kind, content in messages:
        if level == _real.SOL_SOCKET and kind == _real.SCM_RIGHTS:
            fds.frombytes(content[: len(content) // fds.itemsize * fds.itemsize])
    return data, list(fds), told, address


def sethostname(name: Any, /) -> None:
    """Not permitted, as to most programs: hosts keep the names that other hosts know."""
    raise os_error(errno.EPERM)
