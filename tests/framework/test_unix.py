"""Servers on Unix sockets, on the real network; worlds have none yet."""

from __future__ import annotations

import pytest

from simsock import socketserver

pytestmark = pytest.mark.real


class Upper(socketserver.StreamRequestHandler):
    """Answers one line in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


class UpperDatagram(socketserver.DatagramRequestHandler):
    """Answers a datagram in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.read().upper())


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A path short enough for an address, which has room for some hundred bytes only."""
    monkeypatch.chdir(tmp_path)
    return "server"


@pytest.mark.parametrize("server_class", [socketserver.UnixStreamServer, socketserver.ThreadingUnixStreamServer, socketserver.ThreadPoolUnixStreamServer])
def test_a_stream_server_is_reached_by_its_path(real_bed, path, server_class):
    names = real_bed.network.socket
    with server_class(path, Upper, network=real_bed.network) as server, names.socket(names.AF_UNIX) as client:
        assert server.server_address == path
        client.connect(path)
        client.sendall(b"hello\n")
        server.handle_request()
        assert client.recv(100) == b"HELLO\n"


def test_a_stream_server_may_use_a_selector(real_bed, path):
    class Handler(socketserver.SelectorRequestHandler):
        def handle(self):
            self.write((yield self.readline()).upper())

    names = real_bed.network.socket
    with socketserver.SelectorUnixStreamServer(path, Handler, network=real_bed.network) as server, names.socket(names.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"hello\n")
        server.handle_request()
        assert client.recv(100) == b"HELLO\n"


@pytest.mark.parametrize("server_class", [socketserver.UnixDatagramServer, socketserver.ThreadingUnixDatagramServer, socketserver.ThreadPoolUnixDatagramServer])
def test_a_datagram_server_is_reached_by_its_path(real_bed, path, server_class):
    names = real_bed.network.socket
    with server_class(path, UpperDatagram, network=real_bed.network) as server, names.socket(names.AF_UNIX, names.SOCK_DGRAM) as client:
        client.bind("client")
        client.sendto(b"hello", path)
        server.handle_request()
        assert client.recv(100) == b"HELLO"


def test_an_option_that_unix_sockets_refuse_is_not_set(real_bed, path):
    class Server(socketserver.UnixStreamServer):
        allow_reuse_port = True

    with Server(path, Upper, network=real_bed.network) as server:
        names = real_bed.network.socket
        assert server.socket.getsockopt(names.SOL_SOCKET, names.SO_REUSEPORT) == 0
