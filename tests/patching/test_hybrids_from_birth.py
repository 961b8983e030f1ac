"""Locks that are hybrids from birth, for as long as that is asked for; and how fast the patched state comes and goes."""

from __future__ import annotations

import gc
import queue
import selectors
import sys
import threading
import time

import pytest

from simsock import UsageError
from simsock.patching import Hybrids, Patching, known, locks
from simsock.patching.captured import Holds


@pytest.fixture
def hybrids():
    made = Hybrids()
    made.put_in()
    yield made
    made.take_out()


def test_programs_get_hybrids_and_the_harness_real_ones(hybrids):
    assert type(threading.Lock()) is locks.Lock
    assert type(threading.RLock()) is locks.RLock
    assert type(threading.Condition()._lock) is locks.RLock
    assert type(queue.Queue().mutex) is locks.Lock
    assert type(queue.SimpleQueue()) is locks.SimpleQueue
    space = {"__name__": "_pytest.somewhere", "threading": threading, "queue": queue}
    exec("lock, condition, simple = threading.Lock(), threading.Condition(), queue.SimpleQueue()", space)
    assert type(space["lock"]) is locks.real_lock
    assert type(space["condition"]._lock) is locks.real_rlock
    assert type(space["simple"]) is locks.real_queue


def test_a_lock_in_a_plain_local_variable_excludes_tasks(hybrids, world):
    lock = threading.Lock()
    most = []

    def work(lock):
        with lock:
            most.append(lock.locked())
            time.sleep(1)

    with world(max_real_time=10) as sim:
        threads = [threading.Thread(target=work, args=(lock,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert round(sim.now, 4) == 3


def test_they_stay_through_worlds_and_go_when_they_are_taken_out(world):
    lock, rlock, simple = threading.Lock, threading.RLock, queue.SimpleQueue
    hybrids = Hybrids()
    hybrids.put_in()
    try:
        with world():
            pass
        assert type(threading.Lock()) is locks.Lock
        kept = threading.RLock()
    finally:
        hybrids.take_out()
    assert threading.Lock is lock
    assert threading.RLock is rlock
    assert queue.SimpleQueue is simple
    with kept:
        pass


def test_nothing_is_searched_for_when_nothing_is_new(world, monkeypatch):
    searches, search = [], Holds._search
    monkeypatch.setattr(Holds, "_search", lambda self, originals: (searches.append(originals), search(self, originals))[1])
    for _ in range(3):
        with world():
            pass
    searches.clear()
    gc.disable()  # after a full collection, which may come at any time, nobody knows what is new
    try:
        for _ in range(20):
            with world():
                threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
    finally:
        gc.enable()
    assert searches == []


def test_a_module_that_came_since_is_looked_at_and_the_others_are_not(world, monkeypatch):
    with world():
        pass
    looked = []
    names = known()[0]
    look = names.look
    monkeypatch.setattr(names, "look", lambda space: (looked.append(space["__name__"]), look(space))[1])
    module = type(sys)("just_made")
    module.nap, module.__spec__ = time.sleep, None
    monkeypatch.setitem(sys.modules, "just_made", module)
    with world() as sim:
        module.nap(5)
        assert round(sim.now, 4) == 5
    assert looked == ["just_made"]
    assert module.nap is time.sleep
    with world() as sim:
        module.again = time.sleep  # captured inside
        module.again(1)
        assert round(sim.now, 4) == 1
    assert module.again is time.sleep
    module.clock = time.monotonic
    with world() as sim:
        assert module.clock() == time.monotonic()
        module.again(1)
        assert round(sim.now, 4) == 1
    assert looked == ["just_made"] * 2


def test_a_name_that_was_mocked_in_an_earlier_world_is_virtual_in_the_next(world, monkeypatch):
    from . import before_world as program

    monkeypatch.setattr(program, "sleep", len, raising=False)
    monkeypatch.setattr(program.time, "monotonic", len)
    with world():
        assert program.sleep is program.time.monotonic is len
    program.sleep = time.sleep  # as many names as before
    monkeypatch.undo()
    program.sleep = time.sleep
    with world(max_real_time=10) as sim:
        start = program.time.monotonic()
        program.sleep(3)
        assert round(sim.now, 4) == round(program.time.monotonic() - start, 4) == 3
    del program.sleep


def test_the_patched_state_does_not_nest_and_who_tries_spoils_no_later_world(world):
    """To look where originals are held while stand-ins are in their places would find none, and the next world would leave real ones there."""
    first, second = Patching(), Patching()
    first.prepare()
    first.apply()
    try:
        gc.collect()  # now nobody knows what is new
        for step in (second.prepare, second.apply):
            with pytest.raises(UsageError, match="patched already"):
                step()
    finally:
        first.remove()
    with world(), selectors.DefaultSelector() as selector:  # a class of the standard library's keeps select.epoll
        assert "simsock" in type(selector._selector).__module__
