"""The files that ``--simsock-report=DIR`` gets: what is told of a failure, and a capture of its run.

Owns their names and which runs are captured. Does not know what is told. Laws:

* a capture begins under a name of its own and gets its final one when its run has failed; of a run that passes nothing is left;
* a capture lies beside what is told of the same run, never beside that of another one.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from pytest_simsock.configuring import CHOSEN
from simsock.errors import UsageError
from simsock.escaping import printable

if TYPE_CHECKING:
    from pathlib import Path

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


def write(folder: Path, nodeid: str, sections: list[tuple[str, str]], captured: Path | None) -> list[Path]:
    """Write what is told, and keep the capture of that run if there is one. Returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    told, capture = (folder / f"{_stem(nodeid)}.{kind}" for kind in ("txt", "pcapng"))
    text = "\n\n".join(f"== {title}\n{content}" for title, content in sections)
    told.write_text(printable(text, lines=True) + "\n", encoding="utf-8")
    if captured is None or not captured.exists():
        capture.unlink(missing_ok=True)
        return [told]
    captured.replace(capture)
    return [told, capture]


def _stem(nodeid: str) -> str:
    name = re.sub(r"[^\w.-]+", "-", nodeid)[:_NAME_MAX].strip("-")
    return f"{name}-{blake2b(nodeid.encode('utf-8', 'surrogatepass'), digest_size=3).hexdigest()}"
