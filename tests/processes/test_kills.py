"""Processes that a test kills: now, at a drawn moment, on the timeline of a scenario; and what survives that."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time

import pytest

import simsock
from simsock import NeverHappened, Simulation, UsageError
from tests.processes.children import child, status_of


def test_a_process_that_is_killed_ends_where_it_stands_and_closes_what_it_had(world):
    reading, writing = os.pipe()
    pid = child(time.sleep, 100)
    os.close(writing)
    time.sleep(1)
    world.kill(pid)
    assert os.read(reading, 1) == b""
    assert status_of(pid) == -signal.SIGKILL
    world.kill(pid)  # it has ended


def test_a_process_object_can_be_killed(world):
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(100,))
    process.start()
    world.kill(process)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_what_is_no_process_of_the_world_is_an_error_that_says_what_is(world):
    with pytest.raises(UsageError, match=r"kill: expected the number of a process of this world \(none was forked yet\).* got 77"):
        world.kill(77)
    pid = child(lambda: 0)
    with pytest.raises(UsageError, match=rf"\({pid}\).* got None"):
        world.kill(None)
    with pytest.raises(UsageError, match=r"is the one that the test itself runs in; sim\.signal"):
        world.kill(os.getpid())
    with pytest.raises(UsageError, match="kill: within"):
        world.kill(pid, within=-1)
    status_of(pid)


def two_transfers(sim):
    """A worker takes from one account and gives to the other; somebody counts what there is when it is gone."""
    accounts = [socket.socketpair() for _ in range(2)]
    for _, there in accounts:
        there.sendall(b"x" * 5)

    def transfer():
        for _ in range(2):
            accounts[0][0].recv(1)
            accounts[1][1].sendall(b"x")

    pid = child(transfer)
    sim.kill(pid, within="1s")
    os.waitpid(pid, 0)
    left = 0
    for here, _ in accounts:
        here.setblocking(False)
        try:
            left += len(here.recv(100))
        except BlockingIOError:
            pass
    assert left == 10


def test_a_search_finds_the_moment_at_which_a_killed_process_leaves_something_half_done():
    verdict = simsock.explore(two_transfers, schedules=100)
    assert verdict.status == "fails"
    kill = next(step for step in verdict.deviations if step.label == "kill process-1 #1")
    assert str(kill).startswith("process-1 was killed between test_kills.py:"), str(kill)
    assert "process-1" in str(verdict.story)
    with pytest.raises(AssertionError):
        simsock.replay(two_transfers, verdict.token)


def test_a_kill_at_a_drawn_moment_is_the_same_in_every_run_and_comes_in_time():
    def run(seed, **options):
        with Simulation(seed=seed, **options) as sim:
            pid = child(time.sleep, 100)
            sim.kill(pid, within="2s")
            assert status_of(pid) == -signal.SIGKILL
            return sim.now, sim.digest, sim.token

    found = [run(seed) for seed in range(6)]
    assert [run(seed) for seed in range(2)] == found[:2]
    assert run(0, token=found[0][2])[:2] == found[0][:2]
    assert len({now for now, _, _ in found}) > 2
    assert max(now for now, _, _ in found) <= 2


def test_of_the_processes_on_a_host_any_one_is_killed():
    def test(sim):
        pids = [child(time.sleep, 5) for _ in range(3)]
        sim.kill("localhost", within="1s")
        assert [status_of(pid) for pid in pids].index(-signal.SIGKILL) < 2

    verdict = simsock.explore(test, schedules=30)
    assert verdict.status == "fails"
    assert any(str(step).startswith("of the processes on localhost it was the 3rd that was killed") for step in verdict.deviations)


def test_a_kill_that_strikes_nobody_has_not_happened():
    with pytest.raises(NeverHappened, match="kill of a process on localhost"), Simulation(require_faults=True) as sim:
        sim.kill("localhost")


def test_nothing_is_killed_any_more_once_all_faults_have_ended(world):
    for _ in range(5):
        pid = child(time.sleep, 5)
        world.kill(pid, within="4s")
        world.eventually(lambda: True, within=1)
        assert status_of(pid) in (0, -signal.SIGKILL)  # at once, or not at all
    assert round(world.now) % 5 == 0


def test_a_child_kills_nobody_by_order_of_the_test(world):
    world.expect_errors(simsock.Unsupported, match=r"sim\.kill in a child process")
    assert status_of(child(world.kill, 5)) == 1
