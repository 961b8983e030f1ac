"""A world that cannot go on ends in an error that names the place: deadlocks, polls without end, loops, real locks; and each limit."""

from __future__ import annotations

import socket as real_socket
import threading as real_threading
import time as real_time
from collections import deque

import pytest

import simsock
from simsock import Deadlock, LimitExceeded, RealTimeLimit, StepLimit, TimeLimit

REAL_LIMIT = 0.15
HERE = "test_no_hang.py"


def line_of(function, offset: int) -> str:
    """``"file:line"`` of a line of a function, counted from its ``def``."""
    return f"{HERE}:{function.__code__.co_firstlineno + offset}"


# -- polls ---------------------------------------------------------------------------------------------------------------------------------


def poll_a_socket(sim):
    sock = sim.datagram()
    sock.setblocking(False)

    def poll():
        with pytest.raises(BlockingIOError):
            sock.recv(1)

    return poll


def poll_a_lock(sim):
    lock = sim.network.threading.Lock()
    lock.acquire()
    return lambda: lock.acquire(False)


def poll_a_queue(sim):
    from simsock.stdlib import queue

    empty = queue.Queue()

    def poll():
        with pytest.raises(queue.Empty):
            empty.get_nowait()

    return poll


def poll_an_event(sim):
    return sim.network.threading.Event().is_set


def poll_the_clock(sim):
    return sim.network.time.monotonic


def poll_poll(sim):
    from simsock.stdlib import select

    poller = select.poll()
    poller.register(sim.datagram(), select.POLLIN)
    return lambda: poller.poll(0)


def poll_by_sleeping_no_time(sim):
    return lambda: sim.network.time.sleep(0)


POLLS = [poll_a_socket, poll_a_lock, poll_a_queue, poll_an_event, poll_the_clock, poll_poll, poll_by_sleeping_no_time]


@pytest.mark.parametrize("make", POLLS)
def test_polls_without_end_meet_the_limit_of_time(make):
    with pytest.raises(TimeLimit, match="max_time"), simsock.Simulation(max_time="20ms") as sim:
        poll = make(sim)
        while True:
            poll()


@pytest.mark.parametrize("make", POLLS)
def test_polls_without_end_meet_the_limit_of_steps_and_their_line_is_named(make):
    def spin(poll):
        while True:
            poll()

    with pytest.raises(StepLimit, match="max_steps") as caught, simsock.Simulation(max_steps=5_000) as sim:
        spin(make(sim))
    assert HERE in caught.value.facts["place"]


@pytest.mark.parametrize("make", POLLS)
def test_a_program_that_polls_sees_what_others_do_at_their_time(make):
    """Polls begin to cost time, so that a sleeper's time comes; also when two tasks poll and keep each other runnable."""

    def spin():
        poll = make(sim)
        while not done:
            poll()
        return sim.now

    done = []
    with simsock.Simulation(max_steps=200_000) as sim:
        spinners = [sim.spawn(spin) for _ in range(2)]
        sim.sleep("50ms")
        done.append(True)
        assert all(0.05 <= spinner.result() < 0.06 for spinner in spinners)


def test_a_few_polls_cost_no_time():
    with simsock.Simulation() as sim:
        lock = sim.network.threading.Lock()
        lock.acquire()
        for _ in range(50):
            lock.acquire(False)
        assert sim.now_ns == 0


def test_a_server_that_empties_its_sockets_pays_little_for_it():
    """Each drain ends with one poll in vain; others are woken in between, so the price stays that of a system call."""
    with simsock.Simulation() as sim:
        event = sim.network.threading.Event()
        lock = sim.network.threading.Lock()
        lock.acquire()

        def other():
            while True:
                event.wait()
                event.clear()

        sim._kernel.spawn(other, daemon=True)
        for _ in range(5_000):
            event.set()
            lock.acquire(False)
        assert sim.now < 0.02


def test_polls_are_dearer_the_longer_nothing_happens_but_never_dearer_than_a_millisecond():
    with simsock.Simulation() as sim:
        lock = sim.network.threading.Lock()
        lock.acquire()
        prices = []
        for _ in range(2_000):
            before = sim.now_ns
            lock.acquire(False)
            prices.append(sim.now_ns - before)
        assert prices == sorted(prices)
        assert (prices[0], prices[-1]) == (0, 1_000_000)


# -- deadlocks -----------------------------------------------------------------------------------------------------------------------------


def two_locks(sim):
    """Two tasks that each hold one lock and want the other's."""
    threading = sim.network.threading
    one, other = threading.Lock(), threading.Lock()

    def left():
        with one:
            sim.sleep(1)
            other.acquire()

    def right():
        with other:
            sim.sleep(1)
            one.acquire()

    return [sim.spawn(left), sim.spawn(right)], left, right


def test_a_deadlock_of_two_locks_says_who_waits_for_what_where_and_held_by_whom():
    with pytest.raises(Deadlock) as caught, simsock.Simulation() as sim:
        tasks, left, right = two_locks(sim)
        tasks[0].result()
    report = caught.value.facts["report"]
    rows = {line.split()[0]: line for line in report.splitlines()}
    assert rows["task"].split() == ["task", "waits", "for", "where", "held", "by"]
    assert "acquire Lock-2" in rows["left-1"] and line_of(left, 3) in rows["left-1"] and rows["left-1"].endswith("right-1")
    assert "acquire Lock-1" in rows["right-1"] and line_of(right, 3) in rows["right-1"] and rows["right-1"].endswith("left-1")
    assert "join left-1" in rows["main"]
    assert report in str(caught.value)


def test_a_deadlock_of_two_tasks_is_found_though_the_first_one_goes_on_to_the_end():
    reached = []
    with pytest.raises(Deadlock, match=r"left-1 -> right-1 -> left-1") as caught, simsock.Simulation() as sim:
        two_locks(sim)
        sim.sleep(5)
        reached.append(sim.now)
    assert reached == [5.0]
    assert "acquire Lock-1" in caught.value.facts["report"]


def test_a_task_that_waits_for_a_lock_it_holds_is_a_deadlock():
    with pytest.raises(Deadlock, match=r"main +acquire Lock-1 .*main$"), simsock.Simulation() as sim:
        lock = sim.network.threading.Lock()
        lock.acquire()
        lock.acquire()


def test_a_lost_wake_up_is_a_deadlock():
    def waiter():
        with condition:
            condition.wait()

    with pytest.raises(Deadlock) as caught, simsock.Simulation() as sim:
        condition = sim.network.threading.Condition()
        with condition:
            condition.notify()  # before anybody waits
        sim.spawn(waiter).result()
    assert f"wait for Condition-1  {'tests/kernel/'}{line_of(waiter, 2)}" in str(caught.value)


def test_waiting_for_a_peer_that_says_nothing_is_a_deadlock_that_names_both():
    with pytest.raises(Deadlock) as caught, simsock.Simulation() as sim:
        with sim.host("server"):
            listener = sim.network.socket.create_server(("10.0.0.2", 80))
        client = sim.connect(("10.0.0.2", 80))
        peer, _ = listener.accept()
        sim.spawn(peer.recv, 1, name="peer")
        client.recv(1)
    assert "recv stream client:" in str(caught.value)
    assert "recv stream server:80" in str(caught.value)


def test_a_deadlock_in_a_task_is_raised_in_the_first_one_wherever_it_stands():
    with simsock.Simulation() as sim:
        event = sim.network.threading.Event()
        task = sim.spawn(event.wait)
        with pytest.raises(Deadlock):
            task.result()
        event.set()
        assert task.result() is True


def test_after_a_deadlock_the_world_can_go_on_and_end():
    with simsock.Simulation() as sim:
        with pytest.raises(Deadlock):
            sim.network.threading.Event().wait()
        sim.sleep(1)
        assert sim.now == 1


# -- loops without a simulated call --------------------------------------------------------------------------------------------------------


def spin_for_ever():
    while True:
        pass


@pytest.mark.parametrize("strategy", ["fifo", "random"])
@pytest.mark.parametrize("in_another_task", [False, True])
def test_an_endless_loop_meets_the_limit_of_steps_at_lines(in_another_task, strategy):
    with pytest.raises(StepLimit, match="max_steps") as caught, simsock.Simulation(preempt="lines", max_steps=5_000, strategy=strategy) as sim:
        if in_another_task:
            sim.spawn(spin_for_ever).result()
        else:
            spin_for_ever()
    assert f"in {spin_for_ever.__name__}" in caught.value.facts["place"]
    assert HERE in caught.value.facts["place"]
    assert ("task spin_for_ever-1 at" if in_another_task else "task main at") in str(caught.value)


@pytest.mark.parametrize("preempt", ["calls", "lines"])
@pytest.mark.parametrize("in_another_task", [False, True])
def test_an_endless_loop_meets_the_limit_of_real_time(in_another_task, preempt):
    began = real_time.monotonic()
    options = {"preempt": preempt, "scope": simsock.__path__[0], "max_real_time": REAL_LIMIT}  # this file is not in scope
    with pytest.raises(RealTimeLimit, match=r"max_real_time \(0.15 s") as caught, simsock.Simulation(**options) as sim:
        if in_another_task:
            sim.spawn(spin_for_ever).result()
        else:
            spin_for_ever()
    assert real_time.monotonic() - began < 5
    assert caught.value.facts["limit"] == "max_real_time"
    assert f"{HERE}:{spin_for_ever.__code__.co_firstlineno + 1}" in caught.value.facts["place"] or line_of(spin_for_ever, 2) in caught.value.facts["place"]


def test_a_loop_of_simulated_calls_meets_the_limit_of_real_time_too():
    def spin():
        while True:
            sim._kernel.point()

    with pytest.raises(RealTimeLimit, match="task spin-1"), simsock.Simulation(max_steps=10**12, max_real_time=REAL_LIMIT) as sim:
        sim.spawn(spin).result()


def test_the_first_task_hears_of_it_while_others_spin_and_it_sleeps():
    with pytest.raises(RealTimeLimit), simsock.Simulation(max_real_time=REAL_LIMIT) as sim:
        sim.spawn(spin_for_ever)
        sim.sleep(1)


def wait_for_a_real_lock():
    lock = real_threading.Lock()
    lock.acquire()
    with lock:
        pass


def wait_for_a_real_socket():
    one, other = real_socket.socketpair()
    with one, other:
        one.recv(1)


@pytest.mark.parametrize(("block", "line"), [(wait_for_a_real_lock, 3), (wait_for_a_real_socket, 3)])
@pytest.mark.parametrize("in_another_task", [False, True])
def test_blocking_for_real_meets_the_limit_of_real_time(in_another_task, block, line):
    with pytest.raises(RealTimeLimit) as caught, simsock.Simulation(max_real_time=REAL_LIMIT, patch=False) as sim:  # or it would not be for real
        if in_another_task:
            sim.spawn(block).result()
        else:
            block()
    assert line_of(block, line) in caught.value.facts["place"]


def test_a_task_that_catches_every_error_does_not_catch_the_limit_of_real_time():
    caught = []

    def looping():
        while True:
            try:
                spin_for_ever()
            except Exception as error:
                caught.append(error)

    with pytest.raises(RealTimeLimit), simsock.Simulation(max_real_time=REAL_LIMIT) as sim:
        sim.spawn(looping).result()
    assert caught == []


# -- limits --------------------------------------------------------------------------------------------------------------------------------


def test_the_limit_of_virtual_time_names_itself_and_its_value():
    with pytest.raises(TimeLimit, match=r"max_time \(90.000000s\)") as caught, simsock.Simulation(max_time="90s") as sim:
        sim.sleep(89)
        sim.sleep(2)
    assert caught.value.facts["limit"] == "max_time"
    assert isinstance(caught.value, LimitExceeded)
    assert sim.now == 89


def test_the_limit_of_virtual_time_is_raised_in_the_first_task():
    with simsock.Simulation(max_time=10) as sim:
        task = sim.spawn(sim.sleep, 11)
        with pytest.raises(TimeLimit):
            task.result()
        task.cancel()


def test_the_limit_of_steps_leaves_the_first_task_steps_to_clean_up():
    def spin():
        while True:
            sim._kernel.point()

    with simsock.Simulation(max_steps=100) as sim:
        with pytest.raises(StepLimit, match=r"max_steps \(100\)") as caught:
            sim.spawn(spin)
            sim.sleep(1)
        assert caught.value.facts["limit"] == "max_steps"
        for _ in range(500):
            sim._kernel.point()


def test_a_park_that_meets_the_limit_of_steps_leaves_no_wait_behind():
    """The task that parked stays parked, and is woken as if nothing had been."""
    with simsock.Simulation(max_steps=1_000) as sim:
        kernel, stop = sim._kernel, []

        def napping():
            while not stop:
                kernel.wait(deque(), kernel.now + 1, "nap")  # not a point
            return "woken"

        task = sim.spawn(napping)
        with pytest.raises(StepLimit):
            kernel.wait(deque(), kernel.now + 10**9, "sleep")
        stop.append(True)
        before = kernel.steps
        assert task.result() == "woken"
        assert kernel.steps - before < 20


def test_no_more_descriptors_than_there_may_be(monkeypatch):
    from simsock.kernel import files

    monkeypatch.setattr(files, "DESCRIPTORS_MAX", 10)
    with pytest.raises(LimitExceeded, match="more than 10 descriptors") as caught, simsock.Simulation() as sim:
        for _ in range(11):
            sim.datagram()
    assert caught.value.facts["limit"] == "descriptors"


def test_there_may_be_as_many_descriptors_as_the_limit_says_and_numbers_up_to_it(monkeypatch):
    import os

    from simsock.kernel import files

    monkeypatch.setattr(files, "DESCRIPTORS_MAX", 5)
    with simsock.Simulation() as sim:
        socks = [sim.datagram() for _ in range(4)]
        assert os.dup2(socks[0].fileno(), files.FIRST_DESCRIPTOR + 4) == files.FIRST_DESCRIPTOR + 4
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.dup2(socks[0].fileno(), files.FIRST_DESCRIPTOR + 5)
        with pytest.raises(LimitExceeded, match="more than 5 descriptors"):
            sim.datagram()
        os.close(files.FIRST_DESCRIPTOR + 4)


def test_no_more_tasks_than_there_may_be(monkeypatch):
    from simsock.kernel import core

    monkeypatch.setattr(core, "TASKS_MAX", 10)
    with pytest.raises(LimitExceeded, match="more than 10 tasks") as caught, simsock.Simulation() as sim:
        for _ in range(11):
            sim._kernel.spawn(sim.sleep, (1,), daemon=True)
    assert caught.value.facts["limit"] == "tasks"
