"""Programs that talk to themselves through pipes, and multiprocessing's tools within one process."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.dummy
import os
import selectors
import socket
import threading
import time
from multiprocessing.pool import ThreadPool


def test_a_loop_is_woken_by_its_own_pipe(run):
    def program(sim):
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        listener = socket.create_server(("127.0.0.1", 0))
        selector = selectors.DefaultSelector()
        selector.register(reading, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        served = []

        def loop():
            while True:
                for key, _ in selector.select():
                    if key.fileobj is reading:
                        served.append(os.read(reading, 100))
                        return
                    connection, _ = listener.accept()
                    served.append(connection.recv(10))
                    connection.close()

        thread = threading.Thread(target=loop)
        thread.start()
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"hello")
        time.sleep(1)
        os.write(writing, b"stop")
        thread.join()
        selector.close()
        listener.close()
        for fd in (reading, writing):
            os.close(fd)
        return served

    assert run(program) == [b"hello", b"stop"]


def test_thread_pools_of_multiprocessing(run):
    def program(sim):
        with ThreadPool(3) as pool:
            squares = pool.map(lambda n: n * n, range(10))
            later = pool.apply_async(lambda: (time.sleep(60), time.monotonic())[1])
            waited = later.get(timeout=100) >= 60
        with multiprocessing.dummy.Pool(2) as pool:
            names = sorted(pool.imap_unordered(str, range(3)))
        return squares, waited, names

    assert run(program) == ([n * n for n in range(10)], True, ["0", "1", "2"])


def test_queues_and_locks_of_multiprocessing_within_one_process(run):
    def program(sim):
        context = multiprocessing.get_context("fork")
        queue, lock, gate = context.Queue(), context.RLock(), context.Event()
        seen = []

        def work():
            gate.wait()
            with lock, lock:
                seen.append(queue.get(timeout=5))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for item in ("one", "two"):
            queue.put(item)
        time.sleep(1)
        gate.set()
        for thread in threads:
            thread.join()
        plain, begun = context.Lock(), time.monotonic()
        plain.acquire()
        taken = plain.acquire(timeout=0.5)
        waited = time.monotonic() - begun
        plain.release()
        queue.close()
        queue.join_thread()
        return sorted(seen), taken, round(waited, 3)

    assert run(program) == (["one", "two"], False, 0.5)


def test_asyncio_reads_and_writes_pipes(run):
    def program(sim):
        async def main():
            reading, writing = os.pipe()
            loop = asyncio.get_running_loop()
            reader = asyncio.StreamReader(limit=200_000)
            out, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0))
            into, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(writing, "wb", 0))
            writer = asyncio.StreamWriter(into, protocol, None, loop)
            writer.write(b"x" * 100_000 + b"\n")
            size = len(await reader.readline())
            into.close()
            rest = await reader.read()
            out.close()
            return size, rest

        return asyncio.run(main())

    assert run(program) == (100_001, b"")
