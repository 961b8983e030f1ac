"""Suites that others wrote, unmodified: what passes really passes in worlds, but for what ``reasons.toml`` says, and no real socket is made there.

Run by ``python -m pytest -m others`` (half an hour), or one by one, with what it prints, by ``python -m tests.others NAME``.
"""

from __future__ import annotations

import pytest

from tests.others import comparing, fetching, running, suites, table

pytestmark = [pytest.mark.others, pytest.mark.timeout(0)]
SUITES = {name: suite for name, suite in suites.load().items() if name in table.read()}


@pytest.mark.parametrize("name", SUITES)
def test_what_passes_really_passes_in_a_world(name):
    suite = SUITES[name]
    fetching.fetch(suite)
    real, world = (running.run(suite, world=world) for world in (False, True))
    found = comparing.compare(suite, real, world, comparing.load_reasons())
    assert found.reached == {}, "a real call from inside a world"
    assert (found.unexplained, found.stale) == ([], [])
    assert found.share >= comparing.MARK
    assert found.real and found.networked, "nothing was run, or nothing that talks to anybody"
