"""Races on what is watched are told in runs that came out right; what the program orders is not."""

from __future__ import annotations

import copy
import pickle
import threading
import types
from dataclasses import dataclass

import pytest

import simsock
from tests.oracles.handshakes import KINDS, Box, by_flag, passes, through_a_pool
from tests.oracles.programs import OPTIONS, laws


class Counter:
    step = 1

    def __init__(self):
        self.total = 0
        self.lock = threading.Lock()
        self.other = threading.Lock()

    def add(self):
        self.total += self.step

    def add_carefully(self):
        with self.lock:
            self.total += self.step

    def add_under_another_lock(self):
        with self.other:
            self.total += self.step


def counts(sim, *how, **options):
    counter = Counter()
    sim.watch(counter, "total", **options)
    threads = [threading.Thread(target=work, args=(counter,), name=f"worker-{number}") for number, work in enumerate(how or (Counter.add,) * 2, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.total == len(threads)


def counts_carefully(sim):
    counts(sim, Counter.add_carefully, Counter.add_carefully)


def race(body, **options):
    """The race that is told of ``body(sim)``, or None."""
    try:
        with simsock.Simulation(**options) as sim:
            body(sim)
    except simsock.DataRace as found:
        return found
    return None


def test_both_lines_are_told_and_the_locks_that_each_had():
    text = str(race(lambda sim: counts(sim, Counter.add_under_another_lock, Counter.add_carefully)))
    assert "a race on Counter.total" in text
    assert "worker-1 writes it at" in text and "worker-2 reads it at" in text
    assert text.count("self.total += self.step") == 2
    assert "(holding Lock-2)" in text and "(holding Lock-1)" in text


def test_a_search_tells_it_of_its_first_schedule_and_its_token_repeats_it():
    verdict = simsock.explore(counts, 20)
    assert isinstance(verdict.error, simsock.DataRace) and verdict.failing_schedule == 1 and verdict.deviations == []
    with pytest.raises(simsock.DataRace):
        simsock.replay(counts, verdict.token)


def test_one_that_needs_an_order_is_found_and_shrunk():
    """Only who comes while the other is at it adds without the lock."""

    def rare(sim):
        counter, busy = Counter(), []
        sim.watch(counter, "total")

        def work():
            mine = Counter.add if len(busy) == 1 else Counter.add_carefully
            busy.append(1)
            mine(counter)
            busy.append(2)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    verdict = simsock.explore(rare, 200)
    assert isinstance(verdict.error, simsock.DataRace)
    assert len(verdict.deviations) == 1


@pytest.mark.parametrize("schedules", [40, pytest.param(2_000, marks=pytest.mark.exhaustive)])
def test_the_healthy_twin_is_never_accused(schedules):
    assert simsock.explore(counts_carefully, schedules).status == "inconclusive"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_orders_is_heeded(kind):
    for options in ({}, {"strategy": "random", "preempt": "lines", "scope": passes.__code__.co_filename}):
        assert race(lambda sim: passes(sim, kind), **options) is None


def test_a_flag_that_is_seen_before_its_setter_has_let_go_orders():
    """``Event.set`` may be switched out between putting the flag up and giving the lock back."""
    verdict = simsock.explore(lambda sim: passes(sim, by_flag), 60, scope=passes.__code__.co_filename)
    assert verdict.status == "inconclusive", str(verdict)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_orders_is_heeded_in_many_schedules(kind):
    verdict = simsock.explore(lambda sim: passes(sim, kind), 300, scope=passes.__code__.co_filename)
    assert verdict.status == "inconclusive", str(verdict)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_done_after_it_was_said_is_told(kind):
    verdict = simsock.explore(lambda sim: passes(sim, kind, Box.hand_over_early), 100, shrink=False, scope=passes.__code__.co_filename)
    assert isinstance(verdict.error, simsock.DataRace)


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_pools_and_their_futures_order(preempt):
    assert race(through_a_pool, preempt=preempt, strategy="random", scope=__file__) is None


def test_starts_and_ends_order_however_an_end_is_learned():
    def body(sim):
        counter = Counter()
        sim.watch(counter)
        first = threading.Thread(target=counter.add)
        first.start()
        while first.is_alive():
            pass
        counter.add()
        sim.spawn(counter.add).result()
        counter.add()
        second = threading.Thread(target=first.join)
        second.start()
        second.join()
        assert counter.total == 4

    assert race(body) is None


def test_what_the_test_looks_at_after_it_let_the_world_run_is_no_race():
    def body(sim):
        counter = Counter()
        sim.watch(counter)

        def ticks():
            for _ in range(4):
                counter.add()
                sim.sleep(1)

        sim.spawn(ticks)
        sim.settle()
        assert counter.total == 1
        sim.sleep(1.5)
        assert counter.total == 2
        sim.run_until(lambda: counter.total == 3)
        counter.total -= 1
        sim.sleep(9)

    assert race(body) is None


def test_two_tasks_are_not_ordered_by_the_test_s_waiting():
    def body(sim):
        counter = Counter()
        sim.watch(counter)
        sim.spawn(lambda: (sim.network.time.sleep(1), counter.add()))
        sim.spawn(lambda: (sim.network.time.sleep(3), counter.add()))
        sim.sleep(2)
        sim.sleep(2)

    assert race(body) is not None


@pytest.mark.parametrize("waits", [True, False])
def test_the_modules_of_sim_network_order_too(waits):
    def body(sim):
        counter, threads = Counter(), sim.network.threading
        event = threads.Event()
        sim.watch(counter, "total")

        def second():
            if waits:
                event.wait()
            counter.add()

        both = [threads.Thread(target=lambda: (counter.add(), event.set())), threads.Thread(target=second)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        counter.add()

    assert (race(body, patch=False) is None) is waits


def test_what_always_asks_is_no_use():
    def body(sim):
        counter = Counter()
        sim.watch(counter)
        sim.always(lambda: counter.total >= 0)
        thread = threading.Thread(target=counter.add)
        thread.start()
        threading.Lock().acquire()
        thread.join()

    assert race(body) is None


def test_one_who_looks_after_a_write_does_not_hide_it_from_another_who_may_look_before():
    def body(sim):
        counter, written = Counter(), threading.Event()
        sim.watch(counter, "total")
        works = (lambda: (counter.add(), written.set()), lambda: (written.wait(), counter.total), lambda: counter.total)
        threads = [threading.Thread(target=work, name=f"worker-{number}") for number, work in enumerate(works, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert "worker-1 writes" in str(race(body)) and "worker-3 reads" in str(race(body))


def test_time_orders_nothing():
    def body(sim):
        import time

        counter = Counter()
        sim.watch(counter)
        thread = threading.Thread(target=counter.add)
        thread.start()
        time.sleep(5)
        counter.add()
        thread.join()

    assert race(body) is not None


def test_reads_alone_do_not_race_and_other_objects_are_not_looked_at():
    def body(sim):
        counter, other = Counter(), Counter()
        sim.watch(counter, "total", "step")
        works = (lambda: counter.total + counter.step + other.total, other.add, other.add)
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert race(body) is None


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_the_digest_is_the_same_with_it_and_without(options):
    assert laws(lambda sim, books: sim.watch(books, "lines"), options) == laws(lambda sim, books: None, options)


def test_each_use_is_a_point_if_that_is_wanted():
    """With calls alone the two never meet between reading and writing."""
    steps = []
    for points in (False, True):
        with pytest.raises(simsock.DataRace), simsock.Simulation() as sim:
            counts(sim, points=points)
        steps.append(sim._kernel.steps)
    assert steps[1] >= steps[0] + 4

    def lost(sim):
        sim.expect_errors(simsock.DataRace)
        counts(sim, points=True)

    assert simsock.explore(lost, 20, preempt="calls").failing_schedule > 1


class Slotted:
    __slots__ = ("value",)

    def __init__(self):
        self.value = 1


@dataclass
class Point:
    x: int = 0
    y: int = 0


class Lazy:
    kind = "lazy"

    def __init__(self):
        self.value = 1

    def __getattr__(self, name):
        return f"made up {name}"


def of_classes():
    return [{name: value for name, value in vars(cls).items() if name != "__slotnames__"} for cls in (Slotted, Point, Lazy)]


def test_the_object_and_its_class_are_used_as_before():
    before = of_classes()
    with simsock.Simulation() as sim:
        slotted, point, lazy, another = Slotted(), Point(1, 2), Lazy(), Point(5)
        for thing in (slotted, point, lazy):
            sim.watch(thing)
        sim.watch(lazy, "kind")
        slotted.value += 1
        point.x += 1
        lazy.value += 1
        assert (slotted.value, point.x, lazy.value, lazy.kind, Lazy.kind, lazy.absent) == (2, 2, 2, "lazy", "lazy", "made up absent")
        assert vars(point) == {"x": 2, "y": 2} and point == Point(2, 2) and another.x == 5 and Point.x == 0
        assert copy.deepcopy(point) == point and pickle.loads(pickle.dumps(point)) == point
        del point.x
        assert point.x == 0  # the class's
        del slotted.value, lazy.value
        assert lazy.value == "made up value"
        with pytest.raises(AttributeError, match="'Slotted' object has no attribute 'value'"):
            _ = slotted.value
        with pytest.raises(AttributeError):
            del slotted.value
        lazy.kind = "own"
        assert (lazy.kind, Lazy.kind) == ("own", "lazy")
    assert of_classes() == before
    assert lazy.kind == "own"


def test_a_block_ends_the_watching_and_what_was_found_is_told_all_the_same():
    def body(sim, late):
        counter = Counter()
        with sim.watch(counter, "total"):
            if not late:
                counter.add()
                thread = threading.Thread(target=counter.add)
                thread.start()
                counter.add()
                thread.join()
        threads = [threading.Thread(target=counter.add) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert race(lambda sim: body(sim, late=False)) is not None
    assert race(lambda sim: body(sim, late=True)) is None


@pytest.mark.parametrize(
    ("thing", "names", "words"),
    [
        ([1], (), "expected an object of a class written in Python, got list"),
        (types, ("x",), "the globals of a module are read without a call"),
        (Counter, ("step",), "expected an object, got the class Counter"),
        (Counter(), ("totl",), "Counter has no attribute 'totl'; did you mean 'total'"),
        (Counter(), ("add",), "Counter.add is computed"),
        (Counter(), (3,), "expected names of attributes, got 3"),
        (threading.Event(), ("_nothing",), "has no attribute '_nothing'"),
    ],
)
def test_what_cannot_be_watched_is_refused_by_name(thing, names, words):
    with simsock.Simulation() as sim, pytest.raises(simsock.UsageError, match=words):
        sim.watch(thing, *names)
    with simsock.Simulation() as sim, pytest.raises(simsock.UsageError, match="points: expected True or False, got 1"):
        sim.watch(Counter(), points=1)
