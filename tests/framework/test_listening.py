"""The server's own socket: made, bound, listening, closed, and nothing left behind when one of these fails."""

from __future__ import annotations

import errno

import pytest

from simsock import socketserver


class Upper(socketserver.StreamRequestHandler):
    """Answers one line in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


def option(server, name):
    names = server.network.socket
    return bool(server.socket.getsockopt(names.SOL_SOCKET, getattr(names, name)))


def test_the_server_address_becomes_the_one_that_the_socket_got(make_server):
    server = make_server(socketserver.TCPServer, Upper)
    host, port = server.server_address
    assert host == "127.0.0.1"
    assert port != 0
    assert server.server_address == server.socket.getsockname()


def test_the_server_has_what_it_was_made_with(bed, make_server):
    server = make_server(socketserver.TCPServer, Upper)
    assert server.RequestHandlerClass is Upper
    assert server.network is bed.network
    names = bed.network.socket
    assert (server.socket.family, server.socket.type) == (names.AF_INET, names.SOCK_STREAM)


def test_the_backlog_is_request_queue_size(make_server, spy):
    class Busy(socketserver.TCPServer):
        request_queue_size = 17

    make_server(socketserver.TCPServer, Upper, network=spy)
    make_server(Busy, Upper, network=spy)
    assert spy.backlogs == [(5,), (17,)]


@pytest.mark.parametrize("reuse", [True, False])
def test_allow_reuse_address_sets_the_option_before_binding(make_server, reuse):
    class Server(socketserver.TCPServer):
        allow_reuse_address = reuse
        before = None

        def server_bind(self):
            super().server_bind()
            self.before = option(self, "SO_REUSEADDR")

    assert make_server(Server, Upper).before is reuse


def test_addresses_and_ports_are_not_reused_if_not_said_otherwise(make_server):
    server = make_server(socketserver.TCPServer, Upper)
    assert not option(server, "SO_REUSEADDR")
    assert not option(server, "SO_REUSEPORT")


@pytest.mark.parametrize("server_class", [socketserver.TCPServer, socketserver.UDPServer])
def test_allow_reuse_port_sets_the_option(make_server, server_class):
    class Server(server_class):
        allow_reuse_port = True

    server = make_server(Server, Upper)
    assert option(server, "SO_REUSEPORT")
    assert not option(server, "SO_REUSEADDR")


def test_options_that_the_network_does_not_know_are_left_out(bed, make_server, spy):
    class Names:
        """A network without either option, as some systems are."""

        def __getattr__(self, name):
            if name in ("SO_REUSEADDR", "SO_REUSEPORT"):
                raise AttributeError(name)
            return getattr(bed.network.socket, name)

    class Server(socketserver.TCPServer):
        allow_reuse_address = True
        allow_reuse_port = True

    spy.socket = Names()
    server = make_server(Server, Upper, network=spy)
    assert server.socket.getsockopt(bed.network.socket.SOL_SOCKET, bed.network.socket.SO_REUSEADDR) == 0


def test_without_bind_and_activate_the_socket_is_there_but_not_bound(make_server, dial):
    server = make_server(socketserver.TCPServer, Upper, bind_and_activate=False)
    assert server.server_address == ("127.0.0.1", 0)
    assert server.socket.getsockname()[1] == 0
    server.server_bind()
    server.server_activate()
    client = dial(server)
    client.sendall(b"hello\n")
    server.handle_request()
    assert client.recv(100) == b"HELLO\n"


def test_without_activation_nobody_can_connect(bed, make_server, dial):
    server = make_server(socketserver.TCPServer, Upper, bind_and_activate=False)
    server.server_bind()
    with pytest.raises(ConnectionRefusedError):
        dial(server)


def test_binding_and_activating_may_be_overridden_and_come_in_this_order(make_server):
    told = []

    class Server(socketserver.TCPServer):
        def server_bind(self):
            told.append("bind")
            super().server_bind()

        def server_activate(self):
            told.append("activate")
            super().server_activate()

    make_server(Server, Upper)
    assert told == ["bind", "activate"]


@pytest.mark.parametrize("server_class", [socketserver.TCPServer, socketserver.UDPServer])
def test_nothing_stays_open_when_the_address_is_taken(make_server, spy, server_class):
    taken = make_server(server_class, Upper)
    with pytest.raises(OSError, match="in use") as caught:
        make_server(server_class, Upper, address=taken.server_address, network=spy)
    assert caught.value.errno == errno.EADDRINUSE
    assert [sock.fileno() for sock in spy.sockets] == [-1]


def test_nothing_stays_open_when_the_port_is_no_port(make_server, spy):
    with pytest.raises(OverflowError):
        make_server(socketserver.TCPServer, Upper, address=("127.0.0.1", -1), network=spy)
    assert [sock.fileno() for sock in spy.sockets] == [-1]


@pytest.mark.parametrize("failing", ["server_bind", "server_activate"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_stays_open_when_an_override_fails(make_server, spy, failing, error):
    class Server(socketserver.TCPServer):
        closed = 0

        def server_close(self):
            closed.append(self)
            super().server_close()

    def fail(self):
        raise error

    closed = []
    setattr(Server, failing, fail)
    with pytest.raises(error):
        make_server(Server, Upper, network=spy)
    assert [sock.fileno() for sock in spy.sockets] == [-1]
    assert len(closed) == 1


def test_fileno_is_that_of_the_socket(make_server):
    server = make_server(socketserver.TCPServer, Upper)
    assert server.fileno() == server.socket.fileno() >= 0
    server.server_close()
    assert server.fileno() == -1


def test_a_closed_server_takes_no_more_connections(make_server, dial):
    server = make_server(socketserver.TCPServer, Upper)
    server.server_close()
    with pytest.raises(ConnectionRefusedError):
        dial(server)


def test_as_a_context_manager_a_server_is_itself_and_is_closed_at_the_end(bed):
    server = socketserver.TCPServer(("127.0.0.1", 0), Upper, network=bed.network)
    with server as same:
        assert same is server
        assert server.fileno() != -1
    assert server.fileno() == -1


def test_as_a_context_manager_a_server_hides_no_error_and_is_closed_all_the_same(bed):
    with pytest.raises(LookupError), socketserver.TCPServer(("127.0.0.1", 0), Upper, network=bed.network) as server:
        raise LookupError
    assert server.fileno() == -1


def test_a_context_manager_closes_by_the_override_of_server_close(bed):
    closed = []

    class Server(socketserver.TCPServer):
        def server_close(self):
            closed.append(self)
            super().server_close()

    with Server(("127.0.0.1", 0), Upper, network=bed.network) as server:
        pass
    assert closed == [server]


def test_the_address_family_is_a_subclass_s_to_choose(bed, make_server, dial):
    class Six(socketserver.TCPServer):
        address_family = bed.network.socket.AF_INET6

    server = make_server(Six, Upper, address=("::1", 0))
    assert server.server_address[0] == "::1"
    client = dial(server)
    client.sendall(b"hello\n")
    server.handle_request()
    assert client.recv(100) == b"HELLO\n"


def test_the_socket_type_is_a_subclass_s_to_choose(bed, make_server):
    class Datagrams(socketserver.TCPServer):
        socket_type = bed.network.socket.SOCK_DGRAM

        def server_activate(self):
            pass

    assert make_server(Datagrams, Upper).socket.type == bed.network.socket.SOCK_DGRAM
