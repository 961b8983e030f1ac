"""``ThreadingMixIn``: requests side by side, whose threads the server waits for, and which it forgets."""

from __future__ import annotations

import pytest

from simsock import socketserver

MANY = 60


class Upper(socketserver.StreamRequestHandler):
    """Answers lines in upper case."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class Leave(BaseException):
    """Not an ``Exception``."""


def handlers_of(bed, make_server, dial, handler, server_class=socketserver.ThreadingTCPServer, **attributes):
    """Have one connection to a new server handled, and give back the server."""
    server = make_server(server_class, handler)
    vars(server).update(attributes)
    server.client = dial(server)
    server.handle_request()
    return server


def test_requests_are_handled_at_the_same_time(bed, event):
    """Each handler waits for the others: one after the other they would wait for ever."""
    together = bed.network.threading.Barrier(3)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            together.wait(10)
            self.request.sendall(b"met")

    served = bed.serve(Handler)
    clients = [bed.connect(served) for _ in range(3)]
    assert [client.recv(100) for client in clients] == [b"met"] * 3


def test_a_client_that_says_nothing_does_not_keep_the_others_waiting(bed):
    served = bed.serve(Upper)
    bed.connect(served)
    client = bed.connect(served)
    client.sendall(b"hello\n")
    assert client.recv(100) == b"HELLO\n"


def test_each_request_gets_a_thread_of_its_own(bed):
    names = set()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            names.add(bed.network.threading.current_thread().name)

    names.add(bed.network.threading.current_thread().name)
    served = bed.serve(Handler)
    for _ in range(3):
        assert bed.connect(served).recv(1) == b""
    assert len(names) == 4


@pytest.mark.parametrize("block", [True, False])
@pytest.mark.parametrize("daemon", [True, False])
def test_daemon_threads_decides_what_the_threads_are(bed, make_server, dial, daemon, block):
    seen = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            seen.append(bed.network.threading.current_thread().daemon)

    server = handlers_of(bed, make_server, dial, Handler, daemon_threads=daemon, block_on_close=block)
    assert server.client.recv(1) == b""
    assert seen == [daemon]


def test_the_threads_are_no_daemons_and_are_waited_for_if_not_said_otherwise():
    assert socketserver.ThreadingMixIn.daemon_threads is False
    assert socketserver.ThreadingMixIn.block_on_close is True


def test_the_threads_of_a_daemon_are_no_daemons_either(bed, make_server, dial):
    """``daemon_threads`` is said outright and not taken from the thread that serves."""
    seen = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            seen.append(bed.network.threading.current_thread().daemon)

    server = make_server(socketserver.ThreadingTCPServer, Handler)
    client = dial(server)
    thread = bed.network.threading.Thread(target=server.handle_request, daemon=True)
    thread.start()
    thread.join()
    assert client.recv(1) == b""
    assert seen == [False]


class Roomy(socketserver.ThreadingTCPServer):
    """A server that lets many wait to be accepted."""

    request_queue_size = 2 * MANY


class Closing(socketserver.TCPServer):
    """A server that says when its socket has been closed and the waiting for threads begins."""

    def server_close(self):
        super().server_close()
        self.closing.set()


class ThreadingClosing(socketserver.ThreadingMixIn, Closing):
    """The same with threads."""


def test_closing_waits_for_the_threads(bed, make_server, dial, event):
    told, closing = [], event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            closing.wait()
            bed.network.time.sleep(0.03)  # a close that does not wait would be over before this is
            told.append("handled")

    server = handlers_of(bed, make_server, dial, Handler, ThreadingClosing, closing=closing)
    server.server_close()
    told.append("closed")
    assert told == ["handled", "closed"]


@pytest.mark.parametrize("attributes", [{"block_on_close": False}, {"daemon_threads": True}])
def test_closing_does_not_wait_for_threads_that_need_not_be_waited_for(bed, make_server, dial, event, attributes):
    release, told, over = event(), [], event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            release.wait()
            told.append("handled")
            over.set()

    server = handlers_of(bed, make_server, dial, Handler, **attributes)
    server.server_close()
    told.append("closed")
    release.set()
    over.wait()
    assert told == ["closed", "handled"]
    assert server.client.recv(1) == b""


def test_block_on_close_may_be_taken_back_before_closing(bed, make_server, dial, event):
    release, told, over = event(), [], event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            release.wait()
            over.set()

    server = handlers_of(bed, make_server, dial, Handler)
    server.block_on_close = False
    server.server_close()
    told.append("closed")
    release.set()
    over.wait()
    assert server.client.recv(1) == b""


def test_closing_waits_for_every_thread_until_it_has_ended(bed, make_server, dial, event):
    """Not only until it has said that it ends."""
    threads = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            threads.append(bed.network.threading.current_thread())
            self.request.recv(1)

    server = make_server(Roomy, Handler)
    for round_ in range(5):
        clients = [dial(server) for _ in range(8)]
        for _ in clients:
            server.handle_request()
        for client in clients:
            client.close()
        server.block_on_close = True
        socketserver.ThreadingMixIn.server_close(NotClosing(server))
        assert len(threads) == 8 * (round_ + 1)
        assert not any(thread.is_alive() for thread in threads)


class NotClosing(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """A server that waits for the threads of another without closing it."""

    def __init__(self, server):
        self.network = server.network
        self._threads = server._threads


@pytest.mark.parametrize("last", range(4))
def test_closing_waits_for_threads_that_have_handled_their_request_but_not_ended(bed, make_server, dial, event, spy, last):
    """A thread has things to do after the last line of the framework; whichever takes longest is waited for."""
    gates = []

    class Thread(bed.network.threading.Thread):
        def run(self):
            gate = event()
            gates.append(gate)
            super().run()
            gate.wait()

    class Threading:
        Thread = None

        def __getattr__(self, name):
            return getattr(bed.network.threading, name)

    server = make_server(socketserver.ThreadingTCPServer, socketserver.BaseRequestHandler, network=spy)
    spy.threading = Threading()
    spy.threading.Thread = Thread
    for _ in range(4):
        client = dial(server)
        server.handle_request()
        assert client.recv(1) == b""
    closing = bed.spawn(server.server_close)
    for number, gate in enumerate(gates):
        if number != last:
            gate.set()
    bed.network.threading.Event().wait(0.02)
    assert not closing.done
    gates[last].set()
    closing.result(10)


def test_a_server_that_never_had_a_request_closes_at_once(make_server):
    server = make_server(socketserver.ThreadingTCPServer, Upper)
    server.server_close()
    server.server_close()
    assert server.fileno() == -1


def test_a_handler_may_close_its_own_server_and_waits_for_the_others_only(bed, make_server, dial, event):
    told, release = [], event()

    class Slow(socketserver.BaseRequestHandler):
        def handle(self):
            if self.request.recv(1) == b"c":
                self.server.server_close()
                told.append("closed")
            else:
                release.wait()
                told.append("slow")

    server = make_server(socketserver.ThreadingTCPServer, Slow)
    slow, closing = dial(server), dial(server)
    for _ in range(2):
        server.handle_request()
    slow.sendall(b"s")
    closing.sendall(b"c")
    release.set()
    assert closing.recv(1) == b""
    assert told == ["slow", "closed"]


def test_threads_that_have_ended_are_forgotten_at_once(bed, make_server, dial):
    server = make_server(socketserver.ThreadingTCPServer, Upper)
    most = 0
    for _ in range(MANY):
        with dial(server) as client:
            server.handle_request()
            client.shutdown(bed.network.socket.SHUT_WR)
            assert client.recv(1) == b""
        most = max(most, len(server._threads))
    assert most < MANY / 2


def test_threads_that_have_ended_are_forgotten_also_when_no_request_follows(bed, make_server, dial):
    """A burst of connections leaves nothing behind that lasts until the next one."""
    if bed.kind == "real":
        pytest.skip("each thread drops others whose end it sees; how soon a real thread's end can be seen is the operating system's business")
    server = make_server(Roomy, Upper)
    clients = [dial(server) for _ in range(MANY)]
    for _ in clients:
        server.handle_request()
    assert len(server._threads) == MANY
    for client in clients:
        client.shutdown(bed.network.socket.SHUT_WR)
        assert client.recv(1) == b""
    for _ in range(1000):
        if len(server._threads) < MANY / 2:
            break
        bed.network.time.sleep(0.001)
    assert len(server._threads) < MANY / 2


@pytest.mark.parametrize("attributes", [{"block_on_close": False}, {"daemon_threads": True}])
def test_threads_that_nobody_will_wait_for_are_not_remembered(bed, make_server, dial, event, attributes):
    release = event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            release.wait()

    server = handlers_of(bed, make_server, dial, Handler, **attributes)
    assert len(server._threads) == 0
    release.set()
    assert server.client.recv(1) == b""


def test_a_thread_whose_work_is_overridden_is_forgotten_too(bed, make_server, dial):
    class Server(socketserver.ThreadingTCPServer):
        def process_request_thread(self, request, client_address):
            request.sendall(b"overridden")
            self.shutdown_request(request)

    server = make_server(Server, Upper)
    for _ in range(MANY):
        client = dial(server)
        server.handle_request()
        assert client.recv(100) == b"overridden"
        assert client.recv(100) == b""
    assert len(server._threads) < MANY / 2


def test_a_thread_that_cannot_be_started_is_an_error_of_its_request(bed, make_server, dial, spy):
    class Thread(bed.network.threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    class Threading:
        def __getattr__(self, name):
            return getattr(bed.network.threading, name)

    class Server(socketserver.ThreadingTCPServer):
        def handle_error(self, request, client_address):
            errors.append(client_address)

    errors = []
    server = make_server(Server, Upper, network=spy)
    spy.threading = Threading()
    spy.threading.Thread = Thread
    client = dial(server)
    hooks = [lambda *told: True]
    socketserver.error_hooks[:0] = hooks
    if bed.kind == "sim":
        bed.expect_errors(RuntimeError)
    try:
        server.handle_request()
    finally:
        socketserver.error_hooks.remove(hooks[0])
    assert errors == [client.getsockname()]
    assert client.recv(1) == b""
    assert len(server._threads) == 0
    server.server_close()


def test_an_error_in_a_thread_is_handled_and_the_request_shut_down(bed, make_server, dial, errors_of):
    told = []

    class Server(socketserver.ThreadingTCPServer):
        def handle_error(self, request, client_address):
            told.append(("handle_error", client_address))

        def shutdown_request(self, request):
            told.append("shutdown_request")
            super().shutdown_request(request)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            raise ValueError("in a thread")

    server = handlers_of(bed, make_server, dial, Handler, Server)
    assert server.client.recv(1) == b""
    server.server_close()
    assert told == [("handle_error", server.client.getsockname()), "shutdown_request"]
    assert len(errors_of(ValueError)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_is_not_an_exception_is_not_handled_in_a_thread_but_the_request_is_shut_down(bed, make_server, dial, errors_of):
    told = []

    class Server(socketserver.ThreadingTCPServer):
        def handle_error(self, request, client_address):
            told.append("handle_error")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            told.append("handle")
            raise Leave

    server = handlers_of(bed, make_server, dial, Handler, Server)
    assert server.client.recv(1) == b""
    server.server_close()
    assert told == ["handle"]
    if bed.kind == "sim":
        assert len(errors_of(Leave)) == 1


def test_a_request_in_a_thread_goes_the_documented_way(bed, make_server, dial):
    told = []

    class Server(socketserver.ThreadingTCPServer):
        def process_request(self, request, client_address):
            told.append("process_request")
            super().process_request(request, client_address)

        def process_request_thread(self, request, client_address):
            told.append("process_request_thread")
            super().process_request_thread(request, client_address)

        def finish_request(self, request, client_address):
            told.append("finish_request")
            super().finish_request(request, client_address)

        def shutdown_request(self, request):
            told.append("shutdown_request")
            super().shutdown_request(request)

        def close_request(self, request):
            told.append("close_request")
            super().close_request(request)

    server = handlers_of(bed, make_server, dial, socketserver.BaseRequestHandler, Server)
    server.server_close()
    assert told == ["process_request", "process_request_thread", "finish_request", "shutdown_request", "close_request"]


def test_shutdown_does_not_wait_for_the_threads(bed, make_server, dial, event):
    release, entered = event(), event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            entered.set()
            release.wait()
            self.request.sendall(b"done")

    server = make_server(socketserver.ThreadingTCPServer, Handler)
    serving = bed.spawn(server.serve_forever)
    client = dial(server)
    entered.wait()
    server.shutdown()
    serving.result(10)
    release.set()
    assert client.recv(100) == b"done"


def test_datagrams_are_handled_in_threads_too(bed, event):
    together = bed.network.threading.Barrier(2)

    class Handler(socketserver.DatagramRequestHandler):
        def handle(self):
            together.wait(10)
            self.wfile.write(self.rfile.read().upper())

    served = bed.serve(Handler, server_class=socketserver.ThreadingUDPServer)
    clients = [bed.datagram() for _ in range(2)]
    for client in clients:
        client.sendto(b"hello", served.address)
    assert [client.recv(100) for client in clients] == [b"HELLO"] * 2
