"""The socket object.

PYTEST_DONT_REWRITE

Owns the object's making, its options and its end; sending, receiving and connecting are in the modules beside this one. Does not know how
bytes travel. The object holds an integer descriptor; what is behind it lives in the kernel. Laws: every operation is a scheduling point;
what is not simulated is an error that names it.
"""

from __future__ import annotations

import builtins
import errno
import os
import socket as _real
import sys
import warnings
from operator import index
from stat import S_ISSOCK
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.files import FIRST_DESCRIPTOR, bad_descriptor
from simsock.kernel.handler_places import uninterruptible
from simsock.kernel.leftover_numbers import not_open
from simsock.kernel.units import NS
from simsock.net.addresses import AF_INET as _AF_INET
from simsock.net.addresses import AF_INET6 as _AF_INET6
from simsock.net.addresses import AF_UNIX as _AF_UNIX
from simsock.net.options import IPPROTO_UDPLITE, SO_BINDTODEVICE
from simsock.net.sockets import Socket, os_error
from simsock.net.tcp import handshake
from simsock.net.tcp.stream import StreamSocket
from simsock.net.unix.connections import UnixConnection, UnixStream
from simsock.stdlib import _makefile
from simsock.stdlib._addresses import own_address, peer_address
from simsock.stdlib._buffers import FAILURES, c_int, option_bytes, shed, wrong_option_arguments
from simsock.stdlib._closing import close_descriptor
from simsock.stdlib._connecting import Connecting
from simsock.stdlib._receiving import Receiving
from simsock.stdlib._room import Room, meet
from simsock.stdlib._sending import Sending
from simsock.stdlib._socketbase import getdefaulttimeout, setdefaulttimeout

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.net.fabric import Host

__all__ = ["getdefaulttimeout", "setdefaulttimeout", "socket"]

_fstat = os.fstat
_IFNAME_BYTES = 16


class socket(Connecting, Receiving, Sending):
    """A simulated socket: the standard class's interface, with its state in the world's kernel."""

    __slots__ = ()
    _of_world = False
    """Whether ``accept`` returns what ``socket.socket`` is in a patched world, rather than one of these."""

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        # The C initialiser is not called: the C object keeps descriptor -1 and never touches a real one.
        self._fd = -1
        self._io_refs = 0
        self._closed = False
        kernel = self._kernel = session.active or session.kernel()
        kernel.point()
        if fileno is not None:
            file = _open_socket(kernel, fileno)
            self._sim_family = file.family if family == -1 else int(family)
            self._sim_type = file.type if type == -1 else int(type) & ~(_real.SOCK_NONBLOCK | _real.SOCK_CLOEXEC)
            self._sim_proto = _protocol(file) if proto == -1 else proto
            self._fd = fileno
        else:
            self._sim_family = family = _AF_INET if family == -1 else int(family)
            self._sim_type = kind = (_real.SOCK_STREAM if type == -1 else int(type)) & 0xF
            self._sim_proto = proto = 0 if proto == -1 else proto
            file = _make(kernel.current.host, family, kind, proto)
            self._fd = kernel.process.open(file)
        nonblocking = type != -1 and type & _real.SOCK_NONBLOCK
        self._wait_ns: int | None = 0 if nonblocking else kernel.room(Room).default_timeout_ns
        if self._wait_ns is not None:
            file.nonblocking = True

    @classmethod
    def _wrap(cls, file: Any) -> socket:
        """A socket object with a new descriptor for an open file of the kernel."""
        self = cls.__new__(cls)
        self._io_refs = 0
        self._closed = False
        self._kernel = file.kernel
        self._fd = file.kernel.process.open(file)
        self._sim_family, self._sim_type, self._sim_proto = file.family, file.type, _protocol(file)
        self._wait_ns = file.kernel.room(Room).default_timeout_ns
        if self._wait_ns is not None:
            file.nonblocking = True
        return self

    def accept(self) -> tuple[socket, Any]:
        """(a new socket, the peer's address) of the next connection."""
        file = self._file()
        connection = _accept(file)
        if connection is None:
            deadline = self._deadline()
            while connection is None:
                if self._wait_ns is None and file.read_shut:
                    raise os_error(errno.EINVAL)  # a Unix listener that was shut down
                if not file.wait_readable(deadline, "accept"):
                    raise self._too_late(file)
                self._check_open()
                connection = _accept(file)
        self._log("accept", connection)
        made: builtins.type[socket] = self._kernel.room(Room).socket_class if self._of_world else socket
        accepted = made._wrap(connection)
        accepted._sim_proto = self._sim_proto
        return accepted, peer_address(connection)

    # -- the object ------------------------------------------------------------------------------------------------------------------

    @property
    def family(self) -> Any:
        """The address family."""
        return _named(_real.AddressFamily, self._sim_family)

    @property
    def type(self) -> Any:
        """The socket type."""
        return _named(_real.SocketKind, self._sim_type)

    @property
    def proto(self) -> int:
        """The protocol number."""
        return self._sim_proto

    @property
    def timeout(self) -> float | None:
        """The timeout in seconds, or None."""
        return None if self._wait_ns is None else self._wait_ns / NS

    def __repr__(self) -> str:
        closed = " [closed]" if self._closed else ""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        text = f"<{name}{closed} fd={self._fd}, family={self._sim_family}, type={self._sim_type}, proto={self._sim_proto}"
        file = self._kernel.files.get(self._fd)
        if isinstance(file, Socket) and not closed:
            if laddr := own_address(file):
                text += f", laddr={laddr}"
            if file.has_peer and (raddr := peer_address(file)):
                text += f", raddr={raddr}"
        return text + ">"

    def __enter__(self) -> socket:
        return self

    def __exit__(self, *args: object) -> None:
        if not self._closed:
            self.close()

    def __del__(self) -> None:
        fd = getattr(self, "_fd", -1)
        if fd >= 0 and session is not None:  # at the interpreter's end modules are empty
            kernel = self._kernel
            gone = getattr(kernel.files.get(fd), "vanished", False)  # with its host, which has crashed
            if kernel is session.active and not kernel.ending and not kernel.current.dead and not gone:
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self._close_later()

    def _close_later(self) -> None:
        """Close at the kernel's next point: a finalizer must not park."""
        kernel, fd, self._fd = self._kernel, self._fd, -1
        kernel.finalize(lambda: kernel.process.close(fd) if fd in kernel.files else None)

    def __getstate__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    # -- options ---------------------------------------------------------------------------------------------------------------------

    def setsockopt(self, level: int, optname: int, *values: Any) -> None:
        """Set an option. ``simsock/net/options.py`` has a table of what each of them does."""
        value = values[0] if values else None
        try:
            if len(values) not in (1, 2) or (len(values) == 2) != (value is None):
                raise TypeError(wrong_option_arguments(values))
            if len(values) == 2:
                value = bytes(index(values[1]))
            elif isinstance(value, int):
                value = c_int(value)
            else:
                value = bytes(option_bytes(value))
            self._file().set_option(int(level), int(optname), value)
        except FAILURES as error:
            del value, values
            shed(error)
            raise

    def getsockopt(self, level: int, optname: int, buflen: int = 0, /) -> Any:
        """An option as an integer, or as bytes when ``buflen`` is given."""
        if not 0 <= buflen <= 1024:
            raise OSError("getsockopt buflen out of range")
        if optname == _real.SO_TYPE and level == _real.SOL_SOCKET and self._kernel.room(Room).socket_class is None:
            _refuse_tls(sys._getframe(1).f_globals)
        value = self._file().get_option(int(level), int(optname))
        if level == _real.SOL_SOCKET and optname == SO_BINDTODEVICE and value and buflen < _IFNAME_BYTES:
            raise os_error(errno.EINVAL)
        if level == _real.IPPROTO_IP and 0 < buflen < 4 and isinstance(value, int) and 0 <= value <= 0xFF:
            return bytes([value])  # as do_ip_getsockopt()
        if buflen:
            return (value if isinstance(value, bytes) else int(value).to_bytes(4, "little", signed=True))[:buflen]
        return int.from_bytes(value[:4], "little", signed=True) if isinstance(value, bytes) else int(value)

    # -- lifetime --------------------------------------------------------------------------------------------------------------------

    def makefile(self, mode: str = "r", buffering: int | None = None, *, encoding: Any = None, errors: Any = None, newline: Any = None) -> Any:
        """A file object over the socket, with the modes of the standard method."""
        return _makefile.makefile(self, mode, buffering, encoding, errors, newline)

    def close(self) -> None:
        """Close; files made by ``makefile`` keep the connection open until they are closed too."""
        self._closed = True
        if self._io_refs <= 0:
            self._real_close()

    def _decref_socketios(self, queued: bool = False) -> None:
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            if queued and self._io_refs <= 0:
                if self._fd >= 0:
                    self._close_later()
            else:
                self.close()

    def _queue_send(self, data: bytes) -> int:
        """What a file object's finalizer still had: sent at the kernel's next point, as far as it fits without waiting."""
        kernel, fd = self._kernel, self._fd

        def send() -> None:
            file = kernel.files.get(fd)
            if isinstance(file, (StreamSocket, UnixStream)) and file.connected and not file.write_shut and not file.error:
                file.write(data)

        kernel.finalize(send)
        return len(data)

    @uninterruptible
    def _real_close(self, _ss: Any = None) -> None:
        fd = self._fd
        if fd < 0:
            return
        self._fd = -1
        kernel = self._kernel
        if kernel is not session.active:
            return  # its world has closed everything
        file = kernel.files.get(fd)
        if file is None:
            if kernel.ended:
                return
            raise bad_descriptor()  # somebody else closed it
        if not kernel.ending:
            kernel.point()
            kernel.log.append((kernel.now, kernel.current.path, "close", getattr(file, "title", file.kind)))
        close_descriptor(kernel, fd)

    def detach(self) -> int:
        """Give the descriptor away: the object is closed, the connection is not."""
        self._closed = True
        fd, self._fd = self._fd, -1
        return fd

    def dup(self) -> Any:
        """Another socket object and descriptor for the same connection."""
        file = self._file()
        other = type(self)(self.family, self.type, self.proto, fileno=self._kernel.process.open(file))
        other.settimeout(self.timeout)
        return other

    def get_inheritable(self) -> bool:
        """What ``set_inheritable`` said, or how the socket came to be there."""
        if self._fd < 0:
            raise bad_descriptor()
        return self._fd in self._kernel.process.inheritable

    def set_inheritable(self, inheritable: bool) -> None:
        """Whether programs that are started in a patched world get its descriptor."""
        if self._fd < 0:
            raise bad_descriptor()
        self._kernel.process.set_inheritable(self._fd, bool(inheritable))


_PROTOCOLS: dict[int, tuple[int, ...]] = {_real.SOCK_STREAM: (0, _real.IPPROTO_TCP), _real.SOCK_DGRAM: (0, _real.IPPROTO_UDP, IPPROTO_UDPLITE)}


def _make(host: Host, family: int, kind: int, proto: int) -> Socket:
    """A new socket of a host."""
    if family == _AF_UNIX:
        if proto not in (0, _AF_UNIX):
            raise os_error(errno.EPROTONOSUPPORT)
        if kind not in (_real.SOCK_STREAM, _real.SOCK_DGRAM, _real.SOCK_SEQPACKET):
            raise Unsupported(f"socket: type {_shown(kind)!r} of AF_UNIX is not simulated; SOCK_STREAM, SOCK_DGRAM and SOCK_SEQPACKET are")
        return host.fabric.unix(host, kind)
    if family not in (_AF_INET, _AF_INET6):
        known = _real.AddressFamily._value2member_map_.get(family, family)
        raise Unsupported(f"socket: address family {known!r} is not simulated; AF_INET, AF_INET6 and AF_UNIX are")
    if kind not in _PROTOCOLS:
        raise Unsupported(f"socket: type {_shown(kind)!r} is not simulated; SOCK_STREAM and SOCK_DGRAM are")
    if proto not in _PROTOCOLS[kind]:
        raise os_error(errno.EPROTONOSUPPORT)
    make = host.fabric.stream if kind == _real.SOCK_STREAM else host.fabric.datagram
    return make(host, family, proto or _PROTOCOLS[kind][1])


def _named(names: Any, number: int) -> Any:
    """The member of an enumeration, or the plain number if it has none."""
    try:
        return names(number)
    except ValueError:
        return number


def _shown(kind: int) -> Any:
    return _real.SocketKind._value2member_map_.get(kind, kind)


def _protocol(file: Socket) -> int:
    return 0 if file.family == _AF_UNIX else file.protocol


def _accept(file: Any) -> Any:
    if isinstance(file, StreamSocket):
        return handshake.accept(file)
    if isinstance(file, UnixConnection):
        return file.accept()
    raise os_error(errno.EOPNOTSUPP)


def _refuse_tls(space: dict[str, Any]) -> None:
    """``ssl`` asks first which type a socket has that it is to wrap, and would then look for its descriptor among real ones."""
    if space.get("__name__") == "ssl":
        raise Unsupported(
            "SSLContext.wrap_socket: a world with patch=False has no TLS, because the standard ssl is made of real sockets there; in one with patch=True "
            "(the default) the standard ssl works over simulated sockets"
        )


def _open_socket(kernel: Kernel, fileno: Any) -> Socket:
    """The open socket behind a descriptor that a program hands in."""
    fd = _descriptor(fileno)
    file = kernel.files.get(fd)
    if file is None:
        if fd < FIRST_DESCRIPTOR and S_ISSOCK(_fstat(fd).st_mode):  # EBADF if it is not even open
            meet(kernel, "socket.socket", fd)
            raise Unsupported(f"socket: descriptor {fd} is a real socket, which has no place inside a world")
        raise os_error(errno.ENOTSOCK) if fd < FIRST_DESCRIPTOR else not_open(kernel, fd)
    if not isinstance(file, Socket):
        raise os_error(errno.ENOTSOCK)
    return file


def _descriptor(fileno: Any) -> int:
    if isinstance(fileno, float) or not hasattr(fileno, "__index__"):
        raise TypeError(f"{type(fileno).__name__!r} object cannot be interpreted as an integer")
    if fileno < 0:
        raise ValueError("negative file descriptor")
    return int(fileno)


socket.__module__ = "simsock.stdlib.socket"
