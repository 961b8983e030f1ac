"""The socket object.

PYTEST_DONT_REWRITE

Owns timeouts, blocking, Python's argument checks and Linux's errors. Does not know how bytes travel. The object holds an integer
descriptor; what is behind it lives in the kernel. Laws: every operation is a scheduling point; what is not simulated is an error that
names it.
"""

from __future__ import annotations

import errno
import socket as _real
from math import ceil
from typing import Any
from zlib import crc32

from simsock.errors import Unsupported, WorldEnded
from simsock.kernel import session
from simsock.kernel.files import bad_descriptor
from simsock.kernel.units import NS
from simsock.net import listeners
from simsock.net.addresses import AF_INET as _AF_INET
from simsock.net.addresses import AF_INET6 as _AF_INET6
from simsock.net.addresses import AF_UNIX as _AF_UNIX
from simsock.net.datagrams import DatagramSocket
from simsock.net.sockets import SO_LINGER as _SO_LINGER
from simsock.net.sockets import SOL_SOCKET as _SOL_SOCKET
from simsock.net.sockets import os_error
from simsock.net.streams import CLOSED, CONNECTED, CONNECTING, FAILED, NEW, StreamSocket
from simsock.stdlib import _makefile
from simsock.stdlib._errors import timed_out, would_block
from simsock.stdlib._names import current_host, endpoint, fabric, reported, unsupported_family
from simsock.stdlib._waiting import TIMEOUT_MAX

_MSG_PEEK, _MSG_DONTWAIT, _MSG_NOSIGNAL, _MSG_WAITALL, _MSG_TRUNC = 0x2, 0x40, 0x4000, 0x100, 0x20
_MSG_KNOWN = _MSG_PEEK | _MSG_DONTWAIT | _MSG_NOSIGNAL | _MSG_WAITALL | _MSG_TRUNC
_PROTOCOLS: dict[int, tuple[int, int]] = {_real.SOCK_STREAM: (0, _real.IPPROTO_TCP), _real.SOCK_DGRAM: (0, _real.IPPROTO_UDP)}
_SHUT = {0: (True, False), 1: (False, True), 2: (True, True)}


def _timeout_ns(value: Any) -> int | None:
    """Nanoseconds of a timeout, rounded up; CPython's errors."""
    if value is None:
        return None
    if not isinstance(value, (int, float)):
        raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
    if value != value:
        raise ValueError("Invalid value NaN (not a number)")
    if value < 0:
        raise ValueError("Timeout value out of range")
    if value > TIMEOUT_MAX:
        raise OverflowError("timestamp out of range for platform time_t")
    return ceil(value * NS)


def getdefaulttimeout() -> float | None:
    """The timeout of new sockets in seconds, or None."""
    wait_ns = session.kernel().state.get("default_timeout_ns")
    return None if wait_ns is None else wait_ns / NS


def setdefaulttimeout(timeout: float | None) -> None:
    """Set the timeout of new sockets in seconds, or None for none."""
    session.kernel().state["default_timeout_ns"] = _timeout_ns(timeout)


class socket(_real.socket):
    """A simulated socket: the standard class's interface, with its state in the world's kernel."""

    __slots__ = ("_fd", "_inheritable", "_kernel", "_sim_family", "_sim_proto", "_sim_type", "_wait_ns")

    def __init__(self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        # The C initialiser is not called: the C object keeps descriptor -1 and never touches a real one.
        self._fd = -1
        self._io_refs = 0
        self._closed = False
        kernel = self._kernel = session.kernel()
        kernel.point()
        if fileno is not None:
            file = kernel.files.get(_descriptor(fileno))
            if file is None:
                raise bad_descriptor()
            if not isinstance(file, (StreamSocket, DatagramSocket)):
                raise os_error(errno.ENOTSOCK)
            self._take(file)
            if proto != -1:
                self._sim_proto = proto
            self._fd = fileno
        else:
            family = _AF_INET if family == -1 else int(family)
            kind = (_real.SOCK_STREAM if type == -1 else int(type)) & 0xF
            if family not in (_AF_INET, _AF_INET6):
                raise unsupported_family(_real.AddressFamily._value2member_map_.get(family, family))
            proto = 0 if proto == -1 else proto
            net, host = fabric(), current_host()
            if kind in _PROTOCOLS and proto not in _PROTOCOLS[kind]:
                raise os_error(errno.EPROTONOSUPPORT)
            if kind == _real.SOCK_STREAM:
                file = net.stream(host, family, proto or _real.IPPROTO_TCP)
            elif kind == _real.SOCK_DGRAM:
                file = net.datagram(host, family, proto or _real.IPPROTO_UDP)
            else:
                raise Unsupported(f"socket: type {type!r} is not simulated; SOCK_STREAM and SOCK_DGRAM are")
            self._sim_family, self._sim_type, self._sim_proto = family, kind, proto
            self._fd = kernel.process.open(file)
        nonblocking = type != -1 and type & _real.SOCK_NONBLOCK
        self._wait_ns: int | None = 0 if nonblocking else kernel.state.get("default_timeout_ns")

    @classmethod
    def _wrap(cls, file: StreamSocket | DatagramSocket) -> socket:
        """A socket object with a new descriptor for an open file of the kernel."""
        self = cls.__new__(cls)
        self._io_refs = 0
        self._closed = False
        self._kernel = file.kernel
        self._fd = file.kernel.process.open(file)
        self._take(file)
        self._wait_ns = file.kernel.state.get("default_timeout_ns")
        return self

    def _take(self, file: StreamSocket | DatagramSocket) -> None:
        self._sim_family, self._sim_type = file.family, file.type
        self._sim_proto = 0 if file.family == _AF_UNIX else file.protocol

    # -- the object ------------------------------------------------------------------------------------------------------------------

    @property
    def family(self) -> Any:
        """The address family."""
        return _real.AddressFamily(self._sim_family)

    @property
    def type(self) -> Any:
        """The socket type."""
        return _real.SocketKind(self._sim_type)

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
        if isinstance(file, (StreamSocket, DatagramSocket)) and not closed:
            text += f", laddr={reported(file.family, file.local)!r}"
            if file.remote is not None and not (isinstance(file, StreamSocket) and file.state is not CONNECTED):
                text += f", raddr={reported(file.family, file.remote)!r}"
        return text + ">"

    def __enter__(self) -> socket:
        return self

    def __exit__(self, *args: object) -> None:
        if not self._closed:
            self.close()

    def __del__(self) -> None:
        fd = getattr(self, "_fd", -1)
        if fd >= 0:
            self._fd = -1
            kernel = self._kernel
            kernel.finalize(lambda: kernel.process.close(fd) if fd in kernel.files else None)

    def __getstate__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def fileno(self) -> int:
        """The descriptor, or -1 when closed."""
        return self._fd

    def _file(self) -> Any:
        """The open file, at a scheduling point."""
        kernel = self._kernel
        if kernel is not session.active:
            raise WorldEnded("this socket belongs to a world that has ended")
        kernel.point()
        try:
            return kernel.files[self._fd]
        except KeyError:
            raise bad_descriptor() from None

    def _log(self, what: str, file: Any, *more: Any) -> None:
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, what, file.title, *more))

    def _stream(self, what: str) -> StreamSocket:
        file = self._file()
        if not isinstance(file, StreamSocket):
            raise os_error(errno.EOPNOTSUPP)
        return file

    # -- timeouts --------------------------------------------------------------------------------------------------------------------

    def settimeout(self, value: float | None) -> None:
        """Set the timeout in seconds; None blocks for ever, 0 never."""
        wait = _timeout_ns(value)
        if self._fd < 0:
            raise bad_descriptor()
        self._wait_ns = wait

    def gettimeout(self) -> float | None:
        """The timeout in seconds, or None."""
        return self.timeout

    def setblocking(self, flag: bool) -> None:
        """True is ``settimeout(None)``, False is ``settimeout(0)``."""
        if self._fd < 0:
            raise bad_descriptor()
        self._wait_ns = None if flag else 0

    def getblocking(self) -> bool:
        """Whether calls may wait."""
        return self._wait_ns != 0

    def _deadline(self, flags: int = 0) -> int | None:
        """When a call that has to wait gives up; raises EAGAIN if it must not wait at all."""
        wait = self._wait_ns
        if wait == 0 or flags & _MSG_DONTWAIT:
            self._kernel.fruitless()
            raise would_block()
        return None if wait is None else self._kernel.now + wait

    def _check_open(self) -> None:
        """After a wait with a timeout: CPython polls, then calls again with a descriptor that may have been closed meanwhile."""
        if self._fd < 0 and self._wait_ns is not None:
            raise bad_descriptor()

    # -- addresses and connections -----------------------------------------------------------------------------------------------------

    def bind(self, address: Any, /) -> None:
        """Take a local address."""
        file = self._file()
        ip, port = endpoint(self._sim_family, address, "bind")
        file.bind(ip, port)
        self._log("bind", file)

    def listen(self, backlog: int = 128, /) -> None:
        """Accept connections; ``backlog`` (+ 1, as on Linux) may wait to be accepted."""
        file = self._stream("listen")
        listeners.listen(file, backlog)
        self._log("listen", file, backlog)

    def accept(self) -> tuple[socket, Any]:
        """(a new socket, the peer's address) of the next connection."""
        file = self._stream("accept")
        connection = listeners.accept(file)
        if connection is None:
            deadline = self._deadline()
            while connection is None:
                if not file.wait_readable(deadline, "accept"):
                    raise timed_out()
                self._check_open()
                connection = listeners.accept(file)
        self._log("accept", connection)
        accepted = socket._wrap(connection)
        accepted._sim_proto = self._sim_proto
        return accepted, reported(file.family, connection.remote)

    def connect(self, address: Any, /) -> None:
        """Connect; waits up to the timeout."""
        number = self._connect(address)
        if number:
            raise os_error(number) if number != -1 else timed_out()

    def connect_ex(self, address: Any, /) -> int:
        """Connect and return the error's number, 0 for success."""
        try:
            number = self._connect(address, "connect_ex")
        except _real.gaierror:
            raise
        except OSError as error:
            if error.errno is None:
                raise
            return error.errno
        return number if number != -1 else errno.EAGAIN

    def _connect(self, address: Any, what: str = "connect") -> int:
        """0, an errno, or -1 for "timed out". The states are those of __inet_stream_connect() in Linux's af_inet.c."""
        file = self._file()
        target = endpoint(self._sim_family, address, what)
        if isinstance(file, DatagramSocket):
            file.connect(target)
            return 0
        if file.unreported:
            file.unreported = False
            return 0
        if file.state is FAILED:
            return self._take_failure(file)
        if file.state is NEW and not file.listening:
            self._log("connect", file, f"{target[0]} {target[1]}")
            fabric().connect(file, target)
            if self._wait_ns == 0:
                return errno.EINPROGRESS
        elif file.state is not CONNECTING:
            return errno.EISCONN if file.listening or file.remote is not None else errno.EINVAL
        elif self._wait_ns is not None:
            return errno.EALREADY
        if file.state is CONNECTING:
            deadline = self._deadline()
            while file.state is CONNECTING:
                if not file.wait_writable(deadline, "connect"):
                    return -1
        if self._wait_ns is None:
            file.unreported = False
            return 0 if file.state in (CONNECTED, CLOSED) else self._take_failure(file)
        # With a timeout CPython polls and reads SO_ERROR: the system still waits for somebody to call connect(2) again.
        return int(file.pop_error())

    @staticmethod
    def _take_failure(file: StreamSocket) -> int:
        file.state = NEW
        file.start_over()
        return file.pop_error() or errno.ECONNABORTED

    def shutdown(self, how: int, /) -> None:
        """Half-close: ``SHUT_RD``, ``SHUT_WR`` or ``SHUT_RDWR``."""
        file = self._file()
        if how not in _SHUT:
            raise os_error(errno.EINVAL)
        self._log("shutdown", file, int(how))
        file.shutdown(*_SHUT[how])

    def getsockname(self) -> Any:
        """The local address."""
        file = self._file()
        return reported(file.family, file.local)

    def getpeername(self) -> Any:
        """The peer's address; ENOTCONN without one."""
        file = self._file()
        if (file.remote is None and file.family != _AF_UNIX) or (isinstance(file, StreamSocket) and file.state is not CONNECTED):
            raise os_error(errno.ENOTCONN)
        return reported(file.family, file.remote)

    # -- receiving -------------------------------------------------------------------------------------------------------------------

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """1 to ``bufsize`` bytes of a stream (``b""`` at its end), or one datagram cut to ``bufsize``."""
        if bufsize <= 0:
            if bufsize:
                raise ValueError("negative buffersize in recv")
            self._kernel.point()
            return b""  # CPython asks nobody
        file = self._file()
        if flags or type(file) is not StreamSocket:
            received, _, size = self._receive(file, bufsize, flags)
            return _padded(received, size, flags) if flags else received
        data = file.read(bufsize)
        if data is None:
            deadline = self._deadline()
            while data is None:
                if not file.wait_readable(deadline, "recv"):
                    raise timed_out()
                if self._fd < 0:
                    self._check_open()
                data = file.read(bufsize)
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, "recv", file.title, len(data), crc32(data)))
        return data

    def _receive(self, file: Any, count: int, flags: int) -> tuple[bytes, Any, int]:
        """The general receive: data, the sender's endpoint, the datagram's whole length."""
        if flags & ~_MSG_KNOWN:
            raise Unsupported(f"recv: flags {flags:#x} include some that are not simulated; MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT and MSG_TRUNC are")
        data, source = self._read(file, count, flags)
        if data is None:
            deadline = self._deadline(flags)
            while data is None:
                if self._wait_ns is None and file.read_shut:
                    return b"", None, 0
                if not file.wait_readable(deadline, "recv"):
                    raise timed_out()
                self._check_open()
                data, source = self._read(file, count, flags)
        if flags & _MSG_WAITALL and self._wait_ns is None and not flags & (_MSG_DONTWAIT | _MSG_PEEK) and type(file) is StreamSocket:
            data = self._receive_rest(file, count, data)
        self._log("recv", file, len(data), crc32(data))
        return data[:count], source, len(data)

    @staticmethod
    def _read(file: Any, count: int, flags: int) -> tuple[Any, Any]:
        if type(file) is StreamSocket:
            return file.read(count, bool(flags & _MSG_PEEK)), file.remote
        return file.read(bool(flags & _MSG_PEEK)) or (None, None)

    @staticmethod
    def _receive_rest(file: StreamSocket, count: int, data: bytes) -> bytes:
        """MSG_WAITALL, of a socket that blocks: all of ``count`` bytes, unless the stream ends; an error then waits for the next call."""
        while data and len(data) < count:
            if file.error and not file.rx and not file.eof:
                break
            more = file.read(count - len(data))
            if more is None:
                file.wait_readable(None, "recv")
            elif more:
                data += more
            else:
                break
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into a buffer; returns the number of bytes (with MSG_TRUNC the datagram's, even if it is more than the buffer has)."""
        view = buffer if type(buffer) is memoryview and buffer.format == "B" else _writable_view(buffer, "recv_into")
        if nbytes < 0:
            raise ValueError("negative buffersize in recv_into")
        count = nbytes or len(view)
        if count > len(view):
            raise ValueError("buffer too small for requested bytes")
        if flags & _MSG_TRUNC and count:
            data, _, size = self._receive(self._file(), count, flags)
            view[: len(data)] = data
            return size
        data = self.recv(count, flags)
        size = len(data)
        view[:size] = data
        return size

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """(data, the sender's address)."""
        if bufsize < 0:
            raise ValueError("negative buffersize in recvfrom")
        file = self._file()
        data, source, size = self._receive(file, bufsize, flags)
        return _padded(data, size, flags), _sender(file, source)

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into a buffer; returns (number of bytes, the sender's address)."""
        view = _writable_view(buffer, "recvfrom_into")
        if nbytes < 0:
            raise ValueError("negative buffersize in recvfrom_into")
        if nbytes > len(view):
            raise ValueError("nbytes is greater than the length of the buffer")
        file = self._file()
        data, source, size = self._receive(file, nbytes or len(view), flags)
        view[: len(data)] = data
        return size if flags & _MSG_TRUNC else len(data), _sender(file, source)

    # -- sending ---------------------------------------------------------------------------------------------------------------------

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send, and return how many bytes were taken: all of them when the socket blocks, else what fits."""
        file = self._file()
        if flags & ~_MSG_KNOWN:
            raise Unsupported(f"send: flags {flags:#x} include some that are not simulated; MSG_DONTWAIT and MSG_NOSIGNAL are")
        view = _bytes_view(data)
        size = len(view)
        if type(file) is not StreamSocket:
            count: int = file.send(bytes(view), None)
        else:
            count = file.write(view)
            if count < size:
                if not count:
                    count = self._send_some(file, view, flags)
                if self._wait_ns is None and not flags & _MSG_DONTWAIT:
                    count = self._send_all(file, view, count)
        self._log("send", file, count, crc32(view[:count]))
        return count

    def _send_some(self, file: StreamSocket, view: Any, flags: int) -> int:
        """Wait for room, and use it."""
        deadline = self._deadline(flags)
        count = 0
        while not count:
            if not file.wait_writable(deadline, "send"):
                raise timed_out()
            self._check_open()
            count = file.write(view)
        return count

    @staticmethod
    def _send_all(file: StreamSocket, view: Any, sent: int) -> int:
        """send(2) on a blocking socket: all of it, or as much as was taken when the connection broke; the next call hears of the error."""
        size = len(view)
        view = memoryview(view)
        while sent < size and not file.error and not file.write_shut and file.state is CONNECTED:
            count = file.write(view[sent:])
            sent += count
            if not count:
                file.wait_writable(None, "send")
        return sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send everything; waits while the buffers are full. The timeout is for the whole call."""
        file = self._file()
        view = _bytes_view(data)
        size = len(view)
        if flags & ~_MSG_KNOWN:
            raise Unsupported(f"sendall: flags {flags:#x} include some that are not simulated; MSG_DONTWAIT and MSG_NOSIGNAL are")
        if type(file) is not StreamSocket:
            file.send(bytes(view), None)
        else:
            sent = file.write(view)
            if sent < size:
                self._send_rest(file, view, sent, flags)
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, "send", file.title, size, crc32(view)))

    def _send_rest(self, file: StreamSocket, view: Any, sent: int, flags: int) -> None:
        deadline = self._deadline(flags)
        view = memoryview(view)  # slices of bytes would be copies
        while sent < len(view):
            count = file.write(view[sent:])
            sent += count
            if not count:
                if not file.wait_writable(deadline, "sendall"):
                    raise timed_out()
                self._check_open()

    def sendto(self, data: Any, *args: Any) -> int:
        """``sendto(data, address)`` or ``sendto(data, flags, address)``."""
        if len(args) not in (1, 2):
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(args) + 1} given)")
        flags, address = args if len(args) == 2 else (0, args[0])
        file = self._file()
        if flags & ~_MSG_KNOWN:
            raise Unsupported(f"sendto: flags {flags:#x} include some that are not simulated")
        view = _bytes_view(data)
        target = endpoint(self._sim_family, address, "sendto")
        if isinstance(file, StreamSocket):
            return self.send(view, flags)
        count = file.send(bytes(view), target)
        self._log("send", file, count, crc32(view))
        return int(count)

    # -- options ---------------------------------------------------------------------------------------------------------------------

    def setsockopt(self, level: int, optname: int, value: Any, optlen: Any = None, /) -> None:
        """Set an option; those that have no effect here are stored and read back, those whose effect would be missed are refused."""
        file = self._file()
        if value is None:
            value = bytes(optlen)
        elif not isinstance(value, int):
            value = bytes(_bytes_view(value))
        if level == _SOL_SOCKET and optname == _SO_LINGER and isinstance(value, bytes) and isinstance(file, StreamSocket):
            on, seconds = int.from_bytes(value[:4], "little"), int.from_bytes(value[4:8], "little")
            if on and seconds:
                raise Unsupported(f"SO_LINGER with {seconds} seconds is not simulated yet; off, and on with 0 (a reset), are")
            file.linger_reset = bool(on)
        file.set_option(int(level), int(optname), value)

    def getsockopt(self, level: int, optname: int, buflen: int = 0, /) -> Any:
        """An option as an integer, or as bytes when ``buflen`` is given."""
        file = self._file()
        value = file.get_option(int(level), int(optname))
        if buflen:
            if not 0 <= buflen <= 1024:
                raise OSError("getsockopt buflen out of range")
            return (value if isinstance(value, bytes) else int(value).to_bytes(4, "little"))[:buflen]
        return int.from_bytes(value[:4], "little") if isinstance(value, bytes) else int(value)

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
                self.__del__()
            else:
                self.close()

    def _queue_send(self, data: bytes) -> int:
        """What a file object's finalizer still had: sent at the kernel's next point, as far as it fits without waiting."""
        kernel, fd = self._kernel, self._fd

        def send() -> None:
            file = kernel.files.get(fd)
            if isinstance(file, StreamSocket) and file.state is CONNECTED and not file.write_shut and not file.error:
                file.write(data)

        kernel.finalize(send)
        return len(data)

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
            return
        if not kernel.ending:
            kernel.point()
            kernel.log.append((kernel.now, kernel.current.path, "close", getattr(file, "title", file.kind)))
        kernel.process.close(fd)

    def detach(self) -> int:
        """Give the descriptor away: the object is closed, the connection is not."""
        self._closed = True
        fd, self._fd = self._fd, -1
        return fd

    def dup(self) -> Any:
        """Another socket object and descriptor for the same connection."""
        file = self._file()
        other = type(self)(self.family, self.type, self.proto, fileno=self._kernel.process.open(file))
        other._wait_ns = self._wait_ns
        return other

    def get_inheritable(self) -> bool:
        """What ``set_inheritable`` said; no effect, as a world has one process."""
        if self._fd < 0:
            raise bad_descriptor()
        return getattr(self, "_inheritable", False)

    def set_inheritable(self, inheritable: bool) -> None:
        """Stored, without effect: a world has one process."""
        if self._fd < 0:
            raise bad_descriptor()
        self._inheritable = bool(inheritable)

    def _not_yet(self, name: str) -> Any:
        raise Unsupported(f"socket.{name} is not simulated yet")

    def sendmsg(self, *args: Any) -> Any:
        """Not simulated yet."""
        self._not_yet("sendmsg")

    def recvmsg(self, *args: Any) -> Any:
        """Not simulated yet."""
        self._not_yet("recvmsg")

    def recvmsg_into(self, *args: Any) -> Any:
        """Not simulated yet."""
        self._not_yet("recvmsg_into")

    def sendfile(self, *args: Any) -> Any:
        """Not simulated yet."""
        self._not_yet("sendfile")


def _bytes_view(data: Any) -> Any:
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


def _writable_view(buffer: Any, what: str) -> memoryview:
    try:
        view = memoryview(buffer).cast("B")
    except TypeError:
        view = None
    if view is None or view.readonly:
        raise TypeError(f"{what}() argument 1 must be read-write bytes-like object, not {type(buffer).__name__}")
    return view


def _padded(data: bytes, size: int, flags: int) -> bytes:
    """With MSG_TRUNC CPython returns as many bytes as the datagram had; those that were cut off have no defined value there."""
    return data.ljust(size, b"\0") if flags & _MSG_TRUNC else data


def _sender(file: Any, source: Any) -> Any:
    return reported(file.family, source) if source is not None and isinstance(file, DatagramSocket) else None


def _descriptor(fileno: Any) -> int:
    if isinstance(fileno, float) or not hasattr(fileno, "__index__"):
        raise TypeError(f"{type(fileno).__name__!r} object cannot be interpreted as an integer")
    if fileno < 0:
        raise ValueError("negative file descriptor")
    return int(fileno)


socket.__module__ = "simsock.stdlib.socket"
