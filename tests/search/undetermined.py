"""Tests with one planted cause each of being another run each time; other processes import them."""

from __future__ import annotations

import itertools
import random
import time
from datetime import datetime

GENERATOR = random.Random(1)
NUMBERS = itertools.count()
SEEN: list[int] = []
WORDS = {"one", "two", "three", "four", "five", "six", "seven"}


class Thing:
    """Hashed by its address."""


def address_in_a_name(sim):
    label = f"worker {id(sim) // 16 % 10_000}"  # a whole address in a name is told as "#"
    sim.spawn(sim.sleep, 1, name=label).result()


def set_of_texts(sim):
    for word in WORDS:
        sim.spawn(sim.sleep, 1, name=word).result()


def set_of_objects(sim):
    SEEN.append(0)
    kept = [Thing() for _ in range(50 + len(SEEN) * 7)]
    things = set(kept[::5])
    for thing in things:
        sim.sleep(kept.index(thing))


def real_clock(sim):
    sim.sleep(time.perf_counter() % 1 + 0.5)


def own_generator(sim):
    delay = GENERATOR.random()
    sim.sleep(delay)


def looks_up_by_address(sim):
    table = {}
    table[id(sim)] = sim
    assert id(sim) in table and id(sim) == id(table[id(sim)]) and table.get(id(sim)) is sim
    sim.sleep(GENERATOR.random())


def has_an_address_far_away(sim):
    """What is done with the address comes to nothing."""
    label = f"{id(sim):x}"
    label = label.upper()
    label = label.lower()
    label = label.strip()
    label = label.upper()
    label = label.lower()
    label = label.strip()
    label = label.upper()
    label = label.lower()
    label = label.strip()
    label = label.upper()
    sim.sleep(GENERATOR.random())
    return label


def counted(sim):
    sim.sleep(next(NUMBERS))


def remembered(sim):
    SEEN.append(1)
    sim.sleep(len(SEEN))


def only_when_they_race(sim):
    first = []

    def run(number):
        first.append(number)
        if first == [1]:
            sim.sleep(GENERATOR.random())

    for task in [sim.spawn(run, number) for number in range(2)]:
        task.result()


def sound(sim):
    values = {"a": 1}

    def add():
        values["a"] = values["a"] + 1

    for task in [sim.spawn(add) for _ in range(2)]:
        task.result()
    sim.sleep(random.random() + time.time() % 1)


class Registry:
    """Keeps things in a set."""

    def __init__(self):
        self.things = {Thing() for _ in range(40 + 3 * len(SEEN))}
        self.kept = list(self.things)

    def visit(self, sim):
        SEEN.append(2)
        for number, thing in enumerate(self.things):
            sim.sleep(hash(thing) % 97 + number)


def visits_a_registry(sim):
    Registry().visit(sim)


def today(sim):
    sim.sleep(datetime.now().microsecond + 1)


def made_on_the_spot(sim):
    for word in set("a few words, in no order".split()):
        sim.spawn(sim.sleep, 1, name=word.strip(",")).result()
