"""In which order asyncio and trio run what is ready: what they leave open is explored by searches, what they document is kept unless it is asked for."""

from __future__ import annotations

import asyncio
import socket

import pytest
import trio

import simsock
from simsock import UsageError
from simsock.world.simulation import Simulation


def lost_update(late):
    """Two coroutines read and write with a step of the loop in between; one begins later."""

    def test(sim):
        state = {"value": 0}

        async def increase(steps):
            for _ in range(steps):
                await asyncio.sleep(0)
            before = state["value"]
            await asyncio.sleep(0)
            state["value"] = before + 1

        async def main():
            await asyncio.gather(increase(0), increase(late))
            assert state["value"] == 2

        asyncio.run(main())

    return test


def first_of(deadlines):
    """Which of some sleepers wakes first."""

    def test(sim):
        woken = []

        async def sleeper(number, deadline):
            await asyncio.sleep(deadline)
            woken.append(number)

        async def main():
            await asyncio.gather(*(sleeper(number, deadline) for number, deadline in enumerate(deadlines)))
            assert woken[0] == 0

        asyncio.run(main())

    return test


def trio_lost_update(lock):
    def test(sim):
        state = {"value": 0}
        guard = trio.Lock()

        async def increase(steps):
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            if lock:
                await guard.acquire()
            before = state["value"]
            await trio.lowlevel.checkpoint()
            state["value"] = before + 1
            if lock:
                guard.release()

        async def main():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(increase, 0)
                nursery.start_soon(increase, 3)
            assert state["value"] == 2

        trio.run(main)

    return test


def test_timers_of_one_deadline_fire_in_any_order_and_others_in_theirs():
    verdict = simsock.explore(first_of([0.005, 0.005]), 50, preempt="calls")
    assert [step.label for step in verdict.deviations] == ["loop main timers"]
    assert "of the timers that were due at one moment in the event loop of main, number 2 went first" in str(verdict)
    with pytest.raises(AssertionError):
        simsock.replay(first_of([0.005, 0.005]), verdict.token)
    assert simsock.explore(first_of([0.005, 0.006, 0.006]), 50, preempt="calls").status == "inconclusive"


def test_descriptors_that_are_ready_at_once_are_told_in_any_order():
    def test(sim):
        heard = []
        first, second = socket.socketpair(), socket.socketpair()

        async def main():
            loop, done = asyncio.get_running_loop(), asyncio.Event()

            def hears(number, sock):
                heard.append(number)
                loop.remove_reader(sock)
                if len(heard) == 2:
                    done.set()

            for number, pair in enumerate((first, second)):
                pair[1].setblocking(False)
                loop.add_reader(pair[1], hears, number, pair[1])
            first[0].send(b"x")
            second[0].send(b"x")
            await done.wait()

        asyncio.run(main())
        for sock in (*first, *second):
            sock.close()
        assert heard == [0, 1]

    verdict = simsock.explore(test, 50, preempt="calls")
    assert [step.label for step in verdict.deviations] == ["loop main descriptors"]


def test_callbacks_keep_their_order_unless_every_order_is_asked_for():
    assert simsock.explore(lost_update(3), 100, preempt="calls").status == "inconclusive"
    verdict = simsock.explore(lost_update(3), 100, preempt="calls", asyncio_order="any")
    assert verdict.status == "fails"
    assert {step.label for step in verdict.deviations} == {"loop main holds"}
    assert "increase ran" in str(verdict) and "later than it could have" in str(verdict)
    with pytest.raises(AssertionError):
        simsock.replay(lost_update(3), verdict.token)


def test_a_coroutine_that_does_not_step_between_read_and_write_is_not_accused():
    def test(sim):
        state = {"value": 0}

        async def increase():
            await asyncio.sleep(0)
            state["value"] += 1

        async def main():
            await asyncio.gather(*(increase() for _ in range(5)))
            assert state["value"] == 5

        asyncio.run(main())

    assert simsock.explore(test, 100, preempt="calls", asyncio_order="any").status == "inconclusive"


def test_whatever_is_held_back_goes_on_in_the_end():
    def test(sim):
        async def main():
            queue: asyncio.Queue = asyncio.Queue(1)

            async def put():
                for number in range(5):
                    await queue.put(number)

            async def get():
                return [await asyncio.wait_for(queue.get(), 1) for _ in range(5)]

            taken, _ = await asyncio.gather(get(), put())
            assert taken == list(range(5))

        asyncio.run(main(), debug=False)

    assert simsock.explore(test, 150, preempt="calls", asyncio_order="any").status == "inconclusive"


def test_trios_order_is_on_the_tape_and_shrinks():
    verdict = simsock.explore(trio_lost_update(lock=False), 100, preempt="calls")
    assert verdict.status == "fails"
    assert 1 <= len(verdict.deviations) <= 2
    assert {step.label for step in verdict.deviations} <= {"loop main holds", "loop main round"}
    assert simsock.explore(trio_lost_update(lock=True), 100, preempt="calls").status == "inconclusive"


def test_a_plain_world_leaves_asyncio_alone():
    def run(**options):
        with Simulation(seed=3, **options) as sim:
            try:
                first_of([0.005] * 4)(sim)
            except AssertionError:
                pass
            return sim.deviations

    assert run() == []
    assert {label for label, *_ in run(asyncio_order="any")} <= {"loop main timers", "loop main holds"}


def test_classes_of_asyncio_are_as_they_were_afterwards():
    before = asyncio.BaseEventLoop._run_once, asyncio.selector_events.BaseSelectorEventLoop._process_events
    simsock.explore(lost_update(0), 2, asyncio_order="any")
    assert before == (asyncio.BaseEventLoop._run_once, asyncio.selector_events.BaseSelectorEventLoop._process_events)


@pytest.mark.parametrize("wrong", ["fifo", None, True])
def test_what_is_no_order_is_an_error_that_names_the_option(wrong):
    with pytest.raises(UsageError, match="asyncio_order: expected 'documented'"):
        Simulation(asyncio_order=wrong)
