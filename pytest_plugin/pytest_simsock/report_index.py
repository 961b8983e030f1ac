"""The page that leads to all reports of a run of pytest.

Owns when it is written and by whom: by the process that has heard of all tests, when they are over. Does not know how it looks, nor what reports say.
Law: without ``--simsock-report`` nothing of this is registered.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

OPTION = "--simsock-report"
ROW = pytest.StashKey[dict[str, Any]]()
"""What the index is to say of a test that has written its report by itself."""


class Index:
    """A plugin of the run whose reports go to ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[dict[str, Any]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give a report its row, with which it travels from a worker of xdist."""
        report = yield
        row = item.stash.get(ROW, None)
        if row is not None and call.when == "call":
            report.simsock_report = row  # type: ignore[attr-defined]  # a report keeps what it is given
            del item.stash[ROW]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what has come."""
        row = getattr(report, "simsock_report", None)
        if row is not None:
            self._rows.append(row)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the index, also if there is nothing to list: what reads it learns that nothing is wrong any more."""
        if hasattr(session.config, "workerinput"):
            return
        from simsock import __version__
        from simsock.errors import UsageError
        from simsock.report.files import Reports

        try:
            Reports(str(self._folder), __version__, OPTION).put_index(self._rows)
        except UsageError as error:
            reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
            if reporter is not None:
                reporter.write_line(f"\nsimsock: {error}")
            if session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
