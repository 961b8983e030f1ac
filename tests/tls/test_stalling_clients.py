"""The client that hangs in a handshake: a server answers its hello, and has to have patience with it."""

from __future__ import annotations

import ssl
from functools import partial

import pytest

from simsock import Simulation, clients
from simsock.clients.tls import HELLO
from simsock.socketserver import BaseRequestHandler
from tests.tls.contexts import make_server_context, server_context


class Handshake(BaseRequestHandler):
    """Shakes hands, with two seconds of patience."""

    context = server_context()

    def handle(self):
        self.request.settimeout(2)
        try:
            self.context.wrap_socket(self.request, server_side=True).close()
        except OSError as error:
            self.server.found = type(error).__name__


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_answers_its_hello_and_waits_for_the_rest(version):
    class Server(Handshake):
        context = make_server_context(maximum_version=version)

    with Simulation(seed=1) as sim:
        served = sim.serve(Server)
        outcome = sim.spawn(clients.tls_staller, served, host="mallory").result()
        assert outcome.reply.startswith(b"\x16\x03\x03") and len(outcome.reply) > 500, "a hello, and a certificate"
        assert (outcome.kind, outcome.result, round(outcome.seconds, 3), served.server.found) == ("tls-staller", "closed", 2.0, "TimeoutError")


@pytest.mark.parametrize("after", [0, 3, 5, len(HELLO) - 1])
def test_a_part_of_its_hello_is_answered_by_nothing(after):
    with Simulation(seed=1) as sim:
        outcome = sim.spawn(partial(clients.tls_staller, sim.serve(Handshake), after=after), host="mallory").result()
        assert (outcome.reply, outcome.result) == (b"", "closed")


def test_it_goes_when_its_time_is_over():
    with Simulation(seed=1) as sim:
        served = sim.serve(Handshake)
        outcome = sim.spawn(partial(clients.tls_staller, served, hold="1s"), host="mallory").result()
        sim.settle()
        assert (outcome.result, served.server.found) == ("left", "SSLEOFError")
