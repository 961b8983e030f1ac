"""Compares what came of a suite's tests really with what came of them in worlds, outcome by outcome.

Owns the judgement, and the reasons of what is different (``reasons.toml``): each test that passes really and does not in a world needs one, and a reason that
explains nothing any more has to go. Does not run anything.
"""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path
from typing import NamedTuple

from .running import Report
from .suites import HERE, Suite

MARK = 0.95
"""How much of what passes really has to pass in a world."""


class Reason(NamedTuple):
    """Why some tests of a suite do not pass in a world."""

    suite: str
    why: str
    tests: tuple[str, ...]
    """Their names, with ``*`` for anything."""

    def explains(self, name: str) -> bool:
        """Whether it is about this test."""
        return any(name == pattern or fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in self.tests)


class Comparison(NamedTuple):
    """What came of it."""

    suite: str
    version: str
    tests: int
    real: int
    """How many pass really, those aside left out."""
    networked: int
    """How many of these make sockets."""
    aside: int
    """How many pass really and start processes."""
    world: int
    """How many of those that pass really pass in a world."""
    reached: dict[str, tuple[str, ...]]
    """Who reached the real network from a world, and by what."""
    lost: dict[str, list[str]]
    """Who does not pass in a world, by reason."""
    unexplained: list[str]
    stale: list[str]
    """Patterns of reasons that explain nothing."""
    seconds_real: float
    seconds_world: float

    @property
    def share(self) -> float:
        """Of what passes really, how much passes in a world."""
        return self.world / self.real if self.real else 0.0


def load_reasons(path: Path = HERE / "reasons.toml") -> list[Reason]:
    """All of them."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("reason", [])
    return [Reason(entry["suite"], entry["why"], tuple(entry["tests"])) for entry in entries]


def is_aside(suite: Suite, name: str, real: Report) -> bool:
    """Whether a test starts processes."""
    return bool(real.outcomes[name].started) or any(fnmatch.fnmatchcase(name, pattern) for pattern in suite.aside)


def compare(suite: Suite, real: Report, world: Report, reasons: list[Reason]) -> Comparison:
    """Judge two runs of a suite."""
    passed = real.passed()
    aside = {name for name in passed if is_aside(suite, name, real)}
    counted = passed - aside
    kept = counted & world.passed()
    own = [reason for reason in reasons if reason.suite == suite.name]
    lost: dict[str, list[str]] = {}
    unexplained = []
    for name in sorted(counted - kept):
        why = next((reason.why for reason in own if reason.explains(name)), None)
        if why is None:
            unexplained.append(name)
        else:
            lost.setdefault(why, []).append(name)
    missed = counted - kept
    stale = [pattern for reason in own for pattern in reason.tests if not any(Reason("", "", (pattern,)).explains(name) for name in missed)]
    return Comparison(
        suite.name,
        suite.version,
        len(real.outcomes),
        len(counted),
        sum(1 for name in counted if real.outcomes[name].made),
        len(aside),
        len(kept),
        {name: found.reached for name, found in world.outcomes.items() if found.reached},
        lost,
        unexplained,
        stale,
        round(real.seconds(counted), 1),
        round(world.seconds(counted), 1),
    )
