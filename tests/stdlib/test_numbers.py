"""What is a number of seconds: each CPython has its own answer, and the stand-ins give the one of the CPython that they run on."""

import select as real_select
import socket as real_socket
import threading as real_threading
import time as real_time
from decimal import Decimal
from fractions import Fraction

import pytest

import simsock
from simsock.stdlib import select, time


class Indexed:
    def __index__(self):
        return 0


class Floating:
    def __float__(self):
        return 0.0


class Broken:
    def __float__(self):
        return "0.0"


def outcome(call, *args):
    try:
        call(*args)
    except Exception as error:
        return type(error), str(error)
    return "taken"


def real_calls():
    taken = real_threading.Lock()
    taken.acquire()
    sock = real_socket.socket()
    return {
        "sleep": real_time.sleep,
        "acquire": lambda value: taken.acquire(True, value),
        "settimeout": sock.settimeout,
        "select": lambda value: real_select.select([], [], [], value),
        "poll": real_select.poll().poll,
        "epoll": real_select.epoll().poll,
    }, sock


def simulated_calls(sim):
    taken = sim.network.threading.Lock()
    taken.acquire()
    sock = sim.network.socket.socket()
    return {
        "sleep": time.sleep,
        "acquire": lambda value: taken.acquire(True, value),
        "settimeout": sock.settimeout,
        "select": lambda value: select.select([], [], [], value),
        "poll": select.poll().poll,
        "epoll": select.epoll().poll,
    }, sock


@pytest.mark.real
@pytest.mark.parametrize(
    "value", [Decimal("0.001"), Fraction(1, 1000), Indexed(), Floating(), Broken(), "1", 1j, [1], True, 0.001], ids=lambda value: type(value).__name__
)
def test_what_counts_as_a_number_of_seconds_is_what_this_cpython_says(value):
    calls, sock = real_calls()
    expected = {name: outcome(call, value) for name, call in calls.items()}
    sock.close()
    with simsock.Simulation(patch=False) as sim:
        calls, sock = simulated_calls(sim)
        found = {name: outcome(call, value) for name, call in calls.items()}
        sock.close()
    assert found == expected
