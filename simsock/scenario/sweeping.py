"""What came of a sweep, value by value, as a table.

Owns its columns. Does not run anything. Law: a row is of one search; clients are counted as ``Result.rows`` counts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.clients.outcome import SERVED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsock.scenario.running import Result
    from simsock.scenario.surveying import Survey


def sweep_table(results: Sequence[Result | Survey], fixed: int) -> list[str]:
    """The lines: what was set (after the first ``fixed``, which all have), the verdict, and each kind of client: its share served, median and p99."""
    rows = [["set", "verdict", "clients", "served", "median", "p99"]]
    for result in results:
        settings = " ".join(result.plan.settings[fixed:])
        verdict = result.verdict.status + ("" if result.as_expected else " (NOT AS EXPECTED)")
        kinds = [[row.kind, f"{row.results[SERVED] / row.count:.1%}", f"{row.median:.3f}s", f"{row.p99:.3f}s"] for row in result.rows]
        for number, kind in enumerate(kinds or [["", "", "", ""]]):
            rows.append([*((settings, verdict) if number == 0 else ("", "")), *kind])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["the sweep:", *("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)]


__all__ = ["sweep_table"]
