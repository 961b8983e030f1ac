"""What ``threading`` does on its own account offers no switches: a search spends its schedules on the program."""

from __future__ import annotations

import queue
import statistics
import threading
from hashlib import blake2b

import pytest

import simsock
from simsock.stdlib import _bookkeeping


class Asked:
    """A strategy that switches nowhere and notes who was asked."""

    def __init__(self):
        self.who = []

    def begin(self, run):
        self.who.clear()

    def pick(self, task, runnable, preempting):
        self.who.append(task.path if preempting else "-")
        return runnable[0]

    def end(self, run):
        pass


def asked(body):
    """Before which operations of its first task and of its threads a program could be switched, by task."""
    strategy = Asked()
    with simsock.Simulation(strategy=strategy, preempt="calls"):
        body()
    return strategy.who


def test_the_methods_are_there_on_this_python():
    names = {code.co_qualname for code in _bookkeeping.codes.values()}
    assert names == {"Condition._is_owned", "Condition._release_save", "Condition.notify"}


def test_starting_and_joining_a_thread_offer_nothing_inside():
    def body():
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()

    assert asked(body).count("main") <= 2  # whether the starter goes on, and the join


def test_a_race_of_standard_threads_is_found_soon_with_every_seed():
    def lost_update(sim):
        number = [0]

        def add():
            seen = number[0]
            more = seen + 1
            number[0] = more

        threads = [threading.Thread(target=add) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert number == [2]

    verdicts = [simsock.explore(lost_update, schedules=200, seed=seed, strategy="random", preempt="lines", shrink=False) for seed in range(20)]
    assert all(verdict.failed for verdict in verdicts)
    assert statistics.median(verdict.schedules for verdict in verdicts) <= 40


def test_what_the_program_calls_is_a_point_even_as_a_thread_s_target():
    """``Event.set`` is the program's here, although ``Thread.run`` calls it."""

    def body():
        ready = threading.Event()
        threads = [threading.Thread(target=ready.set, name="setter") for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert "setter" in asked(body)


@pytest.mark.parametrize("strategy", ["fifo", "random"])
def test_who_polls_by_what_stands_on_locks_does_not_keep_the_others_from_running(strategy):
    with simsock.Simulation(strategy=strategy, max_steps=50_000):
        places = threading.Semaphore(0)
        condition = threading.Condition()
        told = []

        def free():
            with condition:
                told.append(1)
            places.release()

        threads = [threading.Thread(target=free) for _ in range(2)]
        threads[0].start()
        while not places.acquire(blocking=False):
            pass
        threads[1].start()
        with condition:
            while len(told) < 2:
                condition.wait(0)
        for thread in threads:
            thread.join()
        assert told == [1, 1]


def test_an_operation_that_must_wait_waits_wherever_it_stands():
    """``start`` waits until the thread runs, whose first step takes a lock that somebody has."""
    with simsock.Simulation(strategy="random", seed=3) as sim:
        order = []

        def work(name):
            order.append(name)
            sim.sleep(1)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        assert threading.active_count() == 6
        for thread in threads:
            thread.join()
        assert sorted(order) == [0, 1, 2, 3, 4]
        assert sim.now == 1


def producer_and_consumer():
    """Standard threads over a standard queue."""
    items: queue.Queue[int | None] = queue.Queue(2)
    taken = []

    def produce():
        for number in range(5):
            items.put(number)
        items.put(None)

    def consume():
        while (item := items.get()) is not None:
            taken.append(item)

    threads = [threading.Thread(target=produce), threading.Thread(target=consume)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [0, 1, 2, 3, 4]


def all_at_the_barrier():
    """Standard threads that meet by an event, a semaphore and a barrier."""
    gate, place, together = threading.Event(), threading.Semaphore(1), threading.Barrier(3)

    def work():
        with place:
            pass
        gate.wait()
        together.wait()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(("body", "expected"), [(producer_and_consumer, "a5e71f0c2832876b"), (all_at_the_barrier, "b8db161c0f098216")])
def test_schedules_of_standard_threads_are_the_same_on_every_python(body, expected):
    digests = []
    for seed in range(10):
        with simsock.Simulation(seed=seed, strategy="random") as sim:
            body()
            digests.append(sim.digest)
    assert len(set(digests)) > 5
    assert blake2b("".join(digests).encode(), digest_size=8).hexdigest() == expected


@pytest.mark.parametrize("make", [threading.Event, threading.Condition, lambda: threading.Condition(threading.Lock())], ids=["event", "condition", "lock"])
def test_telling_those_who_wait_lets_nobody_else_run_first(make):
    """A condition asks whether its lock is held by trying to take it: that is no poll of the program's."""
    with simsock.Simulation() as sim:
        log = []
        told = make()
        sim.spawn(log.append, "other")
        if isinstance(told, threading.Event):
            told.set()
            told.clear()
        else:
            with told:
                told.notify()
                told.notify_all()
        log.append("main")
    assert log == ["main", "other"]
