"""UDP-Lite: datagrams whose checksum covers what the sender says, on ports of their own, as on Linux."""

from __future__ import annotations

import socket as real_socket
import struct

import pytest

import simsock
from simsock.world.capturing.headers import checksum

UDPLITE, SEND, RECV = 136, 10, 11
SIZE = 28
"""Of 20 bytes with their header."""


@pytest.fixture(autouse=True)
def _there_is_such_a_protocol(request):
    if "net" in request.fixturenames and request.getfixturevalue("net").kind == "real":
        try:
            real_socket.socket(real_socket.AF_INET, real_socket.SOCK_DGRAM, UDPLITE).close()
        except OSError:
            pytest.skip("this system has no UDP-Lite")


def lite(net, family=real_socket.AF_INET, bind=True):
    sock = net.keep(net.socket.socket(family, net.socket.SOCK_DGRAM, UDPLITE))
    sock.settimeout(0.1)
    if bind:
        sock.bind(("127.0.0.1" if family == real_socket.AF_INET else "::1", 0))
    return sock


@pytest.mark.parametrize("family", [real_socket.AF_INET, real_socket.AF_INET6])
def test_a_datagram_comes_whole_and_a_socket_says_what_it_is(net, family):
    one, two = lite(net, family), lite(net, family, bind=False)
    two.sendto(b"hello", one.getsockname())
    data, source = one.recvfrom(10)
    assert (data, source) == (b"hello", two.getsockname()) or source[1] == two.getsockname()[1]
    assert one.proto == UDPLITE == one.getsockopt(net.socket.SOL_SOCKET, 38) and "proto=136" in repr(one)
    one.connect(two.getsockname() if family == real_socket.AF_INET6 else ("127.0.0.1", two.getsockname()[1]))
    assert one.send(b"") == 0 and two.recv(5) == b""


def test_its_ports_are_not_those_of_udp(net):
    one = lite(net)
    port = one.getsockname()[1]
    other = net.udp(bind=False)
    other.bind(("127.0.0.1", port))
    other.settimeout(0.1)
    lite(net, bind=False).sendto(b"lite", ("127.0.0.1", port))
    with pytest.raises(TimeoutError):
        other.recv(10)
    assert one.recv(10) == b"lite"
    with pytest.raises(OSError, match="in use"):
        lite(net, bind=False).bind(("127.0.0.1", port))


def test_nobody_there_is_told_to_who_is_connected(net):
    one, two = lite(net), lite(net)
    one.connect(two.getsockname())
    two.close()
    one.send(b"x")
    with pytest.raises(ConnectionRefusedError):
        one.recv(1)


def test_coverage_is_read_as_linux_keeps_it(net):
    sock, udp = lite(net), net.udp()
    read = []
    for value in (0, 1, 7, 8, 9, 65_535, 65_536, -1):
        for option, level in ((SEND, UDPLITE), (RECV, real_socket.IPPROTO_UDP)):
            sock.setsockopt(level, option, value)
            read.append(sock.getsockopt(UDPLITE, option))
    assert read == [0, 0, 8, 8, 8, 8, 8, 8, 9, 9, 65_535, 65_535, 65_535, 65_535, 8, 8]
    for level in (real_socket.IPPROTO_UDP, UDPLITE):
        assert udp.getsockopt(level, SEND) == 0
        with pytest.raises(OSError, match="Protocol not available"):
            udp.setsockopt(level, SEND, 8)
    with pytest.raises(OSError, match="Operation not supported"):
        net.tcp().getsockopt(UDPLITE, SEND)


COVERAGES = {
    (None, None): True, (0, 0): True, (8, None): True, (8, 0): False, (8, 8): True, (8, 9): False, (20, 15): True, (15, 20): False,
    (28, 28): True, (27, 28): False, (29, 40): True, (None, 40): True, (200, 40): True,
}  # fmt: skip


@pytest.mark.parametrize(("sent", "wanted"), COVERAGES)
def test_a_receiver_drops_what_is_covered_too_little_for_it(net, sent, wanted):
    one, two = lite(net), lite(net)
    one.settimeout(0.02)
    for sock, option, value in ((two, SEND, sent), (one, RECV, wanted)):
        if value is not None:
            sock.setsockopt(UDPLITE, option, value)
    two.sendto(bytes(SIZE - 8), one.getsockname())
    if COVERAGES[sent, wanted]:
        assert one.recv(100) == bytes(20)
    else:
        with pytest.raises(TimeoutError):
            one.recv(100)


def test_a_group_hears_it(net):
    heard = [lite(net, bind=False) for _ in range(2)]
    udp = net.udp(bind=False)
    for sock in (*heard, udp):
        sock.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEADDR, 1)
        sock.bind(("", 5_399))
        sock.setsockopt(net.socket.IPPROTO_IP, net.socket.IP_ADD_MEMBERSHIP, bytes((224, 0, 0, 251, 127, 0, 0, 1)))
    udp.settimeout(0.02)
    sender = lite(net, bind=False)
    sender.setsockopt(net.socket.IPPROTO_IP, net.socket.IP_MULTICAST_IF, bytes((127, 0, 0, 1)))
    sender.sendto(b"all", ("224.0.0.251", 5_399))
    assert [sock.recv(9) for sock in heard] == [b"all", b"all"]
    with pytest.raises(TimeoutError):
        udp.recv(9)


def test_names_and_kinds_of_it(net):
    look = net.socket.getaddrinfo
    assert look("127.0.0.1", 80, proto=UDPLITE) == [(2, 2, UDPLITE, "", ("127.0.0.1", 80))] == look("127.0.0.1", 80, type=2, proto=UDPLITE)
    assert UDPLITE not in [row[2] for row in look("127.0.0.1", 80)]
    with pytest.raises(OSError, match="ai_socktype not supported"):
        look("127.0.0.1", 80, type=1, proto=UDPLITE)
    with pytest.raises(OSError, match="Protocol not supported"):
        net.socket.socket(2, 1, UDPLITE)


@pytest.mark.parametrize(("cover", "first"), [(0, 20), (SIZE - 10, 10), (8, 0), (SIZE, 20)])
def test_what_the_checksum_does_not_cover_arrives_damaged(cover, first):
    data, rounds = bytes(20), 40
    with simsock.Simulation(seed=4) as sim:
        sim.link("client", "server", corrupt=1)
        with sim.host("server") as server:
            receiver = real_socket.socket(2, 2, UDPLITE)
            receiver.bind((server.addresses[0], 5_000))
            receiver.setblocking(False)
        with sim.host("client"):
            sender = real_socket.socket(2, 2, UDPLITE)
            sender.setsockopt(UDPLITE, SEND, cover)
            for _ in range(rounds):
                sender.sendto(data, (server.addresses[0], 5_000))
        sim.settle()
        arrived = []
        while len(arrived) < rounds:
            try:
                arrived.append(receiver.recv(100))
            except BlockingIOError:
                break
    changed = [[place for place, byte in enumerate(found) if byte] for found in arrived]
    assert all(len(places) == 1 and places[0] >= first for places in changed)
    assert len(arrived) == (0 if first == 20 else rounds if first == 0 else len(arrived)) and (first != 10 or 0 < len(arrived) < rounds)


def test_a_capture_and_the_table_of_sockets_know_it(tmp_path):
    with simsock.Simulation() as sim:
        sim.capture(tmp_path / "lite.pcapng")
        one, two = (real_socket.socket(2, 2, UDPLITE) for _ in range(2))
        one.bind(("127.0.0.1", 700))
        two.setsockopt(UDPLITE, SEND, 12)
        two.sendto(b"abcdefgh", ("127.0.0.1", 700))
        assert [entry.protocol for entry in sim.netstat()] == ["udplite", "udplite"]
    written = (tmp_path / "lite.pcapng").read_bytes()
    at = written.index(b"abcdefgh") - 28
    header, body = written[at : at + 20], written[at + 20 : at + 36]
    assert header[9] == UDPLITE and struct.unpack("!HH", body[2:6]) == (700, 12)
    assert checksum(header[12:20] + struct.pack("!HH", UDPLITE, 16) + body[:12]) == 0, "over the header and four bytes"
