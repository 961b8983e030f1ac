"""Links: what happens to packets on the way from one host to another.

Owns a link's settings and the questions that it asks the tape. Does not know what is in a packet. Modelled: latency, jitter, loss, one
direction each. Laws: a link without impairments asks nothing and sets no timer; each impairment asks under a label of its own, so that
configuring one more shifts no other; the dull answer is always the harmless one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported, UsageError
from simsock.kernel.units import NS, Duration, duration_ns, share

if TYPE_CHECKING:
    from simsock.choices import Stream, Tape

MTU = 1500
SEGMENT_BYTES_MAX = MTU - 40
RTO_FLOOR_NS = 200_000_000
RTO_CEILING_NS = 120 * NS
SYN_RTO_NS = NS
SYN_TRIES = 7
SYNACK_TRIES = 6
SEGMENT_TRIES = 16
"""Linux: tcp_syn_retries 6, tcp_synack_retries 5 and tcp_retries2 15, plus the first try each."""

_LATER = (
    "distribution keep_order duplicate corrupt checksum reorder reorder_every rate overhead cell cell_overhead queue queue_bytes mtu slot "
    "reset_after close_after blackhole_after slow_close slice toxicity"
).split()


class Link:
    """The condition of one direction: ``latency`` and ``jitter`` are durations (one way), ``loss`` is a share such as 0.01 or ``"1%"``.

    A packet takes ``latency`` ± up to ``jitter``, uniformly. A lost datagram is gone; a lost segment of a stream comes later, after a
    retransmission timeout (200 ms at least, doubling each time).
    """

    __slots__ = ("jitter_ns", "latency_ns", "loss")

    def __init__(self, *, latency: Duration = 0, jitter: Duration = 0, loss: float | str = 0, **others: Any) -> None:
        for name, value in others.items():
            if name in _LATER:
                raise Unsupported(f"link: {name}={value!r} is not simulated yet; latency, jitter and loss are")
            raise UsageError(f"link: unknown impairment {name}={value!r}; expected latency, jitter or loss")
        self.latency_ns = duration_ns(latency, "link latency")
        self.jitter_ns = duration_ns(jitter, "link jitter")
        self.loss = share(loss, "link loss")

    def __repr__(self) -> str:
        parts = []
        if self.latency_ns:
            parts.append(f"latency={self.latency_ns / NS!r}")
        if self.jitter_ns:
            parts.append(f"jitter={self.jitter_ns / NS!r}")
        if self.loss:
            parts.append(f"loss={self.loss!r}")
        return f"Link({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Link) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((self.latency_ns, self.jitter_ns, self.loss))

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain values, for tokens: nanoseconds and a share, without those that are 0."""
        values = {"latency_ns": self.latency_ns, "jitter_ns": self.jitter_ns, "loss": self.loss}
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Link:
        """The reverse of ``as_dict``."""
        link = cls()
        for name, value in values.items():
            if name not in cls.__slots__ or isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise UsageError(f"link: cannot read {name}={value!r}")
            setattr(link, name, value)
        return link


PERFECT = Link()
PROFILES = {"perfect": PERFECT}


def make_link(link: Any) -> Link:
    """Read the ``link`` option: a ``Link`` or a profile's name."""
    if isinstance(link, Link):
        return link
    if isinstance(link, str):
        if link in PROFILES:
            return PROFILES[link]
        raise UsageError(f"link: unknown profile {link!r}; expected a Link or one of {', '.join(map(repr, PROFILES))}")
    raise UsageError(f"link: expected a Link or a profile's name, got {link!r}")


class Wire:
    """One direction between two hosts in a world, with its settings in force and its questions."""

    __slots__ = ("_jitter_questions", "_loss_questions", "_tape", "jitter_ns", "latency_ns", "loss", "name", "perfect")

    def __init__(self, tape: Tape, source: str, destination: str, link: Link) -> None:
        self.name = f"{source}->{destination}"
        self._tape = tape
        self._loss_questions: Stream | None = None
        self._jitter_questions: Stream | None = None
        self.set(link)

    def set(self, link: Link) -> None:
        """Change the condition; what is under way keeps its time."""
        self.latency_ns = link.latency_ns
        self.jitter_ns = link.jitter_ns
        self.loss = link.loss
        self.perfect = not (link.latency_ns or link.jitter_ns or link.loss)

    def lost(self) -> bool:
        """Whether the next packet is lost."""
        loss = self.loss
        if not loss or loss >= 1:  # certain either way: nothing to ask, and nothing for shrinking to take away
            return bool(loss)
        questions = self._loss_questions
        if questions is None:
            questions = self._loss_questions = self._tape.stream(f"link {self.name} loss")
        return questions.chance(loss)

    def delay_ns(self) -> int:
        """How long the next packet takes: latency, and jitter to either side; the dull answer is the latency itself."""
        jitter = self.jitter_ns
        if not jitter:
            return self.latency_ns
        questions = self._jitter_questions
        if questions is None:
            questions = self._jitter_questions = self._tape.stream(f"link {self.name} jitter")
        # 0, 1, 2, 3, 4 … mean 0, +1, -1, +2, -2 …: smaller answers are smaller disturbances.
        answer = questions.amount(0, 2 * jitter)
        offset = (answer + 1) // 2 if answer & 1 else -(answer // 2)
        return max(0, self.latency_ns + offset)
