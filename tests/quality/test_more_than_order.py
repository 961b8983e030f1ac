"""How soon the choices beside order find what they are for, over many seeds; and that healthy twins stay green.

Each bug is looked for with two seeds here; ``pytest -m exhaustive tests/quality/test_more_than_order.py`` takes twenty, and 2,000 schedules of each twin.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time

import pytest

import simsock

FEW, MANY = range(2), range(20)


def seeds():
    """Two of them, or twenty where somebody asks for all."""
    return [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.exhaustive)]


def found_in(test, schedules, over, **options):
    """By seed: the schedule that failed."""
    found = {}
    for seed in over:
        verdict = simsock.explore(test, schedules, seed=seed, shrink=False, **options)
        found[seed] = verdict.failing_schedule
    return found


# -- a race that a sleep hides -------------------------------------------------------------------------------------------------------------------


def greeted(pause):
    """A server in a thread, a pause, a client; without a pause the client waits until the server says that it listens."""
    ready = threading.Event()

    def serve():
        with socket.create_server(("127.0.0.1", 9000)) as listener:
            ready.set()
            accepted, _ = listener.accept()
            accepted.close()

    server = threading.Thread(target=serve)
    server.start()
    if pause is None:
        ready.wait()
    else:
        time.sleep(pause)
    socket.create_connection(("127.0.0.1", 9000), timeout=5).close()
    server.join()


@pytest.mark.parametrize("over", seeds())
@pytest.mark.parametrize("pause", [1e-6, 1e-4, 4e-2])
def test_a_race_that_a_sleep_hides_is_found_within_100_schedules(pause, over):
    found = found_in(lambda sim: greeted(pause), 100, over, stalls="random")
    assert None not in found.values(), found


# -- a lock that is taken in __del__ -------------------------------------------------------------------------------------------------------------


def cached(make_lock):
    """Entries of a cache, each in a cycle; what goes takes itself out of the cache, under its lock."""
    lock, entries = make_lock(), {}

    class Entry:
        def __init__(self, key):
            self.key, self.itself = key, self
            with lock:
                entries[key] = len(entries)

        def __del__(self):
            with lock:
                entries.pop(self.key, None)

    def fill(keys):
        for key in keys:
            Entry(key)

    threads = [threading.Thread(target=fill, args=(keys,)) for keys in ("ab", "cd")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("over", seeds())
@pytest.mark.parametrize("preempt", ["lines", "calls"])
def test_a_lock_that_is_taken_when_an_object_goes_is_found_within_200_schedules(preempt, over):
    found = found_in(lambda sim: cached(threading.Lock), 200, over, collect="random", preempt=preempt)
    assert None not in found.values(), found


# -- a reply that comes when nobody waits for it any more ----------------------------------------------------------------------------------------


class Client:
    """Asks over one connection, and gives up after a while. A careless one goes on with the connection; a careful one makes a new one."""

    def __init__(self, address, careful):
        self.address, self.careful = address, careful
        self.reader = self.writer = None

    async def ask(self, key):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(*self.address)
        self.writer.write(key + b"\n")
        try:
            return await asyncio.wait_for(self.reader.readline(), 0.2)
        except TimeoutError:
            if self.careful:
                self.close()
            return None

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.reader = self.writer = None


def serve_values(listener):
    """In a thread: answers each line of each connection."""

    def answer(accepted):
        with accepted, accepted.makefile("rb") as lines:
            try:
                for line in lines:
                    accepted.sendall(b"value of " + line)
            except OSError:
                pass

    while True:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(accepted,), daemon=True).start()


def asked(careful):
    with socket.create_server(("127.0.0.1", 9000)) as listener:
        threading.Thread(target=serve_values, args=(listener,), daemon=True).start()

        async def main():
            client = Client(("127.0.0.1", 9000), careful)
            try:
                for key in (b"a", b"b", b"c"):
                    reply = await client.ask(key)
                    assert reply in (None, b"value of " + key + b"\n"), f"asked for {key}, got {reply}"
            finally:
                client.close()
                await asyncio.sleep(0)

        asyncio.run(main())
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("over", seeds())
def test_a_late_reply_that_is_taken_for_the_next_one_is_found_within_200_schedules(over):
    found = found_in(lambda sim: asked(careful=False), 200, over, stalls="random", preempt="calls")
    assert None not in found.values(), found


# -- healthy twins ---------------------------------------------------------------------------------------------------------------------------------

TWINS = {
    "waits": (lambda sim: greeted(None), {"stalls": "random"}),
    "takes it again": (lambda sim: cached(threading.RLock), {"collect": "random"}),
    "connects anew": (lambda sim: asked(careful=True), {"stalls": "random", "preempt": "calls"}),
}


@pytest.mark.parametrize(
    ("name", "schedules"),
    [pytest.param(name, count, marks=[pytest.mark.exhaustive] if count > 100 else []) for name, count in itertools.product(TWINS, (40, 2_000))],
)
def test_a_healthy_twin_is_green(name, schedules):
    test, options = TWINS[name]
    verdict = simsock.explore(test, schedules, **options)
    assert verdict.status == "inconclusive", str(verdict)
