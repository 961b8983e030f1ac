"""The files that ``--simsock-report=DIR`` gets: what is told of a failure, as page, text and JSON, a capture of its run, and an index over all of them.

Owns their names and which runs are captured. Does not know what is told. Laws:

* a capture begins under a name of its own and gets its final one when its run has failed; of a run that passes nothing is left;
* a capture lies beside what is told of the same run, never beside that of another one.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_simsock.configuring import CHOSEN
from pytest_simsock.report_index import OPTION
from simsock import __version__
from simsock.errors import UsageError
from simsock.report.files import Reports

if TYPE_CHECKING:
    import pytest

    from pytest_simsock.plans import Plan

_NAME_MAX = 120


def capture_path(item: pytest.Item, plan: Plan) -> Path | None:
    """Where a capture of this run is written, if it is one that may be told: of a search, also Hypothesis's, the last run, which tells the story."""
    folder = item.config.stash[CHOSEN].report
    if folder is None or (plan.shared.searched and (plan.teller is None or plan.quiet)):
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--simsock-report={folder}: cannot be made: {error.strerror or error}") from None
    return _unfinished(folder, item)


def _unfinished(folder: Path, item: pytest.Item) -> Path:
    return folder / f"{_stem(item.nodeid)}.pcapng.part"


def discard(item: pytest.Item) -> None:
    """The test is over: a capture that was not kept goes."""
    folder = item.config.stash[CHOSEN].report
    if folder is not None and folder.is_dir():
        _unfinished(folder, item).unlink(missing_ok=True)


def write(folder: Path, nodeid: str, sections: list[tuple[str, str]], facts: dict[str, Any], captured: Path | None) -> tuple[list[Path], dict[str, Any]]:
    """Write what is told, and keep the capture of that run if there is one. Returns the paths, and what the index is to say of it."""
    reports = Reports(str(folder), __version__, OPTION)
    stem = _stem(nodeid)
    capture = folder / f"{stem}.pcapng"
    text = "\n\n".join(f"== {title}\n{content}" for title, content in sections)
    kept = captured is not None and captured.exists()
    if captured is not None and kept:
        captured.replace(capture)
    else:
        capture.unlink(missing_ok=True)
    paths = reports.put(stem, text, lambda: {**facts, "text": text}, [str(capture)] if kept else [])
    return list(map(Path, paths)), reports.last_row


def write_scenario(folder: Path, result: Any, text: str, command: str | None) -> tuple[list[str], dict[str, Any]]:
    """The same of a scenario."""
    from simsock.scenario.facts import write_report

    reports = Reports(str(folder), __version__, OPTION)
    return write_report(result, text, command, reports, with_index=False), reports.last_row


def note(report: pytest.TestReport, row: dict[str, Any]) -> None:
    """Have the index tell of a report: the row travels with it from a worker of xdist."""
    report.simsock_report = row  # type: ignore[attr-defined]  # a report keeps what it is given


def _stem(nodeid: str) -> str:
    name = re.sub(r"[^\w.-]+", "-", nodeid)[:_NAME_MAX].strip("-")
    return f"{name}-{blake2b(nodeid.encode('utf-8', 'surrogatepass'), digest_size=3).hexdigest()}"
