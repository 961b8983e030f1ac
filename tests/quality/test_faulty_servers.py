"""Servers with a mistake that takes a fault and an order: it can be found, and without the mistake nothing is.

``python -m tests.quality.guided`` measures how soon; ``pytest -m exhaustive tests/quality/test_faulty_servers.py`` tries 2,000 schedules of each healthy one.
"""

from __future__ import annotations

import pytest

from tests.quality.guided import FAULTY, verdict_of

HEALTHY = {
    "booked-twice": "BookingServer",
    "late-store": "StoreServer",
    "lost-session": "SessionServer",
    "mixed-news": "NewsServer",
    "no-store": "FallbackServer",
}


def test_each_has_a_healthy_twin():
    assert sorted(HEALTHY) == FAULTY


@pytest.mark.parametrize("schedules", [45, pytest.param(2_000, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", FAULTY)
def test_the_healthy_twin_is_green(name, schedules):
    verdict = verdict_of(name, "guided", 0, schedules, f"faulty:{HEALTHY[name]}")
    assert verdict.status == "inconclusive", str(verdict)


@pytest.mark.exhaustive
@pytest.mark.parametrize("strategy", ["portfolio", "guided"])
@pytest.mark.parametrize("name", FAULTY)
def test_the_mistake_is_found(name, strategy):
    assert verdict_of(name, strategy, 0, 3_000).failed
