"""A program's module with locks of every kind, made when it is imported and thus before any world."""

from __future__ import annotations

import functools
import logging
import queue
import threading
import time

LOCK = threading.Lock()
RLOCK = threading.RLock()
TABLE = {"lock": threading.Lock(), "rlock": threading.RLock()}
ITEMS = [threading.Lock()]
QUEUE = queue.Queue()
SIMPLE = queue.SimpleQueue()
EVENT = threading.Event()
SEMAPHORE = threading.Semaphore(1)
CONDITION = threading.Condition()
BARRIER = threading.Barrier(2)
LOCAL = threading.local()


class Guarded:
    """Locks as attributes of a class, of an instance, in a slot, and as a default argument."""

    CLASS_LOCK = threading.RLock()

    def __init__(self):
        self.lock = threading.RLock()

    def default(self, lock=threading.RLock()):  # noqa: B008  # that it is made once is the point
        return lock


class Slotted:
    __slots__ = ("lock",)

    def __init__(self):
        self.lock = threading.Lock()


class Costly:
    """3.11's cached_property takes a lock."""

    def __init__(self):
        self.computed = 0

    @functools.cached_property
    def value(self):
        time.sleep(1)
        self.computed += 1
        return self.computed


def closure():
    lock = threading.RLock()

    def get():
        return lock

    return get


INSTANCE = Guarded()
SLOTTED = Slotted()
CLOSED = closure()
HANDLER = logging.StreamHandler()

NAP = functools.partial(time.sleep, 1)
CLOCKS = {"monotonic": time.monotonic}
CLOCK_LIST = [time.monotonic]


class Clock:
    monotonic = staticmethod(time.monotonic)
    bare = time.monotonic

    def __init__(self):
        self.now = time.monotonic


CLOCK = Clock()


def nap_by_default(seconds, sleep=time.sleep, *, now=time.monotonic):
    sleep(seconds)
    return now()


def nap_by_closure():
    sleep = time.sleep

    def nap(seconds):
        sleep(seconds)

    return nap


NAP_CLOSED = nap_by_closure()
