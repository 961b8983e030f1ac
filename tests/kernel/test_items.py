"""Names of items, and what lines do with them."""

from __future__ import annotations

import sys
from collections import defaultdict, deque

import pytest

from simsock.kernel.bytecode import instructions_at
from simsock.kernel.footprints import ITEMS, OPAQUE
from simsock.kernel.items import item_of, meet
from simsock.kernel.touching import _Exact


class Box:
    def __init__(self):
        self.counts, self.row, self.key = {"a": 1, 2: 3}, [1, 2], "a"
        self.made, self.ends, self.one = defaultdict(int, x=1), deque((1, 2)), {4}
        self.rest = iter((1, 2))


def touched(line):
    """What a line touches, apart from names of attributes."""
    space = {"box": Box()}
    exec(f"def function(box, v=0):\n  {line}\n", space)
    code = space["function"].__code__
    found = []

    def tracer(frame, event, argument):
        if frame.f_code is code and event == "line" and not found:
            found.append(_Exact(instructions_at(code, frame.f_lineno), frame, lambda name: True).read()[0])
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        space["function"](space["box"])
    finally:
        sys.settrace(before)
    return {(name, how) for name, how in found[0] if name.startswith(ITEMS) or (name, how) == OPAQUE}


A = f"{ITEMS} dict 'a'"


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("box.counts['a'] += 1", {(A, "r"), (A, "w")}),
        ("v = box.counts[box.key]", {(A, "r")}),
        ("v = box.counts[2] + box.row[1]", {(f"{ITEMS} dict 2", "r"), (f"{ITEMS} list 1", "r")}),
        ("box.counts['new'] = 1", {(f"{ITEMS} dict", "w")}),
        ("del box.counts['a']", {(f"{ITEMS} dict", "w")}),
        ("v = box.counts.get('a', 0)", {(A, "r")}),
        ("v = box.counts.get('new', 0)", {(f"{ITEMS} dict", "r")}),
        ("v = 'a' in box.counts", {(A, "r")}),
        ("v = len(box.counts)", {(f"{ITEMS} dict", "r")}),
        ("box.row[0] = v", {(f"{ITEMS} list 0", "w")}),
        ("box.row[-1] = v", {(f"{ITEMS} list", "w")}),
        ("box.row.append(v)", {(f"{ITEMS} list", "w")}),
        ("box.ends.popleft()", {(f"{ITEMS} deque", "w")}),
        ("box.made['x'] += 1", {(f"{ITEMS} dict 'x'", "r"), (f"{ITEMS} dict 'x'", "w")}),
        ("v = (5, 6)[v]", set()),
        ("for _ in range(1): pass", set()),
    ],
)
def test_what_a_line_touches_of_a_container(line, items):
    assert touched(line) == items


@pytest.mark.parametrize("line", ["v = box.made['missing']", "v = next(iter(box.row))", "v = sum(box.rest)", "v = 2 in box.rest", "for _ in box.rest: pass"])
def test_what_changes_as_it_is_read_is_written(line):
    assert (ITEMS, "w") in touched(line) or OPAQUE in touched(line)


class Equal:
    def __hash__(self):
        return hash("a")

    def __eq__(self, other):
        raise AssertionError("code of the program runs")


@pytest.mark.parametrize(
    ("container", "key"), [({"a": 1}, "b"), ({1: 1}, True), ({Equal(): 1}, "a"), ([1], 1), ([1], -1), ([1], True), ({(1,): 1}, (1,)), (defaultdict(int), "a")]
)
def test_what_may_be_another_item_has_no_name(container, key):
    assert item_of(container, key) is None


WHOLE, KIND, OTHER = ITEMS, f"{ITEMS} dict", f"{ITEMS} dict 'b'"


@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        ((A, "w"), (A, "r"), True),
        ((A, "w"), (OTHER, "w"), False),
        ((A, "r"), (A, "r"), False),
        ((A, "w"), (KIND, "r"), True),
        ((A, "w"), (WHOLE, "r"), True),
        ((A, "r"), (KIND, "r"), False),
        ((A, "r"), (KIND, "w"), True),
        ((A, "r"), (WHOLE, "w"), True),
        ((KIND, "w"), (f"{ITEMS} list", "w"), False),
        ((KIND, "r"), (WHOLE, "w"), True),
        ((A, "r"), ("a", "w"), False),
        (OPAQUE, ("a", "r"), True),
        (OPAQUE, OPAQUE, True),
    ],
)
def test_an_item_is_a_part_of_all_items(one, other, do):
    assert meet(frozenset((one,)), frozenset((other,))) is do
    assert meet(frozenset((other,)), frozenset((one,))) is do
