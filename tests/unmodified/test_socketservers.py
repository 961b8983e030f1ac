"""The standard ``socketserver`` in its forms without forks."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import socketserver
import tempfile
import threading
import time

import pytest

from simsock.errors import Unsupported

from .servers import serving

STREAMS = ["TCPServer", "ThreadingTCPServer"]
DATAGRAMS = ["UDPServer", "ThreadingUDPServer"]
UNIX_STREAMS = ["UnixStreamServer", "ThreadingUnixStreamServer"]
UNIX_DATAGRAMS = ["UnixDatagramServer", "ThreadingUnixDatagramServer"]


class UpperStream(socketserver.StreamRequestHandler):
    """Lines in upper case."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class UpperDatagram(socketserver.DatagramRequestHandler):
    """A datagram in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.read().upper())


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_server_answers_line_by_line(name, run_everywhere):
    def program(sim):
        seen = []
        with sim.host("server"), serving(getattr(socketserver, name)(("", 0), UpperStream)) as port, sim.host("client"):
            for client in range(3):
                with socket.create_connection(("server", port)) as sock, sock.makefile("rwb") as stream:
                    for number in range(3):
                        stream.write(b"client %d line %d\n" % (client, number))
                        stream.flush()
                        seen.append(stream.readline())
        return seen

    assert run_everywhere(program) == [b"CLIENT %d LINE %d\n" % pair for pair in itertools.product(range(3), range(3))]


def test_a_threading_server_serves_its_clients_side_by_side(run_everywhere):
    def program(sim):
        with contextlib.ExitStack() as stack:
            stack.enter_context(sim.host("server"))
            port = stack.enter_context(serving(socketserver.ThreadingTCPServer(("", 0), UpperStream)))
            stack.enter_context(sim.host("client"))
            socks = [stack.enter_context(socket.create_connection(("server", port))) for _ in range(4)]
            streams = [stack.enter_context(sock.makefile("rwb")) for sock in socks]
            for number, stream in reversed(list(enumerate(streams))):
                stream.write(b"i am %d\n" % number)
                stream.flush()
            return [stream.readline() for stream in streams]

    assert run_everywhere(program) == [b"I AM %d\n" % number for number in range(4)]


@pytest.mark.parametrize("name", DATAGRAMS)
def test_a_datagram_server_answers_each_datagram(name, run_everywhere):
    def program(sim):
        def ask(sock, text):
            for _ in range(20):
                sock.sendto(text, ("server", port))
                with contextlib.suppress(TimeoutError):
                    while (answer := sock.recvfrom(1000))[0] != text.upper():
                        pass  # what was asked twice is answered twice
                    return answer[0], answer[1][1] == port
            raise AssertionError("not one of twenty came back")

        with sim.host("server"):
            server = getattr(socketserver, name)(("", 0), UpperDatagram)
        with serving(server, sim.host("server")) as port, sim.host("client"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            return [ask(sock, b"datagram %d" % number) for number in range(5)]

    assert run_everywhere(program) == [(b"DATAGRAM %d" % number, True) for number in range(5)]


def test_one_request_at_a_time_and_a_timeout_that_takes_virtual_time(run):
    class Patient(socketserver.TCPServer):
        timeout = 90
        gave_up = 0

        def handle_timeout(self):
            self.gave_up += 1

    def program(sim):
        with Patient(("127.0.0.1", 0), UpperStream) as server:
            before = time.monotonic()
            server.handle_request()
            waited = time.monotonic() - before
            thread = threading.Thread(target=server.handle_request)
            thread.start()
            with socket.create_connection(server.server_address) as sock:
                sock.sendall(b"hello\n")
                sock.shutdown(socket.SHUT_WR)
                answer = sock.makefile("rb").read()
            thread.join()
            return waited, server.gave_up, answer

    assert run(program) == (pytest.approx(90), 1, b"HELLO\n")


def test_a_server_of_version_six(run):
    class Six(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6

    def program(sim):
        with serving(Six(("::1", 0), UpperStream)) as port, socket.create_connection(("::1", port)) as sock:
            sock.sendall(b"six\n")
            return sock.recv(100), sock.getpeername()[0]

    assert run(program) == (b"SIX\n", "::1")


def test_a_server_at_work_is_shut_down_and_its_threads_are_waited_for(run):
    class Slow(socketserver.BaseRequestHandler):
        def handle(self):
            time.sleep(20)
            self.request.sendall(b"done")

    def program(sim):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with socket.create_connection(server.server_address) as sock:
            time.sleep(1)
            server.shutdown()
            thread.join()
            down = time.monotonic()
            server.server_close()
            return sock.recv(10), round(time.monotonic() - down), threading.active_count()

    assert run(program) == (b"done", 19, 1)


@contextlib.contextmanager
def unix_path():
    """A path for a Unix socket; skips where worlds have none."""
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()
    except Unsupported as error:
        pytest.skip(f"worlds have no Unix sockets yet: {error}")
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.join(folder, "socket")


@pytest.mark.parametrize("name", UNIX_STREAMS)
def test_a_unix_stream_server_answers_line_by_line(name, run):
    def program(sim):
        with unix_path() as path, socketserver_at(path, name, UpperStream), socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            sock.sendall(b"one\ntwo\n")
            sock.shutdown(socket.SHUT_WR)
            return sock.makefile("rb").read()

    assert run(program) == b"ONE\nTWO\n"


@pytest.mark.parametrize("name", UNIX_DATAGRAMS)
def test_a_unix_datagram_server_answers_each_datagram(name, run):
    def program(sim):
        with unix_path() as path, socketserver_at(path, name, UpperDatagram), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(path + ".client")
            sock.connect(path)
            sock.send(b"one")
            return sock.recv(100)

    assert run(program) == b"ONE"


def socketserver_at(path, name, handler):
    """A running Unix server of the standard library."""
    return serving(getattr(socketserver, name)(path, handler))
