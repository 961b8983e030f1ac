"""Worlds one after another, what is left of one after its end, and how a server with very many connections behaves."""

from __future__ import annotations

import gc
import weakref

import pytest

from simsock.errors import Unsupported, UsageError, WorldEnded
from simsock.net.fabric import fabric_of
from simsock.stdlib import select, selectors, socket
from simsock.world.simulation import Simulation


def test_worlds_share_neither_ports_nor_names_nor_defaults():
    seen = []
    for _ in range(2):
        with Simulation() as sim:
            with pytest.raises(socket.gaierror):
                socket.gethostbyname("server")
            with sim.host("server"):
                server = socket.create_server(("10.0.0.2", 80))
            client = sim.connect(("server", 80))
            seen.append((client.getsockname(), client.fileno(), server.fileno(), socket.getdefaulttimeout()))
            socket.setdefaulttimeout(3)
    assert seen[0] == seen[1]
    assert seen[0][3] is None


def test_a_socket_that_outlives_its_world_says_so():
    with Simulation() as sim:
        server = socket.create_server(("127.0.0.1", 80))
        client = sim.connect(("127.0.0.1", 80), host="localhost")
        file = client.makefile("rb")
    calls = [
        lambda: client.recv(1),
        lambda: client.sendall(b"x"),
        lambda: client.getpeername(),
        lambda: server.accept(),
        lambda: client.connect(("127.0.0.1", 80)),
        lambda: file.readline(),
        lambda: client.setsockopt(1, 2, 1),
        lambda: client.dup(),
    ]
    for call in calls:
        with pytest.raises(WorldEnded, match="belongs to a world that has ended"):
            call()
    with Simulation():
        for call in calls:
            with pytest.raises(WorldEnded):
                call()
        server.close()
    client.close()
    file.close()
    assert client.fileno() == -1
    assert repr(client).startswith("<socket.socket [closed] fd=-1")


def test_outside_every_world_there_are_no_sockets():
    for call in (socket.socket, socket.socketpair, socket.gethostname, select.poll().poll, lambda: select.select([], [], [], 0)):
        with pytest.raises(UsageError, match="no world is running here"):
            call()


def test_real_sockets_in_a_poller_of_a_world_are_an_error_that_says_so():
    import socket as real_socket

    with real_socket.socket() as real, Simulation(), selectors.DefaultSelector() as selector:
        for ask in (lambda: select.select([real], [], [], 0), lambda: selector.register(real, selectors.EVENT_READ)):
            with pytest.raises(Unsupported, match="it is a real one, made outside this world: nothing inside a world can wait for it"):
                ask()


def test_a_socket_that_nobody_holds_is_closed(sim):
    listener = socket.create_server(("127.0.0.1", 80))
    client = socket.create_connection(("127.0.0.1", 80))
    server, _ = listener.accept()
    del client
    assert server.recv(1) == b""
    cycle = [server]
    cycle.append(cycle)
    del server, cycle
    sim.settle()
    listener.close()
    assert sim._kernel.files == {}


def test_closed_connections_are_forgotten(sim):
    listener = socket.create_server(("127.0.0.1", 80))
    net = fabric_of(sim._kernel)
    files = []
    for how in range(60):
        client = socket.create_connection(("127.0.0.1", 80))
        server, _ = listener.accept()
        files += [weakref.ref(sim._kernel.files[sock.fileno()]) for sock in (client, server)]
        first, second = (client, server) if how % 2 else (server, client)
        if how % 3 == 1:
            first.sendall(b"unread")
        if how % 3 == 2:
            first.shutdown(socket.SHUT_WR)
        first.close()
        second.close()
    del client, server, first, second
    assert gc.isenabled() is False
    assert [file for file in files if file() is not None] == [], "also without the garbage collector"
    assert len(net.localhost.tcp._bound) == 1
    assert net.localhost.tcp._held == {}
    assert len(sim._kernel.files) == 1
    listener.close()


def steps_of(count):
    with Simulation() as sim:
        with sim.host("server"):
            listener = socket.create_server(("10.0.0.2", 80), backlog=count)
        clients, servers = [], []
        for number in range(count):
            clients.append(sim.connect(("10.0.0.2", 80), host=f"client-{number % 3}"))
            servers.append(listener.accept()[0])
        for client in clients:
            client.sendall(b"ping")
        for server in servers:
            server.sendall(server.recv(10))
        assert all(client.recv(10) == b"ping" for client in clients)
        for sock in clients + servers:
            sock.close()
        return sim._kernel.steps


def test_connections_cost_the_same_however_many_there_are():
    few, many = steps_of(500), steps_of(2000)
    assert many <= 4 * few + 100


@pytest.mark.slow
def test_ten_thousand_connections_on_one_server():
    assert steps_of(10_000) <= 20 * steps_of(500) + 100
