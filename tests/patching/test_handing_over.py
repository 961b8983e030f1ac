"""Threads from before a world: what its tasks hand to one of them, by a queue, an event or the like, is an error that names the thread, and does not arrive."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging.handlers
import queue
import sys
import threading
import time

import pytest

from simsock import Deadlock, Fenced

CHANNEL: queue.SimpleQueue = queue.SimpleQueue()
ANSWERS: queue.SimpleQueue = queue.SimpleQueue()


class Worker:
    """A library that has a thread of its own, which waits for something to do."""

    def __init__(self, wait):
        self._wait = wait
        self.done = []
        self.is_waiting = False
        self.thread = threading.Thread(target=self._work, name="worker", daemon=True)
        self.thread.start()
        while not self.is_waiting:
            time.sleep(0.001)
        time.sleep(0.01)

    def _work(self):
        self.is_waiting = True
        self._wait()
        self.done.append(True)


def wait_at(condition):
    with condition:
        condition.wait()


def wait_at_barrier(barrier):
    with contextlib.suppress(threading.BrokenBarrierError):
        barrier.wait()


def notify(condition):
    with condition:
        condition.notify()


def serve_channel():
    while (item := CHANNEL.get()) is not None:
        ANSWERS.put(item)


KINDS = {
    "Queue.put": (queue.Queue, lambda made: made.get(), lambda made: made.put(None)),
    "LifoQueue.put": (queue.LifoQueue, lambda made: made.get(), lambda made: made.put(None)),
    "Event.set": (threading.Event, lambda made: made.wait(), lambda made: made.set()),
    "Condition.notify": (threading.Condition, wait_at, notify),
    "Semaphore.release": (lambda: threading.Semaphore(0), lambda made: made.acquire(), lambda made: made.release()),
    "Barrier.wait": (lambda: threading.Barrier(2), wait_at_barrier, lambda made: made.wait()),
    "Future.set_result": (concurrent.futures.Future, lambda made: made.result(), lambda made: made.set_result(1)),
    "SimpleQueue.put": (lambda: CHANNEL, lambda made: serve_channel(), lambda made: made.put(None)),
}

END = {"Barrier.wait": lambda made: made.abort(), "Future.set_result": lambda made: notify(made._condition)}
"""How a thread goes on of which a world has had something half done."""


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", KINDS)
def test_what_is_handed_to_a_thread_from_before_is_an_error_that_names_it(world, name, first):
    """Also where the thread began to wait when nothing was simulated yet, as it does before the first world of a process."""
    make, wait, give = KINDS[name]
    made = make()
    with contextlib.nullcontext() if first else world():
        pass
    worker = Worker(lambda: wait(made))
    called = name.partition(".")[2]
    started = r"(, started by .*)?" if sys.version_info < (3, 13) else ""
    told = rf"\w*\.{called} of <.*>, for which <Thread\(worker, started daemon \d+\)>, which runs Worker\._work \(\S*:\d+\){started}.*, waits, in task main: "
    with world(max_real_time=20), pytest.raises(Fenced, match=told + r"that thread is a real one, started outside this world.*; it is kept by "):
        give(made)
    assert worker.thread.is_alive() and not worker.done, "nothing went through"
    END.get(name, give)(made)
    worker.thread.join(20)


def test_a_message_and_a_flag_are_not_there_either(world):
    channel, flag = queue.Queue(), threading.Event()
    reader, waiter = Worker(channel.get), Worker(flag.wait)
    for give in (lambda: channel.put(1), lambda: flag.set()):
        with world(), pytest.raises(Fenced):
            give()
    assert channel.qsize() == 0 and not flag.is_set()
    channel.put(1)
    flag.set()
    reader.thread.join(20)
    waiter.thread.join(20)


def test_who_waits_no_longer_is_handed_nothing_and_takes_nobody_s_turn(world):
    """When a world begins, the lock with which a thread waits is exchanged: the thread itself does not find it on the list any more, when its time is over."""
    channel, waited = queue.Queue(), []

    def wait_for_a_while():
        with contextlib.suppress(queue.Empty):
            channel.get(timeout=1)
        waited.append(True)

    worker = Worker(wait_for_a_while)
    with world():
        while not waited:  # the other thread's time is real
            pass
    worker.thread.join()
    with world() as sim:
        got = []
        thread = threading.Thread(target=lambda: got.append(channel.get()))
        thread.start()
        sim.sleep(1)
        channel.put(1)
        thread.join()
        assert got == [1]


def test_a_timer_from_before_is_not_cancelled_from_a_world(world):
    timer = threading.Timer(3_600, wait_at)
    timer.start()
    time.sleep(0.01)
    with world(), pytest.raises(Fenced, match=r"^Timer\.cancel of <Timer.*, for which <Timer.*, which runs wait_at"):
        timer.cancel()
    timer.cancel()
    timer.join()


def test_threads_of_the_world_are_handed_what_they_wait_for_by_things_from_before(world):
    """A module's queue is the world's as long as only its tasks wait there."""
    for name, (make, wait, give) in KINDS.items():
        made = make()
        with world():
            thread = threading.Thread(target=wait, args=(made,))
            thread.start()
            time.sleep(1)
            give(made)
            thread.join()
            assert not thread.is_alive(), name


def test_log_records_go_to_a_listener_from_before(world):
    """Nobody waits for what becomes of them."""
    records: queue.Queue = queue.Queue()
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    listener = logging.handlers.QueueListener(records, handler)
    listener.start()
    time.sleep(0.01)
    logger = logging.Logger("of this test")
    logger.addHandler(logging.handlers.QueueHandler(records))
    try:
        with world():
            logger.warning("told")
    finally:
        listener.stop()
    assert seen == ["told"]


def test_who_waits_for_a_thread_from_before_is_told_that_it_does_nothing_here(world):
    channel = queue.Queue()
    worker = Worker(threading.Event().wait)
    with (
        world(),
        pytest.raises(Deadlock, match=r"(?s)get from Queue \(made outside the world\) \(channel\).*no thread from outside the world ends such a wait"),
    ):
        channel.get()
    assert worker.thread.is_alive()
