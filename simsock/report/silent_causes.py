"""What links, rules and full queues did in a run without being asked by chance: a test set them up so, and a reader should know.

PYTEST_DONT_REWRITE

Owns the counting of them; their words are the journal's. Does not know who listens. Laws: what happens many times is one line with its number and its
first time; the lines are bounded.
"""

from __future__ import annotations

from typing import Any

from simsock.choices import journal
from simsock.kernel.units import NS

DEEDS_MAX = 200
"""Different ones counted."""
LINES_MAX = 10


class Deeds:
    """The deeds of one run, counted."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count: dict[tuple[str, str], list[int]] = {}
        """By (what was done, to what sort of thing): how often, and when first."""

    def note(self, record: tuple[Any, ...]) -> None:
        """Count a record, if it is of a deed."""
        deed = journal.deed(record)
        if deed is None:
            return
        known = self._count.get(deed)
        if known is not None:
            known[0] += 1
        elif len(self._count) < DEEDS_MAX:
            self._count[deed] = [1, record[0]]

    def lines(self) -> list[str]:
        """One a kind of deed, in the order in which they began."""
        lines = [_line(*deed, *counted) for deed, counted in self._count.items()]
        more = len(lines) - LINES_MAX
        return lines if more <= 0 else [*lines[:LINES_MAX], f"… and {more:,} more"]


def _line(what: str, things: str, count: int, first: int) -> str:
    when = f"{'the first ' if count > 1 else ''}after {first / NS:.6g} s"
    return f"{what}: {count:,} {things}{'s' if count != 1 else ''}, {when}"


__all__ = ["Deeds"]
