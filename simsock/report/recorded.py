"""What happened, as lines of text: when, who, what.

Owns the words of records for people. Does not know where records come from. Law: what is printed can steer no terminal.
"""

from __future__ import annotations

from typing import Any

from simsock.escaping import printable
from simsock.kernel.units import format_ns

RECORDS_TOLD_MAX = 30
"""Of the newest, unless another number is asked for."""


def _told(record: tuple[Any, ...]) -> list[str]:
    """The words of a record. What the checksum of moved bytes is, nobody reads."""
    what, *more = record[2:]
    if what in ("recv", "send", "read", "write", "arrive") and len(more) > 1 and isinstance(more[-1], int):
        *more, _ = more
        if isinstance(more[-1], int):
            more[-1] = f"{more[-1]:,} byte{'' if more[-1] == 1 else 's'}"
    return [str(what), *map(str, more)]


def records_text(records: list[tuple[Any, ...]], most: int = RECORDS_TOLD_MAX) -> str:
    """The last records as lines."""
    last = records[-most:]
    rows = [(format_ns(record[0]), printable(str(record[1])), printable(" ".join(_told(record)))) for record in last]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    lines = [f"{when.rjust(widths[0])}  {who.ljust(widths[1])}  {what}".rstrip() for when, who, what in rows]
    if len(records) > len(last):
        lines.insert(0, f"… ({len(records) - len(last):,} before)")
    return "\n".join(lines)


__all__ = ["records_text"]
