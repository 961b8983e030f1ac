"""Control messages of datagrams, timestamps and interfaces: on loopback, in a world, and among hosts."""

from __future__ import annotations

import os
import socket as names
import struct

import pytest

from simsock.errors import Unsupported

PKTINFO, RECVTTL, RECVTOS, RECVORIGDSTADDR, RECVOPTS, RETOPTS = 8, 12, 13, 20, 6, 7
ALL_V4 = (PKTINFO, RECVTTL, RECVTOS, RECVORIGDSTADDR, RECVOPTS, RETOPTS)
ALL_V6 = (49, 51, 53, 56, 58, 66)
INADDR, IP6 = names.inet_aton, lambda text: names.inet_pton(names.AF_INET6, text)


def number(value):
    return struct.pack("i", value)


def info(address="0.0.0.0", interface=0):
    return struct.pack("i4s4s", interface, INADDR(address), bytes(4))


def asking(net, family=names.AF_INET, level=0, options=ALL_V4):
    """A socket that wants to be told everything, on any address."""
    sock = net.udp(family, bind=False)
    sock.bind(("", 0))
    for option in options:
        sock.setsockopt(level, option, 1)
    sock.settimeout(0.02)
    return sock


def told(sock, room=500):
    """What it is told; ports are left out."""
    try:
        data, messages, flags, source = sock.recvmsg(9, room)
    except TimeoutError:
        return None
    port = struct.pack("!H", sock.getsockname()[1])
    return data, [(level, kind, text.replace(port, b"PP") if kind == 20 else text) for level, kind, text in messages], int(flags), source[0]


@pytest.mark.real
def test_datagrams_tell_for_whom_they_were_and_how(twins):
    def program(net, notes):
        sock = asking(net)
        port = sock.getsockname()[1]
        sender = net.udp(bind=False)
        for address in ("127.0.0.1", "127.0.0.2"):
            sender.sendto(b"x", (address, port))
            notes(address, told, sock)
        for room in (72, 56, 50, 33, 20, 16, 10, 0):
            sender.sendto(b"x", ("127.0.0.1", port))
            notes(room, told, sock, room)
        sender.setsockopt(0, names.IP_TTL, 7)
        sender.setsockopt(0, names.IP_TOS, 0x2F)
        sender.sendto(b"x", ("127.0.0.1", port))
        notes("options", told, sock)
        sender.setsockopt(0, names.IP_MULTICAST_IF, INADDR("127.0.0.1"))
        sock.setsockopt(0, names.IP_ADD_MEMBERSHIP, INADDR("239.1.1.1") + INADDR("127.0.0.1"))
        for ttl in (1, 9):
            sender.setsockopt(0, names.IP_MULTICAST_TTL, ttl)
            sender.sendto(b"x", ("239.1.1.1", port))
            notes("group", told, sock)
        sender.setsockopt(1, names.SO_BROADCAST, 1)
        sender.sendto(b"x", ("127.255.255.255", port))
        notes("everybody", told, sock)
        for option in (RECVTTL, RECVTOS):
            sock.setsockopt(0, option, 0)
        sender.sendto(b"x", ("127.0.0.1", port))
        notes("less", told, sock)
        sender.sendto(b"x", ("127.0.0.1", port))
        notes("plain", lambda: (sock.recvfrom(9)[0], len(sock.getsockname())))
        late = asking(net, options=())
        sender.sendto(b"x", ("127.0.0.1", late.getsockname()[1]))
        net.settle()
        for option in (PKTINFO, RECVTTL):
            late.setsockopt(0, option, 1)
        notes("asked late", told, late)

    twins(program)


@pytest.mark.real
def test_control_messages_that_are_sent_have_linuxs_effects_and_errors(twins):
    messages = [
        *((2, number(value)) for value in (9, 0, 255, 256)),
        (2, b"1"),
        *((1, number(value)) for value in (5, 256, -1)),
        *((1, value) for value in (b"\7", b"\xff", b"12")),
        *((PKTINFO, value) for value in (info("127.0.0.5"), info("1.2.3.4"), info(interface=99), info(interface=1), info(), b"1")),
        *((kind, b"") for kind in (RETOPTS, 99, RECVORIGDSTADDR)),
    ]

    def program(net, notes):
        sock, sender = asking(net), net.udp()
        sender.setsockopt(0, names.IP_TTL, 7)
        there = ("127.0.0.1", sock.getsockname()[1])
        for message in messages:
            notes(message, sender.sendmsg, [b"y"], [(0, *message)], 0, there)
            notes("told", told, sock)
        for levels in ([(41, 50, b"")], [(17, 1, b"")], [(77, 1, b"")], [(1, 77, b"")], [(0, 2, number(3)), (0, 1, b"\4"), (0, PKTINFO, info("127.0.0.6"))]):
            notes(levels, sender.sendmsg, [b"y"], levels, 0, there)
            notes("told", told, sock)
        one, other = net.pair()
        notes("of a stream", one.sendmsg, [b"x"], [(0, 2, number(5))])
        other.setsockopt(0, RECVTTL, 1)
        notes("of a stream", other.recvmsg, 9, 100)
        notes("of a stream", one.sendmsg, [b"x"], [(1, 77, b"")])

    twins(program)


@pytest.mark.real
def test_datagrams_of_ipv6_tell_and_are_told_as_rfc_3542_says(twins):
    messages = [
        *((52, number(value)) for value in (3, -1, 0, 256)),
        (52, b"1"),
        *((67, number(value)) for value in (4, -1, 256)),
        (67, b"1"),
        (8, number(5)),
        *((50, value) for value in (IP6("::1") + number(0), bytes(16) + number(1), bytes(16) + number(99), IP6("fd77::1") + number(0), b"1")),
        (62, number(0)),
        (62, number(2)),
        (99, b""),
    ]

    def program(net, notes):
        sock, sender = asking(net, names.AF_INET6, 41, ALL_V6), net.udp(names.AF_INET6)
        port = sock.getsockname()[1]
        sender.sendto(b"x", ("::1", port))
        notes("told", told, sock)
        sender.setsockopt(41, names.IPV6_UNICAST_HOPS, 9)
        sender.setsockopt(41, names.IPV6_TCLASS, 5)
        for message in messages:
            notes(message, sender.sendmsg, [b"y"], [(41, *message)], 0, ("::1", port))
            notes("told", told, sock)
        notes("IPv4's", sender.sendmsg, [b"y"], [(0, 2, b"")], 0, ("::1", port))
        for option in (2, 8):
            sock.setsockopt(41, option, 1)
        notes("older ones too", told, sock)
        other = net.udp(bind=False)
        other.setsockopt(0, names.IP_TTL, 7)
        other.sendto(b"4", ("127.0.0.1", port))
        notes("from IPv4", told, sock)
        for option in (PKTINFO, RECVTTL, RECVTOS):
            sock.setsockopt(0, option, 1)
        other.sendto(b"4", ("127.0.0.1", port))
        notes("from IPv4", told, sock)
        both = net.udp(names.AF_INET6, bind=False)
        for level, kind in ((0, 2), (41, 52)):
            notes("to IPv4", both.sendmsg, [b"y"], [(level, kind, number(8))], 0, ("::ffff:127.0.0.1", port))
            notes("told", told, sock)

    twins(program)


@pytest.mark.real
def test_options_for_timestamps_end_each_other(twins):
    def program(net, notes):
        sock = net.udp()
        for option in (29, 35, 63, 64, 29):
            sock.setsockopt(1, option, 1)
            notes(option, lambda: [sock.getsockopt(1, other) for other in (29, 35, 63, 64)])
        sock.setsockopt(1, 64, 0)
        notes("none", lambda: [sock.getsockopt(1, other) for other in (29, 35, 63, 64)])

    twins(program)


def test_timestamps_are_of_the_worlds_clock_and_the_hosts(sim):
    sim.link("client", "server", latency="1500ms")
    with sim.host("server") as host:
        sock = sim.network.socket.socket(names.AF_INET, names.SOCK_DGRAM)
        sock.bind((host.addresses[0], 9))
    began = sim.network.time.time_ns()
    with sim.host("client"):
        sender = sim.network.socket.socket(names.AF_INET, names.SOCK_DGRAM)
    arrival = began + 1_500_000_000
    for option, unit in ((29, 1000), (35, 1), (63, 1000), (64, 1)):
        sock.setsockopt(1, option, 1)
        sender.sendto(b"x", (host.addresses[0], 9))
        sim.sleep(2)
        _, [(level, kind, data)], _, _ = sock.recvmsg(9, 100)
        seconds, part = struct.unpack("qq", data)
        assert (level, kind, seconds * 10**9 + part * unit) == (1, option, arrival)
        arrival += 2_000_000_000
    sock.setsockopt(1, 64, 0)
    sender.sendto(b"x", (host.addresses[0], 9))
    sim.sleep(2)
    sock.setsockopt(1, 35, 1)  # who asks late is told the time of asking
    seconds, part = struct.unpack("qq", sock.recvmsg(9, 100)[1][0][2])
    assert seconds * 10**9 + part == sim.network.time.time_ns()


def test_messages_are_as_well_kept_by_links_and_groups(sim):
    sim.link("client", "server", latency="10ms")
    with sim.host("server") as host:
        sock = sim.network.socket.socket(names.AF_INET, names.SOCK_DGRAM)
        sock.bind(("", 9))
    for option in (PKTINFO, RECVTTL, RECVTOS):
        sock.setsockopt(0, option, 1)
    sock.setsockopt(0, names.IP_ADD_MEMBERSHIP, INADDR("239.1.1.1") + bytes(4))
    own = INADDR(host.addresses[0])
    with sim.host("client"):
        sender = sim.network.socket.socket(names.AF_INET, names.SOCK_DGRAM)
    sender.sendmsg([b"x"], [(0, 2, number(9)), (0, 1, b"\4")], 0, (host.addresses[0], 9))
    assert sock.recvmsg(9, 200)[1] == [(0, 8, number(2) + own + own), (0, 2, number(9)), (0, 1, b"\4")]
    sender.sendmsg([b"x"], [(0, 2, number(5))], 0, ("239.1.1.1", 9))
    assert sock.recvmsg(9, 200)[1] == [(0, 8, number(2) + own + INADDR("239.1.1.1")), (0, 2, number(5)), (0, 1, b"\0")]
    sender.sendto(b"x", ("239.1.1.1", 9))
    assert sock.recvmsg(9, 200)[1][1] == (0, 2, number(1))
    sender.sendmsg([b"x"], [(0, PKTINFO, info(interface=1))], 0, ("239.1.1.1", 9))
    sock.settimeout(1)
    with pytest.raises(TimeoutError):
        sock.recv(1)  # it stayed on the sender's loopback


def test_what_is_not_simulated_of_messages_is_told_by_name(sim):
    sock = sim.network.socket.socket(names.AF_INET6, names.SOCK_DGRAM)
    for kind, data, name in ((62, number(1), "IPV6_DONTFRAG"), (54, bytes(8), "IPV6_HOPOPTS"), (57, bytes(8), "IPV6_RTHDR"), (59, bytes(8), "IPV6_DSTOPTS")):
        with pytest.raises(Unsupported, match=name):
            sock.sendmsg([b"x"], [(41, kind, data)], 0, ("::1", 9))
    with pytest.raises(Unsupported, match="UDP_SEGMENT"):
        sock.sendmsg([b"x"], [(17, 103, b"\1\0")], 0, ("::1", 9))
    with pytest.raises(Unsupported, match="IP_RETOPTS"):
        sim.datagram().sendmsg([b"x"], [(0, 7, b"1234")], 0, ("127.0.0.1", 9))
    with pytest.raises(Unsupported, match="SO_TIMESTAMP of this kind of socket is not simulated; datagram sockets and Unix sockets have it"):
        sim.network.socket.socket().setsockopt(1, 29, 1)


def stamped(sock, room=200):
    """What came besides; of a timestamp its length, and whether it is one."""
    data, messages, flags, _ = sock.recvmsg(9, room)
    seen = [(level, kind, len(text), kind in (29, 35) and len(text) == 16 and struct.unpack("qq", text)[0] > 1_700_000_000) for level, kind, text in messages]
    return data, seen, int(flags)


def kinds(sock, room):
    """What kinds of messages came besides; descriptors are closed."""
    _, messages, flags, _ = sock.recvmsg(9, room)
    for _, kind, text in messages:
        if kind == names.SCM_RIGHTS:
            os.close(*struct.unpack("i", text))
    return [kind for _, kind, _ in messages], int(flags)


@pytest.mark.real
@pytest.mark.parametrize("kind", [names.SOCK_DGRAM, names.SOCK_SEQPACKET, names.SOCK_STREAM])
def test_unix_sockets_tell_when_a_message_was_sent_and_streams_do_not(twins, kind):
    def program(net, notes):
        sock, sender = net.socket.socketpair(names.AF_UNIX, kind)
        sender.send(b"before")
        sock.setsockopt(1, 29, 1)
        notes("asked later", stamped, sock)
        for setting in ((29, 1), (35, 1), (29, 1), (63, 1), (64, 1), (29, 0), (35, 7)):
            sock.setsockopt(1, *setting)
            sender.send(b"x")
            notes(setting, stamped, sock)
            notes((setting, "read"), lambda: [sock.getsockopt(1, number) for number in (29, 35, 63, 64)])
        for room in (0, 15, 16, 20, 32, 40):
            sender.send(b"x")
            notes(room, stamped, sock, room)
        sock.setsockopt(1, names.SO_PASSCRED, 1)
        for room in (200, 60, 56, 33, 32):
            sender.sendmsg([b"x"], [(1, names.SCM_RIGHTS, number(0))])
            notes(("all", room), kinds, sock, room)
        sender.send(b"x")
        notes("peeked", lambda: [len(sock.recvmsg(9, 200, names.MSG_PEEK)[1]), len(sock.recvmsg(9, 200)[1])])
        sock.close()
        sender.close()

    twins(program)


def test_the_time_of_a_unix_message_is_the_world_s(sim):
    sock, sender = sim.network.socket.socketpair(names.AF_UNIX, names.SOCK_DGRAM)
    sender.send(b"before")
    sock.setsockopt(1, 35, 1)
    sender.send(b"x")
    then = sim.network.time.time_ns()
    sim.sleep(5)
    told = [struct.unpack("qq", sock.recvmsg(9, 200)[1][0][2]) for _ in range(2)]
    assert [seconds * 10**9 + rest for seconds, rest in told] == [then + 5 * 10**9, then]


# -- interfaces ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_a_socket_that_is_bound_to_an_interface(twins):
    def program(net, notes):
        sock = net.udp(bind=False)
        sock.bind(("", 0))
        sock.settimeout(0.02)
        port = sock.getsockname()[1]
        for value in (b"lo", b"nope", b"", b"eth0", 1, b"lo\0".ljust(50, b"x")):
            notes(value, sock.setsockopt, 1, 25, value)
            notes("read", sock.getsockopt, 1, 25, 16)
            notes("read less", sock.getsockopt, 1, 25, 8)
        sender = net.udp(bind=False)
        for device in (b"lo", b"eth0", b""):
            sock.setsockopt(1, 25, device)
            sender.sendto(b"x", ("127.0.0.1", port))
            notes(device, lambda: told(sock))
        sock.setsockopt(1, 25, b"eth0")
        other = net.udp()
        other.settimeout(0.02)
        notes("out by eth0", sock.sendto, b"x", other.getsockname())
        notes("never comes back", told, other)

    twins(program)


@pytest.mark.real
def test_sockets_of_different_interfaces_share_a_port(twins):
    def program(net, notes):
        one, other, third = net.tcp(), net.tcp(), net.tcp()
        one.setsockopt(1, 25, b"lo")
        one.bind(("", 0))
        port = one.getsockname()[1]
        other.setsockopt(1, 25, b"eth0")
        notes("other", other.bind, ("", port))
        notes("third", third.bind, ("", port))
        one.listen()
        client = net.tcp()
        notes("connect", client.connect, ("127.0.0.1", port))
        notes("accepted", lambda: net.keep(one.accept()[0]).getsockopt(1, 25, 16))
        one.close()
        other.listen()
        notes("refused", net.tcp().connect, ("127.0.0.1", port))

    twins(program)


def test_an_interface_of_the_host_is_reached_from_outside_only_by_its_name(sim):
    with sim.host("server") as host:
        inside, outside = (sim.network.socket.socket(names.AF_INET, names.SOCK_DGRAM) for _ in range(2))
    for sock, device in ((inside, b"lo"), (outside, b"eth0")):
        sock.setsockopt(1, 25, device)
        sock.bind(("", 9))
        sock.settimeout(1)
    with sim.host("client"):
        sender = sim.network.socket.socket(names.AF_INET, names.SOCK_DGRAM)
    sender.sendto(b"x", (host.addresses[0], 9))
    assert outside.recv(9) == b"x"
    with pytest.raises(TimeoutError):
        inside.recv(9)
    stream = sim.network.socket.socket()
    stream.setsockopt(1, 25, b"lo")
    with pytest.raises(OSError, match="Connection timed out"):
        stream.connect((host.addresses[0], 80))
