"""Conditions, events and barriers: who is woken, in which order, at which moment."""

from __future__ import annotations

import pytest

from simsock.errors import Deadlock, TaskKilled, WorldEnded
from simsock.stdlib import threading, time

SECOND = 1_000_000_000
SEEDS = range(12)


def started(std, *programs):
    """A thread for each program, started."""
    threads = [std.threading.Thread(target=program) for program in programs]
    for thread in threads:
        thread.start()
    return threads


def finish(threads):
    for thread in threads:
        thread.join()


# Conditions


@pytest.mark.parametrize("kind", ["Lock", "RLock", None])
def test_a_condition_hands_news_over(std, kind):
    condition = std.threading.Condition(getattr(std.threading, kind)() if kind else None)
    box = []
    seen = []

    def consumer():
        with condition:
            condition.wait_for(lambda: box)
            seen.append(box.pop())
            condition.notify_all()

    thread = std.threading.Thread(target=consumer)
    thread.start()
    for item in ("news",):
        with condition:
            box.append(item)
            condition.notify()
            assert condition.wait_for(lambda: not box) is True
    thread.join()
    assert seen == ["news"]


def test_a_condition_wants_its_lock_to_be_held(std):
    for lock in (std.threading.Lock(), std.threading.RLock()):
        condition = std.threading.Condition(lock)
        with pytest.raises(RuntimeError, match=r"^cannot wait on un-acquired lock$"):
            condition.wait()
        with pytest.raises(RuntimeError, match=r"^cannot notify on un-acquired lock$"):
            condition.notify()
        with pytest.raises(RuntimeError, match=r"^cannot notify on un-acquired lock$"):
            condition.notify_all()


def test_a_condition_works_with_a_lock_of_the_programs_own(std):
    class Own:
        def __init__(self):
            self.inner = std.threading.Lock()
            self.acquire, self.release = self.inner.acquire, self.inner.release
            self.locked = self.inner.locked  # which a Condition asks for from 3.14 on

        def __enter__(self):
            return self.acquire()

        def __exit__(self, *exc):
            self.release()

    condition = std.threading.Condition(Own())
    ready = []

    def consumer():
        with condition:
            while not ready:
                condition.wait()
            ready.append("seen")

    thread = std.threading.Thread(target=consumer)
    thread.start()
    with pytest.raises(RuntimeError, match="un-acquired"):
        condition.notify()
    with condition:
        ready.append("set")
        condition.notify()
    thread.join()
    assert ready == ["set", "seen"]


def test_waiting_releases_a_recursive_lock_as_a_whole_and_takes_it_back(std):
    condition = std.threading.Condition()
    ready = []

    def other():
        with condition:
            ready.append(1)
            condition.notify()

    with condition, condition, condition:
        thread = std.threading.Thread(target=other)
        thread.start()
        assert condition.wait_for(lambda: ready)
        assert condition._is_owned()
    thread.join()
    with pytest.raises(RuntimeError, match="un-acquired"):
        condition.notify()


def test_a_notification_wakes_who_waited_longest_and_not_more(world):
    with world() as kernel:
        condition = threading.Condition()
        log = []

        def wait(name):
            with condition:
                condition.wait()
                log.append(name)

        for name in "abcd":
            kernel.spawn(wait, (name,))
        time.sleep(1)
        for n, expected in ((1, ["a"]), (2, ["a", "b", "c"]), (5, ["a", "b", "c", "d"])):
            with condition:
                condition.notify(n)
            time.sleep(1)
            assert log == expected


def test_a_wait_for_news_ends_at_its_deadline_with_the_lock_taken_again(world):
    with world() as kernel:
        condition = threading.Condition(threading.Lock())
        with condition:
            assert condition.wait(1.5) is False
            assert round(kernel.now, -4) == 1.5 * SECOND
            assert condition._is_owned()
            assert condition.wait(0) is False
            assert condition.wait_for(lambda: False, timeout=2) is False
            assert round(kernel.now, -4) == 3.5 * SECOND
            assert condition.wait_for(lambda: round(kernel.now, -4)) == round(kernel.now, -4)


def test_who_has_given_up_waiting_takes_no_notification_from_the_others(world):
    with world() as kernel:
        condition = threading.Condition()
        log = []

        def wait(name, timeout):
            with condition:
                log.append((name, condition.wait(timeout)))

        kernel.spawn(wait, ("impatient", 1))
        kernel.spawn(wait, ("patient", 10))
        time.sleep(2)
        with condition:
            condition.notify()
        time.sleep(1)
        assert log == [("impatient", False), ("patient", True)]


def test_a_notification_between_the_release_of_a_lock_and_the_wait_is_not_lost(world):
    class Slow:
        """A lock of the program's own that lets others run after it was released."""

        def __init__(self):
            self.inner = threading.Lock()
            self.acquire = self.inner.acquire
            self.locked = self.inner.locked  # which conditions ask for since 3.15

        def release(self):
            self.inner.release()
            time.sleep(1)

        def __enter__(self):
            self.acquire()

        def __exit__(self, *exc):
            self.release()

    with world() as kernel:
        condition = threading.Condition(Slow())

        def notify():
            with condition:
                condition.notify()

        with condition:
            kernel.spawn(notify)
            assert condition.wait(60) is True
        assert kernel.now < 10 * SECOND


def test_spinning_on_a_condition_comes_to_an_end(world):
    with world() as kernel:
        condition = threading.Condition()
        with condition:
            while kernel.now < SECOND:
                condition.wait(0)
            while not condition.wait_for(lambda: kernel.now > 2 * SECOND, timeout=0):
                pass
        assert kernel.now < 2.1 * SECOND


def test_wait_for_keeps_its_deadline_over_many_notifications(world):
    with world() as kernel:
        condition = threading.Condition()

        def nag():
            for _ in range(10):
                time.sleep(0.4)
                with condition:
                    condition.notify_all()

        kernel.spawn(nag)
        with condition:
            assert condition.wait_for(lambda: False, timeout=1.3) is False
        assert round(kernel.now, -4) == 1.3 * SECOND


def test_a_notification_is_not_lost_with_a_task_that_is_cancelled(world):
    with world() as kernel:
        condition = threading.Condition()
        log = []

        def wait(name):
            with condition:
                condition.wait()
                log.append(name)

        first = kernel.spawn(wait, ("first",))
        kernel.spawn(wait, ("second",))
        time.sleep(1)
        with condition:
            condition.notify()
        first.cancel()
        time.sleep(1)
        assert log == ["second"]


def test_a_lost_wake_up_is_a_deadlock_that_names_the_condition(world):
    with world() as kernel:
        condition = threading.Condition()

        def wait():
            with condition:
                condition.wait()

        with condition:
            condition.notify()
        kernel.spawn(wait, base="waiter")
        with condition, pytest.raises(Deadlock, match=r"waiter-1 +wait for Condition-1 +\S*test_conditions"):
            condition.wait()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bounded_buffer_made_of_conditions_loses_nothing(world, seed):
    with world(seed, lines_of=__file__) as kernel:
        lock = threading.Lock()
        not_empty, not_full = threading.Condition(lock), threading.Condition(lock)
        buffer, got = [], []

        def produce(name):
            for number in range(4):
                with not_full:
                    while len(buffer) >= 2:
                        not_full.wait()
                    buffer.append((name, number))
                    assert len(buffer) <= 2
                    not_empty.notify()

        def consume():
            for _ in range(6):
                with not_empty:
                    while not buffer:
                        not_empty.wait(None if seed % 2 else 0.01)
                    got.append(buffer.pop(0))
                    not_full.notify()

        tasks = [kernel.spawn(produce, (name,)) for name in range(3)] + [kernel.spawn(consume) for _ in range(2)]
        for task in tasks:
            task.result()
        assert sorted(got) == [(name, number) for name in range(3) for number in range(4)]
        for name in range(3):
            assert [number for other, number in got if other == name] == [0, 1, 2, 3]


# Events


def test_an_event_is_a_flag(std):
    event = std.threading.Event()
    assert event.is_set() is False and event.wait(0) is False
    event.set()
    assert event.is_set() is True and event.wait() is True and event.wait(0) is True
    event.clear()
    assert event.is_set() is False
    with pytest.deprecated_call():
        event.isSet()


def test_waiting_for_an_event_takes_until_it_is_set(world):
    with world() as kernel:
        event = threading.Event()
        answers = []

        def wait(timeout):
            answers.append((timeout, event.wait(timeout), round(kernel.now, -4)))

        for timeout in (None, 1, 5):
            kernel.spawn(wait, (timeout,))
        time.sleep(2)
        event.set()
        event.clear()
        time.sleep(10)
        assert answers == [(1, False, SECOND), (None, True, 2 * SECOND), (5, True, 2 * SECOND)]


def test_spinning_on_an_event_comes_to_an_end(world):
    with world() as kernel:
        event = threading.Event()

        def blink():
            for act in (event.set, event.clear):
                time.sleep(1)
                act()

        kernel.spawn(blink)
        while not event.is_set():
            pass
        assert SECOND <= kernel.now < 1.01 * SECOND
        while event.is_set():
            pass
        assert 2 * SECOND <= kernel.now < 2.02 * SECOND


# Barriers


def test_a_barrier_lets_everybody_through_together_again_and_again(std):
    actions = []
    barrier = std.threading.Barrier(3, action=lambda: actions.append("go"))
    places = []
    lock = std.threading.Lock()

    def go():
        for turn in range(4):
            place = barrier.wait()
            with lock:
                places.append((turn, place))

    finish(started(std, go, go, go))
    assert sorted(places) == [(turn, place) for turn in range(4) for place in range(3)]
    assert actions == ["go"] * 4
    assert barrier.parties == 3 and barrier.n_waiting == 0 and not barrier.broken


def test_an_aborted_barrier_stays_broken_until_it_is_reset(std):
    barrier = std.threading.Barrier(2)
    barrier.abort()
    assert barrier.broken and barrier.n_waiting == 0
    for _ in range(3):
        with pytest.raises(std.threading.BrokenBarrierError):
            barrier.wait()
    barrier.reset()
    assert not barrier.broken
    places = []
    finish(started(std, *[lambda: places.append(barrier.wait())] * 2))
    assert sorted(places) == [0, 1]


def test_an_action_that_fails_breaks_the_barrier(std):
    def action():
        raise KeyError("action")

    barrier = std.threading.Barrier(2, action)
    errors = []

    def go():
        try:
            barrier.wait()
        except (KeyError, std.threading.BrokenBarrierError) as error:
            errors.append(type(error).__name__)

    finish(started(std, go, go))
    assert sorted(errors) == ["BrokenBarrierError", "KeyError"]
    assert barrier.broken


@pytest.mark.parametrize("own", [True, False])
def test_a_barrier_breaks_for_all_when_one_has_waited_too_long(world, own):
    with world() as kernel:
        barrier = threading.Barrier(3, timeout=2 if own else None)
        ends = []

        def go():
            with pytest.raises(threading.BrokenBarrierError):
                barrier.wait() if own else barrier.wait(2)
            ends.append(round(kernel.now, -4))

        kernel.spawn(go)
        time.sleep(1)
        assert barrier.n_waiting == 1
        kernel.spawn(go)
        time.sleep(5)
        assert ends == [2 * SECOND, 2 * SECOND] and barrier.broken


def test_a_task_that_is_cancelled_at_a_barrier_is_not_counted(world):
    with world() as kernel:
        barrier = threading.Barrier(2)
        places = []
        victim = kernel.spawn(barrier.wait)
        kernel.yield_()
        victim.cancel()
        time.sleep(1)
        assert barrier.n_waiting == 0
        kernel.spawn(lambda: places.append(barrier.wait()))
        time.sleep(1)
        assert places == []
        places.append(barrier.wait())
        time.sleep(1)
        assert sorted(places) == [0, 1]


def test_a_reset_sends_those_away_who_wait(world):
    with world() as kernel:
        barrier = threading.Barrier(2)
        ends = []

        def go():
            try:
                ends.append(barrier.wait())
            except threading.BrokenBarrierError:
                ends.append("sent away")

        kernel.spawn(go)
        time.sleep(1)
        barrier.reset()
        assert not barrier.broken and barrier.n_waiting == 0
        for _ in range(2):
            kernel.spawn(go)
        time.sleep(1)
        assert sorted(ends, key=str) == [0, 1, "sent away"]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_task_gets_a_generation_ahead(world, seed):
    with world(seed, lines_of=__file__) as kernel:
        barrier = threading.Barrier(3)
        turns = [0, 0, 0]

        def go(name):
            for _ in range(4):
                turns[name] += 1
                barrier.wait()
                assert min(turns) >= turns[name] - 0
                barrier.wait()

        for task in [kernel.spawn(go, (name,)) for name in range(3)]:
            task.result()
        assert turns == [4, 4, 4]


# The end


def test_news_and_flags_of_a_world_that_has_ended_do_no_harm(world):
    with world() as kernel:
        event, condition, barrier = threading.Event(), threading.Condition(), threading.Barrier(2)
        kernel.spawn(event.wait)
        kernel.yield_()
    event.set()
    assert event.is_set() and event.wait()
    event.clear()
    with pytest.raises(WorldEnded):
        event.wait()
    with condition:
        condition.notify_all()
        with pytest.raises(WorldEnded):
            condition.wait(1)
    with pytest.raises(WorldEnded):
        barrier.wait()
    barrier.abort()


def test_waits_end_with_their_world(world):
    ends = []
    with world() as kernel:
        event, condition = threading.Event(), threading.Condition()

        def on_event():
            try:
                event.wait()
            except TaskKilled:
                ends.append("event")
                event.set()
                raise

        def on_condition():
            with condition:
                try:
                    condition.wait()
                except TaskKilled:
                    ends.append("condition")
                    condition.notify_all()
                    raise

        kernel.spawn(on_event)
        kernel.spawn(on_condition)
        time.sleep(1)
    assert ends == ["event", "condition"]


def test_a_condition_asks_a_simulated_lock_in_as_many_steps_as_it_asks_a_real_one_in_calls(world):
    with world() as kernel:
        lock = threading.Lock()
        condition = threading.Condition(lock)
        before = kernel.steps
        assert not condition._is_owned() and kernel.steps == before + 1  # a real lock is taken, and let go again
        with condition:
            before = kernel.steps
            assert condition._is_owned() and kernel.steps == before  # and here found taken
            saved = condition._release_save()
            assert not lock.locked()
            condition._acquire_restore(saved)
            assert lock.locked()
        with pytest.raises(RuntimeError, match="release unlocked lock"):
            condition._release_save()
