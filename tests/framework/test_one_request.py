"""``handle_request``: one request and no loop, with the timeouts of the server and of its socket, and servers in a selector of one's own."""

from __future__ import annotations

import pytest

from simsock import socketserver

ROUNDING = 1e-9
"""What two readings of a clock, as floats, may be wrong by."""


class Upper(socketserver.StreamRequestHandler):
    """Answers one line in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


class Late(socketserver.TCPServer):
    """A server that notes its timeouts."""

    late = 0

    def handle_timeout(self):
        self.late += 1
        return "late"


def test_one_request_is_handled_and_not_two(make_server, dial):
    handled = []
    server = make_server(socketserver.TCPServer, lambda *args: handled.append(args))
    dial(server)
    dial(server)
    server.handle_request()
    assert len(handled) == 1
    server.handle_request()
    assert len(handled) == 2


def test_without_a_timeout_it_waits_for_the_request(bed, make_server, dial, spy):
    handled = []
    server = make_server(Late, lambda *args: handled.append(args), network=spy)
    waiting = bed.spawn(server.handle_request)
    bed.network.threading.Event().wait(0.02)
    assert not waiting.done
    dial(server)
    waiting.result(10)
    assert len(handled) == 1
    assert server.late == 0
    assert spy.waits == [None]


@pytest.mark.parametrize(
    ("of_server", "of_socket", "seconds"),
    [(0.03, None, 0.03), (None, 0.03, 0.03), (0.03, 50, 0.03), (50, 0.03, 0.03), (0, None, 0), (None, 0.0, 0), (0, 50, 0), (50, 0.0, 0)],
)
def test_the_smaller_of_both_timeouts_is_waited_for_and_then_handle_timeout_is_called(bed, make_server, spy, of_server, of_socket, seconds):
    server = make_server(Late, Upper, network=spy)
    server.timeout = of_server
    server.socket.settimeout(of_socket)
    start = bed.network.time.monotonic()
    assert server.handle_request() == "late"
    took = bed.network.time.monotonic() - start
    assert server.late == 1
    assert spy.waits[0] == seconds
    assert took >= seconds - ROUNDING
    if bed.kind == "sim":
        assert took == pytest.approx(seconds, abs=1e-6)


def test_handle_timeout_does_nothing_if_it_is_not_overridden(make_server):
    server = make_server(socketserver.TCPServer, Upper)
    server.timeout = 0
    assert server.handle_request() is None


def test_a_request_in_time_is_handled_and_no_timeout(make_server, dial):
    server = make_server(Late, Upper)
    server.timeout = 10
    client = dial(server)
    client.sendall(b"hello\n")
    server.handle_request()
    assert client.recv(100) == b"HELLO\n"
    assert server.late == 0


def test_a_wait_that_ends_early_goes_on_for_the_rest_of_the_time(make_server, spy):
    """As a signal makes it end early. The clock stands still but for what the waits themselves take."""
    now = 100.0
    early = iter([True, True])

    class Time:
        @staticmethod
        def monotonic():
            return now

    class Interrupted(spy.selectors.PollSelector):
        def select(self, timeout=None):
            nonlocal now
            spy.waits.append(timeout)
            now += 0.01 if next(early, False) else timeout
            return []

    spy.selectors.PollSelector = Interrupted
    spy.time = Time
    server = make_server(Late, Upper, network=spy)
    server.timeout = 0.04
    assert server.handle_request() == "late"
    assert server.late == 1
    assert spy.waits == pytest.approx([0.04, 0.03, 0.02])
    assert now == pytest.approx(100.04)


def test_a_wait_that_ends_exactly_at_its_time_has_ended(make_server, spy):
    """And is not followed by another one of no length."""

    class Time:
        readings = iter([100.0, 100.03125])

        @classmethod
        def monotonic(cls):
            return next(cls.readings)

    spy.time = Time
    server = make_server(Late, Upper, network=spy)
    server.timeout = 0.03125
    assert server.handle_request() == "late"
    assert spy.waits == [0.03125]


def test_a_wait_without_a_timeout_that_ends_early_goes_on(make_server, dial, spy):
    handled = []
    server = make_server(Late, lambda *args: handled.append(args), network=spy)
    answers = iter([[]])
    spy.after_select = lambda ready: next(answers, ready)
    dial(server)
    server.handle_request()
    assert len(handled) == 1
    assert server.late == 0


def test_nothing_stays_open_after_a_request_or_a_timeout(make_server, dial, spy):
    server = make_server(Late, Upper, network=spy)
    server.timeout = 0
    server.handle_request()
    assert spy.selectors_open == 0
    dial(server).sendall(b"hello\n")
    server.timeout = None
    server.handle_request()
    assert spy.selectors_open == 0
    assert len(spy.sockets) == 1


def test_without_poll_a_network_is_asked_for_select(bed, make_server, dial, spy):
    del spy.selectors.__dict__["PollSelector"]
    asked = []

    class SelectSelector(bed.network.selectors.SelectSelector):
        def __init__(self):
            asked.append(1)
            super().__init__()

    class WithoutPoll:
        EVENT_READ = bed.network.selectors.EVENT_READ

    WithoutPoll.SelectSelector = SelectSelector
    spy.selectors = WithoutPoll
    server = make_server(socketserver.TCPServer, Upper, network=spy)
    client = dial(server)
    client.sendall(b"hello\n")
    server.handle_request()
    assert client.recv(100) == b"HELLO\n"
    assert asked == [1]


def test_several_servers_can_be_served_by_one_selector(bed, make_server, dial):
    """By their ``fileno()``."""

    class First(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"first")

    class Second(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"second")

    servers = [make_server(socketserver.TCPServer, First), make_server(socketserver.TCPServer, Second)]
    selectors = bed.network.selectors
    with selectors.DefaultSelector() as selector:
        for server in servers:
            selector.register(server, selectors.EVENT_READ)
        for server, answer in reversed(list(zip(servers, [b"first", b"second"], strict=True))):
            client = dial(server)
            [(key, _)] = selector.select(10)
            assert key.fileobj is server
            assert key.fd == server.fileno() == server.socket.fileno()
            key.fileobj.handle_request()
            assert client.recv(100) == answer
