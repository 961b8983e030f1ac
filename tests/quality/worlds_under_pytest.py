"""Random worlds inside pytest's tests, for ``worlds_at_random``: not collected by itself."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tests.quality import random_programs, worlds_at_random

ASKED = json.loads(os.environ.get("WORLDS_AT_RANDOM", '{"mode": "plain", "seeds": [], "full": false, "into": ""}'))
PLANS = worlds_at_random.plans_of(ASKED["mode"], ASKED["seeds"])


def test_all():
    worlds_at_random.work()


@pytest.fixture
def said(request):
    """What came of the world, which has ended when this is torn down."""
    random_programs.clear_old()
    seen: dict[str, Any] = {}
    yield seen
    ran = random_programs._told(seen["what"], seen["sim"], seen.get("error"), seen.get("table", ""))
    with open(ASKED["into"], "a") as stream:
        json.dump(ran if ASKED["full"] else ran[:4], stream, default=repr)
        stream.write("\n")


@pytest.mark.parametrize(
    "what", [pytest.param(what, id=str(what.seed), marks=pytest.mark.simsock(seed=what.seed, **random_programs.options(what))) for what in PLANS]
)
def test_each(said, sim, what):
    said.update(what=what, sim=sim)
    random_programs.program(what, sim)
    said["table"] = str(sim.netstat())
