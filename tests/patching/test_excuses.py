"""What simsock needs for itself is not the test's time: Hypothesis's deadline does not count it."""

from __future__ import annotations

import time

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import DeadlineExceeded

import simsock
from simsock import patching
from simsock.excuses import not_the_test_s_time

STRICT = settings(deadline=50, database=None, max_examples=1, phases=[Phase.generate])


def test_the_deadline_does_not_count_it_and_counts_the_rest():
    @STRICT
    @given(st.none())
    def excused(_):
        with not_the_test_s_time():
            time.sleep(0.2)

    @STRICT
    @given(st.none())
    def slow(_):
        with not_the_test_s_time():
            pass
        time.sleep(0.2)

    excused()
    with pytest.raises((DeadlineExceeded, BaseExceptionGroup)) as caught:
        slow()
    errors = getattr(caught.value, "exceptions", [caught.value])
    assert any(isinstance(error, DeadlineExceeded) for error in errors)


def test_nothing_happens_outside_hypothesis():
    with not_the_test_s_time():
        time.sleep(0.01)
    with pytest.raises(KeyError), not_the_test_s_time():
        raise KeyError


def test_a_world_s_look_at_the_process_is_excused(monkeypatch):
    _, holds = patching.known()
    monkeypatch.setattr(holds, "refresh", lambda changed: time.sleep(0.2))

    @STRICT
    @given(st.none())
    def test(_):
        with simsock.Simulation() as sim:
            sim.sleep(3600)

    test()


def test_so_is_the_first_use_of_a_part_of_simsock(monkeypatch):
    import importlib

    monkeypatch.setattr(importlib, "import_module", lambda name, really=importlib.import_module: (time.sleep(0.2), really(name))[1])

    @STRICT
    @given(st.none())
    def test(_):
        assert simsock.__getattr__("Simulation").__name__ == "Simulation"
        assert simsock.__getattr__("strategies").__name__ == "simsock.strategies"

    test()
