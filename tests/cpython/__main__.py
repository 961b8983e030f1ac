"""``python -m tests.cpython``: runs the interpreter's own tests of ``lists/`` in worlds and prints what came of each module.

python -m tests.cpython                       all modules of this Python's list; ends with 1 if anything is not as reasons/ says
python -m tests.cpython test_socket test_ssl  some of them
python -m tests.cpython --real                each module on real sockets first, to compare the seconds
python -m tests.cpython --write               puts the outcomes into reasons/ and seconds/, and the table into docs/compatibility.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from . import lists, running, table


def _write(results: Sequence[running.Result], real: Mapping[str, running.Result], reasons: dict[str, str]) -> None:
    for result in results:
        passed = set(result.passed())
        for name, found in result.outcomes.items():
            if name in passed:
                reasons.pop(name, None)
            else:
                reasons.setdefault(name, f"{running.UNKNOWN}{found.outcome}, {running.last_line(found.reason)}")
    lists.write_reasons(reasons)
    if real:
        table.write_seconds({result.module: (real[result.module].seconds(), result.seconds()) for result in results if result.outcomes})
    table.write()


def main() -> int:
    """What is at the head of this file."""
    parser = argparse.ArgumentParser(prog="python -m tests.cpython", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="modules of the list, with or without 'test.'")
    parser.add_argument("--real", action="store_true", help="run each module on real sockets as well")
    parser.add_argument("--write", action="store_true", help="write the outcomes down")
    parser.add_argument("--jobs", type=int, default=1, help="modules that run at once")
    parser.add_argument("--patience", type=float, default=running.PATIENCE, help="real seconds that one test may take")
    parser.add_argument("--verbose", action="store_true", help="print what every failed test said")
    said = parser.parse_args()
    tests, reasons = lists.read(), lists.read_reasons()
    modules = list(dict.fromkeys(test.module for test in tests))
    wanted = [name if name.startswith("test.") else f"test.{name}" for name in said.modules]
    unknown = set(wanted) - set(modules)
    if unknown:
        parser.error(f"not on the list of {lists.RUNNING}: {', '.join(sorted(unknown))}; expected some of {', '.join(modules)}")

    def both(module: str) -> tuple[running.Result | None, running.Result]:
        real = running.run(module, tests, reasons, world=False, patience=said.patience) if said.real else None
        return real, running.run(module, tests, reasons, patience=said.patience)

    results, real, complaints = [], {}, []
    with ThreadPoolExecutor(said.jobs) as pool:
        for outside, result in pool.map(both, wanted or modules):
            results.append(result)
            seconds = f"{result.seconds():7.1f} s"
            if outside is not None:
                real[result.module] = outside
                lost = len(outside.outcomes) - len(outside.passed())
                seconds = f"real {outside.seconds():7.1f} s{f' ({lost} do not pass)' if lost else ''}, world {seconds}"
            gone = f", {len(result.missing)} not in this release" if result.missing else ""
            print(f"{result.module:48} {len(result.passed()):4} of {len(result.tests):4} pass, {seconds}{gone}", flush=True)
            complaints += result.complaints(reasons)
            if said.verbose:
                for name, found in result.outcomes.items():
                    if found.outcome != "pass":
                        print(f"--- {found.outcome} {name}\n{found.reason}")
    for share, words in lists.SHARES.items():
        listed = [test.name for result in results for test in result.tests if test.share == share]
        passed = {name for result in results for name in result.passed()}
        if listed:
            print(f"{share:10} {len(passed & set(listed))} of {len(listed)} pass ({len(passed & set(listed)) / len(listed):.1%}): {words}")
    print(
        f"seconds: {sum(result.seconds() for result in results):.1f} in worlds", f"{sum(each.seconds() for each in real.values()):.1f} really" if real else ""
    )
    if said.write:
        _write(results, real, reasons)
        return 0
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
