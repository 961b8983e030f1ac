"""Writes the list of a Python that has none yet: ``python -m tests.cpython.record 3.13`` goes by the list of 3.13.

Every test of the other list's modules runs on real sockets, twice. It is on the new list when it passed both times, and is on the other list by its
name or, if that has no test of this name, was seen to make a socket or to start a thread. Tests that do neither prove nothing here.
"""

from __future__ import annotations

import argparse

from . import lists, runner, running

THREADS = ("_thread.start_joinable_thread", "_thread.start_new_thread")


def main() -> None:
    """Record, and say how many there are."""
    parser = argparse.ArgumentParser(prog="python -m tests.cpython.record", description=__doc__)
    parser.add_argument("other", help="the version whose list is gone by")
    other = lists.read(parser.parse_args().other)
    known = {test.name: test for test in other}
    suites = {test.module: test.share for test in other if test.share == "asyncio"}
    tests: list[lists.Test] = []
    for module in dict.fromkeys(test.module for test in other):
        if not runner.is_there(module):
            print(module, "is not there")
            continue
        options = {"world": False, "resources": running.RESOURCES, "trace": True}
        first, second = (runner.run(module, **options).outcomes for _ in range(2))
        found = []
        for name, one in first.items():
            if one.outcome != "pass" or name not in second or second[name].outcome != "pass":
                continue
            if name in known:
                found.append(known[name])
            elif any(event.startswith("socket.") for event in one.reached):
                found.append(lists.Test(suites.get(module, "sockets"), module, name))
            elif set(THREADS) & set(one.reached):
                found.append(lists.Test("threads", module, name))
        tests += found
        print(module, len(found), "of", len(first), flush=True)
    lists.write(tests, f"Tests of CPython {lists.RUNNING} that touch a socket, a poller or a thread and pass on real ones.")
    if not lists.reasons_file().exists():
        lists.write_reasons({})


if __name__ == "__main__":
    main()
