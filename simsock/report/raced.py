"""What was raced on: the names that both sides of a switch touch, one of them writing.

Owns the finding of those names, among the lines around a switch, and their words. Does not know stories. Law: it names what the lines' footprints
have in common, and nothing where that is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.footprints import ANYTHING, ITEMS, Footprint, common
from simsock.report.listening import LINE

if TYPE_CHECKING:
    from simsock.report.listening import Event

OWN_LINES = 2
"""Looked at of the task that was switched out, before and after the switch."""
LOOK_MAX = 5_000
NAMES_MAX = 4


def raced_on(events: list[Event], at: int, task: str) -> list[str]:
    """The names that ``task``, which was switched out before event ``at``, shares with what ran until it went on: ``"total"``, ``"items of seen"``."""
    own: set[tuple[str, str]] = set()
    found = 0
    for number in range(min(at, len(events)) - 1, max(-1, at - LOOK_MAX), -1):
        if events[number].task == task and events[number].kind is LINE:
            own |= _known(events[number].touches)
            found += 1
            if found == OWN_LINES:
                break
    others: set[tuple[str, str]] = set()
    found = 0
    for event in events[max(at, 0) : at + LOOK_MAX]:
        if event.kind is not LINE:
            continue
        if event.task != task:
            if not found:
                others |= _known(event.touches)
            continue
        own |= _known(event.touches)
        found += 1
        if found == OWN_LINES:
            break
    names = common(own, others)
    named = [_bare(name) for name in names if name != ITEMS]
    return (named or (_holders(own, others) if names else []))[:NAMES_MAX]


def _known(footprint: Footprint) -> set[tuple[str, str]]:
    return {touch for touch in footprint if touch[0] != ANYTHING}


def _holders(own: set[tuple[str, str]], others: set[tuple[str, str]]) -> list[str]:
    """Items have no names of their own: what both sides read is what holds them."""
    holders = sorted({_bare(one) for one, _ in own if one != ITEMS} & {_bare(one) for one, _ in others if one != ITEMS})
    return [f"items of {holder}" for holder in holders if holder.isidentifier()]


def _bare(name: str) -> str:
    return name.removeprefix("cell ")


__all__ = ["raced_on"]
