"""``python -m tests.others [NAME ...]``: fetch, run really and in worlds, compare, and write the table."""

from __future__ import annotations

import argparse
import signal
import sys

from . import table
from .comparing import MARK, Comparison, compare, load_reasons
from .fetching import fetch, folder_of, pin
from .running import Report, keep, kept, run
from .suites import Suite, load


def main() -> int:
    """Do what the arguments say; 1 if a suite falls short, or something is not explained."""
    signal.signal(signal.SIGTERM, lambda *args: sys.exit(143))  # a suite's own process is ended with this one
    suites = load()
    parser = argparse.ArgumentParser(prog="python -m tests.others", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which suites (default: those of the table): {', '.join(suites)}")
    parser.add_argument("--pin", action="store_true", help="write down which versions of what the tests need are installed")
    parser.add_argument("--keep-real", action="store_true", help="compare with the run on the real network before this one")
    parser.add_argument("--compare", action="store_true", help="run nothing: compare what the runs before this one gave")
    parser.add_argument("--twice", action="store_true", help="run twice in worlds, and compare the digests of each test's two worlds")
    parser.add_argument("--tell", action="store_true", help="print what comes of each test")
    parser.add_argument("--patience", type=float, default=60.0, help="real seconds that one test may take")
    parser.add_argument("--no-table", action="store_true", help="leave results.json and docs/compatibility.md as they are")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(suites)
    if unknown:
        parser.error(f"no suite is called {', '.join(sorted(unknown))}; there are {', '.join(suites)}")
    short = False
    for name in chosen.names or table.read():
        short |= _do(suites[name], chosen)
    return int(short)


def _do(suite: Suite, chosen: argparse.Namespace) -> bool:
    """One suite. True if it falls short."""
    tell = print if chosen.tell else None
    folder = folder_of(suite)
    if not chosen.compare:
        fetch(suite)
        if chosen.pin:
            pin(suite)
    if not chosen.compare and not (chosen.keep_real and (folder / "real.json").is_file()):
        keep(run(suite, world=False, patience=chosen.patience, tell=tell), folder / "real.json")
    if not chosen.compare:
        keep(run(suite, world=True, patience=chosen.patience, tell=tell), folder / "world.json")
    real, world = kept(folder / "real.json"), kept(folder / "world.json")
    same = None
    if chosen.twice and not chosen.compare:
        again = run(suite, world=True, patience=chosen.patience)
        digests = {name: found.digest for name, found in world.outcomes.items() if found.digest}
        differ = [name for name, digest in digests.items() if name not in again.outcomes or again.outcomes[name].digest != digest]
        same = (len(digests) - len(differ), len(digests))
        for name in differ:
            print(f"  another run with the same seed: {name}")
    found = compare(suite, real, world, load_reasons())
    _show(found, real, world)
    if not chosen.no_table:
        table.note(found, same)
        table.write(table.read())
    return bool(found.share < MARK or found.unexplained or found.stale or found.reached)


def _show(found: Comparison, real: Report, world: Report) -> None:
    for title, report in (("really", real), ("in worlds", world)):
        if report.note:
            print(f"{found.suite}, {title}: {report.note}", file=sys.stderr)
    print(f"{found.suite} {found.version}: {found.tests} tests, {found.real} pass really ({found.networked} make sockets)", end="; ")
    print(
        f"{found.world} of them in worlds ({found.share:.1%}); {found.aside} start processes; {found.seconds_real} s really, {found.seconds_world} s in worlds"
    )
    for why, names in found.lost.items():
        print(f"  {len(names)}: {why}")
    for name in found.unexplained:
        outcome = world.outcomes.get(name)
        last = outcome.reason.strip().rpartition("\n")[2][:160] if outcome is not None else "was not run"
        print(f"  UNEXPLAINED {outcome.outcome if outcome is not None else '-'} {name}: {last}")
    for pattern in found.stale:
        print(f"  EXPLAINS NOTHING: {pattern}")
    for name, events in found.reached.items():
        print(f"  REACHED THE REAL NETWORK: {name}: {', '.join(events)}")


if __name__ == "__main__":
    raise SystemExit(main())
