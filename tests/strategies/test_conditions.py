"""Links, schedules and faults as examples."""

from __future__ import annotations

import re

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from simsock import Link, Simulation
from simsock.errors import UsageError
from simsock.strategies import Fault, Timeline, faults, links, schedules, simulations


def simplest(strategy):
    return find(strategy, lambda value: True, settings=settings(database=None))


def test_the_simplest_conditions_are_dull():
    assert simplest(links()) == Link()
    assert simplest(faults()) == Timeline()
    assert simplest(schedules()) == "fifo"
    assert simplest(schedules("random")) == "random"


@given(links(max_latency="10ms", max_jitter=0, max_loss="3%", max_duplicate=0, max_corrupt=0))
def test_links_keep_to_their_limits(link):
    values = link.as_dict()
    assert values.keys() <= {"latency_ns", "loss"}
    assert values.get("latency_ns", 0) <= 10_000_000 and values.get("loss", 0) <= 0.03


def test_links_and_schedules_are_options_of_simulations():
    seen = set()

    @settings(database=None, max_examples=50)
    @given(simulations(link=links(), strategy=schedules()))
    def test(sim):
        with sim:
            seen.add((sim.options.strategy, sim.options.link == Link()))

    test()
    assert {strategy for strategy, _ in seen} == {"fifo", "random"} and ("fifo", False) in seen


@settings(max_examples=50)
@given(faults(["a", "b", "c"], max_faults=4, within="2s", max_lasts="1s"))
def test_faults_keep_to_their_limits_and_come_in_order(timeline):
    assert len(timeline.faults) <= 4
    assert timeline.faults == sorted(timeline.faults, key=lambda fault: fault.at)
    for fault in timeline.faults:
        assert fault.at <= 2 and fault.lasts <= 1 and {fault.a, fault.b} < {"a", "b", "c"}
    assert eval(repr(timeline)) == timeline


@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        (Fault(1, "partition", "a", "b", 2), [0, 3]),
        (Fault(1, "hold", "a", "b", 2), [0, 3, 3, 3]),
        (Fault(1, "link", "a", "b", link=Link(latency="5s")), [0, 6, 7, 8]),
    ],
)
def test_faults_happen_when_they_should(fault, arrived):
    came = []

    def receive():
        with sim.datagram(host="b", address=("b", 7)) as sock:
            while True:
                sock.recv(100)
                came.append(sim.now)

    with Simulation() as sim:
        sim.spawn(receive).daemon = True
        Timeline([fault]).start(sim)
        with sim.datagram(host="a") as sock:
            sim.sleep(0.0001)
            for _ in range(4):
                sock.sendto(b"x", ("b", 7))
                sim.sleep(1)
            sim.sleep(10)
    assert [round(at) for at in came] == arrived


def test_a_fault_that_breaks_a_program_is_found_and_shrunk():
    last = []

    @settings(database=None, max_examples=300, deadline=None)
    @given(st.integers(0, 5), faults(kinds=["partition"], within="5s"))
    def test(seconds, timeline):
        with Simulation() as sim, sim.datagram(host="server", address=("server", 7)) as server, sim.datagram(host="client") as client:
            last[:] = [seconds, timeline]
            timeline.start(sim)
            sim.sleep(seconds + 0.5)
            client.sendto(b"x", ("server", 7))
            sim.settle()
            server.setblocking(False)
            assert server.recv(10) == b"x"

    with pytest.raises(BlockingIOError):
        test()
    seconds, timeline = last
    (fault,) = timeline.faults
    assert seconds == 0 and fault.at + fault.lasts <= 0.502


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: links(max_loss=2), "links: max_loss"),
        (lambda: schedules("dfs?"), "schedules: expected some of 'fifo', 'random'"),
        (lambda: faults(["a"]), "faults: hosts: expected the names of at least two hosts, got ['a']"),
        (lambda: faults(kinds=["flood"]), "faults: kinds: expected some of 'partition', 'hold', 'link', got ['flood']"),
        (lambda: faults(max_faults=-1), "faults: max_faults: expected a whole number"),
        (lambda: faults(link=Link()), "faults: link: expected a Hypothesis strategy"),
    ],
)
def test_what_makes_no_sense_is_an_error(make, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        make()
