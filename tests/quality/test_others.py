"""The yardstick: programs whose bug is found, their healthy twins, and the table with a column for each other tool that is there."""

from __future__ import annotations

import pytest

import simsock
from tests.quality import __main__ as command
from tests.quality import healthy_programs, others, racy_programs
from tests.quality.healthy_programs import HEALTHY
from tests.quality.racy_programs import PARTS, PROGRAMS


def test_every_program_that_others_can_run_is_one_of_the_table():
    assert set(PARTS) < set(PROGRAMS)


def test_a_tool_that_is_not_there_has_no_column_and_is_told(capsys, monkeypatch):
    monkeypatch.setattr(others, "tools", list)
    command.main(["--seeds", "2", "--most", "100", "--only", "lost update", "--strategies", "surw"])
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "| program | surw | schedules per CPU second |"
    assert out.splitlines()[2].startswith("| lost update, 3 threads | ")
    assert "not installed here: frontrun (dpor)" in err


def test_a_tool_that_is_there_has_a_column_beside_the_strategies_and_one_that_finds_nothing_is_not_asked_for_long(capsys, monkeypatch):
    asked = []

    def search(title, name, seed, most):
        asked.append((title, seed))
        return others.Counted(None if title == "blind" else seed + 1, most, 0.5)

    monkeypatch.setattr(others, "tools", lambda: ["blind", "frontrun (dpor)", "other"])
    monkeypatch.setattr(others, "search", search)
    command.main(["--seeds", "6", "--most", "100", "--only", "lost update", "--strategies", "surw"])
    title, _, row = capsys.readouterr().out.splitlines()
    assert title.endswith("| schedules per CPU second | blind | frontrun (dpor) | other |")
    assert row.endswith("| –, 200 / s | 1, 200 / s | 4, 200 / s |")
    assert [seed for title, seed in asked if title == "blind"] == [0, 1, 2, 3]
    assert [seed for title, seed in asked if title == "frontrun (dpor)"] == [0], "its search has no seed"


FEW = ["reorder_3", "twostage", "bluetooth", "stringbuffer", "lost update, 3 threads", "work stealing", "one preemption, 40 lines"]
SLOW = [name for name in PROGRAMS if name not in FEW]


@pytest.mark.parametrize("name", [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_the_bug_of_each_program_is_found_by_the_default(name):
    assert command.found_after(name, "portfolio", 0, 500) is not None


@pytest.mark.parametrize("name", [*FEW, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_its_healthy_twin_stays_green(name):
    test, options = HEALTHY[name]
    verdict = simsock.explore(test, 150, shrink=False, scope=[racy_programs.__file__, healthy_programs.__file__], **options)
    assert verdict.status == "inconclusive", verdict.error
