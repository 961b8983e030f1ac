"""The commonest mistakes of people who are new: each is an error, or a warning, that says what it is and what to do.

Those that need pytest are in ``tests/plugin/test_borders.py`` (a marker without a world, a wide fixture that asks for ``sim``, servers made before it), in
``test_given.py`` (``schedules=`` under ``@given``) and in ``test_coverage.py``.
"""

from __future__ import annotations

import concurrent.futures
import queue
import re
import socket
import socketserver
import subprocess
import threading

import pytest

import simsock
from simsock import Deadlock, Fenced, LeakWarning, NoEffectWarning, Simulation, UsageError


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


def _pool_before():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(len, "").result()
        with Simulation():
            pool.submit(len, "")


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


MISTAKES = {
    "a world in a world": (_in(lambda sim: Simulation().__enter__()), UsageError, r"a world inside a world|one world at a time|already"),
    "a world that was not entered": (lambda: Simulation().sleep(1), UsageError, r"this world is not running: enter it with `with`"),
    "a world that is over": (_ended, UsageError, r"this world is not running: it has ended"),
    "an option misspelt": (lambda: Simulation(latency=1), UsageError, r"unknown option 'latency'.*Known are strategy"),
    "a seed that is none": (lambda: Simulation(seed=1.5), UsageError, r"seed: expected an integer or a text, got 1\.5"),
    "a duration that is none": (_in(lambda sim: sim.sleep("5 minuts")), UsageError, r"sleep: .*'5 minuts'"),
    "a server class without its handler": (_in(lambda sim: sim.serve(socketserver.TCPServer)), UsageError, r"server class TCPServer needs its handler"),
    "a server from before": (_real_server, UsageError, r"has a real socket, .*made outside this world\. Make it inside"),
    "a socket from before": (_before, Fenced, r"socket\.send of <socket.*made outside this world.*make it inside the world"),
    "a pool from before": (_pool_before, Fenced, r"ThreadPoolExecutor with 1 thread.*make it inside the world"),
    "a process": (_in(lambda sim: subprocess.run(["true"])), Fenced, r"a real subprocess\.Popen.*what os\.fork makes is simulated, what is started is not yet"),
    "nobody there": (_in(lambda sim: socket.create_connection(("127.0.0.1", 9))), OSError, r"nobody listens on port 9 of 127\.0\.0\.1, in this world or"),
    "a server on another host": (_in(_elsewhere), OSError, r"a server on host server \(.*\) does: connect to it there"),
    "a wait for ever": (_in(lambda sim: queue.Queue().get()), Deadlock, r"deadlock.*get from Queue-1"),
    "a condition that never holds": (_in(lambda sim: sim.run_until(lambda: False, "1s")), TimeoutError, r"was still false after 1s of virtual time"),
    "a handler that raises": (_in(_handler), ValueError, r"refused.*raised in task serve_forever"),
    "a thread that raises": (_in(_thread), ValueError, r"invalid literal.*raised in task worker"),
    "a thread that is left": (_in(_left_running), LeakWarning, r"the world ended while tasks still ran: task forgotten"),
    "a link with loopback alone": (_in(_on_loopback, link="flaky-wifi"), NoEffectWarning, r"loopback=True to have it there too"),
    "a host misspelt": (_in(lambda sim: (sim.host("server"), sim.partition("sever"))), UsageError, r"nobody made host 'sever'.*did you mean 'server'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_it_says_what_it_is_and_what_to_do(mistake):
    act, kind, words = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        act()
    told = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert re.search(words, told, re.DOTALL), told


def test_a_token_of_another_test_says_where_it_no_longer_fits():
    def races(sim):
        found = []
        tasks = [sim.spawn(found.append, number) for number in range(3)]
        for task in tasks:
            task.result()
        assert found == [0, 1, 2]

    verdict = simsock.explore(races, 200, preempt="calls")
    assert verdict.status == "fails"
    with pytest.raises(simsock.ReplayMismatch, match=r"."):
        simsock.replay(lambda sim: sim.sleep(1), verdict.token)
