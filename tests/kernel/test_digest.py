"""The same seed gives the same run: in one process and in several, with and without observers, on every Python."""

from __future__ import annotations

import pytest

import simsock
from simsock.kernel.records import Log
from tests.kernel import program

GOLDEN = {("fifo", False): "bf6a75c57e5999aba01cb6d56d24474e", ("random", True): "d3d387390a8ec02d4ae5a872aba24569"}
"""The digests of ``program.py`` with seed 7, on every supported Python. They change when what is recorded changes (a new record, another word
in one) or when the program makes other calls; then run ``python -m tests.kernel.program`` with each Python and write down what all of them say."""


@pytest.mark.parametrize(("strategy", "lossy"), GOLDEN)
def test_the_digest_is_the_same_on_every_python(strategy, lossy):
    assert program.digest(strategy, lossy) == GOLDEN[strategy, lossy]


@pytest.mark.once
def test_a_thousand_worlds_one_after_another_have_one_digest():
    large, small = set(), set()
    for number in range(1_000):
        if number % 20 == 0:
            large.add(program.digest("random", True))
        else:
            small.add(_small_digest())
    assert (len(large), len(small)) == (1, 1)


def _small_digest() -> str:
    with simsock.Simulation(seed=3, strategy="random") as sim:
        tasks = [sim.spawn(lambda: sim.sleep(0.5) or sim.now_ns) for _ in range(4)]
        assert {task.result() for task in tasks} == {500_000_000}
    return sim.digest


def test_two_processes_with_different_hash_seeds_have_the_same_digests(python):
    one, other = (python("-m", "tests.kernel.program", PYTHONHASHSEED=seed).split() for seed in ("1", "2"))
    assert one[3] != other[3], "the hash seeds took effect"
    assert one[:2] == other[:2]


@pytest.mark.parametrize("records", [0, 1, 10_000])
def test_how_many_records_are_kept_does_not_change_the_digest(records):
    assert program.digest("random", True, records=records) == program.digest("random", True)


def test_another_seed_has_another_digest():
    assert program.digest("random", True, seed=8) != program.digest("random", True)


def test_the_newest_records_are_kept_and_no_more_than_asked_for():
    def run(records):
        with simsock.Simulation(records=records) as sim:
            for _ in range(30):
                sim.spawn(lambda: sim.sleep(1)).result()
        return sim.records

    everything = run(10_000)
    assert len(everything) > 50
    assert run(5) == everything[-5:]
    assert run(0) == []


def test_a_long_run_is_folded_into_the_digest_as_it_goes_on():
    with simsock.Simulation(records=10) as sim:
        log = sim._kernel.log
        everything = []
        for number in range(30_000):
            record = (number, "main", "counted")
            log.append(record)
            everything.append(record)
            sim._kernel.point()
        assert log.count_flushed > 20_000
        assert sim.records == everything[-10:]
    whole = Log(0)
    whole.append((0, "main", "nothing"))
    assert whole.digest() != sim.digest
    whole = Log(0)
    for record in everything:
        whole.append(record)
    assert whole.digest() == sim.digest


class _Holder:
    """A socket in a reference cycle."""

    def __init__(self, sock):
        self.sock = sock
        self.me = self


@pytest.mark.parametrize(("busy_steps", "closes_in_the_run"), [(100, False), (21_000, True)])
def test_a_socket_in_a_reference_cycle_closes_at_the_same_step_whatever_is_observed(busy_steps, closes_in_the_run):
    """Somewhere inside a long run, or when the world settles; never when an observer's garbage happens to set off a collection."""

    def run(records, litter):
        with simsock.Simulation(records=records) as sim:
            kernel = sim._kernel
            with sim.host("server"):
                listener = sim.network.socket.create_server(("10.0.0.2", 80))
            _Holder(sim.connect(("10.0.0.2", 80)))
            sim._sockets.clear()
            peer, _ = listener.accept()
            waste, closed_at = [], None
            for _ in range(busy_steps):
                kernel.point()
                if litter:
                    waste = [[waste] for _ in range(5)]  # what an observer might allocate
                    waste[0].append(waste)
                if closed_at is None and len(kernel.files) == 2:
                    closed_at = kernel.steps
            assert (closed_at is not None) == closes_in_the_run
            sim.settle()
            assert peer.recv(1) == b""
            listener.close()
            peer.close()
        return sim.digest, closed_at

    assert len({run(records, litter) for records in (0, 10_000) for litter in (False, True)}) == 1
