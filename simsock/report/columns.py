"""What the tasks of a run did around the places that matter: one column a task, one row a step.

Owns which rows are shown and how they are laid out. Knows events and picks as they were noted; words come from outside. Laws: at most
``ROWS_MAX`` rows of at most ``WIDTH`` characters; what is left out between two rows shows as ``…``; simsock's own code never shows.
"""

from __future__ import annotations

import linecache
from itertools import islice
from typing import TYPE_CHECKING

from simsock.escaping import printable
from simsock.report.listening import FAILURE, FAULT, LINE, Event, Listener, Pick, Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simsock.report.story import Words

ROWS_MAX = 40
WIDTH = 118
COLUMNS_MAX = 5
CELL_COMFORTABLE = 24
CELL_MIN = 14
LAST_LINES = 3
"""Shown of each task where nobody was switched out."""
AROUND = 2
"""Rows shown of a task before it was switched out and after it went on; and at the end of the run."""
ROUNDS = 3
"""How often a line shows of which a task ran many rounds while another was switched out."""
FAULTS_MAX = 10
"""Ordered faults shown: the first ones."""
LOOK_MAX = 2_000
"""Events looked at on either side of a place that matters."""

Row = tuple[str, str, str]
"""A mark for the margin, the task's path, the text."""


def columns(listener: Listener, marks: list[tuple[int, Pick | None]], words: Words, ending: str, raced: Sequence[int] = ()) -> list[str]:
    """The lines of the table; none when there is nothing to show. ``marks`` are the story's steps: the number of events before each, and its pick;
    ``raced`` the numbers of the events that touch what was raced on."""
    shifted = [(at - listener.dropped, pick) for at, pick in marks]
    lines: list[str] = []
    for budget in range(ROWS_MAX - 2, 2 * AROUND, -4):  # what is left out takes rows too
        lines = _table(listener, shifted, words, ending, raced, budget)
        if len(lines) <= ROWS_MAX + 2:
            break
    return lines


def _table(listener: Listener, marks: list[tuple[int, Pick | None]], words: Words, ending: str, raced: Sequence[int], budget: int) -> list[str]:
    events = listener.events
    chosen = choose(events, marks, budget, raced)
    if ending and chosen and events[chosen[-1]].words.startswith("raises "):
        del chosen[-1]  # the last row says the same, and more
    tasks = columns_of(events, chosen, raced=raced)
    chosen = [number for number in chosen if events[number].task in tasks]
    if not chosen:
        return []
    files = {place[0] for number in chosen if (place := events[number].place) is not None}
    only = next(iter(files)) if len(files) == 1 else None
    rows: list[Row] = []
    previous = -1
    waiting = [(at, str(step)) for step, (at, _) in enumerate(marks, 1)]
    for number in chosen:
        mark = ""
        while waiting and waiting[0][0] <= number:
            mark = f"{mark},{waiting.pop(0)[1]}".lstrip(",")
        if previous >= 0 and any(event.task in tasks and not event.words.startswith("(") for event in events[previous + 1 : number]):
            rows.append(("", "", "…"))
        rows.append((_short(mark), events[number].task, cell(events[number], words, only, listener.sparse)))
        previous = number
    if ending:
        rows.append(("", listener.failed if listener.failed in tasks else "", ending))
    heading = f"step by step (lines of {words.file(only)}):" if only is not None else "step by step:"
    return [heading, *_layout(rows, tasks, words)]


def _short(mark: str) -> str:
    """``"1,2,3,4"`` as ``"1-4"``: several steps before one row follow each other."""
    first, _, last = mark.replace(",", " ").partition(" ")
    return f"{first}-{last.rpartition(' ')[2]}" if last.count(" ") else mark


# -- which rows ------------------------------------------------------------------------------------------------------------------------------


def choose(events: list[Event], marks: list[tuple[int, Pick | None]], budget: int, raced: Sequence[int] = ()) -> list[int]:
    """The numbers of the events to show, in order: those that touch what was raced on and those around the steps first, then what ran in between, until
    the rows are used up."""
    musts: dict[int, None] = dict.fromkeys(raced)
    mays: dict[int, int] = {}
    for at, pick in marks:
        if at < 0:
            continue
        if pick is None:
            musts.update(dict.fromkeys(range(max(0, at - 1), min(len(events), at + AROUND))))
            continue
        before = _of_task(events, pick.task, range(at - 1, max(-1, at - LOOK_MAX), -1))
        musts.update(dict.fromkeys(before))
        if pick.how in ("line", "within", "call"):
            after = _of_task(events, pick.task, range(at, min(len(events), at + LOOK_MAX)))
            resumed = after[0] if after else min(len(events), at + ROWS_MAX)
            musts.update(dict.fromkeys(after))
            rounds: dict[tuple[str, Place | None], int] = {}
            for number in range(at, resumed):
                key = events[number].task, events[number].place
                rounds[key] = rounds.get(key, 0) + 1
                if rounds[key] <= ROUNDS:
                    mays[number] = min(mays.get(number, 9), _rank(events[number], pick))
        else:
            musts.update(dict.fromkeys(_of_task(events, pick.chosen, range(at, min(len(events), at + LOOK_MAX)))))
    faults = (number for number, event in enumerate(events) if event.kind is FAULT)
    musts.update(dict.fromkeys(islice(faults, FAULTS_MAX)))
    shown = list(musts)[: budget - AROUND]
    taken = {*shown, *last_of(events)}
    if not any(pick is not None for _, pick in marks):
        taken.update(_last_of_each(events, max(0, budget - len(taken))))
    for number in sorted(mays, key=lambda number: (mays[number], number)):
        if len(taken) >= budget:
            break
        if mays[number] < 9:
            taken.add(number)
    return sorted(taken)


def _of_task(events: list[Event], task: str, numbers: range) -> list[int]:
    """The first few events of a task among those numbered; lines, unless it has none."""
    lines: list[int] = []
    records: list[int] = []
    for number in numbers:
        event = events[number]
        if event.task == task:
            (lines if event.kind == LINE else records).append(number)
            if len(lines) == AROUND or (event.words == "(ends)" and numbers.step > 0):
                break
    return lines or records[:AROUND]


def _rank(event: Event, pick: Pick) -> int:
    """How much an event matters that happened while a task stood switched out: 0 the same file as where it stood ... 9 not at all."""
    if event.kind == LINE:
        return 0 if pick.place is None or (event.place is not None and event.place[0] == pick.place[0]) else 1
    return 9 if event.words.startswith("(") else 2


def last_of(events: list[Event]) -> list[int]:
    """The end of the run, as far as the program's own lines go: the last of the task that ran last, and what was raised."""
    for number in range(len(events) - 1, max(-1, len(events) - LOOK_MAX), -1):
        if events[number].words.startswith("raises "):
            return [*sorted(_of_task(events, events[number].task, range(number, max(-1, number - LOOK_MAX), -1))), number]
    for number in range(len(events) - 1, max(-1, len(events) - LOOK_MAX), -1):
        if events[number].kind == LINE:
            return [number]
    return []


def _last_of_each(events: list[Event], room: int) -> list[int]:
    """Nobody was switched out: the last lines, moved bytes and failed calls of each task, of those that did something last."""
    found: dict[str, list[int]] = {}
    for number in range(len(events) - 1, max(-1, len(events) - LOOK_MAX), -1):
        event = events[number]
        if event.words.startswith("("):
            continue
        of_task = found.setdefault(event.task, [])
        if len(of_task) < LAST_LINES or event.kind is FAILURE:
            of_task.append(number)
    best = sorted(found.values(), key=lambda numbers: (not any(events[number].kind is FAILURE for number in numbers), -numbers[0]))[:COLUMNS_MAX]
    return sorted(number for numbers in best for number in numbers)[-room:] if room else []


def columns_of(events: list[Event], chosen: list[int], most: int = COLUMNS_MAX, raced: Sequence[int] = ()) -> list[str]:
    """The tasks that get a column, in the order in which they first show: that of the last row, those that touch what was raced on, those with the most."""
    count: dict[str, int] = {}
    for number in chosen:
        count[events[number].task] = count.get(events[number].task, 0) + 1
    if not count:
        return []
    last = events[chosen[-1]].task
    racing = {events[number].task for number in raced}
    best = sorted(count, key=lambda task: (task != last, task not in racing, -count[task]))[:most]
    return [task for task in count if task in best]


# -- how they look ---------------------------------------------------------------------------------------------------------------------------


def cell(event: Event, words: Words, only: str | None, sparse: bool) -> str:
    """A line with its source; or what was recorded, with its line when no lines are shown by themselves."""
    place = event.place
    where = "" if place is None else str(place[1]) if only is not None else words.place(place)
    if event.kind != LINE or place is None:
        return f"{where} {words.event(event)}".strip() if sparse else words.event(event)
    return f"{where} {linecache.getline(*place).strip()}".rstrip()


def _layout(rows: list[Row], tasks: list[str], words: Words) -> list[str]:
    """Each cell begins in its task's column. Nothing stands to the right of it in its row, so it may run on there."""
    margin = max((len(mark) for mark, _, _ in rows), default=0)
    margin = 2 + margin + (2 if margin else 0)
    titles = [words.task(task) for task in tasks]
    natural = [max([len(title), *(len(text) for _, path, text in rows if path == task)]) for task, title in zip(tasks, titles)]
    widths = _fit(natural, WIDTH - margin - 2 * (len(tasks) - 1))
    starts = [margin + sum(widths[:place]) + 2 * place for place in range(len(tasks))]
    lines = [_line("", list(zip(starts, titles, widths)))]
    for number, (mark, path, text) in enumerate(rows, 1):
        start = starts[tasks.index(path)] if path else margin
        if number == len(rows):
            start = max(margin, min(start, WIDTH - len(text)))  # the error: rather further to the left than cut
        lines.append(_line(mark, [(start, text, WIDTH - start)]))
    return lines


def _line(mark: str, cells: list[tuple[int, str, int]]) -> str:
    line = f"  {mark}"
    for start, text, width in cells:
        line = line.ljust(start) + cut(text, width)
    return line.rstrip()


def cut(text: str, width: int) -> str:
    text = printable(text)
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def _fit(natural: list[int], room: int) -> list[int]:
    """Widths that add up to ``room`` at most: the widest columns give way first, the last one after the others, as its cells cannot run on."""
    last = natural[-1]
    others = natural[:-1]
    for least in (CELL_COMFORTABLE, CELL_MIN):
        cap = max(others, default=0)
        while cap > least and sum(min(width, cap) for width in others) + last > room:
            cap -= 1
        others = [min(width, cap) for width in others]
        last = max(CELL_MIN, min(last, room - sum(others)))
    return [*others, last]
