"""An answer of the scheduler's question may also hold back whoever would have run: until nobody else can."""

from __future__ import annotations

import threading

import pytest

import simsock
from simsock.choices import Token


def order_of(deviations, body, **options):
    """What ``body(sim, note)`` notes, in a replay of the plain run with these deviations."""
    noted = []
    token = Token(0, {"strategy": "random", **options}, deviations).encode()
    with simsock.Simulation(token=token) as sim:
        body(sim, noted.append)
        assert sim.deviations == list(deviations)
    return "".join(noted)


def three(sim, note):
    def work(name):
        for _ in range(3):
            sim._kernel.point()
            note(name)

    for task in [sim.spawn(work, name, name=name) for name in "abc"]:
        task.result()


def test_who_is_held_back_goes_on_when_nobody_else_can_run():
    assert order_of((), three) == "aaabbbccc"
    assert order_of([("task a schedule", 1, 1)], three) == "abbbcccaa"  # b went first; a is the last in the queue
    assert order_of([("task a schedule", 1, 3)], three) == "abbbcccaa"  # of the three that can run, b goes first and a stays back
    assert order_of([("task a schedule", 1, 4)], three) == "acccbbbaa"


def test_a_pick_alone_lets_the_task_come_back_at_its_turn_and_holding_does_not():
    def body(sim, note):
        def work(name):
            for _ in range(2):
                note(name)
                sim._kernel.yield_()
            sim._kernel.point()
            note(name)

        for name in "abc":
            sim.spawn(work, name, name=name)
        for _ in range(3):
            sim._kernel.yield_()
        for task in list(sim._kernel.tasks.values())[1:]:
            task.result()

    plain = order_of((), body)
    chosen = order_of([("task a schedule", 2, 1)], body)
    held = order_of([("task a schedule", 2, 3)], body)
    assert len({plain, chosen, held}) > 1
    assert held.endswith("a")
    assert sorted(plain) == sorted(held)


def test_of_a_task_that_parks_the_one_that_would_have_run_is_held_back():
    def body(sim, note):
        def work(name):
            note(name)

        for name in "abc":
            sim.spawn(work, name, name=name)
        sim.sleep(1)
        note("!")

    assert order_of((), body) == "abc!"
    assert order_of([("task main schedule", 1, 1)], body) == "bac!"
    assert order_of([("task main schedule", 1, 3)], body) == "bca!"


def test_who_is_held_back_goes_on_before_the_clock_moves():
    def body(sim, note):
        def work(name):
            sim._kernel.point()
            note(f"{name}{sim.now:g}")

        for name in "ab":
            sim.spawn(work, name, name=name)
        sim.sleep(5)
        note(f"!{sim.now:g}")

    assert order_of([("task a schedule", 0, 2)], body) == "b0a0!5"


def test_several_that_are_held_back_come_one_at_a_time_in_the_order_in_which_they_were():
    held = [("task a schedule", 1, 3), ("task b schedule", 1, 2)]
    assert order_of(held, three) == "abcccaabb"


@pytest.mark.parametrize("wait", ["settle", "run_until", "spin", "poll"])
def test_whoever_waits_for_the_others_waits_for_those_held_back_as_well(wait):
    def body(sim, note):
        done = []

        def work():
            sim._kernel.point()
            done.append(1)
            note("a")

        sim.spawn(work, name="a")
        sim.spawn(lambda: sim._kernel.point(), name="b")
        sim._kernel.yield_()
        if wait == "settle":
            sim.settle()
        elif wait == "run_until":
            sim.run_until(lambda: done)
        elif wait == "spin":
            while not done:
                sim._kernel.point()
        else:
            while not done:
                sim.sleep(0)
        note("!")

    assert order_of([("task a schedule", 0, 4)], body) == "a!"


def test_the_first_task_may_be_held_back_and_is_told_of_a_deadlock():
    def body(sim, note):
        lock = threading.Lock()
        lock.acquire()
        sim.spawn(lock.acquire, name="a")
        sim._kernel.point()
        threading.Event().wait()

    with pytest.raises(simsock.Deadlock):
        order_of([("task main schedule", 0, 2)], body)


@pytest.mark.filterwarnings("ignore::simsock.LeakWarning")
def test_a_world_ends_with_tasks_held_back():
    token = Token(0, {"strategy": "random"}, [("task a schedule", 0, 2)]).encode()
    with simsock.Simulation(token=token) as sim:
        ended = []

        def work():
            try:
                sim._kernel.point()
            finally:
                ended.append(1)

        sim.spawn(work, name="a")
        sim._kernel.yield_()
    assert ended == [1]


def test_an_answer_beyond_all_candidates_is_not_used_and_told():
    def run():
        with simsock.Simulation(token=Token(0, {"strategy": "random"}, [("task a schedule", 1, 7)]).encode()) as sim:
            noted = []
            three(sim, noted.append)
            return "".join(noted), sim._kernel.tape.mismatches()

    order, mismatches = run()
    assert order == "aaabbbccc"
    assert "the replay has answer 7 to question 1" in mismatches[0]


@pytest.mark.parametrize("strategy", ["pct", "pcth", "surw", "surw:selective", "pos"])
def test_who_waits_for_a_predicate_does_not_keep_the_others_from_making_it_true(strategy):
    def test(sim):
        said = []

        def listens():
            with sim.network.socket.create_server(("127.0.0.1", 8000)) as listener:
                said.append(listener.accept()[0].recv(10))

        def connects():
            with sim.network.socket.create_connection(("127.0.0.1", 8000)) as connection:
                connection.sendall(b"x")

        task = sim.spawn(listens)
        sim.settle()
        other = sim.spawn(connects)
        assert sim.run_until(lambda: said or task.done)
        task.result()
        other.result()

    verdict = simsock.explore(test, 40, strategy=strategy, preempt="calls", patch=False, shrink=False)
    assert not verdict.failed, str(verdict)
