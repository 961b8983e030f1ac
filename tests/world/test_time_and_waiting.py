"""The clock of a world, and what a test waits for: time, a condition, quiet."""

from __future__ import annotations

import time as real_time
from datetime import UTC, datetime, timedelta

import pytest

import simsock
from simsock import Deadlock, UsageError


@pytest.mark.parametrize(
    ("duration", "ns"),
    [
        (0, 0),
        (2, 2_000_000_000),
        (0.08, 80_000_000),
        ("80ms", 80_000_000),
        ("2 min", 120_000_000_000),
        ("1.5us", 1_500),
        ("7ns", 7),
        (timedelta(milliseconds=80), 80_000_000),
        (timedelta(days=1), 86_400_000_000_000),
    ],
)
def test_a_sleep_takes_exactly_its_time(duration, ns):
    with simsock.Simulation() as sim:
        sim.sleep(duration)
        assert sim.now_ns == ns
        assert sim.now == ns / 1e9


@pytest.mark.parametrize("duration", [-1, "5 apples", "", "5", None, float("nan"), float("inf"), True, [], timedelta(seconds=-1)])
def test_a_sleep_of_no_time_that_makes_sense_is_an_error_that_shows_it(duration):
    with simsock.Simulation() as sim, pytest.raises(UsageError) as caught:
        sim.sleep(duration)
    assert "sleep: " in str(caught.value) and repr(duration) in str(caught.value)


def test_an_hour_takes_no_time():
    import time

    with simsock.Simulation():
        pass  # the first one looks through the whole process
    began = time.monotonic()
    with simsock.Simulation() as sim:
        sim.sleep("1h")
        assert sim.now == 3600
    assert time.monotonic() - began < 1


def test_the_clock_can_be_read_after_the_world():
    with simsock.Simulation() as sim:
        assert sim.now_ns == 0
        sim.sleep(3)
    assert sim.now == 3


@pytest.mark.parametrize(
    ("start", "seconds"),
    [
        (None, 1_767_225_600),
        (0, 0),
        (12.5, 12.5),
        ("2030-05-06T07:08:09Z", 1_904_281_689),
        (datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC), 1_904_281_689),
        (datetime(2030, 5, 6, 7, 8, 9), 1_904_281_689),
    ],
)
def test_the_wall_clock_starts_when_it_is_told_to(start, seconds):
    options = {} if start is None else {"start_time": start}
    with simsock.Simulation(**options) as sim:
        assert sim.network.time.time() == seconds
        sim.sleep(10)
        assert sim.network.time.time() == seconds + 10


def test_the_default_is_a_date_that_no_library_takes_for_a_clock_that_was_never_set():
    with simsock.Simulation() as sim:
        assert sim.network.time.gmtime()[:6] == (2026, 1, 1, 0, 0, 0)


def test_worlds_may_begin_now_and_all_worlds_of_a_process_begin_at_the_same_now():
    with simsock.Simulation(start_time="now") as sim:
        first = sim.network.time.time_ns()
    assert 0 <= real_time.time_ns() - first < 7 * 86_400 * 10**9
    with simsock.Simulation(start_time="now") as again:
        assert again.network.time.time_ns() == first
    with simsock.Simulation(token=sim.token) as repeated:
        assert repeated.network.time.time_ns() == first
        assert repeated.options.as_dict()["start_ns"] == first


class TestRunUntil:
    """``sim.run_until(predicate, timeout=)``."""

    def test_it_returns_what_the_predicate_returned(self):
        with simsock.Simulation() as sim:
            found = []
            sim.spawn(lambda: (sim.sleep(3), found.append("it")))
            assert sim.run_until(lambda: found) == ["it"]
            assert sim.now == 3

    def test_time_passes_no_further_than_needed(self):
        with simsock.Simulation() as sim:
            for delay in (1, 2, 3):
                sim.spawn(sim.sleep, delay)
            sim.run_until(lambda: sim.now >= 2)
            assert sim.now == 2
            sim.sleep(5)

    def test_what_is_true_already_is_not_waited_for(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(sim.sleep, 1)
            assert sim.run_until(lambda: 5) == 5
            assert sim.now == 0
            task.result()

    @pytest.mark.parametrize("timeout", [2, "2s", timedelta(seconds=2)])
    def test_its_timeout_is_virtual_and_the_error_says_what_was_waited_for(self, timeout):
        def never():
            return False

        with simsock.Simulation() as sim:
            sim.spawn(sim.sleep, 5)
            with pytest.raises(TimeoutError, match=r"run_until: .*never.* was still false after .*2"):
                sim.run_until(never, timeout)
            assert sim.now == 2
            sim.sleep(5)

    def test_its_timeout_leaves_no_timer_behind(self):
        with simsock.Simulation() as sim:
            sim.run_until(lambda: True, timeout=100)
            with pytest.raises(Deadlock):
                sim.run_until(lambda: False)
            assert sim.now == 0

    def test_it_is_a_deadlock_when_nothing_can_happen_any_more(self):
        with simsock.Simulation() as sim:
            sim.spawn(sim.sleep, 1)
            with pytest.raises(Deadlock, match="no task can run"):
                sim.run_until(lambda: sim.now > 1)

    def test_it_sees_a_world_that_settles_in_another_task(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(sim.settle)
            assert sim.run_until(lambda: task.done)

    def test_it_may_be_called_in_a_task(self):
        with simsock.Simulation() as sim:
            found = []
            waiter = sim.spawn(sim.run_until, lambda: found)
            sim.sleep(2)
            found.append(1)
            assert waiter.result() == [1]

    def test_what_the_predicate_raises_is_raised(self):
        with simsock.Simulation() as sim, pytest.raises(ZeroDivisionError):
            sim.run_until(lambda: 1 / 0)


class TestSettle:
    """``sim.settle()``."""

    def test_every_task_runs_until_it_waits_and_sleepers_sleep_on(self):
        with simsock.Simulation() as sim:
            order = []
            queue = sim.network.threading.Event()

            def chain():
                order.append("began")
                queue.set()
                sim.sleep(10)
                order.append("slept")

            def follower():
                queue.wait()
                order.append("followed")

            sim.spawn(follower)
            task = sim.spawn(chain)
            sim.settle()
            assert order == ["began", "followed"]
            assert sim.now == 0
            task.result()

    def test_what_is_on_its_way_arrives(self):
        with simsock.Simulation(link=simsock.Link(latency="70ms")) as sim:
            one, other = sim.datagram(host="a"), sim.datagram(host="b")
            other.setblocking(False)
            one.sendto(b"hello", other.getsockname())
            with pytest.raises(BlockingIOError):
                other.recv(10)
            sim.settle()
            assert other.recv(10) == b"hello"
            assert sim.now == 0.07

    def test_it_may_be_called_by_several_tasks(self):
        with simsock.Simulation() as sim:
            tasks = [sim.spawn(sim.settle) for _ in range(3)]
            sim.settle()
            assert all(task.result() is None for task in tasks)

    def test_a_world_at_rest_settles_at_once(self):
        with simsock.Simulation() as sim:
            sim.settle()
            assert sim.now == 0

    def test_garbage_is_collected(self):
        class Cycle:
            def __init__(self):
                self.me = self

            def __del__(self):
                gone.append(1)

        gone = []
        with simsock.Simulation() as sim:
            Cycle()
            assert gone == []
            sim.settle()
            assert gone == [1]
