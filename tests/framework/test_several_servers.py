"""More than one server: in one process with one selector, on one port, and of another address family; and what worlds refuse."""

from __future__ import annotations

import socketserver as standard

import pytest

import simsock
from simsock import socketserver
from simsock.errors import Unsupported

STREAM_SERVERS = [socketserver.TCPServer, socketserver.ThreadingTCPServer, socketserver.ThreadPoolTCPServer, socketserver.SelectorTCPServer]


class Upper(socketserver.StreamRequestHandler):
    """Answers one line in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


class UpperInSelector(socketserver.SelectorRequestHandler):
    """The same for servers with a selector."""

    def handle(self):
        self.write((yield self.readline()).upper())


class UpperDatagram(socketserver.DatagramRequestHandler):
    """The same for datagrams."""

    def handle(self):
        self.wfile.write(self.rfile.read().upper())


def handler_for(server_class):
    return UpperInSelector if issubclass(server_class, socketserver.SelectorMixIn) else Upper


def asked(client, line):
    client.sendall(line)
    return client.recv(100)


@pytest.mark.parametrize("selector_class", ["DefaultSelector", "PollSelector", "SelectSelector"])
def test_one_selector_serves_servers_of_every_kind(bed, make_server, dial, selector_class):
    servers = [make_server(kind, handler_for(kind)) for kind in STREAM_SERVERS]
    servers.append(make_server(socketserver.UDPServer, UpperDatagram))
    names = bed.network.socket
    told = []
    with getattr(bed.network.selectors, selector_class)() as selector, names.socket(names.AF_INET, names.SOCK_DGRAM) as datagrams:
        for server in servers:
            selector.register(server, bed.network.selectors.EVENT_READ, server)
        assert selector.select(0) == []
        # The last one first: who is ready decides, not who was registered first.
        datagrams.settimeout(10)
        datagrams.sendto(b"datagram", servers[-1].server_address)
        for server in reversed(servers):
            if server is not servers[-1]:
                client = dial(server)
                client.sendall(b"stream\n")
            [(key, _events)] = selector.select(10)
            assert key.data is server
            assert key.fd == server.fileno()
            key.data.handle_request()
            told.append(datagrams.recv(100) if server is servers[-1] else client.recv(100))
        assert selector.select(0) == []
    assert told == [b"DATAGRAM"] + [b"STREAM\n"] * len(STREAM_SERVERS)


def test_servers_are_told_apart_when_several_are_ready_at_once(bed, make_server, dial):
    servers = [make_server(socketserver.TCPServer, Upper) for _ in range(3)]
    clients = {server: dial(server) for server in (servers[2], servers[0])}
    for client in clients.values():
        client.sendall(b"hello\n")
    with bed.network.selectors.DefaultSelector() as selector:
        for server in servers:
            selector.register(server, bed.network.selectors.EVENT_READ)
        bed.network.time.sleep(0.01)
        ready = {key.fileobj for key, _events in selector.select(10)}
    assert ready == set(clients)
    for server in ready:
        server.handle_request()
        assert clients[server].recv(100) == b"HELLO\n"


@pytest.mark.parametrize("server_class", STREAM_SERVERS)
def test_servers_that_both_allow_it_share_a_port_and_others_do_not(bed, make_server, server_class):
    handler = handler_for(server_class)

    class Sharing(server_class):
        allow_reuse_port = True

    first = make_server(Sharing, handler)
    second = make_server(Sharing, handler, address=first.server_address)
    assert second.server_address == first.server_address
    with pytest.raises(OSError, match="in use"):
        make_server(server_class, handler, address=first.server_address)


def test_of_servers_that_share_a_port_one_that_is_left_gets_every_connection(bed, make_server, dial):
    class Sharing(socketserver.TCPServer):
        allow_reuse_port = True

    first = make_server(Sharing, Upper)
    second = make_server(Sharing, Upper, address=first.server_address)
    first.server_close()
    for _ in range(3):
        client = dial(second)
        client.sendall(b"hello\n")
        second.handle_request()
        assert client.recv(100) == b"HELLO\n"


@pytest.mark.parametrize("server_class", STREAM_SERVERS)
def test_the_address_family_of_a_stream_server_is_its_subclass_s_to_choose(bed, make_server, dial, server_class):
    class Six(server_class):
        address_family = bed.network.socket.AF_INET6

    server = make_server(Six, handler_for(server_class), address=("::1", 0))
    assert server.server_address[0] == "::1"
    assert len(server.server_address) == 4
    serving = bed.spawn(server.serve_forever)
    client = dial(server)
    assert client.family == bed.network.socket.AF_INET6
    assert asked(client, b"hello\n") == b"HELLO\n"
    client.close()
    server.shutdown()
    serving.result(10)


@pytest.mark.parametrize("server_class", [socketserver.UDPServer, socketserver.ThreadingUDPServer, socketserver.ThreadPoolUDPServer])
def test_the_address_family_of_a_datagram_server_is_its_subclass_s_to_choose(bed, make_server, server_class):
    names = bed.network.socket

    class Six(server_class):
        address_family = names.AF_INET6

    server = make_server(Six, UpperDatagram, address=("::1", 0))
    with names.socket(names.AF_INET6, names.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.sendto(b"hello", server.server_address)
        server.handle_request()
        assert client.recv(100) == b"HELLO"


@pytest.mark.parametrize("server_class", [socketserver.ForkingTCPServer, socketserver.ForkingUDPServer])
def test_in_a_world_that_is_not_patched_a_server_that_forks_says_what_it_needs(server_class):
    from simsock.world.simulation import Simulation

    with Simulation(patch=False) as sim, sim.expect_errors(Unsupported) as caught:
        served = sim.serve(server_class, Upper)
        if server_class is socketserver.ForkingTCPServer:
            assert sim.connect(served).recv(1) == b""  # the request ended in the error, and the server lives
        else:
            sim.datagram().sendto(b"hello", served.address)
        sim.settle()
    assert [str(error) for error in caught.errors] == ["os.fork: processes are simulated in patched worlds only"]


@pytest.mark.parametrize("module", [socketserver, standard])
def test_a_server_made_outside_the_world_is_an_error_that_says_what_to_do(module):
    with standard.TCPServer(("127.0.0.1", 0), standard.BaseRequestHandler) as server, simsock.Simulation() as sim:
        with pytest.raises(simsock.UsageError, match=r"serve: <socketserver\.TCPServer .* has a real socket, .*made outside this world\. Make it inside"):
            sim.serve(server)
        inside = module.TCPServer(("127.0.0.1", 0), module.BaseRequestHandler)
        assert sim.serve(inside).address == inside.server_address
