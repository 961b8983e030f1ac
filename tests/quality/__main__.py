"""``python -m tests.quality``: how soon each strategy finds the bugs of ``racy_programs``, as a table; ``--write`` puts it into ``docs/search.md``.

``--compare`` makes another table: simsock beside interleave-test and frontrun, on the programs that all of them can run.

Owns the measuring and the table. Law: what is counted is schedules, which depend on the seeds alone; only schedules per second depend on the machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import simsock
from tests.quality import others, racy_programs
from tests.quality.racy_programs import PARTS, PROGRAMS

STRATEGIES = ("random", "pct", "pos", "surw", "pcth", "portfolio")
DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "search.md"
BEGIN, END = "<!-- the table begins -->", "<!-- the table ends -->"
COMPARED = "<!-- the comparison begins -->", "<!-- the comparison ends -->"


def found_after(name: str, strategy: str, seed: int, most: int) -> int | None:
    """The number of the first failing schedule of a search; None when there is none among the first ``most``."""
    test, options = PROGRAMS[name]
    verdict = simsock.explore(test, most, strategy=strategy, seed=seed, shrink=False, scope=racy_programs.__file__, **options)
    return verdict.failing_schedule


def cell(numbers: list[int | None], most: int) -> str:
    """Mean of those that were found; with a star where some seed missed it, a dash where all did."""
    found = [number for number in numbers if number is not None]
    if not found:
        return "–"
    return f"{sum(found) / len(found):.0f}" + ("" if len(found) == len(numbers) else f" ({len(found)} of {len(numbers)})")


def table(names: list[str], strategies: list[str], seeds: int, most: int) -> list[str]:
    """The table, as lines of Markdown; each row is also printed when it is there."""
    lines = [f"| program | {' | '.join(strategies)} | schedules per CPU second |", "|" + "---|" * (len(strategies) + 2)]
    for line in lines:
        print(line, flush=True)
    for name in names:
        began = time.process_time()
        tried = 0
        cells = []
        for strategy in strategies:
            numbers = [found_after(name, strategy, seed, most) for seed in range(seeds)]
            tried += sum(most if number is None else number + 2 for number in numbers)  # a failure is run twice more
            cells.append(cell(numbers, most))
        rate = tried / max(time.process_time() - began, 1e-9)
        lines.append(f"| {name} | {' | '.join(cells)} | {rate:,.0f} |")
        print(lines[-1], flush=True)
    return lines


def write(lines: list[str], said: str, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Put a table into the documentation."""
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(marks[0])
    _, _, after = rest.partition(marks[1])
    DOCS.write_text(before + "\n".join([marks[0], said, "", *lines, marks[1]]) + after, encoding="utf-8")


def main(arguments: Any = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.quality", description="How soon strategies find races.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--most", type=int, default=2_000, help="schedules after which a search gives up")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--only", default="", help="programs whose names contain this")
    parser.add_argument("--write", action="store_true", help="into docs/search.md")
    parser.add_argument("--compare", action="store_true", help="with other tools instead of strategies with each other")
    chosen = parser.parse_args(arguments)
    names = [name for name in (PARTS if chosen.compare else PROGRAMS) if chosen.only in name]
    said = f"Mean schedules until found over {chosen.seeds} seeds, at most {chosen.most:,} each, on Python {sys.version_info[0]}.{sys.version_info[1]}:"
    if chosen.compare:
        for title in others.missing():
            print(f"not installed here: {title}", file=sys.stderr)
        lines = others.table(names, chosen.seeds, chosen.most)
        said = said.replace(" until found", " until found, and schedules per CPU second,")
    else:
        lines = table(names, chosen.strategies.split(","), chosen.seeds, chosen.most)
    if chosen.write:
        write(lines, said, COMPARED if chosen.compare else (BEGIN, END))


if __name__ == "__main__":
    main()
