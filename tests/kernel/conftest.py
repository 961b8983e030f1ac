"""What the tests of the kernel share: a child process of the same Python, and a count of living greenlets."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from greenlet import greenlet

from simsock import Simulation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def python():
    """``python(*arguments, **environment)``: what another process of this Python prints."""

    def run(*arguments: str, **environment: str) -> str:
        env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        done = subprocess.run([sys.executable, *arguments], env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def living_greenlets():
    """``living_greenlets()``: how many suspended greenlets are alive, less those that were before the module's tests.

    No collection is needed to see them: a suspended greenlet is never collected.
    """

    def count() -> int:
        return sum(1 for thing in gc.get_objects() if isinstance(thing, greenlet) and thing.gr_frame is not None)

    with Simulation():  # makes the thread's own greenlet and its launcher, which are kept
        pass
    before = count()
    return lambda: count() - before
