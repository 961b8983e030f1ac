"""One handler, spoken to directly: no server, no thread, no port.

Owns ``talk``. Does not know how requests are made up. Law: the handler meets what it would meet behind a real server: a connected socket,
bytes in pieces, an end of stream, timeouts in virtual time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported, UsageError
from simsock.kernel import session
from simsock.kernel.places import place_of
from simsock.kernel.units import Duration, duration_ns
from simsock.net.chunks import check_chunks, make_cutter
from simsock.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel

SERVER_ADDRESS = ("10.0.0.1", 80)


class Talk:
    """What came of it: ``reply`` (all bytes that the handler sent), ``closed`` (whether it closed or half-closed the connection),
    ``error`` (what it raised, or None; a ``TimeoutError`` when it had not ended in time), ``elapsed`` (virtual seconds).
    """

    __slots__ = ("closed", "elapsed", "error", "reply")

    def __init__(self, reply: bytes, closed: bool, error: BaseException | None, elapsed: float) -> None:
        self.reply = reply
        self.closed = closed
        self.error = error
        self.elapsed = elapsed

    def __repr__(self) -> str:
        return f"Talk(reply={self.reply!r}, closed={self.closed}, error={self.error!r}, elapsed={self.elapsed})"


class BareServer:
    """What a handler sees as ``self.server`` when the test gives none: an address and nothing else."""

    def __init__(self) -> None:
        self.server_address = SERVER_ADDRESS


def talk(
    handler: Callable[[Any, Any, Any], object],
    client: Any,
    *,
    server: Any = None,
    chunks: Any = "whole",
    half_close: bool = True,
    client_address: tuple[str, int] = ("10.0.0.2", 40000),
    timeout: Duration = 60,
    seed: int | str = 0,
) -> Talk:
    """Run one request handler class on a connection on which the client has sent ``client`` (bytes), and return what came of it.

    The bytes arrive cut as ``chunks`` says (``"whole"``, ``"random"`` by ``seed``, ``"bytes"``, a list of sizes); then the client half-closes,
    unless told not to. ``timeout`` is virtual. Works alone and inside a world.

    >>> from simsock.socketserver import StreamRequestHandler
    >>> class Upper(StreamRequestHandler):
    ...     def handle(self):
    ...         self.wfile.write(self.rfile.readline().upper())
    >>> talk(Upper, b"hello\\n").reply
    b'HELLO\\n'
    """
    if not callable(handler):
        raise UsageError(f"talk: expected a request handler class, got {handler!r}")
    if not isinstance(client, (bytes, bytearray, memoryview)):
        if callable(client) or type(client).__name__ == "Datagram":
            raise Unsupported(f"talk: client={client!r}: dialogues and datagrams are not there yet; bytes are")
        raise UsageError(f"talk: expected the client's bytes, got {client!r}")
    timeout_ns = duration_ns(timeout, "timeout")
    chunks = check_chunks(chunks)
    if session.active is not None:
        return _talk(session.active, handler, bytes(client), server, chunks, half_close, client_address, timeout_ns)
    with Simulation(seed=seed) as sim:
        assert sim._kernel is not None
        return _talk(sim._kernel, handler, bytes(client), server, chunks, half_close, client_address, timeout_ns)


def _talk(kernel: Kernel, handler: Any, sent: bytes, server: Any, chunks: Any, half_close: bool, client_address: Any, timeout_ns: int) -> Talk:
    from simsock.stdlib.socket import socket

    fabric = kernel.state["net"]
    theirs, ours = fabric.joined(fabric.localhost)
    theirs.cut = make_cutter(chunks, kernel.tape, "chunks talk")
    theirs.local, theirs.remote = SERVER_ADDRESS, client_address
    theirs.child = True
    theirs.title = f"talk {client_address[0]}:{client_address[1]}"
    # The client's bytes are all on their way at once, however many there are: no buffer is to stop a client that never reads.
    theirs.rx += sent
    ours.receive_bytes_max = 1 << 40
    ours.write_shut = half_close
    if half_close:
        ours.pump()
    began = kernel.now
    errors_before = len(kernel.errors)
    request = socket._wrap(theirs)
    served = server if server is not None else BareServer()

    def run() -> None:
        try:
            handler(request, client_address, served)
        finally:
            request.close()

    task = kernel.spawn(run, base="handler", daemon=True)
    timed_out = None
    if not kernel.join(task, began + timeout_ns):
        timed_out = TimeoutError(f"the handler had not ended after {timeout_ns / 1e9:g} s of virtual time: {_last_words(task)}")
        kernel.cancel(task)
        kernel.join(task, kernel.now)  # one that swallows its end is left to the world's
    error = task.error
    kernel.errors[errors_before:] = [entry for entry in kernel.errors[errors_before:] if entry[1] is not error or error is None]
    error = timed_out or error
    reply = bytes(ours.rx)
    ours.rx.clear()
    return Talk(reply, ours.eof or ours.state == "closed", error, (kernel.now - began) / 1e9)


def _last_words(task: Any) -> str:
    doing = f"waiting in {task.why}" if task.queue is not None else "running"
    return f"it was {doing} at {place_of(task.greenlet)}"


__all__ = ["BareServer", "Talk", "talk"]
