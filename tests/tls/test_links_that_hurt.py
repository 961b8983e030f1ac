"""What links do to connections, they do to TLS: cut, reset, silenced, slow and lossy ones end a handshake as on Linux, or delay it."""

from __future__ import annotations

import socket
import threading

import pytest

from simsock import Link, Simulation
from simsock.stdlib._tls import _TELLS_RESETS
from tests.tls.contexts import client_context, server_context
from tests.tls.programs import seen

FAR = Link(latency="5ms")
RESET = ("ConnectionResetError", 104, "Connection reset by peer", None, None)
ENDED = ("SSLEOFError", 8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol", "UNEXPECTED_EOF_WHILE_READING", "SSL")


def visit(sim, timeout=60):
    """What both ends say of a handshake and of a line to and fro, on two hosts."""
    found = {}

    def serve(listener):
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(timeout)
            found["server"] = seen(talk, server_context(), sock, {"server_side": True}, b"")

    def talk(context, sock, options, line):
        with context.wrap_socket(sock, **options) as tls:
            if line:
                tls.sendall(line)
                return tls.recv(100)
            tls.sendall(tls.recv(100).upper())
            return "served"

    with sim.host("server"):
        listener = socket.create_server(("", 443))
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
    with sim.host("client"), socket.create_connection(("server", 443)) as sock:
        sock.settimeout(timeout)
        found["client"] = seen(talk, client_context(), sock, {"server_hostname": "server"}, b"hello")
    thread.join()
    listener.close()
    return found["client"], found["server"]


CUT = "Closed before TLS handshake with data in recv buffer."
"""What ``ssl`` says when it is given a socket that is reset, with a part of a hello in it."""


@pytest.mark.parametrize(("after", "client", "server"), [(100, RESET, ("SSLError", 107, CUT, CUT, None)), (600, RESET, RESET)])
def test_a_handshake_that_is_reset(after, client, server):
    """In the middle of the client's words, and in the middle of the server's."""
    with Simulation(seed=1, link=FAR) as sim:
        sim.link(*(("client", "server") if after == 100 else ("server", "client")), both_ways=False, latency="5ms", reset_after=after)
        assert visit(sim) == (client, server)


def test_a_connection_that_ends_in_the_handshake():
    with Simulation(seed=1, link=FAR) as sim:
        sim.link("server", "client", both_ways=False, latency="5ms", close_after=300)
        client, server = visit(sim)
    assert client == ENDED
    assert server[0] in ("SSLEOFError", "ConnectionResetError")


def test_silence_in_the_handshake_ends_with_the_time_of_both():
    with Simulation(seed=1, link=FAR) as sim:
        sim.link("server", "client", both_ways=False, latency="5ms", blackhole_after=300)
        client, server = visit(sim, timeout=20)
        assert 20 <= sim.now < 41
    assert client[:2] == ("TimeoutError", "The handshake operation timed out")
    assert server[0] in ("TimeoutError", "SSLEOFError", "ConnectionResetError")


def test_a_reset_after_the_handshake_is_told_as_this_python_does():
    ends = []
    with Simulation(seed=1, link=FAR) as sim:
        sim.link("server", "client", both_ways=False, latency="5ms", reset_after="200ms")
        with sim.host("server"):
            listener = socket.create_server(("", 443))
            server = threading.Thread(target=lambda: ends.append(server_context().wrap_socket(listener.accept()[0], True)))
            server.start()
        with sim.host("client"), socket.create_connection(("server", 443)) as sock:
            tls = client_context().wrap_socket(sock, server_hostname="server", suppress_ragged_eofs=False)
            found = seen(tls.recv, 10)
            tls.close()
        server.join()
        for end in (listener, *ends):
            end.close()
    assert found[0] in ("SSLEOFError", "ConnectionResetError")
    assert _TELLS_RESETS or found[0] == "SSLEOFError"


@pytest.mark.parametrize("link", ["satellite-geo", "flaky-wifi", Link(loss="20%", latency="20ms", jitter="10ms"), Link(rate="64kbit")])
def test_a_bad_way_takes_its_time(link):
    with Simulation(seed=3, link=link) as sim:
        assert visit(sim) == (b"HELLO", "served")
        assert sim.now > 0.1
