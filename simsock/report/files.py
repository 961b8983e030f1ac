"""Reports on disk: what was found, as a page and as text for people, and as JSON and SARIF for tools.

Owns the names of the files and how they are written. Law: a report that is there is whole, and one run does not overwrite its own.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.escaping import printable
from simsock.report.plain import SCHEMA, as_json
from simsock.report.sarif import as_sarif

if TYPE_CHECKING:
    from collections.abc import Callable


INDEX = "index"
SARIF = "simsock.sarif"


class Reports:
    """A folder of reports, made if it is not there. Raises ``UsageError`` when that, or writing to it, does not work."""

    def __init__(self, folder: str, version: str, option: str = "--report") -> None:
        self.folder = folder
        self._version = version
        self._option = option
        self._taken: set[str] = {INDEX}
        self._rows: list[dict[str, Any]] = []
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{option} {folder}: cannot be made: {error.strerror or error}") from None

    def write(
        self, name: str, text: str, facts: Callable[[], dict[str, Any]], capture: Callable[[str], bool] | None = None, with_index: bool = True
    ) -> list[str]:
        """Write ``name.html``, ``name.txt`` and ``name.json`` and return their paths; if this has written files of that name before, with a number.

        ``capture`` is called first, with a path to write a capture to, and says whether it is one to keep, as ``name.pcapng``; ``facts`` afterwards.
        ``with_index``: the index over all that this has written is written anew.
        """
        base = re.sub(r"[^\w.-]+", "-", name) or "report"
        stem = base
        count = 1
        while stem in self._taken:
            count += 1
            stem = f"{base}-{count}"
        self._taken.add(stem)
        paths = self.put(stem, text, facts, self._take(f"{stem}.pcapng", capture) if capture is not None else [])
        if with_index:
            self.put_index(self._rows)
        return paths

    def put(self, stem: str, text: str, facts: Callable[[], dict[str, Any]], captured: list[str]) -> list[str]:
        """The files of one report, beside a capture that is there already."""
        from simsock.report.page import page

        known = {**facts(), "simsock": self._version}
        names = [f"{stem}.txt", f"{stem}.json", *map(os.path.basename, captured)]
        paths = [
            self._put(f"{stem}.html", page(known, names)),
            self._put(f"{stem}.txt", printable(text, lines=True) + "\n"),
            self._put(f"{stem}.json", _json(known)),
            *captured,
        ]
        self._rows.append(index_row(known, paths))
        return paths

    def put_index(self, rows: list[dict[str, Any]]) -> str:
        """The page and the JSON that list the reports of a run, and what they found as SARIF. Returns the page's path."""
        from simsock.report.page import index_page

        self._put(f"{INDEX}.json", _json({"schema": SCHEMA, "reports": rows}))
        self._put(SARIF, _json(as_sarif(rows, self._version)))
        return self._put(f"{INDEX}.html", index_page(rows))

    @property
    def last_row(self) -> dict[str, Any]:
        """What the index says of the report that was written last."""
        return self._rows[-1]

    def _take(self, name: str, capture: Callable[[str], bool]) -> list[str]:
        path = os.path.join(self.folder, name)
        unfinished = f"{path}.part"
        try:
            kept = capture(unfinished)
            if kept:
                os.replace(unfinished, path)
        except OSError as error:
            raise UsageError(f"{self._option} {self.folder}: cannot write {name}: {error.strerror or error}") from None
        finally:
            if os.path.exists(unfinished):
                os.remove(unfinished)
        return [path] if kept else []

    def _put(self, name: str, content: str) -> str:
        path = os.path.join(self.folder, name)
        unfinished = f"{path}.part"
        try:
            with open(unfinished, "w", encoding="utf-8") as file:
                file.write(content)
            os.replace(unfinished, path)
        except OSError as error:
            raise UsageError(f"{self._option} {self.folder}: cannot write {name}: {error.strerror or error}") from None
        return path


def index_row(facts: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """What an index says of a report."""
    error = facts["error"]
    return {
        "title": facts["title"],
        "kind": facts["kind"],
        "outcome": facts["outcome"],
        "good": facts["good"],
        "said": facts["said"],
        "error": None if error is None else f"{error['type']}: {error['message']}".partition("\n")[0],
        "error_type": None if error is None else error["type"],
        "place": None if error is None else error["place"],
        "file": facts["nodeid"].partition("::")[0] if "nodeid" in facts else facts.get("file"),
        "command": facts["command"],
        "page": os.path.basename(paths[0]),
        "files": [os.path.basename(path) for path in paths],
    }


def _json(value: Any) -> str:
    return as_json(value, indent=2) + "\n"
