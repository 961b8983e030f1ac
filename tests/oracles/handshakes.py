"""Ways in which one thread tells another that something is done: pairs of what one says and what the other waits for. Nobody asserts anything."""

from __future__ import annotations

import asyncio
import os
import queue
import select
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor


def by_event():
    event = threading.Event()
    return event.set, event.wait


def by_flag():
    event = threading.Event()

    def polls():
        while not event.is_set():
            time.sleep(0.001)

    return event.set, polls


def by_lock():
    lock, done = threading.Lock(), []

    def tells():
        with lock:
            done.append(1)

    def polls():
        while True:
            with lock:
                if done:
                    return
            time.sleep(0.001)

    return tells, polls


def by_condition():
    condition, done = threading.Condition(), []

    def tells():
        with condition:
            done.append(1)
            condition.notify_all()

    def waits():
        with condition:
            condition.wait_for(lambda: done)

    return tells, waits


def by_semaphore():
    semaphore = threading.Semaphore(0)
    return semaphore.release, semaphore.acquire


def by_barrier():
    barrier = threading.Barrier(2)
    return barrier.wait, barrier.wait


def by_queue():
    items = queue.Queue()
    return lambda: items.put(1), items.get


def by_simple_queue():
    items = queue.SimpleQueue()
    return lambda: items.put(1), items.get


def by_queue_join():
    items = queue.Queue()
    items.put(1)
    return items.task_done, items.join


def by_future():
    future = Future()
    return lambda: future.set_result(1), future.result


def by_future_polled():
    future = Future()

    def polls():
        while not future.done():
            time.sleep(0.001)

    return lambda: future.set_result(1), polls


def by_stream():
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    return lambda: one.sendall(b"x"), lambda: other.recv(1)


def by_large_stream():
    """The first bytes are read before the call that sends them is over."""
    server = socket.create_server(("127.0.0.1", 0))
    one = socket.create_connection(server.getsockname())
    other, _ = server.accept()

    def reads():
        other.recv(1)
        threading.Thread(target=drains, daemon=True).start()

    def drains():
        while other.recv(100_000):
            pass

    return lambda: (one.sendall(b"x" * 3_000_000), one.close()), reads


def by_full_pipe():
    """The same, of a pipe."""
    reads, writes = os.pipe()

    def begins():
        os.read(reads, 1)
        threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(reads, 100_000), b"")], daemon=True).start()

    return lambda: (os.write(writes, b"x" * 1_000_000), os.close(writes)), begins


def by_connecting():
    server = socket.create_server(("127.0.0.1", 0))
    return lambda: socket.create_connection(server.getsockname()).close(), lambda: server.accept()[0].close()


def by_close():
    one, other = socket.socketpair()
    return one.close, lambda: other.recv(1)


def by_select():
    one, other = socket.socketpair()
    return lambda: one.send(b"x"), lambda: (select.select([other], [], []), other.recv(1))


def by_datagram():
    server = socket.socket(type=socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    client = socket.socket(type=socket.SOCK_DGRAM)
    return lambda: client.sendto(b"x", server.getsockname()), lambda: server.recv(1)


def by_pipe():
    reads, writes = os.pipe()
    return lambda: os.write(writes, b"x"), lambda: os.read(reads, 1)


def by_event_loop():
    """From a thread into a loop that runs in another."""
    box = queue.SimpleQueue()

    async def waits():
        done = asyncio.Event()
        box.put((asyncio.get_running_loop(), done))
        await done.wait()

    def tells():
        loop, done = box.get()
        loop.call_soon_threadsafe(done.set)

    return tells, lambda: asyncio.run(waits())


KINDS = [value for name, value in list(globals().items()) if name.startswith("by_")]


class Box:
    """What is handed over."""

    def __init__(self):
        self.value = 0
        self.ready = 0

    def hand_over(self, tells):
        """It is whole when that is said."""
        self.value = 1
        tells()

    def hand_over_early(self, tells):
        """It is said before it is whole."""
        tells()
        self.value = 1

    def take(self, waits):
        """Wait for it, and look."""
        waits()
        return self.value


def passes(sim, kind, hand_over=Box.hand_over):
    """A box, watched, goes from one thread to another."""
    box = Box()
    tells, waits = kind()
    sim.watch(box)
    threads = [threading.Thread(target=box.take, args=(waits,), name="taker"), threading.Thread(target=hand_over, args=(box, tells), name="giver")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return box.value


def through_a_pool(sim):
    """What a pool's workers return, in a box, is looked at by who asked."""
    box = Box()
    sim.watch(box)

    def work():
        box.value += 1

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
        box.value += 1
        list(pool.map(lambda _: work(), [1]))
        box.value += 1
    box.value += 1
