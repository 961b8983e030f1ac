"""The table of suites in ``docs/compatibility.md``, and the numbers behind it.

Owns ``results.json``, one entry for each suite, and the section of the page between its marks. Does not run anything.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from .comparing import Comparison
from .suites import HERE, load

RESULTS = HERE / "results.json"
PAGE = HERE.parent.parent / "docs" / "compatibility.md"
BEGIN, END = "<!-- suites: python -m tests.others -->", "<!-- suites end -->"


def note(found: Comparison, same: tuple[int, int] | None, path: Path = RESULTS) -> None:
    """Put a suite's numbers in the place of its old ones. ``same``: how many worlds of how many had one digest in two runs."""
    results = read(path)
    results[found.suite] = {
        "version": found.version,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "tests": found.tests,
        "real": found.real,
        "networked": found.networked,
        "world": found.world,
        "aside": found.aside,
        "sockets": len(found.reached),
        "reasons": {why: len(names) for why, names in found.lost.items()} | ({"not looked into": len(found.unexplained)} if found.unexplained else {}),
        "seconds": [found.seconds_real, found.seconds_world],
        "same": list(same) if same is not None else results.get(found.suite, {}).get("same"),
    }
    path.write_text(json.dumps(dict(sorted(results.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path = RESULTS) -> dict[str, Any]:
    """All suites' numbers."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def lines(results: dict[str, Any]) -> list[str]:
    """The table."""
    titles = ["suite", "Python", "tests", "pass really", "of them in a world", "start processes", "real sockets", "seconds, both", "what does not pass"]
    twice = any(row["same"] for row in results.values())
    if twice:
        titles.insert(6, "the same twice")
    rows = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for name, row in sorted(results.items()):
        share = f"{row['world']} ({100 * row['world'] / row['real']:.1f} %)" if row["real"] else "–"
        why = "; ".join(f"{count}: {text}" for text, count in sorted(row["reasons"].items(), key=lambda item: -item[1])) or "–"
        same = "{} of {}".format(*row["same"]) if row["same"] else "–"
        real, world = row["seconds"]
        passed = f"{row['real']} ({row['networked']} with sockets)"
        cells = [
            f"{name} {row['version']}",
            row["python"],
            row["tests"],
            passed,
            share,
            row["aside"] or "–",
            row["sockets"] or "none",
            f"{real}, {world}",
            why,
        ]
        if twice:
            cells.insert(6, same)
        rows.append(f"| {' | '.join(map(str, cells))} |")
    rows += [f"| {suite.name} {suite.version} | {'– | ' * (len(titles) - 2)}{suite.note} |" for suite in load().values() if not suite.tests]
    return rows


def write(results: dict[str, Any], page: Path = PAGE) -> None:
    """Put it into the page."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name}: expected the marks {BEGIN} and {END}")
    page.write_text(before + begin + "\n\n" + "\n".join(lines(results)) + "\n\n" + end + after, encoding="utf-8")
