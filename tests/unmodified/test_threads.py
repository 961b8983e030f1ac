"""Programs of threads without a network: pools, pipelines of queues, ``sched``, timers."""

from __future__ import annotations

import concurrent.futures
import queue
import sched
import threading
import time

import pytest


def test_a_pool_maps_in_order_in_the_time_of_its_workers(run_everywhere):
    def program(sim):
        def square(number):
            time.sleep(10)
            return number * number

        before = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            squares = list(pool.map(square, range(12)))
        return squares, round(time.monotonic() - before)

    assert run_everywhere(program) == ([number * number for number in range(12)], 30)


def test_futures_complete_in_the_order_of_their_time_and_carry_errors(run_everywhere):
    def program(sim):
        def work(seconds):
            time.sleep(seconds)
            if seconds == 3:
                raise ValueError("three")
            return seconds

        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            futures = [pool.submit(work, seconds) for seconds in (5, 1, 3, 2)]
            order = [type(done.exception()).__name__ if done.exception() else done.result() for done in concurrent.futures.as_completed(futures)]
            with pytest.raises(concurrent.futures.TimeoutError):
                pool.submit(work, 100).result(timeout=10)
        return order

    assert run_everywhere(program) == [1, 2, "ValueError", 5]


def test_a_pipeline_of_queues_loses_nothing(run_everywhere):
    def stage(source, sink, work):
        while (item := source.get()) is not None:
            sink.put(work(item))
            source.task_done()
        sink.put(None)
        source.task_done()

    def program(sim):
        queues = [queue.Queue(2), queue.Queue(1), queue.Queue()]
        threads = [
            threading.Thread(target=stage, args=(queues[0], queues[1], lambda item: item + 1)),
            threading.Thread(target=stage, args=(queues[1], queues[2], lambda item: item * 10)),
        ]
        for thread in threads:
            thread.start()
        for number in range(20):
            queues[0].put(number)
        queues[0].put(None)
        for waiting in queues[:2]:
            waiting.join()
        for thread in threads:
            thread.join()
        return list(iter(queues[2].get, None)), queues[2].empty()

    assert run_everywhere(program) == ([(number + 1) * 10 for number in range(20)], True)


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
def test_many_producers_and_consumers_share_a_queue(kind, run_everywhere):
    def program(sim):
        shared, taken = getattr(queue, kind)(), []
        stop = threading.Event()

        def produce(first):
            for number in range(first, first + 5):
                shared.put(number)
                time.sleep(1)

        def consume():
            while True:
                try:
                    taken.append(shared.get(timeout=3))
                except queue.Empty:
                    if stop.is_set():
                        return

        producers = [threading.Thread(target=produce, args=(first,)) for first in (0, 100, 200)]
        consumers = [threading.Thread(target=consume) for _ in range(2)]
        for thread in producers + consumers:
            thread.start()
        for thread in producers:
            thread.join()
        stop.set()
        for thread in consumers:
            thread.join()
        return sorted(taken)

    assert run_everywhere(program) == [first + number for first in (0, 100, 200) for number in range(5)]


def test_a_scheduler_runs_its_events_at_their_times(run_everywhere):
    def program(sim):
        start, seen = time.monotonic(), []
        events = sched.scheduler(time.monotonic, time.sleep)

        def note(name):
            seen.append((round(time.monotonic() - start), name))

        events.enter(3600, 1, note, ("an hour",))
        events.enter(60, 2, note, ("a minute, less urgent",))
        events.enter(60, 1, note, ("a minute",))
        cancelled = events.enter(30, 1, note, ("never",))
        events.enter(10, 1, lambda: events.cancel(cancelled))
        events.enterabs(start + 86_400, 1, note, ("a day",))
        events.run()
        return seen

    assert run_everywhere(program) == [(60, "a minute"), (60, "a minute, less urgent"), (3600, "an hour"), (86_400, "a day")]


def test_timers_barriers_and_conditions_work_together(run_everywhere):
    def program(sim):
        start, seen = time.monotonic(), []
        barrier = threading.Barrier(3)
        ready = threading.Condition()
        level = 0

        def meet(number):
            time.sleep(number)
            barrier.wait()
            seen.append(round(time.monotonic() - start))

        def rise():
            nonlocal level
            with ready:
                level += 1
                ready.notify_all()

        threads = [threading.Thread(target=meet, args=(number,)) for number in range(3)]
        timers = [threading.Timer(10 * number, rise) for number in (1, 2)]
        for thread in threads + timers:
            thread.start()
        with ready:
            in_time = ready.wait_for(lambda: level == 2, timeout=60)
        seen.append((in_time, round(time.monotonic() - start)))
        for thread in threads + timers:
            thread.join()
        return seen

    assert run_everywhere(program) == [2, 2, 2, (True, 20)]
