"""Signals that come at a moment of the tape's choice."""

from __future__ import annotations

import queue
import signal
import threading
import time

import pytest

import simsock
from simsock import KilledBySignal, UsageError
from simsock.world.simulation import Simulation


def log_lines(make_lock):
    """A handler that takes the lock which the program holds now and then."""

    def test(sim):
        lock, lines = make_lock(), []

        def note(text):
            with lock:
                write(text)

        def write(text):
            lines.append(time.strftime("%H:%M ") + text)

        signal.signal(signal.SIGUSR1, lambda number, frame: note("handled"))
        sim.signal(signal.SIGUSR1, within="1s")
        for number in range(10):
            note(f"request {number}")
            time.sleep(0.01)
        time.sleep(1)
        assert any(line.endswith("handled") for line in lines)

    return test


@pytest.mark.once
@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_handler_that_takes_the_programs_lock_is_found(preempt):
    for seed in range(3):
        verdict = simsock.explore(log_lines(threading.Lock), 200, seed=seed, preempt=preempt, shrink=False)
        assert isinstance(verdict.error, simsock.Deadlock), seed


def test_the_twin_with_a_lock_that_may_be_taken_again_passes_and_the_signal_always_comes():
    assert simsock.explore(log_lines(threading.RLock), 100).status == "inconclusive"


def test_it_is_told_where_it_came():
    verdict = simsock.explore(log_lines(threading.Lock), 200, preempt="lines")
    assert [step.label for step in verdict.deviations] == ["signal SIGUSR1 #1"]
    assert "SIGUSR1 came before " in str(verdict), str(verdict)
    with pytest.raises(simsock.Deadlock):
        simsock.replay(log_lines(threading.Lock), verdict.token)


def moments(**options):
    found = set()

    def test(sim):
        signal.signal(signal.SIGTERM, lambda number, frame: found.add(sim.now))
        sim.signal(signal.SIGTERM, within="2s")
        for _ in range(30):
            time.sleep(0.1)

    simsock.explore(test, 60, preempt="calls", **options)
    return found


def test_it_comes_within_the_time_that_was_asked_for_also_while_the_program_waits():
    found = moments()
    assert 0 in found  # schedule 1
    assert max(found) <= 2
    assert len(found) > 20
    assert any(round(moment * 10, 3) % 1 > 0.05 for moment in found)


def test_one_that_nobody_handles_ends_the_program():
    def test(sim):
        sim.signal(signal.SIGTERM, within="1s")
        try:
            queue.Queue().get(timeout=5)
        except queue.Empty:
            pass

    for seed in range(5):
        assert isinstance(simsock.explore(test, 3, seed=seed, shrink=False).error, KilledBySignal)


def test_a_world_alone_draws_it_from_its_seed():
    def one(**options):
        with Simulation(**options) as sim:
            came = []
            signal.signal(signal.SIGTERM, lambda number, frame: came.append(sim.now_ns))
            sim.signal(signal.SIGTERM, within=1)
            time.sleep(2)
            return came, sim.digest, sim.token

    first = one(seed=4)
    assert len(first[0]) == 1
    assert one(seed=4) == first
    assert one(token=first[2])[:2] == first[:2]


def test_a_world_that_ends_before_is_not_troubled():
    before, came = signal.getsignal(signal.SIGTERM), []
    for seed in range(10):
        with Simulation(seed=seed) as sim:
            signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
            sim.signal(signal.SIGTERM, within="1h")
        assert sim.now == 0 and came == []
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("wrong", [-1, "soon", True])
def test_what_is_no_duration_is_an_error(wrong):
    with Simulation() as sim, pytest.raises(UsageError, match="signal: within"):
        sim.signal(signal.SIGTERM, within=wrong)
