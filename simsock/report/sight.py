"""What one run is seen to do from outside, for a report: packets between hosts, ordered faults, and how all stood when it ended.

Owns the notes and their limits. Does not know how they are shown (``page``), nor what the tasks did line by line (``listening``). Laws:

* looking never changes a run: it neither parks, nor draws, nor records, and keeps texts and numbers only;
* notes are bounded: of very many packets the first, the newest, and the unusual ones between them are kept, and how many are left out is told.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.choices import journal
from simsock.escaping import printable
from simsock.kernel.task_table import task_rows
from simsock.kernel.watchers import Watcher
from simsock.net.addresses import format_endpoint, is_group, is_loopback
from simsock.net.fabric import fabric_of
from simsock.net.netstat import netstat
from simsock.net.tap import Tap
from simsock.net.tcp.segments import ACK, FIN, PSH, RST, SYN, URG

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel
    from simsock.net.fabric import Fabric
    from simsock.net.tap import Frame
    from simsock.world.simulation import Simulation

FIRST_MAX = LAST_MAX = ODD_MAX = 150
FAULTS_MAX = 200
SOCKETS_MAX = 100
RECORDS_MAX = 100
PAYLOAD_MAX = 48
"""Bytes shown of a packet."""
_FLAGS = (("SYN", SYN), ("FIN", FIN), ("RST", RST), ("PSH", PSH), ("URG", URG), ("ACK", ACK))
ARRIVED, LOST, CUT, UNDER_WAY = "arrived", "lost", "cut off", "under way"
"""What became of a packet. Cut off: a partition, or a host that is down, let nothing through."""


class Packet:
    """One packet: where from and to, when it left and arrived, what it was."""

    __slots__ = ("again", "arrived_ns", "bytes", "data", "expected_ns", "fate", "flags", "late_ns", "number", "protocol", "sent_ns", "source", "target", "why")

    def __init__(self, protocol: str, source: str, target: str, sent_ns: int) -> None:
        self.protocol, self.source, self.target, self.sent_ns = protocol, source, target, sent_ns
        self.arrived_ns: int | None = None
        self.number = 0
        """Which one it was, from 1."""
        self.expected_ns = 0
        """How long its way takes by itself."""
        self.fate = UNDER_WAY
        self.why = ""
        self.late_ns = 0
        """How much longer than that it took."""
        self.again = False
        """Sent before already."""
        self.flags = self.data = ""
        self.bytes = 0

    @property
    def is_odd(self) -> bool:
        """Whether it is one that people look for."""
        return self.fate != ARRIVED or self.late_ns > 0 or self.again or "RST" in self.flags

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {name: getattr(self, name) for name in sorted(self.__slots__)}


class Sight(Watcher):
    """Notes of one world. ``begin`` in it, before anything is sent, and ``look`` when it has failed, or ends."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.faults: list[dict[str, Any]] = []
        self.sockets: list[dict[str, Any]] = []
        self.tasks: list[tuple[str, str, str, str]] = []
        self.records: list[tuple[int, str, str]] = []
        self.ended_ns = 0
        self.packets_seen = 0
        self._first: list[Packet] = []
        self._odd: list[Packet] = []
        self._last: deque[Packet] = deque()
        self._kernel: Kernel | None = None
        self._fabric: Fabric | None = None
        self._flying: dict[tuple[str, str, Frame], deque[Packet]] = {}
        self._heard: dict[tuple[Any, ...], None] = {}
        """Data of streams that were sent already."""
        self._servers: dict[Any, None] = {}
        self._talks: dict[Any, None] = {}
        self._reason: tuple[str, str] = ("", "")
        """Of which link something was recorded last, and what."""

    def begin(self, sim: Simulation) -> None:
        """From now on."""
        sim.add_watcher(self)
        self._kernel = kernel = sim._running()
        self._fabric = fabric = fabric_of(kernel)
        if fabric.tap is None:
            fabric.tap = Tap(fabric)
        fabric.tap.sinks.append(self)

    def look(self) -> None:
        """How all stands now; nothing that comes later is of interest."""
        kernel, fabric = self._kernel, self._fabric
        self._kernel = self._fabric = None
        if kernel is None or fabric is None:
            return
        if fabric.tap is not None and self in fabric.tap.sinks:
            fabric.tap.sinks.remove(self)
            if not fabric.tap.sinks:
                fabric.tap = None
        self._flying.clear()
        self.ended_ns = kernel.now
        self.hosts = [printable(host.name) for host in fabric.hosts()]
        if kernel.ended:
            return
        self.sockets = [dict(entry._asdict()) for entry in netstat(kernel)[:SOCKETS_MAX]]
        self.tasks = task_rows(kernel, "the end")
        self.records = [(record[0], printable(str(record[1])), printable(" ".join(map(str, record[2:])))) for record in kernel.log.records()[-RECORDS_MAX:]]

    def packets(self) -> list[Packet]:
        """Those that were kept, in the order in which they left."""
        return [*self._first, *self._odd, *self._last]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        packets = [packet.as_dict() for packet in self.packets()]
        return {
            "ended_ns": self.ended_ns,
            "hosts": self.hosts,
            "packets": packets,
            "packets_left_out": self.packets_seen - len(packets),
            "faults": self.faults,
            "tasks": self.tasks,
            "sockets": self.sockets,
            "records": self.records,
        }

    # -- what the kernel and the tap tell --------------------------------------------------------------------------------------------

    def recorded(self, record: tuple[Any, ...]) -> None:
        kernel, what = self._kernel, record[2]
        if kernel is None or kernel.ending:
            return
        if str(record[1]).startswith("link "):
            self._reason = (record[1][5:], "by a rule" if what == "rule" else str(what))
        if what == "kills":  # at a moment that was drawn; its last part is the number of that
            what, record = "kill", (record[0], record[1], "kill", record[3])
        if what in journal.FAULTS and len(self.faults) < FAULTS_MAX and (words := journal.act(record).strip("(){}")):
            self.faults.append(
                {
                    "at_ns": record[0],
                    "after_packets": self.packets_seen,
                    "what": what,
                    "on": [printable(str(part)) for part in record[3:]],
                    "text": printable(words),
                }
            )

    def world_ends(self, kernel: Kernel) -> None:
        self._kernel = self._fabric = None

    def take(self, now: int, host: str, outgoing: bool, frame: Frame, lost: bool) -> None:
        """For the tap: a frame leaves or reaches a host."""
        fabric = self._fabric
        if fabric is None:
            return
        if outgoing:
            self._leaves(fabric, now, host, frame, lost)
            return
        sender = self._name(fabric, frame.local[0], host)
        flying = self._flying.get((sender, host, frame))
        if flying:
            packet = flying.popleft() if len(flying) > 1 else self._flying.pop((sender, host, frame))[0]
        else:  # sent to many, sent twice, damaged, or made up by the link itself
            packet = self._note(fabric, now, sender, host, frame)
        packet.fate, packet.arrived_ns = ARRIVED, now
        late = now - packet.sent_ns - packet.expected_ns
        packet.late_ns = max(0, late) if packet.expected_ns or late > 0 else 0

    def _leaves(self, fabric: Fabric, now: int, host: str, frame: Frame, lost: bool) -> None:
        if is_group(frame.remote[0]):
            return  # each copy is noted where it lands
        target = self._name(fabric, frame.remote[0], host)
        packet = self._note(fabric, now, host, target, frame)
        here, there = fabric.known(host), fabric.known(target)
        wire = fabric.known_wire(here, there) if here is not None and there is not None else None
        packet.expected_ns = wire.latency_ns if wire is not None else 0
        if frame.protocol == "tcp" and (frame.data or frame.flags & SYN):
            key = (frame.local, frame.remote, frame.seq, frame.flags & (SYN | ACK) if not frame.data else 0)
            packet.again = key in self._heard
            self._heard[key] = None
        if lost or target in fabric.interference.down:
            severed = wire is not None and "cut off" in wire.condition
            down = target in fabric.interference.down
            packet.fate = CUT if severed or down else LOST
            reason = self._reason[1] if wire is not None and self._reason[0] == wire.name else ""
            packet.why = "a partition" if severed else f"{target} is down" if down else reason
        elif host == target:
            packet.fate, packet.arrived_ns = ARRIVED, now  # a loopback is seen once
        else:
            self._flying.setdefault((host, target, frame), deque()).append(packet)
        self._reason = ("", "")

    def _note(self, fabric: Fabric, now: int, source: str, target: str, frame: Frame) -> Packet:
        talk = frame.local, frame.remote
        if talk not in self._talks and (frame.remote, frame.local) not in self._talks:
            self._talks[talk] = None
            self._servers[frame.remote] = None
        line = self._lifeline
        packet = Packet(frame.protocol, line(source, frame.local, source == target), line(target, frame.remote, source == target), now)
        packet.flags = " ".join(name for name, bit in _FLAGS if frame.flags & bit)
        packet.bytes = len(frame.data)
        packet.data = ascii(bytes(frame.data[:PAYLOAD_MAX]))[2:-1] + ("…" if len(frame.data) > PAYLOAD_MAX else "")
        self._keep(packet)
        return packet

    def _keep(self, packet: Packet) -> None:
        self.packets_seen += 1
        packet.number = self.packets_seen
        if len(self._first) < FIRST_MAX:
            self._first.append(packet)
            return
        self._last.append(packet)
        if len(self._last) > LAST_MAX:
            oldest = self._last.popleft()
            if oldest.is_odd and len(self._odd) < ODD_MAX:
                self._odd.append(oldest)

    def _lifeline(self, host: str, endpoint: Any, within: bool) -> str:
        """Who takes part: a host; on one host by itself, each of its servers beside it."""
        return printable(f"{host} {format_endpoint(endpoint)}" if within and endpoint in self._servers else host)

    def _name(self, fabric: Fabric, ip: str, host: str) -> str:
        return host if is_loopback(ip) else fabric.name_of(ip) or ip


class Seen:
    """A test whose world is looked at by ``sight`` from its first packet to its end, and captured in a file if there is a ``path``."""

    def __init__(self, test: Callable[[Simulation], object], sight: Sight | None, path: str | None = None) -> None:
        self.__wrapped__ = test
        self._sight, self._path = sight, path

    def __call__(self, sim: Simulation) -> object:
        if self._path is not None:
            sim.capture(self._path)
        if self._sight is None:
            return self.__wrapped__(sim)
        self._sight.begin(sim)
        try:
            return self.__wrapped__(sim)
        finally:
            self._sight.look()


__all__ = ["ARRIVED", "CUT", "LOST", "UNDER_WAY", "Packet", "Seen", "Sight"]
