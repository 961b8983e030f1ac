"""The settings of a link: what may happen to packets on the way from one host to another, one direction each.

Owns the names of the impairments, how they are written, checked, told and put into tokens. Does not know the tape, nor what is in a packet.
Laws: a value that makes no sense is an error that names it; nothing is set that could have no effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

from simsock.errors import Unsupported, UsageError, meant
from simsock.kernel.units import NS, Duration, bits_per_second, duration_ns, share, size_bytes
from simsock.net.link.connections import AFTER, read_after, read_sizes
from simsock.net.link.distributions import DISTRIBUTIONS, UNIFORM
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from simsock.net.link.typed import Distribution, Impairments


MTU_MIN, MTU_MAX = 68, 65_535
"""RFC 791: what every router forwards without fragments, and the longest packet."""

_LATER = "cell cell_overhead slot".split()

_SHARES = ("corrupt", "duplicate", "loss", "reorder", "toxicity")
_AFTER_COUNTS = tuple(name + unit for name in AFTER for unit in ("_bytes", "_ns"))
_OF_CONNECTIONS = (*_AFTER_COUNTS, "slow_close_ns", "slice")
_COUNTS = ("jitter_ns", "latency_ns", "mtu", "overhead", "queue", "queue_bytes", "rate", "reorder_every", "slow_close_ns", *_AFTER_COUNTS)
_SETTINGS = (*_SHARES, *_COUNTS, "checksum", "distribution", "keep_order", "slice")
_GOES_WRONG = (*_SHARES, "checksum", "queue", "queue_bytes", "reorder_every", "slow_close_ns", "slice", *_AFTER_COUNTS)
"""Settings that are faults: the others say how long a link takes."""
_PLAIN: dict[str, Any] = {"checksum": True, "distribution": UNIFORM, "slice": (), "toxicity": 1.0}
"""Settings that are something else than 0 on a perfect link."""


def _argument(name: str) -> str:
    """The argument that a setting was made of."""
    plain = name.removesuffix("_ns")
    return plain.removesuffix("_bytes") if name in _AFTER_COUNTS else plain


ARGUMENTS = sorted(set(map(_argument, _SETTINGS)))
"""The names of all impairments."""


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
        distribution: Distribution = UNIFORM,
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
        **others: Never,
    ) -> None:
        unknown: dict[str, Any] = others
        for name, value in unknown.items():
            if name in _LATER:
                raise Unsupported(f"link: {name}={value!r} is not simulated yet; {', '.join(ARGUMENTS)} are")
            raise UsageError(f"link: unknown impairment {name}={value!r}; expected one of {', '.join(ARGUMENTS)}{meant(name, ARGUMENTS)}")
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

    def but(self, **impairments: Unpack[Impairments]) -> Link:
        """This link with some impairments changed."""
        link = Link()
        self.copy_to(link, **impairments)
        return link

    def copy_to(self, link: Link, **impairments: Unpack[Impairments]) -> None:
        """Give another link all settings of this one, some of them changed."""
        given = Link(**impairments)
        for name in _SETTINGS:
            setattr(link, name, getattr(given if _argument(name) in impairments else self, name))
        link._check_sense()

    def healed(self) -> Link:
        """This link without what goes wrong on it: what is left is how long it takes."""
        if not any(getattr(self, name) != _PLAIN.get(name, 0) for name in _GOES_WRONG):
            return self
        link = Link()
        for name in _SETTINGS:
            if name not in _GOES_WRONG:
                setattr(link, name, getattr(self, name))
        return link

    def hurts(self) -> str:
        """What it does to single connections, as people write it: ``reset after 3 bytes``."""
        return ", ".join(_described(name, value) for name, value in self._set_values() if name in _OF_CONNECTIONS)

    def in_words(self) -> list[tuple[str, str]]:
        """Each setting by name, as people write it: ``("loss", "loss 0.5%")``."""
        return [(name, _described(name, value)) for name, value in self._set_values()]

    def described(self) -> str:
        """The settings as people write them: ``latency 40 ms, loss 0.5%``."""
        return ", ".join(words for _, words in self.in_words())

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
        raise UsageError(f"link distribution: expected one of {', '.join(map(repr, DISTRIBUTIONS))}, got {value!r}{meant(value, DISTRIBUTIONS)}")
    return str(value)


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"{what}: expected a whole number from 0, got {value!r}")
    return value


def _switch(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{what}: expected True or False, got {value!r}")
    return value


def chances(link: Link) -> list[str]:
    """The faults of a link that are left to chance: what happens each time, and what a hostile link draws, is none."""
    found = [name for name in ("duplicate", "corrupt", "reorder") if 0 < getattr(link, name) < 1]
    if isinstance(link.loss, GilbertElliott) or 0 < link.loss < 1:
        found.append("loss")
    if link.hurts_connections and 0 < link.toxicity < 1:
        found.append("toxicity")
    return found


PERFECT = Link()
