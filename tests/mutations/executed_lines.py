"""Which tests execute which lines of simsock: a plugin of pytest, ``python -m pytest -p tests.executed_lines``, on 3.12 or newer.

Owns the callback of ``sys.monitoring`` and one file of JSON for each file of tests, in the folder that ``EXECUTED_LINES`` names: for each test that
passed, how long it took and the lines that ran in its setup, call and teardown. Does not know what is done with them (``tests/mutations.py`` tries
those tests first). Laws: a line costs one call in each test; what runs inside simsock's own callbacks of preemption is not seen, nor what other
processes run.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from tests.mutations.noticing import selection

_ROOT = str(Path(__file__).resolve().parent.parent)
_OURS = os.path.join(_ROOT, "simsock") + os.sep
_TOOL = 5
"""simsock takes 3 or 4, coverage 1."""

_monitoring: Any = getattr(sys, "monitoring", None)
_seen: set[tuple[str, int]] = set()
_passed: dict[str, tuple[float, dict[str, list[int]]]] = {}


def _on_line(code: CodeType, line: int) -> Any:
    if code.co_filename.startswith(_OURS):
        _seen.add((code.co_filename, line))
    return _monitoring.DISABLE


def pytest_configure(config: pytest.Config) -> None:
    """Begin to listen."""
    config.option.markexpr = selection()
    _monitoring.use_tool_id(_TOOL, "executed lines")
    _monitoring.register_callback(_TOOL, _monitoring.events.LINE, _on_line)
    _monitoring.set_events(_TOOL, _monitoring.events.LINE)


def pytest_unconfigure() -> None:
    """Listen no more."""
    _monitoring.set_events(_TOOL, 0)
    _monitoring.free_tool_id(_TOOL)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """One test from its setup to its teardown."""
    _seen.clear()
    _monitoring.restart_events()
    yield
    if item.nodeid in _passed:
        lines: dict[str, list[int]] = {}
        for name, line in sorted(_seen):
            lines.setdefault(name[len(_ROOT) + 1 :], []).append(line)
        _passed[item.nodeid] = (_passed[item.nodeid][0], lines)
    if nextitem is None or nextitem.path != item.path:
        place = Path(os.environ["EXECUTED_LINES"])
        place.mkdir(parents=True, exist_ok=True)
        (place / (item.nodeid.partition("::")[0].replace("/", "+") + ".json")).write_text(json.dumps(_passed))
        _passed.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Only those that pass are of use."""
    if report.failed:
        _passed.pop(report.nodeid, None)
    elif report.when == "call" and report.passed:
        _passed[report.nodeid] = (round(report.duration, 3), {})
