"""A program with something of every kind that oracles look at: threads, locks, a queue, an event, a future, a connection.

It is in a file of its own so that a world can be preempted at its lines and not at those of the test that sets oracles to work.
"""

from __future__ import annotations

import queue
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor

import simsock


class Echo(socketserver.StreamRequestHandler):
    """Answers each line with itself."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class Books:
    """What several threads keep, all under one lock."""

    def __init__(self):
        self.total = 0
        self.lines = []
        self.lock = threading.Lock()
        self.other = threading.RLock()

    def add(self, amount):
        """One more line."""
        with self.lock, self.other:
            self.total += amount
            self.lines.append(amount)
        return self.total


def keeps_books(sim, begin):
    """``begin(books)`` is called before anything happens."""
    books = Books()
    begin(books)
    orders, done = queue.Queue(), threading.Event()

    def clerk():
        while (amount := orders.get()) is not None:
            books.add(amount)
        done.set()

    served = sim.serve(Echo)
    thread = threading.Thread(target=clerk, name="clerk")
    thread.start()
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(books.add, amount) for amount in (1, 2)]
        orders.put(3)
        for future in futures:
            future.result()
    with sim.connect(served) as sock:
        sock.sendall(b"one\n")
        sock.recv(10)
    orders.put(None)
    done.wait()
    thread.join()
    return books


def laws(begin, options):
    """(digest, steps, deviations) of a world that keeps books, with ``begin(sim, books)``."""
    with simsock.Simulation(scope=__file__, **options) as sim:
        keeps_books(sim, lambda books: begin(sim, books))
        sim.sleep(1)
    return sim.digest, sim._kernel.steps, sim.deviations


OPTIONS = [{"seed": 4, "strategy": strategy, "preempt": preempt} for strategy in ("fifo", "random") for preempt in ("calls", "lines", "instructions")]
