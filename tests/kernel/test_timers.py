"""Timers in one total order, and cancelled ones that do not pile up."""

from __future__ import annotations

import pytest

from simsock.kernel.timers import Timers


@pytest.fixture
def timers():
    return Timers()


def due(timers, now):
    """The arguments of what fires up to ``now``, in order."""
    fired = []
    while (timer := timers.pop_due(now)) is not None:
        fired.append(timer.argument)
    return fired


def test_they_fire_by_deadline_and_equal_ones_in_the_order_in_which_they_were_set(timers):
    for deadline, name in ((5, "b"), (3, "a"), (5, "c"), (9, "d")):
        timers.add(deadline, print, name)
    assert timers.next_deadline() == 3
    assert due(timers, 2) == []
    assert due(timers, 5) == ["a", "b", "c"]
    assert len(timers) == 1 and timers.next_deadline() == 9


def test_a_cancelled_one_is_not_counted_and_never_fires(timers):
    first, second = timers.add(1, print, "first"), timers.add(2, print, "second")
    timers.cancel(first)
    timers.cancel(first)
    assert len(timers) == 1 and timers.pending() == [second]
    assert first.argument is None  # it holds nothing any more
    assert due(timers, 9) == ["second"]
    assert len(timers) == 0 and timers.next_deadline() is None


def test_cancelled_ones_never_outnumber_the_live_for_long(timers):
    for _ in range(20):
        for timer in [timers.add(10, print, None) for _ in range(100)]:
            timers.cancel(timer)
        assert len(timers._heap) <= 400
    assert len(timers) == 0


def test_the_count_is_right_after_each_clean_up(timers):
    live = [timers.add(1_000 + number, print, number) for number in range(50)]
    for _ in range(3):
        for timer in [timers.add(5, print, None) for _ in range(600)]:
            timers.cancel(timer)
        assert len(timers) == len(timers.pending()) == 50
    timers.cancel(live[0])
    assert len(timers) == 49
    assert due(timers, 10_000) == list(range(1, 50))
    assert len(timers) == 0


def test_few_cancelled_ones_stay_where_they_are(timers):
    for timer in [timers.add(1, print, None) for _ in range(200)]:
        timers.cancel(timer)
    assert len(timers._heap) == 200
