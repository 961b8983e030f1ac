"""``UDPServer`` and ``DatagramRequestHandler``: a request is a datagram, and the reply is one too."""

from __future__ import annotations

import pytest

from simsock import socketserver


class Upper(socketserver.DatagramRequestHandler):
    """Answers a datagram in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.read().upper())


@pytest.fixture
def client(bed):
    """A datagram socket on the host of the server."""
    names = bed.network.socket
    with names.socket(names.AF_INET, names.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        yield sock


def test_the_request_is_the_data_and_the_socket_of_the_server(make_server, client):
    seen = []
    server = make_server(socketserver.UDPServer, lambda *args: seen.append(args))
    client.sendto(b"hello", server.server_address)
    server.handle_request()
    assert seen == [((b"hello", server.socket), client.getsockname(), server)]


def test_what_is_written_is_one_datagram_to_the_client(make_server, client):
    class Handler(socketserver.DatagramRequestHandler):
        def handle(self):
            assert self.packet == b"one\ntwo\n"
            assert self.socket is server.socket
            for line in self.rfile:
                self.wfile.write(line.strip().upper() + b";")

    server = make_server(socketserver.UDPServer, Handler)
    client.sendto(b"one\ntwo\n", server.server_address)
    server.handle_request()
    data, address = client.recvfrom(100)
    assert data == b"ONE;TWO;"
    assert address == server.server_address


def test_nothing_written_is_an_empty_datagram(make_server, client):
    server = make_server(socketserver.UDPServer, socketserver.DatagramRequestHandler)
    client.sendto(b"hello", server.server_address)
    server.handle_request()
    assert client.recv(100) == b""


def test_an_empty_datagram_is_a_request(make_server, client):
    server = make_server(socketserver.UDPServer, Upper)
    client.sendto(b"", server.server_address)
    server.handle_request()
    assert client.recv(100) == b""


def test_what_was_written_before_an_error_is_sent(make_server, client, errors_of):
    class Handler(socketserver.DatagramRequestHandler):
        def handle(self):
            self.wfile.write(b"so far")
            raise ValueError

    server = make_server(socketserver.UDPServer, Handler)
    client.sendto(b"hello", server.server_address)
    server.handle_request()
    assert client.recv(100) == b"so far"
    assert len(errors_of(ValueError)) == 1


def test_a_datagram_is_cut_at_max_packet_size(make_server, client):
    class Small(socketserver.UDPServer):
        max_packet_size = 4

    server = make_server(Small, Upper)
    client.sendto(b"abcdefgh", server.server_address)
    client.sendto(b"next", server.server_address)
    server.handle_request()
    server.handle_request()
    assert client.recv(100) == b"ABCD"
    assert client.recv(100) == b"NEXT"


def test_eight_kibibytes_are_the_most_if_not_said_otherwise(make_server, client):
    sizes = []
    server = make_server(socketserver.UDPServer, lambda request, *args: sizes.append(len(request[0])))
    for size in (8192, 8193):
        client.sendto(b"x" * size, server.server_address)
        server.handle_request()
    assert sizes == [8192, 8192]


def test_datagram_servers_do_not_listen(make_server, spy):
    make_server(socketserver.UDPServer, Upper, network=spy)
    assert spy.backlogs == []


@pytest.mark.parametrize("verified", [True, False])
def test_the_end_of_a_request_leaves_the_socket_of_the_server_open(make_server, client, verified):
    told = []

    class Server(socketserver.UDPServer):
        def verify_request(self, request, client_address):
            return verified

        def shutdown_request(self, request):
            told.append("shutdown_request")
            super().shutdown_request(request)

        def close_request(self, request):
            told.append("close_request")
            super().close_request(request)

    server = make_server(Server, Upper)
    for _ in range(2):
        client.sendto(b"hello", server.server_address)
        server.handle_request()
        assert server.fileno() != -1
        if verified:
            assert client.recv(100) == b"HELLO"
    assert told == ["shutdown_request", "close_request"] * 2


def test_a_served_datagram_server_answers_several_clients(bed):
    served = bed.serve(Upper, server_class=socketserver.UDPServer)
    clients = [bed.datagram() for _ in range(3)]
    for number, client in enumerate(clients):
        client.sendto(b"hello %d" % number, served.address)
    assert [client.recv(100) for client in clients] == [b"HELLO 0", b"HELLO 1", b"HELLO 2"]
