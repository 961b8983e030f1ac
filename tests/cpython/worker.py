"""Runs tests of the interpreter's own ``test`` package, in a process of its own: ``python worker.py JOB.json``.

Owns one process's share of the work; knows neither pytest nor what is expected. The job names a test module, which of its tests to run (all,
when it names none), which modules to swap for others before it is imported, and whether each test gets a world. Every test is one line of
JSON on standard output as it ends, and one when it begins, so that the parent knows which one hung or died. A hung one is told by the
parent's SIGUSR2, on which all threads print where they are.

The proof that a world is closed: an audit hook counts what reaches the real network while a world is live. It is tried out on a real socket
first, and the line ``ready`` says what it counted then.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import signal
import sys
import time
import traceback
import unittest

_reached: list[str] = []
_counting = False


def _hook(event, args):
    if _counting and event.startswith("socket."):
        _reached.append(event)


def _flat(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _flat(item)
        else:
            yield item


def _outcome(result):
    """``pass``, ``skip`` or ``fail``, with the last lines of the reason."""
    wrong = result.errors + result.failures
    if wrong:
        return "fail", wrong[0][1][-2000:]
    if result.unexpectedSuccesses:
        return "fail", "unexpected success"
    if not result.testsRun and not result.skipped:
        return "fail", "nothing was run"
    if result.skipped and not (result.testsRun and any(hasattr(test, "test_case") for test, _ in result.skipped)):
        return "skip", result.skipped[0][1]
    return "pass", ""


def _run_one(test, world):
    """One test in a world of its own (or none), its class's and module's fixtures with it."""
    global _counting
    result = unittest.TestResult()
    _counting = True  # from before the world to after it: entering and leaving reach nothing either
    try:
        with world():
            unittest.TestSuite([test]).run(result)
    except BaseException:  # the world has something to say, such as a deadlock
        return "fail", "world: " + traceback.format_exc()[-2000:]
    finally:
        _counting = False
    return _outcome(result)


def _try_out_the_hook():
    """How many calls the hook counts when a real socket is made and bound."""
    global _counting
    import socket

    sys.addaudithook(_hook)
    _counting = True
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
    _counting = False
    counted = len(_reached)
    _reached.clear()
    return counted


def _load(job):
    """The test cases of the module by their names."""
    for name, other in job["swap"].items():
        sys.modules[name] = importlib.import_module(other)
    from test import support
    from test.support import socket_helper  # noqa: F401  # tries IPv6 with a real socket when it is imported, which some tests do

    support.use_resources = job["resources"]
    support.verbose = False
    module = importlib.import_module(job["module"])
    tests, counts = {}, {}
    for test in _flat(unittest.defaultTestLoader.loadTestsFromModule(module)):
        name = test.id()
        counts[name] = counts.get(name, 0) + 1
        tests[name if counts[name] == 1 else f"{name}#{counts[name]}"] = test
    return tests


def main():
    """Do the job."""
    with open(sys.argv[1], encoding="utf-8") as stream:
        job = json.load(stream)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what tests print is not ours

    def say(**what):
        out.write(json.dumps(what) + "\n")
        out.flush()

    if job["world"]:
        from simsock import Simulation

        world = Simulation
    else:
        world = contextlib.nullcontext
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    counted = _try_out_the_hook()
    try:
        tests = _load(job)
    except unittest.SkipTest as reason:
        say(event="skipped", reason=str(reason))
        return
    wanted = job["ids"] if job["ids"] is not None else list(tests)
    say(event="ready", counted=counted, wanted=[name for name in wanted if name in tests])
    for name in wanted:
        if name not in tests:
            continue
        say(event="start", id=name)
        _reached.clear()
        begun = time.perf_counter()
        outcome, reason = _run_one(tests[name], world)
        seconds = round(time.perf_counter() - begun, 4)
        say(event="end", id=name, outcome=outcome, reason=reason, reached=sorted(set(_reached)), seconds=seconds)
    say(event="done")


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: nothing here may stand in for a module that tests import
    main()
    sys.stderr.flush()
    os._exit(0)  # whatever threads a failed test left behind
