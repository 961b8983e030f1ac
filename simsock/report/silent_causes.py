"""What links, rules and full queues did in a run without being asked by chance: a test set them up so, and a reader should know.

PYTEST_DONT_REWRITE

Owns which records those are and their words. Does not know who listens. Laws: what happens many times is one line with its number and its
first time; the lines are bounded.
"""

from __future__ import annotations

from typing import Any

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
        deed = _deed(record)
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


def _deed(record: tuple[Any, ...]) -> tuple[str, str] | None:
    """(what was done, the thing it was done to) of a record, or None."""
    _, who, what, *more = record
    if who.startswith("link "):
        link = who.removeprefix("link ")
        if what == "queue full":
            return f"the queue of {link} was full and lost what came", "packet"
        if what == "too many held":
            return f"{link} held {more[0]:,} packets and lost what came", "packet"
        if what == "overtakes":
            return f"every so many packets one skipped the delay of {link}", "packet"
        if what == "rule":
            return (f"a rule dropped what was sent {link}" if more[0] == "Drop" else f"a rule said {more[0]} to what was sent {link}"), f"{more[1]} packet"
        return None
    if what == "buffer full":
        return f"the receive buffer of {who} was full and lost what came", "datagram"
    if what == "backlog full":
        return f"the accept queue of {who} was full", "attempt"
    if more == ["by the link"]:
        done = {"reset": "reset", "close": "ended", "blackhole": "silenced"}.get(what, what)
        return f"the link {done} what it is set to", "connection"
    return None


__all__ = ["Deeds"]
