"""What a search says that it has seen."""

from __future__ import annotations

import threading

import simsock
from simsock.search.evidence import Evidence
from tests.search import programs


def test_orders_are_counted_once_with_the_schedule_that_showed_them_first():
    evidence = Evidence()
    evidence.note(1, [], 2)
    evidence.note(2, [("task a schedule", 3, 1)], 3)
    evidence.note(3, [("task a schedule", 3, 1), ("link a->b loss", 1, 1)], 1)
    assert evidence.orders == 2, "what links do is no order of tasks"
    assert evidence.alive == 3


def test_what_processes_saw_is_put_together_in_any_order():
    one, other = Evidence(), Evidence()
    one.note(7, [("task a schedule", 3, 1)], 2)
    other.note(4, [("task a schedule", 3, 1)], 5)
    other.note(5, [("task a schedule", 4, 1)], 2)
    left, right = Evidence(), Evidence()
    for into, parts in ((left, (one, other)), (right, (other, one))):
        for part in parts:
            into.merge(part)
    assert left.seen == right.seen
    assert (left.orders, left.alive) == (2, 5)
    assert sorted(left.seen.values()) == [4, 5]


def test_the_share_that_was_new_at_the_end_is_that_of_the_last_tenth():
    evidence = Evidence()
    for number in range(1, 101):
        evidence.note(number, [("task a schedule", min(number, 95), 1)], 1)
    assert evidence.orders == 95
    assert evidence.new_at_the_end(100) == 0.5


def test_a_test_with_one_task_has_one_order_and_a_verdict_says_so():
    verdict = simsock.explore(lambda sim: sim.sleep(1), 20)
    assert (verdict.orders, verdict.new_at_the_end, verdict.alive) == (1, 0.0, 1)
    assert str(verdict).splitlines()[1] == "1 different order, 0% of the last tenth new; at most 1 task alive at once"


def test_a_failing_verdict_says_what_was_seen_until_then():
    verdict = simsock.explore(programs.lost_update)
    assert verdict.failed
    assert 1 <= verdict.orders <= verdict.schedules
    assert verdict.alive == 4


def test_threads_count_as_tasks():
    def test(sim):
        threads = [threading.Thread(target=lambda: None) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert 2 <= simsock.explore(test, 50).alive <= 5
