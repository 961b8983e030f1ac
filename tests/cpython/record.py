"""Writes the list of a Python that has none yet: ``python -m tests.cpython.record 3.13`` goes by the list of 3.13, and takes its tests by their names.

Each is run in a world. One that passes there is on the new list. One that does not is run on real sockets: if it passes there it is on the list, too, and
among the reasons, as one that nobody has looked at; if not, or if it is not there, it is left out.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor

from . import lists, running


def _of_module(module: str, other: list[lists.Test]) -> tuple[list[lists.Test], dict[str, str]]:
    """The tests of a module that are on the list, and why some of them do not pass."""
    inside = running.run(module, other, {})
    passed = set(inside.passed())
    rest = [test for test in other if test.module == module and test.name in inside.outcomes and test.name not in passed]
    outside = set(running.run(module, rest, {}, world=False).passed()) if rest else set()
    reasons = {name: f"{running.UNKNOWN}{running.last_line(inside.outcomes[name].reason)}" for name in outside}
    tests = [test for test in other if test.module == module and test.name in passed | outside]
    print(module, len(passed), "pass in a world,", len(outside), "only really,", len(rest) - len(outside), "not there either", inside.note, flush=True)
    return tests, reasons


def main() -> None:
    """Record, and say how many there are."""
    parser = argparse.ArgumentParser(prog="python -m tests.cpython.record", description=__doc__)
    parser.add_argument("other", help="the version whose list is gone by")
    parser.add_argument("--jobs", type=int, default=1, help="modules that run at once")
    said = parser.parse_args()
    left_out = {name for name, sentence in lists.read_reasons(said.other).items() if sentence.startswith(running.NOT_RUN)}
    other = [test for test in lists.read(said.other) if test.name not in left_out]
    tests: list[lists.Test] = []
    reasons: dict[str, str] = {}
    with ThreadPoolExecutor(said.jobs) as pool:
        for found, why in pool.map(lambda module: _of_module(module, other), dict.fromkeys(test.module for test in other)):
            tests += found
            reasons |= why
            lists.write(tests, f"Tests of CPython {lists.RUNNING} that touch a socket, a poller or a thread and pass on real ones.")
            lists.write_reasons(reasons)


if __name__ == "__main__":
    main()
