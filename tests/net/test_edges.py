"""epoll(7): edges, one shot, one alone, and epoll objects that are watched; on this machine and in a world."""

from __future__ import annotations

import errno
import os as real_os
import socket as names

import pytest

from simsock import Simulation
from simsock.stdlib import os as sim_os
from simsock.stdlib import select

IN, PRI, OUT, RDHUP, EXCLUSIVE, WAKEUP, ONESHOT, ET = 1, 2, 4, 0x2000, 1 << 28, 1 << 29, 1 << 30, 1 << 31


class Watched:
    """Files with letters, and epoll objects that watch them; events are told by letters, in the order in which epoll tells them."""

    def __init__(self, net, notes):
        self.net, self.notes = net, notes
        self.os = real_os if net.kind == "real" else sim_os
        self.letters = {}
        self.files = []

    def epoll(self):
        return self.net.keep(self.net.select.epoll())

    def pair(self, kind):
        """Two ends that do not block: the second is the watched one."""
        if kind == "tcp":
            one, other = self.net.pair()
        else:
            one, other = self.net.socket.socketpair()
            self.net.keep(one), self.net.keep(other)
        for sock in (one, other):
            sock.setblocking(False)
        return one, other

    def name(self, letter, fd):
        self.letters[fd if isinstance(fd, int) else fd.fileno()] = letter
        return fd

    def poll(self, label, epoll, *rest):
        if label != "again":
            self.net.settle()
        self.notes(label, lambda: [(self.letters.get(fd, "?"), hex(bits)) for fd, bits in epoll.poll(0, *rest)])


def fill(sock):
    try:
        while True:
            sock.send(bytes(5000))
    except BlockingIOError:
        pass


def drain(sock):
    try:
        while sock.recv(1 << 20):
            pass
    except BlockingIOError:
        pass


@pytest.mark.once
@pytest.mark.real
@pytest.mark.parametrize("mask", [IN | OUT, IN, OUT, RDHUP, IN | RDHUP | PRI])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_edges_of_a_stream_are_told_once(twins, kind, mask):
    def program(net, notes):
        watched = Watched(net, notes)
        a, b = watched.pair(kind)
        epoll = watched.epoll()
        watched.name("b", b)
        notes("register", epoll.register, b, mask | ET)
        for label, act in (
            ("registered", lambda: None),
            ("nothing", lambda: None),
            ("bytes", lambda: a.send(b"abc")),
            ("read one", lambda: b.recv(1)),
            ("more", lambda: a.send(b"d")),
            ("all read", lambda: b.recv(10)),
            ("modified", lambda: epoll.modify(b, mask | ET)),
            ("full", lambda: fill(b)),
            ("read by the peer", lambda: a.recv(100)),
            ("all read by the peer", lambda: drain(a)),
            ("end", lambda: a.shutdown(names.SHUT_WR)),
            ("read the end", lambda: b.recv(5)),
            ("closed", a.close),
        ):
            notes(label, lambda act=act: act() and None)
            watched.poll(label, epoll)
            watched.poll("again", epoll)

    twins(program)


@pytest.mark.real
def test_edges_of_a_reset(twins):
    def program(net, notes):
        watched = Watched(net, notes)
        for mask in (IN, OUT, 0):
            a, b = watched.pair("tcp")
            watched.name("b", b)
            epoll = watched.epoll()
            epoll.register(b, mask | ET)
            watched.poll("registered", epoll)
            a.setsockopt(1, names.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            a.close()
            watched.poll("reset", epoll)
            watched.poll("again", epoll)

    twins(program)


@pytest.mark.real
def test_edges_of_pipes_counters_datagrams_and_listeners(twins):
    def program(net, notes):
        watched = Watched(net, notes)
        os = watched.os
        r, w = os.pipe()
        epoll = watched.epoll()
        epoll.register(watched.name("r", r), IN | ET)
        for label, act in (
            ("one", lambda: os.write(w, b"a")),
            ("two", lambda: os.write(w, b"b")),
            ("read", lambda: os.read(r, 1)),
            ("empty", lambda: os.read(r, 1)),
            ("three", lambda: os.write(w, b"c")),
            ("closed", lambda: os.close(w)),
        ):
            act()
            watched.poll(label, epoll)
            watched.poll("again", epoll)
        os.close(r)
        counter = os.eventfd(0, real_os.EFD_NONBLOCK)
        epoll = watched.epoll()
        epoll.register(watched.name("counter", counter), IN | OUT | ET)
        for label, act in (("new", None), ("added", os.eventfd_write), ("added", os.eventfd_write)):
            if act:
                act(counter, 1)
            watched.poll(label, epoll)
            watched.poll("again", epoll)
        os.eventfd_read(counter)
        watched.poll("taken", epoll)
        os.close(counter)
        udp = net.udp()
        epoll = watched.epoll()
        epoll.register(watched.name("udp", udp), IN | OUT | ET)
        watched.poll("new", epoll)
        for _ in range(2):
            udp.sendto(b"x", udp.getsockname())
            watched.poll("datagram", epoll)
            watched.poll("again", epoll)
        udp.recv(9)
        watched.poll("read", epoll)
        listener = net.listener()
        epoll = watched.epoll()
        epoll.register(watched.name("listener", listener), IN | ET)
        for _ in range(2):
            net.keep(net.socket.create_connection(listener.getsockname()))
            watched.poll("connection", epoll)
            watched.poll("again", epoll)
            net.keep(listener.accept()[0])
            watched.poll("accepted", epoll)
        client = net.tcp()
        client.setblocking(False)
        epoll = watched.epoll()
        epoll.register(watched.name("client", client), IN | OUT | ET)
        watched.poll("new", epoll)
        client.connect_ex(listener.getsockname())
        watched.poll("connected", epoll)
        watched.poll("again", epoll)
        refused = net.tcp()
        refused.setblocking(False)
        epoll.register(watched.name("refused", refused), IN | OUT | ET)
        watched.poll("new", epoll)
        refused.connect_ex(net.nobody())
        watched.poll("refused", epoll)

    twins(program)


@pytest.mark.real
@pytest.mark.parametrize("edges", [0, ET])
def test_one_shot(twins, edges):
    def program(net, notes):
        watched = Watched(net, notes)
        a, b = watched.pair("unix")
        watched.name("b", b)
        epoll = watched.epoll()
        epoll.register(b, IN | ONESHOT | edges)
        watched.poll("new", epoll)
        for _ in range(2):
            for _ in range(2):
                a.send(b"x")
                watched.poll("bytes", epoll)
            epoll.modify(b, IN | ONESHOT | edges)
            watched.poll("armed again", epoll)
            watched.poll("again", epoll)
        a.close()
        watched.poll("closed", epoll)
        epoll.modify(b, IN | ONESHOT | edges)
        watched.poll("armed again", epoll)

    twins(program)


@pytest.mark.real
def test_masks_that_do_not_go_together(twins):
    def program(net, notes):
        watched = Watched(net, notes)
        a, b = watched.pair("unix")
        first, second = watched.epoll(), watched.epoll()
        notes("alone", first.register, b, EXCLUSIVE | IN)
        notes("modify", first.modify, b, IN)
        notes("register", second.register, a, IN)
        notes("to alone", second.modify, a, IN | EXCLUSIVE)
        for mask in (ONESHOT, PRI, RDHUP, ET, WAKEUP, OUT):
            notes(mask, watched.epoll().register, b, EXCLUSIVE | IN | mask)
        notes("alone in an epoll", second.register, first, EXCLUSIVE | IN)
        notes("itself", second.register, second, IN)
        notes("another", second.register, first, IN)
        notes("a circle", first.register, second, IN)
        notes("unknown", second.modify, b, IN)
        notes("unknown", second.unregister, b)

    twins(program)


@pytest.mark.real
def test_edges_come_in_the_order_in_which_they_happened_and_what_did_not_fit_comes_next(twins):
    def program(net, notes):
        watched = Watched(net, notes)
        pairs = [watched.pair("unix") for _ in range(4)]
        epoll = watched.epoll()
        for number, (_, b) in enumerate(pairs):
            epoll.register(watched.name(number, b), IN | ET)
        for number in (2, 0, 3, 1):
            pairs[number][0].send(b"x")
        for _ in range(3):
            watched.poll("by two", epoll, 2)
        for number in (0, 3, 0):
            pairs[number][0].send(b"x")
        watched.poll("again", epoll)

    twins(program)


def test_level_triggered_entries_that_did_not_fit_come_next(net):
    watched = Watched(net, lambda label, fn: fn())
    pairs = [watched.pair("unix") for _ in range(4)]
    epoll = watched.epoll()
    for a, b in pairs:
        epoll.register(b, IN)
        a.send(b"x")
    assert {fd for _ in range(2) for fd, _ in epoll.poll(0, 2)} == {b.fileno() for _, b in pairs}


@pytest.mark.real
def test_two_descriptors_of_one_file_are_two_entries(twins):
    def program(net, notes):
        watched = Watched(net, notes)
        a, b = watched.pair("unix")
        d = watched.os.dup(b.fileno())
        epoll = watched.epoll()
        epoll.register(watched.name("b", b), IN | ET)
        epoll.register(watched.name("d", d), IN | ET)
        a.send(b"x")
        for label in ("both", "none"):
            notes(label, lambda: sorted(watched.letters[fd] for fd, _ in epoll.poll(0)))
        b.close()
        a.send(b"x")
        notes("closed, and told", lambda: sorted(watched.letters[fd] for fd, _ in epoll.poll(0)))
        watched.os.close(d)
        watched.poll("gone", epoll)

    twins(program)


@pytest.mark.real
@pytest.mark.parametrize("outer", [IN, IN | ET])
@pytest.mark.parametrize("inner", [IN, IN | ET])
def test_an_epoll_object_is_watched_by_another(twins, inner, outer):
    def program(net, notes):
        watched = Watched(net, notes)
        a, b = watched.pair("unix")
        low, high = watched.epoll(), watched.epoll()
        low.register(watched.name("b", b), inner)
        high.register(watched.name("low", low), outer)
        watched.poll("new", high)
        for _ in range(2):
            a.send(b"x")
            watched.poll("bytes", high)
            watched.poll("again", high)
        watched.poll("the inner one", low)
        watched.poll("then", high)
        b.recv(9)
        watched.poll("the inner one", low)
        watched.poll("read", high)
        a.send(b"x")
        watched.poll("bytes", high)
        notes("select", lambda: [len(found) for found in net.select.select([low], [], [], 0)])

    twins(program)


@pytest.mark.parametrize("inner", [IN, IN | ET])
@pytest.mark.parametrize("how", ["select", "poll", "epoll", "edges"])
def test_who_waits_for_an_epoll_object_is_woken_by_its_files(net, how, inner):
    one, other = net.socket.socketpair()
    net.keep(one), net.keep(other)
    low = net.keep(net.select.epoll())
    low.register(other, inner)

    def wait():
        if how == "select":
            return len(net.select.select([low], [], [], 10)[0])
        if how == "poll":
            poller = net.select.poll()
            poller.register(low, IN)
            return len(poller.poll(10_000))
        with net.select.epoll() as high:
            high.register(low, IN | (ET if how == "edges" else 0))
            return len(high.poll(10))

    waiting = net.spawn(wait)
    net.settle()
    one.send(b"x")
    assert waiting.result(10) == 1
    assert low.poll(0) == [(other.fileno(), IN)]


def test_who_waits_for_edges_is_woken_by_one_and_by_a_new_entry(net):
    one, other = net.socket.socketpair()
    net.keep(one), net.keep(other)
    epoll = net.keep(net.select.epoll())
    epoll.register(other, IN | ET)
    for _ in range(2):
        waiting = net.spawn(epoll.poll, 10)
        net.settle()
        assert not waiting.done
        one.send(b"x")
        assert waiting.result(10) == [(other.fileno(), IN)]
    waiting = net.spawn(epoll.poll, 10)
    net.settle()
    epoll.register(one, OUT | ET)
    assert waiting.result(10) == [(one.fileno(), OUT)]


def woken(net, mask):
    """How many of three tasks, each with an epoll object of its own, are woken by one connection; and what the others are told afterwards."""
    listener = net.listener()
    epolls = [net.keep(net.select.epoll()) for _ in range(3)]
    for epoll in epolls:
        epoll.register(listener, mask)
    waiting = [net.spawn(epoll.poll, 10) for epoll in epolls]
    net.settle()
    net.keep(net.socket.create_connection(listener.getsockname()))
    net.settle(), net.settle()
    count = sum(task.done for task in waiting)
    for _ in epolls[count:]:
        net.keep(net.socket.create_connection(listener.getsockname()))
        net.settle()
    for task in waiting:
        task.result(10)
    return count


def test_one_alone_of_those_with_epollexclusive_is_woken(net):
    assert woken(net, IN | EXCLUSIVE) == 1
    assert woken(net, IN | EXCLUSIVE | ET) == 1
    assert woken(net, IN) == 3


def test_fromfd_is_an_epoll_object_only_of_an_epoll_objects_descriptor(twins):
    def program(net, notes):
        one, _ = Watched(net, notes).pair("unix")
        first = net.select.epoll()
        other = net.select.epoll.fromfd(first.fileno())
        notes("same", lambda: other.fileno() == first.fileno())
        notes("register", other.register, one, OUT | ET)
        notes("poll", lambda: len(first.poll(0)))
        first.close()
        notes("closed below", other.poll, 0)
        wrong = net.select.epoll.fromfd(one.fileno())
        notes("of a socket", wrong.poll, 0)
        notes("register", wrong.register, one, OUT)
        wrong.close()
        notes("closed with it", one.send, b"x")
        fresh = net.select.epoll.fromfd(-1)
        notes("a new one", fresh.poll, 0)
        fresh.close()
        notes("closed", lambda: (fresh.closed, fresh.poll(0)))
        one.detach()

    twins(program)


def test_an_epoll_object_leaves_nothing_with_its_files_when_it_is_closed():
    with Simulation() as sim:
        one, other = sim.network.socket.socketpair()
        epoll = select.epoll()
        epoll.register(other, IN | ET)
        file = sim._kernel.files[other.fileno()]
        assert len(file.pollers) == 1
        epoll.unregister(other)
        assert not file.pollers
        epoll.register(other, IN | ET)
        epoll.close()
        assert not file.pollers
        one.close(), other.close()


def test_edges_are_the_same_in_every_run():
    def run():
        with Simulation(seed=3, strategy="random") as sim:
            pairs = [sim.network.socket.socketpair() for _ in range(5)]
            epoll = select.epoll()
            for _, other in pairs:
                epoll.register(other, IN | ET)
            seen = []

            def write(one):
                for _ in range(5):
                    one.send(b"x")
                    sim.sleep(0.001)

            for one, _ in pairs:
                sim.spawn(write, one)
            while found := epoll.poll(1):
                seen += [fd for fd, _ in found]
        return seen, sim.digest

    first = run()
    assert first == run() and len(first[0]) >= 5


def test_errno_of_a_descriptor_that_is_not_open(net):
    epoll = net.keep(net.select.epoll())
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        epoll.register(99_999_999, IN | ET)
    assert caught.value.errno == errno.EBADF
