"""Locks, queues and the like that were made before the world exclude, wake and wait inside it.

Laws checked: mutual exclusion between tasks wherever the lock was kept; what waits does so in virtual time; after the world they are real
locks for real threads; what another OS thread holds or gives is respected.
"""

from __future__ import annotations

import _queue
import _thread
import copy
import importlib.util
import logging
import pickle
import queue
import subprocess
import sys
import threading
import time
import weakref

import pytest

import simsock
from simsock.errors import Deadlock, RealTimeLimit
from simsock.patching import doctor, locks
from simsock.patching.locks import Lock, RLock

from . import before_world as program

PLACES = {
    "a module's Lock": lambda: program.LOCK,
    "a module's RLock": lambda: program.RLOCK,
    "a table's Lock": lambda: program.TABLE["lock"],
    "a table's RLock": lambda: program.TABLE["rlock"],
    "a list's": lambda: program.ITEMS[0],
    "an instance's": lambda: program.INSTANCE.lock,
    "a class's": lambda: program.Guarded.CLASS_LOCK,
    "a default argument's": lambda: program.INSTANCE.default(),
    "a slot's": lambda: program.SLOTTED.lock,
    "a closure's": lambda: program.CLOSED(),
    "logging's module": lambda: logging._lock,
    "a logging handler's": lambda: program.HANDLER.lock,
    "a semaphore": lambda: program.SEMAPHORE,
    "a condition": lambda: program.CONDITION,
    "a queue's mutex": lambda: program.QUEUE.mutex,
    "the thread pools'": lambda: __import__("concurrent.futures.thread").futures.thread._global_shutdown_lock,
}


def contend(lock, *, tasks=3, nap=1.0):
    """How many tasks were inside at once at most, and how much virtual time that took, when each sleeps while it has the lock."""
    inside = most = 0

    def work():
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            time.sleep(nap)
            inside -= 1

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most, round(time.monotonic() - began, 4)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("strategy", ["fifo", "random"])
def test_a_lock_excludes_wherever_it_was_kept(world, place, strategy):
    with world(strategy=strategy, max_real_time=10):
        assert contend(PLACES[place]()) == (1, 3.0)


@pytest.mark.parametrize("place", PLACES)
def test_after_the_world_it_is_free_and_works_between_real_threads(world, place):
    with world():
        contend(PLACES[place]())
    lock = PLACES[place]()
    got = []
    assert lock.acquire(False)
    thread = threading.Thread(target=lambda: got.append(lock.acquire(False)))
    thread.start()
    thread.join()
    lock.release()
    assert got == [False]


def test_a_cached_property_from_before_computes_once_where_it_has_a_lock(world):
    costly = program.Costly()
    with world(max_real_time=10):
        threads = [threading.Thread(target=lambda: costly.value) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    locked = hasattr(vars(program.Costly)["value"], "lock")
    assert costly.computed == (1 if locked else 3)


def test_condition_event_semaphore_barrier_and_queues_from_before_wake_tasks(world):
    seen = []
    with world(max_real_time=10) as sim:

        def give():
            time.sleep(1)
            with program.CONDITION:
                seen.append("condition")
                program.CONDITION.notify_all()
            time.sleep(1)
            program.EVENT.set()
            program.BARRIER.wait()
            time.sleep(1)
            program.QUEUE.put("queue")
            time.sleep(1)
            program.SIMPLE.put("simple")

        threading.Thread(target=give).start()
        with program.CONDITION:
            assert program.CONDITION.wait_for(lambda: seen, timeout=10)
        assert program.EVENT.wait(10)
        program.BARRIER.wait()
        seen += [program.QUEUE.get(timeout=10), program.SIMPLE.get(timeout=10)]
        assert round(sim.now, 4) == 4
        with pytest.raises(queue.Empty):
            program.SIMPLE.get(timeout=5)
        assert round(sim.now, 4) == 9
    program.EVENT.clear()
    assert seen == ["condition", "queue", "simple"]


def test_objects_that_a_test_makes_just_before_the_world_are_found_each_time(world):
    for _ in range(3):
        jobs, lock, event = queue.Queue(), threading.RLock(), threading.Event()
        simple = queue.SimpleQueue()
        holder = [simple]
        with world(max_real_time=10) as sim:

            def work(lock=lock, jobs=jobs, holder=holder, event=event):
                with lock:
                    jobs.put(1)
                    time.sleep(1)
                holder[0].put(2)
                event.set()

            threading.Thread(target=work).start()
            assert jobs.get() == 1
            assert holder[0].get() == 2
            assert event.wait(5)
            assert round(sim.now, 4) == 1


HELD_OUTSIDE = """
import threading, time
from simsock import Simulation
taken = {"lock": threading.Lock(), "rlock": threading.RLock()}
for kind in taken:
    with taken[kind]:
        order = []
        with Simulation(patch=True, max_real_time=10):
            def wait(lock=taken[kind], order=order):
                with lock:
                    order.append("task")
            thread = threading.Thread(target=wait)
            thread.start()
            time.sleep(1)
            order.append("outside")
            taken[kind].release()
            thread.join()
            taken[kind].acquire()
    assert order == ["outside", "task"], kind
"""


def test_a_lock_that_code_outside_holds_is_waited_for_and_the_first_task_may_release_it():
    """In a process of its own: who holds a lock from before is known only where there are no other OS threads, as there are under xdist."""
    done = subprocess.run([sys.executable, "-c", HELD_OUTSIDE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_waiting_for_what_code_outside_holds_for_ever_is_a_deadlock_that_names_the_lock(world):
    with program.LOCK, pytest.raises(Deadlock, match=r"before_world\.LOCK"), world(max_real_time=10):
        thread = threading.Thread(target=program.LOCK.acquire)
        thread.start()
        thread.join()


def test_what_a_task_held_when_its_world_ended_is_free_in_the_next_and_outside(world):
    for lock in (program.LOCK, program.RLOCK):
        with world():
            threading.Thread(target=lock.acquire, daemon=True).start()
            time.sleep(1)
        with world(max_real_time=10):
            assert contend(lock) == (1, 3.0)
            threading.Thread(target=lock.acquire, daemon=True).start()
            time.sleep(1)
        assert lock.acquire(timeout=1)
        lock.release()


def test_another_os_thread_s_lock_is_waited_for_in_real_time(world):
    # The thread is a real one, made before the world; what it does there is real as well.
    lock, ready, go = threading.Lock(), threading.Event(), []

    def hold():
        with lock:
            ready.set()
            while not go:  # an event that it waits for a task must not set
                time.sleep(0.001)

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(10)
    shared = {"lock": lock, "go": go}
    with world(max_real_time=20):
        assert not shared["lock"].acquire(False)
        shared["go"].append(True)
        with shared["lock"]:
            pass
    thread.join()


def test_a_task_that_parked_goes_on_when_another_os_thread_releases_the_lock(world):
    shared = {"lock": threading.Lock(), "release": [], "queue": queue.SimpleQueue()}
    with world():  # adopts them
        pass

    def help_from_outside():
        while not shared["release"]:
            time.sleep(0.001)
        shared["lock"].release()
        shared["queue"].put("given")

    thread = threading.Thread(target=help_from_outside)
    thread.start()
    with world(max_real_time=20, max_time="1000d") as sim:
        got = []

        def wait():
            with shared["lock"]:
                got.append(shared["queue"].get())

        shared["lock"].acquire()
        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(1)
        shared["release"].append(True)
        while waiter.is_alive():  # the other thread gets its turns while this one waits in virtual time
            sim.sleep(1)
    thread.join()
    assert got == ["given"]


def test_a_real_lock_in_a_plain_local_variable_ends_in_an_error_that_names_the_place(world):
    lock = threading.Lock()  # no closure, no table: a world cannot reach it
    lock.acquire()
    with pytest.raises(RealTimeLimit, match="test_locks_from_before"), world(max_real_time=0.3):
        lock.acquire()


def test_the_doctor_lists_locks_that_cannot_be_replaced(world):
    with world():
        pass
    box = frozenset([threading.Lock()])
    found = doctor.find_foreign_locks()
    assert any("set" in place for lock in found for place in lock.places), found
    assert not any("before_world" in place for lock in found for place in lock.places)
    assert len(box) == 1


def test_hybrids_refuse_pickle_and_copy_and_can_be_referred_to_weakly(world):
    with world():
        made = [threading.Lock(), threading.RLock(), queue.SimpleQueue()]
        for lock in made:
            with pytest.raises(TypeError, match="cannot pickle"):
                pickle.dumps(lock)
            with pytest.raises(TypeError, match="cannot pickle"):
                copy.deepcopy(lock)
            assert weakref.ref(lock)() is lock
        assert isinstance(made[0], Lock)
        assert isinstance(made[1], RLock)
        made[0].acquire()
        made[0]._at_fork_reinit()
        assert made[0].acquire(False)
        assert isinstance(made[2], queue.SimpleQueue)
        assert isinstance(program.SIMPLE, queue.SimpleQueue)


def test_an_rlock_counts_and_belongs_to_one_task(world):
    with world():
        lock = program.RLOCK
        lock.acquire()
        lock.acquire()
        seen = []

        def try_it():
            seen.append(lock.acquire(False))
            try:
                lock.release()
            except RuntimeError as error:
                seen.append(str(error))

        def run():
            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join()

        run()
        lock.release()
        run()
        lock.release()
        with pytest.raises(RuntimeError, match="cannot release un-acquired lock"):
            lock.release()
        run()
    assert seen == [False, "cannot release un-acquired lock"] * 2 + [True]


@pytest.mark.skipif(not hasattr(_thread.RLock, "locked"), reason="CPython has it from 3.14 on")
def test_a_reentrant_lock_tells_whether_anybody_holds_it_and_so_does_a_condition_from_before(world):
    with world():
        seen = []
        for lock in (program.RLOCK, threading.RLock(), program.CONDITION, threading.Condition()):
            with lock:
                thread = threading.Thread(target=lambda lock=lock: seen.append(lock.locked()))
                thread.start()
                thread.join()
                seen.append(lock.locked())
            seen.append(lock.locked())
        assert seen == [True, True, False] * 4
    assert not program.RLOCK.locked() and not program.CONDITION.locked()


def test_locks_made_in_a_world_are_real_ones_after_it_and_to_other_os_threads(world):
    kept = {}
    with world():
        kept["lock"], kept["rlock"], kept["queue"] = threading.Lock(), threading.RLock(), queue.SimpleQueue()
        kept["condition"] = threading.Condition()
    for name in ("lock", "rlock", "condition"):
        got = []
        with kept[name]:
            thread = threading.Thread(target=lambda name=name, got=got: got.append(kept[name].acquire(timeout=0.01)))
            thread.start()
            thread.join()
        assert got == [False], name
    thread = threading.Thread(target=lambda: kept["queue"].put("later"))
    thread.start()
    assert kept["queue"].get(timeout=5) == "later"
    thread.join()


def test_locals_from_before_belong_to_tasks(world):
    program.LOCAL.value = "outside"
    with world():
        seen = [program.LOCAL.value]

        def work(number):
            seen.append(hasattr(program.LOCAL, "value"))
            program.LOCAL.value = program.LOCAL.other = number
            time.sleep(1)
            seen.append(program.LOCAL.value)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not hasattr(program.LOCAL, "other")
        program.LOCAL.value = "changed"
    assert seen == ["outside", False, False, 0, 1]
    assert program.LOCAL.value == "outside"


@pytest.mark.parametrize("make", [locks.OnceLock, locks.OnceRLock])
def test_a_lock_under_which_something_is_made_once_is_free_again_wherever_it_was_taken(world, make):
    lock = make()

    def take_and_release():
        for _ in range(2):
            assert lock.acquire()
            lock.release()
            with lock:
                pass

    def is_free():
        return lock.acquire(False) and lock.release() is None

    take_and_release()
    thread = threading.Thread(target=lambda: free.append(is_free()))
    free = []
    thread.start()
    thread.join()
    assert free == [True]
    with world() as sim:
        take_and_release()
        assert sim.spawn(is_free).result() is True


def test_what_nobody_has_a_handler_for_is_written_without_a_point_since_under_a_harness_with_handlers_it_would_not_be(capsys):
    record = logging.makeLogRecord({"msg": "nobody's", "levelno": logging.ERROR})
    with simsock.Simulation(strategy="random") as sim:
        other = sim.spawn(sim.sleep, 1)
        steps, points = sim._kernel.steps, sim._kernel.current.points
        logging.lastResort.handle(record)
        assert (sim._kernel.steps, sim._kernel.current.points) == (steps, points)
        other.result()
    assert capsys.readouterr().err == "nobody's\n"


def test_the_queue_of_a_second_copy_of_its_module_has_a_stand_in_with_that_copy_s_error(world):
    spec = importlib.util.find_spec("_queue")
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert again.SimpleQueue is not _queue.SimpleQueue and again.Empty is not _queue.Empty
    stand_ins = dict(locks.copies())
    assert locks.real_queue not in stand_ins
    with world() as sim:
        items = stand_ins[again.SimpleQueue]()
        with pytest.raises(again.Empty):
            items.get_nowait()
        waiting = sim.spawn(items.get)
        sim.sleep(60)
        items.put("item")
        assert waiting.result() == "item"
