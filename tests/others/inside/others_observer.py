"""What a suite's own pytest tells of its tests: a plugin that stands in no test's way. ``pytest -p others_observer``.

Owns the lines of JSON that the parent reads, one when a test begins, one for each of its phases and one when it is over; and an audit hook that counts what
reaches the real network. Does not know what should come of a test. Laws:

* the hook counts what gets past simsock's own fence: it is put in behind it, since the hooks of a process are asked in the order in which they came, and one
  that refuses keeps the call from those after it;
* in a world every event of the socket module counts, in any thread of the process; it is tried out on a real socket first;
* tests that the parent does not want are left out after all others had their say about the collection.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys

import pytest

with open(os.environ["OTHERS_JOB"], encoding="utf-8") as _file:
    JOB = json.load(_file)
STARTS = ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "pty.spawn", "os.forkpty")
_out = os.open(JOB["out"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_append = os.write
_session = None
"""simsock's module of that name, which knows whether a world is going on."""
_trial = False
_made = 0
_started: set[str] = set()
_reached: set[str] = set()


def _say(event, **what):
    _append(_out, (json.dumps({"event": event, **what}) + "\n").encode())


def _hook(event, args):
    global _made
    if event in STARTS:
        _started.add(event)
    elif event.startswith("socket."):
        if _session is None or _trial:
            _made += event == "socket.__new__"
        elif _session.active is not None:
            _reached.add(event)


def pytest_collection_finish(session):
    """All modules are imported: from now on the hook looks."""
    global _made, _session, _trial
    if JOB["world"]:
        from simsock.kernel import session as world_session
        from simsock.patching import fence

        fence.put_up(None)
        fence.take_down()
        _session = world_session
    sys.addaudithook(_hook)
    _trial = True
    socket.socket().close()
    _trial = False
    _say("ready", counted=_made, wanted=[item.nodeid for item in session.items])
    _made = 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out what was done before, and all but what is asked for."""
    done, only = set(JOB["done"]), JOB["only"] and set(JOB["only"])
    items[:] = [item for item in items if item.nodeid not in done and (not only or item.nodeid in only)]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Around a test, with its fixtures."""
    global _made
    _made = 0
    _started.clear()
    _reached.clear()
    _say("start", id=item.nodeid)
    result = yield
    _say("end", id=item.nodeid, made=_made, started=sorted(_started), reached=sorted(_reached))
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    """What came of a phase."""
    report = yield
    reason = ""
    if report.failed:
        reason = str(report.longrepr)[-3000:]
    elif report.skipped:
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)[-300:]
    _say(
        "phase",
        id=item.nodeid,
        when=report.when,
        outcome=report.outcome,
        xfail=hasattr(report, "wasxfail"),
        seconds=report.duration,
        reason=reason,
        digest=_digest(item),
    )
    return report


def _digest(item):
    """What the test's world says of its run."""
    if JOB["world"]:
        with contextlib.suppress(Exception):
            from pytest_simsock.configuring import STAGE

            return item.stash[STAGE].world.sim.digest
    return ""


def pytest_sessionfinish(session, exitstatus):
    """Nothing more is to come."""
    _say("done", status=int(exitstatus))
