"""The tests of a list, run in worlds and held against the reasons: what passes that should not, what fails that should pass.

Owns the judgement of a run; knows nothing of processes (``runner``) and files (``lists``). Laws: a test that passes has no reason, one that does
not has one; none hangs; from inside a world nothing reaches a real socket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import lists, runner

RESOURCES = ("cpu", "network", "walltime")
"""``test_socketserver`` runs its servers only with ``network``."""
NOT_RUN = "Not run: "
"""How the reason begins of a test that is left out, and counts as one that does not pass."""
PATIENCE = 60.0
"""Real seconds that one test may take. The longest takes three; the machine may be busy."""
UNKNOWN = "Nobody has looked at this yet: "


class Result(NamedTuple):
    """What came of one module's tests in worlds."""

    module: str
    tests: tuple[lists.Test, ...]
    outcomes: Mapping[str, runner.Outcome]
    note: str
    missing: tuple[str, ...]
    """Tests of the list that this release of the interpreter does not have."""

    def passed(self) -> list[str]:
        """The names of those that passed."""
        return [test.name for test in self.tests if test.name in self.outcomes and self.outcomes[test.name].outcome == "pass"]

    def seconds(self) -> float:
        """What the tests took together."""
        return sum(found.seconds for found in self.outcomes.values())

    def complaints(self, reasons: Mapping[str, str]) -> list[str]:
        """What is not as the reasons say, a line for each."""
        lines = [self.note] if self.note else []
        passed = set(self.passed())
        for test in self.tests:
            found = self.outcomes.get(test.name)
            if found is None:
                continue
            refused = found.outcome == "fail" and "errors.Fenced" in found.reason  # the event comes before the fence says no
            if found.reached and not refused:
                lines.append(f"{test.name} reached the real network: {', '.join(found.reached)}")
            if found.outcome == "hang":
                lines.append(f"{test.name} hung: {found.reason}")
            elif test.name in passed and test.name in reasons:
                lines.append(f"{test.name} passes: it must leave {lists.reasons_file().name} of reasons ({reasons[test.name]})")
            elif test.name not in passed and test.name not in reasons:
                lines.append(f"{test.name} does not pass ({found.outcome}): {last_line(found.reason)}")
        return lines


def last_line(reason: str) -> str:
    """The line of a traceback that says what went wrong."""
    return reason.strip().rpartition("\n")[2][:300]


def run(module: str, tests: Sequence[lists.Test], reasons: Mapping[str, str], *, world: bool = True, patience: float = PATIENCE) -> Result:
    """Run those of ``tests`` that are this module's."""
    own = tuple(test for test in tests if test.module == module)
    wanted = [test.name for test in own if not reasons.get(test.name, "").startswith(NOT_RUN)]
    if not runner.is_there(module):
        return Result(module, own, {}, "", tuple(wanted))
    report = runner.run(module, ids=wanted, resources=RESOURCES, world=world, patience=patience)
    missing = tuple(name for name in wanted if name not in report.outcomes) if not report.note else ()
    return Result(module, own, report.outcomes, report.note, missing)
