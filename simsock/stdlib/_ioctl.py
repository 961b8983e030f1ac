"""ioctl(2) of simulated descriptors: how much is unread or unsent, whether calls wait, and what is known of a host's interfaces (netdevice(7)).

Owns the numbers and the layouts of ``struct ifreq``. Does not know where the answer is written: it hands back bytes. Law: a request that is not
in the table is an error that names its number.
"""

from __future__ import annotations

import errno
import struct
from typing import Any

from simsock.errors import Unsupported
from simsock.net.interfaces import INTERFACES, broadcast_of, netmask
from simsock.net.sockets import Socket, os_error
from simsock.net.tcp.stream import StreamSocket
from simsock.net.unix.common import UnixSocket

FIONREAD, FIONBIO, TIOCOUTQ, SIOCATMARK = 0x541B, 0x5421, 0x5411, 0x8905
FIOCLEX, FIONCLEX = 0x5451, 0x5450
_TCGETS, _TIOCGWINSZ = 0x5401, 0x5413
_IFNAME_BYTES, _IFREQ_BYTES = 16, 40
_FLAGS = {"lo": 0x49, "eth0": 0x1043}
"""Up, loopback, running; up, broadcast, running, multicast."""
_MTU = {"lo": 65_536, "eth0": 1_500}
_HARDWARE = {"lo": 772, "eth0": 1}
"""ARPHRD_LOOPBACK, ARPHRD_ETHER."""
_NAMES = {
    0x8913: "flags",
    0x8915: "address",
    0x8919: "broadcast",
    0x891B: "netmask",
    0x8921: "mtu",
    0x8927: "hardware",
    0x8933: "index",
}
"""SIOCGIFFLAGS, SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFMTU, SIOCGIFHWADDR, SIOCGIFINDEX."""


def answer(file: Any, fd: int, request: int, data: bytes) -> bytes:
    """What the request leaves in its argument. Raises ``OSError`` with Linux's numbers, ``Unsupported`` for what is not simulated."""
    request &= 0xFFFF_FFFF
    if request == FIONBIO:
        file.nonblocking = bool(_number(data))
        return data
    if request == FIONREAD:
        if getattr(file, "listening", False):
            raise os_error(errno.EINVAL)
        return struct.pack("i", _unread(file)) + data[4:]
    if request == TIOCOUTQ:
        return struct.pack("i", _unsent(file)) + data[4:]
    if request == SIOCATMARK and isinstance(file, Socket):
        if not isinstance(file, StreamSocket):
            raise os_error(errno.ENOTTY)
        return struct.pack("i", file.urgent is not None and not file.urgent.ahead) + data[4:]
    if request in (_TCGETS, _TIOCGWINSZ):
        raise os_error(errno.ENOTTY)
    if request in _NAMES and isinstance(file, Socket):
        return _of_interface(file, _NAMES[request], data)
    raise Unsupported(f"fcntl.ioctl: request {request:#x} on the simulated descriptor {fd} ({file.kind}) is not simulated")


def _number(data: bytes) -> int:
    return int.from_bytes(data[:4], "little", signed=True)


def _unread(file: Any) -> int:
    unread = getattr(file, "unread", None)
    if unread is None:
        raise os_error(errno.ENOTTY)
    return int(unread)


def _unsent(file: Any) -> int:
    """What the peer has not acknowledged; of Unix sockets what they are charged for; no datagram of the Internet waits at its sender."""
    if isinstance(file, StreamSocket):
        if file.listening:
            raise os_error(errno.EINVAL)
        return file.unsent_and_unacknowledged
    if isinstance(file, UnixSocket):
        return file.charged
    if not isinstance(file, Socket):
        raise os_error(errno.ENOTTY)
    return 0


def _of_interface(file: Any, what: str, data: bytes) -> bytes:
    """The answer in a ``struct ifreq``: the name, then what was asked for."""
    name = data[:_IFNAME_BYTES].split(b"\0")[0].decode("ascii", "replace")
    if name not in INTERFACES:
        raise os_error(errno.ENODEV)
    loopback = name == "lo"
    address = "127.0.0.1" if loopback else next((ip for ip in file.host.addresses if ":" not in ip), "")
    if not address and what in ("address", "broadcast", "netmask"):
        raise os_error(errno.EADDRNOTAVAIL)
    if what == "index":
        value = struct.pack("i", INTERFACES[name])
    elif what == "flags":
        value = struct.pack("h", _FLAGS[name])
    elif what == "mtu":
        value = struct.pack("i", _MTU[name])
    elif what == "hardware":
        value = struct.pack("H14s", _HARDWARE[name], bytes(6) if loopback else bytes((2, 0, *map(int, address.split(".")))) if address else bytes(6))
    else:
        if what == "netmask":
            address = netmask(address)
        elif what == "broadcast":
            address = "0.0.0.0" if loopback else broadcast_of(address)
        value = struct.pack("HH4B8x", 2, 0, *map(int, address.split(".")))
    return (data[:_IFNAME_BYTES] + value).ljust(_IFREQ_BYTES, b"\0") + data[_IFREQ_BYTES:]
