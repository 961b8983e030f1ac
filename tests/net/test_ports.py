"""Who may have a port: Linux's rules for binding, all combinations of two sockets, and what happens to a port after its connections."""

from __future__ import annotations

import itertools
import socket as real_socket

import pytest

from simsock.net.ports import EPHEMERAL_FIRST, EPHEMERAL_LAST, PortTable

V4, V6 = real_socket.AF_INET, real_socket.AF_INET6
PLACES = [(V4, "0.0.0.0", 0), (V4, "127.0.0.1", 0), (V4, "127.0.0.2", 0), (V6, "::", 0), (V6, "::", 1), (V6, "::1", 0), (V6, "::ffff:127.0.0.1", 0)]
"""Family, address, IPV6_V6ONLY."""
FLAGS = list(itertools.product([0, 1], repeat=2))
"""SO_REUSEADDR, SO_REUSEPORT."""


def attempt(fn, *args):
    try:
        fn(*args)
    except OSError as error:
        return error.errno
    return 0


def prepared(net, kind, place, flags):
    family, _, v6_only = place
    sock = net.socket.socket(family, kind)
    if family == V6:
        sock.setsockopt(net.socket.IPPROTO_IPV6, net.socket.IPV6_V6ONLY, v6_only)
    sock.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEADDR, flags[0])
    sock.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEPORT, flags[1])
    return sock


def free_port(net, kind):
    """A port that is free on every address of the machine, whatever else runs there."""
    with net.socket.socket(V6, kind) as sock:
        sock.setsockopt(net.socket.IPPROTO_IPV6, net.socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        return sock.getsockname()[1]


@pytest.mark.real
@pytest.mark.parametrize("first_listens", [False, True])
def test_two_stream_sockets_share_a_port_exactly_when_linux_lets_them(twins, first_listens):
    def program(net, notes):
        for one, other in itertools.product(itertools.product(PLACES, FLAGS), repeat=2):
            with prepared(net, net.socket.SOCK_STREAM, *one) as first, prepared(net, net.socket.SOCK_STREAM, *other) as second:
                first.bind((one[0][1], free_port(net, net.socket.SOCK_STREAM)))
                if first_listens:
                    first.listen()
                bound = attempt(second.bind, (other[0][1], first.getsockname()[1]))
                notes.append((f"{one} then {other}", (bound, None if bound else attempt(second.listen))))

    twins(program)


@pytest.mark.real
def test_two_datagram_sockets_share_a_port_exactly_when_linux_lets_them(twins):
    def program(net, notes):
        for one, other in itertools.product(itertools.product(PLACES, FLAGS), repeat=2):
            with prepared(net, net.socket.SOCK_DGRAM, *one) as first, prepared(net, net.socket.SOCK_DGRAM, *other) as second:
                first.bind((one[0][1], free_port(net, net.socket.SOCK_DGRAM)))
                notes.append((f"{one} then {other}", attempt(second.bind, (other[0][1], first.getsockname()[1]))))

    twins(program)


NO_PORT = 24
"""IP_BIND_ADDRESS_NO_PORT, which the socket module has from Python 3.12 on."""


@pytest.mark.real
@pytest.mark.parametrize("kind", [real_socket.SOCK_STREAM, real_socket.SOCK_DGRAM])
@pytest.mark.parametrize(("family", "own", "other", "foreign"), [(V4, "127.0.0.1", "127.0.0.2", "192.0.2.1"), (V6, "::1", "::1", "2001:db8::1")])
def test_a_port_that_is_not_wanted_yet_is_taken_when_it_is_needed(twins, family, own, other, foreign, kind):
    def program(net, notes):
        def note(what, call=lambda: 0):
            answer = attempt(call)
            ip, port = sock.getsockname()[:2]
            notes.append((what, (answer, ip, {0: 0, fixed: "fixed"}.get(port, "some"))))

        def fresh(address):
            sock = net.keep(net.socket.socket(family, kind))
            sock.setsockopt(net.socket.IPPROTO_IP, NO_PORT, 1)
            sock.bind((address, 0))
            return sock

        fixed = free_port(net, kind)
        peer = net.listener(family) if kind == net.socket.SOCK_STREAM else net.udp(family)
        sock = fresh(own)
        notes.append(("the option", sock.getsockopt(net.socket.IPPROTO_IP, NO_PORT)))
        note("bound")
        note("bound again", lambda: sock.bind((other, 0)))
        note("bound to a port", lambda: sock.bind((own, fixed)))
        note("that cannot be taken back", lambda: sock.bind((own, 0)))
        sock = fresh(other)
        if family == V6:
            note("only IPv6", lambda: sock.setsockopt(net.socket.IPPROTO_IPV6, net.socket.IPV6_V6ONLY, 1))
        note("connected", lambda: sock.connect(peer.getsockname()))
        sock = fresh("")
        note("bound to all")
        note("connected from any", lambda: sock.connect(peer.getsockname()))
        sock = fresh(own)
        if kind == net.socket.SOCK_STREAM:
            note("refused", lambda: sock.connect((own, fixed)))
            note("connected then", lambda: sock.connect(peer.getsockname()))
            sock = fresh(other)
            note("listens", sock.listen)
        else:
            note("sent", lambda: sock.sendto(b"x", peer.getsockname()))
            notes.append(("came from", peer.recvfrom(1)[1] == sock.getsockname()))
        sock = fresh(own)
        sock.setsockopt(net.socket.IPPROTO_IP, NO_PORT, 0)
        note("and bound after all", lambda: sock.bind((own, 0)))
        sock = net.keep(net.socket.socket(family, kind))
        sock.setsockopt(net.socket.IPPROTO_IP, NO_PORT, 1)
        note("nobody's", lambda: sock.bind((foreign, 0)))

    twins(program)


@pytest.mark.real
@pytest.mark.parametrize("closer", ["server", "client", "nobody"])
def test_a_port_can_be_bound_again_after_a_connection_exactly_when_linux_lets_it(twins, closer):
    def program(net, notes):
        for before, after in itertools.product([0, 1], repeat=2):
            listener = prepared(net, net.socket.SOCK_STREAM, (V4, "", 0), (before, 0))
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            address = listener.getsockname()
            client = net.tcp()
            client.connect(address)
            server = net.keep(listener.accept()[0])
            listener.close()
            if closer == "server":
                server.close()
                net.settle()
                client.close()
            elif closer == "client":
                client.close()
                net.settle()
                server.close()
            net.settle()
            with prepared(net, net.socket.SOCK_STREAM, (V4, "", 0), (after, 0)) as again:
                bound = attempt(again.bind, address)
                notes.append((f"SO_REUSEADDR {before} then {after}", (bound, None if bound else attempt(again.listen))))

    twins(program)


def test_a_port_is_free_again_a_minute_after_the_server_closed_first(sim):
    sockets = sim.network.socket
    listener = sockets.socket()
    listener.bind(("127.0.0.1", 80))
    listener.listen()
    client = sockets.create_connection(("127.0.0.1", 80))
    server, _ = listener.accept()
    listener.close()
    server.close()
    client.close()
    with sockets.socket() as again:
        with pytest.raises(OSError, match="Address already in use"):
            again.bind(("127.0.0.1", 80))
        sim.sleep(59)
        with pytest.raises(OSError, match="Address already in use"):
            again.bind(("127.0.0.1", 80))
        sim.sleep(1)
        again.bind(("127.0.0.1", 80))


def test_a_client_does_not_wait_for_its_own_time_wait(sim):
    sockets = sim.network.socket
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        ports = set()
        for _ in range(50):
            client = sockets.create_connection(listener.getsockname())
            ports.add(client.getsockname()[1])
            client.close()
            listener.accept()[0].close()
        assert len(ports) == 50


def test_ephemeral_ports_come_from_linuxs_range(net):
    ports = []
    for _ in range(20):
        with net.socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            ports.append(sock.getsockname()[1])
    assert all(32768 <= port <= 60999 for port in ports)


def test_a_host_without_free_ports_says_so(sim, monkeypatch):
    sockets = sim.network.socket
    listener = sockets.create_server(("127.0.0.1", 0))
    monkeypatch.setattr("simsock.net.ports.PortTable.free_port", lambda table, avoid=0: None)
    with sockets.socket() as sock:
        with pytest.raises(OSError, match=r"\[Errno 98\] Address already in use"):
            sock.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match=r"\[Errno 99\] Cannot assign requested address"):
            sock.connect(listener.getsockname())
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as sock, pytest.raises(BlockingIOError):
        sock.connect(("127.0.0.1", 9))


def test_listeners_that_share_a_port_share_its_clients(net):
    with net.socket.create_server(("127.0.0.1", 0), reuse_port=True) as one, net.socket.create_server(one.getsockname(), reuse_port=True) as other:
        counts = {one: 0, other: 0}
        for listener in counts:
            listener.setblocking(False)
        clients = [net.keep(net.socket.create_connection(one.getsockname())) for _ in range(64)]
        net.settle()
        for listener in counts:
            try:
                while True:
                    listener.accept()[0].close()
                    counts[listener] += 1
            except BlockingIOError:
                pass
    assert sum(counts.values()) == len(clients)
    assert min(counts.values()) > 8, "the clients are shared by a hash of their ports"


def test_a_server_on_every_address_takes_ipv4_clients_under_mapped_addresses(net):
    if not real_socket.has_dualstack_ipv6():
        pytest.skip("this machine has no dual-stack sockets")
    with net.socket.create_server(("", 0), family=net.socket.AF_INET6, dualstack_ipv6=True) as listener:
        port = listener.getsockname()[1]
        old = net.keep(net.socket.create_connection(("127.0.0.1", port)))
        accepted, address = listener.accept()
        with accepted:
            assert address == ("::ffff:127.0.0.1", old.getsockname()[1], 0, 0)
            assert accepted.getsockname() == ("::ffff:127.0.0.1", port, 0, 0)
            assert accepted.getpeername() == address
        net.keep(net.socket.create_connection(("::1", port)))
        accepted, address = listener.accept()
        with accepted:
            assert address[0] == "::1"


def test_an_ipv6_socket_reaches_ipv4_by_mapped_addresses(net):
    listener = net.listener()
    client = net.tcp(net.socket.AF_INET6)
    client.connect(("::ffff:127.0.0.1", listener.getsockname()[1]))
    server, address = listener.accept()
    net.keep(server)
    assert address == ("127.0.0.1", client.getsockname()[1])
    assert client.getpeername() == ("::ffff:127.0.0.1", listener.getsockname()[1], 0, 0)
    assert client.getsockname()[0] == "::ffff:127.0.0.1"


def test_an_ipv6_only_server_refuses_ipv4(net):
    with net.socket.create_server(("::", 0), family=net.socket.AF_INET6) as listener, pytest.raises(ConnectionRefusedError):
        net.socket.create_connection(("127.0.0.1", listener.getsockname()[1]))


def test_the_most_specific_listener_gets_the_connection(net):
    general = net.tcp()
    general.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEPORT, 1)
    general.bind(("0.0.0.0", 0))
    general.listen()
    port = general.getsockname()[1]
    special = net.tcp()
    special.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEPORT, 1)
    special.bind(("127.0.0.1", port))
    special.listen()
    net.keep(net.socket.create_connection(("127.0.0.1", port)))
    net.keep(net.socket.create_connection(("127.0.0.2", port)))
    accepted, address = special.accept()
    accepted.close()
    accepted, _ = general.accept()
    assert accepted.getsockname() == ("127.0.0.2", port)
    accepted.close()
    special.setblocking(False)
    with pytest.raises(BlockingIOError):
        special.accept()


def test_a_port_counts_its_connections_also_when_they_change_their_options(net):
    listener = net.listener()
    address = listener.getsockname()
    client = net.keep(net.socket.create_connection(address))
    server = net.keep(listener.accept()[0])
    listener.close()
    again = net.tcp()
    again.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEADDR, 1)
    server.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEADDR, 0)
    with pytest.raises(OSError, match="Address already in use"):
        again.bind(address)
    server.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEADDR, 1)
    again.bind(address)
    client.close()
    net.settle()
    server.close()


def test_of_a_dual_stack_socket_and_one_of_ipv4_the_latter_gets_what_comes_over_ipv4(twins):
    def program(net, notes):
        socks = []
        for family, ip in ((V4, "0.0.0.0"), (V6, "::")):
            sock = net.keep(net.socket.socket(family, net.socket.SOCK_DGRAM))
            sock.setsockopt(net.socket.SOL_SOCKET, net.socket.SO_REUSEADDR, 1)
            sock.bind((ip, socks[0].getsockname()[1] if socks else 0))
            sock.settimeout(0.05)
            socks.append(sock)
        port = socks[0].getsockname()[1]
        for family, ip in ((V4, "127.0.0.1"), (V6, "::1")):
            net.keep(net.socket.socket(family, net.socket.SOCK_DGRAM)).sendto(b"x", (ip, port))
            for number, sock in enumerate(socks):
                notes(f"{ip} at {number}", sock.recv, 5)

    twins(program)


def test_the_system_never_picks_a_port_on_which_accepted_connections_are_left():
    table = PortTable()
    table.hold(EPHEMERAL_FIRST, True)
    table.hold(EPHEMERAL_FIRST + 2, False)
    assert [table.free_port() for _ in range(2)] == [EPHEMERAL_FIRST + 1, EPHEMERAL_FIRST + 3]
    table.release(EPHEMERAL_FIRST + 2, False)
    for _ in range(EPHEMERAL_LAST - EPHEMERAL_FIRST - 3):
        last = table.free_port()
    assert last == EPHEMERAL_LAST
    assert [table.free_port() for _ in range(2)] == [EPHEMERAL_FIRST + 1, EPHEMERAL_FIRST + 2]
