"""How far a search has come, on a terminal; and what is said of all searches at the end of a session, also when somebody interrupts.

Owns what is written beside pytest's own line, and the summary. Does not know what a search is. Laws:

* nothing is written where nobody looks: not into files or pipes (a CI's log), not by workers of xdist, whose terminal is another process's;
* pytest's own line stays as it is: what is written comes after it and is taken away again;
* the summary counts what has been reported, so that it is the same with workers of xdist as without.
"""

from __future__ import annotations

import os
from collections import Counter
from time import monotonic
from typing import Any

import pytest

_EVERY_S = 0.1
_SAVE, _RESTORE, _CLEAR = "\0337", "\0338", "\033[K"
INTERRUPTED = pytest.StashKey[list[tuple[int, str]]]()
"""Of the session: searches that were interrupted, each with the schedules that it had tried, and what is to be said of it."""
SEARCHED = pytest.StashKey[tuple[int, str]]()
"""Of an item: what ``mark_searched`` is to be told of its call."""


class Progress:
    """Of one search; a context manager, after which nothing of it is to be seen."""

    def __init__(self, config: pytest.Config) -> None:
        self.tried = 0
        """Schedules that were tried, the one under way included."""
        self._next = 0.0
        self._shown = False
        self._writer: Any = None
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        writer = getattr(reporter, "_tw", None)
        if writer is not None and getattr(reporter, "isatty", False) and os.environ.get("TERM", "dumb") != "dumb":
            self._writer = writer

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._shown:
            self._writer.write_raw(_CLEAR, flush=True)

    def tell(self, text: str) -> None:
        """Show where the search is, if it is time to."""
        writer = self._writer
        if writer is None or (now := monotonic()) < self._next:
            return
        self._next = now + _EVERY_S
        room = writer.fullwidth - writer.width_of_current_line - 2
        if room > 0:
            self._shown = True
            writer.write_raw(f"{_SAVE} {text[:room]}{_CLEAR}{_RESTORE}", flush=True)


def interrupted(config: pytest.Config, tried: int, text: str) -> None:
    """Say this at the end of the session."""
    config.stash.setdefault(INTERRUPTED, []).append((tried, text))


def mark_searched(report: pytest.TestReport, tried: int, outcome: str) -> None:
    """Have the summary count a search, by the report of the test's call: it travels from a worker of xdist."""
    report.simsock_search = [tried, outcome]  # type: ignore[attr-defined]  # a report keeps what it is given


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    cut = config.stash.get(INTERRUPTED, [])
    for _, text in cut:
        terminalreporter.write_line(f"simsock: {text}")
    searches = [report.simsock_search for reports in terminalreporter.stats.values() for report in reports if hasattr(report, "simsock_search")]
    searches += [(tried, "interrupted") for tried, _ in cut]
    if searches:
        terminalreporter.write_line(f"simsock: {_summary(searches)}")


def _summary(searches: list[Any]) -> str:
    """Of (tried, outcome) pairs: ``3 tests searched, 2,300 schedules, 1 failed, 2 inconclusive``."""
    tried = sum(one[0] for one in searches)
    outcomes = Counter(one[1] for one in searches)
    counted = [f"{outcomes[name]:,} {name}" for name in sorted(outcomes, key=lambda name: (name != "failed", name))]
    return ", ".join([f"{_count(len(searches), 'test')} searched", _count(tried, "schedule"), *counted])


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
