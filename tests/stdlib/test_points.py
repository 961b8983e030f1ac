"""What holds for every stand-in: an operation is a scheduling point, and a run is the same every time."""

from __future__ import annotations

import pytest

from simsock.stdlib import queue, threading, time

SEEDS = range(4)


def held(lock):
    lock.acquire()
    return lock


def awaited(condition):
    def wait():
        with condition:
            condition.wait()

    threading.Thread(target=wait, daemon=True).start()
    time.sleep(1)
    return held(condition)


def stocked(q):
    q.put(1)
    return q


def expecting(error, call, *args):
    with pytest.raises(error):
        call(*args)


OPERATIONS = {
    "Lock.acquire": (threading.Lock, lambda it: it.acquire()),
    "Lock.release": (lambda: held(threading.Lock()), lambda it: it.release()),
    "Lock.locked": (threading.Lock, lambda it: it.locked()),
    "Lock.acquire in vain": (lambda: held(threading.Lock()), lambda it: it.acquire(False)),
    "RLock.acquire": (threading.RLock, lambda it: it.acquire()),
    "RLock.acquire again": (lambda: held(threading.RLock()), lambda it: it.acquire()),
    "RLock.release": (lambda: held(threading.RLock()), lambda it: it.release()),
    "Semaphore.acquire": (threading.Semaphore, lambda it: it.acquire()),
    "Semaphore.release": (threading.Semaphore, lambda it: it.release()),
    "BoundedSemaphore.release": (lambda: held(threading.BoundedSemaphore()), lambda it: it.release()),
    "Condition.notify": (lambda: awaited(threading.Condition()), lambda it: it.notify()),
    "Condition.notify_all": (lambda: awaited(threading.Condition()), lambda it: it.notify_all()),
    "Condition.wait": (lambda: held(threading.Condition()), lambda it: it.wait(0)),
    "Event.is_set": (threading.Event, lambda it: it.is_set()),
    "Event.set": (threading.Event, lambda it: it.set()),
    "Event.clear": (threading.Event, lambda it: it.clear()),
    "Event.wait": (threading.Event, lambda it: it.wait(0)),
    "Barrier.wait": (lambda: threading.Barrier(1), lambda it: it.wait()),
    "Barrier.abort": (lambda: threading.Barrier(1), lambda it: it.abort()),
    "Barrier.reset": (lambda: threading.Barrier(1), lambda it: it.reset()),
    "Barrier.broken": (lambda: threading.Barrier(1), lambda it: it.broken),
    "Barrier.n_waiting": (lambda: threading.Barrier(1), lambda it: it.n_waiting),
    "Thread.start": (lambda: threading.Thread(target=int), lambda it: it.start()),
    "Thread.is_alive": (threading.main_thread, lambda it: it.is_alive()),
    "enumerate": (int, lambda it: threading.enumerate()),
    "Queue.put": (queue.Queue, lambda it: it.put(1)),
    "Queue.get": (lambda: stocked(queue.Queue()), lambda it: it.get()),
    "Queue.get in vain": (queue.Queue, lambda it: expecting(queue.Empty, it.get_nowait)),
    "Queue.put in vain": (lambda: stocked(queue.Queue(1)), lambda it: expecting(queue.Full, it.put_nowait, 1)),
    "Queue.task_done": (lambda: stocked(queue.Queue()), lambda it: it.task_done()),
    "Queue.join": (queue.Queue, lambda it: it.join()),
    "Queue.qsize": (queue.Queue, lambda it: it.qsize()),
    "Queue.empty": (queue.Queue, lambda it: it.empty()),
    "Queue.full": (queue.Queue, lambda it: it.full()),
    "SimpleQueue.put": (queue.SimpleQueue, lambda it: it.put(1)),
    "SimpleQueue.get": (lambda: stocked(queue.SimpleQueue()), lambda it: it.get()),
    "SimpleQueue.qsize": (queue.SimpleQueue, lambda it: it.qsize()),
    "SimpleQueue.empty": (queue.SimpleQueue, lambda it: it.empty()),
    "time.time": (int, lambda it: time.time()),
    "time.monotonic": (int, lambda it: time.monotonic()),
    "time.sleep": (int, lambda it: time.sleep(0)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_a_scheduling_point(world, name):
    make, operate = OPERATIONS[name]
    with world() as kernel:
        it = make()
        before = kernel.steps
        operate(it)
        assert kernel.steps > before


def test_starting_a_thread_twice_at_the_same_moment_starts_it_once(world):
    for seed in SEEDS:
        with world(seed) as kernel:
            log, errors = [], []
            thread = threading.Thread(target=log.append, args=(1,))

            def start(thread=thread, errors=errors):
                try:
                    thread.start()
                except RuntimeError as error:
                    errors.append(str(error))

            for task in [kernel.spawn(start) for _ in range(3)]:
                task.result()
            thread.join()
            assert log == [1] and errors == ["threads can only be started once"] * 2


def program(world, seed):
    """Threads, a queue, a lock, a condition and the clock; returns the digest of the run."""
    with world(seed) as kernel:
        q = queue.Queue(2)
        lock = threading.Lock()
        condition = threading.Condition()
        totals = []

        def produce():
            for number in range(5):
                q.put(number)
                time.sleep(number / 1000)
            with condition:
                condition.notify_all()

        def consume():
            for _ in range(5):
                item = q.get()
                with lock:
                    totals.append((item, time.monotonic(), threading.get_ident(), threading.current_thread().name))
                q.task_done()

        threads = [threading.Thread(target=target) for target in (produce, consume, produce, consume)]
        for thread in threads:
            thread.start()
        with condition:
            condition.wait(1)
        q.join()
        for thread in threads:
            thread.join()
    return kernel.log.digest(), totals, kernel.steps


@pytest.mark.parametrize("seed", [None, *SEEDS])
def test_the_same_seed_gives_the_same_run(world, seed):
    runs = [program(world, seed) for _ in range(5)]
    assert all(run == runs[0] for run in runs)


def test_different_seeds_give_different_runs(world):
    assert len({program(world, seed)[0] for seed in SEEDS}) > 1
