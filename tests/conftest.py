"""What all tests share: Hypothesis asks the same questions in every run, and a test that leaves the process changed fails itself, not those after it."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from simsock.kernel import session, strictness
from tests.as_program import AS_PROGRAM

settings.register_profile("simsock", deadline=None, derandomize=True)
settings.load_profile("simsock")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts what it runs in the background so; many tests press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


strictness.begin(tuple(AS_PROGRAM))  # simsock itself makes no simulated calls in worlds


_BY_THEMSELVES = tuple(
    Path(__file__).parent / place
    for place in ("plugin", "scenario", "report/test_diagnosis.py", "test_cli.py", "test_cli_json.py", "test_cli_looking.py", "test_init.py")
)
"""Tests that run pytest, the command or the doctor in their own process, where each search goes through all that there is."""


def pytest_addoption(parser):
    parser.addoption("--other-python", action="store_true", help="leave out what is marked `once`: it says the same on every Python")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Before ``-m`` is obeyed."""
    if config.getoption("--other-python"):
        left_out = [item for item in items if item.get_closest_marker("once")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("once")]
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in _BY_THEMSELVES):
            item.add_marker("heap")


@pytest.fixture(autouse=True)
def _process_is_left_as_it_was():
    yield
    own, strictness.noted[:] = sorted(set(strictness.noted)), []
    assert not own, "simsock's own code runs on the world's clock, locks or scheduler"
    assert session.active is session.suspended is None, "a world is left"
    assert gc.isenabled(), "automatic garbage collection is left off"
    assert gc.get_freeze_count() < 1_000, "objects are left frozen"


@pytest.fixture
def modules_stay_as_they_are(monkeypatch, tmp_path):
    """Whatever a test imports from its own folder is forgotten after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
