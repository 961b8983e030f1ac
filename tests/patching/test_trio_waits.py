"""A loop of trio's that waits for what never comes: its main task is told, as a thread would be."""

from __future__ import annotations

import socket

import pytest
import trio

import simsock


async def forever():
    """Wait for nobody."""
    await trio.sleep_forever()


def test_a_loop_whose_tasks_all_wait_without_an_end_is_a_deadlock_that_names_their_places():
    ended = []

    async def main():
        try:
            await forever()
        finally:
            ended.append(sim.now)

    with simsock.Simulation() as sim:
        with pytest.raises(simsock.Deadlock, match=r"deadlock: no task can run") as told:
            trio.run(main)
        assert sim.now == 0
        assert ended == [0]
    assert "trio's tasks, and where each waits" in told.value.__notes__[0]
    assert "in forever" in told.value.__notes__[0]


def test_a_nursery_whose_children_wait_without_an_end_is_told_and_its_children_are_cancelled():
    ended = []

    async def child():
        try:
            await forever()
        finally:
            ended.append("child")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, name="the child")

    with simsock.Simulation(), pytest.raises(ExceptionGroup) as told:
        trio.run(main)
    assert [type(error) for error in told.value.exceptions] == [simsock.Deadlock]
    assert ended == ["child"]
    assert "the child  " in told.value.exceptions[0].__notes__[0]


def test_a_wait_of_many_days_is_not_taken_for_a_deadlock():
    with simsock.Simulation() as sim:
        trio.run(trio.sleep, 5 * 86_400)
        assert sim.now == pytest.approx(5 * 86_400, abs=1)


def test_a_thread_that_brings_what_a_loop_waits_for_days_later_is_waited_for():
    async def main():
        event = trio.Event()
        token = trio.lowlevel.current_trio_token()

        def bring():
            sim.sleep(3 * 86_400)
            token.run_sync_soon(event.set)

        sim.spawn(bring)
        await event.wait()

    with simsock.Simulation() as sim:
        trio.run(main)
        assert sim.now == pytest.approx(3 * 86_400, abs=1)


def test_a_limit_of_virtual_time_is_told_to_the_main_task_too():
    async def main():
        with pytest.raises(simsock.TimeLimit):
            for _ in range(100):
                await trio.sleep(3_600)
        return "told"

    with simsock.Simulation(max_time="1d"):
        assert trio.run(main) == "told"


def test_a_main_task_that_goes_on_waiting_is_told_again_and_at_last_its_loop_ends_and_another_can_begin():
    told = 0

    async def deaf():
        nonlocal told
        while True:
            try:
                await trio.sleep_forever()
            except simsock.Deadlock:
                told += 1

    with simsock.Simulation():
        with pytest.raises(simsock.Deadlock):
            trio.run(deaf)
        trio.run(trio.sleep, 1)
    assert told == 10


def test_outside_a_world_trio_has_its_own_wait():
    from trio._core._io_epoll import EpollIOManager

    with simsock.Simulation():
        assert EpollIOManager.get_events.__module__ == "simsock.patching.trio_waits"
    assert EpollIOManager.get_events.__module__ == "trio._core._io_epoll"


def test_a_real_socket_from_before_is_refused_by_name_where_trio_takes_one():
    async def main():
        trio.socket.from_stdlib_socket(one)

    one, other = socket.socketpair()
    with (
        one,
        other,
        pytest.raises(simsock.Fenced, match=r"trio\.socket\.from_stdlib_socket of <socket\.socket fd=.*made outside this world"),
        simsock.Simulation(),
    ):
        trio.run(main)
