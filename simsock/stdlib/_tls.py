"""TLS over simulated streams: what ``ssl.SSLSocket`` asks of C.

PYTEST_DONT_REWRITE

Owns the way of bytes between a simulated socket and OpenSSL, which reads and writes memory here; and one record for each read and write of plain text,
whichever way the program itself moves what is encrypted. Does not know certificates, nor ``ssl``'s classes, which stay this Python's own. Laws:

* no more is taken from the socket than the record that OpenSSL waits for: its head of five bytes, then its body. So ``select`` tells the truth, and
  what follows a ``close_notify`` stays where it is;
* what is encrypted and does not fit into the socket is owed: the call waits for it, or says SSLWantWriteError until it is out;
* one deadline for each call, and the errors that Modules/_ssl.c raises over a real socket;
* records hold plain text: no digest depends on what OpenSSL makes of it.
"""

from __future__ import annotations

import re
import sys
import weakref
from collections import deque
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from simsock.errors import SimsockError, TaskKilled, WorldEnded
from simsock.kernel import session
from simsock.kernel.failures import bad_descriptor, tell
from simsock.kernel.files import POLLERR, POLLHUP, POLLOUT
from simsock.kernel.identity import over
from simsock.stdlib import _openssl
from simsock.stdlib._buffers import bytes_view, shed
from simsock.stdlib._openssl import module as _ssl

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

_open = open
_HEAD_BYTES = 5
_BODY_BYTES_MAX = 16_384 + 2_048
"""Of a record before TLS 1.3, which knows shorter ones only."""
_PART_BYTES = 16_384
"""What one record carries at most: RFC 8446, 5.1."""
_TELLS_RESETS = sys.version_info >= (3, 12, 4)
"""Whether a read or a write that meets a reset raises it; before, such a connection is said to have ended."""
_NOT_THE_PROGRAM_S = (TaskKilled, KeyboardInterrupt, SimsockError)
_swallowed: dict[Task, BaseException] = {}
"""What a callback of the program raised inside OpenSSL, where C had to swallow it although it is none of the program's errors, by task."""
_hooks: list[Any] = []
"""What ``sys.unraisablehook`` was before each call into OpenSSL that is under way; all but the first of them is ours."""


def _hear(unraisable: Any) -> None:
    kernel, error = session.active, unraisable.exc_value
    if kernel is not None and isinstance(error, _NOT_THE_PROGRAM_S):
        _swallowed[kernel.current] = error
    else:
        _hooks[0](unraisable)


def _begin(kernel: Kernel, draws: bool) -> None:
    if draws:
        _openssl.begin(kernel)
    _hooks.append(sys.unraisablehook)
    sys.unraisablehook = _hear


def _end(kernel: Kernel, draws: bool) -> None:
    if draws:
        _openssl.end()
    if len(_hooks) == 1 and sys.unraisablehook is _hear:
        sys.unraisablehook = _hooks[0]
    _hooks.pop()
    if _swallowed and (error := _swallowed.pop(kernel.current, None)) is not None:
        raise error


class Conversation:
    """One end of TLS between the program's own two buffers (``ssl.MemoryBIO``): asyncio's, trio's."""

    def __init__(self, kernel: Kernel, made: Any, draws: bool) -> None:
        room = kernel.room(_openssl.Room)
        room.conversations += 1
        self._kernel = kernel
        self._tls = made
        """The object of C."""
        self._draws = draws
        self._inside: Task | None = None
        """Which task is in OpenSSL: one at a time, and one that a callback keeps there may wait."""
        self._line: deque[Task] = deque()
        self._title = f"TLS-{room.conversations}"
        self._room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tls, name)

    @property
    def context(self) -> Any:
        return self._tls.context

    @context.setter
    def context(self, context: Any) -> None:
        self._tls.context = context

    @property
    def session(self) -> Any:
        return self._tls.session

    @session.setter
    def session(self, session: Any) -> None:
        self._tls.session = session

    @property
    def owner(self) -> Any:
        return self._tls.owner

    @owner.setter
    def owner(self, owner: Any) -> None:
        self._tls.owner = owner

    def describe(self) -> str:
        """For reports about waits."""
        return self._title

    def _call(self, operation: Any, *args: Any) -> Any:
        """One call into OpenSSL."""
        kernel = self._kernel
        task = kernel.current
        while self._inside is not None and self._inside is not task and not self._inside.dead:
            kernel.wait(self._line, None, "TLS", self)
        outer, self._inside = self._inside, task
        _begin(kernel, self._draws)
        keylog = self._room.keylog
        try:
            if keylog is not None and self._tls.version() is None:  # the handshake is not over
                return keylog.call(self._tls.context, operation, *args)
            return operation(*args)
        finally:
            self._inside = outer
            if self._line:
                kernel.wake_all(self._line)
            _end(kernel, self._draws)

    def _alive(self) -> bool:
        """Whether its world goes on, in which the call is a point. After that it is OpenSSL's alone."""
        kernel = self._kernel
        if kernel is not session.active:
            return False
        kernel.point()
        return True

    def _log(self, what: str, title: str, data: Any) -> None:
        kernel = self._kernel
        if kernel.watchers is not None:
            kernel.watchers.moves(kernel.current, data)
        kernel.log.append((kernel.now, kernel.current.path, what, title, len(data), crc32(data)))

    def do_handshake(self) -> None:
        """As far as it gets with what is in the buffer."""
        if not self._alive():
            self._tls.do_handshake()
            return
        self._call(self._tls.do_handshake)
        self._kernel.log.append((self._kernel.now, self._kernel.current.path, "handshake", self._title))

    def read(self, length: int, *buffer: Any) -> Any:
        """Plain text."""
        if not self._alive():
            return self._tls.read(length, *buffer)
        found = self._call(self._tls.read, length, *buffer)
        self._log("decrypt", self._title, memoryview(buffer[0]).cast("B")[:found] if buffer else found)
        return found

    def write(self, data: Any) -> Any:
        """Take plain text."""
        if not self._alive():
            return self._tls.write(data)
        count = self._call(self._tls.write, data)
        self._log("encrypt", self._title, memoryview(data).cast("B")[:count])
        return count

    def shutdown(self) -> Any:
        """Say ``close_notify``, and read the peer's."""
        return self._call(self._tls.shutdown) if self._alive() else self._tls.shutdown()


class StreamConversation(Conversation):
    """The same over a simulated socket."""

    def __init__(self, kernel: Kernel, sock: Any, incoming: Any, outgoing: Any, made: Any, server_side: bool, draws: bool) -> None:
        super().__init__(kernel, made, draws)
        self._incoming, self._outgoing = incoming, outgoing
        self._server_side = server_side
        self._socket = weakref.ref(sock)
        self._fd = sock._fd
        self._owed: Any = b""
        """What is encrypted and not sent."""
        self._written = 0
        """How much of the data of a write that is to be tried again is encrypted."""
        self._missing = _HEAD_BYTES
        """How many bytes of the record's part that is being read are still to come."""
        self._head: bytearray | None = bytearray()
        """The part is a head: what there is of it. None: it is a body."""
        self._wait_ns: int | None = None
        """The socket's timeout, in this call."""
        self._writer: Task | None = None
        """Who is writing: two writes never mix."""
        self._flows = False
        """The newest read found something: with nothing left, OpenSSL wants the next record, and need not be asked first."""
        self._failed = False
        """A write was tried again with less, after which OpenSSL has nothing more to do with this end."""

    def _start(self) -> tuple[Any, int | None]:
        """(the open file, the deadline) of a call that begins."""
        kernel = self._kernel
        if kernel is not session.active:
            raise WorldEnded(f"this socket belongs to a world that {over(kernel)}")
        kernel.point()
        sock = self._socket()
        if sock is None:
            raise _error(_ssl.SSLError, 9, "Underlying socket connection gone")
        file = kernel.files.get(self._fd)
        if file is None or sock._fd != self._fd:
            raise bad_descriptor()
        self._wait_ns = wait_ns = sock._wait_ns
        return file, kernel.now + wait_ns if wait_ns else None

    def _meet_deadline(self, file: Any, text: str) -> OSError:
        """What a wait raises whose time was over."""
        if self._kernel.files.get(self._fd) is not file:
            return _error(_ssl.SSLError, 1, "Underlying socket has been closed.")
        tell(None, file)
        return TimeoutError(text)

    # -- out ---------------------------------------------------------------------------------------------------------------------------

    def _flush(self, file: Any, deadline: int | None, text: str) -> None:
        """Send what OpenSSL has written. Raises SSLWantWriteError, or at the deadline; then the rest is owed."""
        if self._outgoing.pending:
            self._owed = bytes(self._owed) + self._outgoing.read()
        while self._owed:
            count = file.write(self._owed)
            self._owed = memoryview(self._owed)[count:]
            if count or not self._owed:
                continue
            if self._wait_ns == 0:
                self._kernel.fruitless()
                raise _error(_ssl.SSLWantWriteError, 3, "The operation did not complete (write)")
            if not file.wait_writable(deadline, "TLS send"):
                raise self._meet_deadline(file, text)

    def _flush_some(self, file: Any) -> None:
        """Send what goes without waiting, whether or not anybody takes it: an alert, or what nobody waits for."""
        if self._outgoing.pending:
            self._owed = bytes(self._owed) + self._outgoing.read()
        try:
            while self._owed and (count := file.write(self._owed)):
                self._owed = memoryview(self._owed)[count:]
        except OSError:
            self._owed = b""

    # -- in ----------------------------------------------------------------------------------------------------------------------------

    def _fetch(self, file: Any, deadline: int | None, text: str, why: str) -> None:
        """Hand OpenSSL the rest of the head or the body that it waits for, or the end of the stream."""
        while True:
            data = file.read(self._missing)
            if data is None:
                if self._wait_ns == 0:
                    self._kernel.fruitless()
                    raise _error(_ssl.SSLWantReadError, 2, "The operation did not complete (read)")
                if not file.wait_readable(deadline, why):
                    raise self._meet_deadline(file, text)
                continue
            if not data:
                self._incoming.write_eof()
                return
            self._incoming.write(data)
            self._missing -= len(data)
            if self._head is not None:
                self._head += data
            if not self._missing:
                head = self._head
                self._turn()
                if self._flows and head is not None and self._head is None and 20 <= head[0] <= 23 and head[1] == 3 and self._missing <= _BODY_BYTES_MAX:
                    continue  # OpenSSL would only ask for the body
                return

    def _turn(self) -> None:
        """A head is complete: now comes its body; or the other way round."""
        head = self._head
        if head is not None:
            old = head[0] & 0x80 and head[2] == 1  # a hello as SSL 2 had it, of which OpenSSL has read a part of the body
            self._missing = max(((head[0] & 0x7F) << 8 | head[1]) - 3 if old else head[3] << 8 | head[4], 0)
            self._head = None
        if head is None or not self._missing:
            self._missing, self._head = _HEAD_BYTES, bytearray()

    # -- calls -------------------------------------------------------------------------------------------------------------------------

    def _pump(self, file: Any, deadline: int | None, text: str, why: str, operation: Any, *args: Any) -> Any:
        """Call OpenSSL until it has what it wants from the socket."""
        while True:
            try:
                found = self._call(operation, *args)
            except _ssl.SSLWantReadError:
                if self._outgoing.pending or not self._written:  # else what is owed is some write's, which another task may be waiting to get out
                    self._flush(file, deadline, text)
                self._fetch(file, deadline, text, why)
            except BaseException:
                self._flush_some(file)
                raise
            else:
                return found

    def do_handshake(self) -> None:
        """The handshake, or what is left of it."""
        file, deadline = self._start()
        self._flows = False
        text = _handshake_text()
        if self._owed:
            self._flush(file, deadline, text)
        self._pump(file, deadline, text, "TLS handshake", self._tls.do_handshake)
        try:
            self._flush(file, deadline, text)
        except (BrokenPipeError, ConnectionResetError):
            if not self._server_side or self._tls.version() != "TLSv1.3":
                raise
            self._owed = b""  # tickets that nobody takes: as tls_finish_handshake() has it
        kernel = self._kernel
        kernel.log.append((kernel.now, kernel.current.path, "handshake", file.title))

    def read(self, length: int, *buffer: Any) -> Any:
        """Plain text, into a buffer if one is given; returns it, or how many bytes there are."""
        file, deadline = self._start()
        if self._failed:
            raise _ended()
        text = "The read operation timed out"
        found: Any = None
        try:
            if self._owed and not self._written:
                self._flush(file, deadline, text)
            if self._flows and _wants_some(length, buffer) and not self._tls.pending():
                self._fetch(file, deadline, text, "recv")
            found = self._pump(file, deadline, text, "recv", self._tls.read, length, *buffer)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise _broken(error) from None
        finally:
            self._flows = bool(found)
        if self._outgoing.pending:
            self._flush_some(file)
        self._log("recv", file.title, memoryview(buffer[0]).cast("B")[:found] if buffer else found)
        return found

    def write(self, data: Any) -> int:
        """Encrypt and send all of ``data``. What is tried again must not be shorter than it was."""
        file, deadline = self._start()
        text = "The write operation timed out"
        view = memoryview(bytes_view(data))
        try:
            self._write(file, deadline, text, view)
        except OSError as error:
            del view
            shed(error)
            raise
        self._written = 0
        self._log("send", file.title, view)
        return len(view)

    def _write(self, file: Any, deadline: int | None, text: str, view: memoryview) -> None:
        if self._wait_ns:
            while not file.poll() & (POLLOUT | POLLERR | POLLHUP):
                if not file.wait_writable(deadline, "TLS send"):
                    raise self._meet_deadline(file, text)
        task = self._kernel.current
        while self._writer is not None and self._writer is not task and not self._writer.dead:
            self._kernel.wait(self._line, None, "TLS send", self)
        self._writer = task
        try:
            self._write_all(file, deadline, text, view)
        except (ConnectionResetError, BrokenPipeError) as error:
            raise _broken(error) from None
        finally:
            self._writer = None
            if self._line:
                self._kernel.wake_all(self._line)

    def _write_all(self, file: Any, deadline: int | None, text: str, view: memoryview) -> None:
        size = len(view)
        if size < self._written:
            self._failed = True
            raise _error(_ssl.SSLError, 1, "bad length", "SSL", "BAD_LENGTH")
        if self._failed:
            raise _ended()
        if self._owed:
            self._flush(file, deadline, text)
        while self._written < size or not size:
            part = view[self._written : self._written + _PART_BYTES]
            self._written += self._pump(file, deadline, text, "TLS send", self._tls.write, part)
            self._flush(file, deadline, text)
            if not size:
                return

    def write_later(self, data: bytes) -> None:
        """What a finalizer still has to say: encrypted, and sent as far as it goes without waiting. Called in the kernel."""
        file = self._kernel.files.get(self._fd)
        if file is None or self._owed or self._inside is not None:
            return
        try:
            self._call(self._tls.write, data)
        except (OSError, ValueError):
            return
        self._flush_some(file)

    def shutdown(self) -> Any:
        """``close_notify`` out and in; returns the socket, whose bytes are plain from now on."""
        file, deadline = self._start()
        text = "The read operation timed out"
        self._flows = False
        if self._owed:
            self._flush(file, deadline, text)
        self._pump(file, deadline, text, "TLS unwrap", self._tls.shutdown)
        self._flush(file, deadline, "The write operation timed out")
        return self._socket()


def _wants_some(length: Any, buffer: tuple[Any, ...]) -> bool:
    """Whether a read asks for at least a byte; not known of arguments that only C can judge."""
    return type(length) is int and length > 0 and (not buffer or (type(buffer[0]) in (memoryview, bytearray) and len(buffer[0]) > 0))


def _broken(error: OSError) -> OSError:
    """What a read or a write says that met a reset."""
    return error if _TELLS_RESETS else _ended()


def _ended() -> OSError:
    return _error(_ssl.SSLEOFError, 8, "EOF occurred in violation of protocol")


def _error(kind: Any, number: int, text: str, library: str | None = None, reason: str | None = None) -> OSError:
    """An error as Modules/_ssl.c makes it, whose texts end in a line of that file, which nobody should look for."""
    prefix = f"[{library}: {reason}] " if reason else ""
    error: OSError = kind(number, f"{prefix}{text} (_ssl.c)")
    error.library, error.reason = library, reason  # type: ignore[attr-defined]  # attributes of an SSLError
    return error


@cache
def _handshake_text() -> str:
    """Its text begins with a line of C, which stands in the module's file."""
    text = "The handshake operation timed out"
    path = getattr(_ssl, "__file__", None)
    if path is not None:
        with suppress(OSError), _open(path, "rb") as file:
            found = re.search(rb"_ssl\.c:\d+: " + text.encode(), file.read())
            return found[0].decode() if found is not None else text
    return text


def queue_send(self: Any, data: bytes) -> int:
    """``_queue_send`` of a socket that speaks TLS: what a file object's finalizer still had is encrypted like everything before it."""
    conversation = self._sslobj
    if isinstance(conversation, StreamConversation):
        self._kernel.finalize(lambda: conversation.write_later(data))
    return len(data)


__all__ = ["Conversation", "StreamConversation", "queue_send"]
