"""``ThreadPoolMixIn``: at most so many requests at once, by threads that are used again and are gone at the end."""

from __future__ import annotations

import pytest

from simsock import socketserver
from simsock.errors import UsageError


class Upper(socketserver.StreamRequestHandler):
    """Answers lines in upper case."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class Leave(BaseException):
    """Not an ``Exception``."""


@pytest.fixture
def serve(bed, make_server):
    """Serve a pool of a handler: ``serve(Handler, max_workers=2, ...)``; whatever happens it is shut down before it is closed."""
    running = []

    def run(handler, server_class=socketserver.ThreadPoolTCPServer, **options):
        attributes = options.pop("attributes", {})
        server = make_server(server_class, handler, **options)
        vars(server).update(attributes)
        running.append((server, bed.spawn(server.serve_forever)))
        return server

    yield run
    for server, serving in running:
        server.shutdown()
        serving.result(10)


def gated(bed, event):
    """A handler that tells its thread and waits at a gate; the list of threads, and the gate."""
    threads, gate = [], event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            threads.append(bed.network.threading.current_thread())
            self.request.sendall(b"in")
            gate.wait()

    return Handler, threads, gate


def test_requests_are_handled_at_the_same_time_up_to_the_limit(bed, serve, dial):
    together = bed.network.threading.Barrier(3)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            together.wait(10)
            self.request.sendall(b"met")

    server = serve(Handler, max_workers=3)
    clients = [dial(server) for _ in range(3)]
    assert [client.recv(100) for client in clients] == [b"met"] * 3


def test_who_comes_when_all_workers_are_busy_is_not_accepted_until_one_is_free(bed, serve, dial, event):
    Handler, threads, gate = gated(bed, event)
    accepted = []

    class Server(socketserver.ThreadPoolTCPServer):
        request_queue_size = 20

        def get_request(self):
            accepted.append(1)
            return super().get_request()

    server = serve(Handler, Server, max_workers=2)
    clients = [dial(server) for _ in range(6)]
    assert [client.recv(100) for client in clients[:2]] == [b"in"] * 2
    bed.network.time.sleep(0.05)  # in which a server that accepts too much would do so
    assert len(accepted) == 2
    gate.set()
    assert [client.recv(100) for client in clients[2:]] == [b"in"] * 4
    assert len(accepted) == 6
    assert len({thread.name for thread in threads}) <= 2


def test_a_worker_is_used_again(bed, serve, dial):
    threads = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            threads.append(bed.network.threading.current_thread())

    server = serve(Handler, max_workers=1)
    for _ in range(5):
        assert dial(server).recv(1) == b""
    assert len(threads) == 5
    assert len({id(thread) for thread in threads}) == 1


def test_no_worker_is_made_before_it_is_needed(bed, make_server, dial):
    def alive():
        return set(bed.network.threading.enumerate())

    before = alive()  # real ones of other tests may end meanwhile
    server = make_server(socketserver.ThreadPoolTCPServer, Upper, max_workers=50)
    assert alive() <= before
    with dial(server) as client:
        server.handle_request()
        client.sendall(b"hello\n")
        assert client.recv(100) == b"HELLO\n"
        assert len(alive() - before) == 1


def test_shutdown_ends_a_loop_whose_workers_are_all_busy(bed, make_server, dial, event):
    Handler, _threads, gate = gated(bed, event)
    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=1)
    serving = bed.spawn(server.serve_forever)
    first, second = dial(server), dial(server)
    assert first.recv(100) == b"in"
    server.shutdown()
    serving.result(10)
    gate.set()
    assert first.recv(100) == b""
    serving = bed.spawn(server.serve_forever)
    assert second.recv(100) == b"in"
    server.shutdown()
    serving.result(10)


def test_service_actions_are_called_also_while_all_workers_are_busy(bed, make_server, dial, event):
    Handler, _threads, gate = gated(bed, event)
    busy, twice = event(), event()

    class Server(socketserver.ThreadPoolTCPServer):
        turns = 0

        def service_actions(self):
            if busy.is_set():
                self.turns += 1
                if self.turns == 3:
                    twice.set()

    server = make_server(Server, Handler, max_workers=1)
    serving = bed.spawn(server.serve_forever, 0.005)
    client = dial(server)
    assert client.recv(100) == b"in"
    busy.set()
    twice.wait()
    gate.set()
    server.shutdown()
    serving.result(10)


def test_a_bare_request_with_all_workers_busy_waits_for_one(bed, make_server, dial, event):
    Handler, _threads, gate = gated(bed, event)
    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=1)
    first, second = dial(server), dial(server)
    server.handle_request()
    assert first.recv(100) == b"in"
    other = bed.spawn(server.handle_request)
    bed.network.time.sleep(0.02)
    assert not other.done
    gate.set()
    other.result(10)
    assert second.recv(100) == b"in"


def test_closing_waits_for_what_is_handled_and_ends_the_workers(bed, make_server, dial):
    told, threads = [], []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            threads.append(bed.network.threading.current_thread())
            self.request.recv(1)
            bed.network.time.sleep(0.03)
            told.append("handled")

    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=4)
    clients = [dial(server) for _ in range(3)]
    for _ in clients:
        server.handle_request()
    for client in clients:
        client.sendall(b"x")
    server.server_close()
    told.append("closed")
    assert told == ["handled"] * 3 + ["closed"]
    assert not any(thread.is_alive() for thread in threads)
    assert len(server._threads) == 0


def test_closing_ends_idle_workers_at_once(bed, make_server, dial):
    threads = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            threads.append(bed.network.threading.current_thread())

    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=4)
    vars(server)["idle_seconds"] = None
    client = dial(server)
    server.handle_request()
    assert client.recv(1) == b""
    server.server_close()
    assert not threads[0].is_alive()


@pytest.mark.parametrize(("attributes", "daemon"), [({"block_on_close": False}, False), ({"daemon_threads": True}, True)])
def test_closing_does_not_wait_for_workers_that_need_not_be_waited_for(bed, make_server, dial, event, attributes, daemon):
    Handler, threads, gate = gated(bed, event)
    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=1)
    vars(server).update(attributes)
    client = dial(server)
    server.handle_request()
    assert client.recv(100) == b"in"
    server.server_close()
    assert threads[0].is_alive()
    assert threads[0].daemon is daemon
    gate.set()
    assert client.recv(100) == b""
    threads[0].join(10)
    assert not threads[0].is_alive()  # told to end, though not waited for


def test_a_worker_without_a_request_ends_after_a_while_and_another_is_made(bed, make_server, dial):
    threads = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            threads.append(bed.network.threading.current_thread())

    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=1)
    server.idle_seconds = 0.01
    for _ in range(2):
        client = dial(server)
        server.handle_request()
        assert client.recv(1) == b""
        threads[-1].join(10)
        assert not threads[-1].is_alive()
    assert threads[0] is not threads[1]
    assert len(server._threads) <= 2


def test_a_handler_may_close_its_own_server(bed, make_server, dial):
    told = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.server.server_close()
            told.append("closed")

    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=2)
    client = dial(server)
    server.handle_request()
    assert client.recv(1) == b""
    assert told == ["closed"]


def test_an_error_is_handled_in_the_worker_which_goes_on(bed, make_server, dial, errors_of):
    told = []

    class Server(socketserver.ThreadPoolTCPServer):
        def handle_error(self, request, client_address):
            told.append((client_address, bed.network.threading.current_thread()))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            raise ValueError("in a worker")

    server = make_server(Server, Handler, max_workers=1)
    clients = [dial(server) for _ in range(2)]
    for client in clients:
        server.handle_request()
        assert client.recv(1) == b""
    assert [address for address, _thread in told] == [client.getsockname() for client in clients]
    assert told[0][1] is told[1][1]
    assert len(errors_of(ValueError)) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_dies_gives_its_place_to_another(bed, make_server, dial, errors_of):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            raise Leave

    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=1)
    for _ in range(3):
        client = dial(server)
        server.handle_request()
        assert client.recv(1) == b""
    server.server_close()
    if bed.kind == "sim":
        assert len(errors_of(Leave)) == 3


def test_a_worker_that_cannot_be_started_is_an_error_of_its_request_only(bed, make_server, dial, spy, errors_of):
    class Thread(bed.network.threading.Thread):
        broken = True

        def start(self):
            if Thread.broken:
                raise RuntimeError("can't start new thread")
            super().start()

    class Threading:
        def __getattr__(self, name):
            return getattr(bed.network.threading, name)

    class Server(socketserver.ThreadPoolTCPServer):
        def handle_error(self, request, client_address):
            pass

    hook = lambda *told: True  # noqa: E731 - the testbed of the real network notes errors of its own servers only, not of the spy's
    server = make_server(Server, Upper, network=spy, max_workers=1)
    spy.threading = Threading()
    spy.threading.Thread = Thread
    client = dial(server)
    if bed.kind == "sim":
        bed.expect_errors(RuntimeError)
    socketserver.error_hooks.append(hook)
    try:
        server.handle_request()
    finally:
        socketserver.error_hooks.remove(hook)
    assert client.recv(1) == b""
    Thread.broken = False
    client = dial(server)
    server.handle_request()
    client.sendall(b"hello\n")
    assert client.recv(100) == b"HELLO\n"
    client.close()
    server.server_close()


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "4"])
def test_a_number_of_workers_that_is_none_is_refused(bed, wrong):
    with pytest.raises(UsageError, match=f"max_workers must be a number of threads, 1 or more, not {wrong!r}"):
        socketserver.ThreadPoolTCPServer(("127.0.0.1", 0), Upper, max_workers=wrong, network=bed.network)


def test_the_number_of_workers_may_be_set_in_a_subclass(make_server):
    class Small(socketserver.ThreadPoolTCPServer):
        max_workers = 3

    assert make_server(Small, Upper).max_workers == 3
    assert make_server(Small, Upper, max_workers=5).max_workers == 5
    assert socketserver.ThreadPoolMixIn.max_workers == 32


def test_datagrams_are_handled_by_the_pool_too(bed, make_server):
    class Handler(socketserver.DatagramRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.read().upper())

    server = make_server(socketserver.ThreadPoolUDPServer, Handler, max_workers=2)
    names = bed.network.socket
    client = names.socket(names.AF_INET, names.SOCK_DGRAM)
    with client:
        client.settimeout(10)
        for number in range(5):
            client.sendto(b"hello %d" % number, server.server_address)
            server.handle_request()
            assert client.recv(100) == b"HELLO %d" % number


def test_an_idle_worker_keeps_no_request_alive(bed, make_server, dial):
    import weakref

    held = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            held.append(weakref.ref(self.request))

    server = make_server(socketserver.ThreadPoolTCPServer, Handler, max_workers=1)
    client = dial(server)
    server.handle_request()
    assert client.recv(1) == b""
    for _ in range(1000):  # the worker may still be on its way back
        if held[0]() is None:
            break
        bed.network.time.sleep(0.001)
    assert held[0]() is None
    assert len(server._threads) == 1
