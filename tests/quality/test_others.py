"""The comparison with other tools: one row a program, a column for each tool that is there, and a word on those that are not."""

from __future__ import annotations

import pytest

from tests.quality import __main__ as command
from tests.quality import others
from tests.quality.racy_programs import PARTS, PROGRAMS


def test_every_program_that_others_can_run_is_one_of_the_table():
    assert set(PARTS) < set(PROGRAMS)


def test_a_tool_that_is_not_there_has_no_column_and_is_told(capsys, monkeypatch):
    monkeypatch.setattr(others, "tools", lambda: ["simsock"])
    command.main(["--compare", "--seeds", "2", "--most", "100", "--only", "lost update"])
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "| program | simsock |"
    assert out.splitlines()[2].startswith("| lost update, 3 threads | ")
    assert "not installed here: frontrun (dpor)" in err


@pytest.mark.parametrize("name", ["reorder_3", "twostage", "bluetooth", "stringbuffer", "lost update, 3 threads"])
def test_the_parts_of_a_program_fail_in_a_search(name):
    counted = others.search("simsock", name, 0, 500)
    assert counted.found is not None
    assert counted.seconds > 0
