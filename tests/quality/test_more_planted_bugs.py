"""Bugs that one talk does not show: state between clients, a datagram that comes twice, a client that says nothing more. Each has its healthy twin."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import simsock
from simsock import Link, fuzz
from simsock.socketserver import BaseRequestHandler, DatagramRequestHandler, StreamRequestHandler, ThreadingTCPServer, UDPServer
from simsock.strategies import lines, simulations

SEEDS = [1, *(pytest.param(number, marks=pytest.mark.slow) for number in range(2, 21))]
EXAMPLES = 500
TWIN_EXAMPLES = 5_000
"""For the healthy; half a minute each."""


class Found(AssertionError):
    """The property does not hold."""


def search(test, number, *, shrink, examples=EXAMPLES):
    """``test`` under Hypothesis with a seed of its own."""
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    return seed(number)(
        settings(max_examples=examples, database=None, deadline=None, print_blob=False, phases=phases, suppress_health_check=list(HealthCheck))(test)
    )


# -- state across clients ----------------------------------------------------------------------------------------------------------------------


class KeepsStateAcrossClients(BaseRequestHandler):
    """What one client did not finish is the beginning of what the next one says."""

    kept = b""

    def handle(self):
        kind = type(self)
        while data := self.request.recv(1000):
            *whole, kind.kept = (kind.kept + data).split(b"\n")
            for line in whole:
                self.request.sendall(line.upper() + b"\n")


@pytest.mark.parametrize("number", SEEDS)
def test_state_across_clients_is_found(number):
    class Fresh(KeepsStateAcrossClients):
        pass

    with pytest.raises(AssertionError, match=r"does not treat one request the same every time|does not reply the same") as caught:
        fuzz(Fresh, lines(wrong="maybe"), examples=EXAMPLES, seed=number)
    assert "simsock.talk(Fresh, " in str(caught.value)


# -- a datagram twice --------------------------------------------------------------------------------------------------------------------------


class CountsTwice(DatagramRequestHandler):
    """Adds what it is told to, whether or not it has been told before."""

    def handle(self):
        identity, amount = self.rfile.read().split()
        if self.is_new(identity):
            self.server.balance += int(amount)
        self.wfile.write(identity)

    def is_new(self, identity):
        return True


class CountsOnce(CountsTwice):
    """Healthy: remembers what it was told."""

    def is_new(self, identity):
        before = identity in self.server.seen
        self.server.seen.add(identity)
        return not before


class Bank(UDPServer):
    """One account."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.balance = 0
        self.seen = set()


def deposits(handler, kept):
    @given(simulations(link=Link(duplicate="10%"), strategy="fifo"), st.lists(st.integers(1, 100), min_size=1, max_size=5))
    def test(sim, amounts):
        with sim:
            served = sim.serve(handler, server_class=Bank)
            client = sim.datagram()
            for number, amount in enumerate(amounts):
                client.sendto(b"%d %d" % (number, amount), served.address)
                client.recv(100)
            sim.settle()
            balance = served.server.balance
            kept[:] = [amounts, balance]
        if balance != sum(amounts):
            raise Found(f"{amounts} make {balance}")

    return test


@pytest.mark.parametrize("number", SEEDS)
def test_a_datagram_that_is_handled_twice_is_found_and_shrunk_to_a_few_deposits(number):
    kept = []
    with pytest.raises(Found):
        search(deposits(CountsTwice, kept), number, shrink=True)()
    amounts, balance = kept
    assert set(amounts) == {1}
    assert len(amounts) <= 3
    assert balance == len(amounts) + 1


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [1])
def test_a_bank_that_remembers_is_left_alone(number):
    kept = []
    search(deposits(CountsOnce, kept), number, shrink=True, examples=TWIN_EXAMPLES)()
    assert kept[1] == sum(kept[0])


# -- a client that says nothing more -----------------------------------------------------------------------------------------------------------


class NeverTimesOut(StreamRequestHandler):
    """Waits for the end of a line for ever."""

    def handle(self):
        try:
            self.wfile.write(self.rfile.readline().upper())
        except TimeoutError:
            pass


class TimesOut(NeverTimesOut):
    """Healthy: for half a minute."""

    timeout = 30


def idlers(handler, kept):
    @given(simulations(), st.binary(max_size=10))
    def test(sim, sent):
        with sim:
            served = sim.serve(handler, server_class=ThreadingTCPServer)
            client = sim.connect(served)
            client.sendall(sent)
            kept[:] = [sent]
            client.settimeout(60)
            try:
                client.recv(100)
            except TimeoutError:
                raise Found(f"{sent!r} keeps a thread for ever") from None
            except ConnectionResetError:  # it left more unread than the line
                pass

    return test


@pytest.mark.parametrize("number", SEEDS)
def test_a_handler_that_never_times_out_is_found_and_shrunk_to_silence(number):
    kept = []
    with pytest.raises(Found):
        search(idlers(NeverTimesOut, kept), number, shrink=True)()
    assert kept == [b""]


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [1])
def test_a_handler_with_a_timeout_is_left_alone(number):
    kept = []
    search(idlers(TimesOut, kept), number, shrink=True, examples=TWIN_EXAMPLES)()
    assert kept


def test_the_twins_work_as_servers_do():
    with simsock.Simulation() as sim:
        served = sim.serve(TimesOut)
        with sim.connect(served) as client:
            client.sendall(b"hello\n")
            assert client.recv(100) == b"HELLO\n"
