"""``python -m tests.quality``: how soon each strategy, and each other tool that is installed, finds the bugs of ``racy_programs``, as one table.

``--write`` puts it into ``docs/search.md``.

Owns the measuring and the table. Law: what is counted is schedules, which depend on the seeds alone; only schedules per second depend on the machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import simsock
from tests.quality import others, racy_programs
from tests.quality.racy_programs import PARTS, PROGRAMS

STRATEGIES = ("portfolio", "surw", "pcth", "random", "pct", "pos")
HOPELESS = 4
"""What finds nothing in so many seeds is not tried with the others."""
DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "search.md"
BEGIN, END = "<!-- the table begins -->", "<!-- the table ends -->"


def found_after(name: str, strategy: str, seed: int, most: int) -> int | None:
    """The number of the first failing schedule of a search; None when there is none among the first ``most``."""
    test, options = PROGRAMS[name]
    verdict = simsock.explore(test, most, strategy=strategy, seed=seed, shrink=False, scope=racy_programs.__file__, **options)
    return verdict.failing_schedule


def of_seeds(search: Callable[[int], int | None], seeds: int) -> list[int | None]:
    """What ``search(seed)`` gives for each seed; of the first few only, if it is nothing."""
    numbers: list[int | None] = []
    for seed in range(seeds):
        numbers.append(search(seed))
        if len(numbers) >= HOPELESS and not any(numbers):
            break
    return numbers


def cell(numbers: list[int | None]) -> str:
    """Mean of those that were found, and how many that is if some seed missed it; a dash where all did."""
    found = [number for number in numbers if number is not None]
    if not found:
        return "–"
    return f"{sum(found) / len(found):.0f}" + ("" if len(found) == len(numbers) else f" ({len(found)} of {len(numbers)})")


def row(name: str, strategies: list[str], tools: list[str], seeds: int, most: int) -> str:
    """One program's line of Markdown."""
    began = time.process_time()
    tried = 0
    cells = []
    for strategy in strategies:
        numbers = of_seeds(lambda seed, strategy=strategy: found_after(name, strategy, seed, most), seeds)
        tried += sum(most if number is None else number + 2 for number in numbers)  # a failure is run twice more
        cells.append(cell(numbers))
    cells.append(f"{tried / max(time.process_time() - began, 1e-9):,.0f}")
    for title in tools:
        if name not in PARTS:
            cells.append("")
            continue
        runs: list[others.Counted] = []

        def search(seed: int, title: str = title, runs: list[others.Counted] = runs) -> int | None:
            runs.append(others.search(title, name, seed, most))
            return runs[-1].found

        numbers = of_seeds(search, seeds if others.has_seeds(title) else 1)
        cells.append(f"{cell(numbers)}, {sum(run.tried for run in runs) / sum(run.seconds for run in runs):,.0f} / s")
    return f"| {name} | {' | '.join(cells)} |"


def table(names: list[str], strategies: list[str], tools: list[str], seeds: int, most: int) -> list[str]:
    """The table, as lines of Markdown; each row is also printed when it is there."""
    titles = ["program", *strategies, "schedules per CPU second", *tools]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    print(*lines, sep="\n", flush=True)
    for name in names:
        lines.append(row(name, strategies, tools, seeds, most))
        print(lines[-1], flush=True)
    return lines


def write(lines: list[str], said: str, begin: str = BEGIN, end: str = END) -> None:
    """Put a table into the documentation, between two marks."""
    text = DOCS.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    DOCS.write_text(before + "\n".join([begin, f"{said}, on Python {python}:", "", *lines, end]) + after, encoding="utf-8")


def main(arguments: Any = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.quality", description="How soon strategies and other tools find races.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--most", type=int, default=2_000, help="schedules after which a search gives up")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--only", default="", help="programs whose names contain this")
    parser.add_argument("--write", action="store_true", help="into docs/search.md")
    parser.add_argument("--alone", action="store_true", help="without other tools")
    chosen = parser.parse_args(arguments)
    tools: list[str] = []
    if not chosen.alone:
        tools = others.tools()
        for title in others.missing():
            print(f"not installed here: {title}", file=sys.stderr)
    names = [name for name in PROGRAMS if chosen.only in name]
    lines = table(names, chosen.strategies.split(","), tools, chosen.seeds, chosen.most)
    if chosen.write:
        write(lines, f"Mean schedules until found over {chosen.seeds} seeds, at most {chosen.most:,} each")


if __name__ == "__main__":
    main()
