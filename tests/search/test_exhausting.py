"""``strategy="dfs"``: all schedules, none twice, those with the fewest preemptions first; and what may be said to hold."""

from __future__ import annotations

from itertools import pairwise
from math import comb

import pytest

import simsock
from simsock import UsageError
from tests.search import programs


def turns(points, found):
    """A test of two tasks with so many points each; ``found`` gathers the orders of their turns."""

    def test(sim):
        order = []

        def work(letter):
            for _ in range(points):
                sim._kernel.point()
                order.append(letter)

        for task in [sim.spawn(work, letter) for letter in "ab"]:
            task.result()
        found.append("".join(order))

    return test


@pytest.mark.parametrize("points", [1, 2, 3])
def test_every_order_is_tried_and_then_it_holds(points):
    found = []
    verdict = simsock.explore(turns(points, found), 5_000, strategy="dfs", preempt="calls")
    assert len(set(found)) == comb(2 * points, points)
    assert verdict.status == "holds"
    assert verdict.schedules == len(found)
    assert str(verdict).startswith(f"holds: all {len(found):,} schedules passed, preempted at calls")


def test_no_schedule_is_tried_twice():
    verdict = simsock.explore(programs.kept_update, 400, strategy="dfs")
    assert verdict.orders == verdict.schedules == 400
    assert verdict.new_at_the_end == 1.0


def switches_of(order):
    return sum(one != other for one, other in pairwise(order))


def test_schedules_with_fewer_preemptions_come_first_and_the_bound_is_told():
    found = []
    verdict = simsock.explore(turns(6, found), 5_000, strategy="dfs:1", preempt="calls")
    assert verdict.status == "inconclusive"
    assert verdict.bound == 1
    assert ": no failure with at most 1 preemption\n" in str(verdict)
    assert max(map(switches_of, found)) == 2
    assert {"a" * k + "b" * 6 + "a" * (6 - k) for k in range(7)} <= set(found)
    plain = []
    assert simsock.explore(turns(6, plain), 5_000, strategy="dfs:0", preempt="calls").bound == 0
    assert max(map(switches_of, plain)) == 1


def test_a_search_that_is_cut_short_says_up_to_how_many_preemptions_it_has_tried_all():
    verdict = simsock.explore(turns(8, []), 100, strategy="dfs", preempt="calls")
    assert (verdict.status, verdict.schedules) == ("inconclusive", 100)
    assert verdict.bound is not None
    assert simsock.explore(turns(8, []), 1, strategy="dfs", preempt="calls").bound is None


def test_a_failure_is_found_with_the_fewest_preemptions_told_and_repeated():
    verdict = simsock.explore(programs.lost_update, strategy="dfs")
    assert verdict.failed
    assert len(verdict.deviations) == 1
    with pytest.raises(AssertionError):
        simsock.replay(programs.lost_update, verdict.token)


def test_a_deadlock_of_two_locks_is_found():
    assert isinstance(simsock.explore(programs.two_locks, strategy="dfs").error, simsock.Deadlock)


def test_a_test_that_asks_more_than_the_scheduler_never_holds():
    def test(sim):
        sim.sleep(1)
        sim._kernel.tape.choose("something else", 2)

    verdict = simsock.explore(test, 100, strategy="dfs")
    assert verdict.status == "inconclusive"
    assert simsock.explore(lambda sim: sim.sleep(1), 100, strategy="dfs").status == "holds"


def test_a_world_alone_cannot_have_it():
    with pytest.raises(UsageError, match=r"dfs.* goes through all schedules"), simsock.Simulation(strategy="dfs"):
        pass
