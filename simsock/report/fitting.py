"""Tables of tasks on a terminal that is too narrow for them: a task a paragraph, instead of rows that run over the edge.

Owns how that looks. Does not know who prints. Law: only what goes to a terminal is laid out anew; in pipes, and in files that
simsock writes, a table stays a table.
"""

from __future__ import annotations

import re
import shutil
import textwrap

_HEAD = re.compile(r"(?P<lead>(?:E  )? *)(?P<head>task +waits for +where +held by)$")
_TITLES = ("task", "waits for", "where", "held by")
_GAP = "  "


def terminal_width() -> int:
    """How many characters a line of the terminal has."""
    return shutil.get_terminal_size().columns


def fitted(text: str, width: int) -> str:
    """The text with its tables of tasks as paragraphs, where a row is longer than ``width``; everything else stays."""
    if "waits for" not in text:
        return text
    lines = text.split("\n")
    laid: list[str] = []
    at = 0
    while at < len(lines):
        head = _HEAD.fullmatch(lines[at])
        if head is None:
            laid.append(lines[at])
            at += 1
            continue
        lead = head["lead"]
        starts = [lines[at].index(title, len(lead)) for title in _TITLES]
        end = at + 1
        while end < len(lines) and _is_row(lines[end], lead, starts):
            end += 1
        table = lines[at:end]
        laid += table if len(table) == 1 or max(map(len, table)) <= width else [line for row in table[1:] for line in _paragraph(row, lead, starts)]
        at = end
    return "\n".join(laid)


def _is_row(line: str, lead: str, starts: list[int]) -> bool:
    cells = line.startswith(lead) and line[len(lead) :].strip() and all(line[start - 2 : start].strip() == "" for start in starts[1:])
    return bool(cells) and len(line) > starts[1] and line[len(lead)] != " "


def _paragraph(row: str, lead: str, starts: list[int]) -> list[str]:
    """A task's name, and below it what is told of it."""
    cells = [row[start:end].strip() for start, end in zip(starts, [*starts[1:], None])]
    return [lead + cells[0], *(f"{lead}{_GAP}{title:9}{_GAP}{cell}" for title, cell in zip(_TITLES[1:], cells[1:]) if cell)]


def hung(first: str, rest: str, width: int | None) -> str:
    """A row of two cells. On a terminal (``width``) the second is wrapped below itself, unless it has no room there."""
    line = first + rest
    if width is None or len(line) <= width or width - len(first) < 20:
        return line
    return "\n".join(textwrap.wrap(rest, width, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False, break_on_hyphens=False))


__all__ = ["fitted", "hung", "terminal_width"]
