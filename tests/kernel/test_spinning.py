"""Loops that only look: at lines time goes on for them, at calls an error names them; loops that work are neither."""

from __future__ import annotations

import hashlib
import json
import queue
import sys
import threading
import time
from collections import deque

import pytest

import simsock
from simsock.kernel.spinning import Spinning

flag = False


class State:
    """What others look at."""

    def __init__(self):
        self.done = False
        self.inner = {"state": "starting", "items": deque()}
        self.looks = 0

    @property
    def counted(self):
        self.looks += 1
        return self.looks > 300_000


def wait_for_attribute(state):
    while not state.done:
        pass


def wait_with_counter(state):
    rounds = 0
    while not state.done:
        rounds += 1


def wait_with_break(state):
    while True:
        if state.done:
            break


def wait_for_item(state):
    while state.inner["state"] == "starting":
        continue


def wait_for_nothing_more(state):
    while state.inner["state"] is not None and state.inner["state"] != "up":
        pass


def wait_for_deque(state):
    while not state.inner["items"]:
        pass


def wait_for_length(state):
    while len(state.inner["items"]) == 0:
        pass


def wait_for_global(state):
    while flag is False:
        pass


def wait_for_cell(state):
    done = None

    def set_it():
        nonlocal done
        done = 1

    state.set_it = set_it
    while done is None:
        pass


WAITS = [
    wait_for_attribute,
    wait_with_counter,
    wait_with_break,
    wait_for_item,
    wait_for_deque,
    wait_for_nothing_more,
    wait_for_length,
    wait_for_global,
    wait_for_cell,
]


@pytest.fixture(autouse=True)
def _unset():
    global flag
    flag = False


def started(state, seconds=10):
    def finish():
        global flag
        time.sleep(seconds)
        flag = True
        state.inner["state"] = "up"
        state.inner["items"].append(1)
        if hasattr(state, "set_it"):
            state.set_it()
        state.done = True

    thread = threading.Thread(target=finish)
    thread.start()
    return thread


@pytest.mark.parametrize("strategy", ["fifo", "random"])
@pytest.mark.parametrize("wait", WAITS)
def test_at_lines_the_others_go_on_and_time_with_them(wait, strategy):
    with simsock.Simulation(preempt="lines", strategy=strategy, max_real_time=20) as sim:
        state = State()
        thread = started(state)
        wait(state)
        thread.join()
        assert round(sim.now, 4) == 10


def test_other_tasks_that_look_do_not_keep_the_clock_from_moving():
    with simsock.Simulation(preempt="lines", max_real_time=20) as sim:
        state = State()
        thread = started(state, 5)
        other = threading.Thread(target=wait_with_counter, args=(state,))
        other.start()
        wait_for_attribute(state)
        other.join()
        thread.join()
        assert round(sim.now, 4) == 5


@pytest.mark.parametrize("wait", WAITS)
def test_at_calls_an_error_names_the_loop(wait):
    began = time.monotonic()
    line = wait.__code__.co_firstlineno
    with (
        pytest.raises(simsock.BusyLoop, match=rf"task main goes round at .*test_spinning\.py:\d+(-\d+)? in {wait.__name__}") as caught,
        simsock.Simulation(max_real_time=1.5),
    ):
        state = State()
        started(state)
        wait(state)
    assert time.monotonic() - began < 30
    place = caught.value.facts["place"]
    assert line < int(place.partition(".py:")[2].partition(" ")[0].partition("-")[0]) < line + 11


def test_a_loop_that_nobody_ends_is_told_at_lines_too():
    with pytest.raises(simsock.BusyLoop, match="wait_for_attribute"), simsock.Simulation(preempt="lines"):
        wait_for_attribute(State())


def count_up(seconds):
    number = 0
    while number < 1_000_000 * seconds:
        number += 1


def count_in_a_cell(seconds):
    numbers = [0]
    while numbers[0] < 300_000 * seconds:
        numbers[0] += 1


def hash_on(seconds):
    digest = hashlib.sha256()
    left = 3_000 * seconds
    while left:
        digest.update(bytes(1000))
        left -= 1


def parse(seconds):
    text = json.dumps(list(range(1000)))
    left = 300 * seconds
    while left:
        json.loads(text)
        left -= 1


def ask_what_counts(seconds):
    state = State()
    while not state.counted:
        pass


def sort(seconds):
    items = list(range(20_000))
    for number in range(20 * seconds):
        items.sort(key=lambda item, number=number: (item * 7919 + number) % 10_007)


WORK = [count_up, count_in_a_cell, hash_on, parse, ask_what_counts, sort]


@pytest.mark.once
@pytest.mark.parametrize("work", WORK)
def test_work_is_not_called_busy_and_moves_no_time(work):
    for preempt in ("calls", "lines"):
        with simsock.Simulation(preempt=preempt, max_steps=100_000_000, max_real_time=100) as sim:
            sleeper = threading.Thread(target=time.sleep, args=(5,))
            sleeper.start()
            work(2 if preempt == "calls" else 1)
            assert sim.now == 0
            sleeper.join()


def test_with_other_os_threads_about_nobody_can_know_and_the_limit_names_the_loop():
    state = State()
    outside = threading.Thread(target=lambda: (time.sleep(2.5), setattr(state, "done", True)))
    outside.start()
    with simsock.Simulation():
        wait_for_attribute(state)
    outside.join()
    stop = threading.Event()
    outside = threading.Thread(target=stop.wait)
    outside.start()
    with pytest.raises(simsock.BusyLoop, match="wait_for_attribute"), simsock.Simulation(max_real_time=0.5):
        wait_for_attribute(State())
    stop.set()
    outside.join()


def test_a_look_changes_nothing_and_a_change_is_seen():

    spinning, state = Spinning(), State()
    seen = []

    def look():
        seen.append(spinning.stays(sys._getframe(1)))

    class Looks:
        def __get__(self, instance, owner):
            look()
            instance.rounds = getattr(instance, "rounds", 0) + 1
            return instance.rounds > 3

    State.looking = Looks()
    try:
        while not state.looking:
            pass
    finally:
        del State.looking
    assert not any(seen)  # what it reads changes what it looks at


@pytest.mark.parametrize("kind", [queue.Queue, queue.SimpleQueue])
def test_emptying_a_queue_takes_no_time_however_much_is_in_it(kind):
    with simsock.Simulation() as sim:
        items = kind()
        for item in range(1_000):
            items.put(item)
        while not items.empty():
            items.get_nowait()
        assert sim.now == 0
