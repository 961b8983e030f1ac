"""What simsock needs for itself is not the test's time: Hypothesis's deadline does not count it."""

from __future__ import annotations

import importlib
import time
from types import SimpleNamespace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.control import current_build_context

import simsock
from simsock import patching
from simsock.hypothesis_time import not_counted

ONCE = settings(deadline=None, database=None, max_examples=1, phases=[Phase.generate])


@pytest.fixture
def clock(monkeypatch):
    """The clock by which simsock measures itself: it stands still unless a test moves it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("simsock.hypothesis_time.real_clock", lambda: clock.now)
    return clock


def excused(action):
    """Seconds that Hypothesis is told not to count while ``action`` runs in an example."""
    told = []

    @ONCE
    @given(st.none())
    def test(_):
        times = current_build_context().data.draw_times
        before = sum(times.values())
        action()
        told.append(sum(times.values()) - before)

    test()
    return told[0]


def test_the_deadline_does_not_count_what_is_excused():
    @settings(ONCE, deadline=1_000)
    @given(st.none())
    def test(_):
        with not_counted():
            time.sleep(1.1)

    test()


def test_a_moment_is_not_worth_an_excuse(clock):
    def moment(seconds):
        with not_counted():
            clock.now += seconds

    assert excused(lambda: moment(0.001)) == 0
    assert excused(lambda: moment(7)) == 7


def test_nothing_happens_outside_hypothesis(clock):
    with pytest.raises(KeyError), not_counted():
        clock.now += 7
        raise KeyError


def test_a_world_s_look_at_the_process_is_excused(monkeypatch, clock):
    def refresh(changed):
        clock.now += 7

    def world():
        with simsock.Simulation() as sim:
            sim.sleep(3600)

    monkeypatch.setattr(patching.known()[1], "refresh", refresh)
    assert excused(world) == 7


def test_so_is_the_first_use_of_a_part_of_simsock(monkeypatch, clock):
    def slow(name, really=importlib.import_module):
        clock.now += 7
        return really(name)

    monkeypatch.setattr(importlib, "import_module", slow)
    assert excused(lambda: simsock.__getattr__("Simulation")) == 7
    assert excused(lambda: simsock.__getattr__("strategies")) == 7
