"""The last level of ``dfs`` leaves out orders that cannot matter, and no outcome with them."""

from __future__ import annotations

import importlib.util
import itertools
import random
import threading
from math import comb

import pytest

import simsock
from simsock.search.exhausting import Exhausting, Recorder
from simsock.search.pruning import Pruned
from simsock.search.runner import Runner
from simsock.world.options import SEARCH_DEFAULTS, Options
from tests.search import programs

HEAD = """
import collections
import threading

TOTAL = 0


class Box:
    def __init__(self):
        self.a = self.b = 0
        self.items = []
        self.each = [[], self.items]
        self.lock = threading.Lock()
        self.other = threading.Lock()
        self.event = threading.Event()
        self.counts = {"a": 0, "b": 1}
        self.more = {"a": 5}
        self.made = collections.defaultdict(int)
        self.row = [0, 1]
        self.first_ones = iter((1, 2, 3))
        self.keys = ["a", "b"]
        self.locks = {"a": self.lock, "b": self.other}

    @property
    def both(self):
        return self.a + self.b


def get(box):
    value = box.a
    return value + 1


def put(box, value):
    box.b = value


def test(sim):
    box = Box()
    def one():
        global TOTAL
        v = 0
{one}

    def two():
        global TOTAL
        v = 0
{two}
    first, second = sim.spawn(one), sim.spawn(two)
    first.result()
    second.result()
    global TOTAL
    found.add((box.a, box.b, tuple(box.items), tuple(map(len, box.each)), TOTAL, box.event.is_set()))
    found.add((tuple(box.counts.items()), tuple(box.made.items()), tuple(box.row), tuple(box.more), box.a, box.b, tuple(box.first_ones)))
    TOTAL = 0


found = set()
"""
LINES = [
    "v = box.a",
    "v = box.b",
    "box.a = v + 1",
    "box.b = v + 2",
    "box.b = box.a",
    "box.items.append(v)",
    "v = len(box.items)",
    "box.a = get(box)",
    "put(box, box.a)",
    "TOTAL = TOTAL + 1",
    "v = TOTAL",
    "v = box.both",
    "box.event.set()",
    "v = int(box.event.is_set())",
    "if box.a: box.b = 7",
    "setattr(box, 'a', 3)",
    "box.__dict__['b'] = 4",
    "box.other = box.lock",
    "box.a, box.b = box.b, box.a",
]
LOOPS = [
    "for each in box.each: each.append(v)",
    "for each in (box.lock, box.other): each.acquire(); v += 1; each.release()",
    "for each in box.each: each.append(len(box.each[0]))",
    "v = sum(len(each) for each in box.each)",
    "[each.append(v) for each in box.each]",
    "v = len([each for each in box.items])",
    "for each in box.each: each.append(v); each = box.items",
    "[each() for each in (box.event.set, box.items.clear)]",
    "box.each = [box.items]",
    "box.each.append(box.items)",
]
ENDS = [
    *LINES[:6],
    "box.a = box.a + 1",
    "v = int(box.thread.is_alive())",
    "box.b = 5 if box.thread.is_alive() else 6",
    "box.thread.join(0)",
    "box.thread.join(0.5)",
    "box.thread.join()",
    "box.thread.join(); box.a = 9",
    "[thread.join() for thread in (box.thread, box.thread)]",
]
ITEMS = [
    "box.counts['a'] += 1",
    "box.counts['b'] = v",
    "v = box.counts['a']",
    "box.counts['b'] = box.counts['a']",
    "box.counts['c'] = v",
    "v = len(box.counts)",
    "if 'c' in box.counts: v = 7",
    "v = box.counts.get('c', 3)",
    "box.counts.pop('b', 0)",
    "del box.counts['a']; box.counts['a'] = v",
    "box.counts = box.more",
    "v = box.counts[box.keys[0]]",
    "box.keys[0] = 'b'",
    "box.counts[box.keys[0]] += 1",
    "box.made['x'] += 1",
    "v = box.made['y']",
    "v = box.made.get('y', 4)",
    "box.row[0] = v + 1",
    "v = box.row[1]",
    "box.row[-1] = 9",
    "box.row.append(v)",
    "v = box.row.pop() if box.row else 5",
    "v = next(box.first_ones, 0)",
    "v = sum(box.first_ones)",
    "v += 2 in box.first_ones",
    "for each in box.row: v += each",
    "box.a = len([each for each in box.row])",
    "box.b = v",
    "box.a = max(box.row, key=lambda each: box.a + each)",
    "for key in ('a', 'b'): box.counts[key] = v",
    "for each in box.first_ones: v += each; break",
    "with box.locks[box.keys[0]]: box.counts['a'] = v",
    "box.row = list(box.counts.values())",
    "box.row, v = [v, 3], box.row[0]",
    "box.counts['a'], box.counts['b'] = box.counts['b'], box.counts['a']",
    "box.made = collections.defaultdict(int, box.counts)",
    "get(box); box.counts['b'] = box.a",
    "box.a = box.counts[('a', 'b')[v % 2]]",
]
BLOCKS = ["with box.lock:", "with box.other:", "if box.a == 1:", "for _ in range(2):"]


def statements(draw, count, among):
    lines = []
    while count > 0:
        if draw.random() < 0.25:
            lines.append(draw.choice(BLOCKS))
            lines.append("    " + draw.choice(LINES))
            count -= 2
        else:
            lines.append(draw.choice(among))
            count -= 1
    return "\n".join(" " * 8 + line for line in lines)


THREAD = """    box.thread = threading.Thread(target=one)
    box.thread.start()
    two()
    box.thread.join()
"""


def program(seed, folder, among):
    """A module with a test of two tasks with some statements each, drawn."""
    draw = random.Random(seed)
    head = HEAD
    if among is ENDS:  # a thread, and who started it
        head = HEAD.replace(HEAD[HEAD.index("    first, second") : HEAD.index("    global TOTAL\n    found")], THREAD)
    source = head.replace("{one}", statements(draw, draw.randint(1, 2), among)).replace("{two}", statements(draw, draw.randint(1, 2), among))
    source = source.replace("    global TOTAL\n    found", "    found").replace("def test(sim):\n", "def test(sim):\n    global TOTAL\n")
    path = folder / f"drawn_{seed}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outcomes(module, search, most):
    """What all runs of a search came to, and how many there were; None if there are more than ``most``."""
    module.found.clear()
    with Runner(module.test, Options(**{**SEARCH_DEFAULTS, "strategy": "dfs", "scope": [module.__file__]})) as runner:
        scope = runner.session.preemption.scope
        state = Pruned(scope.__contains__) if search == "pruned" else Exhausting(None)
        runs = 0
        errors = set()
        while (asked := state.next()) is not None:
            if runs >= most:
                return None, runs
            runs += 1
            before = set(module.found)
            if search == "pruned":
                outcome = runner.run("0/1", (), prepare=asked.prepare)
                if asked.is_redundant:  # others are said to stand for it: they have to show the same
                    module.found.clear()
                    module.found.update(before)
                    continue
            else:
                recorder = Recorder(asked)
                outcome = runner.run("0/1", asked, prepare=lambda sim, recorder=recorder: setattr(sim, "_questions", recorder))
                state.tried(asked, recorder, outcome.asked)
            if outcome.error is not None:
                errors.add(outcome.signature)
        assert search != "pruned" or state.is_exhausted
    return (set(module.found), errors), runs


DRAWN = {
    "lines": (LINES, 700, (2, 3, 223, 298, 299), 200),
    "loops on one line": (LOOPS, 700, (0, 1, 2), 100),
    "ends of threads": (ENDS, 1_500, (1, 2), 100),
    "items": (ITEMS, 700, (12, 25, 40, 48), 200),
}
"""By what drawn programs are made of: the lines, how many schedules are enough for a few seeds, which seeds these are, and how many are tried if asked for."""


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind, (_, _, seeds, _) in DRAWN.items() for seed in seeds])
def test_a_drawn_program_has_the_same_outcomes_with_and_without_the_orders_that_are_left_out(kind, seed, tmp_path):
    among, most, _, _ = DRAWN[kind]
    compare(seed, tmp_path, most, among)


@pytest.mark.exhaustive
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind, (_, _, _, many) in DRAWN.items() for seed in range(many)])
def test_many_drawn_programs_have(kind, seed, tmp_path):
    compare(seed, tmp_path, 20_000, DRAWN[kind][0])


def compare(seed, folder, most, among):
    module = program(seed, folder, among)
    whole, runs = outcomes(module, "whole", most)
    if whole is None:
        pytest.skip("too many schedules to try all of them")
    pruned, fewer = outcomes(module, "pruned", most)
    assert pruned == whole
    assert fewer <= runs


# -- known numbers of orders -----------------------------------------------------------------------------------------------------------------


def together(sim, one, other):
    first, second = sim.spawn(one), sim.spawn(other)
    first.result()
    second.result()


def lines(test, **options):
    """All orders that can differ, without the levels before them: how many runs, and what went wrong in them."""
    with Runner(test, Options(**{**SEARCH_DEFAULTS, "strategy": "dfs", "scope": [__file__], **options})) as runner:
        tree = Pruned(runner.session.preemption.scope.__contains__)
        runs, errors = 0, set()
        while (picker := tree.next()) is not None:
            runs += 1
            outcome = runner.run("0/1", (), prepare=picker.prepare)
            if outcome.error is not None:
                errors.add(outcome.signature[0])
        assert tree.is_exhausted
    return runs, errors


def test_all_orders_of_sections_of_one_lock_are_tried():
    found = set()

    def test(sim):
        order = []
        lock = threading.Lock()

        def work(name):
            with lock:
                order.append(name)

        together(sim, lambda: work(1), lambda: work(2))
        found.add(tuple(order))

    lines(test)
    assert found == {(1, 2), (2, 1)}


@pytest.mark.parametrize("points", [1, 2])
def test_all_orders_of_writes_to_one_list_are_tried(points):
    found = set()

    def test(sim):
        order = []

        def first():
            for _ in range(points):
                order.append(1)

        def second():
            for _ in range(points):
                order.append(2)

        together(sim, first, second)
        found.add(tuple(order))

    lines(test)
    assert len(found) == comb(2 * points, points)


class Pair:
    def __init__(self):
        self.one = self.other = 0


def test_tasks_that_share_nothing_are_tried_in_few_orders():
    def test(sim):
        pair = Pair()

        def first():
            for _ in range(4):
                pair.one += 1

        def second():
            for _ in range(4):
                pair.other += 1

        together(sim, first, second)
        assert pair.one == pair.other == 4

    runs, errors = lines(test)
    assert (runs < 200, errors) == (True, set()), "of more than twelve thousand"


def test_threads_that_share_nothing_are_tried_in_few_orders():
    def test(sim):
        pair = Pair()

        def first():
            pair.one += 1
            pair.one += 1

        def second():
            pair.other += 1
            pair.other += 1

        threads = [threading.Thread(target=first), threading.Thread(target=second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pair.one == pair.other == 2

    runs, errors = lines(test)
    assert (runs < 80, errors) == (True, set()), "it is 57 now"


@pytest.mark.parametrize(
    ("program", "error"), [(programs.lost_update, "AssertionError"), (programs.check_then_act, "IndexError"), (programs.two_locks, "Deadlock")]
)
def test_what_can_fail_fails(program, error):
    with Runner(program, Options(**{**SEARCH_DEFAULTS, "strategy": "dfs", "scope": [programs.__file__]})) as runner:
        tree = Pruned(runner.session.preemption.scope.__contains__)
        names = set()
        for _ in range(1_000):
            if (picker := tree.next()) is None:
                break
            outcome = runner.run("0/1", (), prepare=picker.prepare)
            if outcome.error is not None:
                names.add(type(outcome.error).__name__)
    assert error in names


def sections(sim):
    """Two locked sections, one after the other, in each of two tasks."""
    pair = Pair()
    locks = threading.Lock(), threading.Lock()
    one, other = locks

    def work():
        with one:
            pair.one += 1
        with other:
            pair.other += 1

    together(sim, work, work)
    assert pair.one == pair.other == 2


def nested(sim):
    """Two locks, one inside the other."""
    pair = Pair()
    one, other = threading.Lock(), threading.Lock()

    def work():
        with one:  # noqa: SIM117  # on lines of their own: each of them has its point
            with other:
                pair.one += 1

    together(sim, work, work)
    assert pair.one == 2


def twice_under_one_lock(sim):
    """Two locked sections of one lock, of two lines each, in each of two threads."""
    pair, lock = Pair(), threading.Lock()

    def work():
        with lock:
            seen = pair.one
            pair.one = seen + 1
        with lock:
            seen = pair.one
            pair.one = seen + 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert pair.one == 4


def in_comprehensions(sim):
    """A locked section in each of two threads, which are started and joined on one line each."""
    pair, lock = Pair(), threading.Lock()

    def work():
        with lock:
            pair.one += 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert pair.one == 2


def test_threads_that_are_started_and_joined_on_one_line_are_known():
    verdict = simsock.explore(in_comprehensions, 1_000, strategy="dfs", scope=[__file__])
    assert verdict.status == "holds"
    assert verdict.schedules < 120, "they would be thousands if those lines met everything"


@pytest.mark.parametrize(("test", "most"), [(programs.in_a_dictionary, 100), (programs.with_items_of_their_own, 20)])
def test_items_of_a_dictionary_are_known_by_their_keys(test, most):
    runs, errors = lines(test, scope=[programs.__file__])
    assert (runs < most, errors) == (True, set()), "they were 319, and more than 3,000"


@pytest.mark.parametrize(("test", "most"), [(sections, 700), (nested, 150), (twice_under_one_lock, 700)])
def test_healthy_twins_hold(test, most):
    verdict = simsock.explore(test, 5_000, strategy="dfs", scope=[__file__])
    assert (verdict.status, verdict.is_pruned, verdict.bound) == ("holds", True, 1)
    assert " schedules that can differ passed, preempted at lines of " in str(verdict)
    assert verdict.schedules < most


def test_a_program_that_asks_more_than_the_scheduler_does_not_hold():
    def test(sim):
        nested(sim)
        sim._kernel.tape.choose("something else", 2)

    assert simsock.explore(test, 3_000, strategy="dfs", scope=[__file__]).status == "inconclusive"


def test_a_run_that_asks_otherwise_than_before_is_not_said_to_hold():
    counted = itertools.count()

    def test(sim):
        if next(counted) % 3:
            sim.sleep(0)
            together(sim, sim.settle, sim.settle)
        nested(sim)

    assert simsock.explore(test, 300, strategy="dfs", scope=[__file__]).status == "inconclusive"


def test_what_a_transition_touches_is_looked_up_when_it_begins():
    """A lock that another task has put there while this one stood before the line that takes it."""
    found = set()

    class Box:
        def __init__(self):
            self.lock, self.log = threading.Lock(), []

    def test(sim):
        box = Box()
        old, new = box.lock, threading.Lock()

        def first():
            with box.lock:
                box.log.append("first")

        def second():
            box.lock = new
            with new:
                box.log.append("second")
            with old:
                box.log.append("second again")

        together(sim, first, second)
        found.add(tuple(box.log))

    lines(test)
    assert found == {("first", "second", "second again"), ("second", "first", "second again"), ("second", "second again", "first")}


def test_when_somebody_begins_to_wait_for_an_end_makes_no_difference():
    def test(sim):
        pair, lock = Pair(), threading.Lock()

        def work():
            with lock:
                pair.one += 1

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pair.one == 2

    runs, errors = lines(test)
    assert (runs < 110, errors) == (True, set()), "it is 82 now, and was 146 when it did"
