"""Reports on disk: what was found, as text for people and as JSON for tools.

Owns the names of the files and how they are written. Law: a report that is there is whole, and one run does not overwrite its own.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.escaping import printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Callable


class Reports:
    """A folder of reports, made if it is not there. Raises ``UsageError`` when that, or writing to it, does not work."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._taken: set[str] = set()
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--report {folder}: cannot be made: {error.strerror or error}") from None

    def write(self, name: str, text: str, facts: dict[str, Any], capture: Callable[[str], bool] | None = None) -> list[str]:
        """Write ``name.txt`` and ``name.json`` and return their paths; if this has written files of that name before, with a number.

        ``capture`` is called with a path to write a capture to, and says whether it is one to keep, as ``name.pcapng``.
        """
        base = re.sub(r"[^\w.-]+", "-", name) or "report"
        stem = base
        count = 1
        while stem in self._taken:
            count += 1
            stem = f"{base}-{count}"
        self._taken.add(stem)
        as_json = printable_json(json.dumps(facts, indent=2, ensure_ascii=False, default=str)) + "\n"
        paths = [self._put(f"{stem}.txt", printable(text, lines=True) + "\n"), self._put(f"{stem}.json", as_json)]
        if capture is not None:
            paths += self._take(f"{stem}.pcapng", capture)
        return paths

    def _take(self, name: str, capture: Callable[[str], bool]) -> list[str]:
        path = os.path.join(self.folder, name)
        unfinished = f"{path}.part"
        try:
            kept = capture(unfinished)
            if kept:
                os.replace(unfinished, path)
        except OSError as error:
            raise UsageError(f"--report {self.folder}: cannot write {name}: {error.strerror or error}") from None
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
            raise UsageError(f"--report {self.folder}: cannot write {name}: {error.strerror or error}") from None
        return path
