"""Multicast and broadcast: on loopback and in a world, and among the hosts of a world."""

from __future__ import annotations

import errno
import socket as names
import struct

import pytest

from simsock.errors import Unsupported, UsageError
from simsock.stdlib import fcntl

GROUP, GROUP6 = "239.1.2.3", "ff02::1:77"
ANY, LOOPBACK = "0.0.0.0", "127.0.0.1"
INADDR = names.inet_aton


def mreq(group=GROUP, interface=LOOPBACK, index=None):
    return INADDR(group) + INADDR(interface) + (struct.pack("i", index) if index is not None else b"")


def mreq6(group=GROUP6, index=0):
    return names.inet_pton(names.AF_INET6, group) + struct.pack("i", index)


def shared(net, port=0, address="", family=names.AF_INET):
    """A datagram socket that shares its port."""
    sock = net.udp(family, bind=False)
    sock.setsockopt(names.SOL_SOCKET, names.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.settimeout(0.02)
    return sock


def here(net):
    """One that sends to groups on the loopback interface."""
    sock = net.udp(bind=False)
    sock.setsockopt(names.IPPROTO_IP, names.IP_MULTICAST_IF, INADDR(LOOPBACK))
    return sock


# -- as on Linux ---------------------------------------------------------------------------------------------------------------------


def both(sock):
    """What a socket receives, without the sender's port."""
    try:
        data, source = sock.recvfrom(100)
    except TimeoutError:
        return None
    return data, source[0]


def test_who_has_joined_a_group_gets_what_is_sent_to_it_and_so_does_its_neighbour_on_the_port(twins):
    def program(net, notes):
        member = shared(net)
        port = member.getsockname()[1]
        beside, strict, elsewhere, connected = shared(net, port), shared(net, port), shared(net, port, LOOPBACK), shared(net, port)
        strict.setsockopt(0, 49, 0)  # IP_MULTICAST_ALL
        connected.connect((LOOPBACK, 9))
        member.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq())
        sender = here(net)
        for loop, ttl in ((1, 1), (0, 0)):  # on loopback what is sent comes back whatever these say
            sender.setsockopt(0, names.IP_MULTICAST_LOOP, loop)
            sender.setsockopt(0, names.IP_MULTICAST_TTL, ttl)
            notes("send", sender.sendto, b"x", (GROUP, port))
            for sock in (member, beside, strict, elsewhere, connected):
                notes("receive", both, sock)
        strict.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq("239.1.2.4"))
        sender.sendto(b"y", (GROUP, port))
        notes("a member of another group", both, strict)
        strict.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq())
        sender.sendto(b"z", (GROUP, port))
        notes("a member of both", both, strict)
        member.close()
        sender.sendto(b"yours", (GROUP, port))
        notes("still a member", both, strict)
        strict.setsockopt(0, names.IP_DROP_MEMBERSHIP, mreq())
        sender.sendto(b"nobody's", (GROUP, port))
        notes("nobody is one", both, beside)

    twins(program)


def test_joining_and_leaving_have_linuxs_errors(twins):
    def program(net, notes):
        sock = net.udp()

        def join(*args):
            notes(f"join {args}", sock.setsockopt, 0, names.IP_ADD_MEMBERSHIP, mreq(*args))

        def leave(*args):
            notes(f"leave {args}", sock.setsockopt, 0, names.IP_DROP_MEMBERSHIP, mreq(*args))

        leave(), join(), join(), join(GROUP, ANY, 1), join(GROUP, ANY, 99), join(GROUP, "198.51.100.1"), join(LOOPBACK), join("224.0.0.1")
        leave(GROUP, "198.51.100.1"), leave(GROUP, LOOPBACK, 1), leave(), leave("1.2.3.4"), leave(GROUP, ANY, 99), join(GROUP, LOOPBACK, 1)
        notes("short", sock.setsockopt, 0, names.IP_ADD_MEMBERSHIP, b"1234")
        notes("empty", sock.setsockopt, 0, names.IP_DROP_MEMBERSHIP, b"")
        notes("read", sock.getsockopt, 0, names.IP_ADD_MEMBERSHIP)
        for number in range(25):
            join(f"239.2.0.{number}")
        whole = struct.pack("I4xH2x4s", 1, 2, INADDR("239.3.3.3")).ljust(136, b"\0")
        fresh = net.udp()
        for number in (42, 42, 45, 45):  # MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP
            notes("group_req", fresh.setsockopt, 0, number, whole)
        notes("of IPv6", fresh.setsockopt, 0, 42, struct.pack("I4xHHI16s", 1, 10, 0, 0, names.inet_pton(10, GROUP6)).ljust(136, b"\0"))
        stream = net.tcp()
        notes("a stream joins", stream.setsockopt, 0, names.IP_ADD_MEMBERSHIP, mreq())
        notes("a stream leaves", stream.setsockopt, 0, names.IP_DROP_MEMBERSHIP, b"")
        notes("a stream chooses", stream.setsockopt, 0, names.IP_MULTICAST_IF, INADDR(LOOPBACK))

    twins(program)


def test_joining_and_leaving_groups_of_ipv6_have_linuxs_errors(twins):
    def program(net, notes):
        sock = net.udp(names.AF_INET6)

        def join(*args):
            notes(f"join {args}", sock.setsockopt, 41, names.IPV6_JOIN_GROUP, mreq6(*args))

        def leave(*args):
            notes(f"leave {args}", sock.setsockopt, 41, names.IPV6_LEAVE_GROUP, mreq6(*args))

        leave(), join(), join(GROUP6, 1), join(GROUP6, 1), join(GROUP6, 0), join(GROUP6, 99), join("::1", 1), leave(GROUP6, 99), leave("::1")
        leave(), leave(GROUP6, 0), leave(), join(GROUP6, 1), join(GROUP6, 0), leave(GROUP6, 1), leave(GROUP6, 1)
        notes("short", sock.setsockopt, 41, names.IPV6_JOIN_GROUP, b"1234")
        whole = struct.pack("I4xHHI16s", 1, 10, 0, 0, names.inet_pton(10, GROUP6)).ljust(136, b"\0")
        for number in (42, 42, 45, 45):
            notes("group_req", sock.setsockopt, 41, number, whole)
        notes("of IPv4", sock.setsockopt, 41, 42, struct.pack("I4xH2x4s", 1, 2, INADDR(GROUP)).ljust(136, b"\0"))
        for value in (1, 99, -1, 0):
            notes(f"interface {value}", sock.setsockopt, 41, names.IPV6_MULTICAST_IF, value)
        stream = net.tcp(names.AF_INET6)
        notes("a stream joins", stream.setsockopt, 41, names.IPV6_JOIN_GROUP, mreq6(index=1))
        notes("a stream chooses", stream.setsockopt, 41, names.IPV6_MULTICAST_IF, 1)
        notes("on lo", sock.sendto, b"x", (GROUP6, 9, 0, 1))
        notes("a member of a group of IPv4", sock.setsockopt, 0, names.IP_ADD_MEMBERSHIP, mreq())

    twins(program)


def test_the_interface_for_groups_is_an_address_of_the_host(twins):
    def program(net, notes):
        sock = net.udp(bind=False)
        for value in (INADDR(LOOPBACK), INADDR("198.51.100.1"), INADDR(ANY), mreq(ANY, LOOPBACK), mreq(ANY, ANY, 1), mreq(ANY, ANY, 99), b"abc"):
            notes("set", sock.setsockopt, 0, names.IP_MULTICAST_IF, value)
            notes("read", sock.getsockopt, 0, names.IP_MULTICAST_IF)
            notes("read bytes", sock.getsockopt, 0, names.IP_MULTICAST_IF, 4)

    twins(program)


@pytest.mark.parametrize("number", [2, 10, 33, 34, 49])
def test_options_of_ip_may_be_set_by_one_byte(twins, number):
    def program(net, notes):
        sock = net.udp()
        for value in (b"\1", b"\0", b"\2\0", b"\1\1\1", b"\1\0\0\0\7", b"\xff"):
            notes(value, sock.setsockopt, 0, number, value)
            notes("read", sock.getsockopt, 0, number)

    twins(program)


def test_what_is_sent_to_everybody_needs_so_broadcast_and_reaches_all_sockets_of_the_port(twins):
    def program(net, notes):
        one = shared(net)
        port = one.getsockname()[1]
        other, at_loopback, at_everybody = shared(net, port), shared(net, port, LOOPBACK), shared(net, port, "127.255.255.255")
        sender = net.udp()
        for address in ("127.255.255.255", "255.255.255.255", "<broadcast>"):
            notes("forbidden", sender.sendto, b"x", (address, port))
            notes("connecting", shared(net).connect, (address, port))
        sender.setsockopt(1, names.SO_BROADCAST, 1)
        for address in ("127.255.255.255", "255.255.255.255"):
            notes("allowed", sender.sendto, b"x", (address, port))
            for sock in (one, other, at_loopback, at_everybody):
                notes(address, both, sock)
        sender.connect(("127.255.255.255", port))
        notes("connected", lambda: (sender.getpeername()[0], sender.send(b"y"), both(at_everybody)))

    twins(program)


def test_who_is_bound_to_a_group_sends_from_an_address_of_its_own(twins):
    def program(net, notes):
        sock = net.udp(bind=False)
        sock.bind((GROUP, 0))
        sock.settimeout(0.02)
        sock.setsockopt(0, names.IP_MULTICAST_IF, INADDR(LOOPBACK))
        sock.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq())
        port = sock.getsockname()[1]
        notes("name", lambda: sock.getsockname()[0])
        notes("send", sock.sendto, b"x", (GROUP, port))
        notes("receive", both, sock)
        notes("one alone", sock.sendto, b"x", (LOOPBACK, port))
        notes("is not for a group", both, sock)
        other = shared(net)
        other.setsockopt(0, names.IP_MULTICAST_IF, INADDR(LOOPBACK))
        other.connect((GROUP, port))
        notes("connected", lambda: (other.getsockname()[0], other.getpeername()[0] == GROUP, other.send(b"y"), both(sock)))

    twins(program)


def test_streams_are_not_for_many(twins):
    def program(net, notes):
        for address in (GROUP, "255.255.255.255", "127.255.255.255"):
            notes(address, net.tcp().connect, (address, 9))
        notes(GROUP6, net.tcp(names.AF_INET6).connect, (GROUP6, 9, 0, 1))
        notes("bind", net.tcp().bind, (GROUP, 0))

    twins(program)


def test_an_ipv6_group_within_a_link_needs_an_interface(twins):
    def program(net, notes):
        sock = net.udp(names.AF_INET6, bind=False)
        notes("connect", sock.connect, (GROUP6, 9))
        notes("bind", sock.bind, (GROUP6, 0))
        notes("nowhere", sock.bind, (GROUP6, 0, 0, 99))
        sock = net.udp(names.AF_INET6, bind=False)
        notes("bind", sock.bind, (GROUP6, 0))
        notes("nowhere", sock.bind, (GROUP6, 0, 0, 99))
        notes("on lo", sock.bind, (GROUP6, 0, 0, 1))
        notes("a stream", net.tcp(names.AF_INET6).bind, (GROUP6, 0, 0, 1))
        notes("name", lambda: (sock.getsockname()[0], *sock.getsockname()[2:]))

    twins(program)


def test_an_ipv6_socket_gets_groups_of_ipv4_only_as_a_member(twins):
    def program(net, notes):
        member = shared(net, family=names.AF_INET6, address="::")
        port = member.getsockname()[1]
        other = shared(net, port, "::", names.AF_INET6)
        member.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq())
        notes("send", here(net).sendto, b"x", (GROUP, port))
        notes("member", both, member)
        notes("other", both, other)

    twins(program)


# -- among hosts ---------------------------------------------------------------------------------------------------------------------


def on(sim, name, port=5353, family=names.AF_INET):
    """A datagram socket of a host, bound to all its addresses, and the host's own address."""
    with sim.host(name) as host:
        sock = sim.network.socket.socket(family, names.SOCK_DGRAM)
        sock.setsockopt(names.SOL_SOCKET, names.SO_REUSEPORT, 1)
        sock.bind(("", port))
        sock.settimeout(1)
    return sock, next(ip for ip in host.addresses if (":" in ip) == (family == names.AF_INET6))


def heard(sock):
    try:
        return sock.recvfrom(100)
    except TimeoutError:
        return None


def test_a_group_has_members_on_several_hosts_and_the_sender_may_be_one(sim):
    hosts = [on(sim, name) for name in "abcd"]
    for sock, _ in hosts[:3]:
        sock.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq(interface=ANY))
    (a, address), (b, _), (c, own), (d, _) = hosts
    a.sendto(b"hello", (GROUP, 5353))
    assert [heard(sock) for sock in (a, b, c, d)] == [(b"hello", (address, 5353))] * 3 + [None]
    a.setsockopt(0, names.IP_MULTICAST_LOOP, 0)
    b.setsockopt(0, names.IP_DROP_MEMBERSHIP, mreq(interface=ANY))
    c.setsockopt(0, names.IP_DROP_MEMBERSHIP, mreq(interface=own))
    c.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq(interface=ANY, index=2))
    a.sendto(b"again", (GROUP, 5353))
    assert [heard(sock) for sock in (a, b, c, d)] == [None, None, (b"again", (address, 5353)), None]
    a.setsockopt(0, names.IP_MULTICAST_LOOP, 1)
    a.setsockopt(0, names.IP_MULTICAST_TTL, 0)
    a.sendto(b"within", (GROUP, 5353))
    assert [heard(sock) for sock in (a, b, c, d)] == [(b"within", (address, 5353)), None, None, None]
    a.sendto(b"all hosts", ("224.0.0.1", 5353))
    assert [heard(sock) is None for sock in (a, b, c, d)] == [False, True, True, True]
    a.setsockopt(0, names.IP_MULTICAST_TTL, 4)
    a.sendto(b"all hosts", ("224.0.0.1", 5353))
    assert [heard(sock) is None for sock in (a, b, c, d)] == [False] * 4


def test_a_member_on_loopback_hears_nothing_from_other_hosts(sim):
    (a, _), (b, _) = on(sim, "a"), on(sim, "b")
    b.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq(interface=LOOPBACK))
    a.sendto(b"x", (GROUP, 5353))
    assert heard(b) is None
    a.setsockopt(0, names.IP_MULTICAST_IF, INADDR(LOOPBACK))
    b.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq(interface=ANY))
    a.sendto(b"x", (GROUP, 5353))
    assert heard(b) is None


def test_all_nodes_of_the_link_hear_ff02_1_and_members_their_groups(sim):
    (a, address), (b, _), (c, _) = (on(sim, name, family=names.AF_INET6) for name in "abc")
    a.sendto(b"all", ("ff02::1", 5353, 0, 2))
    assert [heard(sock) for sock in (a, b, c)] == [(b"all", (address, 5353, 0, 0))] * 3
    b.setsockopt(41, names.IPV6_JOIN_GROUP, mreq6(index=2))
    a.sendto(b"some", (GROUP6, 5353))
    assert [heard(sock) is None for sock in (a, b, c)] == [True, False, True]
    a.setsockopt(41, names.IPV6_JOIN_GROUP, mreq6("ff01::5"))
    b.setsockopt(41, names.IPV6_JOIN_GROUP, mreq6("ff01::5"))
    a.sendto(b"within", ("ff01::5", 5353))
    assert [heard(sock) is None for sock in (a, b, c)] == [False, True, True]
    a.setsockopt(41, names.IPV6_MULTICAST_LOOP, 0)
    a.setsockopt(41, names.IPV6_MULTICAST_IF, 2)
    a.sendto(b"others", ("ff02::1", 5353))
    assert [heard(sock) is None for sock in (a, b, c)] == [True, False, False]
    with sim.host("a"):
        sock = sim.network.socket.socket(names.AF_INET6, names.SOCK_DGRAM)
    sock.connect((GROUP6, 5353, 0, 2))
    assert sock.getpeername() == (GROUP6, 5353, 0, 2) and sock.getsockname()[0] == address
    assert sock.send(b"x") == 1 and heard(b)[0] == b"x"


def test_broadcasts_reach_the_hosts_of_the_network_and_no_others(sim):
    with sim.host("far", addresses=["192.168.7.5"]):
        pass
    (a, _), (b, _), (far, own) = on(sim, "a"), on(sim, "b"), on(sim, "far")
    for sock in (a, far):
        sock.setsockopt(1, names.SO_BROADCAST, 1)
    a.sendto(b"network", ("10.255.255.255", 5353))
    assert [heard(sock) is None for sock in (a, b, far)] == [False, False, True]
    a.sendto(b"everybody", ("<broadcast>", 5353))
    assert [heard(sock) is None for sock in (a, b, far)] == [False] * 3
    with pytest.raises(OSError, match="Network is unreachable"):
        far.sendto(b"x", ("10.255.255.255", 5353))
    far.sendto(b"mine", ("192.168.7.255", 5353))
    assert heard(far) == (b"mine", (own, 5353)) and heard(a) is None
    for what, told in ((0x891B, "255.255.255.0"), (0x8919, "192.168.7.255")):  # SIOCGIFNETMASK, SIOCGIFBRDADDR
        assert fcntl.ioctl(far.fileno(), what, b"eth0".ljust(40, b"\0"))[20:24] == INADDR(told)


def test_who_connects_to_an_address_far_away_learns_his_own(sim):
    a, own = on(sim, "a")
    for address in ("10.255.255.255", "10.254.254.254", "192.255.255.255", "8.8.8.8"):
        with sim.host("a"):
            asking = sim.network.socket.socket(names.AF_INET, names.SOCK_DGRAM)
        asking.connect((address, 1))
        assert asking.getsockname()[0] == own
        asking.close()
    a.connect(("10.255.255.255", 1))
    with pytest.raises(PermissionError):
        a.send(b"x")


def test_links_apply_to_each_receiver_by_itself(sim):
    sim.link("a", "b", latency="50ms")
    sim.link("a", "c", loss=1)
    sim.link("a", "d", duplicate=1, latency="1s")
    (a, _), *others = (on(sim, name) for name in "abcd")
    for sock, _ in others:
        sock.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq(interface=ANY))
    a.sendto(b"x", (GROUP, 5353))
    (b, _), (c, _), (d, _) = others
    assert heard(b)[0] == b"x" and sim.now == 0.05
    assert heard(d)[0] == b"x" and heard(d)[0] == b"x" and sim.now == 1
    assert heard(c) is None


def test_partitions_and_crashes_hold_for_groups(sim):
    (a, _), (b, _), (c, _) = (on(sim, name) for name in "abc")
    for sock in (b, c):
        sock.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq(interface=ANY))
    sim.partition("a", "b")
    a.sendto(b"x", (GROUP, 5353))
    assert heard(b) is None and heard(c)[0] == b"x"
    sim.heal()
    sim.host("c").crash()
    sim.host("c").restart()
    a.sendto(b"y", (GROUP, 5353))
    assert heard(b)[0] == b"y"
    again, _ = on(sim, "c")
    a.sendto(b"z", (GROUP, 5353))
    assert heard(again) is None


def test_a_datagram_for_many_that_is_too_long_for_one_way_is_refused_if_it_must_stay_whole(sim):
    sim.link("a", "b", mtu=600)
    (a, _), (b, _) = on(sim, "a"), on(sim, "b")
    b.setsockopt(0, names.IP_ADD_MEMBERSHIP, mreq(interface=ANY))
    a.setsockopt(0, 10, 2)
    with pytest.raises(OSError, match="Message too long"):
        a.sendto(bytes(700), (GROUP, 5353))
    a.setsockopt(0, 10, 0)
    a.sendto(bytes(700), (GROUP, 5353))
    assert len(b.recv(1000)) == 700


def test_a_loopback_address_reaches_no_group_of_other_hosts(sim):
    with sim.host("a"):
        sock = sim.network.socket.socket(names.AF_INET, names.SOCK_DGRAM)
    sock.bind((LOOPBACK, 0))
    sock.setsockopt(0, names.IP_MULTICAST_IF, mreq(ANY, ANY, 2))
    with pytest.raises(OSError, match="Invalid argument") as caught:
        sock.sendto(b"x", (GROUP, 9))
    assert caught.value.errno == errno.EINVAL


def test_a_host_has_no_address_that_means_many(sim):
    for address in ("224.0.0.5", "192.168.0.255", "ff02::5", "255.255.255.255"):
        with pytest.raises(UsageError, match="expected IP addresses that others can reach"):
            sim.host("odd", addresses=[address])


def test_members_by_source_are_unsupported_by_name(sim):
    sock = sim.datagram()
    with pytest.raises(Unsupported, match="IP_ADD_SOURCE_MEMBERSHIP"):
        sock.setsockopt(0, 39, bytes(12))
    with pytest.raises(Unsupported, match="MCAST_JOIN_GROUP of a stream is not simulated; join with a datagram socket"):
        sim.network.socket.socket().setsockopt(0, 42, bytes(136))
