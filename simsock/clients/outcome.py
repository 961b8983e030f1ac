"""What came of a client, and the connection that clients act on.

Owns ``Outcome`` and ``Line``. Does not know what any kind of client does. Laws of the file:

* a client uses the network in force by its public names only, so it acts on a simulated network and on the real one alike;
* every wait of a client ends when its time is over: no server keeps one for ever;
* what a server or a network may do to a client is a result, never an exception; a mistake in a call is one.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.errors import UsageError
from simsock.kernel.units import NS, Duration, duration_ns
from simsock.network import in_force

if TYPE_CHECKING:
    from collections.abc import Callable

SERVED, REFUSED, TIMED_OUT, RESET, CLOSED, LEFT = "served", "refused", "timed out", "reset", "closed", "left"
RESULTS = (SERVED, REFUSED, TIMED_OUT, RESET, CLOSED, LEFT)
"""Served: the reply that was waited for came. Refused: there was no connection, and somebody said so. Timed out: the client's patience ended.
Reset: the connection was broken off. Closed: the server closed before the reply was there. Left: the client went, as it had meant to."""

RECV_BYTES = 65_536
REPLY_BYTES_MAX = 64 * 1024 * 1024
TIMEOUT = 60.0
"""Seconds that a client gives a server unless it is told otherwise."""

_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)


class Outcome(NamedTuple):
    """What came of one client: which kind it was, its result (one of ``RESULTS``), the bytes of the reply, and the seconds that it took.

    A client of several connections has an outcome for each of them in ``parts``.
    """

    kind: str
    result: str
    reply: bytes = b""
    seconds: float = 0.0
    parts: tuple[Outcome, ...] = ()

    @property
    def served(self) -> bool:
        """Whether the reply that was waited for came."""
        return self.result == SERVED


class Line:
    """A client's connection: what it says, what it hears (collected in ``reply``), and how long it has."""

    def __init__(self, address: Any, timeout: Duration, receive_buffer: int | None = None) -> None:
        self.network = in_force()
        self.address = address_of(address)
        self.reply = bytearray()
        self.sock: Any = None
        self.receive_buffer = receive_buffer
        self._clock = self.network.time.monotonic
        self.began: float = self._clock()
        self.deadline = self.began + seconds(timeout, "timeout")

    def connect(self) -> None:
        """Connect to the first address that answers. Raises what the last one raised."""
        names = self.network.socket
        failure: OSError | None = None
        for family, kind, protocol, _, target in names.getaddrinfo(*self.address, type=names.SOCK_STREAM):
            sock = names.socket(family, kind, protocol)
            try:
                if self.receive_buffer is not None:
                    sock.setsockopt(names.SOL_SOCKET, names.SO_RCVBUF, self.receive_buffer)  # before: afterwards the window has been promised
                sock.settimeout(self.left())
                sock.connect(target)
            except OSError as error:
                sock.close()
                failure = error
                continue
            self.sock = sock
            return
        raise failure or OSError(errno.EHOSTUNREACH, "no address")

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return round(float(self._clock() - self.began), 9)

    def left(self) -> float:
        """The seconds that are left. Raises ``TimeoutError`` when there are none."""
        rest = self.deadline - self._clock()
        if rest <= 0:
            raise TimeoutError("timed out")
        return float(rest)

    def send(self, data: bytes) -> None:
        """Say something."""
        self.sock.settimeout(self.left())
        self.sock.sendall(data)

    def hear(self, most: int = RECV_BYTES, within: float | None = None) -> bytes | None:
        """What the server says next, at most so many bytes: ``b""`` when it says no more, None when nothing came ``within`` so many seconds."""
        rest = self.left()
        self.sock.settimeout(rest if within is None else min(rest, within))
        try:
            data: bytes = self.sock.recv(most)
        except TimeoutError:
            if within is None or within >= rest:
                raise
            return None
        self.reply += data
        if len(self.reply) > REPLY_BYTES_MAX:
            raise UsageError(f"a client's reply is limited to {REPLY_BYTES_MAX:,} bytes")
        return data

    def say_no_more(self) -> None:
        """Close the sending side."""
        self.sock.shutdown(self.network.socket.SHUT_WR)

    def read(self, until: Until, most: int = RECV_BYTES, between: Callable[[int], object] | None = None) -> str:
        """Hear the reply out: to its end (``until`` None), so many bytes of it, or until it ends with some bytes. Returns the result.

        ``between`` is called after each part with the number of its bytes.
        """
        while not self._complete(until):
            data = self.hear(most)
            if not data:
                return SERVED if until is None and self.reply else CLOSED
            if between is not None:
                between(len(data))
        return SERVED

    def _complete(self, until: Until) -> bool:
        if until is None:
            return False
        if isinstance(until, int):
            return len(self.reply) >= until
        return self.reply.endswith(until)

    def pause(self, duration: float) -> None:
        """Do nothing for a while, at most for the rest of the time."""
        rest = self.left()
        self.network.time.sleep(min(duration, rest))
        if duration > rest:
            raise TimeoutError("timed out")

    def close(self) -> None:
        """Hang up."""
        if self.sock is not None:
            self.sock.close()


Until = int | bytes | None
"""Where a reply ends: after so many bytes, with such bytes at its end, or (None) with the connection."""


def attempt(kind: str, line: Line, act: Callable[[Line], str], *, connect: bool = True) -> Outcome:
    """Connect, act, hang up; the outcome, with the result that ``act`` returned or the one that the network brought about."""
    try:
        if connect:
            line.connect()
        result = act(line)
    except TimeoutError:  # the transport's ETIMEDOUT is one as well: either way nobody answered in time
        result = TIMED_OUT
    except ConnectionRefusedError:
        result = REFUSED
    except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
        result = RESET
    except OSError as error:
        if error.errno == errno.ENOTCONN:  # what shutdown says when a RST has come before it
            result = RESET
        elif isinstance(error, line.network.socket.gaierror) or error.errno in _UNREACHABLE:
            result = REFUSED
        else:
            raise
    finally:
        line.close()
    return Outcome(kind, result, bytes(line.reply), line.seconds)


def patient(kind: str, line: Line, act: Callable[[Line], str]) -> Outcome:
    """A client that leaves when its time is over: only a connection that was never made has timed out."""
    came = attempt(kind, line, act)
    return came._replace(result=LEFT) if came.result == TIMED_OUT and line.sock is not None else came


def address_of(target: Any) -> tuple[str, int]:
    """Host and port of a served server or an address."""
    address = getattr(target, "address", target)
    if not isinstance(address, tuple) or len(address) < 2:
        raise UsageError(f"a client wants a served server or an address (host, port), not {target!r:.80}")
    return address[0], address[1]


def seconds(value: Duration, what: str) -> float:
    """Seconds of a duration."""
    return duration_ns(value, what) / NS
