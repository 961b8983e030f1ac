"""Runs a suite by its own pytest in child processes, and gathers what came of each test.

Owns the life of the children: one that dies, or a test that takes longer than it may, costs that test, and a new child goes on with the rest. Does not know
what should come of a test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .fetching import python_of, source_of
from .suites import Suite

RESTARTS_MAX = 40
PATIENCE = 60.0
"""How many real seconds one test may take."""
BETWEEN = 240.0
"""And what comes before the first one, or after the last."""
_LOOK = 0.05
_OUTCOMES = ("pass", "fail", "error", "skip", "xfail", "xpass", "hang", "crash")


class Outcome(NamedTuple):
    """What came of one test."""

    outcome: str
    seconds: float = 0.0
    reason: str = ""
    made: int = 0
    """How many real sockets it made, where it ran for real."""
    started: tuple[str, ...] = ()
    """By which calls it started processes."""
    reached: tuple[str, ...] = ()
    """By which calls it reached the real network from a world."""
    digest: str = ""


class Report(NamedTuple):
    """What came of a suite."""

    outcomes: dict[str, Outcome]
    note: str = ""
    """What was wrong with the run as a whole."""

    def passed(self) -> set[str]:
        """The names of the tests that passed."""
        return {name for name, found in self.outcomes.items() if found.outcome == "pass"}

    def seconds(self, names: set[str]) -> float:
        """How long these tests took."""
        return sum(self.outcomes[name].seconds for name in names if name in self.outcomes)


def run(suite: Suite, *, world: bool, only: Sequence[str] = (), patience: float = PATIENCE, tell: Callable[[str], None] | None = None) -> Report:
    """Run a suite for real, or each of its tests in a world; ``only`` some of them."""
    outcomes: dict[str, Outcome] = {}
    for _ in range(RESTARTS_MAX):
        child = _Child(suite, world, sorted(outcomes), list(only), patience, tell)
        outcomes.update(child.outcomes)
        if child.current is not None:
            outcomes[child.current] = Outcome("hang" if child.killed else "crash", reason=child.complaint)
            continue
        if child.status is None:
            return Report(outcomes, f"it {'hung' if child.killed else 'ended'} outside its tests: {child.complaint}")
        return Report(outcomes, child.complaint if child.status > 1 and child.status != 5 else "")
    return Report(outcomes, f"more than {RESTARTS_MAX} tests hung or crashed")


def command_of(suite: Suite, *, world: bool) -> list[str]:
    """What a person would type in the suite's folder."""
    options = [f"--simsock-autoworld={'on' if world else 'off'}"]
    if world:
        for line in suite.world:
            options += ["-o", line]
    return [str(python_of(suite)), "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *suite.options, *suite.tests]


class _Child:
    """One process, from its start to its end."""

    def __init__(self, suite, world, done, only, patience, tell):
        self.outcomes: dict[str, Outcome] = {}
        self.current: str | None = None
        self.status: int | None = None
        self.killed = False
        self._patience, self._tell = patience, tell
        self._phases: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory(prefix="others-") as folder:
            out, errors = Path(folder, "out"), Path(folder, "errors")
            out.touch()
            job = Path(folder, "job")
            environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != "PYTHONPATH"}
            environment.update(PYTHONHASHSEED="0", PYTHONFAULTHANDLER="1", PYTHONDONTWRITEBYTECODE="1")
            job.write_text(json.dumps({"out": str(out), "world": world, "done": done, "only": only}))
            environment["OTHERS_JOB"] = str(job)
            command = command_of(suite, world=world)
            command[3:3] = ["-p", "others_observer"]
            with open(errors, "wb") as sink:
                self.process = subprocess.Popen(
                    command,
                    cwd=source_of(suite),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    start_new_session=True,
                    preexec_fn=_hear_interrupts,
                )
            try:
                with open(out, encoding="utf-8") as lines:
                    self._follow(lines)
            finally:
                self._kill(signal.SIGKILL)
                self.process.wait()
            self.complaint = errors.read_text(errors="replace")[-4000:] or f"exit code {self.process.returncode}"

    def _follow(self, lines):
        """Read what the child says until it ends, or says nothing for too long."""
        last, over, line = time.monotonic(), False, ""
        while True:
            line += lines.readline()
            if line.endswith("\n"):  # else it is still being written
                self._hear(json.loads(line))
                last, line = time.monotonic(), ""
            elif over:
                return
            elif self.process.poll() is not None:
                over = True  # once more: it may have said something since
            elif time.monotonic() - last > (BETWEEN if self.current is None else self._patience):
                self.killed = True
                self._kill(signal.SIGABRT)  # Python's own fault handler tells where it stood
                time.sleep(1)
                return
            else:
                time.sleep(_LOOK)

    def _kill(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def _hear(self, said):
        event = said["event"]
        if event == "ready":
            if not said["counted"]:
                raise AssertionError("the audit hook does not see real sockets")
        elif event == "start":
            self.current, self._phases = said["id"], []
        elif event == "phase":
            self._phases.append(said)
        elif event == "end":
            name, self.current = said["id"], None
            found = self.outcomes[name] = _outcome_of(self._phases, said)
            if self._tell is not None:
                self._tell(f"{found.outcome:6} {found.seconds:6.2f} {name}")
        else:
            self.status = said["status"]


def _hear_interrupts():
    """A shell has what it starts in the background ignore SIGINT, and so would all that a test starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _outcome_of(phases, end):
    seconds = sum(phase["seconds"] for phase in phases)
    digest = next((phase["digest"] for phase in phases if phase["when"] == "call"), "")
    outcome, reason = "pass", ""
    if not phases:
        outcome, reason = "error", "nothing was told of it"
    for phase in phases:
        if phase["outcome"] == "failed":
            outcome, reason = "fail" if phase["when"] == "call" else "error", phase["reason"]
            break
        if phase["outcome"] == "skipped":
            outcome, reason = "xfail" if phase["xfail"] else "skip", phase["reason"]
            break
        if phase["xfail"]:
            outcome = "xpass"
    assert outcome in _OUTCOMES
    return Outcome(outcome, round(seconds, 4), reason, end["made"], tuple(end["started"]), tuple(end["reached"]), digest)


def keep(report: Report, path: Path) -> None:
    """Write it down."""
    kept = {"note": report.note, "outcomes": {name: found._asdict() for name, found in report.outcomes.items()}}
    path.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def kept(path: Path) -> Report:
    """Read what was written down."""
    said = json.loads(path.read_text(encoding="utf-8"))
    return Report({name: _from(found) for name, found in said["outcomes"].items()}, said["note"])


def _from(found):
    return Outcome(**{**found, "started": tuple(found["started"]), "reached": tuple(found["reached"])})
