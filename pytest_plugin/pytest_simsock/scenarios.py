"""Scenario files as tests: ``pytest scenarios/`` runs each, one item a file.

Owns their collection and how one fails. Does not know how a scenario runs. Laws of the file:

* only a file that says ``[scenario]`` is one of ours, so that no other ``.toml`` of a project is touched;
* a scenario fails as ``simsock run`` fails, with the verdict, the token and the command that repeats it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_simsock.configuring import CHOSEN
from pytest_simsock.progress import SEARCHED
from pytest_simsock.report_index import ROW

_TABLE = re.compile(rb"^[ \t]*\[scenario\]", re.MULTILINE)
_BYTES_MAX = 1_000_000


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files in folders called ``scenarios``, and those named on the command line."""
    if file_path.suffix != ".toml" or not (file_path.parent.name == "scenarios" or parent.session.isinitpath(file_path)):
        return None
    with open(file_path, "rb") as file:
        if not _TABLE.search(file.read(_BYTES_MAX)):
            return None
    found: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
    return found


class ScenarioFile(pytest.File):
    """A scenario file: one item, or a complaint about the file."""

    def collect(self) -> Iterator[pytest.Item]:
        from simsock.errors import ScenarioError
        from simsock.supported import why_not

        complaint = why_not()
        if complaint:
            raise self.CollectError(f"{_shown(self.path)}: {complaint}")
        from simsock.scenario import read

        try:
            plan = read(_shown(self.path))
        except ScenarioError as error:
            complaint = str(error)
        if complaint:
            raise self.CollectError(complaint)
        yield ScenarioItem.from_parent(self, name=plan.table("scenario")["name"], plan=plan)


class ScenarioItem(pytest.Item):
    """One scenario."""

    def __init__(self, *, plan: Any, **options: Any) -> None:
        super().__init__(**options)
        self.plan = plan

    def runtest(self) -> None:
        """Search it, and fail if what comes out is not as expected."""
        from pytest_simsock.telling import note_properties
        from simsock.scenario import run

        result = run(self.plan)
        verdict = result.verdict
        tried = verdict.failing_schedule or verdict.schedules
        self.stash[SEARCHED] = (tried, "as expected" if result.as_expected else "failed")
        note_properties(self, [], simsock_token=verdict.token, simsock_repeat=_command(result), simsock_schedules=tried)
        folder = self.config.stash[CHOSEN].report
        if folder is not None:
            from pytest_simsock.artefacts import write_scenario

            _, self.stash[ROW] = write_scenario(folder, result, "\n".join(_lines(result)), _command(result))
        if not result.as_expected:
            raise NotAsExpected(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The verdict, as ``simsock run`` prints it."""
        from simsock.errors import ScenarioError

        if isinstance(excinfo.value, NotAsExpected | ScenarioError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is, and what it shows."""
        return self.path, 0, f"{self.name}: {self.plan.table('scenario')['about']}"


class NotAsExpected(Exception):
    """A scenario whose expectation was not met; says all of it."""

    def __init__(self, result: Any) -> None:
        super().__init__("\n".join(_lines(result)))


def _lines(result: Any) -> list[str]:
    """What ``simsock run`` prints of it."""
    command = _command(result)
    repeat = [f"repeat it: {command}"] if command is not None else []
    raised = result.again.raised_lines() if result.again is not None else ()
    expected = result.plan.table("scenario")["expect"]
    last = f"as expected: {expected}" if result.as_expected else f"NOT AS EXPECTED: {result.surprise}"
    return [*result.table(), str(result.verdict), *raised, *repeat, last]


def _command(result: Any) -> str | None:
    verdict = result.verdict
    if not verdict.failed or verdict.token is None:
        return None
    return shlex.join(["simsock", "replay", verdict.token, *([] if result.target is not None else [result.plan.path])])


def _shown(path: Path) -> str:
    """A path as people write it: relative to the working directory where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
