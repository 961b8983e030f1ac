"""Names, addresses and their forms. What exists on this machine is compared with it; the world's own names only there."""

from __future__ import annotations

import socket as real_socket

import pytest

from simsock.errors import Unsupported, UsageError


def test_hosts_of_a_world_resolve_by_name(sim):
    sockets = sim.network.socket
    server = sim.host("server", addresses=["192.0.2.7", "2001:db8::7"])
    stream = (sockets.SOCK_STREAM, 6, "")
    assert sockets.gethostbyname("server") == "192.0.2.7"
    assert sockets.gethostbyname("SERVER") == "192.0.2.7"
    assert sockets.gethostbyname_ex("server") == ("server", [], ["192.0.2.7"])
    assert sockets.gethostbyaddr("192.0.2.7") == ("server", [], ["192.0.2.7"])
    assert sockets.getaddrinfo("server", 80, type=sockets.SOCK_STREAM) == [
        (sockets.AF_INET, *stream, ("192.0.2.7", 80)),
        (sockets.AF_INET6, *stream, ("2001:db8::7", 80, 0, 0)),
    ]
    assert sockets.getaddrinfo("server", "http", sockets.AF_INET6, sockets.SOCK_STREAM) == [(sockets.AF_INET6, *stream, ("2001:db8::7", 80, 0, 0))]
    assert sockets.getfqdn("192.0.2.7") == "server"
    assert sockets.getnameinfo(("192.0.2.7", 80), 0) == ("server", "http")
    assert sockets.getnameinfo(("192.0.2.7", 80), sockets.NI_NUMERICHOST | sockets.NI_NUMERICSERV) == ("192.0.2.7", "80")
    assert sockets.getnameinfo(("2001:db8::7", 8081, 0, 0), 0) == ("server", "8081")
    assert server.addresses == ("192.0.2.7", "2001:db8::7")


def test_nobody_else_resolves(sim):
    sockets = sim.network.socket
    for name in ("example.com", "no such", "server"):
        with pytest.raises(sockets.gaierror, match="Name or service not known") as caught:
            sockets.getaddrinfo(name, 80)
        assert caught.value.errno == sockets.EAI_NONAME
    with pytest.raises(sockets.herror, match="Unknown host"):
        sockets.gethostbyaddr("192.0.2.1")
    with pytest.raises(sockets.gaierror):
        sockets.getnameinfo(("192.0.2.1", 80), sockets.NI_NAMEREQD)


def test_a_task_asks_for_the_name_of_its_own_host(sim):
    sockets = sim.network.socket
    assert sockets.gethostname() == "localhost"
    with sim.host("server"):
        assert (sockets.gethostname(), sockets.getfqdn(), sockets.getfqdn("0.0.0.0")) == ("server",) * 3
    assert sim.spawn(sockets.gethostname, host="elsewhere").result() == "elsewhere"


def test_localhost_is_everybodys_own(sim):
    sockets = sim.network.socket
    with sim.host("server"):
        listener = sockets.create_server(("localhost", 80))
        sim.connect(("localhost", 80), host="server")
        assert listener.accept()[1][0] == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        sim.connect(("localhost", 80))


def test_hosts_are_numbered_in_the_order_in_which_they_are_named(sim):
    assert [sim.host(name).addresses for name in ("b", "a", "b")] == [("10.0.0.2", "fd00::2"), ("10.0.0.3", "fd00::3"), ("10.0.0.2", "fd00::2")]


def test_connecting_by_name_takes_the_family_of_the_socket(sim):
    sockets = sim.network.socket
    with sim.host("server"):
        listener = sockets.create_server(("::", 80), family=sockets.AF_INET6, dualstack_ipv6=True)
    for family, ip in ((sockets.AF_INET, "10.0.0.2"), (sockets.AF_INET6, "fd00::2")):
        with sockets.socket(family) as client:
            client.connect(("server", 80))
            assert client.getpeername()[0] == ip
            listener.accept()[0].close()


@pytest.mark.parametrize(
    ("name", "addresses", "text"),
    [
        ("", None, "expected a name without blanks, got ''"),
        ("a b", None, "got 'a b'"),
        ("x" * 300, None, "expected a name without blanks"),
        ("server", ["127.0.0.1"], "that others can reach, got '127.0.0.1'"),
        ("server", ["0.0.0.0"], "got '0.0.0.0'"),
        ("server", ["1.2.3"], "got '1.2.3'"),
        ("server", ["10.0.0.1"], "address 10.0.0.1 belongs to host 'localhost'"),
        ("localhost", ["10.0.0.9"], "host 'localhost' exists already, with addresses 10.0.0.1, fd00::1"),
    ],
)
def test_hosts_that_make_no_sense_are_named(sim, name, addresses, text):
    with pytest.raises(UsageError) as caught:
        sim.host(name, addresses)
    assert text in str(caught.value)


def test_conversions_and_constants_are_the_real_modules(sim):
    sockets = sim.network.socket
    for name in real_socket.__all__:
        if name.isupper():
            assert getattr(sockets, name) is getattr(real_socket, name)
    assert sockets.inet_pton(sockets.AF_INET, "1.2.3.4") == b"\1\2\3\4"
    assert sockets.inet_ntoa(b"\1\2\3\4") == "1.2.3.4"
    assert sockets.htons(1) == real_socket.htons(1)
    assert sockets.timeout is TimeoutError and sockets.error is OSError
    assert sockets.has_ipv6 and sockets.has_dualstack_ipv6()
    assert sockets.SocketType is sockets.socket


def test_what_is_not_simulated_says_so(sim, monkeypatch):
    sockets = sim.network.socket
    monkeypatch.setattr(real_socket, "teleport", None, raising=False)
    with pytest.raises(Unsupported, match=r"socket\.teleport is not simulated yet"):
        sockets.teleport()
    assert not hasattr(sockets, "teleport") and getattr(sockets, "teleport", 5) == 5
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        sockets.nonsense  # noqa: B018  # the look-up is the test
    with pytest.raises(Unsupported, match=r"address family <AddressFamily\.AF_PACKET: 17> is not simulated"):
        sockets.socket(sockets.AF_PACKET)
    with pytest.raises(Unsupported, match=r"type <SocketKind\.SOCK_RAW: 3> is not simulated"):
        sockets.socket(sockets.AF_INET, sockets.SOCK_RAW)
    sock = sockets.socket()
    with pytest.raises(Unsupported, match="recv: flags 0x2000 "):
        sock.recv(1, sockets.MSG_ERRQUEUE)
    with pytest.raises(Unsupported, match="send: flags 0x20000000 "):
        sock.send(b"x", sockets.MSG_FASTOPEN)
    for number, name in ((37, "SO_TIMESTAMPING"), (40, "SO_RXQ_OVFL")):
        with pytest.raises(Unsupported, match=f"setsockopt: {name} \\(option .*\\) is not simulated"):
            sock.setsockopt(sockets.SOL_SOCKET, number, 1)
    sock.close()
