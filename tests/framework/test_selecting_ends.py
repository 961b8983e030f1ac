"""``SelectorMixIn``: how its requests end, and its servers; what is refused."""

from __future__ import annotations

import pytest

from simsock import socketserver
from simsock.errors import UsageError

from .selector_handlers import Base, Leave, Upper, all_of, reporting, saying, serve

__all__ = ["serve"]


# Ends


def test_the_connection_is_shut_down_when_the_handler_is_over(serve, dial):
    told = []

    class Server(socketserver.SelectorTCPServer):
        def shutdown_request(self, request):
            told.append("shutdown_request")
            super().shutdown_request(request)

    class Handler(Base):
        def setup(self):
            told.append("setup")

        def handle(self):
            told.append("handle")
            yield self.write(b"bye")

        def finish(self):
            told.append("finish")
            self.write(b" then")

    server = serve(Handler, Server)
    assert all_of(dial(server)) == b"bye then"
    assert told == ["setup", "handle", "finish", "shutdown_request"]
    assert not server._connections


def test_a_handler_without_waits_needs_no_yield(serve, dial):
    class Handler(Base):
        def handle(self):
            self.write(b"at once")

    assert all_of(dial(serve(Handler))) == b"at once"


def test_what_was_written_before_an_error_is_sent_and_the_error_handled(bed, serve, dial, errors_of):
    told = []

    class Server(socketserver.SelectorTCPServer):
        def handle_error(self, request, client_address):
            told.append(client_address)

        def shutdown_request(self, request):
            told.append("shutdown_request")
            super().shutdown_request(request)

    class Handler(Base):
        def handle(self):
            yield self.readline()
            self.write(b"so far")
            raise ValueError

        def finish(self):
            told.append("finish")

    client = dial(serve(Handler, Server))
    client.sendall(b"go\n")
    assert all_of(client) == b"so far"
    assert told == ["finish", client.getsockname(), "shutdown_request"]
    assert len(errors_of(ValueError)) == 1


def test_a_client_that_is_gone_while_the_last_bytes_are_sent_is_no_error(bed, serve, dial):
    class Big(Base):
        def handle(self):
            self.write(b"x" * 20_000_000)

    server = serve(Big)
    with dial(server) as client:
        client.recv(1)
    other = dial(server)
    assert other.recv(1) == b"x"
    while len(server._connections) > 1:
        bed.network.time.sleep(0.001)
    assert bed.errors == []


def test_a_client_that_breaks_off_is_an_error_where_the_handler_waits(bed, serve, dial, event):
    errors, over = [], event()

    class Handler(Base):
        def handle(self):
            try:
                while True:
                    yield self.write(b"x" * 100_000)
            except OSError as error:
                errors.append(type(error))
                over.set()
                raise

    class Server(socketserver.SelectorTCPServer):
        def handle_error(self, request, client_address):
            pass

    with bed.expect_errors(ConnectionError):
        with dial(serve(Handler, Server)) as client:
            client.recv(1)
        over.wait()
    assert issubclass(errors[0], ConnectionError)


def test_what_is_not_sent_when_time_runs_out_is_given_up(serve, dial, errors_of, event):
    """And not waited for once more."""
    left, over = [], event()

    class Server(socketserver.SelectorTCPServer):
        def shutdown_request(self, request):
            left.extend(len(connection.handler.outgoing) for connection in held)
            super().shutdown_request(request)
            over.set()

    class Handler(Base):
        timeout = 0.02

        def handle(self):
            held.extend(self.server._connections)
            yield self.write(b"x" * 50_000_000)

    held = []
    dial(serve(Handler, Server))
    over.wait()
    assert left == [0]
    assert len(errors_of(TimeoutError)) == 1


def test_last_bytes_that_nobody_takes_are_given_up_after_the_handlers_timeout(serve, dial, event, bed):
    """It has ended, so it is no error of its."""
    over = event()
    clock = bed.network.time.monotonic
    times = []

    class Server(socketserver.SelectorTCPServer):
        def shutdown_request(self, request):
            times.append(clock())
            super().shutdown_request(request)
            over.set()

    class Handler(Base):
        timeout = 0.05

        def handle(self):
            times.append(clock())
            self.write(b"x" * 50_000_000)  # and nothing is waited for

    dial(serve(Handler, Server))
    over.wait()
    began, ended = times
    assert ended - began > 0.049


def test_an_error_in_setup_is_one_of_the_request(serve, dial, errors_of):
    class Handler(Base):
        def setup(self):
            raise LookupError

        def finish(self):
            raise AssertionError("not after setup failed")

    server = serve(Handler)
    assert all_of(dial(server)) == b""
    assert len(errors_of(LookupError)) == 1
    assert not server._connections


@pytest.mark.parametrize("yielded", [None, 5, "readline"])
def test_yielding_anything_else_is_an_error_in_the_handler(serve, dial, yielded):
    def script(self):
        yield yielded

    told = f"TypeError: Reporting.handle() yielded {yielded!r}: yield what readline(), read(), recv(), write() or sleep() return"
    assert all_of(dial(serve(reporting(script)))) == repr(told).encode()


def test_a_handler_that_yields_nonsense_again_and_again_is_ended(serve, dial, errors_of):
    class Handler(Base):
        def handle(self):
            while True:
                try:
                    yield None
                except TypeError:
                    pass

    assert all_of(dial(serve(Handler))) == b""
    assert len(errors_of(TypeError)) == 1


def test_a_handle_that_returns_something_is_an_error(serve, dial, errors_of):
    class Handler(Base):
        def handle(self):
            return [self.readline()]

    assert all_of(dial(serve(Handler))) == b""
    [error] = errors_of(TypeError)
    assert "expected a generator (yield in it) or None" in str(error)


def test_what_is_not_an_exception_ends_the_loop_and_the_connection(bed, make_server, dial):
    class Handler(Base):
        def handle(self):
            yield self.readline()
            raise Leave

    server = make_server(socketserver.SelectorTCPServer, Handler)
    serving = bed.spawn(server.serve_forever)
    client = dial(server)
    client.sendall(b"go\n")
    assert all_of(client) == b""
    with pytest.raises(Leave):
        serving.result(10)
    assert not server._connections


def test_shutdown_keeps_the_table_and_serving_again_goes_on_with_it(bed, make_server, dial):
    server = make_server(socketserver.SelectorTCPServer, Upper)
    serving = bed.spawn(server.serve_forever)
    client = dial(server)
    client.sendall(b"one\ntw")
    assert client.recv(100) == b"ONE\n"
    server.shutdown()
    serving.result(10)
    client.sendall(b"o\n")
    assert len(server._connections) == 1
    serving = bed.spawn(server.serve_forever)
    assert client.recv(100) == b"TWO\n"
    server.shutdown()
    serving.result(10)


def test_closing_ends_what_is_in_the_table(bed, make_server, dial):
    told = []

    class Handler(Base):
        def handle(self):
            try:
                self.write(b"begun ")
                yield self.readline()
            finally:
                self.write(b"cleaned up")
                told.append("finally")

        def finish(self):
            told.append("finish")

    server = make_server(socketserver.SelectorTCPServer, Handler)
    serving = bed.spawn(server.serve_forever)
    clients = [dial(server) for _ in range(2)]
    assert [client.recv(100) for client in clients] == [b"begun "] * 2
    server.shutdown()
    serving.result(10)
    server.server_close()
    assert [all_of(client) for client in clients] == [b"cleaned up"] * 2
    assert told == ["finally", "finish"] * 2
    assert not server._connections
    server.server_close()


def test_an_error_while_a_handler_is_given_up_is_handled_and_the_others_are_given_up_too(bed, make_server, dial, errors_of):
    class Handler(Base):
        def handle(self):
            yield self.write(b"in")
            try:
                yield self.readline()
            finally:
                raise LookupError

    server = make_server(socketserver.SelectorTCPServer, Handler)
    serving = bed.spawn(server.serve_forever)
    clients = [dial(server) for _ in range(2)]
    assert [client.recv(100) for client in clients] == [b"in"] * 2
    server.shutdown()
    serving.result(10)
    server.server_close()
    assert [all_of(client) for client in clients] == [b""] * 2
    assert len(errors_of(LookupError)) == 2


def test_a_handler_may_close_its_own_server_whose_loop_gives_up_the_rest(bed, serve, dial):
    class Handler(Base):
        def handle(self):
            if (yield self.readline()) == b"close\n":
                self.server.server_close()
                self.write(b"closing")
            yield self.readline()

    server = serve(Handler)
    waiting, closing = dial(server), dial(server)
    waiting.sendall(b"wait\n")
    closing.sendall(b"close\n")
    assert all_of(closing) == b"closing"
    assert all_of(waiting) == b""
    with pytest.raises(OSError, match="refused"):
        dial(server)


def test_another_thread_may_close_the_server_and_the_loop_hears_of_it(serve, dial):
    server = serve(Upper)
    client = dial(server)
    client.sendall(b"x\n")
    assert client.recv(10) == b"X\n"
    server.server_close()
    assert all_of(client) == b""


def test_accepting_never_blocks_the_loop(make_server, dial):
    """A client may be gone between the moment when the selector sees it and that of ``accept()``."""
    server = make_server(socketserver.SelectorTCPServer, Upper)
    assert server.socket.gettimeout() == 0
    server.timeout = 0
    server._handle_request_noblock()  # nobody is there
    client = dial(server)
    saying(client, b"x\n")
    server.timeout = 10
    server.handle_request()
    assert all_of(client) == b"X\n"


def test_a_connection_that_was_accepted_and_not_begun_is_finished_too(make_server, dial):
    told = []

    class Handler(Base):
        def handle(self):
            told.append("handle")

        def finish(self):
            told.append("finish")

    server = make_server(socketserver.SelectorTCPServer, Handler)
    client = dial(server)
    request, address = server.get_request()
    server.process_request(request, address)
    server.server_close()
    assert all_of(client) == b""
    assert told == ["finish"]


def test_closing_leaves_nothing_open(make_server, dial, spy, bed):
    server = make_server(socketserver.SelectorTCPServer, Upper, network=spy)
    serving = bed.spawn(server.serve_forever)
    clients = [dial(server) for _ in range(3)]
    for client in clients:
        client.sendall(b"x\n")
        assert client.recv(10) == b"X\n"
    server.shutdown()
    serving.result(10)
    requests = [connection.request for connection in server._connections]
    server.server_close()
    assert len(requests) == 3
    assert {sock.fileno() for sock in [*requests, *spy.sockets]} == {-1}


# One at a time


def test_a_bare_request_is_one_connection_from_its_beginning_to_its_end(make_server, dial):
    server = make_server(socketserver.SelectorTCPServer, Upper)
    first, second = dial(server), dial(server)
    saying(first, b"one\n")
    saying(second, b"two\n")
    server.handle_request()
    assert all_of(first) == b"ONE\n"
    assert not server._connections
    server.handle_request()
    assert all_of(second) == b"TWO\n"


def test_the_others_of_the_table_go_on_while_a_bare_request_is_handled(bed, make_server, dial):
    server = make_server(socketserver.SelectorTCPServer, Upper)
    old, new = dial(server), dial(server)
    server.process_request(*server.get_request())
    handling = bed.spawn(server.handle_request)
    old.sendall(b"old\n")
    assert old.recv(100) == b"OLD\n"
    assert not handling.done
    saying(new)
    handling.result(10)
    assert len(server._connections) == 1


def test_a_bare_request_that_does_not_come_in_time_is_a_timeout(bed, make_server):
    class Server(socketserver.SelectorTCPServer):
        timeout = 0.02

        def handle_timeout(self):
            return "late"

    assert make_server(Server, Upper).handle_request() == "late"
    server = make_server(Server, Upper)
    server.timeout = 0
    assert server.handle_request() == "late"


def test_a_bare_request_that_is_refused_is_over_at_once(make_server, dial):
    class Server(socketserver.SelectorTCPServer):
        def verify_request(self, request, client_address):
            return False

    server = make_server(Server, Upper)
    client = dial(server)
    server.handle_request()
    assert all_of(client) == b""
    assert not server._connections


def test_a_second_thread_that_serves_is_refused(bed, serve, dial):
    server = serve(Upper)
    client = dial(server)
    client.sendall(b"hello\n")
    assert client.recv(100) == b"HELLO\n"
    for method in (server.serve_forever, server.handle_request):
        with pytest.raises(RuntimeError, match="served by one thread at a time"):
            method()
    client.sendall(b"again\n")
    assert client.recv(100) == b"AGAIN\n"


def test_a_handler_of_another_kind_is_refused(bed, make_server, dial, errors_of):
    with pytest.raises(UsageError, match="needs a subclass of SelectorRequestHandler, and StreamRequestHandler is none"):
        make_server(socketserver.SelectorTCPServer, socketserver.StreamRequestHandler)
    server = make_server(socketserver.SelectorTCPServer, lambda *args: object())
    client = dial(server)
    server.handle_request()
    assert all_of(client) == b""
    assert "and object is none" in str(errors_of(UsageError)[0])


def test_its_handlers_are_refused_by_servers_of_another_kind(bed, make_server, dial, errors_of):
    server = make_server(socketserver.TCPServer, Upper)
    client = dial(server)
    server.handle_request()
    assert all_of(client) == b""
    assert "needs a server with SelectorMixIn, not a TCPServer" in str(errors_of(UsageError)[0])


def test_datagrams_are_refused(bed):
    class Server(socketserver.SelectorMixIn, socketserver.UDPServer):
        pass

    with pytest.raises(UsageError, match="SelectorMixIn is for streams"):
        Server(("127.0.0.1", 0), Upper, network=bed.network)


def test_a_hundred_clients_at_once(bed, serve, dial):
    class Roomy(socketserver.SelectorTCPServer):
        request_queue_size = 128

    server = serve(Upper, Roomy)
    clients = [dial(server) for _ in range(100)]
    for number, client in enumerate(clients):
        client.sendall(b"client %d" % number)
    for client in reversed(clients):
        client.sendall(b" done\n")
    assert [client.recv(100) for client in clients] == [b"CLIENT %d DONE\n" % number for number in range(100)]
    assert len(server._connections) == 100
