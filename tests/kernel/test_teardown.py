"""The end of a world: whatever its tasks do, it comes, within limits, and nothing of them is left."""

from __future__ import annotations

import contextlib
import gc
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

import simsock
from simsock import LeakWarning, TaskWillNotEnd, WorldEnded, socketserver
from simsock.kernel import teardown

ROOT = Path(__file__).resolve().parent.parent.parent
REAL_LIMIT = 0.15
"""Seconds that a world of these tests may take, where it needs the watchdog."""


@pytest.fixture(autouse=True)
def ended(living_greenlets):
    """After every test: nothing lives that had not lived before, and another world is healthy."""
    yield
    assert living_greenlets() == 0
    healthy_world()


def healthy_world() -> None:
    with simsock.Simulation() as sim:
        server = sim.serve(Echo)
        with sim.connect(server) as client:
            client.sendall(b"hello\n")
            assert client.recv(10) == b"hello\n"


@contextlib.contextmanager
def leaky_world(match=""):
    """A world whose end finds tasks alive that it had better not."""
    with pytest.warns(LeakWarning, match=match), simsock.Simulation() as sim:
        yield sim


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


def leave(sim, *functions, daemon=True):
    """Spawn tasks that the world's end finds alive, and let them begin."""
    tasks = [sim._kernel.spawn(fn, base=fn.__name__, daemon=daemon) for fn in functions]
    sim.settle()
    return tasks


def test_a_handler_that_sends_in_its_finally_ends():
    seen = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            try:
                self.request.recv(1)
            finally:
                seen.append("finally")
                try:
                    self.request.sendall(b"bye")
                except BaseException as error:
                    seen.append(type(error))
                    raise

    with leaky_world("handler-1") as sim:
        client = sim.connect(sim.serve(Handler))
        sim._sockets.clear()  # the client does not hang up, so the handler waits until the very end
        sim.settle()
    assert client.fileno() > 0
    assert seen == ["finally", WorldEnded]


def test_a_task_that_goes_on_after_every_exception_ends():
    rounds = []

    def stubborn():
        while True:
            try:
                sim.sleep(1)
            except BaseException:
                rounds.append(1)
                continue

    with simsock.Simulation() as sim:
        leave(sim, stubborn)
    assert 1 <= len(rounds) <= teardown.CALLS_REFUSED_MAX + 1


def test_a_task_that_goes_on_without_waiting_ends():
    def stubborn():
        lock = sim.network.threading.Lock()
        while True:
            try:
                with lock:
                    sim.sleep(1)
            except BaseException:
                while True:
                    try:
                        with lock:
                            pass
                    except BaseException:
                        break

    with simsock.Simulation() as sim:
        leave(sim, stubborn)


def test_loops_within_loops_that_go_on_after_every_exception_end():
    def stubborn():
        while True:
            try:
                while True:
                    try:
                        while True:
                            try:
                                sim.sleep(1)
                            except BaseException:
                                continue
                    except BaseException:
                        continue
            except BaseException:
                continue

    with simsock.Simulation() as sim:
        leave(sim, stubborn)


def test_a_task_parked_inside_sorted_ends():
    def parked():
        def key(number):
            sim.sleep(1)
            return number

        sorted([3, 1, 2], key=key)

    with simsock.Simulation() as sim:
        leave(sim, parked)


def test_a_task_parked_in_a_generator_and_a_finalizer_ends():
    class Sleeper:
        def __del__(self):
            with pytest.raises(WorldEnded):
                sim.sleep(1)

    def parked():
        def numbers():
            try:
                yield 1
                sim.sleep(1)
            finally:
                keep = Sleeper()
                del keep

        list(numbers())

    with simsock.Simulation() as sim:
        leave(sim, parked)


def test_a_thousand_tasks_end_at_once():
    gone = []

    def waiting():
        try:
            sim.sleep("1h")
        finally:
            gone.append(1)

    with simsock.Simulation() as sim:
        leave(sim, *[waiting] * 1_000)
    assert len(gone) == 1_000


def test_tasks_end_in_the_order_in_which_they_were_spawned_and_daemons_last():
    order = []

    def waiting(name):
        try:
            sim.sleep("1h")
        finally:
            order.append(name)

    with leaky_world() as sim:
        for name, daemon in [("a", False), ("b", True), ("c", False), ("d", True), ("e", False)]:
            sim._kernel.spawn(waiting, (name,), name=name, daemon=daemon)
        sim.sleep(1)
    assert order == ["a", "c", "e", "b", "d"]


def test_what_tasks_raise_while_they_end_is_raised_in_that_order():
    def failing(number):
        try:
            sim.sleep("1h")
        finally:
            raise ValueError(number)

    with pytest.raises(ExceptionGroup) as caught, simsock.Simulation() as sim:
        for number, daemon in enumerate([True, False, False]):
            sim._kernel.spawn(failing, (number,), daemon=daemon)
        sim.settle()
    assert [error.args for error in caught.value.exceptions] == [(1,), (2,), (0,)]


def test_a_task_that_starts_others_while_it_ends_is_refused():
    refused = []

    def parent():
        try:
            sim.sleep(1)
        finally:
            try:
                sim.spawn(print, "never")
            except WorldEnded as error:
                refused.append(error)

    with simsock.Simulation() as sim:
        leave(sim, parent)
    assert len(refused) == 1


def test_a_task_that_never_began_ends_without_running():
    ran = []
    with simsock.Simulation() as sim, pytest.raises(ZeroDivisionError):
        sim.spawn(ran.append, 1)
        raise ZeroDivisionError
    with pytest.raises(KeyError), simsock.Simulation() as sim:
        sim.spawn(ran.append, 2)
        raise KeyError
    assert ran == [1]


def test_locks_are_granted_while_the_world_ends():
    got = []

    def holder():
        with lock:
            sim.sleep("1h")

    def waiter():
        try:
            with lock:
                pass
        finally:
            with lock:
                got.append(1)

    with simsock.Simulation() as sim:
        lock = sim.network.threading.Lock()
        leave(sim, holder, waiter)
    assert got == [1]


class TestLoopsThatCallNothing:
    """The watchdog breaks them within ``max_real_time``."""

    def test_one_in_a_finally_is_broken(self):
        def looping():
            try:
                sim.sleep(1)
            finally:
                while True:
                    pass

        began = time.monotonic()
        with simsock.Simulation(max_real_time=REAL_LIMIT) as sim:
            leave(sim, looping)
        assert time.monotonic() - began < 5

    def test_one_that_swallows_that_too_is_left_behind_and_named(self, monkeypatch):
        monkeypatch.setattr(teardown, "_graveyard", left := [])
        over = []

        def spin():  # a function of its own: CPython 3.13 does not count a loop's jump back as part of the try around it
            while not over:
                pass

        def looping():
            while not over:
                try:
                    sim.sleep(1)
                except BaseException:
                    while not over:
                        try:
                            spin()
                        except BaseException:
                            pass

        text = r"task looping-1 .* at .*test_teardown\.py:\d+ in .*spin"
        with pytest.raises(TaskWillNotEnd, match=text) as caught, simsock.Simulation(max_real_time=REAL_LIMIT) as sim:
            [task] = leave(sim, looping)
        assert re.search(r":\d+ in ", caught.value.facts["place"])
        assert task.done
        over.append(True)  # for the test's sake it ends now
        left.clear()


def test_a_task_that_ends_in_no_way_is_named_with_its_line(monkeypatch):
    monkeypatch.setattr(teardown, "CALLS_REFUSED_MAX", -1)
    monkeypatch.setattr(teardown, "LINES_REFUSED_MAX", 0)
    monkeypatch.setattr(teardown, "_graveyard", left := [])

    def stubborn():
        try:
            sim.sleep(1)
        except BaseException:
            sim.sleep(2)

    with pytest.raises(TaskWillNotEnd) as caught, simsock.Simulation() as sim:
        leave(sim, stubborn)
    left.clear()  # now it may be resumed: it ends at once
    line = stubborn.__code__.co_firstlineno + 4
    assert f"test_teardown.py:{line} in " in str(caught.value)
    assert "task stubborn-1" in str(caught.value)


def messy_world() -> None:
    """Tasks of every kind that the end finds alive, and an error."""

    def stubborn():
        for _ in range(3):
            try:
                sim.sleep(1)
            except BaseException:
                continue

    def waiting():
        with sim.network.threading.Lock():
            sim.network.threading.Event().wait()

    def failing():
        raise KeyError

    try:
        with simsock.Simulation(strategy="random") as sim:
            client = sim.connect(sim.serve(Echo))
            client.sendall(b"x\n")
            client.recv(10)
            leave(sim, stubborn, waiting, failing)
    except KeyError:
        pass


def _run(world, times: int) -> None:
    for _ in range(times):
        world()
    gc.collect()


@pytest.mark.once
def test_a_thousand_worlds_leave_nothing_in_memory():
    _run(messy_world, 100)
    blocks = [sys.getallocatedblocks()]
    for _ in range(4):
        _run(messy_world, 250)
        blocks.append(sys.getallocatedblocks())
    grown = [after - before for before, after in pairwise(blocks)]
    assert min(grown) < 125, grown  # what worlds leave, each of them leaves; what the process keeps of a program it keeps once


_GROWTH = """
import sys, warnings
import psutil
from tests.kernel import test_teardown

warnings.simplefilter("ignore")
world = getattr(test_teardown, sys.argv[1])
test_teardown._run(world, 2_000)
before, blocks = psutil.Process().memory_info().rss, sys.getallocatedblocks()
test_teardown._run(world, 10_000)
print(psutil.Process().memory_info().rss - before, sys.getallocatedblocks() - blocks)
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("world", ["healthy_world", "messy_world"])
def test_the_process_does_not_grow_over_ten_thousand_worlds(world):
    """In a process of its own: in one that has run other tests, memory comes and goes with what those have left. What the system counts moves by some MB."""
    pytest.importorskip("psutil")
    run = subprocess.run([sys.executable, "-c", _GROWTH, world], cwd=ROOT, capture_output=True, text=True, check=True)
    system, blocks = map(int, run.stdout.split())
    assert blocks < 500
    assert system < 8 << 20
