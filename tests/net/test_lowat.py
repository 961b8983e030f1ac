"""SO_RCVLOWAT, on loopback and in a world."""

from __future__ import annotations

import socket as names
import struct

import pytest

from simsock import Simulation
from simsock.errors import Unsupported

LOWAT, PEEK, DONTWAIT = 18, 2, 0x40


@pytest.mark.real
def test_fewer_bytes_are_nothing_to_poll_and_enough_for_who_does_not_wait(twins):
    def program(net, notes):
        one, other = net.pair()
        for value in (0, 5):
            other.setsockopt(1, LOWAT, value)
            notes(value, other.getsockopt, 1, LOWAT)
        udp = net.udp()
        for value in (-1, 0, 7):
            udp.setsockopt(1, LOWAT, value)
            notes("datagrams", udp.getsockopt, 1, LOWAT)
        udp.sendto(b"x", udp.getsockname())
        notes("datagrams", net.bits, udp)
        notes("datagrams", udp.recv, 5)
        other.setblocking(False)
        one.send(b"abc")
        net.settle()
        notes("three", net.bits, other)
        notes("select", lambda: len(net.select.select([other], [], [], 0)[0]))
        notes("peek", other.recv, 9, PEEK)
        other.settimeout(0.02)
        notes("a timeout", other.recv, 2)
        other.setblocking(True)
        notes("at once", other.recv, 9, DONTWAIT | PEEK)
        notes("as many as were asked for", other.recv, 2)
        other.setsockopt(1, names.SO_RCVTIMEO, struct.pack("ll", 0, 20_000))
        notes("all that came in time", other.recv, 9)
        notes("nothing came in time", other.recv, 9)
        one.send(b"abcde")
        net.settle()
        notes("five", net.bits, other)
        other.settimeout(5)
        notes("five", other.recv, 9)
        one.send(b"x")
        one.shutdown(names.SHUT_WR)
        net.settle()
        notes("the last", net.bits, other)
        notes("the last", other.recv, 9)

    twins(program)


def test_a_call_waits_for_as_many_bytes_as_so_rcvlowat_says(net):
    one, other = net.pair()
    other.setsockopt(1, LOWAT, 4)
    waiting = net.spawn(other.recv, 9)
    net.settle()  # on Linux a call that has begun to take bytes waits for as many again
    one.send(b"abc")
    net.settle()
    assert not waiting.done
    one.send(b"de")
    assert waiting.result(10) == b"abcde"
    selecting = net.spawn(net.select.select, [other], [], [], 10)
    one.send(b"abc")
    net.settle()
    assert not selecting.done
    other.setsockopt(1, LOWAT, 3)
    assert selecting.result(10)[0] == [other]
    assert other.recv_into(bytearray(9)) == 3


def test_an_accepted_socket_has_its_listeners_and_no_more_than_half_the_buffer(net):
    listener = net.listener()
    listener.setsockopt(1, names.SO_RCVBUF, 10_000)
    listener.setsockopt(1, LOWAT, 1 << 30)
    assert listener.getsockopt(1, LOWAT) == 10_000
    client = net.keep(net.socket.create_connection(listener.getsockname()))
    server = net.keep(listener.accept()[0])
    assert server.getsockopt(1, LOWAT) == 10_000
    server.setsockopt(1, LOWAT, 100)
    client.sendall(bytes(99))
    net.settle()
    assert not net.bits(server) & 1
    client.sendall(b"x")
    net.settle()
    assert net.bits(server) & 1


@pytest.mark.parametrize("chunks", ["whole", "bytes"])
def test_bytes_are_held_back_over_links_and_cut_as_ever(chunks):
    with Simulation(chunks=chunks) as sim:
        sim.link("client", "server", latency="10ms")
        with sim.host("server") as host:
            listener = sim.network.socket.create_server((host.addresses[0], 80))
        with sim.host("client"):
            client = sim.network.socket.create_connection(("server", 80))
        server = listener.accept()[0]
        server.setsockopt(1, LOWAT, 4)
        client.send(b"ab")
        sim.sleep(1)
        client.send(b"cd")
        assert server.recv(9) == (b"abcd" if chunks == "whole" else b"a")
        assert sim.now > 1


def test_a_unix_stream_has_none(sim):
    one, _ = sim.network.socket.socketpair()
    one.setsockopt(1, LOWAT, 1)
    with pytest.raises(Unsupported, match="SO_RCVLOWAT of a Unix stream is not simulated, got 2; TCP has it"):
        one.setsockopt(1, LOWAT, 2)
