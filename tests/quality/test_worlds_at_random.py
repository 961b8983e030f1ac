"""Random worlds are the same however they are run: some with the slow tests, 10,000 with a marker of their own."""

from __future__ import annotations

import sys
from functools import cache

import pytest

from tests.quality import random_programs
from tests.quality.random_acts import ACTS
from tests.quality.worlds_at_random import EVERYWHERE, WAYS, Way, batch, compare, compare_all, main

FEW, MANY = list(range(20)), list(range(60))


@cache
def reference(many: bool):
    """What the worlds give one after another in one process."""
    return batch(Way(), MANY if many else FEW)


def told(differences):
    return "\n".join(f"{one.way}, world {one.seed}: {one.text}" for one in differences)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["later, shuffled", "other hash seed"])
def test_a_few_worlds_are_the_same_later_and_first_and_with_another_hash_seed(name):
    assert not told(compare(name, WAYS[name], reference(False), FEW))


@pytest.mark.random_worlds
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", WAYS)
def test_more_worlds_are_the_same_in_every_way(name):
    assert not told(compare(name, WAYS[name], reference(True), MANY))


@pytest.mark.random_worlds
@pytest.mark.timeout(0)
def test_ten_thousand_worlds_are_the_same_in_every_way():
    assert main(["--worlds", "10000", "--batch", "500"]) == 0


def test_what_differs_is_told_with_its_seed_and_the_place():
    known = batch(Way(), [3, 4])
    known[4] = [4, "another run", *known[4][2:]]
    (found,) = compare("later, shuffled", WAYS["later, shuffled"], known, [3, 4])
    assert (found.way, found.seed) == ("later, shuffled", 4)
    assert found.text.startswith("strategy fifo, preempt lines")


def test_another_python_is_started_by_a_command():
    said = []
    assert not compare_all([], [0, 1], [[sys.executable]], 1, said.append)
    assert [line.partition(": ")[0] for line in said] == [f"on {sys.executable}"]
    assert batch(EVERYWHERE, [0], python=["env", "NOTHING=1", sys.executable]) == {0: batch(EVERYWHERE, [0])[0]}


def test_worlds_reach_every_kind_of_act_strategy_link_and_face():
    plans = [random_programs.plan(seed) for seed in MANY]
    acts = {name for what in plans for _, _, acts in what.actors for name, *_ in acts}
    assert acts == set(ACTS)
    assert {what.strategy for what in plans} == set(random_programs.STRATEGIES)
    assert {what.preempt for what in plans} == {"calls", "lines", "instructions"}
    assert {repr(what.link) for what in plans} == set(map(repr, random_programs.LINKS))
    assert {what.face for what in plans} == {"patched", "network", "bare"}


def test_most_acts_do_what_they_are_there_for():
    """A program whose calls all fail at once would be the same everywhere, too."""
    good, all_told = set(), 0
    for seed in range(60):
        ran = random_programs.run(random_programs.plan(seed))
        for _, name, *what in ran.trace:
            all_told += 1
            if len(what) == 1:
                good.add(name)
    assert all_told > 1_000
    assert len(good & set(ACTS)) > len(ACTS) - 8
