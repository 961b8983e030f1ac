"""Locks in opposite orders are told in runs in which nobody waits for ever; orders that cannot meet are not."""

from __future__ import annotations

import logging
import queue
import threading

import pytest

import simsock
from tests.oracles.programs import OPTIONS, keeps_books, laws


def one_after_the_other(*works):
    """Each in a thread of its own, of which the next is started when the one before has ended: no schedule makes them wait for each other."""
    for number, work in enumerate(works, 1):
        thread = threading.Thread(target=work, name=f"worker-{number}")
        thread.start()
        thread.join()


def at_once(*works):
    threads = [threading.Thread(target=work, name=f"worker-{number}") for number, work in enumerate(works, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def nested(*locks):
    def work():
        for lock in locks:
            lock.acquire()
        for lock in reversed(locks):
            lock.release()

    return work


class Account:
    def __init__(self, number):
        self.number = number
        self.lock = threading.Lock()
        self.balance = 100

    def transfer(self, other):
        with self.lock:
            self.balance -= 1
            with other.lock:
                other.balance += 1

    def transfer_carefully(self, other):
        first, second = sorted((self, other), key=lambda account: account.number)
        with first.lock, second.lock:
            self.balance -= 1
            other.balance += 1


def transfers(sim, method="transfer"):
    sim.watch_locks()
    one, other = Account(1), Account(2)
    at_once(lambda: getattr(one, method)(other), lambda: getattr(other, method)(one))


def transfers_carefully(sim):
    transfers(sim, "transfer_carefully")


def test_both_chains_are_told_with_their_places_in_the_plain_schedule():
    with pytest.raises(simsock.LockInversion) as caught, simsock.Simulation() as sim:
        transfers(sim)
    text = str(caught.value)
    assert "worker-2 took Lock-2 at" in text and "then Lock-1 at" in text
    assert "worker-1 took Lock-1 at" in text and "then Lock-2 at" in text
    assert text.count("with self.lock:") == text.count("with other.lock:") == 2


def test_a_search_finds_it_in_its_first_schedule_and_its_token_repeats_it():
    verdict = simsock.explore(transfers, 20)
    assert isinstance(verdict.error, simsock.LockInversion) and verdict.failing_schedule == 1
    with pytest.raises(simsock.LockInversion):
        simsock.replay(transfers, verdict.token)


def test_one_that_needs_an_order_is_found_by_the_search_and_shrunk():
    """Only who comes between two lines of the other takes the locks the other way round, and then nobody can wait for ever."""

    def rare(sim):
        sim.watch_locks()
        first, second = threading.Lock(), threading.Lock()
        released, done = [], []

        def work():
            mine = (second, first) if len(released) > len(done) else (first, second)
            with mine[0], mine[1]:
                pass
            released.append(1)
            done.append(1)

        at_once(work, work)

    verdict = simsock.explore(rare, 300)
    assert isinstance(verdict.error, simsock.LockInversion)
    assert len(verdict.deviations) == 1


@pytest.mark.parametrize("schedules", [40, pytest.param(2_000, marks=pytest.mark.exhaustive)])
def test_the_healthy_twin_is_never_accused(schedules):
    assert simsock.explore(transfers_carefully, schedules).status == "inconclusive"


def watched(body):
    """The inversion that is told of ``body()``, or None."""
    try:
        with simsock.Simulation() as sim:
            sim.watch_locks()
            body()
    except simsock.LockInversion as found:
        return found
    return None


def under(gate, work):
    def gated():
        with gate:
            work()

    return gated


def test_what_cannot_meet_is_not_told():
    def apart(how):
        def body():
            first, second = threading.Lock(), threading.Lock()
            how(first, second)

        return body

    def patiently(first, second):
        def work():
            with second:
                if first.acquire(timeout=1):
                    first.release()

        at_once(nested(first, second), work)

    def without_waiting(first, second):
        def work():
            with second:
                if first.acquire(blocking=False):
                    first.release()

        at_once(nested(first, second), work)

    def by_an_event(first, second):
        event = threading.Event()
        at_once(lambda: (nested(first, second)(), event.set()), lambda: (event.wait(), nested(second, first)()))

    def by_a_flag(first, second):
        event = threading.Event()

        def polls():
            while not event.is_set():
                pass
            nested(second, first)()

        at_once(lambda: (nested(first, second)(), event.set()), polls)

    def by_a_queue(first, second):
        items = queue.SimpleQueue()
        at_once(lambda: (nested(first, second)(), items.put(1)), lambda: (items.get(), nested(second, first)()))

    def under_a_gate(first, second):
        gate = threading.Lock()
        at_once(under(gate, nested(first, second)), under(gate, nested(second, first)))

    def in_one_order(first, second):
        at_once(nested(first, second), nested(first, second))

    def in_one_task(first, second):
        at_once(lambda: (nested(first, second)(), nested(second, first)()))

    def one_by_one(first, second):
        one_after_the_other(nested(first, second), nested(second, first))

    for how in (patiently, without_waiting, by_an_event, by_a_flag, by_a_queue, under_a_gate, in_one_order, in_one_task, one_by_one):
        assert watched(apart(how)) is None, how.__name__


def test_what_can_meet_is_told_although_it_met_under_other_locks():
    def body():
        first, second, one, other = (threading.Lock() for _ in range(4))
        at_once(under(one, nested(first, second)), under(other, nested(second, first)))

    found = watched(body)
    assert "worker-1 took Lock-3" in str(found) and str(found).count("then ") == 4


def test_a_lock_that_orders_by_chance_orders_nothing():
    """The first thread lets go of a third lock that the second one takes later: next time the second may be first."""

    def body():
        first, second, third = (threading.Lock() for _ in range(3))
        at_once(lambda: (nested(first, second)(), nested(third)()), lambda: (nested(third)(), nested(second, first)()))

    assert watched(body) is not None


def test_a_circle_of_three_is_told():
    def body():
        a, b, c = threading.Lock(), threading.RLock(), threading.Lock()
        at_once(nested(a, b), nested(b, b, c), nested(c, a))

    text = str(watched(body))
    assert "worker-3, worker-1 and worker-2 wait for each other" in text and "RLock-1" in text


def test_conditions_and_their_locks_count():
    def body():
        first, second = threading.Condition(), threading.Condition()

        def waits():
            with first:
                first.wait(1)
                nested(second)()

        at_once(waits, nested(second, first))

    text = str(watched(body))
    assert text.count("a condition's lock") == 4
    assert "inner" not in text and text.count("first.wait(1)") == 1, "what a condition waits by is none of the locks"


def test_waiting_for_a_condition_with_a_lock_in_hand_is_told():
    """Whoever is notified takes the condition's lock back while he has the other."""

    def body():
        condition, other = threading.Condition(threading.Lock()), threading.Lock()
        ready = []

        def waits():
            with condition, other:
                while not ready:
                    condition.wait()

        def notifies():
            with condition:
                ready.append(1)
                condition.notify()

        at_once(nested(condition, other), waits, notifies)

    assert watched(body) is not None


def test_several_are_told_as_one_and_their_number():
    def body():
        first, second, third = (threading.Lock() for _ in range(3))

        def forth():
            with first, second:
                pass
            with second, third:
                pass

        def back():
            with second, first:
                pass
            with third, second:
                pass

        at_once(forth, back)

    assert "and 1 more of the kind" in watched(body).__notes__


def test_a_lock_that_somebody_else_gives_back_is_held_no_more():
    def body():
        first, second = threading.Lock(), threading.Lock()
        first.acquire()
        one_after_the_other(first.release)
        other = threading.Thread(target=nested(second, first))
        other.start()
        with second:
            pass
        other.join()

    assert watched(body) is None


def test_the_standard_library_is_not_accused():
    with simsock.Simulation() as sim:
        sim.watch_locks()
        books = keeps_books(sim, lambda books: None)
        logger = logging.getLogger("tests.oracles")
        at_once(*[lambda: (books.add(1), logger.info("one"))] * 3)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_the_digest_is_the_same_with_it_and_without(options):
    assert laws(lambda sim, books: sim.watch_locks(), options) == laws(lambda sim, books: None, options)
