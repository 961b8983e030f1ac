"""``preempt="lines"`` in children: what processes share without a simulated call is raced for, and the story tells their lines."""

from __future__ import annotations

import mmap
import os

import pytest

import simsock
from simsock import Simulation


def lost_update(sim):
    """Two processes count in memory that they share, and make no simulated call."""
    with mmap.mmap(-1, 1) as memory:
        pids = []
        for _ in range(2):
            pid = os.fork()
            if not pid:
                seen = memory[0]
                memory[0] = seen + 1
                os._exit(0)
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        assert memory[0] == 2


def test_a_race_between_two_lines_of_children_is_found_told_and_repeated():
    verdict = simsock.explore(lost_update, schedules=100)
    assert verdict.status == "fails"
    assert len(verdict.deviations) == 1
    assert str(verdict.deviations[0]).startswith("task process-2 ran between test_lines_in_children.py:"), str(verdict.deviations[0])
    assert str(verdict.deviations[0]).split(" of ")[-1].startswith("process-1")
    story = str(verdict.story)
    assert "memory[0] = seen + 1" in story
    assert "main" in story and "process-1" in story and "process-2" in story
    with pytest.raises(AssertionError):
        simsock.replay(lost_update, verdict.token)


def test_nobody_is_asked_at_calls_only_about_lines_of_children():
    assert simsock.explore(lost_update, schedules=8, preempt="calls").status == "inconclusive"


def test_a_child_that_goes_through_lines_for_ever_ends_at_the_limit_of_steps():
    with pytest.raises(simsock.StepLimit), Simulation(preempt="lines", strategy="random", max_steps=20_000):
        if not os.fork():
            numbers = []
            while True:
                numbers.append(1)
                numbers.clear()
        os.wait()
