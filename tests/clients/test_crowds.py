"""Crowds of clients: who comes when, and what is told of them."""

from itertools import pairwise

import pytest

from simsock import Simulation, UsageError, clients
from simsock.clients import Group, Outcome, Report, let_loose
from simsock.clients.crowds import delays
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer
from simsock.world.testbed import RealTestbed


class Shout(StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


class Guests(Shout):
    def setup(self):
        super().setup()
        self.server.guests = [*getattr(self.server, "guests", []), (round(self.server.network.time.monotonic() - self.server.began, 6), self.client_address[0])]


class Roomy(ThreadingTCPServer):
    request_queue_size = 1000


@pytest.fixture
def world():
    with Simulation(patch=False) as sim:
        sim.served = sim.serve(Guests, server_class=Roomy)
        sim.served.server.began = sim.network.time.monotonic()
        yield sim


def test_a_herd_comes_at_one_instant_each_from_a_host_of_its_own(world):
    outcomes = clients.thundering_herd(world.served, count=20, request=b"x\n")
    assert [outcome.reply for outcome in outcomes] == [b"X\n"] * 20
    guests = world.served.server.guests
    assert {moment for moment, _ in guests} == {0}
    assert len({host for _, host in guests}) == 20


def test_poisson_arrivals_come_at_the_wanted_rate_and_not_evenly(world):
    clients.poisson_arrivals(world.served, count=400, per_second=20, request=b"x\n")
    moments = sorted(moment for moment, _ in world.served.server.guests)
    gaps = [after - before for before, after in pairwise(moments)]
    assert 15 < 400 / moments[-1] < 25, "20 a second, and four standard deviations of the mean of 400 gaps are a fifth"
    share = sum(gap > 0.05 for gap in gaps) / len(gaps)
    assert 0.27 < share < 0.47, "of exponential gaps 1/e are longer than the mean"


def test_arrivals_are_those_of_the_seed():
    def moments(seed):
        with Simulation(seed=seed, patch=False):
            return delays(Group("polite", 5, "poisson 3/s"))

    assert moments(1) == moments(1) != moments(2)
    assert delays(Group("polite", 5, "poisson 3/s")) == delays(Group("polite", 5, "poisson 3/s"))


def test_arrivals_may_be_even_and_late():
    assert delays(Group("polite", 3, "every 50ms", start="1s")) == [1, 1.05, 1.1]
    assert delays(Group("polite", 3, start=2)) == [2, 2, 2]


@pytest.mark.parametrize("arrivals", ["sometimes", "poisson 3", "every", "poisson 0/s", "every day", 3])
def test_arrivals_that_cannot_be_read_are_an_error(arrivals):
    with pytest.raises(UsageError, match="arrivals: "):
        delays(Group("polite", 3, arrivals))


def test_a_mixed_crowd_is_told_by_kind(world):
    def rude(address, word):
        return Outcome("?", "left", word, 1.0)

    report = let_loose(
        world.served,
        [
            Group("polite", 3, options={"request": b"a\n"}),
            Group("slow-sender", 2, name="snails", options={"request": b"bb\n"}),
            Group(rude, 1, options={"word": b"w"}),
        ],
    )
    assert {title: [outcome.reply for outcome in outcomes] for title, outcomes in report.outcomes.items()} == {
        "polite": [b"A\n"] * 3,
        "snails": [b"BB\n"] * 2,
        "rude": [b"w"],
    }
    assert report.lines() == [
        "clients  count  served  refused  timed out  left     min  median     p99     max",
        "polite       3       3        0          0     0  0.000s  0.000s  0.000s  0.000s",
        "snails       2       2        0          0     0  0.300s  0.300s  0.300s  0.300s",
        "rude         1       0        0          0     1  1.000s  1.000s  1.000s  1.000s",
    ]


def test_percentiles_are_of_the_nearest_rank():
    (row,) = Report({"x": [Outcome("x", "served", b"", float(number)) for number in range(100, 0, -1)]}).rows()
    assert (row.min, row.median, row.p99, row.max) == (1, 50, 99, 100)


def test_what_a_client_raises_is_raised_when_all_are_gone(world):
    def bad(address):
        raise KeyError(5)

    with pytest.raises(KeyError):
        let_loose(world.served, [Group(bad), Group("polite", options={"request": b"a\n"})])
    assert len(world.served.server.guests) == 1


def test_a_kind_that_is_none_and_a_count_that_is_none_are_errors(world):
    with pytest.raises(UsageError, match="unknown kind of client 'rude'; expected one of polite, slow-reader"):
        let_loose(world.served, [Group("rude")])
    with pytest.raises(UsageError, match="count: expected a whole number from 1 to 10,000, got 0"):
        let_loose(world.served, [Group("polite", 0)])


@pytest.mark.real
def test_a_crowd_comes_on_the_real_network_too():
    with RealTestbed() as testbed:
        report = let_loose(
            testbed.serve(Shout), [Group("polite", 5, options={"request": b"a\n"}), Group("half-closer", 5, "every 1ms", options={"request": b"b\n"})]
        )
    assert [row.results["served"] for row in report.rows()] == [5, 5]


def test_two_runs_are_the_same():
    def digest():
        with Simulation(patch=False, seed=3) as sim:
            let_loose(sim.serve(Shout), [Group("polite", 10, "poisson 50/s", options={"request": b"a\n"}), Group("garbage-sender", 3)])
            return sim.digest

    assert digest() == digest()
