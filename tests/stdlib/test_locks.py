"""Locks and semaphores: who holds them, who gets them next, how long the others wait."""

from __future__ import annotations

import _thread
import copy
import pickle
from collections import deque

import pytest

from simsock import Simulation
from simsock.errors import Deadlock, StepLimit, UsageError
from simsock.stdlib import threading, time

SECOND = 1_000_000_000
SEEDS = range(12)
LOCKS = ["Lock", "RLock"]


def holding(lock, seconds, log=None, name=None):
    """A program that holds a lock for a while."""

    def program():
        with lock:
            if log is not None:
                log.append(name)
            time.sleep(seconds)

    return program


# The same as the real ones


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_that_is_free_is_taken_and_one_that_is_held_is_not(std, kind):
    lock = getattr(std.threading, kind)()
    assert lock.acquire() is True
    answers = []
    other = std.threading.Thread(target=lambda: answers.extend([lock.acquire(False), lock.acquire(blocking=False), lock.acquire(True, 0)]))
    other.start()
    other.join()
    assert answers == [False, False, False]
    lock.release()
    assert lock.acquire(blocking=False) is True


def test_a_lock_says_whether_it_is_held(std):
    lock = std.threading.Lock()
    assert lock.locked() is False
    with lock:
        assert lock.locked() is True
    assert lock.locked() is False


def test_any_thread_may_release_a_lock(std):
    lock = std.threading.Lock()
    lock.acquire()
    thread = std.threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    assert lock.acquire(False)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((False, 1), ValueError, "can't specify a timeout for a non-blocking call"),
        ((True, -2), ValueError, "timeout value must be"),
        ((True, float("nan")), ValueError, r"Invalid value NaN \(not a number\)"),
        ((True, float("inf")), OverflowError, "timestamp"),
        ((True, 1e20), OverflowError, "timestamp"),
        ((True, "1"), TypeError, "str"),
        ((True, None), TypeError, "NoneType"),
    ],
)
@pytest.mark.parametrize("kind", LOCKS)
def test_senseless_arguments_of_acquire_are_refused_even_when_the_lock_is_free(std, kind, arguments, error, text):
    with pytest.raises(error, match=text):
        getattr(std.threading, kind)().acquire(*arguments)


@pytest.mark.skipif(not hasattr(_thread.RLock, "locked"), reason="CPython has it from 3.14 on")
def test_a_reentrant_lock_tells_whether_anybody_holds_it_and_so_does_its_condition(std):
    lock = std.threading.RLock()
    condition = std.threading.Condition(lock)
    assert not lock.locked() and not condition.locked()
    seen = []
    with lock, lock:
        asker = std.threading.Thread(target=lambda: seen.append((lock.locked(), condition.locked())))
        asker.start()
        asker.join()
        assert lock.locked()
    assert seen == [(True, True)] and not lock.locked()


def test_a_lock_that_nobody_holds_cannot_be_released(std):
    with pytest.raises(RuntimeError, match=r"^release unlocked lock$"):
        std.threading.Lock().release()


def test_a_reentrant_lock_is_released_by_its_holder_only(std):
    lock = std.threading.RLock()
    with pytest.raises(RuntimeError, match=r"^cannot release un-acquired lock$"):
        lock.release()
    seen = []

    def release():
        try:
            lock.release()
        except RuntimeError as error:
            seen.append(str(error))

    with lock:
        thread = std.threading.Thread(target=release)
        thread.start()
        thread.join()
    assert seen == ["cannot release un-acquired lock"]


def test_a_reentrant_lock_counts_for_its_holder_only(std):
    lock = std.threading.RLock()
    counts = [lock._recursion_count()]
    with lock, lock:
        counts.append(lock._recursion_count())
        asker = std.threading.Thread(target=lambda: counts.append(lock._recursion_count()))
        asker.start()
        asker.join()
    assert [*counts, lock._recursion_count()] == [0, 2, 0, 0]


def test_a_reentrant_lock_is_free_after_as_many_releases_as_acquires(std):
    lock = std.threading.RLock()
    answers = []

    def probe():
        answers.append(lock.acquire(False))
        if answers[-1]:
            lock.release()

    def ask():
        thread = std.threading.Thread(target=probe)
        thread.start()
        thread.join()

    for _ in range(3):
        lock.acquire()
    for _ in range(3):
        ask()
        lock.release()
    ask()
    assert answers == [False, False, False, True]


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_can_be_neither_pickled_nor_copied(std, kind):
    lock = getattr(std.threading, kind)()
    with pytest.raises(TypeError, match="cannot pickle '_thread"):
        pickle.dumps(lock)
    with pytest.raises(TypeError, match="cannot pickle '_thread"):
        copy.deepcopy(lock)


def test_a_semaphore_lets_so_many_in(std):
    semaphore = std.threading.Semaphore(2)
    assert [semaphore.acquire(False) for _ in range(3)] == [True, True, False]
    semaphore.release(2)
    assert [semaphore.acquire(blocking=False) for _ in range(3)] == [True, True, False]


def test_a_semaphore_refuses_what_makes_no_sense(std):
    with pytest.raises(ValueError, match=r"^semaphore initial value must be >= 0$"):
        std.threading.Semaphore(-1)
    semaphore = std.threading.Semaphore()
    with pytest.raises(ValueError, match=r"^can't specify timeout for non-blocking acquire$"):
        semaphore.acquire(False, 1)
    with pytest.raises(ValueError, match=r"^n must be one or more$"):
        semaphore.release(0)


def test_a_bounded_semaphore_cannot_be_given_more_than_it_had(std):
    semaphore = std.threading.BoundedSemaphore(2)
    with pytest.raises(ValueError, match=r"^Semaphore released too many times$"):
        semaphore.release()
    with semaphore, semaphore:
        semaphore.release()
        with pytest.raises(ValueError, match=r"^Semaphore released too many times$"):
            semaphore.release(2)
        semaphore.acquire()


# Who waits how long


@pytest.mark.parametrize("kind", [*LOCKS, "Semaphore"])
def test_waiters_are_served_first_come_first_served_at_the_moment_of_the_release(world, kind):
    with world() as kernel:
        lock = getattr(threading, kind)()
        log = []

        def wait(name):
            with lock:
                log.append((name, round(kernel.now, -4)))
                time.sleep(1)

        kernel.spawn(holding(lock, 10))
        for name in "abc":
            time.sleep(1)
            kernel.spawn(wait, (name,))
        time.sleep(20)
        assert log == [("a", 10 * SECOND), ("b", 11 * SECOND), ("c", 12 * SECOND)]


@pytest.mark.parametrize("kind", [*LOCKS, "Semaphore"])
def test_a_wait_with_a_timeout_ends_at_its_deadline(world, kind):
    with world() as kernel:
        lock = getattr(threading, kind)()
        kernel.spawn(holding(lock, 10))
        kernel.yield_()
        assert lock.acquire(timeout=2.5) is False
        assert round(kernel.now, -4) == 2.5 * SECOND
        assert lock.acquire(timeout=8) is True
        assert round(kernel.now, -4) == 10 * SECOND


def test_a_waiter_that_gave_up_is_not_waited_for(world):
    with world() as kernel:
        lock = threading.Lock()
        log = []
        kernel.spawn(holding(lock, 10))
        kernel.spawn(lambda: log.append(("impatient", lock.acquire(timeout=1), round(kernel.now, -4))))
        kernel.spawn(lambda: log.append(("patient", lock.acquire(timeout=60), round(kernel.now, -4))))
        time.sleep(30)
        assert log == [("impatient", False, SECOND), ("patient", True, 10 * SECOND)]


@pytest.mark.parametrize("kind", [*LOCKS, "Semaphore"])
def test_whoever_comes_by_may_take_what_was_released_before_the_woken_task_runs(world, kind):
    with world() as kernel:
        lock = getattr(threading, kind)()
        log = []
        lock.acquire()
        kernel.spawn(holding(lock, 0, log, "waiter"))
        kernel.yield_()
        lock.release()
        assert lock.acquire(False) is True
        log.append("first")
        lock.release()
        time.sleep(1)
        assert log == ["first", "waiter"]


@pytest.mark.parametrize("kind", LOCKS)
def test_a_task_that_never_lets_go_for_long_does_not_starve_the_others(world, kind):
    with world() as kernel:
        lock = getattr(threading, kind)()
        log = []

        def greedy():
            for turn in range(5):
                with lock:
                    log.append(f"greedy {turn}")
                    time.sleep(1)

        kernel.spawn(greedy)
        kernel.yield_()
        for name in ("one", "two"):
            kernel.spawn(holding(lock, 1, log, name))
        time.sleep(60)
        assert log == ["greedy 0", "greedy 1", "one", "two", "greedy 2", "greedy 3", "greedy 4"]


@pytest.mark.parametrize("kind", [*LOCKS, "Semaphore"])
def test_a_task_cancelled_between_being_woken_and_taking_the_lock_passes_it_on(world, kind):
    with world() as kernel:
        lock = getattr(threading, kind)()
        log = []
        lock.acquire()
        first = kernel.spawn(holding(lock, 0, log, "first"))
        kernel.spawn(holding(lock, 0, log, "second"))
        kernel.yield_()
        lock.release()
        first.cancel()
        time.sleep(1)
        assert log == ["second"]
        assert lock.acquire(False) is True


@pytest.mark.parametrize("kind", [*LOCKS, "Semaphore"])
def test_a_task_cancelled_after_the_lock_was_handed_to_it_passes_it_on(world, kind):
    with world() as kernel:
        lock = getattr(threading, kind)()
        log = []
        lock.acquire()
        first = kernel.spawn(holding(lock, 0, log, "first"))
        kernel.spawn(holding(lock, 0, log, "second"))
        kernel.yield_()
        lock.release()
        lock.acquire()  # overtakes the first, which is to be handed the lock from now on
        kernel.yield_()
        lock.release()
        first.cancel()
        time.sleep(1)
        assert log == ["second"]
        assert lock.acquire(False) is True


def test_a_recursive_lock_that_was_handed_over_counts_like_any_other(world):
    with world() as kernel:
        lock = threading.RLock()
        log = []

        def twice():
            with lock:
                with lock:
                    pass
                time.sleep(1)
                log.append("twice")

        lock.acquire()
        kernel.spawn(twice)
        kernel.yield_()
        lock.release()
        lock.acquire()
        kernel.yield_()
        lock.release()
        with lock:
            log.append("after")
        assert log == ["twice", "after"]


def test_several_units_released_at_once_wake_as_many(world):
    with world() as kernel:
        semaphore = threading.Semaphore(0)
        log = []
        for name in range(4):
            kernel.spawn(lambda name=name: (semaphore.acquire(), log.append(name)))
        kernel.yield_()
        semaphore.release(3)
        time.sleep(1)
        assert log == [0, 1, 2]
        semaphore.release()
        time.sleep(1)
        assert log == [0, 1, 2, 3]


# Under many schedules


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [*LOCKS, "Semaphore"])
def test_no_two_tasks_are_inside_at_once_and_all_get_their_turn(world, kind, seed):
    with world(seed, lines_of=__file__) as kernel:
        lock = getattr(threading, kind)()
        inside = []
        turns = []

        def work(name):
            for turn in range(4):
                if lock.acquire(timeout=0.001) if turn == 2 else lock.acquire():
                    try:
                        inside.append(name)
                        assert inside == [name]
                        if turn % 2:
                            time.sleep(0.001 * turn)
                        assert inside == [name]
                        inside.clear()
                    finally:
                        lock.release()
                turns.append(name)

        tasks = [kernel.spawn(work, (name,)) for name in range(4)]
        for task in tasks:
            task.result()
        assert sorted(turns) == [name for name in range(4) for _ in range(4)]
        assert lock.acquire(False) is True


@pytest.mark.parametrize("seed", SEEDS)
def test_a_semaphore_never_lets_too_many_in(world, seed):
    with world(seed, lines_of=__file__) as kernel:
        semaphore = threading.BoundedSemaphore(3)
        inside = set()
        most = []

        def work(name):
            for _ in range(4):
                with semaphore:
                    inside.add(name)
                    most.append(len(inside))
                    time.sleep(0.001)
                    inside.discard(name)

        for task in [kernel.spawn(work, (name,)) for name in range(6)]:
            task.result()
        assert max(most) == 3
        assert [semaphore.acquire(False) for _ in range(4)] == [True, True, True, False]


def test_a_program_without_a_lock_is_caught_by_the_same_search(world):
    def lost(seed):
        counts = [0]
        with world(seed) as kernel:
            lock = threading.Lock()

            def work():
                seen = counts[0]
                lock.locked()
                counts[0] = seen + 1

            for task in [kernel.spawn(work) for _ in range(3)]:
                task.result()
        return counts[0] < 3

    assert any(lost(seed) for seed in SEEDS)


# Polling, deadlocks, the end


def test_polling_a_lock_lets_its_holder_run_and_time_pass(world):
    with world() as kernel:
        lock = threading.Lock()
        kernel.spawn(holding(lock, 1))
        kernel.yield_()
        while not lock.acquire(False):
            pass
        assert SECOND <= kernel.now < 1.01 * SECOND
        lock.release()
        kernel.spawn(holding(lock, 1))
        kernel.yield_()
        while lock.locked():
            pass
        assert 2 * SECOND <= kernel.now < 2.02 * SECOND


def test_a_poll_with_no_timeout_to_speak_of_lets_time_pass_too(world):
    with world() as kernel:
        lock, semaphore = threading.Lock(), threading.Semaphore(0)
        kernel.spawn(holding(lock, 1))
        kernel.yield_()
        while not lock.acquire(timeout=0):
            pass
        while not semaphore.acquire(timeout=-1):
            if kernel.now > 2 * SECOND:
                break
        assert kernel.now < 2.1 * SECOND


def test_a_deadlock_of_two_locks_names_who_holds_what(world):
    with world() as kernel:
        first, second = threading.Lock(), threading.RLock()

        def take(one, other):
            with one:
                time.sleep(1)
                with other:
                    pass

        kernel.spawn(take, (first, second), name="left")
        kernel.spawn(take, (second, first), name="right")
        with pytest.raises(Deadlock) as caught:
            kernel.wait(deque(), None, "nothing")
        rows = {line.split()[0]: line for line in str(caught.value).splitlines()[1:]}
        assert "acquire RLock-1" in rows["left"] and rows["left"].endswith("right")
        assert "acquire Lock-1" in rows["right"] and rows["right"].endswith("left")
        assert "test_locks.py" in rows["left"]


def test_while_the_world_ends_locks_are_granted(world):
    log = []
    with world() as kernel:
        lock, recursive, semaphore = threading.Lock(), threading.RLock(), threading.BoundedSemaphore()
        for each in (lock, recursive, semaphore):
            each.acquire()

        def tidy():
            try:
                time.sleep(100)
            finally:
                with lock, recursive, semaphore:
                    log.append(lock.locked())

        kernel.spawn(tidy)
        kernel.yield_()
    assert log == [True]


@pytest.mark.parametrize("kind", [*LOCKS, "Semaphore", "BoundedSemaphore"])
def test_a_lock_that_outlives_its_world_lets_everybody_through_until_there_is_another(world, kind):
    with world():
        lock = getattr(threading, kind)()
        lock.acquire()
    for _ in range(3):
        assert lock.acquire() is True
    for _ in range(5):
        lock.release()
    with world() as kernel:
        kernel.spawn(holding(lock, 1))
        kernel.yield_()
        assert lock.acquire()
        assert round(kernel.now, -4) == SECOND or kind not in LOCKS


def test_a_loop_that_swallows_its_end_and_takes_locks_for_ever_ends_all_the_same(world):
    rounds = [0]
    with world() as kernel:
        lock = threading.Lock()

        def stubborn():
            while rounds[0] < 100_000:
                try:
                    with lock:
                        rounds[0] += 1
                    if rounds[0] == 1:
                        time.sleep(1)
                except BaseException:
                    continue

        kernel.spawn(stubborn)
        kernel.yield_()
    assert 1_000 < rounds[0] < 20_000


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_made_outside_every_world_works_there_and_in_one_world_after_another(world, kind):
    lock = getattr(threading, kind)()
    with lock:
        assert "locked" in repr(lock)
    for _ in range(2):
        with world() as kernel:
            kernel.spawn(holding(lock, 1))
            kernel.yield_()
            with lock:
                assert round(kernel.now, -4) == SECOND
            lock.acquire()  # and is left held by a task that is no more
    assert lock.acquire() is True
    lock.release()


def test_waiting_for_a_lock_outside_every_world_says_so():
    lock = threading.Lock()
    lock.acquire()
    assert lock.acquire(False) is False
    with pytest.raises(UsageError, match="no world is running"):
        lock.acquire()
    semaphore = threading.Semaphore(0)
    assert semaphore.acquire(False) is False
    with pytest.raises(UsageError, match="no world is running"):
        semaphore.acquire()


def test_the_code_that_enters_a_world_still_owns_what_it_took_before(world):
    lock = threading.RLock()
    with lock, world() as kernel:
        with lock:
            pass
        task = kernel.spawn(lock.acquire, (False,))
        assert task.result() is False


def test_locks_of_a_world_have_names_that_are_the_same_in_every_run(world):
    def names():
        with world():
            return [repr(make()) for make in (threading.Lock, threading.RLock, threading.Lock)]

    assert names() == names()
    assert names()[2] == "<unlocked threading.Lock object Lock-2>"
    assert "made outside the world" in repr(threading.Lock())


@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("steps", range(5, 30, 2))
def test_a_limit_that_is_met_where_a_lock_is_given_back_leaves_it_free(kind, steps):
    def spin():
        while True:
            with lock:
                pass

    with pytest.raises(StepLimit), Simulation(max_steps=steps, patch=False):
        lock = getattr(threading, kind)()
        threading.Thread(target=spin).start()
        try:
            spin()
        finally:
            assert lock.acquire(timeout=1)
