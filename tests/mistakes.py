"""The page of common mistakes, read: what each message looks like."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "mistakes.md"


def read(title: str) -> dict[str, str]:
    """Of each mistake under a title of the page, in its order: a pattern for its message, in which anything may stand for an ellipsis."""
    text = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            message, mistake = (cell.strip() for cell in line.split("|")[1:3])
            found[mistake] = ".*".join(map(re.escape, message.strip("`").split("…")))
    return found
