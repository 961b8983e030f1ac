"""Small laws of the kernel that no program shows by itself."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque

import pytest

from simsock import RealTimeLimit, Simulation
from simsock.kernel import session
from simsock.kernel.boundaries import INNER, PROGRAM, WithStatement
from simsock.kernel.interrupting import interrupt
from simsock.kernel.program_lines import program_call
from simsock.kernel.strategies.runs import Run
from simsock.kernel.teardown import _kill
from simsock.kernel.undoing import each_again
from simsock.kernel.watchdog import Watchdog, watchdog
from simsock.search.runner import Runner
from simsock.world.options import Options


@pytest.fixture
def sim():
    with Simulation() as sim:
        yield sim


def test_a_wait_whose_deadline_has_passed_lets_others_go_first(sim):
    kernel, order = sim._kernel, []
    task = sim.spawn(order.append, "other")
    assert kernel.wait(deque(), kernel.now, "nothing") is False
    order.append("first")
    task.result()
    assert order == ["other", "first"]


def test_a_task_that_was_woken_and_then_stands_still_learns_that_it_was_woken(sim):
    """It is woken, and its host is paused before it has its turn: the wait has not timed out."""
    kernel, answers = sim._kernel, []
    queue: deque = deque()
    server = sim.host("server")
    with server:
        task = sim.spawn(lambda: answers.append(kernel.wait(queue, kernel.now + 10**9, "a test")))
    sim.sleep("1ms")
    kernel.wake(queue)
    server.pause()
    sim.sleep("1ms")
    assert answers == []
    server.resume()
    task.result()
    assert answers == [True]


def test_the_one_that_timed_out_learns_that_it_did(sim):
    kernel, answers = sim._kernel, []
    server = sim.host("server")
    with server:
        task = sim.spawn(lambda: answers.append(kernel.wait(deque(), kernel.now + 10**6, "a test")))
    sim.sleep("500us")
    server.pause()
    sim.sleep("10ms")
    server.resume()
    task.result()
    assert answers == [False]


def test_an_alarm_gives_way_to_nobody_while_something_is_atomic(sim):
    kernel, order = sim._kernel, []
    sim.spawn(order.append, "other")
    kernel.atomic += 1
    try:
        for _ in range(3):
            kernel.alarm = 0
            kernel.point()
        assert order == []
    finally:
        kernel.atomic -= 1
    for _ in range(2):
        kernel.alarm = 0
        kernel.point()
    assert order == ["other"]


def test_an_interrupt_inside_the_kernel_waits_for_the_next_point(sim):
    kernel = sim._kernel
    try:
        interrupt(kernel, KeyboardInterrupt(), INNER, None)
    except KeyboardInterrupt:
        pytest.fail("raised at once")
    assert isinstance(kernel.pending_signal, KeyboardInterrupt) and kernel.alarm == 0
    with pytest.raises(KeyboardInterrupt):
        kernel.point()
    assert kernel.pending_signal is None
    kernel.point()


def test_a_second_interrupt_does_not_wait_any_longer(sim):
    kernel = sim._kernel
    interrupt(kernel, KeyboardInterrupt(), INNER, None)
    with pytest.raises(RealTimeLimit):
        interrupt(kernel, RealTimeLimit("late", limit="max_real_time"), INNER, None)
    assert kernel.pending_signal is None


def test_an_interrupt_outside_the_kernel_strikes_at_once(sim):
    with pytest.raises(KeyboardInterrupt):
        interrupt(sim._kernel, KeyboardInterrupt(), PROGRAM, None)


def test_killing_a_task_leaves_the_tracer_of_who_kills_it(sim):
    """A task that is killed may set a trace function of its own in its last clauses: tracing belongs to the thread."""
    kernel = session.kernel()

    def ends_tracing():
        try:
            sim.sleep("1h")
        finally:
            sys.settrace(None)

    sim.spawn(ends_tracing)
    sim.sleep("1ms")
    inner = next(one for one in kernel.tasks.values() if one is not kernel.first)
    before, first = sys.gettrace(), kernel.current

    def trace(frame, event, argument):
        return None

    sys.settrace(trace)
    try:
        assert _kill(kernel, inner) is None
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
        kernel.current = first


def test_the_program_that_a_library_calls_for_is_found_behind_it():
    through: dict = {}
    exec(compile("import sys\ndef through(call):\n    return call(sys._getframe())", os.__file__, "exec"), through)
    frame, _ = through["through"](program_call)
    assert frame is sys._getframe()


def test_a_run_that_has_not_ended_has_taken_no_steps():
    assert Run(1).steps == 0 and Run(1).error is None


def test_another_run_of_the_function_of_a_with_statement_is_not_taken_for_it():
    """Where it stands, an error would pass its own ``with`` statement by."""

    class Manager:
        def __enter__(self):
            self.statement = WithStatement(sys._getframe(1))

        def __exit__(self, *exc):
            return None

    def enters(manager, depth):
        if depth:
            return manager.statement.is_passed_over(sys._getframe())
        with manager:
            return enters(manager, depth + 1)

    assert enters(Manager(), 0) is False


def test_a_signal_that_came_for_a_world_that_is_over_leaves_the_timer_free_for_the_next():
    guard = Watchdog()
    guard._timer.due = 5.0
    guard._on_signal(14, None)
    assert guard._timer.due == float("inf")


def test_handlers_that_came_between_two_worlds_of_a_search_are_kept_from_striking_in_the_next():
    """Which handlers there are is compared with those of the world before, and a new one is noticed."""
    kept: list[set[int]] = []

    def handler(number, frame):
        raise AssertionError("nobody sends it")

    def test(sim):
        kept.append(set(watchdog._foreign))

    of_the_harness = signal.signal(signal.SIGALRM, signal.SIG_IGN)  # without it there is none
    former = signal.getsignal(signal.SIGUSR1)
    try:
        with Runner(test, Options(patch=False)) as runner:
            runner.run("0/1")
            runner.run("0/2")
            signal.signal(signal.SIGUSR1, handler)
            runner.run("0/3")
            runner.run("0/4")
            assert signal.getsignal(signal.SIGUSR1) is handler
            signal.signal(signal.SIGUSR1, former)
            runner.run("0/5")
    finally:
        signal.signal(signal.SIGUSR1, former)
        signal.signal(signal.SIGALRM, of_the_harness)
    number = int(signal.SIGUSR1)
    assert [number in numbers for numbers in kept] == [False, False, True, True, False]


def test_of_steps_in_a_row_of_which_one_fails_each_is_taken_again():
    taken: list[str] = []

    def fails():
        taken.append("fails")
        raise ValueError("it does")

    each_again(lambda: taken.append("first"), fails, lambda: taken.append("last"))
    assert taken == ["first", "fails", "fails", "last"]
