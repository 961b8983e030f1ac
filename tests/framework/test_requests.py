"""The way of one request through a server: its override points, in which order, and what happens when one of them fails."""

from __future__ import annotations

import pytest

from simsock import socketserver


class Telling(socketserver.TCPServer):
    """A server that notes which override points are called, in ``told``."""

    def __init__(self, *args, **options):
        self.told = []
        super().__init__(*args, **options)

    def get_request(self):
        self.told.append("get_request")
        return super().get_request()

    def verify_request(self, request, client_address):
        self.told.append("verify_request")
        return super().verify_request(request, client_address)

    def process_request(self, request, client_address):
        self.told.append("process_request")
        super().process_request(request, client_address)

    def finish_request(self, request, client_address):
        self.told.append("finish_request")
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        self.told.append("handle_error")
        super().handle_error(request, client_address)

    def shutdown_request(self, request):
        self.told.append("shutdown_request")
        super().shutdown_request(request)

    def close_request(self, request):
        self.told.append("close_request")
        super().close_request(request)


class Quiet(socketserver.BaseRequestHandler):
    """Does nothing."""


class Greeting(socketserver.BaseRequestHandler):
    """Says hello and nothing more."""

    def handle(self):
        self.request.sendall(b"hello")


class Raising(socketserver.BaseRequestHandler):
    """Raises what its server has for it."""

    def handle(self):
        raise self.server.error


class Leave(BaseException):
    """Not an ``Exception``: it must not be hidden."""


def read_all(sock):
    parts = []
    while part := sock.recv(1000):
        parts.append(part)
    return b"".join(parts)


def test_the_override_points_are_called_in_their_documented_order(make_server, dial):
    server = make_server(Telling, Quiet)
    dial(server)
    server.handle_request()
    assert server.told == ["get_request", "verify_request", "process_request", "finish_request", "shutdown_request", "close_request"]


def test_every_override_point_gets_the_request_and_the_client_address(make_server, dial, errors_of):
    seen = []

    class Server(socketserver.TCPServer):
        def get_request(self):
            request, address = super().get_request()
            seen.append((request, address))
            return request, address

        def verify_request(self, *args):
            seen.append(args)
            return True

        def process_request(self, *args):
            seen.append(args)
            super().process_request(*args)

        def finish_request(self, *args):
            seen.append(args)
            super().finish_request(*args)

        def handle_error(self, *args):
            seen.append(args)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            seen.append((self.request, self.client_address))
            assert self.server is server
            raise ValueError("so that handle_error is called too")

    server = make_server(Server, Handler)
    client = dial(server)
    server.handle_request()
    server_end, address = seen[0]
    assert address == client.getsockname()
    assert len(seen) == 6
    assert all(request is server_end and whence == address for request, whence in seen)
    assert len(errors_of(ValueError)) == 1


def test_a_request_that_is_not_verified_is_shut_down_and_not_processed(make_server, dial):
    class Server(Telling):
        def verify_request(self, request, client_address):
            super().verify_request(request, client_address)
            return False

    server = make_server(Server, Greeting)
    client = dial(server)
    server.handle_request()
    assert server.told == ["get_request", "verify_request", "shutdown_request", "close_request"]
    assert read_all(client) == b""


def test_a_request_that_is_verified_is_processed(make_server, dial):
    class Server(Telling):
        def verify_request(self, request, client_address):
            super().verify_request(request, client_address)
            return "any true value"

    server = make_server(Server, Greeting)
    client = dial(server)
    server.handle_request()
    assert read_all(client) == b"hello"


def test_an_error_of_the_handler_is_handled_and_then_the_request_is_shut_down(make_server, dial, errors_of):
    server = make_server(Telling, Raising)
    server.error = ValueError("handlers fail")
    client = dial(server)
    server.handle_request()
    assert server.told == ["get_request", "verify_request", "process_request", "finish_request", "handle_error", "shutdown_request", "close_request"]
    assert read_all(client) == b""
    assert errors_of(ValueError) == [server.error]


def test_an_error_of_verify_request_is_handled_and_then_the_request_is_shut_down(make_server, dial, errors_of):
    class Server(Telling):
        def verify_request(self, request, client_address):
            raise LookupError("no such user")

    server = make_server(Server, Greeting)
    client = dial(server)
    server.handle_request()
    assert server.told == ["get_request", "handle_error", "shutdown_request", "close_request"]
    assert read_all(client) == b""
    assert len(errors_of(LookupError)) == 1


def test_a_request_whose_handle_error_raises_is_shut_down_all_the_same(make_server, dial, errors_of):
    class Server(Telling):
        def handle_error(self, request, client_address):
            raise  # noqa: PLE0704 - what is being handled: CPython's own tests do this

    server = make_server(Server, Raising)
    server.error = ValueError("handlers fail")
    client = dial(server)
    with pytest.raises(ValueError, match="handlers fail"):
        server.handle_request()
    assert server.told[-2:] == ["shutdown_request", "close_request"]
    assert read_all(client) == b""
    errors_of(ValueError)


@pytest.mark.parametrize("leaving", [Leave, SystemExit, KeyboardInterrupt])
def test_what_is_not_an_exception_is_not_handled_and_not_hidden_but_the_request_is_shut_down(make_server, dial, leaving):
    server = make_server(Telling, Raising)
    server.error = leaving()
    client = dial(server)
    with pytest.raises(leaving):
        server.handle_request()
    assert "handle_error" not in server.told
    assert server.told[-2:] == ["shutdown_request", "close_request"]
    assert read_all(client) == b""


def test_what_verify_request_raises_is_not_hidden_if_it_is_not_an_exception(make_server, dial):
    class Server(Telling):
        def verify_request(self, request, client_address):
            raise Leave

    server = make_server(Server, Quiet)
    dial(server)
    with pytest.raises(Leave):
        server.handle_request()
    assert server.told == ["get_request", "shutdown_request", "close_request"]


def test_a_server_goes_on_after_an_error_of_a_handler(bed, errors_of):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            data = self.request.recv(100)
            if data == b"bad":
                raise ValueError(data)
            self.request.sendall(data)

    served = bed.serve(Handler, server_class=socketserver.TCPServer)
    bed.connect(served).sendall(b"bad")
    client = bed.connect(served)
    client.sendall(b"good")
    assert read_all(client) == b"good"
    assert len(errors_of(ValueError)) == 1


def test_an_oserror_of_get_request_means_that_there_is_no_request(make_server, dial):
    class Server(Telling):
        def get_request(self):
            raise ConnectionAbortedError("the client has gone")

    server = make_server(Server, Quiet)
    dial(server)
    assert server.handle_request() is None
    assert server.told == []


def test_another_error_of_get_request_is_not_hidden(make_server, dial):
    class Server(Telling):
        def get_request(self):
            raise LookupError("a mistake in the program")

    server = make_server(Server, Quiet)
    dial(server)
    with pytest.raises(LookupError):
        server.handle_request()
    assert server.told == []


def test_shutting_a_request_down_ends_the_stream_also_when_the_connection_is_held_elsewhere(make_server, dial):
    held = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            held.append(self.request.dup())

    server = make_server(socketserver.TCPServer, Handler)
    client = dial(server)
    server.handle_request()
    # Closing alone would end nothing: the duplicate is open.
    assert client.recv(1) == b""
    client.sendall(b"still")
    held[0].settimeout(10)
    assert held[0].recv(100) == b"still"
    held[0].close()


def test_a_request_that_the_handler_has_closed_itself_is_no_error(make_server, dial):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.close()

    server = make_server(Telling, Handler)
    dial(server)
    server.handle_request()
    assert server.told[-2:] == ["shutdown_request", "close_request"]


def test_close_request_closes_the_connection(make_server, dial):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.server.seen = self.request

    server = make_server(socketserver.TCPServer, Handler)
    dial(server)
    server.handle_request()
    assert server.seen.fileno() == -1


def test_a_server_that_keeps_requests_open_can_do_so_by_overriding_shutdown_request(make_server, dial):
    class Server(socketserver.TCPServer):
        def shutdown_request(self, request):
            self.kept = request

    server = make_server(Server, Greeting)
    client = dial(server)
    server.handle_request()
    server.kept.sendall(b" and more")
    server.kept.close()
    assert read_all(client) == b"hello and more"


def test_the_bare_server_says_what_a_subclass_has_to_give_it(bed):
    server = socketserver.BaseServer("anywhere", Quiet, network=bed.network)
    with pytest.raises(NotImplementedError, match="BaseServer has no get_request"):
        server.get_request()
    with pytest.raises(NotImplementedError, match="BaseServer has no fileno"):
        server.fileno()
    assert server.server_close() is None
    assert server.server_activate() is None
    assert server.close_request("a request") is None


def test_a_server_of_another_kind_can_be_built_on_the_bare_one(bed):
    """A server whose requests are lines on a socket that it was given."""

    class LineServer(socketserver.BaseServer):
        def __init__(self, sock, handler, **options):
            super().__init__("a pipe", handler, **options)
            self.socket = sock

        def fileno(self):
            return self.socket.fileno()

        def get_request(self):
            return self.socket.recv(1), "the other end"

        def close_request(self, request):
            closed.append(request)

    handled, closed = [], []
    ours, theirs = bed.network.socket.socketpair()
    with ours, theirs, LineServer(ours, lambda *args: handled.append(args), network=bed.network) as server:
        theirs.sendall(b"x")
        server.handle_request()
    assert handled == [(b"x", "the other end", server)]
    assert closed == [b"x"]
