"""Connecting and accepting, on loopback and in a world."""

from __future__ import annotations

import errno
import socket as real_socket

import pytest

SO_ERROR = (real_socket.SOL_SOCKET, real_socket.SO_ERROR)
FAMILIES = [real_socket.AF_INET, real_socket.AF_INET6]


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ends_know_each_others_names(net, family):
    client, server = net.pair(family)
    assert client.getsockname() == server.getpeername()
    assert client.getpeername() == server.getsockname()
    assert len(client.getsockname()) == (2 if family == real_socket.AF_INET else 4)
    assert client.getsockname()[0] == ("127.0.0.1" if family == real_socket.AF_INET else "::1")


def test_accept_returns_a_plain_socket_and_the_peers_address(net):
    class Special(net.socket.socket):
        pass

    with Special() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = net.keep(net.socket.create_connection(listener.getsockname()))
        server, address = listener.accept()
    net.keep(server)
    assert type(server) is net.socket.socket
    assert address == client.getsockname()
    assert (server.family, server.type, server.proto) == (client.family, client.type, 0)


def test_nobody_listens(net):
    address = net.nobody()
    with pytest.raises(ConnectionRefusedError) as caught:
        net.tcp().connect(address)
    assert str(caught.value) == "[Errno 111] Connection refused"
    assert net.tcp().connect_ex(address) == errno.ECONNREFUSED
    sock = net.tcp()
    sock.settimeout(5)
    with pytest.raises(ConnectionRefusedError):
        sock.connect(address)


def test_a_refused_socket_that_blocks_may_try_again(net):
    listener = net.listener()
    sock = net.tcp()
    with pytest.raises(ConnectionRefusedError):
        sock.connect(net.nobody())
    sock.connect(listener.getsockname())
    assert sock.getpeername() == listener.getsockname()


def test_a_refused_socket_with_a_timeout_hears_first_that_it_was_aborted(net):
    listener = net.listener()
    sock = net.tcp()
    sock.settimeout(5)
    with pytest.raises(ConnectionRefusedError):
        sock.connect(net.nobody())
    with pytest.raises(ConnectionAbortedError):
        sock.connect(listener.getsockname())
    sock.connect(listener.getsockname())


def test_connecting_without_blocking_is_in_progress_then_writable(net):
    listener = net.listener()
    sock = net.tcp()
    sock.setblocking(False)
    with pytest.raises(BlockingIOError, match=r"^\[Errno 115\] Operation now in progress$"):
        sock.connect(listener.getsockname())
    assert net.select.select([], [sock], [], 5)[1] == [sock]
    assert sock.getsockopt(*SO_ERROR) == 0
    assert sock.getpeername() == listener.getsockname()


def test_a_refusal_without_blocking_is_in_so_error(net):
    sock = net.tcp()
    sock.setblocking(False)
    assert sock.connect_ex(net.nobody()) == errno.EINPROGRESS
    assert net.select.select([], [sock], [], 5)[1] == [sock]
    assert sock.getsockopt(*SO_ERROR) == errno.ECONNREFUSED
    assert sock.getsockopt(*SO_ERROR) == 0


def test_connecting_twice_is_an_error(net):
    listener = net.listener()
    sock = net.tcp()
    sock.connect(listener.getsockname())
    assert sock.connect_ex(listener.getsockname()) == errno.EISCONN
    with pytest.raises(OSError, match=r"^\[Errno 106\] Transport endpoint is already connected$"):
        sock.connect(listener.getsockname())


def test_a_socket_that_is_its_own_peer(net):
    sock = net.tcp()
    sock.bind(("127.0.0.1", 0))
    sock.connect(sock.getsockname())
    sock.sendall(b"to myself")
    assert sock.recv(100) == b"to myself"
    sock.shutdown(real_socket.SHUT_WR)
    assert sock.recv(100) == b""


def test_connecting_to_the_wildcard_reaches_this_machine(net):
    with net.socket.create_server(("0.0.0.0", 0)) as listener:
        client = net.keep(net.socket.create_connection(("0.0.0.0", listener.getsockname()[1])))
        accepted, address = listener.accept()
        accepted.close()
        assert address[0] == "127.0.0.1" == client.getpeername()[0]


def test_accept_does_not_wait_when_it_must_not(net):
    listener = net.listener()
    listener.setblocking(False)
    with pytest.raises(BlockingIOError, match=r"^\[Errno 11\] Resource temporarily unavailable$"):
        listener.accept()


def test_accept_gives_up_after_its_timeout(net):
    listener = net.listener()
    listener.settimeout(0.02)
    began = net.now()
    with pytest.raises(TimeoutError, match=r"^timed out$") as caught:
        listener.accept()
    assert caught.value.errno is None
    assert net.now() - began >= 0.0199


def test_accept_waits_for_a_client(net):
    listener = net.listener()
    waiting = net.spawn(listener.accept)
    net.settle()
    assert not waiting.done
    client = net.keep(net.socket.create_connection(listener.getsockname()))
    server, address = waiting.result(10)
    net.keep(server)
    assert address == client.getsockname()


def test_accepted_sockets_take_the_default_timeout_not_the_listeners(net):
    listener = net.listener()
    listener.settimeout(7)
    net.keep(net.socket.create_connection(listener.getsockname()))
    server, _ = listener.accept()
    net.keep(server)
    assert server.gettimeout() is None


def test_the_default_timeout_is_for_new_sockets(net):
    assert net.socket.getdefaulttimeout() is None
    net.socket.setdefaulttimeout(3)
    try:
        assert net.socket.getdefaulttimeout() == 3
        assert net.tcp().gettimeout() == 3
        assert [sock.gettimeout() for sock in net.pair()] == [3, 3]
    finally:
        net.socket.setdefaulttimeout(None)
    assert net.tcp().gettimeout() is None


def test_a_connection_that_nobody_accepts_takes_bytes(net):
    listener = net.listener()
    client = net.keep(net.socket.create_connection(listener.getsockname()))
    client.sendall(b"early")
    server, _ = listener.accept()
    assert net.keep(server).recv(10) == b"early"


def test_a_listener_that_closes_resets_who_was_not_accepted(net):
    listener = net.listener()
    client = net.keep(net.socket.create_connection(listener.getsockname()))
    listener.close()
    net.settle()
    with pytest.raises(ConnectionResetError, match=r"^\[Errno 104\] Connection reset by peer$"):
        client.recv(1)


def test_as_many_as_the_backlog_and_one_wait_to_be_accepted(net):
    listener = net.tcp()
    listener.bind(("127.0.0.1", 0))
    listener.listen(2)
    clients = [net.tcp() for _ in range(4)]
    for client in clients:
        client.setblocking(False)
        assert client.connect_ex(listener.getsockname()) == errno.EINPROGRESS
    net.nap()
    assert len(net.select.select([], clients, [], 0)[1]) == 3


def test_create_connection_tries_every_address(net, monkeypatch):
    listener = net.listener()
    port = listener.getsockname()[1]
    rows = [(net.socket.AF_INET, net.socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.2", "127.0.0.3", "127.0.0.1")]
    monkeypatch.setattr(net.socket, "getaddrinfo", lambda *args, **options: rows)
    assert net.keep(net.socket.create_connection(("several", port))).getpeername() == ("127.0.0.1", port)


def test_create_connection_reports_the_first_error_or_all(net, monkeypatch):
    rows = [(net.socket.AF_INET, net.socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (net.nobody()[1], net.nobody()[1])]
    monkeypatch.setattr(net.socket, "getaddrinfo", lambda *args, **options: rows)
    with pytest.raises(OSError, match="Connection refused"):
        net.socket.create_connection(("several", 1))
    with pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
        net.socket.create_connection(("several", 1), all_errors=True)
    assert [type(error) for error in caught.value.exceptions] == [ConnectionRefusedError] * 2
    monkeypatch.setattr(net.socket, "getaddrinfo", lambda *args, **options: [])
    with pytest.raises(OSError, match="getaddrinfo returns an empty list"):
        net.socket.create_connection(("none", 1))


def test_create_connection_binds_to_the_source_and_keeps_the_timeout(net):
    listener = net.listener()
    with net.socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    client = net.keep(net.socket.create_connection(listener.getsockname(), timeout=4, source_address=("127.0.0.1", port)))
    assert client.getsockname() == ("127.0.0.1", port)
    assert client.gettimeout() == 4


def test_create_server_listens_with_reuseaddr(net):
    with net.socket.create_server(("127.0.0.1", 0), backlog=3) as server:
        assert server.getsockopt(real_socket.SOL_SOCKET, real_socket.SO_REUSEADDR) == 1
        assert server.getsockopt(real_socket.SOL_SOCKET, real_socket.SO_ACCEPTCONN) == 1
        net.keep(net.socket.create_connection(server.getsockname()))


def test_a_blocking_send_waits_for_a_connection_under_way(net):
    listener = net.listener()
    sock = net.tcp()
    sock.setblocking(False)
    sock.connect_ex(listener.getsockname())
    sock.setblocking(True)
    sock.sendall(b"hello")
    server, _ = listener.accept()
    assert net.keep(server).recv(10) == b"hello"


def test_descriptors_count_duplicates(net):
    client, server = net.pair()
    other = net.keep(client.dup())
    assert other.fileno() != client.fileno()
    assert other.getpeername() == client.getpeername()
    client.close()
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(1)
    other.sendall(b"still here")
    assert server.recv(100) == b"still here"
    other.close()
    assert server.recv(100) == b""


def test_a_duplicate_is_of_the_same_class_and_timeout(net):
    class Special(net.socket.socket):
        pass

    with Special() as sock:
        sock.settimeout(2)
        with sock.dup() as other:
            assert type(other) is Special
            assert other.gettimeout() == 2


def test_detach_gives_the_descriptor_away_and_leaves_the_connection(net):
    client, server = net.pair()
    fd = client.detach()
    assert client.fileno() == -1
    with net.socket.socket(fileno=fd) as again:
        again.sendall(b"same")
        assert server.recv(10) == b"same"
        assert again.getpeername() == server.getsockname()
    assert server.recv(10) == b""


def test_a_socket_closes_at_the_end_of_its_block(net):
    client, server = net.pair()
    with client as same:
        assert same is client
    assert client.fileno() == -1
    assert server.recv(1) == b""
    client.close()


def test_repr_tells_what_is_known(net):
    client, server = net.pair()
    name = f"{type(client).__module__}.socket"
    text = f"<{name} fd={client.fileno()}, family=2, type=1, proto={client.proto}, laddr={client.getsockname()!r}, raddr={server.getsockname()!r}>"
    assert repr(client) == text
    client.close()
    assert repr(client) == f"<{name} [closed] fd=-1, family=2, type=1, proto={client.proto}>"


def test_a_subclass_with_a_constructor_of_its_own_works(net):
    class Counting(net.socket.socket):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.sent = 0

        def sendall(self, data, flags=0):
            self.sent += len(data)
            super().sendall(data, flags)

    listener = net.listener()
    with Counting() as client:
        client.connect(listener.getsockname())
        net.keep(listener.accept()[0])
        client.sendall(b"12345")
        assert client.sent == 5
        assert isinstance(client, net.socket.socket) and isinstance(client, real_socket.socket)


def test_a_pair_of_sockets_is_connected(net):
    one, other = map(net.keep, net.socket.socketpair())
    one.sendall(b"x")
    assert other.recv(10) == b"x"
    assert (one.family, one.getsockname(), one.getpeername()) == (real_socket.AF_UNIX, "", "")
    one.shutdown(real_socket.SHUT_WR)
    assert other.recv(10) == b""
    other.sendall(b"back")
    assert one.recv(10) == b"back"


def test_who_connects_to_any_loopback_address_comes_from_127_0_0_1(twins):
    def program(net, notes):
        listener = net.keep(net.socket.create_server(("127.0.0.2", 0)))
        client = net.keep(net.socket.create_connection(listener.getsockname()))
        accepted, address = listener.accept()
        net.keep(accepted)
        notes("stream", lambda: (client.getsockname()[0], address[0], accepted.getsockname()[0]))
        inbox = net.keep(net.socket.socket(2, 2))
        inbox.bind(("127.0.0.3", 0))
        outbox = net.keep(net.socket.socket(2, 2))
        outbox.sendto(b"x", inbox.getsockname())
        notes("datagram", lambda: inbox.recvfrom(5)[1][0])
        outbox.connect(("127.0.0.9", 9))
        notes("connected", lambda: outbox.getsockname()[0])
        bound = net.keep(net.socket.socket(2, 2))
        bound.bind(("127.0.0.4", 0))
        bound.sendto(b"y", inbox.getsockname())
        notes("bound", lambda: inbox.recvfrom(5)[1][0])

    twins(program)


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "0.0.0.0"])
def test_the_port_that_the_system_picks_is_never_the_one_that_is_connected_to(sim, ip):
    """The first of the ephemeral range would be, and the socket would meet itself."""
    sock = sim.network.socket.socket()
    assert sock.connect_ex((ip, 32_768)) == errno.ECONNREFUSED
    datagrams = sim.network.socket.socket(2, 2)
    datagrams.sendto(b"x", (ip, 32_768))
    assert datagrams.getsockname()[1] == 32_769
    connected = sim.network.socket.socket(2, 2)
    connected.connect((ip, 32_770))
    assert connected.getsockname()[1] == 32_771
    elsewhere = sim.network.socket.socket()
    elsewhere.bind(("127.0.0.1", 0))
    assert elsewhere.connect_ex(elsewhere.getsockname()) == 0  # who asks for it by name meets itself, as on Linux


def test_the_own_address_towards_one_that_nobody_has(sim):
    with sim.host("server") as host:
        sock = sim.network.socket.socket(2, 2)
        sock.connect(("8.8.8.8", 80))
        assert sock.getsockname()[0] == host.addresses[0] and sock.getpeername() == ("8.8.8.8", 80)
        with pytest.raises(OSError, match="Network is unreachable"):
            sock.send(b"x")


@pytest.mark.parametrize("kind", ["tcp", "timeout", "unix path", "unix name"])
def test_who_tries_again_and_again_until_somebody_listens_lets_time_pass(sim, kind, tmp_path, monkeypatch):
    """Nothing else in the loop would: neither is there a wait, nor does what the loop can reach come back to what it was."""
    monkeypatch.chdir(tmp_path)
    socket, time = sim.network.socket, sim.network.time
    family, address = {"unix path": (socket.AF_UNIX, "here"), "unix name": (socket.AF_UNIX, "\0here")}.get(kind, (socket.AF_INET, ("127.0.0.1", 777)))

    def serve():
        time.sleep(0.5)
        with socket.socket(family) as listener:
            listener.bind(address)
            listener.listen()
            listener.accept()[0].close()

    server = sim.spawn(serve)
    while True:
        with socket.socket(family) as client:
            if kind == "timeout":
                client.settimeout(3)
            if not client.connect_ex(address):
                break
    assert 0.5 <= sim.now < 0.7
    server.result()


def test_a_few_refusals_cost_nothing(sim):
    for _ in range(60):
        with sim.network.socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", 777))
    assert sim.now == 0
