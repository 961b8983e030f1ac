"""``ForkingMixIn``: each request in a process of its own, on the real network; worlds have no processes yet."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from simsock import socketserver

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")]


class Pid(socketserver.StreamRequestHandler):
    """Says its process id, then waits for the client to say something.

    Not for its closing: the process was forked with a copy of the client's end, as both are the test's, and keeps it open itself.
    """

    def handle(self):
        self.wfile.write(b"%d\n" % os.getpid())
        self.rfile.read(1)


class Systematic:
    """An ``os`` that notes which children were waited for, and how they ended."""

    def __init__(self):
        self.waited = []
        self.ended = {}

    def __getattr__(self, name):
        return getattr(os, name)

    def waitpid(self, pid, flags):
        self.waited.append((pid, flags))
        pid, status = os.waitpid(pid, flags)
        if pid:
            self.ended[pid] = os.waitstatus_to_exitcode(status)
        return pid, status


@pytest.fixture
def bed(real_bed):
    """Loopback only."""
    return real_bed


@pytest.fixture
def system(spy):
    """The ``os`` of the network ``spy``."""
    spy.os = Systematic()
    return spy.os


def wait_for(child):
    """Wait for a child to end, and leave it to be reaped."""
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)


def request(server, dial):
    """Have one request handled; give back the connection and the process that handles it."""
    client = dial(server)
    server.handle_request()
    return client, int(client.makefile().readline())


def test_each_request_is_handled_in_a_process_of_its_own(make_server, dial):
    server = make_server(socketserver.ForkingTCPServer, Pid)
    pids = {os.getpid()} | {request(server, dial)[1] for _ in range(2)}
    assert len(pids) == 3
    assert server.active_children == pids - {os.getpid()}
    server.block_on_close = False
    for pid in server.active_children.copy():
        os.kill(pid, signal.SIGKILL)
        wait_for(pid)


def test_a_child_that_has_handled_its_request_exits_with_status_0_and_the_connection_ends(make_server, dial, spy, system):
    server = make_server(socketserver.ForkingTCPServer, Pid, network=spy)
    client, child = request(server, dial)
    client.sendall(b"x")
    assert client.recv(1) == b""
    server.server_close()
    assert system.ended == {child: 0}


@pytest.mark.parametrize(("error", "printed"), [(ValueError, True), (SystemExit, False), (KeyboardInterrupt, False)])
def test_a_child_whose_handler_raises_exits_with_status_1_and_prints_exceptions(make_server, dial, spy, system, capfd, error, printed):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            raise error("in the child")

    server = make_server(socketserver.ForkingTCPServer, Handler, network=spy)
    client = dial(server)
    sys.stderr.flush()
    server.handle_request()
    assert client.recv(1) == b""
    server.server_close()
    assert list(system.ended.values()) == [1]
    assert (f"{error.__name__}: in the child" in capfd.readouterr().err) is printed


@pytest.mark.parametrize("error", [None, ValueError, SystemExit])
def test_a_child_shuts_its_request_down(make_server, dial, error):
    class Server(socketserver.ForkingTCPServer):
        def shutdown_request(self, request):
            request.sendall(b"bye")
            super().shutdown_request(request)

        def handle_error(self, request, client_address):
            pass

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            if error:
                raise error

    server = make_server(Server, Handler)
    client = dial(server)
    server.handle_request()
    assert client.recv(100) == b"bye"


def test_a_child_exits_also_when_shutting_the_request_down_fails(make_server, dial, spy, system):
    class Server(socketserver.ForkingTCPServer):
        def shutdown_request(self, request):
            raise LookupError("in the child")

    server = make_server(Server, socketserver.BaseRequestHandler, network=spy)
    client = dial(server)
    server.handle_request()
    assert client.recv(1) == b""
    server.server_close()
    assert list(system.ended.values()) == [0]


def test_the_parent_closes_its_end_of_the_connection_but_does_not_shut_it_down(make_server, dial):
    told = []

    class Server(socketserver.ForkingTCPServer):
        def close_request(self, request):
            told.append("close_request")
            super().close_request(request)

        def shutdown_request(self, request):
            told.append("shutdown_request")
            super().shutdown_request(request)

    server = make_server(Server, Pid)
    client, _child = request(server, dial)
    assert told == ["close_request"]
    client.sendall(b"x")
    assert client.recv(1) == b""


def test_closing_waits_for_the_children(make_server, dial, spy, system):
    server = make_server(socketserver.ForkingTCPServer, Pid, network=spy)
    client, child = request(server, dial)
    client.sendall(b"x")
    server.server_close()
    assert server.active_children == set()
    assert system.waited == [(child, 0)]


def test_closing_does_not_wait_without_block_on_close(make_server, dial, spy, system):
    server = make_server(socketserver.ForkingTCPServer, Pid, network=spy)
    server.block_on_close = False
    client, child = request(server, dial)
    server.server_close()
    assert server.active_children == {child}
    assert system.waited == [(child, os.WNOHANG)]
    client.sendall(b"x")
    wait_for(child)
    server.collect_children()
    assert server.active_children == set()


def test_children_are_reaped_while_the_server_serves(bed, make_server, dial, spy, system):
    server = make_server(socketserver.ForkingTCPServer, Pid, network=spy)
    serving = bed.spawn(server.serve_forever, 0.01)
    client = dial(server)
    child = int(client.makefile().readline())
    client.sendall(b"x")
    while child not in system.ended:
        bed.network.time.sleep(0.005)
    server.shutdown()
    serving.result()
    assert server.active_children == set()


def test_children_are_reaped_when_no_request_comes_in_time(make_server, dial, spy, system):
    server = make_server(socketserver.ForkingTCPServer, Pid, network=spy)
    assert server.timeout == 300
    client, child = request(server, dial)
    client.sendall(b"x")
    wait_for(child)
    server.timeout = 0
    server.handle_request()
    assert system.ended == {child: 0}
    assert server.active_children == set()


def test_a_child_that_somebody_else_has_reaped_is_forgotten(make_server, dial):
    server = make_server(socketserver.ForkingTCPServer, Pid)
    client, child = request(server, dial)
    client.sendall(b"x")
    os.waitpid(child, 0)
    server.collect_children()
    assert server.active_children == set()


def test_there_are_never_more_than_max_children(make_server, dial, spy, system):
    """One too many waits for one of them to end."""
    server = make_server(socketserver.ForkingTCPServer, Pid, network=spy)
    server.max_children = 2
    assert socketserver.ForkingMixIn.max_children == 40
    one, first = request(server, dial)
    server.collect_children()
    assert server.active_children == {first}
    two, second = request(server, dial)
    two.sendall(b"x")
    server.collect_children()
    assert server.active_children == {first}
    assert system.ended == {second: 0}
    one.sendall(b"x")


def test_a_limit_without_any_child_left_to_wait_for_is_no_endless_loop(make_server, dial):
    server = make_server(socketserver.ForkingTCPServer, Pid)
    client, child = request(server, dial)
    server.max_children = 0
    client.sendall(b"x")
    os.waitpid(child, 0)
    server.active_children = {child, os.getpid()}
    server.collect_children()
    assert server.active_children == set()


def test_when_the_system_knows_no_child_any_more_there_is_none(make_server, spy, system):
    """Though it knew one a moment ago."""

    def waitpid(pid, flags):
        if pid == -1:
            raise ChildProcessError
        return 0, 0

    server = make_server(socketserver.ForkingTCPServer, Pid, network=spy)
    server.max_children = 1
    server.active_children = {os.getpid()}
    system.waitpid = waitpid
    server.collect_children()
    assert server.active_children == set()


def test_a_child_that_cannot_be_waited_for_is_kept(make_server, spy, system):
    def waitpid(pid, flags):
        raise OSError

    server = make_server(socketserver.ForkingTCPServer, Pid, network=spy)
    server.max_children = 1
    server.active_children = {os.getpid()}
    system.waitpid = waitpid
    server.collect_children()
    assert server.active_children == {os.getpid()}
    server.active_children = None


def test_collecting_before_the_first_request_does_nothing(make_server):
    server = make_server(socketserver.ForkingTCPServer, Pid)
    assert server.active_children is None
    server.collect_children(blocking=True)
    assert server.active_children is None


def test_a_handler_in_a_child_cannot_stop_the_server_of_its_parent(bed, make_server, dial):
    """It would wait for ever for a loop that runs in another process."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            try:
                self.server.shutdown()
            except RuntimeError:
                self.wfile.write(b"refused")

    server = make_server(socketserver.ForkingTCPServer, Handler)
    serving = bed.spawn(server.serve_forever, 0.01)
    assert dial(server).recv(100) == b"refused"
    server.shutdown()
    serving.result()


@pytest.mark.parametrize("server_class", [socketserver.ForkingUDPServer, socketserver.ForkingUnixDatagramServer])
def test_datagrams_are_handled_in_processes_too(bed, make_server, tmp_path, monkeypatch, server_class):
    class Handler(socketserver.DatagramRequestHandler):
        def handle(self):
            self.wfile.write(b"%d" % os.getpid())

    monkeypatch.chdir(tmp_path)
    names = bed.network.socket
    unix = server_class.address_family == names.AF_UNIX
    server = make_server(server_class, Handler, address="server" if unix else ("127.0.0.1", 0))
    with names.socket(server_class.address_family, names.SOCK_DGRAM) as client:
        client.bind("client" if unix else ("127.0.0.1", 0))
        client.sendto(b"who?", server.server_address)
        server.handle_request()
        assert int(client.recv(100)) in server.active_children


def test_unix_streams_are_handled_in_processes_too(bed, make_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = bed.network.socket
    server = make_server(socketserver.ForkingUnixStreamServer, Pid, address="server")
    with names.socket(names.AF_UNIX) as client:
        client.connect("server")
        server.handle_request()
        assert int(client.makefile().readline()) in server.active_children
        client.sendall(b"x")
