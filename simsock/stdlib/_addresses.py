"""Addresses as Python's socket module takes and gives them.

Owns the checking of addresses (CPython's socketmodule.c, ``getsockaddrarg``) and the form in which they are reported (``makesockaddr``). Does
not know socket objects.
"""

from __future__ import annotations

import os
from typing import Any

from simsock.net.addresses import AF_INET, AF_INET6, AF_UNIX, ANY_V4, ANY_V6, Endpoint, canonical, mapped, needs_interface, unmapped
from simsock.net.unix.common import NAME_BYTES_MAX, UnixSocket
from simsock.stdlib._buffers import bytes_view
from simsock.stdlib._names import resolve


def target(family: int, address: Any, what: str) -> Any:
    """What a Python address means to a socket of a family: an endpoint, or a Unix socket's name."""
    return unix_name(address) if family == AF_UNIX else endpoint(family, address, what)


def unix_name(address: Any) -> bytes:
    """The bytes of a path, or of an abstract name with its leading NUL; empty for one that the system picks."""
    name = os.fsencode(address) if isinstance(address, str) else bytes(bytes_view(address))
    if len(name) > NAME_BYTES_MAX or (len(name) == NAME_BYTES_MAX and name[0]):
        raise OSError("AF_UNIX path too long")
    return name


def endpoint(family: int, address: Any, what: str) -> Endpoint:
    """The endpoint of a Python address; names are resolved, ``""`` is the wildcard. Errors as CPython raises them."""
    kind = "AF_INET6" if family == AF_INET6 else "AF_INET"
    if not isinstance(address, tuple):
        raise TypeError(f"{what}(): {kind} address must be tuple, not {type(address).__name__}")
    sizes = (2, 3, 4) if family == AF_INET6 else (2,)
    if len(address) not in sizes:
        shape = "(host, port[, flowinfo[, scopeid]])" if family == AF_INET6 else "(host, port)"
        raise TypeError(f"{kind} address must be a pair {shape}" if family == AF_INET else f"{kind} address must be a tuple {shape}")
    host, port = address[0], address[1]
    if not isinstance(host, (str, bytes, bytearray)):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    if not hasattr(port, "__index__"):
        raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
    port = port.__index__()
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"{what}(): port must be 0-65535.")
    if len(address) > 2 and not 0 <= address[2] <= 0xFFFFF:
        raise OverflowError(f"{what}(): flowinfo must be 0-1048575.")
    if family == AF_INET and type(host) is str and (ip := canonical(host)) is not None and ":" not in ip:
        return ip, port  # as most are
    if not host:
        return (ANY_V6 if family == AF_INET6 else ANY_V4), port
    if host == "<broadcast>":
        return "255.255.255.255", port
    # Inside the net a mapped address is the IPv4 address that it stands for.
    ip = unmapped(resolve(host, (family,))[0])
    return (f"{ip}%{address[3]}" if len(address) > 3 and address[3] and needs_interface(ip) else ip), port


def reported(family: int, found: Any) -> Any:
    """An address as ``getsockname`` and friends return it: a pair, four values for IPv6, text or bytes for a Unix socket."""
    if family == AF_INET6:
        ip, port = found or (ANY_V6, 0)
        ip, _, zone = mapped(ip).partition("%")
        return (ip, port, 0, int(zone or 0))
    if family == AF_INET:
        ip, port = found or (ANY_V4, 0)
        return (unmapped(ip), port)
    if not found:
        return ""
    return os.fsdecode(found) if found[0] else found


def own_address(file: Any) -> Any:
    """What ``getsockname`` returns for an open socket."""
    if isinstance(file, UnixSocket):
        return reported(file.family, file.name)
    found = reported(file.family, file.local)
    return (*found[:3], file.interface) if file.interface and needs_interface(found[0]) else found


def peer_address(file: Any) -> Any:
    """What ``getpeername`` returns for an open socket that has a peer."""
    return reported(file.family, file.peer.name if isinstance(file, UnixSocket) else file.remote)
