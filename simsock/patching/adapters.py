"""The network interfaces of the world's host, for libraries that ask the C library or the system for them and no module of Python.

Owns what ``ifaddr`` is told, which calls ``getifaddrs(3)`` through ctypes, and which functions of others are refused by name, or with which sockets. Laws:
nothing is imported for it; code outside the world's thread is told the machine's.
"""

from __future__ import annotations

import functools
import sys
from _socket import inet_pton as _inet_pton
from _socket import socket as _Real
from _thread import get_ident
from typing import Any

from simsock.kernel import Kernel, session
from simsock.net.addresses import AF_INET, AF_INET6, is_v6
from simsock.net.interfaces import netmask
from simsock.patching import fence
from simsock.stdlib._allowed import Allowed
from simsock.stdlib._makers import made_by
from simsock.stdlib._socketobject import socket as simulated

MACHINE_S = (("psutil", "net_if_addrs"), ("psutil", "net_if_stats"), ("psutil", "net_connections"), ("netifaces", "interfaces"), ("netifaces", "ifaddresses"))
"""(module, function): each tells of this machine's interfaces or sockets."""
_NETWORK_V6 = "ffff:ffff:ffff:ffff::"


def refusing(call: str) -> Any:
    """A function that is refused by name in a world."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        fence.refuse(call, (), "it tells of this machine; the interfaces of the world's host are told by socket.if_nameindex, SIOCGIFADDR and ifaddr")

    return refuse


@functools.lru_cache(maxsize=4)
def of_the_world(before: Any) -> Any:
    """In the place of a function that takes a socket: real ones from before the world are refused by name."""

    def take(sock: Any) -> Any:
        kernel = session.active
        if kernel is not None and kernel.thread == get_ident() and isinstance(sock, _Real) and not isinstance(sock, (simulated, Allowed)):
            fence.refuse_outsider(f"trio.socket.{before.__name__}", repr(sock), made_by(sock), sock)
        return before(sock)

    return functools.update_wrapper(take, before)


class Libc:
    """What ``ifaddr`` calls, in the place of the C library."""

    def __init__(self, real: Any, kernel: Kernel) -> None:
        self._real = real
        self._kernel = kernel

    def getifaddrs(self, reference: Any) -> int:
        """The list of (interface, address, netmask) of the current task's host, as the C library makes it: the first is put where the reference says."""
        kernel = self._kernel
        if session.active is not kernel or kernel.thread != get_ident():
            return int(self._real.getifaddrs(reference))
        posix: Any = sys.modules["ifaddr._posix"]
        following: Any = None
        for name, ip, mask in reversed(_entries(kernel.current.host)):
            entry = posix.ifaddrs()
            entry.ifa_name, entry.ifa_addr, entry.ifa_netmask = name, _structure(posix, ip), _structure(posix, mask)
            if following is not None:
                entry.ifa_next = posix.ctypes.pointer(following)
            following = entry
        reference._obj.contents = following
        return 0

    def freeifaddrs(self, first: Any) -> None:
        """What the world has made is freed by Python."""
        if session.active is not self._kernel or self._kernel.thread != get_ident():
            self._real.freeifaddrs(first)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _entries(host: Any) -> list[tuple[bytes, str, str]]:
    own = [(b"eth0", ip, _NETWORK_V6 if is_v6(ip) else netmask(ip)) for ip in host.addresses]
    return [(b"lo", "127.0.0.1", "255.0.0.0"), (b"lo", "::1", ":".join(["ffff"] * 8)), *own]


def _structure(posix: Any, ip: str) -> Any:
    """A pointer to the structure of an address."""
    family = AF_INET6 if is_v6(ip) else AF_INET
    kind = posix.shared.sockaddr_in6 if is_v6(ip) else posix.shared.sockaddr_in
    made = kind()
    packed = _inet_pton(family, ip)
    if is_v6(ip):
        made.sin6_familiy = family
        made.sin6_addr[:] = packed
    else:
        made.sin_familiy = family
        made.sin_addr[:] = packed
    return posix.ctypes.cast(posix.ctypes.pointer(made), posix.ctypes.POINTER(posix.shared.sockaddr))


__all__ = ["MACHINE_S", "Libc", "refusing"]
