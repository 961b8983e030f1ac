"""What the operators of a line work on is known to be plain, or not known."""

from __future__ import annotations

import pytest

from simsock.kernel.bytecode import instructions_at
from simsock.kernel.footprints import PLAIN
from simsock.kernel.plain_operands import UNKNOWN, items_touched


class Box:
    def __init__(self):
        self.number = 1
        self.items = []


def is_plain(statement, **values):
    code: dict = {}
    exec(f"def function({', '.join(values)}):\n    pass\n    {statement}\n    return 0", code)
    function = code["function"].__code__

    def load(name, what):
        return what if "CONST" in name or "SMALL" in name else {**values, "len": len}[what]

    return items_touched(instructions_at(function, 3), PLAIN, load, lambda value, name: vars(value).get(name, UNKNOWN)) == set()


@pytest.mark.parametrize(
    "statement",
    ["box.number = seen + 1", "box.number += 1", "seen = -seen * 2 + box.number", "seen = box.number == 3", "seen = box.items is None", "box.items = box"],
)
def test_numbers_are(statement):
    assert is_plain(statement, box=Box(), seen=1)


@pytest.mark.parametrize(
    "statement",
    [
        "box.items += seen",
        "seen = seen + box.other",
        "seen = seen in box.items",
        "seen = box.items; seen = seen + seen",
        "box.number = seen = box.items; box.number += 1",
        "seen = box.items[0] + 1",
        "seen = len(box.items) + 1",
        "seen = -box",
    ],
)
def test_anything_else_is_not_and_neither_is_what_the_line_itself_has_stored(statement):
    assert not is_plain(statement, box=Box(), seen=1)
