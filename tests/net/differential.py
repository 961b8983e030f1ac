"""A machine that runs one random sequence of socket calls on Linux and in a world.

Owns the calls, and the form in which their outcomes are compared. Laws:

* what a step does depends on earlier outcomes only, never on which of the two it runs on;
* only what is certain on Linux is asked: small writes on TCP, backlogs that do not overflow there, ports that the system picks;
* what differs on purpose stands in ``docs/fidelity.md`` and is not asked here.
"""

from __future__ import annotations

import fcntl as real_fcntl
import socket as names
import struct
import time
from typing import NamedTuple

from hypothesis import strategies as st

from simsock.net.options import OPTIONS as TABLE
from simsock.stdlib import fcntl as sim_fcntl

TCP, TCP6, UDP = (names.AF_INET, names.SOCK_STREAM), (names.AF_INET6, names.SOCK_STREAM), (names.AF_INET, names.SOCK_DGRAM)
UNIX, UNIX_DATAGRAMS, UNIX_PACKETS = ((names.AF_UNIX, kind) for kind in (names.SOCK_STREAM, names.SOCK_DGRAM, names.SOCK_SEQPACKET))
INTERNET = (TCP, TCP6, UDP)
UNIXES = (UNIX, UNIX_DATAGRAMS, UNIX_PACKETS)
SOCKETS_MAX = 8
PATHS = ("one", "two", b"\0simsock one")
INTERNET_SIZES, UNIX_SIZES = (0, 1, 10, 700), (0, 1, 10, 700, 5_000, 40_000)
OPTIONS = (
    *((names.SOL_SOCKET, number) for number in (2, 3, 5, 6, 9, 10, 13, 15, 19, 30, 38, 39)),
    *((names.IPPROTO_IP, number) for number in (1, 2, 8, 10, 12, 13, 33, 34, 9999)),
    *((names.IPPROTO_TCP, number) for number in (1, 3, 4, 5, 6, 7, 8, 18, 9999)),
    *((names.IPPROTO_IPV6, number) for number in (16, 18, 19, 23, 26, 49, 62, 66, 67, 9999)),
    *((names.IPPROTO_UDP, number) for number in (101, 104, 9999)),
    (255, 1),
)
"""Levels and numbers whose values do not depend on the kernel."""
GROUPS = ("239.255.77.1", "239.255.77.2")
MASKS = (1, 4, 5, 0x2000, 0x2007)
HERE = names.inet_aton("127.0.0.1")
TIMEOUT = 0.002
"""Seconds that a call with a timeout waits for nothing."""


class Step(NamedTuple):
    """A call: of socket number ``which``, with another socket or a choice of argument."""

    what: str
    which: int
    other: int
    choice: int


CALLS = (
    *("new connect accept send recv".split() * 3),
    *("bind listen shutdown close poll sendto recvfrom pair".split() * 2),
    *"dup peek reset reuse error name peer wait select listen_and_connect limit recvmsg".split(),
    *"option option now patient_now count_only to_nowhere mapped wrong_type wait_in_the_system".split(),
    *"urgent urgent take_urgent mark lowat to_group to_group member member to_all tell marked recvmsg".split(),
    *"pass_on pass_on receive_all poll_each".split(),
    *"watch watch unwatch edges edges".split(),
)
NUMBERS = st.integers(0, SOCKETS_MAX - 1)
STEPS = st.builds(Step, st.sampled_from(CALLS), NUMBERS, NUMBERS, st.integers(0, 11))
PROGRAMS = st.tuples(st.sampled_from([INTERNET, (TCP,), (UDP,), UNIXES, (UNIX,), (UNIX_DATAGRAMS,), (UNIX_PACKETS,)]), st.lists(STEPS, min_size=3, max_size=30))


class Machine:
    """The sockets of one run, and what was seen."""

    def __init__(self, net, kinds, pause):
        self.net = net
        self.kinds = kinds
        self.pause = pause
        self.sockets = []
        self.kind_of = []
        self.seen = []
        self.ports = {}
        self.epoll = net.keep(net.select.epoll())
        self.fcntl = real_fcntl if net.kind == "real" else sim_fcntl
        self.passed = net.keep(net.socket.socket(*kinds[0]))
        self.nobodies = {kind: self._nobody(kind) for kind in kinds if kind in INTERNET}

    def _nobody(self, kind):
        """An address where nobody answers, and that nobody else can take."""
        sock = self.net.keep(self.net.socket.socket(*kind))
        sock.bind(("::1" if kind[0] == names.AF_INET6 else "127.0.0.1", 0))
        if kind == UDP:
            sock.connect(sock.getsockname())  # hears itself only
        return sock.getsockname()

    def run(self, steps):
        """The outcomes of all steps, and what poll(2) says in the end."""
        for step in [*steps, Step("poll", 0, 0, 0)]:
            if not self.sockets and step.what not in ("new", "pair"):
                self.add(self.net.socket.socket(*self.kinds[0]), self.kinds[0])
            try:
                outcome = self.plain(getattr(self, step.what)(step))
            except OSError as error:
                outcome = type(error).__name__, error.errno, error.strerror or str(error)
            self.seen.append((step.what, step.which % max(1, len(self.sockets)), outcome))
            if self.pause:
                time.sleep(self.pause)
        return self.seen

    # -- what is compared --------------------------------------------------------------------------------------------------------------

    def plain(self, value):
        """Ports by the order in which they were first seen, names that the system picked without their digits, bytes by their number."""
        if isinstance(value, tuple) and len(value) in (2, 4) and isinstance(value[0], str) and isinstance(value[1], int):
            port = value[1] and self.ports.setdefault(value[1], f"port {len(self.ports)}")
            return (value[0], port, *value[2:])
        if isinstance(value, tuple):
            return tuple(self.plain(item) for item in value)
        if isinstance(value, bytes):
            return "automatic" if len(value) == 6 and value[:1] == b"\0" else (len(value), value[:8])
        return value

    def add(self, sock, kind):
        sock.setblocking(False)
        self.sockets.append(self.net.keep(sock))
        self.kind_of.append(kind)

    def sock(self, step):
        return self.sockets[step.which % len(self.sockets)]

    def kind(self, step):
        return self.kind_of[step.which % len(self.sockets)] if self.sockets else self.kinds[0]

    def address(self, step):
        """The address of another open socket of the same family, or one where nobody is."""
        kind = self.kind(step)
        unix, own = kind[0] == names.AF_UNIX, self.sock(step).fileno() >= 0 and self.sock(step).getsockname()
        others = [sock for sock, other in zip(self.sockets, self.kind_of) if sock.fileno() >= 0 and (other[0] == kind[0] if unix else other == kind)]
        if kind[1] == names.SOCK_STREAM and not unix:  # a stream that meets itself, perhaps half shut, is a world of its own
            others = [sock for sock in others if sock.getsockname() != own]
        if step.choice == 0 or not others:
            return self.nobodies.get(kind, "nobody")
        address = others[step.other % len(others)].getsockname()
        if kind[0] == names.AF_UNIX:
            return address or "nobody"
        if not address[1]:
            return self.nobodies[kind]
        return (self.nobodies[kind][0], *address[1:])

    def size(self, step):
        if self.kind(step) == UNIX_PACKETS:
            return UNIX_SIZES[1:][step.choice % 5]  # an empty one that nobody reads is an end in new kernels, and a reset in older ones
        sizes = UNIX_SIZES if self.kind(step)[0] == names.AF_UNIX else INTERNET_SIZES
        return sizes[step.choice % len(sizes)]

    # -- the calls -----------------------------------------------------------------------------------------------------------------------

    def new(self, step):
        if len(self.sockets) < SOCKETS_MAX:
            kind = self.kinds[step.choice % len(self.kinds)]
            self.add(self.net.socket.socket(*kind), kind)

    def pair(self, step):
        kind = self.kinds[step.choice % len(self.kinds)]
        if kind in UNIXES and len(self.sockets) < SOCKETS_MAX - 1:
            for sock in self.net.socket.socketpair(*kind):
                self.add(sock, kind)

    def bind(self, step):
        family, _ = self.kind(step)
        if family == names.AF_UNIX:
            path = (*PATHS, "")[step.choice % 4]
            return self.sock(step).bind(path)
        if step.choice % 4 == 3:
            return self.sock(step).bind(self.address(step))
        return self.sock(step).bind(("", 0) if step.choice % 4 else (self.nobodies[self.kind(step)][0], 0))

    def listen(self, step):
        unix = self.kind(step)[0] == names.AF_UNIX
        return self.sock(step).listen(step.choice % 3 if unix else 50)

    def listen_and_connect(self, step):
        """What takes random calls long to come to: a name, a listener and a client."""
        kind = self.kind(step)
        if kind[1] != names.SOCK_DGRAM and len(self.sockets) < SOCKETS_MAX:
            listener = self.sock(step)
            listener.bind(PATHS[step.choice % 3] if kind[0] == names.AF_UNIX else (self.nobodies[kind][0], 0))
            listener.listen(5)
            self.add(self.net.socket.socket(*kind), kind)
            return self.sockets[-1].connect_ex(listener.getsockname())
        return None

    def connect(self, step):
        return self.sock(step).connect_ex(self.address(step))

    def accept(self, step):
        accepted, address = self.sock(step).accept()
        if len(self.sockets) < SOCKETS_MAX:
            self.add(accepted, self.kind(step))
        else:
            accepted.close()
        return address

    def send(self, step):
        return self.sock(step).send(bytes([65 + step.other]) * self.size(step))

    def sendto(self, step):
        return self.sock(step).sendto(bytes([97 + step.other]) * self.size(step), self.address(step))

    def recv(self, step):
        return self.sock(step).recv((1, 5, 1_000, 100_000)[step.choice % 4])

    def peek(self, step):
        return self.sock(step).recv(5, names.MSG_PEEK)

    def recvfrom(self, step):
        return self.sock(step).recvfrom((1, 5, 1_000, 100_000)[step.choice % 4])

    def recvmsg(self, step):
        data, messages, flags, address = self.sock(step).recvmsg(5, 100)
        return data, self.told(messages), int(flags), address

    def wait(self, step):
        """Receive with a timeout."""
        sock = self.sock(step)
        if sock.fileno() < 0 or sock.getsockopt(names.SOL_SOCKET, names.SO_ACCEPTCONN):
            return "not asked"
        sock.settimeout(TIMEOUT)
        try:
            return sock.recv(10)
        finally:
            sock.settimeout(0)

    def shutdown(self, step):
        return self.sock(step).shutdown(step.choice % 3)

    def close(self, step):
        return self.sock(step).close()

    def dup(self, step):
        if len(self.sockets) < SOCKETS_MAX:
            self.add(self.sock(step).dup(), self.kind(step))

    def reset(self, step):
        if self.kind(step)[0] != names.AF_UNIX:
            self.sock(step).setsockopt(names.SOL_SOCKET, names.SO_LINGER, struct.pack("ii", step.choice % 2, 0))

    def reuse(self, step):
        self.sock(step).setsockopt(names.SOL_SOCKET, names.SO_REUSEADDR, step.choice % 2)

    def option(self, step):
        """Read an option, set it (those that a world refuses to what they are), read it again."""
        sock, (level, number) = self.sock(step), OPTIONS[(step.other * 12 + step.choice) % len(OPTIONS)]
        before = sock.getsockopt(level, number)
        row = TABLE.get((level, number))
        if (level, number) == (names.SOL_SOCKET, names.SO_LINGER):
            return before, sock.getsockopt(level, number, 8)
        value = row.unset if row is not None and row.effect == "refused" else step.choice % 4 - 1
        sock.setsockopt(level, number, value)
        return before, sock.getsockopt(level, number), sock.getsockopt(level, number, 2)

    def now(self, step):
        """Receive with MSG_DONTWAIT, on a socket that would wait."""
        sock = self.sock(step)
        if sock.fileno() < 0:
            return "not asked"
        sock.settimeout(None)
        try:
            return sock.recv(10, names.MSG_DONTWAIT)
        finally:
            sock.settimeout(0)

    def patient_now(self, step):
        """The same on one with a timeout."""
        sock = self.sock(step)
        if sock.fileno() < 0 or sock.getsockopt(names.SOL_SOCKET, names.SO_ACCEPTCONN):
            return "not asked"
        sock.settimeout(TIMEOUT)
        try:
            return sock.recv(10, names.MSG_DONTWAIT)
        finally:
            sock.settimeout(0)

    def wait_in_the_system(self, step):
        """Receive from a socket that blocks, with SO_RCVTIMEO."""
        sock = self.sock(step)
        if sock.fileno() < 0 or sock.getsockopt(names.SOL_SOCKET, names.SO_ACCEPTCONN):
            return "not asked"
        sock.settimeout(None)
        sock.setsockopt(names.SOL_SOCKET, 20, struct.pack("ll", 0, 4_000))
        try:
            return sock.recv(10)
        finally:
            sock.setsockopt(names.SOL_SOCKET, 20, struct.pack("ll", 0, 0))
            sock.settimeout(0)

    def count_only(self, step):
        """With MSG_TRUNC a stream throws bytes away; what is handed out instead has no defined value."""
        return len(self.sock(step).recv((1, 5, 1_000)[step.choice % 3], names.MSG_TRUNC | (names.MSG_PEEK if step.choice % 4 == 0 else 0)))

    def to_nowhere(self, step):
        """Connect a datagram socket to port 0: it is connected, and has no peer."""
        if self.kind(step) == UDP:
            self.sock(step).connect((self.nobodies[UDP][0], 0))

    def mapped(self, step):
        """An IPv4 socket is given an IPv4 address in the form of IPv6."""
        if self.kind(step)[0] == names.AF_INET:
            _, port, *_ = self.address(step)
            return self.sock(step).connect_ex(("::ffff:127.0.0.1", port))
        return None

    def wrong_type(self, step):
        """Arguments are looked at before the descriptor is."""
        sock, call = self.sock(step), step.choice % 6
        calls = (sock.send, sock.sendall, sock.bind, sock.connect, lambda what: sock.sendto(what, 5), lambda what: sock.setsockopt(1, 2, what))
        try:
            return calls[call]("text") if call not in (2, 3) else calls[call](5)
        except TypeError as error:
            return str(error)

    def limit(self, step):
        if self.kind(step)[0] == names.AF_UNIX:
            sock = self.sock(step)
            sock.setsockopt(names.SOL_SOCKET, names.SO_SNDBUF, (1, 5_000, 50_000)[step.choice % 3])
            return sock.getsockopt(names.SOL_SOCKET, names.SO_SNDBUF)
        return None

    def error(self, step):
        return self.sock(step).getsockopt(names.SOL_SOCKET, names.SO_ERROR)

    def name(self, step):
        return self.sock(step).getsockname()

    def peer(self, step):
        return self.sock(step).getpeername()

    def poll(self, step):
        return tuple(hex(self.net.bits(sock)) if sock.fileno() >= 0 else "closed" for sock in self.sockets)

    def select(self, step):
        open_ones = [sock for sock in self.sockets if sock.fileno() >= 0]
        ready = self.net.select.select(open_ones, open_ones, [], 0)
        return tuple(tuple(self.sockets.index(sock) for sock in found) for found in ready[:2])

    # -- urgent data, groups, control messages, edges -------------------------------------------------------------------------------------

    def urgent(self, step):
        if self.kind(step)[0] != names.AF_UNIX:
            return self.sock(step).send(bytes([75 + step.other]) * self.size(step), names.MSG_OOB)
        return None

    def take_urgent(self, step):
        if self.kind(step)[0] != names.AF_UNIX and self.kind(step)[1] == names.SOCK_STREAM:
            return self.sock(step).recv(1, names.MSG_OOB | (names.MSG_PEEK if step.choice % 3 == 0 else 0))
        return None

    def mark(self, step):
        """SIOCATMARK and FIONREAD."""
        sock = self.sock(step)
        if self.kind(step)[1] != names.SOCK_STREAM or self.kind(step)[0] == names.AF_UNIX or sock.fileno() < 0:
            return None
        return tuple(struct.unpack("i", self.fcntl.ioctl(sock.fileno(), request, bytes(4)))[0] for request in (0x8905, 0x541B))

    def lowat(self, step):
        if self.kind(step)[0] != names.AF_UNIX:
            self.sock(step).setsockopt(names.SOL_SOCKET, names.SO_RCVLOWAT, (0, 1, 4, 20)[step.choice % 4])

    def member(self, step):
        """Join a group on loopback, or leave it."""
        if self.kind(step) == UDP:
            what = names.IP_ADD_MEMBERSHIP if step.choice % 3 else names.IP_DROP_MEMBERSHIP
            self.sock(step).setsockopt(names.IPPROTO_IP, what, names.inet_aton(GROUPS[step.choice % 2]) + HERE)

    def to_group(self, step):
        if self.kind(step) == UDP:
            sock, (_, port) = self.sock(step), self.address(step)
            sock.setsockopt(names.IPPROTO_IP, names.IP_MULTICAST_IF, HERE)
            return sock.sendto(bytes([97 + step.other]) * self.size(step), (GROUPS[step.choice % 2], port))
        return None

    def to_all(self, step):
        """To everybody on loopback, perhaps without being allowed to."""
        if self.kind(step) == UDP:
            return self.sock(step).sendto(b"everybody", ("127.255.255.255", self.address(step)[1]))
        return None

    def tell(self, step):
        """Ask to be told what datagrams carry."""
        if self.kind(step) == UDP:
            self.sock(step).setsockopt(names.IPPROTO_IP, (8, 12, 13)[step.choice % 3], step.choice % 2)

    def marked(self, step):
        """Send with control messages."""
        if self.kind(step) == UDP:
            told = (names.IP_TTL, struct.pack("i", step.choice)), (names.IP_TOS, bytes([step.choice])), (8, struct.pack("i4s4s", 0, HERE, HERE))
            return self.sock(step).sendmsg([b"marked"], [(names.IPPROTO_IP, *told[step.other % 3])], 0, self.address(step))
        return None

    def pass_on(self, step):
        """Send descriptors beside the data, which stay with what is never read."""
        if self.kind(step)[0] != names.AF_UNIX:
            return None
        fds = [self.passed.fileno()] * (1 + step.choice % 2)
        return self.sock(step).sendmsg([bytes([65 + step.other]) * self.size(step)], [(names.SOL_SOCKET, names.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))])

    def receive_all(self, step):
        """All that comes with the data, and whether it was cut."""
        sock = self.sock(step)
        data, messages, flags, address = sock.recvmsg(1_000, (0, 16, 20, 24, 100)[step.choice % 5], names.MSG_PEEK if step.choice % 3 == 0 else 0)
        return data, self.told(messages), int(flags), address

    def told(self, messages):
        """Messages, with descriptors closed and only counted."""
        told = []
        for level, kind, found in messages:
            if (level, kind) == (names.SOL_SOCKET, names.SCM_RIGHTS):
                for fd in struct.unpack(f"{len(found) // 4}i", found[: len(found) // 4 * 4]):
                    self.net.socket.close(fd)
                found = b"%d passed" % len(found)
            told.append((level, kind, found))
        return tuple(told)

    def poll_each(self, step):
        """By selectors, of every kind."""
        selectors = self.net.selectors
        kinds = selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector, selectors.DefaultSelector
        with kinds[step.choice % 4]() as selector:
            for number, sock in enumerate(self.sockets):
                if sock.fileno() >= 0:
                    selector.register(sock, 1 + step.other % 3, number)
            return tuple(sorted((key.data, events) for key, events in selector.select(0)))

    def watch(self, step):
        """Register or modify for edges, or for one event."""
        if self.sock(step).fileno() < 0:
            return "closed"
        mask = MASKS[step.choice % 5] | (1 << 31 if step.other % 4 else 1 << 30)
        return (self.epoll.modify if step.other % 3 == 0 else self.epoll.register)(self.sock(step), mask)

    def unwatch(self, step):
        return self.epoll.unregister(self.sock(step)) if self.sock(step).fileno() >= 0 else "closed"

    def edges(self, step):
        numbers = {sock.fileno(): number for number, sock in enumerate(self.sockets)}
        return tuple(sorted((numbers.get(fd, -1), hex(bits)) for fd, bits in self.epoll.poll(0)))
