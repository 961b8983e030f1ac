"""The examples of one test under Hypothesis, judged as the schedules of one search are: what should have come must have come in one of them.

Owns who is counting now. Does not know Hypothesis, nor who says that a test begins or ends: without somebody who does, each world is judged alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.errors import NeverHappened
from simsock.escaping import printable
from simsock.search.happenings import Happenings

if TYPE_CHECKING:
    from simsock.kernel.happened import Counts


class Together:
    """Of one test. A context manager around its call; at its end it raises ``NeverHappened`` unless the test has failed."""

    current: Together | None = None

    def __init__(self) -> None:
        self._happenings = Happenings()
        self._worlds = 0
        self._before: Together | None = None

    def note(self, counts: Counts) -> None:
        """A world with ``require_faults`` has ended, in order or not."""
        self._worlds += 1
        self._happenings.note(counts)

    def __enter__(self) -> Together:
        self._before, Together.current = Together.current, self
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        Together.current = self._before
        if kind is None and self._worlds and (missing := self._happenings.faults_missing()):
            examples = f"{self._worlds:,} example" + ("" if self._worlds == 1 else "s")
            raise NeverHappened(printable(f"never took effect in {examples}: {'; '.join(missing)} (require_faults=True)"))


__all__ = ["Together"]
