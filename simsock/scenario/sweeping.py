"""What came of several searches of scenarios, value by value and server by server, as a table.

Owns its columns. Does not run anything. Law: a row is of one search; clients are counted as ``Result.rows`` counts them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.clients.outcome import SERVED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsock.scenario.running import Result
    from simsock.scenario.surveying import Survey


def sweep_table(results: Sequence[Result | Survey], fixed: int, *, several: bool, servers: bool) -> list[str]:
    """The lines: which file (if there are ``several``), what was set (after the first ``fixed``, which all have), which server (if ``servers`` are
    compared), the verdict, and each kind of client: its share served, median and p99."""
    settings = any(result.plan.settings[fixed:] for result in results)
    heads = [name for name, is_there in (("scenario", several), ("set", settings), ("server", servers)) if is_there]
    rows = [[*heads, "verdict", "clients", "served", "median", "p99"]]
    for result in results:
        cells = {"scenario": result.plan.path, "set": " ".join(result.plan.settings[fixed:]), "server": result.server or "the file's"}
        first = [*(cells[head] for head in heads), result.verdict.status + ("" if result.as_expected else " (NOT AS EXPECTED)")]
        kinds = [[row.kind, f"{row.results[SERVED] / row.count:.1%}", f"{row.median:.3f}s", f"{row.p99:.3f}s"] for row in result.rows]
        for number, kind in enumerate(kinds or [["", "", "", ""]]):
            rows.append([*(first if number == 0 else [""] * len(first)), *kind])
    widths = [max(map(len, column)) for column in zip(*rows)]
    title = "side by side:" if servers else "the sweep:"
    return [title, *("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)]


__all__ = ["sweep_table"]
