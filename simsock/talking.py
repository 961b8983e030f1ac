"""One handler, spoken to directly: no server, no thread, no port.

Owns ``talk``: clients that are bytes, dialogues and datagrams. Does not know how requests are made up. Law: the handler meets what it would meet
behind a real server: a connected socket, bytes in pieces, an end of stream, timeouts in virtual time.
"""

from __future__ import annotations

import errno
from collections import deque
from contextlib import suppress
from functools import partial
from types import FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any

from simsock.errors import RealTimeLimit, TaskWillNotEnd, Unsupported, UsageError
from simsock.kernel import session
from simsock.kernel.files import POLLIN
from simsock.kernel.leaks import open_descriptors, running_tasks
from simsock.kernel.program_lines import place_of
from simsock.kernel.units import Duration, duration_ns
from simsock.kernel.watchers import Watcher, unwatch, watch
from simsock.net.addresses import AF_INET
from simsock.net.chunks import check_chunks, make_cutter
from simsock.net.datagrams import PAYLOAD_BYTES_MAX, DatagramSocket
from simsock.net.fabric import fabric_of
from simsock.net.sockets import os_error
from simsock.net.tcp.stream import StreamSocket
from simsock.world.servers import is_made_of_address, is_real, takes
from simsock.world.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from simsock.kernel import Kernel, Task
    from simsock.net.addresses import Endpoint
    from simsock.net.unix.ancillary import Passed
    from simsock.world.typed import Chunks

SIMSOCK_ROOM = "outside"

SERVER_ADDRESS = ("10.0.0.1", 80)
REAL_SECONDS_MAX = 10.0
"""Real seconds in one talk alone: a handler that has computed for so long does not end."""


class Datagram:
    """A client that sends one datagram: ``talk(Handler, Datagram(b"ping"))``."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise UsageError(f"Datagram: expected bytes, got {data!r}")
        self.data = bytes(data)

    def __repr__(self) -> str:
        return f"Datagram({self.data!r})"


class Talk:
    """What came of it: ``reply`` (all bytes that the handler sent), ``replies`` (the same in parts: one for each datagram, one for each turn
    of a dialogue), ``closed`` (whether the handler closed or half-closed the connection), ``error`` (what it raised, or None; a
    ``TimeoutError`` when it had not ended in time), ``elapsed`` (virtual seconds), ``leaks`` (descriptors and tasks that it left behind, in words).
    """

    __slots__ = ("closed", "elapsed", "error", "leaks", "replies")

    def __init__(self, replies: tuple[bytes, ...], closed: bool, error: BaseException | None, elapsed: float, leaks: tuple[str, ...]) -> None:
        self.replies = replies
        self.closed = closed
        self.error = error
        self.elapsed = elapsed
        self.leaks = leaks

    @property
    def reply(self) -> bytes:
        """All bytes that the handler sent."""
        return b"".join(self.replies)

    def __repr__(self) -> str:
        leaks = f", leaks={self.leaks!r}" if self.leaks else ""
        return f"Talk(reply={self.reply!r}, closed={self.closed}, error={self.error!r}, elapsed={self.elapsed}{leaks})"


class BareServer:
    """What a handler sees as ``self.server`` when the test gives none: an address and nothing else."""

    def __init__(self) -> None:
        self.server_address = SERVER_ADDRESS

    def __getattr__(self, name: str) -> Any:
        __tracebackhide__ = True  # the line that asks is of interest
        told = f"{type(self).__name__!r} object has no attribute {name!r}"
        if not name.startswith("__"):
            told += f": a handler whose server has a {name!r} needs one, server=YourServer (the class, a function that makes one, or an object)"
        raise AttributeError(told, name=name, obj=self)


def check_handler(who: str, handler: Any) -> None:
    """Raise ``UsageError`` for what cannot be a request handler class."""
    if isinstance(handler, type) and hasattr(handler, "serve_forever"):
        raise UsageError(f"{who}: expected a request handler class, got the server class {handler.__name__}: {who}(ItsHandler, ..., server={handler.__name__})")
    if not callable(handler):
        raise UsageError(f"{who}: expected a request handler class, got {handler!r}")


class _ServerOfOneTalk:
    """A context manager: what the handler sees as its server. A class or a function is called for it, in the world, and what it made is closed in the end."""

    def __init__(self, kernel: Kernel, server: Any, handler: Any) -> None:
        self.kernel = kernel
        self.server = server
        self.handler = handler
        self.made = False

    def __enter__(self) -> Any:
        server = self.server
        if server is None:
            return BareServer()
        if not isinstance(server, (type, FunctionType, partial)):
            return server
        address = (fabric_of(self.kernel).localhost.addresses[0], 0)
        is_server = isinstance(server, type) and hasattr(server, "serve_forever")
        if is_server and is_made_of_address(server):
            server = server(address)
        elif is_server and takes(server, 2):
            server = server(address, self.handler)
        elif takes(server, 0):
            server = server()
        else:
            raise UsageError(f"talk: server: expected a server, a server class or a function without arguments that makes one, got {self.server!r}")
        self.server, self.made = server, True
        if is_real(getattr(server, "socket", None)):
            self.__exit__()
            raise UsageError(f"talk: server: {server!r} has a real socket: in a world with patch=False only servers of simsock.socketserver can be made")
        return server

    def __exit__(self, *exc: object) -> None:
        close = getattr(self.server, "server_close", None)
        if self.made and callable(close) and getattr(self.server, "socket", None) is not None:
            close()


def talk(
    handler: Callable[[Any, Any, Any], object],
    client: bytes | bytearray | memoryview | Datagram | Callable[[], Generator[bytes, bytes, object]],
    *,
    server: Any = None,
    chunks: Chunks = "whole",
    half_close: bool = True,
    client_address: tuple[str, int] = ("10.0.0.2", 40000),
    timeout: Duration = 60,
    seed: int | str = 0,
) -> Talk:
    """Run one request handler class on one connection, and return what came of it.

    ``client`` is what the client sends: bytes; a ``Datagram``; or a generator function that yields bytes, one turn of a dialogue each, and is sent
    what the handler sent since its last turn. A turn ends when the handler waits for input or has ended; ``yield b""`` is a turn without words.
    Stream bytes arrive cut as ``chunks`` says (``"whole"``, ``"random"`` by ``seed``, ``"bytes"``, a list of sizes); after the last the client
    half-closes, unless told not to. ``timeout`` is virtual. Works alone and inside a world.
    ``server`` is what the handler sees as ``self.server``; of a server class, and of a function without arguments, a fresh one is made for each talk.
    ``timeout`` is in seconds, or ``"80ms"``. What the handler raises is in ``.error`` and not raised; ``UsageError`` is, for arguments that make no sense.

    >>> from simsock.socketserver import StreamRequestHandler
    >>> class Upper(StreamRequestHandler):
    ...     def handle(self):
    ...         self.wfile.write(self.rfile.readline().upper())
    >>> talk(Upper, b"hello\\n").reply
    b'HELLO\\n'
    """
    check_handler("talk", handler)
    if not isinstance(client, (bytes, bytearray, memoryview, Datagram)) and not callable(client):
        raise UsageError(f"talk: expected the client's bytes, a Datagram or a generator function, got {client!r}")
    if not isinstance(client_address, tuple) or len(client_address) != 2 or not isinstance(client_address[0], str) or not isinstance(client_address[1], int):
        raise UsageError(f"talk: client_address: expected (host, port), got {client_address!r}")
    timeout_ns = duration_ns(timeout, "timeout")
    chunks = check_chunks(chunks)
    if isinstance(client, Datagram) and chunks != "whole":
        raise UsageError(f"talk: chunks={chunks!r}: a datagram arrives whole or not at all")
    if session.active is not None:
        return _talk(session.active, handler, client, server, chunks, half_close, client_address, timeout_ns)
    sim = Simulation(seed=seed, max_real_time=REAL_SECONDS_MAX)
    try:
        with sim:
            assert sim._kernel is not None
            return _talk(sim._kernel, handler, client, server, chunks, half_close, client_address, timeout_ns)
    except RealTimeLimit as limit:
        overdue = TimeoutError(f"the handler computed for {REAL_SECONDS_MAX:g} s of real time without an end: {limit}")
        overdue.__cause__ = limit
        return Talk((), False, overdue, sim.now, ())


def _talk(kernel: Kernel, handler: Any, client: Any, server: Any, chunks: Any, half_close: bool, client_address: Any, timeout_ns: int) -> Talk:
    with _ServerOfOneTalk(kernel, server, handler) as served:
        return _talk_to(kernel, handler, client, served, chunks, half_close, client_address, timeout_ns)


def _talk_to(kernel: Kernel, handler: Any, client: Any, served: Any, chunks: Any, half_close: bool, client_address: Any, timeout_ns: int) -> Talk:
    line: _Line
    if isinstance(client, Datagram):
        line = _Message(kernel, client, client_address)
    elif callable(client):
        line = _Dialogue(kernel, client, client_address, chunks, half_close)
    else:
        line = _Speech(kernel, bytes(client), client_address, chunks, half_close)
    began, errors_before = kernel.now, len(kernel.errors)
    files_before = set(kernel.files)
    left: list[SystemExit] = []

    def run() -> None:
        try:
            handler(line.request, client_address, served)
        except SystemExit as leaving:  # the end of a thread, and no error of its; but a server without threads ends with it
            left.append(leaving)
        finally:
            line.close()

    task = kernel.spawn(run, base="handler")
    timed_out = None
    try:
        ended = line.attend(task, began + timeout_ns)
    except BaseException:  # the client's own
        _stop(kernel, task)
        line.close()  # a handler that never began has not
        kernel.errors[errors_before:] = [entry for entry in kernel.errors[errors_before:] if entry[0] is not task]
        raise
    if not ended:
        timed_out = TimeoutError(f"the handler had not ended after {timeout_ns / 1e9:g} s of virtual time: {_last_words(task)}")
        _stop(kernel, task)
    error = task.error
    if error is None and left:
        error = left[0]
    kernel.errors[errors_before:] = [entry for entry in kernel.errors[errors_before:] if entry[1] is not error or error is None]
    error = timed_out or error
    leaks = _leaks(kernel, files_before, task) if error is None else ()
    return Talk(line.replies(), line.closed, error, (kernel.now - began) / 1e9, leaks)


def _stop(kernel: Kernel, task: Task) -> None:
    task.daemon = True  # not before: threads that a handler starts would take after it
    if task.cancel():
        with suppress(TaskWillNotEnd):  # one that swallows its end is left to the world's
            kernel.join(task, kernel.now)


def _last_words(task: Any) -> str:
    doing = f"waiting in {task.why}" if task.queue is not None else "running"
    return f"it was {doing} at {place_of(task.greenlet)}"


def _leaks(kernel: Kernel, files_before: set[int], handler: Task) -> tuple[str, ...]:
    """What a handler that has ended left behind: descriptors of the world, and tasks that it or its own started and that are no daemons."""

    def is_its_own(task: Task) -> bool:
        parent = task.parent
        while parent is not None and parent is not handler:
            parent = parent.parent
        return parent is handler

    return (*open_descriptors(kernel, files_before), *running_tasks(kernel, is_its_own))


# -- clients -------------------------------------------------------------------------------------------------------------------------------


class _Line:
    """What lies between a client and its handler: the ``request`` that the handler gets, and the client's part while it runs."""

    request: Any
    closed = False

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def attend(self, task: Task, deadline: int) -> bool:
        """Play the client until the handler has ended; False when the deadline passed first."""
        return self.kernel.join(task, deadline)

    def close(self) -> None:
        """What a server does when a handler has ended."""
        self.request.close()

    def replies(self) -> tuple[bytes, ...]:
        """What the handler sent."""
        raise NotImplementedError


class _Stream(_Line):
    """A connection. The client's bytes are all on their way at once, however many there are: no buffer is to stop a client that never reads."""

    def __init__(self, kernel: Kernel, client_address: Any, chunks: Any) -> None:
        from simsock.stdlib.socket import socket

        super().__init__(kernel)
        fabric = fabric_of(kernel)
        host = fabric.localhost
        self.theirs, self.ours = fabric.joined(host)
        self.theirs.cutter = make_cutter(chunks, kernel.tape, "chunks talk")
        self.theirs.local, self.theirs.remote = SERVER_ADDRESS, client_address
        self.theirs.child = True
        self.theirs.title = f"talk {client_address[0]}:{client_address[1]}"
        self.ours.receive_bytes_max = 1 << 40
        self.request = socket._wrap(self.theirs)

    def half_close(self) -> None:
        """The client says no more."""
        self.ours.shutdown(False, True)

    def take(self) -> bytes:
        """What has come since the last time."""
        data = bytes(self.ours.rx)
        self.ours.rx.clear()
        return data

    @property
    def closed(self) -> bool:  # type: ignore[override]  # computed here
        return self.ours.eof or not self.ours.connected


class _Speech(_Stream):
    """A client that says everything at once."""

    def __init__(self, kernel: Kernel, sent: bytes, client_address: Any, chunks: Any, half_close: bool) -> None:
        super().__init__(kernel, client_address, chunks)
        self.theirs.rx += sent
        if half_close:
            self.half_close()

    def replies(self) -> tuple[bytes, ...]:
        data = self.take()
        return (data,) if data else ()


class _Ear(Watcher):
    """Hears when somebody looks for input at the handler's end in vain. A watcher that is a part of the run: it wakes the client."""

    def __init__(self, end: StreamSocket) -> None:
        self.end = end
        self.awaited = self.looked = False
        self.waiting: deque[Task] = deque()

    def waits(self, task: Task) -> None:
        if task.queue is self.end.readers:
            self.awaited = True
            self.tell()
        elif any(queue is task.queue and mask & POLLIN for queue, mask in self.end.pollers or ()):
            self.looked = True  # perhaps: it is if that select still waits when the client has its turn
            self.tell()

    def fails(self, task: Task, call: str, number: int | None, on: Any) -> None:
        if on is self.end and number == errno.EAGAIN and not self.end.rx:
            self.awaited = True
            self.tell()

    def tell(self) -> None:
        """Give the client a look."""
        if self.waiting:
            self.end.kernel.wake_all(self.waiting)

    def is_turn(self) -> bool:
        """Whether input was looked for in vain since the last turn."""
        awaited = self.awaited or (self.looked and any(mask & POLLIN for _, mask in self.end.pollers or ()))
        self.awaited = self.looked = False
        return awaited


class _Dialogue(_Stream):
    """A client that listens before it speaks. It runs in the task that called ``talk``, between its turns that task waits."""

    def __init__(self, kernel: Kernel, client: Callable[[], Any], client_address: Any, chunks: Any, half_close: bool) -> None:
        script = client()
        if not isinstance(script, GeneratorType):
            raise UsageError(f"talk: expected a generator function as client, got {client!r}, which returned {script!r}")
        super().__init__(kernel, client_address, chunks)
        self.script: Generator[bytes, bytes, object] | None = script
        self.heard: list[bytes] = []
        self.hangs_up = half_close
        self.over = False
        self.ear = _Ear(self.theirs)

    def close(self) -> None:
        super().close()
        self.over = True
        self.ear.tell()

    def attend(self, task: Task, deadline: int) -> bool:
        kernel, ear = self.kernel, self.ear
        watch(kernel, ear)
        try:
            self.say(None)
            while not self.over:
                if self.script is not None and ear.is_turn():
                    self.say(self.listen())
                elif not kernel.wait(ear.waiting, deadline, "talk", self.theirs, 0) and not self.over:
                    return False
            if self.script is not None:
                self.say(self.listen())
            return kernel.join(task, deadline)
        finally:
            unwatch(kernel, ear)
            if self.script is not None:
                self.script.close()

    def listen(self) -> bytes:
        """One turn's reply."""
        reply = self.take()
        self.heard.append(reply)
        return reply

    def say(self, reply: bytes | None) -> None:
        """The client's turn: it hears a reply (None: it begins), and what it yields is on its way."""
        assert self.script is not None
        try:
            words = self.script.send(reply)  # type: ignore[arg-type]  # None begins
        except StopIteration:
            self.script = None
            if self.hangs_up and not self.over:
                self.half_close()
            return
        except BaseException:
            self.script = None
            raise
        if not isinstance(words, (bytes, bytearray, memoryview)):
            raise UsageError(f"talk: a client in a dialogue yields bytes, got {words!r}")
        if words and not self.over:
            self.theirs.arrive_bytes(bytes(words))

    def replies(self) -> tuple[bytes, ...]:
        if rest := self.take():
            self.heard.append(rest)
        return tuple(self.heard)


class _OneClient(DatagramSocket):
    """The server's socket, as seen by the handler of one datagram: what is sent to the client is kept."""

    __slots__ = ("client", "sent")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.client: Endpoint = ("", 0)
        self.sent: list[bytes] = []

    def send(self, data: bytes, target: Endpoint | None, passed: Passed | None = None) -> int:
        if target is not None and target != self.client:
            raise Unsupported(f"talk: a handler sends datagrams to its client {self.client} only, got {target!r}")
        if target is None:
            raise os_error(errno.EDESTADDRREQ)
        if len(data) > PAYLOAD_BYTES_MAX:
            raise os_error(errno.EMSGSIZE)
        self.sent.append(bytes(data))
        return len(data)


class _Message(_Line):
    """A client that sends one datagram."""

    def __init__(self, kernel: Kernel, client: Datagram, client_address: Any) -> None:
        from simsock.stdlib.socket import socket

        super().__init__(kernel)
        fabric = fabric_of(kernel)
        host = fabric.localhost
        self.end = _OneClient(fabric, host, AF_INET, 0, host.udp)
        self.end.local = SERVER_ADDRESS
        self.end.child = True
        self.end.client = client_address
        self.socket = socket._wrap(self.end)
        self.request = (client.data, self.socket)

    def close(self) -> None:
        self.socket.close()

    def replies(self) -> tuple[bytes, ...]:
        return tuple(self.end.sent)


__all__ = ["BareServer", "Datagram", "Talk", "talk"]
