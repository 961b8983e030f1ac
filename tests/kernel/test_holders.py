"""Containers are told apart by what holds them, in the eyes of strategies and stories."""

from __future__ import annotations

import threading

import pytest

import simsock
from simsock.kernel.footprints import ITEMS
from simsock.kernel.holders import named_footprint

KEPT: dict[str, int] = {}


def lines(self, given, key):
    self.values["total"] += 1
    self.log.append(key)
    del KEPT[key]
    given[key] = KEPT[key]
    for number in self.items:
        self.last = number
    found = key in self.deep.index
    return found, self.values


def items(number, **more):
    """What the line with this number touches of containers."""
    footprint = named_footprint(lines.__code__, lines.__code__.co_firstlineno + number, **more)
    return {touch for touch in footprint if touch[0].endswith(ITEMS)}


@pytest.mark.parametrize(
    ("line", "touched"),
    [
        (1, {("values[]", "r"), ("values[]", "w")}),
        (2, {("log[]", "w")}),
        (3, {("KEPT[]", "w")}),
        (4, {("KEPT[]", "r"), (ITEMS, "w")}),
        (5, {("items[]", "r")}),
        (7, {("index[]", "r")}),
        (8, set()),
    ],
)
def test_items_have_the_name_of_what_holds_them(line, touched):
    assert items(line) == touched


def test_what_a_local_variable_holds_is_named_for_stories_only():
    assert (ITEMS, "w") in items(4)
    assert ("given[]", "w") in items(4, locals_too=True)


class Store:
    def __init__(self):
        self.values = {"total": 0}
        self.log = []

    def add(self):
        for number in range(40):
            self.log.append(number)
        seen = self.values["total"]
        self.values["total"] = seen + 1


def two_adders(sim):
    store = Store()
    threads = [threading.Thread(target=store.add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.values["total"] == 2


def test_a_race_on_one_container_is_found_beside_many_touches_of_another():
    for seed in range(3):
        assert simsock.explore(two_adders, 60, strategy="pcth:2", seed=seed, shrink=False).failed, seed


def test_a_story_names_the_container_that_was_raced_on_and_no_method():
    raced = [line.strip() for line in str(simsock.explore(two_adders)).splitlines() if "raced on" in line]
    assert raced == ["raced on: items of values"]
