"""Urgent data: on loopback, in a world, and over links that lose and delay."""

from __future__ import annotations

import fcntl as real_fcntl
import socket as names
import struct

import pytest

from simsock import Drop, Simulation
from simsock.stdlib import fcntl

OOB, PEEK, TRUNC, WAITALL, SIOCATMARK, FIONREAD = 0x1, 0x2, 0x20, 0x100, 0x8905, 0x541B


def asked(net, sock, request):
    module = real_fcntl if net.kind == "real" else fcntl
    return struct.unpack("i", module.ioctl(sock.fileno(), request, bytes(4)))[0]


def looks(net, sock):
    """At the mark, how much is to be read, what poll and select say."""
    ready = net.select.select([sock], [], [sock], 0)
    return asked(net, sock, SIOCATMARK), asked(net, sock, FIONREAD), net.bits(sock), [bool(found) for found in ready]


PROGRAMS = {
    "one call": "send abc, look, oob peek, oob, oob, look, read, look, read, look",
    "one byte": "send x, look, read, look, oob",
    "a byte that was read is skipped in its place": "send x, oob, look, write y, look, read, read",
    "who reads meets no urgent byte": "send ab, write cd, read, look, read, look, oob",
    "a later one, after nothing else": "send 1, send 2, write 34, oob, read, read",
    "a later one, and the older one read first": "send 1, oob, send 2, oob, write 3, read, read",
    "a later one, after something else": "send ab, send cd, write ef, peek, read, look, peek, oob, read",
    "reading less than there is": "send abcd, read1, look, read1, read1, look, read1, look",
    "inline": "inline 1, send ab, write cd, look, oob, read, look, read, look",
    "inline from the middle on": "send ab, write cd, read, inline 1, look, read, inline 0, look",
    "peeking at the mark": "send a, peek, look, write b, peek, look, read",
    "an end behind it": "send z, shut, look, peek, oob, read, oob, look",
    "an end behind it that nobody asked for": "write a, send z, shut, read, look, read, read",
    "a reset": "send z, reset, oob, read, look",
    "nothing": "send , look, oob, read",
    "of a message": "send ab, msg, msg0, read, msg",
    "all that was asked for ends at the mark": "send ab, write cd, all, all",
    "a timeout waits for other bytes": "send x, patient oob, patient read, look, write y, patient oob, patient read, look",
    "shut for reading": "send x, shutread, look, oob, read, read",
}


class Acts:
    def __init__(self, net):
        self.net = net
        self.one, self.other = net.pair()
        self.other.settimeout(0)

    def send(self, text=""):
        return self.one.send(text.encode(), OOB)

    def write(self, text):
        return self.one.send(text.encode())

    def look(self):
        return looks(self.net, self.other)

    def oob(self, flag=""):
        return self.other.recv(10, OOB | (PEEK if flag else 0))

    def peek(self):
        return self.other.recv(10, PEEK)

    def read(self):
        return self.other.recv(10)

    def read1(self):
        return self.other.recv(1)

    def msg(self):
        return self.other.recvmsg(10, 0, OOB)

    def msg0(self):
        return self.other.recvmsg(0, 0, OOB)

    def all(self):
        self.other.settimeout(None)
        try:
            return self.other.recv(2, WAITALL)
        finally:
            self.other.settimeout(0)

    def patient(self, what):
        self.other.settimeout(0.01)
        try:
            return self.other.recv(10, OOB if what == "oob" else 0)
        finally:
            self.other.settimeout(0)

    def inline(self, on):
        self.other.setsockopt(names.SOL_SOCKET, names.SO_OOBINLINE, int(on))

    def shut(self):
        self.one.shutdown(names.SHUT_WR)

    def shutread(self):
        self.other.shutdown(names.SHUT_RD)

    def reset(self):
        self.one.setsockopt(names.SOL_SOCKET, names.SO_LINGER, struct.pack("ii", 1, 0))
        self.one.close()


@pytest.mark.once
@pytest.mark.real
@pytest.mark.parametrize("name", PROGRAMS)
def test_urgent_data_is_as_on_linux(twins, name):
    def program(net, notes):
        acts = Acts(net)
        for call in PROGRAMS[name].split(", "):
            what, _, argument = call.partition(" ")
            notes(call, getattr(acts, what), *([argument] if argument else []))
            if what in ("send", "write", "shut", "reset"):
                net.settle()

    twins(program)


def test_calls_without_a_stream_have_linuxs_errors(twins):
    def program(net, notes):
        notes("new", net.tcp().recv, 1, OOB)
        notes("new", net.tcp().send, b"x", OOB)
        notes("listener", net.listener().recv, 1, OOB)
        notes("mark", asked, net, net.tcp(), SIOCATMARK)
        sock = net.udp()
        notes("datagram", sock.sendto, b"x", OOB, sock.getsockname())
        sock.sendto(b"x", sock.getsockname())
        notes("datagram", sock.recv, 5, OOB)
        notes("mark", asked, net, sock, SIOCATMARK)
        one, _ = net.pair()
        one.shutdown(names.SHUT_WR)
        notes("shut", one.send, b"x", OOB)

    twins(program)


def test_sendall_and_sendmsg_send_urgent_data_too(net):
    one, other = net.pair()
    one.sendall(b"hello", OOB)
    one.sendmsg([b"x", b"y"], [], OOB)
    other.settimeout(10)
    assert other.recv(10) == b"hellox"
    other.setblocking(False)
    net.settle()
    assert other.recv(1, OOB) == b"y"


def over(sim, **link):
    sim.link("client", "server", **link)
    with sim.host("server") as host:
        listener = sim.network.socket.create_server((host.addresses[0], 80))
    with sim.host("client"):
        client = sim.network.socket.create_connection(("server", 80))
    return client, listener.accept()[0]


def test_urgent_data_passes_a_link_and_is_found_behind_a_hole():
    with Simulation() as sim:
        client, server = over(sim, latency="50ms")
        lost = []

        def first_data(packet):
            if packet.data and not lost:
                lost.append(packet)
                return Drop
            return None

        server.setblocking(False)
        with sim.rule(first_data):
            client.send(b"ab")
            client.send(b"cd", OOB)
            client.send(b"ef")
            sim.sleep(0.06)
        assert server.recv(1, OOB) == b"d"  # though nothing before it is here
        sim.sleep(1)
        server.settimeout(1)
        assert [server.recv(10), server.recv(10)] == [b"abc", b"ef"]


def test_an_urgent_byte_that_has_no_room_yet_is_announced(sim):
    client, server = over(sim)
    client.setblocking(False)
    server.setblocking(False)
    sent = 0
    while True:
        try:
            sent += client.send(bytes(10_000))
        except BlockingIOError:
            break
        if sent > server.getsockopt(1, names.SO_RCVBUF):
            break
    client.send(b"!", OOB)
    with pytest.raises(BlockingIOError):
        server.recv(1, OOB)
    got = 0
    while got < sent:
        got += len(server.recv(1 << 20))
    assert got == sent
    assert server.recv(1, OOB) == b"!"


def test_captures_show_urgent_pointers(sim, tmp_path):
    client, server = over(sim, latency="1ms")
    with sim.capture(tmp_path / "file"):
        client.send(b"abc", OOB)
        server.settimeout(1)
        assert server.recv(10) == b"ab"
    data = (tmp_path / "file").read_bytes()
    place = data.index(b"abc") - 20
    assert data[place + 13] & 0x20 and data[place + 18 : place + 20] == b"\0\3"
