"""Runs one of the interpreter's test modules in child processes and gathers what came of each test.

Owns the life of the children: one that dies, or a test that takes longer than it may, costs that test, and a new child goes on with the
rest. Does not know which tests there should be.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

import simsock

WORKER = Path(__file__).with_name("worker.py")
PYTHONPATH = str(Path(simsock.__file__).resolve().parent.parent)
RESTARTS_MAX = 60


class Outcome(NamedTuple):
    """What came of one test."""

    outcome: str
    """``pass``, ``skip``, ``fail``, ``hang`` or ``crash``."""
    reason: str = ""
    reached: tuple[str, ...] = ()
    """Audit events by which it reached the real network."""
    seconds: float = 0.0
    """Of real time, the world's beginning and end included."""


class Report(NamedTuple):
    """What came of a module."""

    outcomes: dict[str, Outcome]
    note: str = ""
    """Why there are none."""

    def passed(self) -> set[str]:
        """The names of the tests that passed."""
        return {name for name, found in self.outcomes.items() if found.outcome == "pass"}

    def table(self, names: set[str]) -> str:
        """Why tests did not pass, for a person."""
        lines = []
        for name in sorted(names):
            found = self.outcomes.get(name, Outcome("missing"))
            lines.append(f"{found.outcome:7} {name}: {found.reason.strip().rpartition(chr(10))[2]}")
        return "\n".join(lines)


def is_there(module: str) -> bool:
    """Whether the installed interpreter has this test module; many distributions leave the ``test`` package out."""
    return all(importlib.util.find_spec(name) is not None for name in ("test", "test.support", module))


def run(module, *, ids=None, world=True, swap=None, resources=(), patience=60.0) -> Report:
    """Run ``ids`` of ``module`` (None: all of it). ``patience`` is how many real seconds one test may take."""
    outcomes: dict[str, Outcome] = {}
    for _ in range(RESTARTS_MAX):
        job = dict(module=module, ids=ids, world=world, swap=swap or {}, resources=list(resources))
        child = _Child(job, patience)
        outcomes.update(child.outcomes)
        if child.note:
            return Report(outcomes, child.note)
        if child.done:
            return Report(outcomes)
        if child.current is None:
            return Report(outcomes, f"{module} could not be run: {child.complaint}")
        outcomes[child.current] = Outcome("hang" if child.killed else "crash", child.complaint)
        ids = [name for name in child.wanted if name not in outcomes]
    return Report(outcomes, f"{module}: more than {RESTARTS_MAX} tests hung or crashed")


class _Child:
    """One process, from its start to its end."""

    def __init__(self, job, patience):
        self.outcomes: dict[str, Outcome] = {}
        self.wanted: list[str] = []
        self.current: str | None = None
        self.note = ""
        self.done = self.killed = False
        with tempfile.TemporaryDirectory(prefix="cpython-") as folder, open(Path(folder, "errors"), "w+", errors="replace") as errors:
            Path(folder, "job.json").write_text(json.dumps(job))
            environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
            environment.update(PYTHONPATH=PYTHONPATH, PYTHONHASHSEED="0", PYTHONFAULTHANDLER="1")
            Path(folder, "cwd").mkdir()
            command = [sys.executable, str(WORKER), str(Path(folder, "job.json"))]
            self.process = subprocess.Popen(
                command, cwd=Path(folder, "cwd"), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
            )
            try:
                self._follow(patience)
            finally:
                self.process.kill()
                self.process.wait()
                self.process.stdout.close()
            errors.seek(0)
            self.complaint = errors.read()[-2000:] or f"exit code {self.process.returncode}"

    def _follow(self, patience):
        """Read what the child says until it ends, or says nothing for too long."""
        while True:
            alarm = threading.Timer(patience, self._give_up)
            alarm.start()
            line = self.process.stdout.readline()
            alarm.cancel()
            if not line:
                return
            said = json.loads(line)
            event = said.pop("event")
            if event == "ready":
                assert said["counted"] >= 2, "the audit hook does not see real sockets"
                self.wanted = said["wanted"]
            elif event == "start":
                self.current = said["id"]
            elif event == "end":
                name = said.pop("id")
                said["reached"] = tuple(said["reached"])
                self.outcomes[name] = Outcome(**said)
                self.current = None
            elif event == "skipped":
                self.note = said["reason"]
            else:
                self.done = True

    def _give_up(self):
        self.killed = True
        self.process.send_signal(signal.SIGUSR2)  # where it stands, for the report
        try:
            self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.process.kill()
