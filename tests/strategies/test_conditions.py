"""Links, schedules and faults as examples."""

from __future__ import annotations

import re

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from simsock import Link, Simulation
from simsock.errors import UsageError
from simsock.socketserver import StreamRequestHandler
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


class Echo(StreamRequestHandler):
    """Sends back every line."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


@settings(max_examples=100)
@given(faults(["client", "server"], kinds=["crash", "pause", "hold"], victims=["server"], max_faults=4, within="2s", max_lasts="1s"))
def test_a_fault_of_a_host_names_it_alone_and_prints_as_code(timeline):
    for fault in timeline.faults:
        assert (fault.a, fault.b) == (("client", "server") if fault.kind == "hold" else ("server", None))
        assert fault.at <= 2 and fault.lasts <= 1
    assert eval(repr(timeline)) == timeline


def test_faults_that_are_asked_for_come_up_and_by_default_no_host_is_struck():
    kinds = set()

    @settings(database=None, max_examples=100)
    @given(faults(), faults(["a"], kinds=["crash", "pause"]))
    def test(dull, wild):
        assert {fault.kind for fault in dull.faults} <= {"partition", "hold", "link"}
        kinds.update((fault.kind, fault.a) for fault in wild.faults)

    test()
    assert kinds == {("crash", "a"), ("pause", "a")}


def test_a_fault_shows_what_it_has():
    assert repr(Fault(1, "crash", "server", lasts=2)) == "Fault(at=1, kind='crash', a='server', lasts=2)"
    assert repr(Fault(1, "link", "a", "b", link=Link())) == "Fault(at=1, kind='link', a='a', b='b', link=Link())"


def asked(sim, at, patience=0.5):
    """What a client is told that comes at a time."""
    sim.sleep(at - sim.now)
    try:
        with sim.connect(("server", 80), timeout=patience) as client:
            client.sendall(b"x\n")
            return client.recv(10)
    except OSError as error:
        return type(error)


def test_a_host_crashes_and_what_it_ran_is_started_again():
    restarted = []

    def restart(name):
        restarted.append((sim.now, name))
        sim.serve(Echo, host=name, port=80)

    with Simulation() as sim:
        sim.serve(Echo, port=80)
        Timeline([Fault(1, "crash", "server", lasts=2)]).start(sim, restart)
        assert [asked(sim, at) for at in (0.5, 1.5, 3.5)] == [b"x\n", TimeoutError, b"x\n"]
    assert restarted == [(3, "server")]


def test_without_anybody_who_starts_it_again_a_host_refuses_connections_after_a_crash():
    with Simulation() as sim:
        sim.serve(Echo, port=80)
        Timeline([Fault(1, "crash", "server", lasts=2)]).start(sim)
        assert [asked(sim, at) for at in (0.5, 1.5, 3.5)] == [b"x\n", TimeoutError, ConnectionRefusedError]


def test_a_host_pauses_and_goes_on():
    with Simulation() as sim:
        sim.serve(Echo, port=80)
        Timeline([Fault(1, "pause", "server", lasts=2)]).start(sim)
        assert asked(sim, 0.5) == b"x\n"
        assert asked(sim, 1.5, patience=None) == b"x\n" and sim.now == 3 and not sim.host("server").is_paused


def test_faults_of_one_host_that_overlap_leave_it_up_and_running_in_the_end():
    faults = [
        Fault(1, "crash", "server", lasts=3),
        Fault(2, "crash", "server", lasts=9),  # it is down already: nothing
        Fault(3, "pause", "server", lasts=9),  # likewise
        Fault(5, "pause", "server", lasts=9),
        Fault(6, "pause", "server", lasts=1),  # it stands still already: nothing
        Fault(8, "crash", "server", lasts=1),  # ends the pause as well
        Fault(10, "pause", "server", lasts=20),  # which the first pause's end does not end
    ]
    with Simulation() as sim:
        sim.serve(Echo, port=80)
        Timeline(faults).start(sim, lambda name: sim.serve(Echo, host=name, port=80))
        came = [asked(sim, at) for at in (2.9, 4.5, 6.4, 7.4, 9.5, 15, 31)]
        told = [(record[0] // 10**9, record[2]) for record in sim.records if record[2] in ("crash", "restart", "pause", "resume")]
    assert came == [TimeoutError, b"x\n", TimeoutError, TimeoutError, b"x\n", TimeoutError, b"x\n"]
    assert told == [(1, "crash"), (4, "restart"), (5, "pause"), (8, "crash"), (9, "restart"), (10, "pause"), (30, "resume")]


def test_a_host_that_the_test_restarts_itself_is_left_alone():
    with Simulation() as sim:
        Timeline([Fault(1, "crash", "server", lasts=2)]).start(sim, lambda name: pytest.fail("started twice"))
        sim.sleep(2)
        sim.host("server").restart()
        sim.serve(Echo, port=80)
        assert asked(sim, 4) == b"x\n"


def test_a_timeline_that_is_started_on_a_host_survives_its_crash():
    with Simulation() as sim:
        sim.serve(Echo, port=80)
        with sim.host("server"):
            Timeline([Fault(1, "crash", "server", lasts=2)]).start(sim)
        sim.sleep(5)
        assert sim.host("server").is_up


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(1, "crash", "a", "b"), "Fault(at=1, kind='crash', a='a', b='b'): b: a crash concerns one host, got 'b'"),
        (Fault(1, "hold", "a"), "Fault(at=1, kind='hold', a='a'): b: expected the other host, got None"),
        (Fault(1, "flood", "a"), "kind: expected one of 'partition', 'hold', 'link', 'crash', 'pause', 'kill', got 'flood'"),
        (Fault(1, "pause", "localhost"), "a: 'localhost' is where the test runs; give what is to pause a host of its own"),
    ],
)
def test_a_fault_that_makes_no_sense_is_an_error_before_anything_happens(fault, said):
    with Simulation() as sim:
        with pytest.raises(UsageError, match=re.escape(said)):
            Timeline([Fault(0, "hold", "a", "b"), fault]).start(sim)
        with pytest.raises(UsageError, match="restarted: expected a function that takes a host's name, got 'server'"):
            Timeline().start(sim, "server")
        assert not [record for record in sim.records if record[2] == "hold"]


def test_a_crash_that_loses_data_is_found_and_shrunk():
    last = []

    class Counter(StreamRequestHandler):
        """Counts in memory alone."""

        def handle(self):
            for _ in self.rfile:
                self.server.__dict__["count"] = count = self.server.__dict__.get("count", 0) + 1
                self.wfile.write(b"%d" % count)

    @settings(database=None, max_examples=300, deadline=None)
    @given(faults(["server"], kinds=["pause", "crash"], within="5s"))
    def test(timeline):
        with Simulation() as sim:
            last[:] = [timeline]
            sim.serve(Counter, port=80)
            heard = [asked(sim, 0)]
            timeline.start(sim, lambda name: sim.serve(Counter, host=name, port=80))
            heard += [asked(sim, at) for at in (40, 80)]
            assert heard == [b"1", b"2", b"3"]

    with pytest.raises(AssertionError):
        test()
    (fault,) = last[0].faults
    assert fault == Fault(0, "crash", "server", lasts=0)


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
        (lambda: schedules("dfs?"), "strategy: expected one of 'fifo', 'random'"),
        (lambda: faults(["a"]), "faults: hosts: expected the names of at least two hosts, got ['a']"),
        (lambda: faults(kinds=["flood"]), "faults: kinds: expected some of 'partition', 'hold', 'link', 'crash', 'pause', 'kill', got ['flood']"),
        (lambda: faults(["a"], kinds=["crash", "link"]), "faults: hosts: expected the names of at least two hosts, got ['a']"),
        (lambda: faults([], kinds=["crash"]), "faults: hosts: expected the names of hosts, got []"),
        (lambda: faults(victims=["server"]), "faults: victims: they crash, pause and are killed, which none of the kinds ('partition', 'hold', 'link') is"),
        (lambda: faults(kinds=["crash"], victims="server"), "faults: victims: expected the names of hosts, got 'server'"),
        (lambda: faults(["a", "localhost"], kinds=["pause"]), "faults: victims: 'localhost' is where the test runs"),
        (lambda: faults(max_faults=-1), "faults: max_faults: expected a whole number"),
        (lambda: faults(link=Link()), "faults: link: expected a Hypothesis strategy"),
    ],
)
def test_what_makes_no_sense_is_an_error(make, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        make()
