"""Clients, well-behaved and otherwise: one function each.

Owns what each kind does with its connection. Does not know how many there are of them, nor when they come (``crowds``). Laws of the file:

* the first argument is whom to bother: a served server or an address; everything else has a default;
* a function blocks until its client is done, and returns an ``Outcome``; tests run it with ``sim.spawn`` or in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from struct import pack
from typing import Any

from simsock.clients.dice import dice
from simsock.clients.outcome import CLOSED, LEFT, SERVED, TIMEOUT, Line, Outcome, Until, address_of, attempt, patient, seconds
from simsock.clients.tls import tls_staller
from simsock.errors import Unsupported, UsageError
from simsock.kernel import session
from simsock.kernel.units import Duration
from simsock.net import Link
from simsock.net.fabric import fabric_of
from simsock.network import SimulatedNetwork

REQUEST = b"GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n"
RECEIVE_BUFFER = 4096
_CONNECTIONS_MAX = 65_535


def polite(address: Any, request: bytes = REQUEST, *, until: Until = None, timeout: Duration = TIMEOUT) -> Outcome:
    """The well-behaved client: says its request, hears the reply out, hangs up.

    The reply ends where ``until`` says: after so many bytes, with such bytes at its end, or with the connection (None; the client then says
    that it has said everything, by half-closing).
    """
    _check_words(request, until)

    def act(line: Line) -> str:
        return _ask(line, request, until)

    return attempt("polite", Line(address, timeout), act)


def _ask(line: Line, request: bytes, until: Until) -> str:
    line.send(request)
    if until is None:
        line.say_no_more()
    return line.read(until)


# -- slow ------------------------------------------------------------------------------------------------------------------------------------


def slow_reader(
    address: Any,
    request: bytes = REQUEST,
    *,
    bytes_per_second: int = 1024,
    receive_buffer: int = RECEIVE_BUFFER,
    until: Until = None,
    timeout: Duration = 600,
) -> Outcome:
    """Asks, and then reads so slowly that the server's sends must wait: its receive buffer is small.

    ``timeout``: the patience of the client from its beginning on, in virtual seconds.
    """
    _check_words(request, until)
    rate = _at_least(1, bytes_per_second, "bytes_per_second")
    _at_least(1, receive_buffer, "receive_buffer")

    def act(line: Line) -> str:
        line.send(request)
        if until is None:
            line.say_no_more()
        return line.read(until, max(1, rate // 10), lambda count: line.pause(count / rate))

    return attempt("slow-reader", Line(address, timeout, receive_buffer), act)


def slow_sender(address: Any, request: bytes = REQUEST, *, bytes_per_second: int = 10, until: Until = None, timeout: Duration = 600) -> Outcome:
    """Says its request byte by byte, so many of them a second, and then behaves well."""
    _check_words(request, until)
    rate = _at_least(1, bytes_per_second, "bytes_per_second")

    def act(line: Line) -> str:
        for place in range(len(request)):
            line.send(request[place : place + 1])
            line.pause(1 / rate)
        if until is None:
            line.say_no_more()
        return line.read(until)

    return attempt("slow-sender", Line(address, timeout), act)


def slowloris(address: Any, head: bytes = REQUEST[:-2], *, every: Duration = "1s", hold: Duration = 300) -> Outcome:
    """Sends the head of a request one byte ``every`` second, and when it is said goes on with header lines: a request that never ends.

    Leaves after ``hold``, if the server has not shown it the door before.
    Times are virtual seconds. Raises ``UsageError`` for an ``every`` of no time.
    """
    _check_words(head, what="head")
    pause = seconds(every, "every")
    if pause <= 0:
        raise UsageError(f"every: expected more than no time, got {every!r}")

    def act(line: Line) -> str:
        for byte in _endless(head):
            line.send(byte)
            if (data := line.hear(within=min(pause, line.left()))) is not None:
                return SERVED if data else CLOSED
        raise AssertionError("an endless head has an end")

    return patient("slowloris", Line(address, seconds(hold, "hold")), act)


def _endless(head: bytes) -> Any:
    for place in range(len(head)):
        yield head[place : place + 1]
    yield from (bytes((byte,)) for byte in cycle(b"X-More: of the same\r\n"))


def idle_holder(address: Any, *, hold: Duration = 300) -> Outcome:
    """Connects, says nothing, and stays until the server closes or ``hold`` is over.

    ``hold``: virtual seconds.
    """

    def act(line: Line) -> str:
        return SERVED if line.hear() else CLOSED

    return patient("idle-holder", Line(address, seconds(hold, "hold")), act)


# -- gone ------------------------------------------------------------------------------------------------------------------------------------


def half_open(address: Any, request: bytes = REQUEST, *, after: int | None = None, linger: Duration = 0, timeout: Duration = TIMEOUT) -> Outcome:
    """Says the first ``after`` bytes of its request (all, without), stays for ``linger`` and is gone, as when the cable is pulled: no FIN, no RST.

    The host that it runs on has no network from then on, so give it one of its own: ``sim.spawn(half_open, server, host="ghost")``.
    Raises ``Unsupported`` on the real network, where no program can pull its own cable.
    """
    if after is not None:
        _at_least(0, after, "after")
    stay = seconds(linger, "linger")
    _check_words(request)

    def act(line: Line) -> str:
        if not isinstance(line.network, SimulatedNetwork):
            raise Unsupported("half_open: on the real network no program can pull its own cable; only a simulated host can be cut off")
        kernel = session.kernel()
        host = kernel.current.host
        if host is kernel.first.host or address_of(address)[0] in (*host.addresses, host.name):
            raise UsageError(f"half_open cuts off its whole host, and {host.name} is not its own: sim.spawn(half_open, server, host='ghost')")
        line.send(request if after is None else request[:after])
        line.pause(stay)
        fabric_of(kernel).set_link(host.name, None, Link(loss=1), True)
        return LEFT

    return attempt("half-open", Line(address, timeout), act)


def half_closer(address: Any, request: bytes = REQUEST, *, timeout: Duration = TIMEOUT) -> Outcome:
    """Says its request, closes its sending side at once, and waits for the reply: many servers take the end of input for the end of the client.

    ``timeout``: the patience of the client from its beginning on, in virtual seconds.
    """
    _check_words(request)

    def act(line: Line) -> str:
        line.send(request)
        line.say_no_more()
        return line.read(None)

    return attempt("half-closer", Line(address, timeout), act)


def resetter(address: Any, request: bytes = REQUEST, *, after: int = 10, timeout: Duration = TIMEOUT) -> Outcome:
    """Breaks the connection off with a RST after ``after`` bytes of its request."""
    _check_words(request)
    _at_least(0, after, "after")

    def act(line: Line) -> str:
        line.send(request[:after])
        names = line.network.socket
        line.sock.setsockopt(names.SOL_SOCKET, names.SO_LINGER, pack("ii", 1, 0))
        return LEFT

    return attempt("resetter", Line(address, timeout), act)


def early_closer(address: Any, request: bytes = REQUEST, *, timeout: Duration = TIMEOUT) -> Outcome:
    """Says its request and hangs up without waiting for the reply.

    ``timeout``: the patience of the client from its beginning on, in virtual seconds.
    """
    _check_words(request)

    def act(line: Line) -> str:
        line.send(request)
        return LEFT

    return attempt("early-closer", Line(address, timeout), act)


# -- odd -------------------------------------------------------------------------------------------------------------------------------------


def pipeliner(address: Any, request: bytes = REQUEST, *, times: int = 5, until: Until = None, timeout: Duration = TIMEOUT) -> Outcome:
    """Says its request several times in one breath, without waiting for a reply, and hears all replies out."""
    _check_words(request, until)
    _at_least(1, times, "times")

    def act(line: Line) -> str:
        return _ask(line, request * times, until)

    return attempt("pipeliner", Line(address, timeout), act)


def fragmenter(
    address: Any, request: bytes = REQUEST, *, sizes: int | Sequence[int] = 1, pause: Duration = "1ms", until: Until = None, timeout: Duration = TIMEOUT
) -> Outcome:
    """Says its request in pieces of such sizes (repeated), with a pause between them, so that each arrives alone.

    ``pause`` and ``timeout`` are virtual seconds, ``sizes`` bytes. Raises ``UsageError`` for no sizes.
    """
    _check_words(request, until)
    wanted = [_at_least(1, size, "sizes") for size in (sizes if isinstance(sizes, Sequence) and not isinstance(sizes, (str, bytes)) else [sizes])]
    if not wanted:
        raise UsageError("sizes: expected at least one")
    gap = seconds(pause, "pause")

    def act(line: Line) -> str:
        line.sock.setsockopt(line.network.socket.IPPROTO_TCP, line.network.socket.TCP_NODELAY, 1)
        place = 0
        for size in cycle(wanted):
            line.send(request[place : place + size])
            place += size
            if place >= len(request):
                break
            line.pause(gap)
        if until is None:
            line.say_no_more()
        return line.read(until)

    return attempt("fragmenter", Line(address, timeout), act)


def garbage_sender(address: Any, *, length: int = 1000, seed: int | str | None = None, timeout: Duration = TIMEOUT) -> Outcome:
    """Sends bytes that mean nothing (drawn from ``seed``, in a world from the world's), and hears out whatever the server says to that."""
    count = _at_least(1, length, "length")

    def act(line: Line) -> str:
        return _ask(line, dice("garbage", seed).getrandbits(count * 8).to_bytes(count, "big"), None)

    return attempt("garbage-sender", Line(address, timeout), act)


# -- several connections ---------------------------------------------------------------------------------------------------------------------


def replayer(address: Any, request: bytes = REQUEST, *, times: int = 2, until: Until = None, timeout: Duration = TIMEOUT) -> Outcome:
    """Says the very same request on one connection after the other, as one who recorded it would: is a payment made twice?

    ``parts`` are the outcomes of the connections; result and reply are those of the last.
    ``timeout``: the patience of the client from its beginning on, in virtual seconds.
    """
    _check_words(request, until)
    _at_least(1, times, "times")
    whole = Line(address, timeout)
    parts = tuple(polite(address, request, until=until, timeout=timeout) for _ in range(times))
    return Outcome("replayer", parts[-1].result, parts[-1].reply, whole.seconds, parts)


def port_scanner(address: Any, ports: Sequence[int] | None = None, *, timeout: Duration = 1) -> Outcome:
    """Knocks at every one of ``ports`` (without: at that of ``address``) and hangs up at once.

    ``parts`` has an outcome for each, of the kind ``"port N"``: left where somebody listens, refused where nobody does, timed out where
    nobody says anything. The scanner itself is served when it found a port open.
    Raises ``UsageError`` for no ports, and for more than a scanner tries.
    """
    host, own = address_of(address)
    if ports is not None and not isinstance(ports, Iterable):
        raise UsageError(f"ports: expected several, such as [80, 443], got {ports!r}")
    wanted = [own] if ports is None else [_at_least(0, port, "ports", _CONNECTIONS_MAX) for port in ports]
    if len(wanted) > _CONNECTIONS_MAX:
        raise UsageError(f"ports: at most {_CONNECTIONS_MAX:,}")
    whole = Line(address, timeout)
    parts = tuple(attempt(f"port {port}", Line((host, port), timeout), lambda line: LEFT) for port in wanted)
    found = any(part.result == LEFT for part in parts)
    return Outcome("port-scanner", SERVED if found else parts[-1].result if parts else CLOSED, b"", whole.seconds, parts)


def _at_least(low: int, value: Any, what: str, high: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        limit = f" to {high:,}" if high is not None else ""
        raise UsageError(f"{what}: expected a whole number from {low}{limit}, got {value!r:.80}")
    return value


def _check_words(said: Any, until: Any = None, what: str = "request") -> None:
    """Whether a client can say that, and wait for that."""
    if not isinstance(said, (bytes, bytearray)):
        raise UsageError(f"{what}: expected bytes, got {said!r:.80}")
    is_number = isinstance(until, int) and not isinstance(until, bool) and until >= 1
    if until is not None and not is_number and not (isinstance(until, (bytes, bytearray)) and until):
        raise UsageError(f"until: expected a whole number from 1, bytes, or None for the end of the connection, got {until!r:.80}")


KINDS: dict[str, Callable[..., Outcome]] = {
    "polite": polite,
    "slow-reader": slow_reader,
    "slow-sender": slow_sender,
    "slowloris": slowloris,
    "idle-holder": idle_holder,
    "tls-staller": tls_staller,
    "half-open": half_open,
    "half-closer": half_closer,
    "resetter": resetter,
    "early-closer": early_closer,
    "pipeliner": pipeliner,
    "fragmenter": fragmenter,
    "garbage-sender": garbage_sender,
    "replayer": replayer,
    "port-scanner": port_scanner,
}
"""Every kind of client by the name that scenario files and reports give it."""
