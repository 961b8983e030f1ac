"""A bench for one TCP machine: two hosts, two ways, a clock that stands still until it is told to go on, and no tasks.

Owns the ways, which deliver nothing by themselves: what an end sends lies there for the test to look at, to deliver or to lose. The rest is the
net's own code. A segment is handed in by hand, and its answer is looked at.
"""

from __future__ import annotations

from simsock.kernel.rooms import make_room
from simsock.kernel.timers import Timers
from simsock.net.addresses import AF_INET
from simsock.net.fabric import Fabric
from simsock.net.link.settings import PERFECT
from simsock.net.tcp.segments import Segment

MS = 1_000_000
SEGMENT = 1460
ROOM = 100 * SEGMENT
NEAR, FAR = ("10.0.0.2", 1000), ("10.0.0.3", 80)


class Clock:
    """What the net needs of a kernel."""

    def __init__(self):
        self.now = 0
        self.timers = Timers()
        self.log = []
        self.runq = self.held = ()
        self.state = {}
        self.room = make_room()
        self.woken = 0

    def call_at(self, deadline, action, argument):
        return self.timers.add(deadline, action, argument)

    def call_off(self, timer):
        self.timers.cancel(timer)

    def wake_all(self, queue):
        self.woken += len(queue)
        queue.clear()

    def advance(self, ns):
        """Let time pass, with the timers that become due on the way."""
        end = self.now + ns
        while (deadline := self.timers.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            timer = self.timers.pop_due(self.now)
            action, timer.action = timer.action, None
            action(timer.argument)
        self.now = end


class Way:
    """One direction, on which things lie until they are delivered."""

    perfect = governed = False
    link = PERFECT

    def __init__(self, source, destination):
        self.name = f"{source}->{destination}"
        self.sizes = []
        self.lying = []

    def lost(self, size=40):
        self.sizes.append(size)
        return False

    def delay_ns(self, size=40):
        return 0

    def trouble(self):
        return None

    def launch(self, arrival, action, argument):
        self.lying.append((action, argument))

    def deliver(self, which=0):
        """Hand over what lies there."""
        action, argument = self.lying.pop(which)
        action(argument)


class Bench:
    """``near`` sends to ``far``; ``out`` and ``back`` are the ways."""

    def __init__(self):
        self.clock = Clock()
        self.fabric = Fabric(self.clock)
        self.hosts = [self.fabric.host("near"), self.fabric.host("far")]
        self.out, self.back = Way("near", "far"), Way("far", "near")
        self.fabric._wires.update({("near", "far"): self.out, ("far", "near"): self.back})
        self.near, self.far = (self.fabric.stream(host, AF_INET) for host in self.hosts)

    def connected(self, room=ROOM):
        """Join both ends without a handshake; returns the sender of ``near``, and its other half at ``far``."""
        self.near.local = self.far.remote = NEAR
        self.far.local = self.near.remote = FAR
        self.near.join(self.far, self.out)
        self.far.join(self.near, self.back)
        self.near.first_round_trip_ns = self.far.first_round_trip_ns = 0
        sender = self.near.start_sender(room)
        return sender, sender.receiver

    def sent(self):
        """What ``near`` has sent since the last look, as (sequence number, how many bytes), and is lost."""
        found = [argument[0] for _, argument in self.out.lying if isinstance(argument, tuple) and isinstance(argument[0], Segment)]
        self.out.lying.clear()
        return [(segment.seq, len(segment.data)) for segment in found]

    def segment(self, number, size=SEGMENT):
        """The segment of that number, from 0, of ``size`` bytes."""
        return Segment(1 + number * size, bytes([number]) * size, False, self.clock.now)


def at(number, size=SEGMENT):
    """The sequence number of segment ``number``."""
    return 1 + number * size
