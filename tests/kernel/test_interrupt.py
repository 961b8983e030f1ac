"""Ctrl-C ends a world wherever its tasks stand, and comes out of it as KeyboardInterrupt; a world off the main thread is guarded too."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import threading
import time
from types import SimpleNamespace

import pytest

import simsock
from simsock import RealTimeLimit
from simsock.kernel.watchdog import SIGNAL, Watchdog, watchdog
from tests.real_signals import strike, write


def press_ctrl_c() -> None:
    strike(signal.SIGINT)


@pytest.fixture
def ctrl_c_soon():
    """``ctrl_c_soon(after)``: a real thread presses Ctrl-C in so many seconds. To be called where it may come at once."""
    orders, order = os.pipe()

    def press() -> None:
        while after := os.read(orders, 8):
            time.sleep(*struct.unpack("d", after))
            press_ctrl_c()

    thread = threading.Thread(target=press)  # made outside every world, or it would be a task
    thread.start()
    yield lambda after=0.05: write(order, struct.pack("d", after))
    os.close(order)
    thread.join()
    os.close(orders)


def spin() -> None:
    while True:
        pass


@pytest.fixture(autouse=True)
def ended(living_greenlets):
    yield
    assert living_greenlets() == 0
    with simsock.Simulation() as sim:
        assert sim.spawn(lambda: 5).result() == 5


def test_in_the_first_task():
    with pytest.raises(KeyboardInterrupt), simsock.Simulation():
        press_ctrl_c()
        pytest.fail("went on")


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_in_another_task_it_is_raised_in_the_first(preempt):
    interrupted_at = []

    def task():
        try:
            press_ctrl_c()
            spin()
        except BaseException as error:
            interrupted_at.append(type(error).__name__)
            raise

    with pytest.raises(KeyboardInterrupt), simsock.Simulation(preempt=preempt) as sim:
        try:
            sim.spawn(task).result()
        except KeyboardInterrupt:
            assert interrupted_at == []  # as with threads, the others do not hear of it until they are ended
            raise
    assert interrupted_at == ["TaskKilled"]


def test_while_another_task_spins_and_the_first_is_parked(ctrl_c_soon):
    with pytest.raises(KeyboardInterrupt), simsock.Simulation() as sim:
        ctrl_c_soon()
        sim.spawn(spin)
        sim.sleep(1)


def test_while_a_task_swallows_everything(ctrl_c_soon):
    def stubborn():
        while True:
            with contextlib.suppress(BaseException):
                sim.sleep(1)
                spin()

    with pytest.raises(KeyboardInterrupt), simsock.Simulation(max_real_time=2) as sim:
        ctrl_c_soon()
        sim.spawn(stubborn)
        sim.sleep(10)


@pytest.mark.parametrize("strategy", ["fifo", "random"])
@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_while_tasks_switch_all_the_time(preempt, strategy, ctrl_c_soon):
    """The signal mostly finds the kernel at work; it is raised at the next point."""

    def busy():
        while True:
            sim.sleep(0.001)

    with pytest.raises(KeyboardInterrupt), simsock.Simulation(preempt=preempt, strategy=strategy, max_steps=10**10, max_time="3000d") as sim:
        ctrl_c_soon()
        for _ in range(3):
            sim.spawn(busy)
        busy()


def test_at_any_moment_of_a_busy_world(ctrl_c_soon):
    """Many times, because what it interrupts is a matter of chance; none may hang or come out as anything else."""
    for number in range(40):
        with pytest.raises(KeyboardInterrupt), simsock.Simulation(strategy="random", max_steps=10**10, max_time="3000d") as sim:
            ctrl_c_soon(0.002 + number * 0.0003)
            lock = sim.network.threading.Lock()

            def busy(lock=lock, sim=sim):
                while True:
                    with lock:
                        sim.sleep(0.001)

            for _ in range(3):
                sim.spawn(busy)
            busy()


def test_while_the_world_ends():
    rounds = []

    def slow_to_end():
        try:
            sim.sleep("1h")
        finally:
            press_ctrl_c()
            rounds.append(1)

    with pytest.raises(KeyboardInterrupt), simsock.Simulation() as sim:
        for _ in range(3):
            sim._kernel.spawn(slow_to_end, daemon=True)
        sim.settle()


def test_while_the_world_ends_and_a_task_spins(ctrl_c_soon):
    def spins_to_end():
        try:
            sim.sleep("1h")
        finally:
            spin()

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), simsock.Simulation(max_real_time=60) as sim:
        ctrl_c_soon(0.2)
        sim._kernel.spawn(spins_to_end, daemon=True)
        sim.settle()
    assert time.monotonic() - began < 10


def test_a_keyboard_interrupt_that_a_task_raises_itself_is_raised_in_the_first():
    def task():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), simsock.Simulation() as sim:
        sim.spawn(task)
        sim.sleep(1)
        pytest.fail("went on")


def test_in_a_search_it_ends_the_search():
    runs = []

    def test(sim):
        runs.append(1)
        if len(runs) == 5:
            press_ctrl_c()
        sim.sleep(1)

    with pytest.raises(KeyboardInterrupt):
        simsock.explore(test, schedules=100, preempt="calls")
    assert len(runs) == 5


def test_another_handler_of_the_signal_is_left_alone():
    pressed = []
    former = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        with simsock.Simulation() as sim:
            press_ctrl_c()
            sim.sleep(1)
    finally:
        signal.signal(signal.SIGINT, former)
    assert pressed == [signal.SIGINT]


def test_handlers_of_signals_come_back():
    handler = signal.signal(SIGNAL, lambda number, frame: None)
    try:
        before = signal.getsignal(SIGNAL), signal.getsignal(signal.SIGINT)
        with pytest.raises(ZeroDivisionError), simsock.Simulation():
            assert {SIGNAL, signal.SIGINT} <= set(watchdog._former)
            assert (signal.getsignal(SIGNAL), signal.getsignal(signal.SIGINT)) == before  # the program does not see the watchdog's
            raise ZeroDivisionError
        assert (signal.getsignal(SIGNAL), signal.getsignal(signal.SIGINT)) == before
    finally:
        signal.signal(SIGNAL, handler)


class TestOffTheMainThread:
    """Where no signal handler runs, the watchdog raises an asynchronous exception."""

    def run(self, work):
        """Run in a thread; what it raised."""
        raised = []

        def body():
            try:
                work()
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        return raised

    def test_a_world_runs(self):
        def work():
            with simsock.Simulation(preempt="lines", strategy="random") as sim:
                assert sim.spawn(lambda: sim.sleep(1) or "done").result() == "done"

        assert self.run(work) == []

    @pytest.mark.parametrize("in_another_task", [False, True])
    def test_an_endless_loop_is_broken(self, in_another_task):
        def work():
            with simsock.Simulation(max_real_time=0.15) as sim:
                if in_another_task:
                    sim.spawn(spin).result()
                else:
                    spin()

        [error] = self.run(work)
        assert isinstance(error, RealTimeLimit)
        assert "max_real_time (0.15 s of real time)" in str(error)
        assert "test_interrupt.py" in error.facts["place"] and "in spin" in error.facts["place"]

    def test_the_first_task_hears_of_it_while_another_spins_and_it_sleeps(self):
        went_on = []

        def work():
            with simsock.Simulation(max_real_time=0.15) as sim:
                sim.spawn(spin)
                sim.sleep(1)
                went_on.append(sim.now)

        [error] = self.run(work)
        assert isinstance(error, RealTimeLimit)
        assert went_on == []

    def test_a_loop_of_simulated_calls_is_broken(self):
        def work():
            with simsock.Simulation(max_real_time=0.15, max_steps=10**12, max_time="300000d") as sim:
                while True:
                    sim.sleep(0.001)

        [error] = self.run(work)
        assert isinstance(error, RealTimeLimit)

    def test_an_endless_loop_at_the_end_is_broken(self):
        def work():
            def spins_to_end():
                try:
                    sim.sleep("1h")
                finally:
                    spin()

            with simsock.Simulation(max_real_time=0.15) as sim:
                sim._kernel.spawn(spins_to_end, daemon=True)
                sim.settle()

        assert self.run(work) == []

    def test_its_error_can_be_pickled(self):
        import pickle

        def work():
            with simsock.Simulation(max_real_time=0.2):
                spin()

        [error] = self.run(work)
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is RealTimeLimit
        assert str(copy) == str(error)
        assert copy.facts == error.facts


def test_a_world_that_ends_while_its_watchdog_sets_the_timer_leaves_none():
    """The signal's former handler is back by then; the default one would end the process."""
    dog = Watchdog()
    dog._guarded = world = SimpleNamespace(limits=SimpleNamespace(real_seconds=600))
    dog._deadline = time.monotonic() + 600
    dog._has_signals = lambda kernel: True
    dog._spins = lambda kernel: False
    sets = dog._set_timer

    def ends_meanwhile():
        dog._guarded = None
        sets()
        assert dog._timer.due < float("inf") and world is not None
        dog._bell = None  # and the thread looks no more

    dog._set_timer = ends_meanwhile
    world.pending_signal = None
    thread = threading.Thread(target=dog._watch, args=(dog._bell,))
    thread.start()
    thread.join()
    assert dog._timer.due == float("inf")
