"""``multiprocessing`` with forked processes, and pools of them, in a world."""

from __future__ import annotations

import concurrent.futures
import gc
import mmap
import multiprocessing
import os
import queue
import tempfile
import threading
import time

import psutil
import pytest

from simsock import Simulation, explore
from simsock.kernel.identity import PROCESS

forks = multiprocessing.get_context("fork")


def test_a_process_is_started_joined_and_has_an_exit_code(world):
    def work(connection, seconds):
        time.sleep(seconds)
        connection.send((os.getpid(), multiprocessing.current_process().name))
        connection.close()

    here, there = forks.Pipe()
    process = forks.Process(target=work, args=(there, 5), name="worker")
    process.start()
    there.close()
    assert here.recv() == (PROCESS + 1, "worker")
    process.join()
    assert (process.exitcode, process.is_alive()) == (0, False)
    assert round(world.now) == 5


def test_a_process_is_joined_for_so_long_and_terminated(world):
    process = forks.Process(target=time.sleep, args=(1e6,))
    process.start()
    process.join(3)
    assert process.is_alive()
    assert round(world.now) == 3
    process.terminate()
    process.join()
    assert process.exitcode == -15


def test_what_a_process_raises_is_printed_and_gives_exit_code_1(world, capsys):
    def fail():
        raise LookupError("in a process")

    process = forks.Process(target=fail)
    process.start()
    process.join()
    assert process.exitcode == 1
    assert "LookupError: in a process" in capsys.readouterr().err


def test_a_lock_excludes_processes_from_each_other(world):
    lock, ends = forks.Lock(), forks.SimpleQueue()

    def hold():
        with lock:
            time.sleep(5)
            ends.put(round(time.monotonic()))

    processes = [forks.Process(target=hold) for _ in range(3)]
    for process in processes:
        process.start()
    assert [ends.get() for _ in processes] == [1005, 1010, 1015]
    for process in processes:
        process.join()
        assert process.exitcode == 0


def test_a_recursive_lock_belongs_to_one_process(world):
    lock = forks.RLock()
    lock.acquire()

    def take():
        assert not lock.acquire(timeout=2)
        with pytest.raises(AssertionError):
            lock.release()

    process = forks.Process(target=take)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert round(world.now) == 2


def test_queues_go_both_ways(world):
    tasks, results = forks.JoinableQueue(), forks.Queue()

    def work():
        while (number := tasks.get()) is not None:
            results.put((os.getpid(), number * number))
            tasks.task_done()
        tasks.task_done()

    workers = [forks.Process(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for number in [1, 2, 3, None, None]:
        tasks.put(number)
    tasks.join()
    assert sorted(results.get(timeout=5)[1] for _ in range(3)) == [1, 4, 9]
    with pytest.raises(queue.Empty):
        results.get(timeout=5)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    for used in (tasks, results):
        used.close()
        used.join_thread()


def test_events_conditions_and_values_are_shared(world):
    begin, value = forks.Event(), forks.Value("i", 0)

    def count():
        begin.wait()
        for _ in range(3):
            with value.get_lock():
                value.value += 1

    processes = [forks.Process(target=count) for _ in range(2)]
    for process in processes:
        process.start()
    time.sleep(1)
    begin.set()
    for process in processes:
        process.join()
    assert value.value == 6


def square(number):
    return number * number


def test_a_pool_of_processes_works(world):
    with forks.Pool(2) as pool:
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]


def test_an_executor_of_processes_works_and_hands_on_what_is_raised(world):
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=forks) as pool:
        assert list(pool.map(square, range(5))) == [0, 1, 4, 9, 16]
        with pytest.raises(TypeError):
            pool.submit(square, "x").result()


def test_a_lost_update_on_a_shared_value_is_found():
    def count(sim):
        with mmap.mmap(-1, 1) as memory:

            def add():
                seen = memory[0]
                time.time()  # somebody else may go on here
                memory[0] = seen + 1
                return 0

            pids = []
            for _ in range(2):
                pid = os.fork()
                if not pid:
                    os._exit(add())
                pids.append(pid)
            for pid in pids:
                os.waitpid(pid, 0)
            assert memory[0] == 2

    assert explore(count, schedules=50).status == "fails"


def test_the_helpers_of_multiprocessing_are_stopped_as_test_suites_do(world):
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.getfd()
    for _ in range(2):
        forkserver._forkserver._stop()
        resource_tracker._resource_tracker._stop()


def _digest(method):
    context = multiprocessing.get_context(method)
    with Simulation() as sim:
        with context.Pool(2) as pool:
            assert pool.map(square, range(3)) == [0, 1, 4]
        with context.Manager() as manager:
            shared, number = manager.list(), context.Value("i", 0)
            process = context.Process(target=_add, args=(shared, number))
            process.start()
            process.join()
            assert [*shared, number.value] == [1, 1]
    return sim.digest


def _add(shared, number):
    shared.append(1)
    number.value += 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_managers_and_shared_memory_are_the_same_in_each_world(method):
    first = _digest(method)
    with tempfile.TemporaryFile(), tempfile.TemporaryFile():  # takes the lowest descriptors
        assert _digest(method) == first


def test_descriptors_of_shared_memory_are_closed_with_the_world():
    before = psutil.Process().num_fds()
    kept = []
    for _ in range(3):
        with Simulation():
            kept.append(forks.RawArray("i", 10_000))
    kept[0][5] = 7  # who has the memory keeps it
    assert kept[0][5] == 7
    kept.clear()
    gc.collect()
    assert psutil.Process().num_fds() == before


def _takes_and_waits(lock, taken):
    lock.acquire()
    taken.set()
    time.sleep(100)


def test_a_lock_says_whether_a_thread_or_another_process_has_it(world):
    lock, taken = forks.Lock(), forks.Event()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    assert repr(lock) == "<Lock(owner=SomeOtherThread)>"
    lock.release()
    process = forks.Process(target=_takes_and_waits, args=(lock, taken))
    process.start()
    taken.wait()
    assert repr(lock) == "<Lock(owner=SomeOtherProcess)>"
    process.terminate()
    process.join()


def test_what_multiprocessing_has_of_its_own_in_a_world_changes_no_name_of_the_program_s():
    """Its shared memory has a lock, in each world another one, if the module is loaded: stories and digests are the same where it is not."""
    import multiprocessing.heap

    with Simulation():
        assert multiprocessing.heap.BufferWrapper._heap._lock is not None
        assert threading.Lock().describe() == "Lock-1"
