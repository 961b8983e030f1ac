"""A wire: one direction between two hosts, with its link in force.

Owns the questions that a link asks the tape, and what is under way, held or waiting. Does not know what is in a packet. Laws: a link without
impairments asks nothing and sets no timer; each impairment asks under a label of its own, in the order duplicate, loss, corrupt, reorder,
jitter; the dull answer is always the harmless one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.kernel.units import NS
from simsock.net.link.connections import Trouble
from simsock.net.link.distributions import offset_ns, possibilities
from simsock.net.link.rules import Packet, Pass, decide
from simsock.net.link.settings import PERFECT, GilbertElliott

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simsock.choices import Stream
    from simsock.kernel import Kernel
    from simsock.kernel.happened import Fault
    from simsock.net.addresses import Endpoint
    from simsock.net.link.rules import Rules
    from simsock.net.link.settings import Link

SEGMENT_HEADERS_BYTES = 40
"""IPv4 and TCP, without options."""
QUEUE_PACKETS = 1000
"""How many packets wait for a link with a rate, unless it says otherwise (netem's limit)."""
HELD_PACKETS_MAX = 100_000
"""How many packets a wire that is held keeps; later ones are lost."""


class Wire:
    """One direction between two hosts in a world, with its settings in force and its questions."""

    __slots__ = (
        "_asked",
        "_bad",
        "_busy_until",
        "_cut",
        "_harmless",
        "_held",
        "_holder",
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
        "seen",
        "source",
    )

    def __init__(self, kernel: Kernel, source: str, destination: str, link: Link, seen: Mapping[str, Fault] | None = None) -> None:
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
        self._cut: Fault | None = None
        """The fault that has severed it, if it is one that a test has ordered."""
        self._holder: Fault | None = None
        self._held: list[tuple[Callable[[Any], object], Any]] | None = None
        """What has arrived while the wire is held, in order."""
        self._rules: Rules = []
        self.set(link, seen)

    def set(self, link: Link, seen: Mapping[str, Fault] | None = None) -> None:
        """Change the condition; what is under way keeps its time. ``seen``: where it is counted how often each impairment took effect."""
        self.link = link
        self.seen: Mapping[str, Fault] = seen if seen is not None else {}
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

    def sever(self, severed: bool, fault: Fault | None = None) -> None:
        """Begin or end a partition: nothing that sets out arrives."""
        self._severed = severed
        self._cut = fault
        self._look()

    def govern(self, rules: Rules) -> None:
        """Obey these rules."""
        self._rules = rules
        self._look()

    def hold(self, holder: Fault | None) -> None:
        """Keep what arrives, or let go what was kept (None)."""
        self._holder = holder
        held = holder is not None
        if held == (self._held is not None):
            return
        for action, argument in self._held or ():
            action(argument)  # while the wire is not perfect yet: nothing may overtake what was kept
        self._held = [] if held else None
        self._look()

    def ruling(self, protocol: str, size: int, data: bytes, addresses: tuple[Endpoint, Endpoint], flags: str = "") -> int | None:
        """What a partition and the rules say of a packet that sets out: -1 when it is lost, nanoseconds that it takes, None when the link decides."""
        if self._severed:
            self._meet_cut()
            return -1
        ruling = decide(self._kernel, self._rules, Packet(self.source, self.destination, protocol, size, data, *addresses, flags))
        return None if ruling is Pass else ruling.after_ns

    def launch(self, arrival: int, action: Callable[[Any], object], argument: Any) -> None:
        """Have ``action(argument)`` done at a virtual time, or when the wire is let go."""
        self._kernel.call_at(arrival, self._land, (action, argument))

    def _land(self, flight: tuple[Callable[[Any], object], Any]) -> None:
        if self._held is None:
            flight[0](flight[1])
            return
        if self._holder is not None:
            self._holder.times += 1
        if len(self._held) < HELD_PACKETS_MAX:
            self._held.append(flight)
        else:
            self._kernel.log.append((self._kernel.now, f"link {self.name}", "too many held", HELD_PACKETS_MAX))

    # -- what took effect ------------------------------------------------------------------------------------------------------------

    def saw(self, what: str) -> bool:
        """Count an impairment that took effect. Always True."""
        fault = self.seen.get(what)
        if fault is not None:
            fault.times += 1
        return True

    def _meet_cut(self) -> None:
        if self._cut is not None:
            self._cut.times += 1

    # -- questions -------------------------------------------------------------------------------------------------------------------

    def _questions(self, what: str) -> Stream:
        questions = self._asked.get(what)
        if questions is None:
            questions = self._asked[what] = self._kernel.tape.stream(f"link {self.name} {what}")
        return questions

    def _happens(self, what: str, share: Any) -> bool:
        if not share or share >= 1:  # certain either way: nothing to ask, and nothing for shrinking to take away
            return bool(share)
        questions = self._asked.get(what)
        return (self._questions(what) if questions is None else questions).chance(share)

    def copies(self) -> int:
        """How often the next datagram sets out: once or twice."""
        return 2 if self._happens("duplicate", self.link.duplicate) and self.saw("duplicate") else 1

    def lost(self, size: int = SEGMENT_HEADERS_BYTES) -> bool:
        """Whether the next packet (of ``size`` bytes with headers) never arrives, or arrives damaged and is thrown away."""
        if self.dropped(size):
            return True
        share = self.link.corrupt
        return bool(share) and self._happens("corrupt", share) and self.saw("corrupt")

    def dropped(self, size: int) -> bool:
        """Whether the next packet never arrives: the link loses it, or has no room for it."""
        if self._severed:
            self._meet_cut()
            return True
        link = self.link
        loss = link.loss
        if loss and (self._in_burst(loss) if type(loss) is GilbertElliott else self._happens("loss", loss)):
            return self.saw("loss")
        return bool(link.rate) and self._overflows(size + link.overhead)

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
            self.saw("queue")
            self.saw("queue_bytes")
            self._kernel.log.append((self._kernel.now, f"link {self.name}", "queue full", size))
        return full

    def damaged(self, data: bytes, covered: int | None = None) -> bytes | None:
        """A datagram as it arrives: as it was, with one bit changed, or None when its checksum gives it away, which is over so many bytes, or over all."""
        if not (self._happens("corrupt", self.link.corrupt) and self.saw("corrupt")):
            return data
        partly = covered is not None and covered < len(data)
        if not data or (self.link.checksum and not partly):  # without data the bit is in the headers
            return None
        bit = self._questions("corrupt bit").choose(len(data) * 8)
        if self.link.checksum and covered is not None and bit >> 3 < covered:
            return None
        changed = bytearray(data)
        changed[bit >> 3] ^= 1 << (bit & 7)
        return bytes(changed)

    def delay_ns(self, size: int = SEGMENT_HEADERS_BYTES) -> int:
        """How long the next packet takes: its turn on the line, latency, and jitter to either side; the dull answer is the latency itself."""
        link = self.link
        if self.seen:
            self.saw("condition")
        now = self._kernel.now
        departure = now
        if link.rate:
            size += link.overhead
            self._busy_until = departure = max(now, self._busy_until) + -(-size * 8 * NS // link.rate)
            self._waiting.append((departure, size))
            self._waiting_bytes += size
        if (link.reorder or link.reorder_every) and self._skips():
            return departure - now
        delay = link.latency_ns
        if link.jitter_ns:
            delay += self._offset_ns(link.jitter_ns)
        arrival = departure + delay if delay > 0 else departure
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
                return self.saw("reorder_every")
        return self._happens("reorder", self.link.reorder) and self.saw("reorder")

    def _offset_ns(self, jitter: int) -> int:
        name = self.link.distribution
        return offset_ns(name, jitter, self._questions("jitter").choose(possibilities(name, jitter)))

    def trouble(self) -> Trouble | None:
        """What a new connection suffers on this way, if anything."""
        link = self.link
        return Trouble(link, self.seen) if link.hurts_connections and self._happens("toxicity", link.toxicity) else None

    def fragments(self, size: int, ip_headers: int) -> list[int]:
        """The packets in which a datagram of ``size`` bytes with headers travels: itself, or fragments that fit (RFC 791, 3.2)."""
        mtu = self.link.mtu
        if not mtu or size <= mtu:
            return [size]
        room = (mtu - ip_headers) & ~7 or 8
        whole, rest = divmod(size - ip_headers, room)
        return [room + ip_headers] * whole + ([rest + ip_headers] if rest else [])
