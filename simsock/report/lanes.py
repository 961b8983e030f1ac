"""The story of a run as values for a page: who did what when, one lane a task, and the lines of source beside it.

Owns how much of a run is shown there, which is more than fits into a terminal. Which events matter is ``columns``' affair, their words are the story's.
Laws: at most ``ROWS_MAX`` rows, ``LANES_MAX`` lanes and ``LINES_MAX`` lines of source; everything is printable.
"""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any

from simsock.escaping import printable
from simsock.report.columns import choose, columns_of
from simsock.report.listening import LINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsock.report.listening import Listener, Pick
    from simsock.report.story import Words

ROWS_MAX = 160
LANES_MAX = 12
LINES_MAX = 400
AROUND = 3
"""Lines of source shown before and after one that ran."""
TEXT_MAX = 300


class Lanes:
    """``tasks``: a lane each. ``rows``: what was done, in order. ``sources``: the lines of the program around them."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.rows: list[dict[str, Any]] = []
        self.sources: list[dict[str, Any]] = []

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"tasks": self.tasks, "rows": self.rows, "sources": self.sources}


def lanes_of(listener: Listener, marks: list[tuple[int, Pick | None]], words: Words, ending: str, raced: Sequence[int] = ()) -> Lanes:
    """What there is to show of a run that was listened to; ``marks`` and ``raced`` as of ``columns``."""
    lanes = Lanes()
    events = listener.events
    marks = [(at - listener.dropped, pick) for at, pick in marks]
    chosen = choose(events, marks, ROWS_MAX, raced)
    if ending and chosen and events[chosen[-1]].words.startswith("raises "):
        del chosen[-1]
    tasks = columns_of(events, chosen, LANES_MAX, raced)
    lanes.tasks = [printable(words.task(task)) for task in tasks]
    waiting = [(at, step) for step, (at, _) in enumerate(marks, 1)]
    ran: dict[str, dict[int, None]] = {}
    previous = -1
    for number in chosen:
        event = events[number]
        if event.task not in tasks:
            continue
        steps = []
        while waiting and waiting[0][0] <= number:
            steps.append(waiting.pop(0)[1])
        skipped = previous >= 0 and any(one.task in tasks and not one.words.startswith("(") for one in events[previous + 1 : number])
        place = event.place
        if place is not None:
            ran.setdefault(place[0], {})[place[1]] = None
        text = words.event(event) if event.kind != LINE else linecache.getline(*place).strip() if place is not None else ""
        lanes.rows.append(
            {
                "task": tasks.index(event.task),
                "at_ns": event.now,
                "kind": event.kind,
                "file": None if place is None else printable(words.file(place[0])),
                "line": None if place is None else place[1],
                "text": printable(text[:TEXT_MAX]),
                "steps": steps,
                "after_gap": skipped,
            }
        )
        previous = number
    if ending and lanes.rows:
        last = lanes.rows[-1]
        task = tasks.index(listener.failed) if listener.failed in tasks else last["task"]
        lanes.rows.append(
            {**last, "task": task, "kind": "error", "text": printable(ending[:TEXT_MAX]), "steps": [], "after_gap": False, "file": None, "line": None}
        )
    lanes.sources = [_source(file, sorted(lines), words) for file, lines in ran.items()]
    _cut(lanes.sources)
    return lanes


def _source(file: str, lines: list[int], words: Words) -> dict[str, Any]:
    """The lines of a file around those that ran; ``ran`` says which did."""
    known = len(linecache.getlines(file))
    shown: list[dict[str, Any]] = []
    wanted = sorted({near for line in lines for near in range(max(1, line - AROUND), min(known, line + AROUND) + 1)})
    for line in wanted:
        text = printable(linecache.getline(file, line).rstrip("\n").expandtabs(4))[:TEXT_MAX]
        shown.append({"number": line, "text": text, "ran": line in lines})
    return {"file": printable(words.file(file)), "lines": shown}


def _cut(sources: list[dict[str, Any]]) -> None:
    room = LINES_MAX
    for source in sources:
        source["lines"] = source["lines"][:room]
        room -= len(source["lines"])
    sources[:] = [source for source in sources if source["lines"]]


__all__ = ["Lanes", "lanes_of"]
