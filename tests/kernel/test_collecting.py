"""The garbage collector at points that the tape chooses: what ``__del__`` does while a lock is held."""

from __future__ import annotations

import queue
import threading
import weakref

import pytest

import simsock
from simsock import UsageError
from simsock.world.simulation import Simulation


def registry(make_lock, by_weakref=False):
    """Entries in a cycle, which take themselves out of a table under its lock when they go."""

    def test(sim):
        lock, table, kept = make_lock(), {}, []

        def forget(key):
            with lock:
                table.pop(key, None)

        class Entry:
            def __init__(self, key):
                self.key = key
                self.me = self
                if by_weakref:
                    kept.append(weakref.ref(self, lambda _: forget(key)))
                with lock:
                    table[key] = 1

            if not by_weakref:

                def __del__(self):
                    forget(self.key)

        def handle(name):
            for number in range(2):
                Entry((name, number))
                with lock:
                    len(table)

        threads = [threading.Thread(target=handle, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return test


@pytest.mark.once
@pytest.mark.parametrize("by_weakref", [False, True], ids=["__del__", "weakref"])
@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_lock_that_is_taken_when_an_object_goes_is_found(preempt, by_weakref):
    for seed in range(3):
        verdict = simsock.explore(registry(threading.Lock, by_weakref), 200, seed=seed, collect="random", preempt=preempt, shrink=False)
        assert isinstance(verdict.error, simsock.Deadlock)


def test_the_twin_with_a_lock_that_may_be_taken_again_passes():
    assert simsock.explore(registry(threading.RLock), 100, collect="random").status == "inconclusive"
    assert simsock.explore(registry(threading.Lock), 100).status == "inconclusive"


def test_it_is_told_with_what_was_held():
    verdict = simsock.explore(registry(threading.Lock), 200, collect="random")
    assert "collect" in [step.label.rpartition(" ")[2] for step in verdict.deviations], str(verdict)
    assert "the garbage collector ran" in str(verdict)
    assert "which held Lock-1 (lock)" in str(verdict)
    with pytest.raises(simsock.Deadlock):
        simsock.replay(registry(threading.Lock), verdict.token)


def in_a_with(lock, shared):
    with lock:
        shared.append({})


def in_a_queue(lock, shared):
    shared.put({})


def after_others(lock, shared):
    """What has been given back is not held, whoever gave it back, and nobody can hold what came out of a queue."""
    handed, items = threading.Lock(), queue.SimpleQueue()
    handed.acquire()
    thread = threading.Thread(target=handed.release)
    thread.start()
    thread.join()
    items.put(1)
    items.get()
    with lock:
        with lock:
            pass
        shared.append({})


@pytest.mark.parametrize(
    ("work", "make", "said"),
    [
        (in_a_with, lambda: (threading.Lock(), []), "which held Lock-1 (lock)"),
        (in_a_queue, lambda: (None, queue.Queue()), "which held the lock of a Queue (shared)"),
        (after_others, lambda: (threading.RLock(), []), "which held RLock-1 (lock)"),
    ],
)
def test_what_was_held_is_called_what_the_program_calls_it(work, make, said):
    def test(sim):
        lock, shared = make()
        gone = []

        class Cycle:
            def __init__(self):
                self.itself = self

            def __del__(self):
                gone.append(shared.mutex.locked() if lock is None else lock._is_owned() if hasattr(lock, "_is_owned") else lock.locked())

        for _ in range(3):
            Cycle()
            work(lock, shared)
        assert True not in gone

    verdict = simsock.explore(test, 300, collect="random", preempt="lines", scope=[__file__, queue.__file__])
    assert verdict.failed
    assert str(verdict.deviations[-1]).endswith(said), verdict.deviations


def test_a_deadlock_of_the_first_task_is_raised_although_python_ignores_what_finalizers_raise():
    def test(sim):
        lock = threading.Lock()

        class Cycle:
            def __init__(self):
                self.me = self

            def __del__(self):
                with lock:
                    pass

        Cycle()
        with lock:
            threading.Event().is_set()
            lock.locked()

    verdict = simsock.explore(test, 200, collect="random", preempt="lines", shrink=False)
    assert isinstance(verdict.error, simsock.Deadlock)


def test_a_world_with_it_is_repeated_by_its_token_and_leaves_pythons_hook_alone():
    import sys

    before = sys.unraisablehook
    found = []

    def one(**options):
        with Simulation(**options) as sim:
            registry(threading.RLock)(sim)
            found.append((sim.digest, sim.token, sim.deviations))

    one(seed=1, collect="random")
    one(seed=1, collect="random")
    one(token=found[0][1])
    assert found[0][2] != []
    assert found[0][0] == found[1][0] == found[2][0]
    assert sys.unraisablehook is before


@pytest.mark.parametrize("wrong", ["often", 1, True, "whole"])
def test_what_is_no_way_to_collect_is_an_error_that_names_the_option(wrong):
    with pytest.raises(UsageError, match="collect: expected 'random'"):
        Simulation(collect=wrong)
