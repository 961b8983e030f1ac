"""Servers on Unix sockets, on the real network and in a world."""

from __future__ import annotations

import pytest

from simsock import socketserver


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
def test_a_stream_server_is_reached_by_its_path(bed, path, server_class):
    names = bed.network.socket
    with server_class(path, Upper, network=bed.network) as server, names.socket(names.AF_UNIX) as client:
        assert server.server_address == path
        client.connect(path)
        client.sendall(b"hello\n")
        server.handle_request()
        assert client.recv(100) == b"HELLO\n"


def test_a_stream_server_may_use_a_selector(bed, path):
    class Handler(socketserver.SelectorRequestHandler):
        def handle(self):
            self.write((yield self.readline()).upper())

    names = bed.network.socket
    with socketserver.SelectorUnixStreamServer(path, Handler, network=bed.network) as server, names.socket(names.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"hello\n")
        server.handle_request()
        assert client.recv(100) == b"HELLO\n"


@pytest.mark.parametrize("server_class", [socketserver.UnixDatagramServer, socketserver.ThreadingUnixDatagramServer, socketserver.ThreadPoolUnixDatagramServer])
def test_a_datagram_server_is_reached_by_its_path(bed, path, server_class):
    names = bed.network.socket
    with server_class(path, UpperDatagram, network=bed.network) as server, names.socket(names.AF_UNIX, names.SOCK_DGRAM) as client:
        client.bind("client")
        client.sendto(b"hello", path)
        server.handle_request()
        assert client.recv(100) == b"HELLO"


@pytest.mark.parametrize("server_class", [socketserver.UnixStreamServer, socketserver.ThreadingUnixStreamServer])
def test_a_stream_server_serves_many_clients_until_it_is_shut_down(bed, path, server_class):
    names = bed.network.socket
    with server_class(path, Upper, network=bed.network) as server:
        loop = bed.spawn(server.serve_forever)
        for word in (b"one", b"two", b"three"):
            with names.socket(names.AF_UNIX) as client:
                client.settimeout(10)
                client.connect(path)
                client.sendall(word + b"\n")
                with client.makefile("rb") as lines:
                    assert lines.read() == word.upper() + b"\n"
        server.shutdown()
        loop.result(10)
    with names.socket(names.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
        client.connect(path)
    bed.network.os.unlink(path)
    with names.socket(names.AF_UNIX) as client, pytest.raises(FileNotFoundError):
        client.connect(path)


@pytest.mark.parametrize("server_class", [socketserver.UnixDatagramServer, socketserver.ThreadingUnixDatagramServer])
def test_a_datagram_server_answers_clients_that_have_a_name(bed, path, server_class):
    names = bed.network.socket
    with server_class(path, UpperDatagram, network=bed.network) as server:
        loop = bed.spawn(server.serve_forever)
        with names.socket(names.AF_UNIX, names.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.bind("")
            assert client.getsockname()[0] == 0
            for word in (b"one", b"two"):
                client.sendto(word, path)
                assert client.recvfrom(100) == (word.upper(), path)
        server.shutdown()
        loop.result(10)


def test_an_option_that_unix_sockets_refuse_is_not_set(bed, path):
    class Server(socketserver.UnixStreamServer):
        allow_reuse_port = True

    with Server(path, Upper, network=bed.network) as server:
        names = bed.network.socket
        assert server.socket.getsockopt(names.SOL_SOCKET, names.SO_REUSEPORT) == 0
