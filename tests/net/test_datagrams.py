"""Datagrams, on loopback and in a world."""

from __future__ import annotations

import errno
import socket as real_socket

import pytest

PEEK, TRUNC = real_socket.MSG_PEEK, real_socket.MSG_TRUNC


@pytest.mark.parametrize("family", [real_socket.AF_INET, real_socket.AF_INET6])
def test_a_datagram_arrives_whole_with_its_senders_name(net, family):
    one, other = net.udp(family), net.udp(family)
    assert one.sendto(b"hello", other.getsockname()) == 5
    assert one.sendto(b"world", 0, other.getsockname()) == 5
    assert other.recvfrom(100) == (b"hello", one.getsockname())
    buffer = bytearray(10)
    assert other.recvfrom_into(buffer) == (5, one.getsockname())
    assert buffer[:5] == b"world"


def test_what_does_not_fit_the_readers_buffer_is_gone(net):
    one, other = net.udp(), net.udp()
    for data in (b"abcdef", b"next"):
        one.sendto(data, other.getsockname())
    assert other.recv(2) == b"ab"
    assert other.recv(100) == b"next"


def test_the_whole_length_can_be_asked_for(net):
    one, other = net.udp(), net.udp()
    one.sendto(b"abcdef", other.getsockname())
    assert len(other.recv(2, PEEK | TRUNC)) == 6
    buffer = bytearray(4)
    assert other.recv_into(buffer, 0, PEEK | TRUNC) == 6
    assert buffer == b"abcd"
    assert other.recvfrom_into(buffer, 2, TRUNC) == (6, one.getsockname())


def test_an_empty_datagram_is_a_datagram(net):
    one, other = net.udp(), net.udp()
    assert one.sendto(b"", other.getsockname()) == 0
    one.sendto(b"full", other.getsockname())
    assert net.bits(other) & net.select.POLLIN
    assert other.recvfrom(10) == (b"", one.getsockname())
    assert other.recv(10) == b"full"


def test_asking_for_nothing_takes_a_datagram_only_with_its_sender(net):
    one, other = net.udp(), net.udp()
    one.sendto(b"first", other.getsockname())
    one.sendto(b"second", other.getsockname())
    assert other.recv(0) == b""
    assert other.recvfrom(0) == (b"", one.getsockname())
    assert other.recv(10) == b"second"


def test_peeking_leaves_the_datagram(net):
    one, other = net.udp(), net.udp()
    one.sendto(b"data", other.getsockname())
    assert other.recvfrom(2, PEEK) == (b"da", one.getsockname())
    assert other.recv(10) == b"data"


def test_no_datagram_yet(net):
    sock = net.udp()
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    sock.settimeout(0.02)
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        sock.recvfrom(1)


def test_a_reader_waits_for_a_datagram(net):
    one, other = net.udp(), net.udp()
    waiting = net.spawn(other.recv, 10)
    net.settle()
    assert not waiting.done
    one.sendto(b"x", other.getsockname())
    assert waiting.result(10) == b"x"


def test_a_connected_socket_hears_its_peer_only(net):
    one, other, stranger = net.udp(), net.udp(), net.udp()
    other.connect(one.getsockname())
    assert other.getpeername() == one.getsockname()
    stranger.sendto(b"not you", other.getsockname())
    one.sendto(b"you", other.getsockname())
    assert other.recv(10) == b"you"
    assert other.send(b"back") == 4
    other.sendall(b"again")
    assert [one.recv(10), one.recv(10)] == [b"back", b"again"]
    other.sendto(b"elsewhere", stranger.getsockname())
    assert stranger.recv(10) == b"elsewhere"


def test_connecting_again_changes_the_peer(net):
    one, other, sock = net.udp(), net.udp(), net.udp()
    sock.connect(one.getsockname())
    sock.connect(other.getsockname())
    sock.send(b"x")
    assert other.recv(1) == b"x"


def test_connecting_binds(net):
    one, sock = net.udp(), net.udp(bind=False)
    assert sock.getsockname() == ("0.0.0.0", 0)
    sock.connect(one.getsockname())
    assert sock.getsockname()[0] == "127.0.0.1"
    assert sock.getsockname()[1] != 0


def test_sending_binds_to_every_address(net):
    one, sock = net.udp(), net.udp(bind=False)
    sock.sendto(b"x", one.getsockname())
    assert sock.getsockname()[0] == "0.0.0.0"
    assert one.recvfrom(1) == (b"x", ("127.0.0.1", sock.getsockname()[1]))


def test_nobody_there_is_reported_to_connected_sockets_once(net):
    address = net.nobody(real_socket.SOCK_DGRAM)
    sock = net.udp()
    sock.connect(address)
    assert sock.send(b"x") == 1
    net.settle()
    assert net.bits(sock) == net.select.POLLERR | net.select.POLLOUT
    with pytest.raises(ConnectionRefusedError, match=r"^\[Errno 111\] Connection refused(\n|$)"):
        sock.send(b"x")
    assert sock.send(b"x") == 1
    net.settle()
    with pytest.raises(ConnectionRefusedError):
        sock.recv(1)
    sock.send(b"x")
    net.settle()
    assert sock.getsockopt(real_socket.SOL_SOCKET, real_socket.SO_ERROR) == errno.ECONNREFUSED
    assert sock.getsockopt(real_socket.SOL_SOCKET, real_socket.SO_ERROR) == 0


def test_nobody_there_wakes_a_connected_reader(net):
    sock = net.udp()
    sock.connect(net.nobody(real_socket.SOCK_DGRAM))
    waiting = net.spawn(sock.recv, 1)
    net.settle()
    sock.send(b"x")
    with pytest.raises(ConnectionRefusedError):
        waiting.result(10)


def test_nobody_there_is_not_reported_to_others(net):
    address = net.nobody(real_socket.SOCK_DGRAM)
    sock = net.udp()
    for _ in range(3):
        assert sock.sendto(b"x", address) == 1
        net.settle()
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(1)


@pytest.mark.parametrize(("family", "most"), [(real_socket.AF_INET, 65507), (real_socket.AF_INET6, 65527)])
def test_a_datagram_has_a_largest_size(net, family, most):
    one, other = net.udp(family), net.udp(family)
    one.setsockopt(real_socket.SOL_SOCKET, real_socket.SO_SNDBUF, 400_000)
    assert one.sendto(b"x" * most, other.getsockname()) == most
    assert len(other.recv(100_000)) == most
    with pytest.raises(OSError, match=r"^\[Errno 90\] Message too long$"):
        one.sendto(b"x" * (most + 1), other.getsockname())


def test_port_0_is_not_an_address(net):
    with pytest.raises(OSError, match=r"^\[Errno 22\] Invalid argument$"):
        net.udp().sendto(b"x", ("127.0.0.1", 0))


def test_a_full_buffer_drops_the_newest(net):
    one, other = net.udp(), net.udp()
    other.setsockopt(real_socket.SOL_SOCKET, real_socket.SO_RCVBUF, 20_000)
    for number in range(200):
        assert one.sendto(number.to_bytes(1, "big") * 1000, other.getsockname()) == 1000
    other.setblocking(False)
    got = []
    while True:
        try:
            got.append(other.recv(2000)[0])
        except BlockingIOError:
            break
    assert got == list(range(len(got)))
    assert 10 < len(got) < 60
    one.sendto(b"there is room again", other.getsockname())
    assert other.recv(100) == b"there is room again"


def test_several_sockets_on_a_port_share_its_senders(net):
    with net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM) as one, net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM) as other:
        for sock in (one, other):
            sock.setsockopt(real_socket.SOL_SOCKET, real_socket.SO_REUSEPORT, 1)
            sock.setblocking(False)
        one.bind(("127.0.0.1", 0))
        other.bind(one.getsockname())
        for _ in range(64):
            with net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", one.getsockname())
        counts = []
        for sock in (one, other):
            count = 0
            try:
                while sock.recv(1):
                    count += 1
            except BlockingIOError:
                counts.append(count)
    assert sum(counts) == 64
    assert min(counts) > 8


def test_the_newest_socket_hears_when_addresses_are_only_reused(net):
    one, other = net.udp(bind=False), net.udp(bind=False)
    for sock in (one, other):
        sock.setsockopt(real_socket.SOL_SOCKET, real_socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
    one.bind(("127.0.0.1", 0))
    other.bind(one.getsockname())
    net.udp().sendto(b"x", one.getsockname())
    net.settle()
    assert other.recv(1) == b"x"
    with pytest.raises(BlockingIOError):
        one.recv(1)


def test_the_most_specific_socket_hears(net):
    wide, narrow, connected, sender = net.udp(bind=False), net.udp(bind=False), net.udp(bind=False), net.udp()
    for sock in (wide, narrow, connected):
        sock.setsockopt(real_socket.SOL_SOCKET, real_socket.SO_REUSEADDR, 1)
        sock.settimeout(5)
    wide.bind(("0.0.0.0", 0))
    port = wide.getsockname()[1]
    connected.bind(("0.0.0.0", port))
    connected.connect(sender.getsockname())
    narrow.bind(("127.0.0.1", port))
    sender.sendto(b"from the peer", ("127.0.0.1", port))
    assert connected.recv(100) == b"from the peer"
    net.udp().sendto(b"from a stranger", ("127.0.0.1", port))
    assert narrow.recv(100) == b"from a stranger"
    net.udp().sendto(b"elsewhere", ("127.0.0.2", port))
    assert wide.recv(100) == b"elsewhere"


def test_a_dual_stack_socket_hears_ipv4_under_mapped_addresses(net):
    wide = net.udp(net.socket.AF_INET6, bind=False)
    wide.setsockopt(net.socket.IPPROTO_IPV6, net.socket.IPV6_V6ONLY, 0)
    wide.bind(("::", 0))
    sender = net.udp()
    sender.sendto(b"x", ("127.0.0.1", wide.getsockname()[1]))
    data, address = wide.recvfrom(10)
    assert address == ("::ffff:127.0.0.1", sender.getsockname()[1], 0, 0)
    wide.sendto(b"back", address)
    assert sender.recvfrom(10) == (b"back", ("127.0.0.1", wide.getsockname()[1]))


def test_a_closed_socket_hears_nothing(net):
    one, other = net.udp(), net.udp()
    address = other.getsockname()
    one.sendto(b"before", address)
    other.close()
    again = net.udp(bind=False)
    again.bind(address)
    again.setblocking(False)
    with pytest.raises(BlockingIOError):
        again.recv(10)


def test_shutting_down_datagrams(twins):
    def program(net, notes):
        one, other = net.udp(), net.udp()
        one.connect(other.getsockname())
        notes("write side", one.shutdown, 1)
        notes("send", one.send, b"x")
        notes("bits", net.bits, one)
        other.sendto(b"in", one.getsockname())
        notes("recv", one.recv, 10)
        notes("read side", one.shutdown, 0)
        notes("bits", net.bits, one)
        notes("recv", one.recvfrom, 10)
        one.setblocking(False)
        notes("recv without blocking", one.recv, 10)

    twins(program)


@pytest.mark.real
def test_a_wildcard_as_a_target_is_the_host_itself(twins):
    def program(net, notes):
        for family, wildcards, bound in ((2, ("0.0.0.0", ""), ("127.0.0.1", "127.0.0.2")), (10, ("::", ""), ("::1",))):
            inbox = net.udp(family, bind=False)
            inbox.bind(("", 0))
            port = inbox.getsockname()[1]
            for wildcard in wildcards:
                for own in (None, *bound):
                    sock = net.udp(family, bind=False)
                    if own:
                        sock.bind((own, 0))
                    sock.sendto(b"x", (wildcard, port))
                    notes((wildcard, own, "sent"), lambda inbox=inbox: inbox.recvfrom(5)[1][0])
                    sock.connect((wildcard, port))
                    notes((wildcard, own, "peer"), lambda sock=sock: (sock.getpeername()[0], sock.getsockname()[0], sock.send(b"y")))
                    notes((wildcard, own, "sent"), lambda inbox=inbox: inbox.recvfrom(5)[1][0])
        sock = net.udp()
        notes("bound to loopback", sock.connect, ("8.8.8.8", 80))
        notes("not connected", sock.getpeername)

    twins(program)
