"""The four forking servers in a world: the standard library's and ours."""

from __future__ import annotations

import os
import signal
import socket
import socketserver as standard
import time

import pytest

from simsock import Deadlock, Simulation, socketserver


@pytest.fixture(params=[standard, socketserver], ids=["standard", "ours"])
def library(request):
    return request.param


class Echo(standard.StreamRequestHandler):
    """Says its process and how many requests that has handled, then what it was sent."""

    handled = 0

    def handle(self):
        Echo.handled += 1
        self.wfile.write(b"%d %d\n" % (os.getpid(), Echo.handled))
        for line in self.rfile:
            self.wfile.write(line.upper())


class Sleepy(standard.StreamRequestHandler):
    def handle(self):
        time.sleep(10)
        self.wfile.write(b"woke")


class Failing(standard.BaseRequestHandler):
    def handle(self):
        raise ValueError("in the child")


def test_each_request_has_a_process_and_a_memory_of_its_own(world, library):
    served = world.serve(library.ForkingTCPServer, Echo)
    clients = [world.connect(served) for _ in range(3)]
    first_lines = [client.makefile("rb").readline().split() for client in clients]
    pids = [int(pid) for pid, _ in first_lines]
    assert len({*pids, os.getpid()}) == 4
    assert [int(count) for _, count in first_lines] == [1, 1, 1]
    assert Echo.handled == 0
    clients[1].sendall(b"hello\n")
    assert clients[1].recv(100) == b"HELLO\n"
    for client in clients:
        client.close()


def test_requests_are_handled_side_by_side_and_the_parent_keeps_no_connection(world, library):
    served = world.serve(library.ForkingTCPServer, Sleepy)
    clients = [world.connect(served) for _ in range(3)]
    assert [client.makefile("rb").read() for client in clients] == [b"woke"] * 3
    assert round(world.now) == 10


def test_children_are_reaped_while_the_server_serves(world, library):
    served = world.serve(library.ForkingTCPServer, Echo)
    for _ in range(5):
        with world.connect(served) as client:
            client.recv(100)
    time.sleep(5)
    with world.connect(served) as client:
        client.recv(100)
        time.sleep(5)
        assert len(served.server.active_children) == 1


def test_there_are_never_more_than_max_children(world, library):
    class Server(library.ForkingTCPServer):
        max_children = 2

    served = world.serve(Server, Sleepy)
    clients = [world.connect(served) for _ in range(4)]
    ends = []
    for client in clients:
        client.makefile("rb").read()
        ends.append(round(world.now))
    assert ends == [10, 10, 20, 20]


@pytest.mark.parametrize(("blocks", "waited"), [(True, 10), (False, 0)])
def test_closing_waits_for_the_children_if_it_is_to(world, library, blocks, waited):
    server = library.ForkingTCPServer(("127.0.0.1", 0), Sleepy)
    server.block_on_close = blocks
    client = socket.create_connection(server.server_address)
    server.handle_request()
    server.server_close()
    assert round(world.now) == waited
    assert client.recv(10) == b"woke"
    time.sleep(1)
    server.collect_children()
    assert not server.active_children


def test_who_waits_in_vain_for_a_request_reaps_children(world, library):
    server = library.ForkingTCPServer(("127.0.0.1", 0), Echo)
    assert server.timeout == 300
    client = socket.create_connection(server.server_address)
    server.handle_request()
    client.shutdown(socket.SHUT_WR)  # not closed: the child was forked with a copy of this end, too
    server.handle_request()
    assert round(world.now) == 300
    assert not server.active_children
    server.server_close()


def test_what_a_handler_raises_in_its_process_fails_the_test_and_ends_it_with_status_1(library, capsys):
    statuses = []

    class Server(library.ForkingTCPServer):
        def collect_children(self, *, blocking=False):
            for pid in list(self.active_children or ()):
                statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                self.active_children.discard(pid)

    with pytest.raises(ValueError, match="in the child") as caught, Simulation() as sim:
        served = sim.serve(Server, Failing)
        assert sim.connect(served).recv(1) == b""
    assert statuses == [1]
    assert "in handle" in "".join(caught.value.__notes__)
    told = capsys.readouterr().err
    assert ("ValueError: in the child" in told) is (library is standard)


def test_an_error_of_a_handler_can_be_expected(world, library):
    world.expect_errors(ValueError, match="in the child")
    assert world.connect(world.serve(library.ForkingTCPServer, Failing)).recv(1) == b""


def test_a_child_that_is_killed_takes_its_connection_with_it_and_no_other(world, library):
    served = world.serve(library.ForkingTCPServer, Echo)
    doomed, other = world.connect(served), world.connect(served)
    pid = int(doomed.recv(100).split()[0])
    other.recv(100)
    os.kill(pid, signal.SIGKILL)
    assert doomed.recv(1) == b""
    other.sendall(b"still here\n")
    assert other.recv(100) == b"STILL HERE\n"
    other.close()


def test_datagrams_are_handled_in_processes_too(world, library):
    class Handler(library.DatagramRequestHandler):
        def handle(self):
            self.wfile.write(b"%d " % os.getpid() + self.rfile.read())

    served = world.serve(library.ForkingUDPServer, Handler)
    client = world.datagram()
    client.sendto(b"who?", served.address)
    pid, word = client.recv(100).split()
    assert int(pid) != os.getpid()
    assert word == b"who?"


@pytest.mark.parametrize("kind", ["ForkingUnixStreamServer", "ForkingUnixDatagramServer"])
def test_unix_sockets_are_served_in_processes_too(world, library, kind, tmp_path, monkeypatch):
    if not hasattr(library, kind):
        pytest.skip("standard since 3.12")
    monkeypatch.chdir(tmp_path)
    stream = "Stream" in kind

    class Handler(standard.BaseRequestHandler):
        def handle(self):
            answer = b"%d" % os.getpid()
            if stream:
                self.request.sendall(answer)
            else:
                self.request[1].sendto(answer, self.client_address)

    server = getattr(library, kind)("server", Handler)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    client.bind("client")
    if stream:
        client.connect("server")
    else:
        client.sendto(b"who?", "server")
    server.handle_request()
    assert int(client.recv(100)) in server.active_children
    server.server_close()
    client.close()


def test_a_deadlock_with_a_child_is_told_although_the_server_polls(library):
    with pytest.raises(Deadlock, match="process-1"), Simulation() as sim:
        client = sim.connect(sim.serve(library.ForkingTCPServer, Echo, host="server"))
        client.recv(100)
        client.recv(100)


def test_the_digest_of_a_forking_server_is_the_same_on_every_python():
    with Simulation(seed=2, strategy="random", preempt="calls") as sim:
        served = sim.serve(standard.ForkingTCPServer, Echo, host="server")

        def visit():
            with sim.connect(served) as client:
                client.sendall(b"hello\n")
                with client.makefile("rb") as file:
                    assert file.readline().endswith(b" 1\n")
                    assert file.readline() == b"HELLO\n"

        for task in [sim.spawn(visit, host=f"client-{number}") for number in range(3)]:
            task.result()
    assert sim.digest == "cbb233d827e2d097a09d26d388c6f9e6"
