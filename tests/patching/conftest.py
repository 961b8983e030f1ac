"""What the tests of patching share: a world with patching, entered at once."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from simsock import Simulation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def world():
    """``with world(**options) as sim:``."""

    def make(**options):
        return Simulation(patch=True, **options)

    return make


@pytest.fixture
def pair():
    """Two real sockets that are connected to each other."""
    one, other = socket.socketpair()
    other.settimeout(0.01)
    yield one, other
    one.close()
    other.close()


@pytest.fixture
def in_process(tmp_path):
    """``in_process(code, **environment)``: run a program in a fresh interpreter; returns what it printed. It must end by itself, with status 0."""

    def run(code, *, modules=None, **environment):
        import os

        for name, source in (modules or {}).items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(code))
        env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}", **environment}
        done = subprocess.run([sys.executable, str(path)], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    return run
