"""``allow="127.0.0.1:5432"``: a real peer that a world's streams may reach, and what is said of such a run."""

from __future__ import annotations

import errno
import socket
import socketserver
import ssl
import threading

import pytest

import simsock
from simsock import Unsupported, UsageError
from simsock.cli.arguments import consent_words, consented
from tests.tls.contexts import client_context, server_context


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class UpperOverTls(Upper):
    def setup(self):
        self.request = server_context().wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        super().finish()
        self.request.close()


class Server(socketserver.ThreadingTCPServer):
    daemon_threads, block_on_close = True, False

    def handle_error(self, request, address):
        """A client has refused the certificate."""


def served(handler):
    """A real server: (its port, "127.0.0.1:port")."""
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def real():
    yield from served(Upper)


@pytest.fixture(scope="module")
def real_tls():
    yield from served(UpperOverTls)


@pytest.mark.parametrize("patch", [True, False])
def test_a_stream_to_it_is_real_and_takes_no_time(real, patch):
    port, peer = real
    with simsock.Simulation(allow=peer, patch=patch) as sim:
        sock = sim.network.socket.create_connection(("localhost", port), 5)
        with sock, sock.makefile("rwb") as file:
            assert (sock.gettimeout(), sock.family, sock.type) == (5, socket.AF_INET, socket.SOCK_STREAM)
            assert sock.getpeername() == ("127.0.0.1", port)
            file.write(b"hello\n")
            file.flush()
            assert file.readline() == b"HELLO\n"
            sock.sendall(b"more\n")
            assert sock.recv(10) == b"MORE\n"
        assert sock.fileno() == -1
        assert sim.now == 0
        with pytest.raises(OSError, match="refused"):
            sim.network.socket.create_connection(("127.0.0.1", port + 1 if port < 65535 else port - 1))
    assert sim.leaks == []


def test_what_is_raised_in_such_a_run_says_that_it_cannot_be_repeated(real):
    port, peer = real
    with pytest.raises(ZeroDivisionError) as caught, simsock.Simulation(allow=[peer]) as sim:
        socket.create_connection(("127.0.0.1", port)).close()
        assert sim.records[-1][2:] == ("real peer", peer)
        raise ZeroDivisionError
    assert caught.value.__notes__ == [f"this run talked to {peer} for real (allow=), outside the world's time: no token repeats it for certain"]


def test_a_token_does_not_let_a_peer_through_by_itself(real):
    _, peer = real
    token = simsock.Simulation(allow=peer).token
    with pytest.raises(UsageError, match=r"it asks for allow=\['127\.0\.0\.1:\d+'\], which lets the program reach out of its world"):
        simsock.Simulation(token=token)
    assert simsock.Simulation(token=token, allow=peer).options.allow == (peer,)


def test_the_systems_errors_come_through():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]  # nobody listens there
        with simsock.Simulation(allow=f"localhost:{port}"):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            with socket.socket() as sock:
                assert sock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_what_such_a_socket_cannot_do_is_an_error_by_name(real):
    import selectors

    port, peer = real

    class Mine(socket.socket):
        pass

    with simsock.Simulation(allow=peer), Mine() as mine, selectors.DefaultSelector() as selector:
        with pytest.raises(Unsupported, match=rf"allow: a socket of class .*Mine to the real peer {peer}"):
            mine.connect(("127.0.0.1", port))
        with (
            socket.create_connection(("127.0.0.1", port)) as sock,
            pytest.raises(Unsupported, match=rf"is a real socket: nothing inside a world can wait for it; it talks to {peer} \(allow=\): let it block"),
        ):
            selector.register(sock, selectors.EVENT_READ)
            selector.select(1)


def test_an_event_loop_that_connects_to_it_is_told_so(real):
    """It asks for the number that the socket had while it was simulated."""
    import asyncio

    port, peer = real
    with simsock.Simulation(allow=peer), pytest.raises(Unsupported, match=rf"epoll: descriptor \d+ is a real socket: .*; it talks to {peer} \(allow=\)"):
        asyncio.run(asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 5))


def test_a_replay_lets_it_through_if_it_is_told_so_too(real):
    port, peer = real

    def test(sim):
        with socket.create_connection(("127.0.0.1", port)):
            raise ZeroDivisionError

    token = simsock.explore(test, 1, allow=peer).token
    with pytest.raises(UsageError, match=r"if you trust it, say allow=\['127\.0\.0\.1:\d+'\] yourself beside it"):
        simsock.replay(test, token)
    for allow in (peer, [peer]):
        with pytest.raises(ZeroDivisionError):
            simsock.replay(test, token, allow=allow)


def test_the_words_of_a_command_consent_to_peers_as_well():
    options = {"patch": False, "allow": ["127.0.0.1:5432", "[::1]:80"]}
    words = consent_words(options)
    assert words == ["patch=False", "allow=127.0.0.1:5432", "allow=[::1]:80"]
    assert consented(words) == options
    assert consent_words({"allow": "127.0.0.1:1"}) == ["allow=127.0.0.1:1"]
    assert consent_words({"patch": True}) == []
    for wrong in ("allow", "allow=", "patch"):
        with pytest.raises(UsageError, match=rf"^--consent: expected patch=False, entropy=real or allow=ADDRESS:PORT, got '{wrong}'"):
            consented([wrong])


@pytest.mark.parametrize("patch", [True, False])
def test_tls_to_it_is_real(real_tls, patch):
    port, peer = real_tls
    with simsock.Simulation(allow=peer, patch=patch) as sim:
        sock = sim.network.socket.create_connection(("localhost", port), 5)
        with client_context().wrap_socket(sock, server_hostname="localhost") as tls, tls.makefile("rwb") as file:
            assert isinstance(tls, ssl.SSLSocket)
            assert sock.fileno() == -1
            assert (tls.gettimeout(), tls.version(), tls.getpeername()) == (5, "TLSv1.3", ("127.0.0.1", port))
            file.write(b"hello\n")
            file.flush()
            assert file.readline() == b"HELLO\n"
            tls.sendall(b"more\n")
            assert tls.recv(10) == b"MORE\n"
        assert tls.fileno() == -1
        assert sim.now == 0
    assert sim.leaks == []


def test_what_is_wrong_with_its_certificate_is_told(real_tls):
    port, peer = real_tls
    with simsock.Simulation(allow=peer), socket.create_connection(("127.0.0.1", port)) as sock:
        with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'elsewhere"):
            client_context().wrap_socket(sock, server_hostname="elsewhere.example")
        assert sock.fileno() == -1, "a failed handshake closes it"
