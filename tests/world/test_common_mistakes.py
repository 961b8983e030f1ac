"""The commonest mistakes of people who are new: each is an error, or a warning, that says what it is and what to do.

They are those of docs/mistakes.md, and the messages are compared with that page. Those that need pytest are in ``tests/plugin/test_common_mistakes.py``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import queue
import re
import select
import socket
import socketserver
import subprocess
import threading
import time

import pytest

import simsock
from simsock import Deadlock, Fenced, LeakWarning, NoEffectWarning, Simulation, UsageError
from tests.mistakes import read


class Fails(socketserver.BaseRequestHandler):
    def handle(self):
        raise ValueError("refused")


def _in(ask, **options):
    def run():
        with Simulation(**options) as sim:
            ask(sim)

    return run


def _before():
    one, other = socket.socketpair()
    with one, other, Simulation():
        one.send(b"x")


def _pipe_before():
    reading, writing = os.pipe()
    try:
        with Simulation():
            os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(writing)


def _pool_before():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(len, "").result()
        with Simulation():
            pool.submit(len, "")


def _thread_before():
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="from before")
    thread.start()
    while not go._cond._waiters:
        time.sleep(0.001)
    try:
        with Simulation():
            go.set()
    finally:
        go.set()
        thread.join()


def _loop_before():
    with socket.create_server(("127.0.0.1", 0)) as listener, Simulation():
        select.select([listener], [], [], 1)


def _real_server():
    with socketserver.TCPServer(("127.0.0.1", 0), Fails) as server, Simulation() as sim:
        sim.serve(server)


def _elsewhere(sim):
    served = sim.serve(Fails, host="server")
    socket.create_connection(("127.0.0.1", served.address[1]))


def _handler(sim):
    server = socketserver.TCPServer(("127.0.0.1", 0), Fails)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    socket.create_connection(server.server_address).recv(1)


def _task_of_asyncio(sim):
    async def fails():
        raise KeyError("missing")

    async def main():
        asyncio.get_running_loop().create_task(fails())
        await asyncio.sleep(1)

    asyncio.run(main())


def _thread(sim):
    thread = threading.Thread(target=int, args=("x",), name="worker")
    thread.start()
    thread.join()


def _left_running(sim):
    threading.Thread(target=threading.Event().wait, name="forgotten").start()


def _on_loopback(sim):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        pass


def _ended():
    with Simulation() as sim:
        pass
    sim.sleep(1)


def _other_program():
    def races(sim):
        found = []
        tasks = [sim.spawn(found.append, number) for number in range(3)]
        for task in tasks:
            task.result()
        assert found == [0, 1, 2]

    verdict = simsock.explore(races, 200, preempt="calls")
    assert verdict.status == "fails"
    simsock.replay(lambda sim: sim.sleep(1), verdict.token)


MISTAKES = {
    "a world in a world": (_in(lambda sim: Simulation().__enter__()), UsageError),
    "a world that was not entered": (lambda: Simulation().sleep(1), UsageError),
    "a world that is over": (_ended, UsageError),
    "an option misspelt": (lambda: Simulation(colour=1), UsageError),
    "a seed that is none": (lambda: Simulation(seed=1.5), UsageError),
    "a duration that is none": (_in(lambda sim: sim.sleep("5 minuts")), UsageError),
    "a server class without its handler": (_in(lambda sim: sim.serve(socketserver.TCPServer)), UsageError),
    "a server from before": (_real_server, UsageError),
    "a socket from before": (_before, Fenced),
    "a pipe from before": (_pipe_before, Fenced),
    "a pool from before": (_pool_before, Fenced),
    "a library whose thread runs from before": (_thread_before, Fenced),
    "a loop over a socket from before": (_loop_before, Fenced),
    "a program that is no Python program": (_in(lambda sim: subprocess.run(["true"])), Fenced),
    "nobody there": (_in(lambda sim: socket.create_connection(("127.0.0.1", 9))), OSError),
    "a server on another host": (_in(_elsewhere), OSError),
    "a wait for ever": (_in(lambda sim: queue.Queue().get()), Deadlock),
    "a condition that never holds": (_in(lambda sim: sim.run_until(lambda: False, "1s")), TimeoutError),
    "a handler that raises": (_in(_handler), ValueError),
    "a task that fails": (_in(_task_of_asyncio), KeyError),
    "a thread that raises": (_in(_thread), ValueError),
    "a thread that is left": (_in(_left_running), LeakWarning),
    "a link with loopback alone": (_in(_on_loopback, link="flaky-wifi"), NoEffectWarning),
    "a host misspelt": (_in(lambda sim: (sim.host("server"), sim.partition("sever"))), UsageError),
    "a name that no host has": (_in(lambda sim: socket.create_connection(("example.com", 80))), OSError),
    "a token of another program": (_other_program, simsock.ReplayMismatch),
}
"""What is done, and the class of the error; its words are those of the row in docs/mistakes.md."""


def test_the_page_of_common_mistakes_has_these_and_no_others():
    assert len(MISTAKES) >= 20
    assert list(read("In any world")) == sorted(MISTAKES, key=list(read("In any world")).index)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_it_says_what_the_page_of_common_mistakes_says(mistake):
    act, kind = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        act()
    told = f"{type(caught.value).__name__}: " + "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert re.match(read("In any world")[mistake], told, re.DOTALL), told
