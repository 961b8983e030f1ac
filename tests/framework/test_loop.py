"""``serve_forever`` and ``shutdown``: when the loop wakes, what it does at each turn, how it ends, and what happens to a shutdown that
comes too early, too late, twice, or from the wrong thread."""

from __future__ import annotations

import pytest

from simsock import socketserver

LONG = 3600.0
"""A poll interval that no test waits for."""


class Upper(socketserver.StreamRequestHandler):
    """Answers one line in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


class Leave(BaseException):
    """Not an ``Exception``: it ends the loop."""


class Acting(socketserver.TCPServer):
    """A server with something to do between requests: it calls what it finds in ``act``."""

    def service_actions(self):
        self.act()


def echo(sock):
    sock.sendall(b"hello\n")
    return sock.recv(100)


# Waking


def test_a_server_with_nothing_to_do_between_requests_never_wakes_to_poll(bed, make_server, dial, spy):
    server = make_server(socketserver.TCPServer, Upper, network=spy)
    serving = bed.spawn(server.serve_forever, 0.01)
    assert echo(dial(server)) == b"HELLO\n"
    server.shutdown()
    serving.result()
    assert set(spy.waits) == {None}


@pytest.mark.parametrize("where", ["class", "instance"])
def test_the_poll_interval_is_how_long_the_loop_waits_when_service_actions_is_overridden(bed, make_server, spy, event, where):
    calls, thrice = [], event()

    def act():
        calls.append(bed.network.time.monotonic())
        if len(calls) == 3:
            thrice.set()

    if where == "class":
        server = make_server(Acting, Upper, network=spy)
        server.act = act
    else:
        server = make_server(socketserver.TCPServer, Upper, network=spy)
        server.service_actions = act
    start = bed.network.time.monotonic()
    serving = bed.spawn(server.serve_forever, 0.02)
    thrice.wait()
    server.shutdown()
    serving.result()
    assert set(spy.waits) == {0.02}
    assert calls[2] - start >= 0.06 * 0.99
    if bed.kind == "sim":
        assert [round(call - start, 4) for call in calls[:3]] == [0.02, 0.04, 0.06]


def test_the_poll_interval_is_half_a_second_if_not_said_otherwise(bed, make_server, spy, event):
    server = make_server(Acting, Upper, network=spy)
    begun = event()
    server.act = begun.set
    serving = bed.spawn(server.serve_forever)
    begun.wait()
    server.shutdown()
    serving.result()
    assert set(spy.waits) == {0.5}


def test_service_actions_is_called_at_every_turn_of_the_loop(bed, make_server, dial):
    """Also after each request, without waiting for the interval to pass."""
    told, turns = [], bed.network.threading.Semaphore(0)

    class Handler(Upper):
        def handle(self):
            super().handle()
            told.append("request")

    def act():
        told.append("actions")
        turns.release()

    server = make_server(Acting, Handler)
    server.act = act
    serving = bed.spawn(server.serve_forever, LONG)
    for _ in range(3):
        assert echo(dial(server)) == b"HELLO\n"
        assert turns.acquire(timeout=10)
    server.shutdown()
    serving.result()
    assert told == ["request", "actions"] * 3


@pytest.mark.parametrize("none", [None, float("inf")])
def test_no_poll_interval_means_to_wait_for_ever(bed, make_server, dial, spy, none):
    server = make_server(Acting, Upper, network=spy)
    server.act = lambda: None
    serving = bed.spawn(server.serve_forever, none)
    assert echo(dial(server)) == b"HELLO\n"
    server.shutdown()
    serving.result()
    assert set(spy.waits) == {None}


@pytest.mark.parametrize("wrong", [-1, -0.001, float("nan"), "0.5", [], b""])
def test_a_poll_interval_that_is_no_length_of_time_is_refused(make_server, wrong):
    server = make_server(socketserver.TCPServer, Upper)
    with pytest.raises(ValueError, match="poll_interval must be a number of seconds, 0 or more, or None, not ") as caught:
        server.serve_forever(wrong)
    assert repr(wrong) in str(caught.value)


def test_a_poll_interval_of_nothing_polls_without_waiting(bed, make_server, spy, event):
    calls, thrice = [], event()

    def act():
        calls.append(1)
        if len(calls) == 3:
            thrice.set()

    server = make_server(Acting, Upper, network=spy)
    server.act = act
    serving = bed.spawn(server.serve_forever, 0)
    thrice.wait()
    server.shutdown()
    serving.result()
    assert set(spy.waits) == {0}


# Ending


@pytest.mark.parametrize("server_class", [socketserver.TCPServer, Acting])
def test_shutdown_wakes_the_loop_at_once(bed, make_server, dial, server_class):
    server = make_server(server_class, Upper)
    server.act = lambda: None
    serving = bed.spawn(server.serve_forever, LONG)
    echo(dial(server))
    start = bed.network.time.monotonic()
    server.shutdown()
    serving.result()
    took = bed.network.time.monotonic() - start
    assert took < LONG / 10
    if bed.kind == "sim":
        assert took == 0


@pytest.mark.parametrize("again", [False, True])
def test_shutdown_waits_until_the_loop_has_ended(bed, make_server, dial, event, again):
    """Also of a server that has served before, and however long it takes: patience is for a loop that has not begun."""
    told, entered, release, stopped = [], event(), event(), bed.network.threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            entered.set()
            release.wait()
            told.append("handled")

    def stop():
        server.shutdown()
        told.append("shutdown returned")
        stopped.set()

    server = make_server(socketserver.TCPServer, Handler)
    server.shutdown_patience = 0.01
    if again:
        server._BaseServer__shutdown_request = True
        server.serve_forever()
    serving = bed.spawn(server.serve_forever)
    dial(server)
    entered.wait()
    stopping = bed.spawn(stop)
    # A shutdown that does not wait would be over long before this time is.
    assert not stopped.wait(0.05)
    release.set()
    stopping.result()
    serving.result()
    assert told == ["handled", "shutdown returned"]


def test_nothing_is_accepted_once_shutdown_is_asked_for(make_server, dial):
    """The first connection's handler asks for it, in the way that programs written for the standard module know."""
    handled = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            handled.append(self.client_address)
            self.server._BaseServer__shutdown_request = True

    server = make_server(socketserver.TCPServer, Handler)
    first = dial(server)
    dial(server)
    server.serve_forever()
    assert handled == [first.getsockname()]
    server.serve_forever()
    assert len(handled) == 2


def test_nothing_is_accepted_when_shutdown_is_asked_for_while_the_loop_waits(make_server, dial, spy):
    handled = []

    def ask(ready):
        server._BaseServer__shutdown_request = True
        return ready

    server = make_server(socketserver.TCPServer, lambda *args: handled.append(args), network=spy)
    spy.after_select = ask
    dial(server)
    server.serve_forever()
    assert handled == []


def test_a_server_can_serve_again_after_shutdown(bed, make_server, dial):
    server = make_server(socketserver.TCPServer, Upper)
    for _ in range(3):
        serving = bed.spawn(server.serve_forever)
        assert echo(dial(server)) == b"HELLO\n"
        server.shutdown()
        serving.result()


def test_shutdown_does_not_wait_for_a_loop_that_begins_when_the_one_it_ended_is_over(bed, make_server, dial):
    def serve_twice():
        server.serve_forever()
        server.serve_forever()

    server = make_server(socketserver.TCPServer, Upper)
    serving = bed.spawn(serve_twice)
    echo(dial(server))
    bed.spawn(server.shutdown).result(10)
    assert echo(dial(server)) == b"HELLO\n"
    server.shutdown()
    serving.result()


def test_a_connection_made_while_the_server_does_not_serve_waits_for_it(bed, make_server, dial):
    server = make_server(socketserver.TCPServer, Upper)
    client = dial(server)
    client.sendall(b"early\n")
    serving = bed.spawn(server.serve_forever)
    assert client.recv(100) == b"EARLY\n"
    server.shutdown()
    serving.result()


def test_the_loop_leaves_nothing_open(bed, make_server, dial, spy):
    server = make_server(socketserver.TCPServer, Upper, network=spy)
    for _ in range(2):
        serving = bed.spawn(server.serve_forever)
        echo(dial(server))
        server.shutdown()
        serving.result()
    listening, *others = spy.sockets
    assert listening.fileno() != -1
    assert [sock.fileno() for sock in others] == [-1] * 4
    assert spy.selectors_open == 0


def test_a_loop_that_is_woken_for_nothing_serves_on_and_does_not_spin(bed, make_server, dial, spy):
    """As by a forked child that shuts down its copy of the server."""
    server = make_server(socketserver.TCPServer, Upper, network=spy)
    serving = bed.spawn(server.serve_forever)
    echo(dial(server))
    _listening, _woken, waker = spy.sockets
    waker.send(b"x")
    for _ in range(3):
        assert echo(dial(server)) == b"HELLO\n"
    server.shutdown()
    serving.result()
    assert len(spy.waits) <= 6


def test_what_is_not_an_exception_ends_the_loop_and_leaves_nothing_open(bed, make_server, dial, spy):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            raise Leave

    server = make_server(socketserver.TCPServer, Handler, network=spy)
    client = dial(server)
    with pytest.raises(Leave):
        server.serve_forever()
    assert client.recv(1) == b""
    assert [sock.fileno() for sock in spy.sockets[1:]] == [-1, -1]
    assert spy.selectors_open == 0
    server.shutdown()  # and it is known that nobody serves


def test_serving_and_asking_the_bare_network_work_by_the_names_of_the_override_points(bed, make_server, dial):
    """``serve_forever`` may be extended, and is what ``shutdown`` waits for even so."""
    told = []

    class Server(socketserver.TCPServer):
        def serve_forever(self, poll_interval=0.5):
            told.append("begin")
            super().serve_forever(poll_interval)
            told.append("end")

    server = make_server(Server, Upper)
    serving = bed.spawn(server.serve_forever)
    echo(dial(server))
    server.shutdown()
    serving.result()
    assert told == ["begin", "end"]


# Shutdown at the wrong time or place


def test_a_shutdown_before_the_loop_has_begun_is_not_lost(bed, make_server, dial, event):
    go, handled = event(), []

    class Server(socketserver.TCPServer):
        def serve_forever(self, poll_interval=0.5):
            go.wait()
            super().serve_forever(poll_interval)

    server = make_server(Server, lambda *args: handled.append(args))
    dial(server)
    serving = bed.spawn(server.serve_forever)
    stopping = bed.spawn(server.shutdown)
    bed.network.threading.Event().wait(0.02)  # time enough for the shutdown to be there first, though either order has to work
    go.set()
    stopping.result(10)
    serving.result(10)
    assert handled == []


def test_a_shutdown_just_after_a_restart_is_not_lost(bed, make_server, dial, event):
    go = event()

    class Server(socketserver.TCPServer):
        def serve_forever(self, poll_interval=0.5):
            go.wait()
            super().serve_forever(poll_interval)

    server = make_server(Server, Upper)
    go.set()
    serving = bed.spawn(server.serve_forever)
    echo(dial(server))
    server.shutdown()
    serving.result()

    go.clear()
    again = bed.spawn(server.serve_forever)
    server.shutdown()
    go.set()
    again.result(10)


def test_many_servers_can_be_shut_down_as_soon_as_their_threads_are_started(bed, make_server):
    for _ in range(50):
        server = make_server(socketserver.TCPServer, Upper)
        serving = bed.spawn(server.serve_forever)
        server.shutdown()
        serving.result(10)
        server.server_close()


def test_the_shutdown_of_a_server_that_has_stopped_returns_at_once_and_stays_asked_for(bed, make_server, dial):
    """As with the standard module."""
    handled = []
    server = make_server(socketserver.TCPServer, lambda *args: handled.append(args))
    server._BaseServer__shutdown_request = True
    server.serve_forever()
    start = bed.network.time.monotonic()
    server.shutdown()
    server.shutdown()
    assert bed.network.time.monotonic() - start < server.shutdown_patience
    dial(server)
    server.serve_forever()
    assert handled == []
    serving = bed.spawn(server.serve_forever)
    while not handled:
        bed.network.time.sleep(0.001)
    server.shutdown()
    serving.result()


def test_the_shutdown_of_a_server_that_never_served_is_an_error_and_is_forgotten(bed, make_server, dial):
    server = make_server(socketserver.TCPServer, Upper)
    server.shutdown_patience = 0.03
    start = bed.network.time.monotonic()
    with pytest.raises(RuntimeError, match=r"shutdown\(\) of a TCPServer that has never served: .* within 0.03 s"):
        server.shutdown()
    took = bed.network.time.monotonic() - start
    assert 0.03 * 0.99 <= took < 3
    if bed.kind == "sim":
        assert round(took, 4) == 0.03
    serving = bed.spawn(server.serve_forever)
    assert echo(dial(server)) == b"HELLO\n"
    server.shutdown()
    serving.result()


def test_a_shutdown_from_the_serving_thread_is_an_error(make_server, dial):
    """And not an endless wait of the thread for itself."""
    caught = []

    class Handler(Upper):
        def handle(self):
            with pytest.raises(RuntimeError, match=r"shutdown\(\) of a TCPServer was called in the thread that runs its serve_forever\(\)") as info:
                self.server.shutdown()
            caught.append(info.value)
            self.server._BaseServer__shutdown_request = True

    server = make_server(socketserver.TCPServer, Handler)
    dial(server)
    server.serve_forever()
    assert len(caught) == 1


def test_after_a_refused_shutdown_the_server_serves_on(bed, make_server, dial):
    class Handler(Upper):
        def handle(self):
            with pytest.raises(RuntimeError):
                self.server.shutdown()
            super().handle()

    server = make_server(socketserver.TCPServer, Handler)
    serving = bed.spawn(server.serve_forever)
    for _ in range(2):
        assert echo(dial(server)) == b"HELLO\n"
    server.shutdown()
    serving.result()


def test_a_handler_in_a_thread_of_its_own_may_shut_the_server_down(bed, make_server, dial):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.server.shutdown()
            self.request.sendall(b"down")

    server = make_server(socketserver.ThreadingTCPServer, Handler)
    serving = bed.spawn(server.serve_forever)
    assert dial(server).recv(100) == b"down"
    serving.result(10)


def test_several_threads_may_ask_for_the_same_shutdown(bed, make_server, dial):
    server = make_server(socketserver.TCPServer, Upper)
    serving = bed.spawn(server.serve_forever)
    echo(dial(server))
    stopping = [bed.spawn(server.shutdown) for _ in range(5)]
    for task in [*stopping, serving]:
        task.result(10)


def test_a_server_served_by_two_threads_is_stopped_in_both(bed, make_server, dial, event):
    """And shutdown returns when both have ended."""
    both = bed.network.threading.Barrier(3)

    class Server(socketserver.TCPServer):
        def serve_forever(self, poll_interval=0.5):
            mine.go = leave.pop()
            super().serve_forever(poll_interval)

        def _handle_request_noblock(self):
            both.wait(10)
            mine.go.wait()

    mine = bed.network.threading.local()
    first, second = event(), event()
    leave = [second, first]
    server = make_server(Server, Upper)
    serving = [bed.spawn(server.serve_forever) for _ in range(2)]
    dial(server)
    both.wait(10)
    stopping = bed.spawn(server.shutdown)
    bed.network.threading.Event().wait(0.02)
    assert not stopping.done
    first.set()
    while not any(task.done for task in serving):
        bed.network.time.sleep(0.001)
    bed.network.threading.Event().wait(0.02)
    assert not stopping.done
    second.set()
    for task in [stopping, *serving]:
        task.result(10)


def test_a_server_is_not_shut_down_by_the_shutdown_of_another(bed, make_server, dial):
    servers = [make_server(socketserver.TCPServer, Upper) for _ in range(2)]
    serving = [bed.spawn(server.serve_forever) for server in servers]
    for server in servers:
        echo(dial(server))
    servers[0].shutdown()
    serving[0].result()
    assert echo(dial(servers[1])) == b"HELLO\n"
    servers[1].shutdown()
    serving[1].result()
