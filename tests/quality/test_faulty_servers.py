"""Servers with a mistake that takes a fault and an order: it can be found, and without the mistake nothing is.

``python -m tests.quality.guided`` measures how soon; ``pytest -m exhaustive tests/quality/test_faulty_servers.py`` tries 2,000 schedules of each healthy one.
"""

from __future__ import annotations

import pytest

from simsock.scenario import importable, read, running
from simsock.scenario.running import ScenarioTest
from tests.quality.guided import FAULTY, FOLDER

HEALTHY = {
    "booked-twice": "BookingServer",
    "late-store": "StoreServer",
    "lost-session": "SessionServer",
    "mixed-news": "NewsServer",
    "no-store": "FallbackServer",
}


def verdict_of(name, schedules, server=None, strategy="guided"):
    plan = read(str(FOLDER / f"{name}.toml"), (f"search.strategy={strategy}",))
    reference = f"faulty:{server}" if server else None
    with importable(plan, reference):
        return running._explore(ScenarioTest(plan, reference), plan, schedules, 0, shrink=False)


def test_each_has_a_healthy_twin():
    assert sorted(HEALTHY) == FAULTY


@pytest.mark.parametrize("schedules", [45, pytest.param(2_000, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", FAULTY)
def test_the_healthy_twin_is_green(name, schedules):
    verdict = verdict_of(name, schedules, HEALTHY[name])
    assert verdict.status == "inconclusive", str(verdict)


@pytest.mark.exhaustive
@pytest.mark.parametrize("strategy", ["portfolio", "guided"])
@pytest.mark.parametrize("name", FAULTY)
def test_the_mistake_is_found(name, strategy):
    assert verdict_of(name, 3_000, strategy=strategy).failed
