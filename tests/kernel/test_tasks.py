"""What a task has to itself: its stack's depth, its context, its exceptions in flight; and how it is cancelled."""

from __future__ import annotations

import contextvars
import decimal
import sys
from datetime import timedelta

import pytest

import simsock
from simsock import TaskCancelled, TaskKilled
from tests.kernel.walks import Walk


def test_a_task_that_is_spawned_from_deep_down_has_a_whole_stack():
    def depth(levels):
        return 1 + depth(levels - 1) if levels else 1

    def spawn_deep(sim, levels):
        if levels:
            return spawn_deep(sim, levels - 1)
        return sim.spawn(depth, 600).result()  # from here it is switched to, too

    with simsock.Simulation() as sim:
        assert spawn_deep(sim, 700) == 601


def test_each_task_has_a_context_of_its_own():
    variable = contextvars.ContextVar("variable", default="default")

    def work(name):
        before = variable.get()
        variable.set(name)
        sim.sleep(1)
        return before, variable.get()

    variable.set("outside")
    with simsock.Simulation(strategy="random") as sim:
        tasks = [sim.spawn(work, name) for name in "abc"]
        assert [task.result() for task in tasks] == [("default", name) for name in "abc"]
        assert variable.get() == "outside"


def test_each_task_has_a_decimal_context_of_its_own():
    def work(digits):
        decimal.getcontext().prec = digits
        sim.sleep(1)
        return str(decimal.Decimal(1) / 3)

    with simsock.Simulation() as sim:
        tasks = [sim.spawn(work, digits) for digits in (2, 5)]
        assert [task.result() for task in tasks] == ["0.33", "0.33333"]
        assert decimal.getcontext().prec == 28


def test_each_task_has_its_own_exception_in_flight():
    def work(number):
        try:
            raise ValueError(number)
        except ValueError:
            sim.sleep(1)
            seen = sys.exc_info()[1]
            try:
                sim.sleep(1)
                raise KeyError(number)
            except KeyError as error:
                sim.sleep(1)
                return seen.args, error.__context__ is seen

    with simsock.Simulation(strategy="random") as sim:
        ours = RuntimeError()
        try:
            raise ours
        except RuntimeError:
            tasks = [sim.spawn(work, number) for number in range(3)]
            assert [task.result() for task in tasks] == [((number,), True) for number in range(3)]
            assert sys.exc_info()[1] is ours
        assert sys.exc_info() == (None, None, None)


def test_an_exception_that_is_re_raised_after_a_switch_is_the_same():
    def work():
        try:
            raise ValueError("mine")
        except ValueError:
            sim.sleep(1)
            raise

    with simsock.Simulation() as sim:
        others = [sim.spawn(work) for _ in range(2)]
        for other in others:
            with pytest.raises(ValueError, match="mine"):
                other.result()


class TestCancel:
    """``Task.cancel`` raises ``TaskKilled`` where the task stands."""

    def test_a_sleeping_task_ends_at_once(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(sim.sleep, "1h")
            sim.sleep(1)
            assert task.cancel() is True
            with pytest.raises(TaskCancelled, match="task sleep-1 was cancelled"):
                task.result()
            assert sim.now == 1
            assert task.done

    def test_its_finally_clauses_run_and_may_wait(self):
        def work():
            try:
                sim.sleep("1h")
            finally:
                sim.sleep(5)
                cleaned.append(sim.now)

        cleaned = []
        with simsock.Simulation() as sim:
            task = sim.spawn(work)
            sim.sleep(1)
            task.cancel()
            with pytest.raises(TaskCancelled):
                task.result()
        assert cleaned == [6.0]

    def test_a_task_may_refuse(self):
        def work():
            try:
                sim.sleep("1h")
            except TaskKilled:
                return "still here"

        with simsock.Simulation() as sim:
            task = sim.spawn(work)
            sim.sleep(1)
            task.cancel()
            assert task.result() == "still here"

    def test_a_task_that_never_began_never_begins(self):
        began = []
        with simsock.Simulation() as sim:
            task = sim.spawn(began.append, 1)
            task.cancel()
            with pytest.raises(TaskCancelled):
                task.result()
        assert began == []

    @pytest.mark.parametrize("preempt", ["lines", "instructions"])
    @pytest.mark.parametrize("seed", range(5))
    def test_a_task_that_was_preempted_between_two_lines_ends_there_and_the_others_go_on_being_preempted(self, preempt, seed):
        def work():
            number = 0
            while True:
                number += 1

        def count():
            number = 0
            for _ in range(50):
                number += 1
            return number

        with simsock.Simulation(strategy=Walk(), seed=seed, preempt=preempt) as sim:
            task = sim.spawn(work)
            sim.sleep(0)
            sim.spawn(count).result()
            task.cancel()
            with pytest.raises(TaskCancelled):
                task.result()
            before = len(sim.deviations)
            others = [sim.spawn(count) for _ in range(2)]
            assert [other.result() for other in others] == [50, 50]
            assert len(sim.deviations) - before > 20

    def test_a_task_that_waits_for_a_lock_leaves_the_line(self):
        with simsock.Simulation() as sim:
            lock = sim.network.threading.Lock()
            lock.acquire()
            first, second = sim.spawn(lock.acquire), sim.spawn(lock.acquire)
            sim.sleep(1)
            first.cancel()
            lock.release()
            assert second.result() is True

    def test_a_dead_task_cannot_be_cancelled(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(int)
            task.result()
            assert task.cancel() is False

    def test_a_task_cannot_cancel_itself(self):
        with simsock.Simulation() as sim:
            with pytest.raises(RuntimeError, match="cannot cancel itself"):
                sim._kernel.first.cancel()
            task = sim.spawn(lambda: task.cancel())
            with pytest.raises(RuntimeError, match="cannot cancel itself"):
                task.result()

    def test_the_first_task_cannot_be_cancelled(self):
        with simsock.Simulation() as sim, pytest.raises(RuntimeError, match="first task cannot be cancelled"):
            sim.spawn(sim._kernel.first.cancel).result()


class TestResult:
    """``Task.result`` waits for the task's end."""

    def test_it_returns_what_the_function_returned(self):
        with simsock.Simulation() as sim:
            assert sim.spawn(lambda a, b: a + b, 1, 2).result() == 3

    @pytest.mark.parametrize("timeout", [2, 2.0, "2s", timedelta(seconds=2)])
    def test_its_timeout_is_virtual(self, timeout):
        with simsock.Simulation() as sim:
            task = sim.spawn(sim.sleep, 5)
            with pytest.raises(TimeoutError, match=r"task sleep-1 had not ended after .*2"):
                task.result(timeout)
            assert sim.now == 2
            assert not task.done
            assert task.result(timeout=3.5) is None
            assert sim.now == 5

    def test_it_raises_what_the_function_raised_and_the_world_does_not_raise_it_again(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(int, "x")
            with pytest.raises(ValueError, match="invalid literal"):
                task.result()
            assert sim.errors == []

    def test_it_can_be_asked_for_again_and_after_the_end(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(lambda: "value")
            assert task.result() == "value"
            assert task.result() == "value"
        assert task.done

    def test_several_tasks_may_wait_for_one(self):
        with simsock.Simulation() as sim:
            slow = sim.spawn(lambda: sim.sleep(3) or "slow")
            waiting = [sim.spawn(slow.result) for _ in range(3)]
            assert [task.result() for task in waiting] == ["slow"] * 3

    def test_leaving_the_interpreter_ends_the_task_only(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(sys.exit, 3)
            assert task.result() is None
