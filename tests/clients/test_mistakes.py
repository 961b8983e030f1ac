"""Calls of clients and crowds that make no sense are told with the argument, before any client comes."""

import functools
from inspect import signature

import pytest

from simsock import Simulation
from simsock.clients import KINDS, Group, Outcome, let_loose, polite
from simsock.errors import UsageError
from simsock.socketserver import StreamRequestHandler


class Shout(StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("polite", -1), "count: expected a whole number from 1 to 10,000, got -1"),
        (("polite", True), "count: expected a whole number from 1 to 10,000, got True"),
        (("polite", "5"), "count: expected a whole number from 1 to 10,000, got '5'"),
        (("polit",), "unknown kind of client 'polit'; expected one of polite, "),
        ((3,), "unknown kind of client 3; expected one of polite, "),
        ((["polite"],), "unknown kind of client ['polite']; expected one of polite, "),
        (("polite", 1, "often"), 'arrivals: expected "at once", "every 50ms" or "poisson 20/s", got \'often\''),
        (("polite", 1, "poisson 0/s"), "arrivals: expected more than none a second, got 0/s"),
        (("polite", 1, "at once", -1), "start: expected "),
        (("polite", 1, "at once", 0, 5), "name: expected text, got 5"),
        (("polite", 1, "at once", 0, "", ["until"]), "options: expected a dictionary, got ['until']"),
        (("polite", 1, "at once", 0, "kind ones", {"utnil": 3}), "kind ones: unknown option 'utnil'; known: request, until, timeout"),
    ],
)
def test_a_group_is_checked_when_it_is_made(arguments, message):
    with pytest.raises(UsageError) as caught:
        Group(*arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("groups", [["polite"], "polite", 3, Group("polite"), [Group("polite"), "polite"]])
def test_crowds_are_made_of_groups(groups):
    with Simulation() as sim:
        served = sim.serve(Shout)
        with pytest.raises(UsageError, match=r"^let_loose: expected groups, such as \[Group\('polite', 10\)\], got "):
            let_loose(served, groups)
        assert len(let_loose(served, (group for group in [Group("polite", options={"request": b"a\n"})])).outcomes["polite"]) == 1


def test_a_function_that_returns_no_outcome_is_named():
    def careless(address):
        return polite(address).served

    with (
        Simulation() as sim,
        pytest.raises(UsageError, match=r"^expected a function that returns a simsock\.clients\.Outcome, and careless \(mine\) returned True$"),
    ):
        let_loose(sim.serve(Shout), [Group(careless, name="mine")])


def test_whatever_can_be_called_may_be_a_client():
    class Client:
        def __call__(self, address, **options):
            return Outcome("any", "served", b"%d" % len(options))

    with Simulation() as sim:
        report = let_loose(sim.serve(Shout), [Group(Client(), options={"a": 1}), Group(functools.partial(polite, request=b"a\n"), options={"until": 2})])
    assert {name: [outcome.reply for outcome in outcomes] for name, outcomes in report.outcomes.items()} == {"Client": [b"1"], "partial": [b"A\n"]}


WORDS = "until: expected a whole number from 1, bytes, or None for the end of the connection, got "


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        *((kind, {"request": "hi\n"}, "request: expected bytes, got 'hi\\n'") for kind, client in KINDS.items() if "request" in signature(client).parameters),
        *((kind, {"until": "x"}, f"{WORDS}'x'") for kind, client in KINDS.items() if "until" in signature(client).parameters),
        *((kind, {"timeout": -1}, "timeout: expected ") for kind, client in KINDS.items() if "timeout" in signature(client).parameters),
        ("polite", {"until": -1}, f"{WORDS}-1"),
        ("polite", {"until": 0}, f"{WORDS}0"),
        ("polite", {"until": b""}, f"{WORDS}b''"),
        ("polite", {"until": True}, f"{WORDS}True"),
        ("slowloris", {"every": 0}, "every: expected more than no time, got 0"),
        ("slowloris", {"every": "often"}, "every: expected "),
        ("slowloris", {"hold": -1}, "hold: expected "),
        ("slowloris", {"head": "GET"}, "head: expected bytes, got 'GET'"),
        ("tls-staller", {"after": -1}, "after: expected a whole number from 0 to 164, the length of the hello, got -1"),
        ("tls-staller", {"after": True}, "after: expected "),
        ("tls-staller", {"hold": -1}, "hold: expected "),
        ("idle-holder", {"hold": -1}, "hold: expected "),
        ("slow-reader", {"receive_buffer": 0}, "receive_buffer: expected a whole number from 1, got 0"),
        ("slow-reader", {"bytes_per_second": 0.5}, "bytes_per_second: expected a whole number from 1, got 0.5"),
        ("half-open", {"after": -1}, "after: expected a whole number from 0, got -1"),
        ("half-open", {"linger": "long"}, "linger: expected "),
        ("fragmenter", {"sizes": "x"}, "sizes: expected a whole number from 1, got 'x'"),
        ("fragmenter", {"sizes": 1.5}, "sizes: expected a whole number from 1, got 1.5"),
        ("fragmenter", {"sizes": []}, "sizes: expected at least one"),
        ("port-scanner", {"ports": 80}, "ports: expected several, such as [80, 443], got 80"),
        ("port-scanner", {"ports": "80"}, "ports: expected a whole number from 0 to 65,535, got '8'"),
        ("port-scanner", {"ports": [65536]}, "ports: expected a whole number from 0 to 65,535, got 65536"),
    ],
)
def test_a_client_tells_which_argument_makes_no_sense_before_it_connects(kind, options, message):
    with Simulation() as sim:
        served = sim.serve(Shout)
        with sim.host("ghost"), pytest.raises(UsageError) as caught:
            KINDS[kind](served, **options)
        assert not [entry for entry in sim.records if entry[2] == "connect"]
    assert str(caught.value).startswith(message)


def test_what_clients_say_may_be_a_bytearray():
    with Simulation() as sim:
        served = sim.serve(Shout)
        assert polite(served, bytearray(b"hi\n"), until=bytearray(b"\n")).reply == b"HI\n"
        assert [entry for entry in sim.records if entry[2] == "connect"], "by which the test above sees that nobody has connected"
