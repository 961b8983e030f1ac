"""``python -m tests.quality.guided``: how soon ``guided`` and ``portfolio`` find what takes a fault and an order, and what takes an order alone.

``--write`` puts the table into ``docs/search.md``. Owns the measuring; the scenarios are in ``faulty/``, the programs in ``racy_programs``. Law: what is
counted is schedules, which depend on the seeds alone; only the CPU time depends on the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simsock.scenario import importable, read, running
from simsock.scenario.running import ScenarioTest
from simsock.search import Verdict
from tests.quality.__main__ import found_after, write
from tests.quality.racy_programs import PROGRAMS

STRATEGIES = ("portfolio", "guided")
FOLDER = Path(__file__).resolve().parent / "faulty"
FAULTY = sorted(path.stem for path in FOLDER.glob("*.toml"))
BEGIN, END = "<!-- guided begins -->", "<!-- guided ends -->"


def scenario_after(name: str, strategy: str, seed: int, most: int) -> int | None:
    """The number of the first failing schedule of a scenario of ``faulty/``; None when there is none among the first ``most``."""
    return verdict_of(name, strategy, seed, most).failing_schedule


def verdict_of(name: str, strategy: str, seed: int, most: int, server: str | None = None) -> Verdict:
    """What a search of a scenario of ``faulty/`` comes to, or of the same with another ``server`` (``module:Class``)."""
    plan = read(str(FOLDER / f"{name}.toml"), (f"search.strategy={strategy}",))
    with importable(plan, server):
        return running._explore(ScenarioTest(plan, server), plan, most, seed, shrink=False)


def cell(found: Callable[[str, str, int, int], int | None], name: str, strategy: str, seeds: int, most: int) -> str:
    """Mean and worst of those seeds in which it was found, in how many that was if not in all, and CPU seconds a seed."""
    began = time.process_time()
    numbers = [found(name, strategy, seed, most) for seed in range(seeds)]
    seconds = (time.process_time() - began) / seeds
    came = [number for number in numbers if number is not None]
    if not came:
        return f"–, {seconds:.1f} s"
    part = "" if len(came) == seeds else f" ({len(came)} of {seeds})"
    return f"{sum(came) / len(came):.0f}{part}, at most {max(came)}, {seconds:.1f} s"


def main(arguments: Any = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.quality.guided", description="How soon guided finds, beside the portfolio.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--most", type=int, default=2_000, help="schedules after which a search gives up")
    parser.add_argument("--only", default="", help="servers and programs whose names contain this")
    parser.add_argument("--write", action="store_true", help="into docs/search.md")
    chosen = parser.parse_args(arguments)
    lines = [f"| server or program | {' | '.join(STRATEGIES)} |", "|---|---|---|"]
    print(*lines, sep="\n", flush=True)
    for name, found in (*((name, scenario_after) for name in FAULTY), *((name, found_after) for name in PROGRAMS)):
        if chosen.only in name:
            cells = [cell(found, name, strategy, chosen.seeds, chosen.most) for strategy in STRATEGIES]
            lines.append(f"| {name} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    if chosen.write:
        said = f"Mean schedules until found over {chosen.seeds} seeds, at most {chosen.most:,} each, the most that a seed took, and CPU seconds a seed"
        write(lines, said, BEGIN, END)


if __name__ == "__main__":
    main()
