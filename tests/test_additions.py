"""What a newcomer adds and does not finish is told: each kind of addition is named in the documentation, and heeded where it is promised.

Labels and records without words are told by ``choices/test_journal.py``, rooms and files by ``test_house.py``.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from simsock.kernel.strategies import NAMES
from simsock.kernel.watchers import EVENTS, Watcher, Watchers
from simsock.net.link.settings import ARGUMENTS

ROOT = Path(__file__).resolve().parent.parent


def documented(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_impairment_is_documented(name):
    assert f"`{name}" in documented("world.md")


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_is_documented(name):
    assert any(f'"{name}"' in page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))


def expectations() -> list[str]:
    pytest.importorskip("pydantic")
    from simsock.scenario.schema import MODELS

    return list(MODELS["expectations"].model_fields)


def test_every_expectation_of_a_scenario_is_documented_and_judged():
    room = ROOT / "simsock" / "scenario"
    trees = [ast.parse((room / name).read_text(encoding="utf-8")) for name in ("judging.py", "loading.py")]
    read = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    page = documented("scenarios.md")
    assert expectations(), "there are some"
    assert [name for name in expectations() if name not in read] == []
    assert [name for name in expectations() if f"`{name}" not in page] == []


def test_every_event_of_a_watcher_says_what_it_means_and_is_passed_on():
    assert [name for name in EVENTS if not getattr(Watcher, name).__doc__] == []
    assert set(EVENTS) - {"world_begins"} == set(Watchers.__slots__) - {"everybody", "hears_records"}
