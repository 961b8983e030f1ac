"""What a search says that it has seen."""

from __future__ import annotations

import threading
from math import comb

import simsock
from simsock.kernel.strategies.orders_seen import is_looked_at, looked_at
from simsock.search.evidence import Evidence
from tests.search import programs


def test_orders_are_counted_once_with_the_schedule_that_showed_them_first():
    evidence = Evidence()
    evidence.note(1, 0, 2)
    evidence.note(2, 77, 3)
    evidence.note(3, 77, 1)
    evidence.note(4, None, 1)
    assert evidence.orders == 2, "what was not looked at is no order"
    assert evidence.alive == 3
    assert sorted(evidence.seen.values()) == [1, 2]


def test_orders_of_turns_are_told_by_what_the_scheduler_picked():
    evidence = Evidence()
    evidence.note_turns(1, [], 2)
    evidence.note_turns(2, [("task a schedule", 3, 1)], 3)
    evidence.note_turns(3, [("task a schedule", 3, 1), ("link a->b loss", 1, 1)], 1)
    assert evidence.orders == 2, "what links do is no order of tasks"


def test_what_processes_saw_is_put_together_in_any_order():
    one, other = Evidence(), Evidence()
    one.note(7, 31, 2)
    other.note(4, 31, 5)
    other.note(5, 41, 2)
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
        evidence.note(number, min(number, 95), 1)
    assert evidence.orders == 95
    assert evidence.new_at_the_end(100) == 0.5


def test_of_later_schedules_a_share_is_looked_at_and_told():
    evidence = Evidence()
    for number in range(1, 1_001):
        evidence.note(number, number if is_looked_at(number) else None, 1)
    assert looked_at(1, 1_000) == evidence.orders == sum(map(is_looked_at, range(1, 1_001))) < 220
    assert looked_at(901, 1_000) == sum(map(is_looked_at, range(901, 1_001)))
    assert evidence.new_at_the_end(1_000) == 1.0
    assert evidence.text(1_000).startswith(f"{evidence.orders} different orders in {evidence.orders} of the schedules, 100% of the last tenth new")


class Fields:
    one = two = 0


def test_orders_that_only_exchange_independent_steps_are_one():
    def test(sim):
        fields = Fields()

        def first():
            for _ in range(3):
                fields.one = 1

        def second():
            for _ in range(3):
                fields.two = 1

        for task in [sim.spawn(first), sim.spawn(second)]:
            task.result()

    verdict = simsock.explore(test, 60, strategy="random")
    assert verdict.orders == 1


def test_orders_of_writes_to_one_name_are_as_many_as_there_are():
    verdict = simsock.explore(two_writers, 300, strategy="surw")
    assert verdict.orders == comb(4, 2), "two tasks with two writes each"
    assert verdict.new_at_the_end == 0.0


def two_writers(sim):
    fields = Fields()

    def write(value):
        fields.one = value
        fields.one = value

    for task in [sim.spawn(write, 1), sim.spawn(write, 2)]:
        task.result()


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
