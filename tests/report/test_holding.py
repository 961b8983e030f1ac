"""Who holds what when nothing goes on, in stories: also of semaphores, which threading counts by itself."""

from __future__ import annotations

import re
import threading

import pytest

import simsock


def told(test, **options):
    verdict = simsock.explore(test, schedules=200, **options)
    assert isinstance(verdict.error, simsock.Deadlock)
    lines = str(verdict).splitlines()
    begin = lines.index("who holds what:") + 1
    return [re.sub(r"test_holding\.py:\d+", "here", line) for line in lines[begin:] if line.startswith("  - ")]


def together(*functions):
    threads = [threading.Thread(target=function, name=function.__name__) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_of_a_semaphore_everybody_who_has_one_is_told(preempt):
    def test(sim):
        seats = threading.Semaphore(2)

        def take_two():
            seats.acquire()
            with seats:
                pass
            seats.release()

        def take_two_as_well():
            take_two()

        together(take_two, take_two_as_well)

    took = "take_two took one at here, take_two_as_well took one at here"
    said = told(test, preempt=preempt)
    assert sorted(re.sub(r"Semaphore-\d+ \(.*?\)", "it", line) for line in said) == [
        f"  - it: {took}, take_two waits for one at here",
        f"  - it: {took}, take_two_as_well waits for one at here",
    ]
    assert "Semaphore-1 (seats)" in said[0]


def test_one_that_was_given_back_or_not_had_at_all_is_held_by_nobody():
    def test(sim):
        seats = threading.BoundedSemaphore(2)

        def takes_and_returns():
            for _ in range(3):
                with seats:
                    pass

        def leaks():
            assert seats.acquire(timeout=1)
            assert seats.acquire(timeout=1)
            assert not seats.acquire(blocking=False)
            assert not seats.acquire(timeout=1)

        def gives_back_for_another():
            seats.release()

        def waits():
            for _ in range(2):
                seats.acquire()

        for function in (takes_and_returns, leaks, gives_back_for_another, waits):
            together(function)

    leaked = "leaks took one at here, waits took one at here, waits waits for one at here"
    assert told(test, preempt="calls") == [f"  - BoundedSemaphore-1 (seats): {leaked}"]


def test_a_count_of_several_at_once_is_kept():
    def test(sim):
        seats = threading.Semaphore(0)

        def gives():
            seats.release(3)

        def takes():
            seats.acquire()

        def takes_all():
            for _ in range(3):
                seats.acquire()

        together(gives)
        together(takes)
        together(takes_all)

    both = "takes took one at here, takes_all took one at here, takes_all waits for one at here"
    assert told(test, preempt="calls") == [f"  - Semaphore-1 (seats): {both}"]


def test_a_lock_and_a_semaphore_are_told_side_by_side():
    def test(sim):
        lock, seats = threading.Lock(), threading.Semaphore(1)

        def one():
            with lock, seats:
                pass

        def two():
            with seats, lock:
                pass

        together(one, two)

    assert sorted(told(test, preempt="calls")) == [
        "  - Lock-1 (lock): one took it at here, two waits for it at here",
        "  - Semaphore-1 (seats): two took one at here, one waits for one at here",
    ]
