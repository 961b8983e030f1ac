"""How far a search has come, on a terminal; and what is said of it when somebody interrupts.

Owns what is written beside pytest's own line, and the words at the end of a session that was interrupted. Does not know what a search is. Laws:

* nothing is written where nobody looks: not into files or pipes (a CI's log), not by workers of xdist, whose terminal is another process's;
* pytest's own line stays as it is: what is written comes after it and is taken away again.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import Any

import pytest

_EVERY_S = 0.1
_SAVE, _RESTORE, _CLEAR = "\0337", "\0338", "\033[K"
INTERRUPTED = pytest.StashKey[list[str]]()
"""Of the session: what is to be said of searches that were interrupted."""


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


def interrupted(config: pytest.Config, text: str) -> None:
    """Say this at the end of the session."""
    config.stash.setdefault(INTERRUPTED, []).append(text)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for text in config.stash.get(INTERRUPTED, []):
        terminalreporter.write_line(f"simsock: {text}")
