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
    named = [_bare(name) for name in names if not name.endswith(ITEMS)] or [_bare(name) for name in names if name != ITEMS]
    return (named or _holders(own, others))[:NAMES_MAX]


def _known(footprint: Footprint) -> set[tuple[str, str]]:
    return {touch for touch in footprint if touch[0] != ANYTHING}


def _holders(own: set[tuple[str, str]], others: set[tuple[str, str]]) -> list[str]:
    """Where items met that have no name on one side: what holds them on the other, or else what both sides read."""
    if not common(_nameless(own), _as_items(others)) and not common(_as_items(own), _nameless(others)):
        return []
    held = {_bare(name) for name, _ in own | others if name.endswith(ITEMS) and name != ITEMS}
    if held:
        return sorted(held)
    both = {_bare(name) for name, _ in own if name != ITEMS} & {_bare(name) for name, _ in others if name != ITEMS}
    return [f"items of {holder}" for holder in sorted(both) if holder.isidentifier()]


def _as_items(footprint: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(ITEMS, how) for name, how in footprint if name.endswith(ITEMS)}


def _nameless(footprint: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {touch for touch in footprint if touch[0] == ITEMS}


def _bare(name: str) -> str:
    bare = name.removeprefix("cell ")
    return f"items of {bare.removesuffix(ITEMS)}" if bare.endswith(ITEMS) else bare


__all__ = ["raced_on"]
