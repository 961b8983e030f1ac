"""Tasks that stand still: what a sleep hides is found, and who has not asked for it sees nothing of it."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

import simsock
from simsock import UsageError
from simsock.world.simulation import Simulation


def handing_over(pause, waits=False):
    """One thread writes what another reads after a sleep, or after an event."""

    def test(sim):
        box, done = SimpleNamespace(), threading.Event()

        def write():
            box.value = 1
            done.set()

        thread = threading.Thread(target=write, name="writer")
        thread.start()
        if waits:
            done.wait()
        else:
            time.sleep(pause)
        value = box.value
        thread.join()
        assert value == 1

    return test


@pytest.mark.parametrize("pause", [1e-6, 1e-3, 4e-2])
def test_what_a_sleep_hides_is_found_however_long_it_is(pause):
    for seed in range(4):
        assert simsock.explore(handing_over(pause), 100, seed=seed, stalls="random", preempt="calls", shrink=False).status == "fails"
    assert simsock.explore(handing_over(pause), 100, preempt="lines").status == "inconclusive"


def test_it_is_told_as_one_stall_until_the_sleep_was_over():
    verdict = simsock.explore(handing_over(0.001), 100, stalls="random")
    assert [step.label for step in verdict.deviations] == ["task writer stall"]
    assert "task writer stood still before " in str(verdict), str(verdict)
    assert "until main's sleep was over" in str(verdict)
    with pytest.raises(AttributeError):
        simsock.replay(handing_over(0.001), verdict.token)


def test_who_waits_for_an_event_is_not_accused():
    assert simsock.explore(handing_over(0, waits=True), 300, stalls="random").status == "inconclusive"


def test_a_stall_is_no_longer_than_the_option_says():
    def test(sim):
        before = time.monotonic()
        threading.Event().is_set()
        lasted = time.monotonic() - before
        assert lasted < 0.04

    assert simsock.explore(test, 100, stalls="50ms", preempt="calls").status == "fails"
    assert simsock.explore(test, 100, stalls="39ms", preempt="calls", strategy="fifo").status in ("inconclusive", "fails")

    def lasts(sim):
        begin = sim.now
        for _ in range(20):
            time.monotonic()
        assert sim.now - begin < 3 * 0.01 + 1e-6

    assert simsock.explore(lasts, 100, stalls="10ms", preempt="calls").status == "inconclusive"


def run(seed=5, **options):
    with Simulation(seed=seed, **options) as sim:
        log = []

        def work(name):
            for _ in range(4):
                time.sleep(0.01)
                log.append((name, round(sim.now, 3)))

        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return log, sim.digest, sim.token, sim.deviations


def test_a_plain_world_may_have_stalls_too_and_its_token_repeats_them():
    seed = next(seed for seed in range(50) if run(seed, stalls="random")[3])
    plain, stalled = run(seed), run(seed, stalls="random")
    assert plain[1] != stalled[1]
    assert {label.rpartition(" ")[2] for label, _, _ in stalled[3]} == {"stall"}
    assert Simulation(token=stalled[2]).options.stalls == "random"
    assert run(seed, stalls="random")[:2] == stalled[:2]


def test_other_streams_of_questions_stay_what_they_are():
    one, other = run(strategy="random"), run(strategy="random", stalls="1ns")
    assert [entry for entry in other[3] if entry[0].endswith("schedule")][:1] == one[3][:1]


def test_the_first_schedule_of_a_search_is_the_plain_one():
    orders = []

    def test(sim):
        orders.append(sim.now)
        handing_over(0.001)(sim)
        orders.append(sim.deviations)

    simsock.explore(test, 1, stalls="random")
    assert orders[-1] == []


def test_a_hang_is_told_although_somebody_stands_still():
    def test(sim):
        lock = threading.Lock()
        lock.acquire()
        thread = threading.Thread(target=time.sleep, args=(0.01,))
        thread.start()
        thread.join()
        lock.acquire()

    verdict = simsock.explore(test, 20, stalls="random", preempt="calls")
    assert isinstance(verdict.error, simsock.Deadlock)


def test_a_cancelled_task_does_not_go_on_standing_still():
    for seed in range(12):
        with Simulation(seed=seed, stalls="random") as sim:
            task = sim.spawn(lambda: [time.monotonic() for _ in range(50)])
            time.sleep(1e-6)
            task.cancel()
            sim.settle()
            assert task.done


@pytest.mark.parametrize("wrong", [0, "0s", "often", True, -1, ["1s"]])
def test_what_is_no_stall_is_an_error_that_names_the_option(wrong):
    with pytest.raises(UsageError, match="stalls: expected 'random', None, or how long a task stands still at most"):
        Simulation(stalls=wrong)
