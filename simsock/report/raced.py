"""What was raced on: the names that both sides of a switch touch, one of them writing, and the lines that do.

Owns the finding of those names and lines, among the lines around a switch, and their words. Does not know stories. Law: it names what the lines'
footprints have in common, and nothing where that is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simsock.kernel.footprints import ANYTHING, ITEMS, NOTHING, Footprint, Touch, common
from simsock.report.listening import LINE

if TYPE_CHECKING:
    from simsock.report.listening import Event

OWN_LINES = 2
"""Looked at of the task that was switched out, before and after the switch, of those that touch anything."""
LOOK_MAX = 5_000
NAMES_MAX = 4
LINES_MAX = 12
"""Shown of those that touch what was raced on."""


class Raced(NamedTuple):
    """``names``: in words, ``"total"``, ``"items of seen"``. ``lines``: the numbers of the events that touch them, those that matter most first.
    ``is_yet_to_come``: the line before which the task was switched out never ran, and touches them."""

    names: list[str]
    lines: list[int]
    is_yet_to_come: bool = False


NOT_KNOWN = Raced([], [])


def raced_on(events: list[Event], at: int, task: str, next_line: Footprint = NOTHING) -> Raced:
    """What ``task``, which was switched out before event ``at`` and a line that touches ``next_line``, shares with what ran until it went on."""
    before, after, meanwhile = _around(events, at, task)
    own = {touch for number in (*before, *after) for touch in _known(events[number].touches)}
    has_gone_on = any(event.task == task and event.kind is LINE for event in events[max(at, 0) :])
    if not has_gone_on:
        own |= _known(next_line)
    others = {touch for number in meanwhile for touch in _known(events[number].touches)}
    names = common(own, others)
    shared = [name for name in names if not name.endswith(ITEMS)] or [name for name in names if name != ITEMS]
    if shared:
        written = {name for number in meanwhile for name, how in events[number].touches if how == "w"}
        read = {name for number in before for name, _ in events[number].touches}
        shared = sorted(shared, key=lambda name: (name not in written or name not in read, name))[:NAMES_MAX]
        return Raced(sorted(_bare(name) for name in shared), _lines(events, shared, at, task, meanwhile), not has_gone_on and _touches(next_line, shared))
    held = _holders(own, others)[:NAMES_MAX]
    items = sorted({name for name, _ in own | others if name.endswith(ITEMS)}) if held else []
    return Raced(held, _lines(events, items, at, task, meanwhile), not has_gone_on and _touches(next_line, items))


class Written(NamedTuple):
    """What a line touches, in words, and the number of the event in which another task wrote it."""

    name: str
    number: int


def last_writers(events: list[Event], since: int, at: int) -> list[Written]:
    """Who wrote what line ``at`` touches, if others did: the last line of another task that wrote each name, before it and since event ``since``."""
    touched = [name for name, _ in sorted(events[at].touches) if name not in (ANYTHING, ITEMS)]
    found = []
    for name in dict.fromkeys(touched):
        for number in range(at - 1, max(since - 1, at - LOOK_MAX, -1), -1):
            if (name, "w") in events[number].touches:
                if events[number].task != events[at].task:
                    found.append(Written(_bare(name), number))
                break
    return found[:NAMES_MAX]


def _around(events: list[Event], at: int, task: str) -> tuple[list[int], list[int], list[int]]:
    """The nearest lines of the task before a switch and after it, and those of others in between."""
    before: list[int] = []
    for number in range(min(at, len(events)) - 1, max(-1, at - LOOK_MAX), -1):
        if events[number].task == task and events[number].kind is LINE and events[number].touches:
            before.append(number)
            if len(before) == OWN_LINES:
                break
    after: list[int] = []
    meanwhile: list[int] = []
    has_gone_on = False
    for number in range(max(at, 0), min(len(events), at + LOOK_MAX)):
        event = events[number]
        if event.kind is not LINE:
            continue
        if event.task != task:
            if not has_gone_on:
                meanwhile.append(number)
            continue
        has_gone_on = True
        if event.touches:
            after.append(number)
            if len(after) == OWN_LINES:
                break
    return before, after, meanwhile


def _lines(events: list[Event], names: list[str], at: int, task: str, meanwhile: list[int]) -> list[int]:
    """Those that touch one of the names. Of the task's own the nearest before and after the switch, and the nearest that writes; of the others' the last at
    each place, first those that write."""

    def touch(number: int, hows: str = "rw") -> bool:
        return any(name in names and how in hows for name, how in events[number].touches)

    own: dict[int, None] = {}
    for way in (range(min(at, len(events)) - 1, max(-1, at - LOOK_MAX), -1), range(max(at, 0), min(len(events), at + LOOK_MAX))):
        mine = [number for number in way if events[number].task == task and touch(number)]
        own.update(dict.fromkeys(mine[:1]))
        own.update(dict.fromkeys([number for number in mine if touch(number, "w")][:1]))
    last: dict[tuple[object, ...], int] = {}
    for number in meanwhile:
        if touch(number):
            last[events[number].task, events[number].place] = number
    theirs = sorted(last.values(), key=lambda number: (not touch(number, "w"), number))
    if not any(touch(number, "w") for number in own):
        theirs = [number for number in theirs if touch(number, "w")]
    return [*own, *theirs][:LINES_MAX]


def _touches(footprint: Footprint, names: list[str]) -> bool:
    return any(name in names for name, _ in footprint)


def _known(footprint: Footprint) -> set[Touch]:
    return {touch for touch in footprint if touch[0] != ANYTHING}


def _holders(own: set[Touch], others: set[Touch]) -> list[str]:
    """Where items met that have no name on one side: what holds them on the other, or else what both sides read."""
    if not common(_nameless(own), _as_items(others)) and not common(_as_items(own), _nameless(others)):
        return []
    held = {_bare(name) for name, _ in own | others if name.endswith(ITEMS) and name != ITEMS}
    if held:
        return sorted(held)
    both = {_bare(name) for name, _ in own if name != ITEMS} & {_bare(name) for name, _ in others if name != ITEMS}
    return [f"items of {holder}" for holder in sorted(both) if holder.isidentifier()]


def _as_items(footprint: set[Touch]) -> set[Touch]:
    return {(ITEMS, how) for name, how in footprint if name.endswith(ITEMS)}


def _nameless(footprint: set[Touch]) -> set[Touch]:
    return {touch for touch in footprint if touch[0] == ITEMS}


def _bare(name: str) -> str:
    bare = name.removeprefix("cell ")
    return f"items of {bare.removesuffix(ITEMS)}" if bare.endswith(ITEMS) else bare


__all__ = ["NOT_KNOWN", "Raced", "Written", "last_writers", "raced_on"]
