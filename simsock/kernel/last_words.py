"""What tasks print while they are killed with their world.

PYTEST_DONT_REWRITE

Owns the standing in for ``sys.stdout`` and ``sys.stderr`` meanwhile. A handler whose ``finally`` tells all others of its end, in a world in which every
call fails, prints a traceback for each of them: nobody wants to read that beside a failure, and it is no news of the program. Laws: what is printed is
kept, bounded; the streams are afterwards what they were, unless a task has put others there.
"""

from __future__ import annotations

import io
import sys
from typing import Any

KEPT_MAX = 100_000
"""Characters, the first ones."""


class _Kept(io.TextIOBase):
    """A stream that keeps what is written to it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def write(self, text: str) -> int:
        if self.size < KEPT_MAX:
            self.parts.append(text[: KEPT_MAX - self.size])
        self.size += len(text)
        return len(text)

    def writable(self) -> bool:
        return True


class LastWords:
    """What is printed between ``begin`` and ``end`` is then ``text``."""

    def __init__(self) -> None:
        self._kept = _Kept()
        self._before: tuple[Any, Any] = (None, None)

    def begin(self) -> None:
        """Stand in for both streams."""
        self._before = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = self._kept

    def end(self) -> None:
        """Put them back; may be called at any time, and twice."""
        if sys.stdout is self._kept:
            sys.stdout = self._before[0]
        if sys.stderr is self._kept:
            sys.stderr = self._before[1]

    @property
    def text(self) -> str:
        more = self._kept.size - KEPT_MAX
        return "".join(self._kept.parts) + (f"\n… and {more:,} characters more" if more > 0 else "")


__all__ = ["LastWords"]
