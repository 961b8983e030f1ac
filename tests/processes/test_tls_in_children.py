"""TLS in forked processes: a forking HTTPS server, and workers that were forked before."""

from __future__ import annotations

import os
import socket
import socketserver

from simsock import Simulation
from tests.processes.children import child, status_of
from tests.tls.contexts import client_context, server_context


class Echo(socketserver.StreamRequestHandler):
    def setup(self):
        self.request.do_handshake()
        super().setup()

    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"%d " % os.getpid() + line.upper())


class Server(socketserver.ForkingTCPServer):
    def get_request(self):
        sock, address = super().get_request()
        return server_context().wrap_socket(sock, server_side=True, do_handshake_on_connect=False), address


def talk(address):
    with client_context().wrap_socket(socket.create_connection(address), server_hostname="server") as client:
        client.sendall(b"hello\n")
        return client.recv(100).split(), client.version()


def test_handlers_in_processes_of_their_own_speak_tls():
    def run():
        with Simulation(seed=1) as sim:
            served = sim.serve(Server, Echo, host="server")
            found = [talk(served.address) for _ in range(2)]
        return found, sim.digest

    (one, other), digest = run()
    assert [one[0][1], one[1], other[1]] == [b"HELLO", "TLSv1.3", "TLSv1.3"]
    assert one[0][0] != other[0][0]
    assert run()[1] == digest


def test_a_child_is_a_client_of_its_parent_over_tls(world):
    listener = socket.create_server(("127.0.0.1", 0))

    def call():
        context = client_context()
        with context.wrap_socket(socket.create_connection(listener.getsockname(), timeout=5), server_hostname="server") as client:
            client.sendall(b"x" * 100_000)
            assert client.recv(10) == b"100000"
        return 3

    pid = child(call)
    with server_context().wrap_socket(listener.accept()[0], server_side=True) as connection:
        size = 0
        while size < 100_000:
            size += len(connection.recv(65536))
        connection.sendall(b"%d" % size)
        assert connection.recv(1) == b""
    assert status_of(pid) == 3
