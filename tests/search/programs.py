"""Small programs with a race, and their healthy twins: module-level, so that other processes can import them."""

from __future__ import annotations

import itertools
import random
import threading


class Counter:
    """A number that is counted up by hand."""

    def __init__(self) -> None:
        self.value = 0


def bump(counter: Counter) -> None:
    """Counts up in two steps."""
    value = counter.value
    counter.value = value + 1


def lost_update(sim) -> None:
    """Three tasks count without a lock."""
    counter = Counter()
    for task in [sim.spawn(bump, counter) for _ in range(3)]:
        task.result()
    assert counter.value == 3


def kept_update(sim) -> None:
    """Its twin: with one."""
    counter = Counter()
    lock = sim.network.threading.Lock()

    def locked() -> None:
        with lock:
            bump(counter)

    for task in [sim.spawn(locked) for _ in range(3)]:
        task.result()
    assert counter.value == 3


def check_then_act(sim) -> None:
    """Two tasks take the last item of a list; the one that comes second raises."""
    items = [1]

    def take() -> None:
        if items:
            items.pop()

    for task in [sim.spawn(take) for _ in range(2)]:
        task.result()


def two_locks(sim) -> None:
    """A deadlock, on some schedules."""
    one, other = sim.network.threading.Lock(), sim.network.threading.Lock()

    def work(first, second) -> None:
        with first, second:
            pass

    for task in [sim.spawn(work, one, other), sim.spawn(work, other, one)]:
        task.result()


def lossy(sim) -> None:
    """Fails when a datagram is lost."""
    sender, receiver = sim.datagram(host="a"), sim.datagram(host="b")
    receiver.settimeout(5)
    for number in range(4):
        sender.sendto(b"%d" % number, receiver.getsockname())
    assert [receiver.recv(10) for _ in range(4)] == [b"0", b"1", b"2", b"3"]


def endless(sim) -> None:
    """Never ends."""
    while True:
        sim.sleep(0)


_runs = itertools.count()


def remembers(sim) -> None:
    """Fails in every third run, whatever the schedule."""
    sim.sleep(1)
    assert next(_runs) % 3 != 2


def draws_and_records(sim) -> None:
    """Waits for a time that Python's own generator decides."""
    sim.spawn(sim.sleep, random.random()).result()


_left: list[object] = []


def orders_by_identity(sim) -> None:
    """Runs tasks in the order of addresses in memory, which are others in every run: it leaves every second thing where it is."""
    things = [[object() for _ in range(random.randrange(1, 50))] for _ in range(8)]
    _left.extend(things[::2])
    for place, thing in sorted(enumerate(things), key=lambda pair: id(pair[1])):
        assert thing
        sim.spawn(sim.sleep, place / 10).result()


def clean(sim) -> None:
    """Nothing but the world decides what it does."""
    for task in [sim.spawn(sim.sleep, number) for number in (2, 1)]:
        task.result()


def in_a_dictionary(sim):
    """Two tasks that count under a lock in an item of a dictionary, and their results."""
    counts, lock = {"all": 0}, threading.Lock()

    def work():
        with lock:
            counts["all"] += 1
            return counts["all"]

    one = sim.spawn(work)
    other = sim.spawn(work)
    total = one.result() + other.result()
    assert total == 3


def with_items_of_their_own(sim):
    """Two threads that count in a loop, each in its own item."""
    counts = {"one": 0, "other": 0}

    def work(name):
        for _ in range(3):
            counts[name] += 1

    threads = [threading.Thread(target=work, args=(name,)) for name in counts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == {"one": 3, "other": 3}
