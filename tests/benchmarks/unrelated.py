"""What the plugin costs a test suite that has nothing to do with it: ``python unrelated.py FOLDER [argument of pytest ...]``.

Runs pytest in the folder with the plugin and without it, in turns, each in a process of its own, and compares the CPU time of user and system.
Wall time would say more about what else the machine does. Fails when the outcomes differ: then it is not the same run.
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys

TURNS = 7
WAYS = {"without": ["-p", "no:pytest_simsock"], "with": ["-p", "pytest_simsock"]}


def run(folder: str, arguments: list[str]) -> tuple[float, str]:
    """CPU seconds of one run, and the outcomes that pytest counted."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    last = done.stdout.strip().rpartition("\n")[2]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, re.sub(r" in [\d.]+s.*", "", last)


def main() -> int:
    """Measure and say."""
    folder, *arguments = sys.argv[1:]
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    outcomes = set()
    for turn in range(TURNS + 1):
        for way, options in WAYS.items() if turn % 2 else reversed(WAYS.items()):
            took, outcome = run(folder, [*options, *arguments])
            outcomes.add(outcome)
            if turn:  # the first of each warms up the file system's cache and the compiled modules
                seconds[way].append(took)
    if len(outcomes) != 1:
        print(f"the outcomes differ: {sorted(outcomes)}")
        return 1
    print(outcomes.pop())
    for way, took in seconds.items():
        print(f"{way:8} {statistics.median(took):6.2f} s of CPU (median of {len(took)}; {min(took):.2f} to {max(took):.2f})")
    pairs = [one / other - 1 for one, other in zip(seconds["with"], seconds["without"])]
    print(f"the plugin costs {statistics.median(pairs):+.1%} (median of the pairs), {min(seconds['with']) / min(seconds['without']) - 1:+.1%} (least of each)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
