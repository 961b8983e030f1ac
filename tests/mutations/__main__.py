"""What the tests of a room miss: ``python -m tests.mutations net --count 60 --seed 2026``.

Owns the command: it draws mutations (``drawing``, ``operators``), tries each in a copy of the project (``noticing``) and tells those that no test
notices; the exit code is 1 if there are any. Laws: the same seed and sources give the same mutations; nothing is written outside of the copies and
of the file of verdicts.

``--changed REVISION`` draws only from lines that differ from a revision, ``--minutes`` ends a run that has lasted so long (and says how many were
left), ``--list`` tells the mutations without trying them, ``--progress`` each outcome as it comes. ``--verdicts FILE`` keeps the outcomes: a run
that was interrupted goes on where it was. ``--from 40`` leaves out the first forty. ``--lines FOLDER`` knows which tests execute which lines
(``executed_lines``), and makes a mutation a matter of seconds; ``--whole`` then runs all the tests of the room on what those do not notice.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutations.drawing import candidates, draw, row_of
from tests.mutations.noticing import Copy, Lines, Verdict
from tests.mutations.operators import Mutation


def main(arguments: list[str] | None = None) -> int:
    """Draw, try, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rooms", nargs="+", help="net, net/tcp, kernel, kernel/timers …")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="N")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--changed", metavar="REVISION")
    parser.add_argument("--verdicts", type=Path, metavar="FILE")
    parser.add_argument("--lines", type=Path, metavar="FOLDER")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--progress", action="store_true")
    options = parser.parse_args(arguments)
    every = candidates(options.rooms, options.changed)
    drawn = draw(every, options.count, options.seed)[options.first :]
    idle = [mutation for mutation in drawn if row_of(mutation) is not None]
    drawn = [mutation for mutation in drawn if mutation not in idle]
    print(f"{len(drawn) + len(idle)} of {len(every)} mutations, seed {options.seed}; {len(idle)} of them change nothing", flush=True)
    if options.list:
        for mutation in drawn:
            print(mutation.place)
        return 0
    if not drawn:
        print("0 noticed, 0 survive")
        return 0
    if options.lines and not any(options.lines.glob("*.json")):
        parser.error(f"--lines: expected a folder of files that tests.mutations.executed_lines wrote, got {options.lines}")
    trial = Trial(Lines(options.lines), options.verdicts, time.monotonic() + options.minutes * 60, options.progress, options.whole)
    return trial.of(drawn, options.jobs)


class Trial:
    """The mutations of one run, tried in copies."""

    def __init__(self, lines: Lines, kept: Path | None, end: float, progress: bool, whole: bool) -> None:
        self._lines = lines
        self._kept = kept
        self._end = end
        self._progress = progress
        self._whole = whole
        self._verdicts: dict[str, Verdict] = {}
        if kept is not None and kept.exists():
            for line in kept.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                self._verdicts[row["mutation"]] = Verdict(row["noticed"], row["by"])

    def of(self, drawn: list[Mutation], jobs: int) -> int:
        """Try the mutations; 1 if some survive."""
        every = [Copy() for _ in range(jobs)]
        copies: SimpleQueue[Copy] = SimpleQueue()
        for copy in every:
            copies.put(copy)

        def attempt(mutation: Mutation) -> Verdict:
            if mutation.key in self._verdicts:
                return self._verdicts[mutation.key]
            if time.monotonic() > self._end:
                return Verdict(None)
            copy = copies.get()
            try:
                began = time.monotonic()
                verdict = copy.attempt(mutation, self._lines, self._end, self._whole)
                if self._end:  # 0: interrupted, and whatever was said is worth nothing
                    self._keep(mutation, verdict, time.monotonic() - began)
                return verdict
            finally:
                copies.put(copy)

        outcomes = []
        pool = ThreadPoolExecutor(jobs)
        try:
            for mutation, verdict in zip(drawn, pool.map(attempt, drawn)):
                outcomes.append(verdict.noticed)
                if self._progress and verdict.noticed is not None:
                    print(f"{len(outcomes)}: {'noticed' if verdict.noticed else 'survives'} {verdict.by}", flush=True)
                if verdict.noticed is False:
                    print(f"survives: {mutation.place}", flush=True)
        finally:
            self._end = 0
            pool.shutdown(wait=False, cancel_futures=True)
            for copy in every:
                copy.stop()
            pool.shutdown()
            for copy in every:
                copy.remove()
        left = outcomes.count(None)
        print(f"{outcomes.count(True)} noticed, {outcomes.count(False)} survive" + (f", {left} left when the time was over" if left else ""))
        return 1 if False in outcomes else 0

    def _keep(self, mutation: Mutation, verdict: Verdict, seconds: float) -> None:
        if self._kept is not None and verdict.noticed is not None:
            row = {"mutation": mutation.key, "line": mutation.line, "noticed": verdict.noticed, "by": verdict.by, "seconds": round(seconds, 1)}
            with self._kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _interrupted(number: int, frame: object) -> None:
    """Once: the copies are removed all the same."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    for each in (signal.SIGINT, signal.SIGTERM):  # the former is ignored in what a shell starts in the background
        signal.signal(each, _interrupted)
    sys.exit(main())
