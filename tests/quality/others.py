"""The same programs under other tools: interleave-test and frontrun, as PyPI has them.

Owns how each of them is called. Does not know the table. Laws: each tool is used as its documentation says, with its own defaults but for the limits; a
tool that is not installed has no column; what is counted is schedules until the first that fails, and schedules per second of CPU time.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.quality.racy_programs import PARTS, run_parts

SECONDS_MAX = 60.0
"""Of real time, for one search of a tool that can be told so."""


class Counted(NamedTuple):
    """One search: the number of the failing schedule, or None; how many were tried; and the CPU time of it."""

    found: int | None
    tried: int
    seconds: float


def _by_interleave_test(name: str, seed: int, most: int) -> tuple[int | None, int]:
    import interleave_test

    result = interleave_test.explore(lambda: run_parts(PARTS[name]()), iterations=most, seed=seed, strategy="pct", granularity="line", raise_on_failure=False)
    failure = result.failure
    return (failure.iteration + 1, failure.iteration + 1) if failure is not None else (None, most)


def _by_frontrun(name: str, seed: int, most: int) -> tuple[int | None, int]:
    import frontrun

    make = PARTS[name]
    count = len(make()[0])
    result = frontrun.explore(
        setup=make,
        workers=[lambda parts, place=place: parts[0][place]() for place in range(count)],
        invariant=lambda parts: parts[1](),
        max_executions=most,
        reproduce_on_failure=0,
        total_timeout=SECONDS_MAX,
    )
    return (result.num_explored if result.property_holds is False else None), result.num_explored


_TOOLS: dict[str, tuple[str, Callable[[str, int, int], tuple[int | None, int]]]] = {
    "interleave-test (pct, lines)": ("interleave_test", _by_interleave_test),
    "frontrun (dpor)": ("frontrun", _by_frontrun),
}
_WITHOUT_SEEDS = frozenset(("frontrun (dpor)",))


def tools() -> list[str]:
    """Those that are installed."""
    return [title for title, (module, _) in _TOOLS.items() if importlib.util.find_spec(module) is not None]


def missing() -> list[str]:
    """What there is none of here."""
    return [title for title in _TOOLS if title not in tools()]


def has_seeds(title: str) -> bool:
    """Whether a tool's search depends on a seed."""
    return title not in _WITHOUT_SEEDS


def search(title: str, name: str, seed: int, most: int) -> Counted:
    """One search of a program by a tool."""
    if title.startswith("frontrun"):  # it wants to be the one that has started the process
        command = ["-m", "frontrun.cli", sys.executable, "-m", "tests.quality.others", title, name, str(seed), str(most)]
        try:
            done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, timeout=2 * SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return Counted(None, 0, 2 * SECONDS_MAX)
        lines = done.stdout.splitlines()
        if not lines:
            raise RuntimeError(f"{title} on {name}: {done.stderr[-2_000:]}")
        return Counted(*json.loads(lines[-1]))
    return _measure(title, name, seed, most)


def _measure(title: str, name: str, seed: int, most: int) -> Counted:
    _TOOLS[title][1](name, seed, 1)  # whatever a tool does in its first search only is nobody's schedule
    began = time.process_time()
    found, tried = _TOOLS[title][1](name, seed, most)
    return Counted(found, tried, max(time.process_time() - began, 1e-9))


if __name__ == "__main__":
    _, its_title, its_name, its_seed, its_most = sys.argv
    print(json.dumps(_measure(its_title, its_name, int(its_seed), int(its_most))))

__all__ = ["Counted", "has_seeds", "missing", "search", "tools"]
