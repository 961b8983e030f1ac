"""Waits of programs take a microsecond longer than they were told; what the test itself waits for is exact."""

from __future__ import annotations

import asyncio
import queue
import select
import selectors
import signal
import socket
import threading
import time

import pytest

from simsock import Simulation

LATE_NS = 1_000


def acquire(seconds):
    lock = threading.Lock()
    lock.acquire()
    assert not lock.acquire(timeout=seconds)


def notified(seconds):
    with (condition := threading.Condition()):
        assert not condition.wait(seconds)


def get(kind):
    def wait(seconds):
        with pytest.raises(queue.Empty):
            kind().get(timeout=seconds)

    return wait


def poll(seconds):
    one, other = socket.socketpair()
    with one, other:
        poller = select.poll()
        poller.register(one, select.POLLIN)
        assert poller.poll(seconds * 1000) == []


def epoll(seconds):
    with select.epoll() as poller:
        assert poller.poll(seconds) == []


def selector(seconds):
    with selectors.DefaultSelector() as made:
        assert made.select(seconds) == []


def receive(seconds):
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(seconds)
        with pytest.raises(TimeoutError):
            one.recv(1)


def accept(seconds):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(seconds)
        with pytest.raises(TimeoutError):
            server.accept()


def join(seconds):
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()
    thread.join(seconds)


WAITS = {
    "time.sleep": time.sleep,
    "Lock.acquire": acquire,
    "Condition.wait": notified,
    "Event.wait": lambda seconds: threading.Event().wait(seconds),
    "Semaphore.acquire": lambda seconds: threading.Semaphore(0).acquire(timeout=seconds),
    "Thread.join": join,
    "Queue.get": get(queue.Queue),
    "SimpleQueue.get": get(queue.SimpleQueue),
    "select": lambda seconds: select.select([], [], [], seconds),
    "poll": poll,
    "epoll": epoll,
    "selectors": selector,
    "recv": receive,
    "accept": accept,
    "sigtimedwait": lambda seconds: signal.sigtimedwait([signal.SIGUSR1], seconds),
}


@pytest.mark.parametrize("name", WAITS)
def test_after_a_wait_the_clock_shows_more_than_it_was_to_last(name):
    with Simulation() as sim:
        for seconds in (0.003, 0.1, 0.7, 2):
            began, last = sim.now_ns, time.monotonic()
            WAITS[name](seconds)
            assert time.monotonic() - last > seconds
            assert sim.now_ns - began == round(seconds * 1e9) + LATE_NS


def test_a_server_s_expiry_comes_at_every_interval_and_not_at_every_other():
    with Simulation() as sim:
        last, expired = time.monotonic(), []
        while len(expired) < 50:
            select.select([], [], [], 0.1)
            if time.monotonic() - last > 0.1:
                last = time.monotonic()
                expired.append(round(sim.now, 3))
        assert expired == [round(0.1 * number, 3) for number in range(1, 51)]


def test_asyncio_s_waits_end_after_their_time():
    async def main():
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(0.25)
        return asyncio.get_running_loop().time() - before

    with Simulation():
        assert 0.25 < asyncio.run(main()) < 0.26


def test_what_the_test_waits_for_is_exact():
    with Simulation() as sim:
        sim.sleep(1.5)
        assert sim.now_ns == 1_500_000_000
        with pytest.raises(TimeoutError, match="still false after 1 of virtual time"):
            sim.run_until(lambda: False, timeout=1)
        assert sim.now_ns == 2_500_000_000
        task = sim.spawn(sim.sleep, 1)
        with pytest.raises(TimeoutError):
            task.result(timeout=0.5)
        assert sim.now_ns == 3_000_000_000
        task.result()
        assert sim.now_ns == 3_500_000_000


def test_a_wait_that_is_ended_by_something_and_one_of_no_time_take_no_longer():
    with Simulation() as sim:
        event = threading.Event()
        sim.spawn(lambda: (sim.sleep(1), event.set()))
        assert event.wait(5)
        assert sim.now_ns == 1_000_000_000
        time.sleep(0)
        select.select([], [], [], 0)
        assert not threading.Event().wait(0)
        assert sim.now_ns == 1_000_000_000
