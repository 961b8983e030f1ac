"""``sim.eventually`` ends all faults, and then something must come true in time."""

from __future__ import annotations

import socket

import pytest

import simsock


def replicate(sim, tries):
    """A sender that repeats a datagram until it is acknowledged, ``tries`` times at most."""
    inbox = sim.datagram(host="b")
    sender = sim.datagram(host="a")
    sender.settimeout(1)
    kept = []

    def keep():
        while True:
            data, address = inbox.recvfrom(100)
            kept.append(data)
            inbox.sendto(b"ok", address)

    def send():
        for _ in range(tries):
            sender.sendto(b"x", inbox.getsockname())
            try:
                sender.recv(10)
                break
            except TimeoutError:
                continue

    tasks = [sim.host("b").spawn(keep), sim.host("a").spawn(send)]

    def stop():
        for task in tasks:
            task.cancel()

    return kept, stop


@pytest.mark.parametrize(
    "fault",
    [
        lambda sim: sim.partition("a", "b"),
        lambda sim: sim.hold("a", "b"),
        lambda sim: sim.rule(lambda packet: simsock.Drop),
        lambda sim: sim.link("a", "b", loss=1),
        lambda sim: sim.host("b").pause(),
    ],
    ids=["partition", "hold", "rule", "loss", "pause"],
)
def test_every_fault_ends_first(fault):
    with simsock.Simulation() as sim:
        fault(sim)
        kept, stop = replicate(sim, 60)
        sim.sleep(10)
        assert not kept
        assert sim.eventually(lambda: kept, within="30s") == kept
        assert kept
        stop()


def test_what_does_not_come_true_is_told_with_who_waits_for_what():
    with pytest.raises(simsock.LivenessBroken, match=r"(?s)in_both.*did not come true within 30s of virtual time.*recv"), simsock.Simulation() as sim:
        sim.partition("a", "b")
        kept, stop = replicate(sim, 5)

        def in_both():
            return kept

        sim.sleep(10)
        try:
            sim.eventually(in_both, within="30s")
        finally:
            stop()


def test_a_search_finds_the_schedule_in_which_it_does_not_come_true():
    def test(sim, tries):
        kept, stop = replicate(sim, tries)
        sim.link("a", "b", loss="50%")
        sim.sleep(20)
        sim.eventually(lambda: kept, within="1min")
        stop()

    verdict = simsock.explore(lambda sim: test(sim, 3), 200, preempt="calls")
    assert isinstance(verdict.error, simsock.LivenessBroken)
    assert [step.text for step in verdict.deviations if "lost" in step.text]
    assert simsock.explore(lambda sim: test(sim, 10_000), 100, preempt="calls").status == "inconclusive"


def test_links_to_come_and_streams_that_are_there_are_healed_too_and_keep_their_latency():
    with simsock.Simulation(link=simsock.Link(latency="5ms", loss="99%")) as sim:
        sim.link("server", "client", latency="3ms", blackhole_after=4)
        with sim.host("server"):
            listener = socket.create_server(("server", 80))
        sim.link("client", "server", latency="3ms", blackhole_after=4)
        client = sim.connect(("server", 80))
        accepted, _ = listener.accept()
        client.sendall(b"hello")
        got = []
        sim.spawn(lambda: got.append(accepted.recv(100)), host="server")
        sim.sleep(1)
        assert not got
        assert sim.eventually(lambda: got, within="10s") == [b"hello"]
        before = sim.now
        inbox, sender = sim.datagram(host="elsewhere"), sim.datagram(host="client")
        for _ in range(20):
            sender.sendto(b"x", inbox.getsockname())
            assert inbox.recv(10)
        assert round(sim.now - before, 3) == 0.1
        accepted.close()
        listener.close()


def test_crashed_hosts_are_up_names_resolve_and_nobody_stands_still_any_more():
    def test(sim):
        sim.host("b").crash()
        sim.resolver("b", fail="unknown")
        sim.eventually(lambda: sim.host("b").is_up, within=1)
        before = sim.now
        assert socket.gethostbyname("b")
        for _ in range(50):
            sim.spawn(sim.sleep, 0.001).result()
        assert sim.now - before < 0.1

    assert simsock.explore(test, 30, stalls="random").status == "inconclusive"


@pytest.mark.parametrize(("predicate", "within"), [(None, 1), (bool, "soon"), (bool, -1)])
def test_what_makes_no_sense_is_refused(predicate, within):
    with simsock.Simulation() as sim:
        with pytest.raises(simsock.UsageError, match="eventually"):
            sim.eventually(predicate, within=within)
        assert sim.records == [] or sim.records[-1][2] != "heal"
