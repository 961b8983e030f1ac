"""Calls of clients and crowds that make no sense are told with the argument, before any client comes."""

import functools

import pytest

from simsock import Simulation
from simsock.clients import Group, Outcome, let_loose, polite
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
