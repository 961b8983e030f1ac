"""Where a task may be switched out: before lines that can touch what others see, and before no others; the same on every Python."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

import simsock
from simsock.kernel import plain_locals, points, preempt
from simsock.kernel.points import points_of
from tests.kernel import one_line

HERE = Path(__file__).parent


# -- one line, many points -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "expected"), one_line.COUNTS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_stands_on_one_line_has_the_same_points_in_its_first_call_and_in_its_hundredth(body, expected):
    assert [one_line.count(body, calls) for calls in (1, 2, 100)] == [expected] * 3


def test_the_first_world_of_a_process_has_the_same_points_as_the_hundredth():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, str(HERE / "one_line.py")], capture_output=True, text=True, env=environment, timeout=120, check=True)
    expected = " ".join(map(str, one_line.COUNTS.values()))
    assert done.stdout.splitlines() == [expected] * 3


def a_loop(out, name):
    for _ in range(3): out.append(name)  # noqa: E701  # fmt: skip


def a_comprehension(out, name):
    [out.append(name) for _ in range(3)]


def a_generator_expression(out, name):
    out.extend(name for _ in range(3))


def a_while_loop(out, name):
    left = [1, 2, 3]
    while left: left.pop(), out.append(name)  # noqa: E701  # fmt: skip


@pytest.mark.parametrize("body", [a_loop, a_comprehension, a_generator_expression, a_while_loop])
def test_iterations_on_one_line_are_told_apart_by_a_search(body):
    orders = Counter()

    def both(sim):
        out = []
        threads = [threading.Thread(target=body, args=(out, name)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        orders["".join(out)] += 1

    simsock.explore(both, schedules=1_000, strategy="random", preempt="lines")
    assert len(orders) >= 14


def test_a_loop_that_only_waits_for_a_flag_ends():
    def waiting(sim):
        flag = []

        def wait():
            while not flag: pass  # noqa: E701  # fmt: skip

        threads = [threading.Thread(target=wait), threading.Thread(target=flag.append, args=(1,))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert not simsock.explore(waiting, schedules=20, preempt="lines", strategy="random").failed


def test_a_loop_without_an_end_on_one_line_is_ended_by_the_limit_of_steps():
    def spin():
        while True: pass  # noqa: E701  # fmt: skip

    with pytest.raises(simsock.StepLimit), simsock.Simulation(preempt="lines", max_steps=5_000, max_real_time=20) as sim:
        sim.spawn(spin).result()


def test_a_race_of_functions_on_one_line_is_repeated_in_every_replay():
    def test(sim):
        seen = [0]

        def add():
            mine = seen[0]
            seen[0] = mine + 1

        def nothing(): return seen[0]  # fmt: skip

        threads = [threading.Thread(target=add) for _ in range(2)]
        for thread in threads:
            thread.start()
            nothing()
        for thread in threads:
            thread.join()
        assert seen == [2]

    for seed in range(10):
        verdict = simsock.explore(test, preempt="lines", strategy="random", seed=seed)
        for _ in range(2):
            with pytest.raises(AssertionError):
                simsock.replay(test, verdict.token)


# -- lines that are points, and lines that are none ------------------------------------------------------------------------------------------


class Adds:
    """A class out of scope, as far as the rule knows, with operators of its own."""

    def __add__(self, other):
        return self

    def __format__(self, spec):
        return "adds"


def points_in(function, *arguments):
    """How many points one call of a function has."""
    with simsock.Simulation(strategy="random", preempt="lines", scope=[__file__]) as sim:
        first = sim._kernel.first
        before = first.points
        function(*arguments)
        after = first.points
    return after - before - 2  # the line of the call, and the line after it


def counts(number):
    total = 0
    step = number
    total += step * 2
    if total > 5 and step is not None:
        total = -total
    return total


def formats(number):
    text = f"{number:>5} of {number!r}"
    return text + "!"


def iterates(numbers):
    last = None
    for number in numbers:
        last = number
    return last


def asks(value):
    if value:
        return 1
    return 0


def compares(one, other):
    same = one is other
    return same


def adds_in_place(buffer):
    mine = buffer
    mine += "x" if isinstance(mine, str) else [1]
    return mine


def looks_for(one, many):
    found = one in many
    return found


def adds(one, other):
    total = one + other
    return total


def formats_one(one):
    return f"{one}"


def makes(one, other):
    pair = one, other
    both = [one, other]

    def function(default=None):
        return default

    return pair, both, function


def unpacks(pair):
    one, other = pair
    return one, other


def over_lines(thing):
    total = (thing
             + 1)  # fmt: skip
    return total


class Box:
    value = 1


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (counts, (3,), 0),
        (counts, (Box.value,), 0),
        (formats, (3,), 0),
        (formats, ("text",), 0),
        (iterates, (range(3),), 0),
        (iterates, ([1, 2, 3],), 4),
        (asks, (0,), 0),
        (asks, (None,), 0),
        (asks, ([],), 1),
        (compares, ([], []), 0),
        (adds_in_place, ([],), 1),
        (looks_for, ("a", "abc"), 0),
        (looks_for, ("a", ["a"]), 1),
        (adds, (1, 2.5), 0),
        (adds, (Adds(), 2), 1),
        (adds, (True, 2), 0),
        (formats_one, (Adds(),), 1),
        (makes, ([], []), 0),
        (unpacks, ("ab",), 0),
        (unpacks, ([1, 2],), 1),
        (over_lines, (Adds(),), 2),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_line_is_a_point_if_it_can_touch_what_others_see(function, arguments, expected):
    assert points_in(function, *arguments) == expected


def test_subclasses_of_numbers_may_do_anything():
    class Strange(int):
        def __add__(self, other):
            return 0

    assert points_in(adds, Strange(1), 2) >= 1
    assert points_in(adds, 1, Strange(2)) >= 1


def test_what_is_shared_by_name_is_always_a_point():
    def loads():
        return Box.value

    def stores(box):
        box.value = 1

    def items(box):
        box["a"] = 1
        return box["a"]

    assert points_in(loads) == 1
    assert points_in(stores, Box()) == 1
    assert points_in(items, {}) == 2


def test_the_locals_of_generators_can_be_shared():
    def numbers():
        number = 0
        while number < 2:
            number += 1
            yield number

    def takes(generator):
        return list(generator)

    assert points_in(takes, numbers()) > 6


def test_instructions_no_rule_knows_are_points():
    code = adds_in_place.__code__
    points = points_of(code)
    assert points is points_of(code), "worked out once"
    assert points.lines.get(code.co_firstlineno + 2, True) is True  # it calls isinstance
    assert points.lines[code.co_firstlineno + 1] is False


def test_moves_are_no_points_between_instructions_either():
    code = compares.__code__
    lines = points_of(code, by_line=False).lines
    assert lines
    assert set(lines.values()) == {False}


def test_steps_are_counted_on_lines_that_are_no_points_too():
    def spin():
        number = 0
        while number is not None:
            number = 1

    with pytest.raises(simsock.StepLimit), simsock.Simulation(preempt="lines", strategy="random", max_steps=5_000, max_real_time=20) as sim:
        sim.spawn(spin).result()


# -- the types of a function's variables --------------------------------------------------------------------------------------------------------


def touching(frame, *names):
    """Those of these variables that are not plain."""
    return {name for name in names if plain_locals.touches(plain_locals.operands((name,), frame.f_code), frame)}


def of_all_types(number, text=b"", *rest, last=None, **more):
    """Every kind of variable that a line can work on, bound and not."""
    frame = sys._getframe()
    found = touching(frame, "number", "text", "rest", "last", "more", "frame", "span", "late", "gone")
    span, gone = range(number), 1
    assert not plain_locals.touches(plain_locals.operands(("number", "span", "gone"), frame.f_code), frame)
    del gone
    assert plain_locals.touches(plain_locals.operands(("number", "span", "gone"), frame.f_code), frame)
    if rest:
        late = gone = 1
        return late, gone, span
    return found


def test_what_is_not_bound_or_of_any_class_but_a_few_is_not_plain():
    others = {"rest", "more", "frame", "span", "late", "gone"}
    assert of_all_types(1) == others
    assert of_all_types(True, "text", last=1.5j) == others
    assert of_all_types(2, [], last={}) == {*others, "text", "last"}


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="types are read in memory before 3.13 only")
def test_types_that_cannot_be_read_in_memory_are_asked_for(monkeypatch):
    assert plain_locals.touches is plain_locals._touch_in_memory
    monkeypatch.setattr(plain_locals, "operands", plain_locals._by_name)
    monkeypatch.setattr(plain_locals, "touches", plain_locals._readers[sys.version_info[:2]])
    test_what_is_not_bound_or_of_any_class_but_a_few_is_not_plain()


def counted(out, lock):
    """Three threads count under a lock in a variable that they share, and give way at lines that work on lists of their own."""
    count = 0

    def work():
        nonlocal count
        mine = []
        with lock:
            count = count + 1
        other = mine + mine
        other = mine + other
        return other

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.append(count)


def test_looking_at_variables_takes_back_nothing_that_others_have_done():
    def three(sim):
        out = []
        counted(out, threading.Lock())
        assert out == [3]

    assert simsock.explore(three, schedules=200, strategy="random").error is None


def test_looking_at_a_copy_takes_nothing_back_either(monkeypatch):
    if sys.version_info >= (3, 12):
        pytest.skip("there is no copy that is written back")
    monkeypatch.setattr(points, "as_operands", plain_locals._by_name)
    monkeypatch.setattr(preempt, "touches", plain_locals._touch_in_copy)
    points._known.clear()
    try:
        test_looking_at_variables_takes_back_nothing_that_others_have_done()
    finally:
        points._known.clear()
