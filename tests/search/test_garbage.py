"""Schedules of a search share a process, and what one has left is no part of another."""

from __future__ import annotations

import pytest

from simsock import Simulation
from simsock.search.runner import Runner
from simsock.world.options import Options


class _Leaves:
    """Garbage that only the collector finds, and whose end is a simulated call."""

    def __init__(self, sim: Simulation) -> None:
        self.itself = self
        self.lock = sim.network.threading.Lock()

    def __del__(self) -> None:
        with self.lock:
            pass


@pytest.mark.parametrize("late", [False, True])
def test_a_world_of_a_search_does_not_meet_what_the_worlds_before_it_have_left(late: bool) -> None:
    calls = []

    def test(sim: Simulation) -> None:
        calls.append(len(calls))
        if not late or sim.seed == "0/3":
            sim.settle()  # which collects garbage
        _Leaves(sim)
        sim.spawn(sim.network.time.sleep, 1).result()

    options = Options.from_keywords(patch=False, strategy="random")
    with Runner(test, options) as runner:
        alone = runner.schedule(0, 3)
    del calls[:]
    with Runner(test, options) as runner:
        for number in (1, 2):
            runner.schedule(0, number)
        after = runner.schedule(0, 3)
    assert (after.steps, after.deviations) == (alone.steps, alone.deviations)
    assert len(calls) == (4 if late else 3)
