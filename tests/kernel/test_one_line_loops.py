"""What the variable of a loop on one line stands for."""

from __future__ import annotations

import pytest

from simsock.kernel.bytecode import instructions_at
from simsock.kernel.one_line_loops import ELEMENTS_MAX, elements_of, loops_of


def loops(source):
    """Of the one line of a function, with those of a comprehension's own code, which it has on 3.11."""
    space = {}
    exec(f"def f(ts, other):\n    {source}\n", space)
    codes = [space["f"].__code__, *(const for const in space["f"].__code__.co_consts if hasattr(const, "co_code"))]
    return [loop.variable for code in codes for loop in loops_of(instructions_at(code, 2))]


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("for t in ts: t.start()", ["t"]),
        ("[t.start() for t in ts]", ["t"]),
        ("[t.start() for t in ts]; [u.join() for u in ts]", ["t", "u"]),
        ("for t in ts: t.start(); t = other; t.join()", []),
        ("for t in ts: t.start(); [t for t in other]", []),
        ("for a, b in ts: a.start()", []),
        ("ts.start()", []),
    ],
)
def test_a_loop_whose_variable_is_stored_once_a_pass_is_known(source, variables):
    found = loops(source)
    assert [variable for variable in found if variable in variables] == variables
    if not variables:
        assert "t" not in found or source.count(" t ") == 2, "the comprehension's own loop on 3.11"


def test_exact_lists_and_tuples_and_their_iterators_are_looked_into_and_nothing_else():
    class Own(list):
        def __iter__(self):
            raise AssertionError("no code of the program may run")

    assert elements_of([1, 2]) == elements_of((1, 2)) == elements_of(iter([1, 2])) == elements_of(iter((1, 2))) == (1, 2)
    assert [elements_of(value) for value in (Own([1]), {1}, {1: 2}, "ab", iter({1}), range(3), None)] == [None] * 7
    assert elements_of([0] * ELEMENTS_MAX) is not None and elements_of([0] * (ELEMENTS_MAX + 1)) is None


def test_looking_at_an_iterator_does_not_move_it():
    iterator = iter([1, 2, 3])
    next(iterator)
    elements_of(iterator)
    assert next(iterator) == 2
