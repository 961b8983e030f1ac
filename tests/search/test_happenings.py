"""A search says which of its faults took effect, and fails for what none of its schedules showed."""

from __future__ import annotations

import socket

import pytest

import simsock
from simsock.kernel.happened import Counts
from simsock.search.happenings import Happenings, Seen
from simsock.search.places import expected_places


def send_one(sim, target="server"):
    inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
    sender.sendto(b"x", inbox.getsockname())
    sim.sleep(1)


def cut_off(sim):
    sim.partition("client", "server")
    send_one(sim)


def cut_off_from_nobody(sim):
    sim.host("elsewhere")
    sim.partition("client", "elsewhere")
    send_one(sim)


def explored(test, schedules=3, **options):
    return simsock.explore(test, schedules, preempt="calls", **options)


def test_a_partition_counts_the_packets_that_it_swallows():
    verdict = explored(cut_off, require_faults=True)
    assert verdict.status == "inconclusive"
    assert verdict.faults == {"partition client <-> server": Seen(3, 3, 3)}
    assert "faults that took effect: partition client <-> server (3 times in 3 of 3 schedules)" in str(verdict)


def test_a_partition_between_hosts_that_never_talk_is_named_and_fails_only_if_that_is_asked_for():
    verdict = explored(cut_off_from_nobody)
    assert verdict.status == "inconclusive"
    assert "faults that never took effect: partition client <-> elsewhere" in str(verdict)
    verdict = explored(cut_off_from_nobody, require_faults=True)
    assert verdict.status == "fails"
    assert verdict.token is None and verdict.failing_schedule is None and verdict.deviations == []
    with pytest.raises(simsock.NeverHappened, match=r"in 3 schedules no schedule failed, but never took effect: partition client <-> elsewhere"):
        verdict.raise_if_failed()
    with pytest.raises(simsock.UsageError, match="none of its runs showed"):
        verdict.replay()


def orders(sim):
    """One of each, none of which meets anything."""
    sim.host("a")
    sim.host("b")
    sim.hold("a", "b", one_way=True)
    sim.rule(never)
    sim.resolver("a", fail="temporary")
    sim.host("b").pause()
    sim.host("b").resume()
    sim.host("b").crash()
    sim.link("a", "b", loss="10%", latency="5ms", toxicity="50%", reset_after=100)
    send_one(sim)


def never(packet):
    return simsock.Drop if packet.size > 60_000 else simsock.Pass


def test_each_kind_of_fault_is_named_if_it_never_took_effect():
    assert sorted(explored(orders).evidence.happenings.faults_missing()) == [
        "crash of b",
        "hold a -> b",
        "latency 5 ms of a <-> b",
        "loss 10% of a <-> b",
        "pause of b",
        "reset after 100 bytes of a <-> b",
        "resolver a: fails (temporary)",
        "rule never",
    ]


def all_of_them(sim):
    """The same, each of which meets something."""
    send_one(sim)
    sim.hold("client", "server")
    send_one(sim)
    sim.release()
    with sim.rule(dropping):
        send_one(sim)
    sim.resolver("server", fail="temporary")
    with pytest.raises(socket.gaierror):
        socket.gethostbyname("server")
    sim.resolver("server")
    sim.link("client", "server", loss=1, latency="5ms")
    send_one(sim)
    sim.link("client", "server", latency="5ms", slice=2)
    with sim.host("server"):
        listener = socket.create_server(("server", 80))
    client = sim.connect(("server", 80), host="client")
    accepted, _ = listener.accept()
    client.sendall(b"hello")
    assert accepted.recv(100)
    for sock in (accepted, listener):
        sock.close()
    sim.spawn(sim.sleep, 100, host="server")
    sim.sleep(1)
    sim.host("server").pause()
    sim.host("server").resume()
    sim.host("server").crash()


def dropping(packet):
    return simsock.Drop


def test_each_kind_of_fault_counts_what_it_does():
    verdict = explored(all_of_them, 1, require_faults=True)
    assert verdict.status == "inconclusive", str(verdict)
    assert set(verdict.faults) == {
        "crash of server",
        "hold client <-> server",
        "latency 5 ms of client <-> server",
        "loss 100% of client <-> server",
        "pause of server",
        "resolver server: fails (temporary)",
        "rule dropping",
        "slice (2,) of client <-> server",
    }
    assert min(seen.times for seen in verdict.faults.values()) >= 1


def test_a_rule_that_passes_everything_has_decided_nothing():
    def test(sim):
        sim.rule(never)
        send_one(sim)

    assert explored(test).evidence.happenings.faults_missing() == ["rule never"]


def test_options_that_choose_are_faults_too():
    def exchange(sim):
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        client.send(b"hello" * 20)
        accepted, _ = listener.accept()
        assert accepted.recv(1000)
        for sock in (accepted, client, listener):
            sock.close()

    verdict = explored(exchange, 40, stalls="random", collect="random", chunks="bytes", sends=[7], require_faults=True)
    assert verdict.status == "inconclusive", str(verdict)
    assert set(verdict.faults) == {"stalls", "collect", "chunks='bytes'", "sends=[7]"}
    assert explored(lambda sim: None, 40, chunks="bytes", require_faults=True).status == "fails"


def test_a_link_of_every_connection_counts_for_all_of_them():
    verdict = explored(send_one, 200, link=simsock.Link(loss="20%", duplicate="1%"))
    assert verdict.faults["loss 20% of every link"].happened_in in range(8, 36), "half of the schedules leave each out"
    assert verdict.faults["duplicate 1% of every link"].schedules == 200


def test_of_a_hostile_link_only_that_there_was_one_is_required():
    assert explored(send_one, 20, link="hostile", require_faults=True).status == "inconclusive"
    assert explored(lambda sim: None, 20, link="hostile", require_faults=True).status == "fails"


def test_a_world_alone_requires_its_faults_too():
    with simsock.Simulation(require_faults=True) as sim:
        cut_off(sim)
    with (
        pytest.raises(simsock.NeverHappened, match="never took effect in this run: partition client <-> elsewhere"),
        simsock.Simulation(require_faults=True) as sim,
    ):
        cut_off_from_nobody(sim)


def test_counting_changes_no_run():
    def digest(require):
        with simsock.Simulation(seed=3, link=simsock.Link(loss="20%", latency="1ms"), require_faults=require) as sim:
            for number in range(30):
                send_one(sim)
                sim.sometimes(number == 100, "never")
        return sim.digest

    assert digest(True) == digest(False)


# -- states that some schedule must show ------------------------------------------------------------------------------------------------------


def two_orders(sim):
    done = []
    tasks = [sim.spawn(done.append, name) for name in "ab"]
    for task in tasks:
        task.result()
    sim.sometimes(done == ["b", "a"], "b came first")
    sim.sometimes(lambda: len(done) == 2, "both came")


def test_what_held_in_some_schedule_is_told():
    verdict = simsock.explore(two_orders, 100)
    assert verdict.status == "inconclusive"
    assert verdict.places["both came"] == Seen(100, 100, 100)
    assert 0 < verdict.places["b came first"].happened_in < 100
    assert "seen: 'b came first' (" in str(verdict)


def never_holds(sim):
    sim.sometimes(sim.now > 1, "a second has passed")


def test_a_search_in_which_it_never_held_fails():
    verdict = explored(never_holds)
    assert verdict.status == "fails"
    assert "never held: 'a second has passed' at tests/search/test_happenings.py:" in str(verdict)
    assert "(asked in 3 of them)" in str(verdict)


def test_the_same_with_processes():
    verdict = explored(never_holds, 5, jobs=2)
    assert verdict.status == "fails"
    assert verdict.places == {"a second has passed": Seen(5, 0, 0)}


class Visitor:
    def __init__(self, sim):
        self.sim = sim

    def visit(self):
        if self.sim.now > 5:
            self.sim.reachable("late visit")


def visited(sim):
    Visitor(sim).visit()
    if sim.now > 1:
        sim.sometimes(True, name="later")
    sim.reachable("the end")


def not_its_own(sim):
    sim.reachable("another test's")


def test_a_place_that_is_never_reached_is_known_from_the_source():
    assert set(expected_places(visited)) == {"late visit", "later", "the end"}
    verdict = explored(visited)
    assert verdict.status == "fails"
    assert str(verdict.error).count("never reached") == 2 and "'the end'" not in str(verdict.error)
    assert "another" not in str(verdict)


def test_methods_closures_and_partials_are_looked_into():
    from functools import partial

    def inner(world):
        world.reachable("inside")

    class Case:
        def test(self, sim):
            sim.reachable("in a method")

    assert set(expected_places(lambda sim: inner(sim))) == {"inside"}
    assert set(expected_places(Case().test)) == {"in a method"}
    assert set(expected_places(partial(inner))) == {"inside"}
    assert expected_places(print) == {} == expected_places(None)


def test_other_objects_methods_of_the_same_name_are_none():
    class Graph:
        def reachable(self, name):
            return name

    graph = Graph()
    assert expected_places(lambda sim: graph.reachable("a node")) == {}


@pytest.mark.parametrize("name", ["", None, 7, "x" * 201])
def test_names_that_are_none_are_refused(name):
    with simsock.Simulation() as sim:
        with pytest.raises(simsock.UsageError, match="name: expected a text"):
            sim.reachable(name)
        with pytest.raises(simsock.UsageError, match="sometimes: name"):
            sim.sometimes(True, name)


def test_sums_do_not_depend_on_the_order():
    parts = [Counts((("cut", 3, True), ("rule r", 0, True)), (("here", False),)), Counts((("cut", 0, True),), (("here", True), ("there", False)))]
    left, right, other = Happenings(), Happenings(), Happenings()
    for part in parts:
        left.note(part)
    other.note(parts[1])
    right.note(parts[0])
    other.merge(right)
    assert left.faults == other.faults == {"cut": Seen(2, 1, 3), "rule r": Seen(1, 0, 0)}
    assert left.places == other.places == {"here": Seen(2, 1, 1), "there": Seen(1, 0, 0)}
