"""Where a failing run leaves the nearest one that passes: what each of the two did next, side by side.

Owns the finding of that place among the events of two runs, and its layout. Does not know how the other run was found: that is the search's affair
(``without_one``). Laws: two runs part at the first event that differs, times apart; at most ``ROWS_MAX`` rows; nothing is said where nothing differs.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from simsock.report.columns import WIDTH, cell, cut
from simsock.report.listening import LINE, Event, Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simsock.report.story import Words

ROWS_MAX = 4
"""What is shown of each run from where they part."""
TRIES_MAX = 3
_GAP = "   "
_HALF = (WIDTH - 2 - len(_GAP)) // 2


def without_one(deviations: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The runs that might be the nearest to a failing one, nearest first: those without its last deviation, without the last but one, and so on.

    ``deviations`` are in the order in which they happened. Shrinking has seen these runs not to fail in the same way; they may fail otherwise.
    """
    for place in reversed(range(max(0, len(deviations) - TRIES_MAX), len(deviations))):
        yield (*deviations[:place], *deviations[place + 1 :])


def nearest_passing(deviations: tuple[Any, ...], passes: Callable[[tuple[Any, ...]], Any]) -> Any:
    """The first of ``without_one`` of which ``passes`` gives something, which is returned; None when there is none."""
    return next((found for found in map(passes, without_one(deviations)) if found is not None), None)


def beside(failing: Listener, passing: Listener, words: Words, ending: str) -> list[str]:
    """The lines of the table. ``ending``: how the failing run ended."""
    start = max(failing.dropped, passing.dropped)
    here = failing.events[start - failing.dropped :]
    there = passing.events[start - passing.dropped :]
    number = 0
    for one, other in zip(here, there):
        if one[:4] != other[:4]:
            break
        number += 1
    ours, ended = _next(here[number:], words, failing.sparse)
    theirs, _ = _next(there[number:], words, passing.sparse)
    if not ours and not theirs:
        return []
    if ended:
        ours.append(ending)
    rows = [("this run", "the nearest run that passes"), *zip_longest(ours, theirs, fillvalue="")]
    width = min(_HALF, max(len(left) for left, _ in rows))
    lines = [f"  {cut(left, width).ljust(width)}{_GAP}{cut(right, WIDTH - 2 - width - len(_GAP))}".rstrip() for left, right in rows]
    return ["where it leaves the nearest run that passes:", *lines]


def _next(events: list[Event], words: Words, sparse: bool) -> tuple[list[str], bool]:
    """What a run does next, and whether that is all that it does."""
    shown: list[str] = []
    for event in events:
        if event.words.startswith("(") and event.kind != LINE:
            continue
        if len(shown) == ROWS_MAX:
            return shown, False
        shown.append(f"{words.task(event.task)}  {cell(event, words, None, sparse)}")
    return shown, True


__all__ = ["beside", "nearest_passing", "without_one"]
