"""Loops that make simulated calls and get nowhere: others run and time passes for them. Loops that get somewhere move no time."""

from __future__ import annotations

import collections
import hashlib
import itertools
import queue
import random
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme

import simsock
from simsock.kernel.fingerprints import digest_of


class Shelf:
    """Things under a lock."""

    def __init__(self, lock):
        self.lock = lock()
        self.things = []

    def take(self):
        with self.lock:
            return self.things.pop() if self.things else None

    def put(self, thing):
        with self.lock:
            self.things.append(thing)


def a_future():
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(time.sleep, 2)
        while not future.done():
            pass


def a_flag_under_a_lock():
    lock, state = threading.Lock(), {"done": False}

    def work():
        time.sleep(2)
        with lock:
            state["done"] = True

    threading.Thread(target=work).start()
    while True:
        with lock:
            if state["done"]:
                return


def a_method_that_takes_a_lock(lock=threading.Lock):
    shelf = Shelf(lock)
    threading.Timer(2, shelf.put, ("book",)).start()
    while shelf.take() is None:
        pass


def a_method_that_takes_an_rlock():
    a_method_that_takes_a_lock(threading.RLock)


def looks_that_are_counted():
    shelf, looks = Shelf(threading.Lock), 0
    threading.Timer(2, shelf.put, ("book",)).start()
    while shelf.take() is None:
        looks += 1


def several_under_one_lock(count=2):
    lock, state = threading.Lock(), {"done": False, "seen": 0}

    def wait():
        while True:
            with lock:
                if state["done"]:
                    state["seen"] += 1
                    return

    threads = [threading.Thread(target=wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    with lock:
        state["done"] = True
    for thread in threads:
        thread.join()
    assert state["seen"] == count


def four_under_one_lock():
    several_under_one_lock(4)


def two_with_a_long_way_under_one_lock():
    shelf, other = Shelf(threading.RLock), Shelf(threading.Lock)

    def wait():
        while True:
            with shelf.lock:
                if shelf.things and other.take() is None:
                    return

    threads = [threading.Thread(target=wait), threading.Thread(target=wait)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    shelf.put("book")
    for thread in threads:
        thread.join()


def one_who_waits_in_a_thread():
    thread = threading.Thread(target=a_method_that_takes_a_lock)
    thread.start()
    thread.join()


TOGETHER = [several_under_one_lock, four_under_one_lock, two_with_a_long_way_under_one_lock]
WAITING = [
    a_future,
    a_flag_under_a_lock,
    a_method_that_takes_a_lock,
    a_method_that_takes_an_rlock,
    looks_that_are_counted,
    one_who_waits_in_a_thread,
    *TOGETHER,
]


@pytest.mark.parametrize("preempt", ["calls", "lines"])
@pytest.mark.parametrize("wait", WAITING)
def test_time_passes_for_who_goes_round(wait, preempt):
    digests = []
    for _ in range(2):
        with simsock.Simulation(preempt=preempt, max_steps=50_000) as sim:
            wait()
            assert sim.now == pytest.approx(2, abs=1e-5)
            digests.append(sim.digest)
    assert digests[0] == digests[1]


@pytest.mark.once
@pytest.mark.parametrize("strategy", ["random", "pct", "pos", "surw"])
def test_it_does_so_whoever_chooses(strategy):
    for seed in range(3):
        with simsock.Simulation(strategy=strategy, seed=seed, max_steps=50_000) as sim:
            a_flag_under_a_lock()
            assert sim.now == pytest.approx(2, abs=1e-5)
        with simsock.Simulation(strategy=strategy, seed=seed, max_steps=100_000) as sim:
            several_under_one_lock()
            assert sim.now == pytest.approx(2, abs=1e-5)


def test_the_loop_ends_at_the_moment_at_which_what_it_waits_for_happens():
    with simsock.Simulation() as sim:
        shelf, seen = Shelf(threading.Lock), []
        for moment in (1, 3, 3.5):
            threading.Timer(moment, shelf.put, (moment,)).start()
        while len(seen) < 3:
            if (thing := shelf.take()) is not None:
                seen.append((thing, sim.now))
        assert [(thing, pytest.approx(now, abs=1e-5)) for thing, now in seen] == [(1, 1), (3, 3), (3.5, 3.5)]


@pytest.mark.parametrize("steps", range(8))
def test_however_many_steps_once_round_takes(steps):
    """Looks come every so many steps, wherever the loop is then."""
    lines = "\n".join(f"        y = {number}" for number in range(steps))
    space = {"Shelf": Shelf, "threading": threading}
    loop = f"""
def wait():
    shelf = Shelf(threading.Lock)
    threading.Timer(2, shelf.put, ("book",)).start()
    while True:
        x = shelf.take()
        if x is not None:
            return x
{lines}
"""
    exec(compile(loop, __file__, "exec"), space)
    with simsock.Simulation(preempt="lines", max_steps=50_000) as sim:
        assert space["wait"]() == "book"
        assert sim.now == pytest.approx(2, abs=1e-5)


def adds_up():
    lock, total = threading.Lock(), 0
    while total < 20_000:
        with lock:
            total += 1


def hashes():
    lock, found = threading.Lock(), hashlib.sha256()
    for number in range(3_000):
        with lock:
            found.update(bytes([number % 256]) * 100)


def walks_an_iterator():
    lock, numbers = threading.Lock(), itertools.count()
    while True:
        with lock:
            if next(numbers) == 20_000:
                return


def fills_a_list():
    shelf = Shelf(threading.Lock)
    while len(shelf.things) < 10_000:
        shelf.put(1)


def counts_in_an_object():
    class Box:
        count = 0

    box, lock = Box(), threading.RLock()
    while True:
        with lock:
            box.count += 1
            if box.count > 10_000:
                return


def draws():
    lock, draw = threading.Lock(), random.Random(5).random
    while True:
        with lock:
            if draw() < 0.0001:
                return


def hashes_until_it_fits():
    lock, found = threading.Lock(), hashlib.sha256()
    while True:
        with lock:
            found.update(b"more")
            if found.digest() < b"\0\x10":
                return


def empties_a_simple_queue():
    things = queue.SimpleQueue()
    for number in range(9_000):
        things.put(number)
    while True:
        try:
            things.get_nowait()
        except queue.Empty:
            return


def two_that_count_under_one_lock():
    lock, state = threading.Lock(), {"count": 0}

    def work():
        while True:
            with lock:
                state["count"] += 1
                if state["count"] > 20_000:
                    return

    threads = [threading.Thread(target=work), threading.Thread(target=work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def two_that_pass_a_ball():
    first, second, throws = threading.Semaphore(1), threading.Semaphore(0), [20_000]

    def throw(mine, theirs):
        while throws[0] > 0:
            mine.acquire()
            throws[0] -= 1
            theirs.release()

    thread = threading.Thread(target=throw, args=(first, second))
    thread.start()
    throw(second, first)
    second.release()
    first.release()
    thread.join()


@pytest.mark.once
@pytest.mark.parametrize(
    "work",
    [
        two_that_count_under_one_lock,
        two_that_pass_a_ball,
        adds_up,
        hashes,
        walks_an_iterator,
        fills_a_list,
        counts_in_an_object,
        draws,
        hashes_until_it_fits,
        empties_a_simple_queue,
    ],
)
def test_no_time_passes_for_who_gets_somewhere(work):
    with simsock.Simulation() as sim:
        threading.Timer(5, print).start()
        work()
        assert sim.now == 0
        sim.sleep(6)


def test_who_goes_round_for_ever_meets_the_limit_of_steps():
    shelf = Shelf(threading.Lock)
    with pytest.raises(simsock.StepLimit), simsock.Simulation(max_steps=30_000):
        while shelf.take() is None:
            pass


@pytest.mark.parametrize("kind", [collections.OrderedDict, type("Mine", (collections.OrderedDict,), {})])
def test_what_is_in_an_ordered_dictionary_is_seen(kind):
    found = kind()
    before = digest_of([found])
    assert digest_of([found]) == before
    found[1] = 2
    assert digest_of([found]) != before


def test_what_a_context_of_tls_has_loaded_is_seen():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    before = digest_of([context])
    assert digest_of([context]) == before
    trustme.CA().configure_trust(context)
    loaded = digest_of([context])
    assert loaded != before
    context.verify_mode = ssl.CERT_OPTIONAL
    assert digest_of([context]) not in (before, loaded)
