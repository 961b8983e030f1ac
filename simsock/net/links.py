"""Links: what happens to packets on the way from one host to another.

Owns a link's settings and the questions that it asks the tape, one direction each. Does not know what is in a packet. Laws: a link without
impairments asks nothing and sets no timer; each impairment asks under a label of its own, in the order duplicate, loss, corrupt, reorder,
jitter; the dull answer is always the harmless one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.errors import Unsupported, UsageError
from simsock.kernel.units import NS, Duration, bits_per_second, duration_ns, share, size_bytes
from simsock.net.connection_faults import AFTER, Trouble, read_after, read_sizes
from simsock.net.distributions import DISTRIBUTIONS, UNIFORM, offset_ns, possibilities
from simsock.net.rules import Packet, Pass, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simsock.choices import Stream
    from simsock.kernel import Kernel
    from simsock.net.addresses import Endpoint
    from simsock.net.rules import Rules

MTU = 1500
SEGMENT_BYTES_MAX = MTU - 40
MTU_MIN, MTU_MAX = 68, 65_535
"""RFC 791: what every router forwards without fragments, and the longest packet."""
RTO_FLOOR_NS = 200_000_000
RTO_CEILING_NS = 120 * NS
SYN_RTO_NS = NS
SYN_TRIES = 7
SYNACK_TRIES = 6
SEGMENT_TRIES = 16
"""Linux: tcp_syn_retries 6, tcp_synack_retries 5 and tcp_retries2 15, plus the first try each."""

SEGMENT_HEADERS_BYTES = 40
QUEUE_PACKETS = 1000
"""How many packets wait for a link with a rate, unless it says otherwise (netem's limit)."""

_LATER = "cell cell_overhead slot".split()
HELD_PACKETS_MAX = 100_000
"""How many packets a wire that is held keeps; later ones are lost."""

_SHARES = ("corrupt", "duplicate", "loss", "reorder", "toxicity")
_AFTER_COUNTS = tuple(name + unit for name in AFTER for unit in ("_bytes", "_ns"))
_OF_CONNECTIONS = (*_AFTER_COUNTS, "slow_close_ns", "slice")
_COUNTS = ("jitter_ns", "latency_ns", "mtu", "overhead", "queue", "queue_bytes", "rate", "reorder_every", "slow_close_ns", *_AFTER_COUNTS)
_SETTINGS = (*_SHARES, *_COUNTS, "checksum", "distribution", "keep_order", "slice")
_PLAIN: dict[str, Any] = {"checksum": True, "distribution": UNIFORM, "slice": (), "toxicity": 1.0}
"""Settings that are something else than 0 on a perfect link."""


def _argument(name: str) -> str:
    """The argument that a setting was made of."""
    plain = name.removesuffix("_ns")
    return plain.removesuffix("_bytes") if name in _AFTER_COUNTS else plain


_ARGUMENTS = sorted(set(map(_argument, _SETTINGS)))


class GilbertElliott(NamedTuple):
    """Loss in bursts, as a value of ``loss``: before each packet a good link turns bad with probability ``p``, a bad one good with ``r``.

    A packet is lost with probability ``good_loss`` or ``bad_loss``. In the long run the share p/(p+r) of the packets meets a bad link, and
    a bad spell is 1/r packets long on average (Elliott 1963; Salsano et al., "Definition of a general and intuitive loss model").
    """

    p: float | str
    r: float | str
    good_loss: float | str = 0
    bad_loss: float | str = 1


class Link:
    """The condition of one direction. Shares are numbers such as 0.01 or ``"1%"``, durations are in seconds or ``"80ms"``.

    ``latency``, ``jitter``: a packet takes ``latency`` ± up to ``jitter``, uniformly; with ``keep_order`` none overtakes another.
    ``distribution``: of the delays, ``"uniform"``, or with ``latency`` as the mean and ``jitter`` as the standard deviation ``"normal"``,
    ``"pareto"``, ``"paretonormal"``, ``"lognormal"`` or ``"exponential"``.
    ``loss``: a share or a ``GilbertElliott``. A lost datagram is gone; a lost segment of a stream comes later, after a retransmission
    timeout (200 ms at least, doubling each time).
    ``duplicate``: this share of datagrams is sent twice. ``corrupt``: in this share of packets one bit flips; a segment so counts as lost,
    and so does a datagram unless ``checksum`` is False: then it arrives changed.
    ``reorder``, ``reorder_every``: this share of packets, or every Nth, skips the delay.
    ``rate``: bits a second, a number or ``"256kbit"``; each packet is its bytes with headers, and ``overhead`` more. Those that wait for
    the line are limited by ``queue`` (packets, 1000) and ``queue_bytes``; what does not fit is lost.
    ``reset_after``, ``close_after``, ``blackhole_after``: after so many bytes of a connection (10_000 or ``"64KiB"``), or so long after it was
    made (a float of seconds or ``"5s"``), it is reset, ended, or meets silence. ``slow_close``: the end of a stream arrives so much later.
    ``slice``: bytes arrive in pieces of such a size, or such sizes in turn. ``toxicity``: the share of connections that suffer these.
    ``mtu``: the most bytes of a packet (from 68). Streams send smaller segments; larger datagrams are sent in fragments and lost as a whole
    if one of them is, or refused with EMSGSIZE when they are not to be fragmented (``IP_MTU_DISCOVER``).
    """

    __slots__ = _SETTINGS

    def __init__(
        self,
        *,
        latency: Duration = 0,
        jitter: Duration = 0,
        distribution: str = UNIFORM,
        keep_order: bool = False,
        loss: float | str | GilbertElliott = 0,
        duplicate: float | str = 0,
        corrupt: float | str = 0,
        checksum: bool = True,
        reorder: float | str = 0,
        reorder_every: int = 0,
        rate: int | str = 0,
        overhead: int | str = 0,
        queue: int = 0,
        queue_bytes: int | str = 0,
        mtu: int | str = 0,
        reset_after: Duration = 0,
        close_after: Duration = 0,
        blackhole_after: Duration = 0,
        slow_close: Duration = 0,
        slice: int | Sequence[int] = (),  # the impairment's name
        toxicity: float | str = 1,
        **others: Any,
    ) -> None:
        for name, value in others.items():
            if name in _LATER:
                raise Unsupported(f"link: {name}={value!r} is not simulated yet; {', '.join(_ARGUMENTS)} are")
            raise UsageError(f"link: unknown impairment {name}={value!r}; expected one of {', '.join(_ARGUMENTS)}")
        self.latency_ns = duration_ns(latency, "link latency")
        self.jitter_ns = duration_ns(jitter, "link jitter")
        self.distribution = _distribution(distribution)
        self.loss = _loss(loss)
        self.duplicate = share(duplicate, "link duplicate")
        self.corrupt = share(corrupt, "link corrupt")
        self.reorder = share(reorder, "link reorder")
        self.reorder_every = _count(reorder_every, "link reorder_every")
        self.rate = bits_per_second(rate, "link rate")
        self.overhead = size_bytes(overhead, "link overhead")
        self.queue = _count(queue, "link queue")
        self.queue_bytes = size_bytes(queue_bytes, "link queue_bytes")
        self.mtu = size_bytes(mtu, "link mtu")
        self.reset_after_bytes, self.reset_after_ns = read_after(reset_after, "link reset_after")
        self.close_after_bytes, self.close_after_ns = read_after(close_after, "link close_after")
        self.blackhole_after_bytes, self.blackhole_after_ns = read_after(blackhole_after, "link blackhole_after")
        self.slow_close_ns = duration_ns(slow_close, "link slow_close")
        self.slice = read_sizes(slice, "link slice")
        self.toxicity = share(toxicity, "link toxicity")
        self.keep_order = _switch(keep_order, "link keep_order")
        self.checksum = _switch(checksum, "link checksum")
        self._check_sense()

    def _check_sense(self) -> None:
        for name, needed, why in (
            ("overhead", "rate", "it only costs time"),
            ("queue", "rate", "nothing waits without one"),
            ("queue_bytes", "rate", "nothing waits without one"),
        ):
            if getattr(self, name) and not getattr(self, needed):
                raise UsageError(f"link: {name}={getattr(self, name)!r} needs a {needed}: {why}")
        for name in ("reorder", "reorder_every"):
            if getattr(self, name) and not (self.latency_ns or self.jitter_ns):
                raise UsageError(f"link: {name}={getattr(self, name)!r} needs latency or jitter: a packet overtakes others by skipping the delay")
        if self.distribution != UNIFORM and not self.jitter_ns:
            raise UsageError(f"link: distribution={self.distribution!r} needs jitter: it says how that is distributed")
        if self.mtu and not MTU_MIN <= self.mtu <= MTU_MAX:
            raise UsageError(f"link: mtu={self.mtu!r}: expected {MTU_MIN} to {MTU_MAX} bytes")
        if self.toxicity < 1 and not self.hurts_connections:
            raise UsageError(f"link: toxicity={self.toxicity!r} needs one of {', '.join(AFTER)}, slow_close, slice: it says how many connections suffer")
        if not self.checksum and not self.corrupt:
            raise UsageError("link: checksum=False needs corrupt: nothing is damaged without it")

    @property
    def hurts_connections(self) -> bool:
        """Whether it does something to single connections."""
        return any(getattr(self, name) for name in _OF_CONNECTIONS)

    def __repr__(self) -> str:
        parts = []
        for name, value in self._set_values():
            if name.endswith("_ns"):
                value = value / NS
            parts.append(f"{_argument(name)}={value!r}")
        return f"Link({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Link) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash(tuple(self._set_values()))

    def _set_values(self) -> list[tuple[str, Any]]:
        names = ("latency_ns", "jitter_ns", "loss", *(name for name in _SETTINGS if name not in ("latency_ns", "jitter_ns", "loss")))
        return [(name, value) for name in names if (value := getattr(self, name)) != _PLAIN.get(name, 0)]

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for tokens: nanoseconds, shares and counts, without those that are as on a perfect link."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._set_values()}

    def but(self, **impairments: Any) -> Link:
        """This link with some impairments changed."""
        given = Link(**impairments)
        link = Link()
        for name in _SETTINGS:
            setattr(link, name, getattr(given if _argument(name) in impairments else self, name))
        link._check_sense()
        return link

    def hurts(self) -> str:
        """What it does to single connections, as people write it: ``reset after 3 bytes``."""
        return ", ".join(_described(name, value) for name, value in self._set_values() if name in _OF_CONNECTIONS)

    def described(self) -> str:
        """The settings as people write them: ``latency 40 ms, loss 0.5%``."""
        return ", ".join(_described(name, value) for name, value in self._set_values())

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Link:
        """The reverse of ``as_dict``."""
        link = cls()
        for name, value in values.items():
            try:
                read = _read_setting(name, value)
            except UsageError:
                raise UsageError(f"link: cannot read {name}={value!r}") from None
            setattr(link, name, read)
        link._check_sense()
        return link


def _described(name: str, value: Any) -> str:
    if name in _AFTER_COUNTS:
        return f"{_argument(name).replace('_', ' ')} " + (f"{value / 1_000_000:g} ms" if name.endswith("_ns") else f"{value:,} byte{'s' * (value != 1)}")
    if name.endswith("_ns"):
        return f"{name.removesuffix('_ns').replace('_', ' ')} {value / 1_000_000:g} ms"
    if isinstance(value, GilbertElliott):
        bursts = f"bursts of {1 / value.r:g}" if value.r else "a burst without end"  # type: ignore[operator]  # read before
        return f"loss {value.p / (value.p + value.r) * 100:.3g}% in {bursts}"  # type: ignore[operator]  # likewise
    if name in _SHARES:
        return f"{name} {value * 100:g}%"
    if name == "rate":
        unit, size = next((unit, size) for unit, size in (("Gbit", NS), ("Mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)) if value >= size)
        return f"rate {value / size:g} {unit}"
    return f"{name} {value}"


def _read_setting(name: str, value: Any) -> Any:
    if name in ("checksum", "keep_order"):
        return _switch(value, name)
    if name in _COUNTS:
        return _count(value, name)
    if name == "slice":
        return read_sizes(value, name)
    if name == "distribution":
        return _distribution(value)
    if name == "loss" and isinstance(value, list) and len(value) == 4:
        return _loss(GilbertElliott(*value))
    if name in _SHARES and isinstance(value, (int, float)):
        return share(value, name)
    raise UsageError(f"link: unknown impairment {name}={value!r}")


def _loss(value: Any) -> float | GilbertElliott:
    if not isinstance(value, GilbertElliott):
        return share(value, "link loss")
    read = GilbertElliott(*(share(given, f"link loss: GilbertElliott {name}") for name, given in zip(value._fields, value, strict=True)))
    if not read.p:
        raise UsageError(f"link loss: {value!r}: p: expected more than 0: the link never turns bad")
    return read


def _distribution(value: Any) -> str:
    if value not in DISTRIBUTIONS:
        raise UsageError(f"link distribution: expected one of {', '.join(map(repr, DISTRIBUTIONS))}, got {value!r}")
    return str(value)


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{what}: expected a whole number from 0, got {value!r}")
    return value


def _switch(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{what}: expected True or False, got {value!r}")
    return value


PERFECT = Link()


class Wire:
    """One direction between two hosts in a world, with its settings in force and its questions."""

    __slots__ = (
        "_asked",
        "_bad",
        "_busy_until",
        "_harmless",
        "_held",
        "_kernel",
        "_last_arrival",
        "_passed",
        "_rules",
        "_severed",
        "_waiting",
        "_waiting_bytes",
        "destination",
        "governed",
        "latency_ns",
        "link",
        "name",
        "perfect",
        "source",
    )

    def __init__(self, kernel: Kernel, source: str, destination: str, link: Link) -> None:
        self.source = source
        self.destination = destination
        self.name = f"{source}->{destination}"
        self._kernel = kernel
        self._asked: dict[str, Stream] = {}
        self._passed = 0
        """Packets since the last that skipped the delay because of ``reorder_every``."""
        self._last_arrival = 0
        self._busy_until = 0
        self._waiting: deque[tuple[int, int]] = deque()
        """What has not left yet: when it will have, and its bytes."""
        self._waiting_bytes = 0
        self._severed = False
        self._held: list[tuple[Callable[[Any], object], Any]] | None = None
        """What has arrived while the wire is held, in order."""
        self._rules: Rules = []
        self.set(link)

    def set(self, link: Link) -> None:
        """Change the condition; what is under way keeps its time."""
        self.link = link
        self._bad = False
        self.latency_ns = link.latency_ns
        self._harmless = link is PERFECT or not link.as_dict()
        self._look()

    def _look(self) -> None:
        self.governed = self._severed or bool(self._rules)
        """A partition or rules are asked before the link is."""
        self.perfect = not self.governed and self._held is None and self._harmless

    @property
    def condition(self) -> str:
        """Its state in words: settings, and what is ordered for it."""
        words = [self.link.described()] if self.link.as_dict() else []
        words += ["cut off"] * self._severed + ["held"] * (self._held is not None) + ["rules"] * bool(self._rules)
        return ", ".join(words) or "perfect"

    # -- scripted faults -------------------------------------------------------------------------------------------------------------

    def sever(self, severed: bool) -> None:
        """Begin or end a partition: nothing that sets out arrives."""
        self._severed = severed
        self._look()

    def govern(self, rules: Rules) -> None:
        """Obey these rules."""
        self._rules = rules
        self._look()

    def hold(self, held: bool) -> None:
        """Keep what arrives, or let go what was kept."""
        if held == (self._held is not None):
            return
        for action, argument in self._held or ():
            action(argument)  # while the wire is not perfect yet: nothing may overtake what was kept
        self._held = [] if held else None
        self._look()

    def ruling(self, protocol: str, size: int, data: bytes, addresses: tuple[Endpoint, Endpoint], flags: str = "") -> int | None:
        """What a partition and the rules say of a packet that sets out: -1 when it is lost, nanoseconds that it takes, None when the link decides."""
        if self._severed:
            return -1
        ruling = decide(self._kernel, self._rules, Packet(self.source, self.destination, protocol, size, data, *addresses, flags))
        return None if ruling is Pass else ruling.after_ns

    def launch(self, arrival: int, action: Callable[[Any], object], argument: Any) -> None:
        """Have ``action(argument)`` done at a virtual time, or when the wire is let go."""
        self._kernel.call_at(arrival, self._land, (action, argument))

    def _land(self, flight: tuple[Callable[[Any], object], Any]) -> None:
        if self._held is None:
            flight[0](flight[1])
        elif len(self._held) < HELD_PACKETS_MAX:
            self._held.append(flight)
        else:
            self._kernel.log.append((self._kernel.now, f"link {self.name}", "too many held", HELD_PACKETS_MAX))

    # -- questions -------------------------------------------------------------------------------------------------------------------

    def _questions(self, what: str) -> Stream:
        questions = self._asked.get(what)
        if questions is None:
            questions = self._asked[what] = self._kernel.tape.stream(f"link {self.name} {what}")
        return questions

    def _happens(self, what: str, share: Any) -> bool:
        if not share or share >= 1:  # certain either way: nothing to ask, and nothing for shrinking to take away
            return bool(share)
        return self._questions(what).chance(share)

    def copies(self) -> int:
        """How often the next datagram sets out: once or twice."""
        return 2 if self._happens("duplicate", self.link.duplicate) else 1

    def lost(self, size: int = SEGMENT_HEADERS_BYTES) -> bool:
        """Whether the next packet (of ``size`` bytes with headers) never arrives, or arrives damaged and is thrown away."""
        return self.dropped(size) or self._happens("corrupt", self.link.corrupt)

    def dropped(self, size: int) -> bool:
        """Whether the next packet never arrives: the link loses it, or has no room for it."""
        if self._severed:
            return True
        loss = self.link.loss
        if self._in_burst(loss) if isinstance(loss, GilbertElliott) else self._happens("loss", loss):
            return True
        return bool(self.link.rate) and self._overflows(size + self.link.overhead)

    def _in_burst(self, loss: GilbertElliott) -> bool:
        """Lost by Gilbert-Elliott. That a bad spell goes on is what is asked, so that the dull answer ends it."""
        self._bad = self._happens("burst goes on", 1 - loss.r) if self._bad else self._happens("burst", loss.p)  # type: ignore[operator]  # read before
        return self._happens("loss in burst", loss.bad_loss) if self._bad else self._happens("loss", loss.good_loss)

    def _overflows(self, size: int) -> bool:
        link, waiting = self.link, self._waiting
        while waiting and waiting[0][0] <= self._kernel.now:
            self._waiting_bytes -= waiting.popleft()[1]
        full = len(waiting) >= (link.queue or QUEUE_PACKETS) or bool(link.queue_bytes and self._waiting_bytes + size > link.queue_bytes)
        if full:
            self._kernel.log.append((self._kernel.now, f"link {self.name}", "queue full", size))
        return full

    def damaged(self, data: bytes) -> bytes | None:
        """A datagram as it arrives: as it was, with one bit changed, or None when its checksum gives it away."""
        if not self._happens("corrupt", self.link.corrupt):
            return data
        if self.link.checksum or not data:  # without data the bit is in the headers
            return None
        bit = self._questions("corrupt bit").choose(len(data) * 8)
        changed = bytearray(data)
        changed[bit >> 3] ^= 1 << (bit & 7)
        return bytes(changed)

    def delay_ns(self, size: int = SEGMENT_HEADERS_BYTES) -> int:
        """How long the next packet takes: its turn on the line, latency, and jitter to either side; the dull answer is the latency itself."""
        link = self.link
        now = self._kernel.now
        departure = now
        if link.rate:
            size += link.overhead
            self._busy_until = departure = max(now, self._busy_until) + -(-size * 8 * NS // link.rate)
            self._waiting.append((departure, size))
            self._waiting_bytes += size
        if self._skips():
            return departure - now
        arrival = departure + max(0, link.latency_ns + self._offset_ns(link.jitter_ns))
        if link.keep_order:
            self._last_arrival = arrival = max(arrival, self._last_arrival)
        return arrival - now

    def _skips(self) -> bool:
        every = self.link.reorder_every
        if every:
            self._passed += 1
            if self._passed >= every:
                self._passed = 0
                self._kernel.log.append((self._kernel.now, f"link {self.name}", "overtakes"))
                return True
        return self._happens("reorder", self.link.reorder)

    def _offset_ns(self, jitter: int) -> int:
        if not jitter:
            return 0
        name = self.link.distribution
        return offset_ns(name, jitter, self._questions("jitter").choose(possibilities(name, jitter)))

    def trouble(self) -> Trouble | None:
        """What a new connection suffers on this way, if anything."""
        link = self.link
        return Trouble(link) if link.hurts_connections and self._happens("toxicity", link.toxicity) else None

    def fragments(self, size: int, ip_headers: int) -> list[int]:
        """The packets in which a datagram of ``size`` bytes with headers travels: itself, or fragments that fit (RFC 791, 3.2)."""
        mtu = self.link.mtu
        if not mtu or size <= mtu:
            return [size]
        room = (mtu - ip_headers) & ~7 or 8
        whole, rest = divmod(size - ip_headers, room)
        return [room + ip_headers] * whole + ([rest + ip_headers] if rest else [])
