"""The bench for tests of single machines."""

from __future__ import annotations

import pytest

from tests.net.tcp.bench import Bench


@pytest.fixture
def bench():
    return Bench()
