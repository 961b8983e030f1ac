"""Stand-in for ``socket``: the standard names over the world's net.

PYTEST_DONT_REWRITE

Owns the module's names: constants of the real module, the resolver, functions that make sockets. The object itself is in
``_socketobject.py``. Law: what is not simulated is an error that names it (``docs/fidelity.md`` lists the differences from Linux).
"""

from __future__ import annotations

import socket as _real
from typing import Any

from simsock.errors import Unsupported, UsageError
from simsock.kernel import session
from simsock.net.addresses import AF_INET as _AF_INET
from simsock.net.addresses import AF_INET6 as _AF_INET6
from simsock.net.addresses import AF_UNIX as _AF_UNIX
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
    getservbyname,
    getservbyport,
)
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
    "getaddrinfo",
    "getdefaulttimeout",
    "getfqdn",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostname",
    "getnameinfo",
    "getservbyname",
    "getservbyport",
    "has_dualstack_ipv6",
    "setdefaulttimeout",
    "socket",
    "socketpair",
    *[name for name in _real.__all__ if name in globals()],
]


def __getattr__(name: str) -> Any:
    if hasattr(_real, name) and not name.startswith("_"):
        raise Unsupported(f"socket.{name} is not simulated yet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


SocketType = socket


def socketpair(family: int | None = None, type: int = _real.SOCK_STREAM, proto: int = 0) -> tuple[socket, socket]:
    """Two connected sockets."""
    kernel = session.kernel()
    kernel.point()
    if family not in (None, _AF_UNIX) or type & 0xF != _real.SOCK_STREAM:
        raise Unsupported(f"socketpair: family {family!r} with type {type!r} is not simulated yet; AF_UNIX streams are")
    one, other = fabric().pair(current_host())
    return socket._wrap(one), socket._wrap(other)


def create_connection(address: Any, timeout: Any = _real._GLOBAL_DEFAULT_TIMEOUT, source_address: Any = None, *, all_errors: bool = False) -> socket:  # type: ignore[attr-defined]
    """Connect to the first address of a name that answers; ``ExceptionGroup`` of all errors with ``all_errors``."""
    host, port = address
    errors: list[OSError] = []
    for family, kind, proto, _, target in getaddrinfo(host, port, 0, _real.SOCK_STREAM):
        sock = None
        try:
            sock = socket(family, kind, proto)
            if timeout is not _real._GLOBAL_DEFAULT_TIMEOUT:  # type: ignore[attr-defined]  # the standard marker, which callers pass on
                sock.settimeout(timeout)
            if source_address:
                sock.bind(source_address)
            sock.connect(target)
            return sock
        except OSError as error:
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
    kernel = session.kernel()
    if not isinstance(fd, int):
        raise UsageError(f"close: expected a descriptor, got {fd!r}")
    kernel.point()
    kernel.process.close(fd)
