"""Children that go round in a loop and get nowhere, with or without simulated calls: the world goes on beside them, as beside a process that computes."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import types

import pytest

from simsock import Simulation
from simsock.processes import messages
from tests.processes.children import child, status_of

CLIENT = """
import signal, sys

class Client:
    def __init__(self):
        self.socket, self.log = None, []

    def loop(self):
        if self.socket is None:
            self.complain("not connected %s", self.socket)
            return 4
        return 0

    def complain(self, text, *args):
        text % args

def run(client):
    try:
        while True:
            client.loop()
    except KeyboardInterrupt:
        print("interrupted", client.loop())

run(Client())
"""


elsewhere = types.ModuleType("elsewhere")
elsewhere.counted = 0


class Flag:
    is_set = False

    def handle(self, number, frame):
        self.is_set = True


def until(flag):
    while not flag.is_set:
        pass


def until_a_signal():
    flag = Flag()
    signal.signal(signal.SIGUSR1, flag.handle)
    until(flag)


def with_more_to_look_at():
    """As of a client of some protocol: what none of its rounds calls may use modules."""
    flag = Flag()
    flag.context = ssl.create_default_context()
    flag.on_message = lambda text: json.loads(text)
    signal.signal(signal.SIGUSR1, flag.handle)
    until(flag)
    return 3


def count():
    elsewhere.counted += 1


def is_done():
    return elsewhere.counted >= 1_000_000


def until_done(flag):
    while not flag.is_done():
        flag.count()


def counts_elsewhere():
    flag = Flag()
    flag.count, flag.is_done = count, is_done
    until_done(flag)
    os._exit(7)


def until_interrupted():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    flag, traced = Flag(), sys.gettrace()
    try:
        while True:
            until(flag)
    except KeyboardInterrupt:
        os._exit(5 if sys.gettrace() is traced else 6)  # what keeps it from the rest of the tests is there as before


def until_a_signal_by_a_lock():
    flag, lock = Flag(), threading.Lock()
    signal.signal(signal.SIGUSR1, flag.handle)
    while True:
        with lock:
            if flag.is_set:
                break


def beside_another():
    other = child(until_a_signal_by_a_lock)
    until_a_signal_by_a_lock()
    os.kill(other, signal.SIGUSR1)
    return status_of(other)


def rounds():
    while True:
        Flag()


def run_and_interrupt():
    with Simulation(seed=5) as sim:
        program = subprocess.Popen([sys.executable, "-c", CLIENT], stdout=subprocess.PIPE, text=True)
        for _ in range(20):
            time.sleep(0.1)
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate()
        assert (said, program.returncode) == ("interrupted 4\n", 0)
        return round(sim.now, 2), sim.digest


@pytest.mark.slow
def test_a_program_that_polls_a_client_without_a_connection_is_interrupted():
    now, digest = run_and_interrupt()
    assert now == 2
    assert run_and_interrupt() == (now, digest)


@pytest.mark.parametrize(
    ("body", "number", "status"),
    [
        (until_a_signal, signal.SIGUSR1, 0),
        (until_interrupted, signal.SIGINT, 5),
        (rounds, signal.SIGTERM, -signal.SIGTERM),
        (with_more_to_look_at, signal.SIGUSR1, 3),
        (until_a_signal_by_a_lock, signal.SIGUSR1, 0),
        (beside_another, signal.SIGUSR1, 0),
    ],
)
def test_a_child_that_spins_hears_of_a_signal(world, body, number, status):
    pid = child(body)
    time.sleep(1)
    os.kill(pid, number)
    assert status_of(pid) == status
    assert round(world.now) == 1


def test_a_child_whose_rounds_call_what_nobody_can_look_into_is_left_alone(world, monkeypatch):
    monkeypatch.setattr(messages, "_PATIENCE_MS", 2)  # it is looked at soon
    beside = world.spawn(time.sleep, 5)
    assert status_of(child(counts_elsewhere)) == 7
    assert world.now == 0
    beside.result()
