"""What an ``assert`` without words says: its source, and values that are certain."""

from __future__ import annotations

import sys

import pytest

import simsock
from simsock.report.asserted import asserted, said_by
from simsock.report.story import one_line

PROGRAM = """
class Count:
    visits = 0

def fails(sim):
    count, wanted, kept = Count(), 3, [1]
    name = "x" * 100
    assert (
        count.visits
        == wanted
    ) and name and kept and sim

def shared(sim):
    value = 1
    def change():
        nonlocal value
        value += 1
    assert value == 2

def spoken(sim):
    assert 1 == 2, "no"

def raised(sim):
    raise AssertionError

def on_one_line(sim):
    if sim: assert not sim
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    (tmp_path / "asserting.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield __import__("asserting")
    del sys.modules["asserting"]


def error_of(function):
    with pytest.raises(AssertionError) as caught:
        function(1)
    return caught.value


def test_the_source_is_told_and_plain_values_of_the_function_s_own(program):
    error = error_of(program.fails)
    said = "assert count.visits == wanted and name and kept and sim"
    assert asserted(error) == said_by(error) == said
    assert asserted(error, values=True) == f"{said} (wanted = 3, name = '{'x' * 58}…, sim = 1)", "what others may have changed since is not told"
    assert one_line(error) == f"AssertionError: {said}"


@pytest.mark.parametrize(("name", "said"), [("shared", "assert value == 2"), ("spoken", ""), ("raised", ""), ("on_one_line", "assert not sim (sim = 1)")])
def test_nothing_is_made_up(program, name, said):
    assert asserted(error_of(getattr(program, name)), values=True) == said


def test_a_verdict_says_it(program):
    verdict = simsock.explore(program.shared, schedules=1)
    assert str(verdict).splitlines()[0] == "fails: schedule 1 of seed 0 raised AssertionError: assert value == 2"
    assert str(simsock.explore(program.raised, schedules=1)).splitlines()[0] == "fails: schedule 1 of seed 0 raised AssertionError"


def test_without_the_source_there_is_nothing_to_tell():
    space = {}
    exec("def gone():\n    assert 0", space)
    with pytest.raises(AssertionError) as caught:
        space["gone"]()
    assert asserted(caught.value) == ""
