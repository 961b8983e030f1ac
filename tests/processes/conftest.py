"""What the tests of processes share: a patched world, entered at once."""

from __future__ import annotations

import pytest

from simsock import Simulation


@pytest.fixture
def world():
    with Simulation(seed=3) as sim:
        yield sim
