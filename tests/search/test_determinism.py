"""``check_determinism`` finds what is another run each time, and says where and why."""

from __future__ import annotations

import inspect
import re

import pytest

import simsock
from simsock import Nondeterminism, UsageError
from simsock.cli import main
from tests.search import undetermined

CAUSES = {
    "address_in_a_name": (r"an address, by id\(\)", "label =", {}),
    "set_of_objects": ("the order of a set of objects: things", "for thing in things", {}),
    "real_clock": (r"a real clock: time.perf_counter", "perf_counter", {"patch": False}),
    "own_generator": ("a generator of random numbers of its own: GENERATOR", "GENERATOR.random()", {}),
    "today": ("a real clock: datetime.now", "datetime.now", {"patch": False}),
    "counted": ("what goes on from run to run: NUMBERS", "next(NUMBERS)", {}),
    "remembered": ("what a module keeps from run to run: SEEN", "SEEN", {}),
}


def line_of(test, text):
    lines, start = inspect.getsourcelines(test)
    return next(start + place for place, line in enumerate(lines) if text in line)


@pytest.mark.parametrize("name", CAUSES)
def test_the_cause_and_its_line_are_named(name):
    cause, text, options = CAUSES[name]
    test = getattr(undetermined, name)
    with pytest.raises(Nondeterminism) as caught:
        simsock.check_determinism(test, **options)
    told = str(caught.value)
    assert re.match(r"two runs with seed 0 differ at (record \d+|a wait, after \d+ records):\n  first run:  .*\n  second run: .*\n  in task main, at ", told), (
        told
    )
    assert re.search(rf", at tests/search/undetermined.py:\d+ in {name}\n", told), told
    first = re.search(rf"likely cause: {cause} \(tests/search/undetermined.py:(\d+)\)", told)
    assert first, told
    assert abs(int(first[1]) - line_of(test, text)) <= 1
    assert told.index(first[0]) == told.index("likely cause"), "it is told first"


def test_an_address_that_has_nothing_to_do_with_it_is_not_blamed():
    with pytest.raises(Nondeterminism, match="likely cause: a generator of random numbers of its own: GENERATOR") as caught:
        simsock.check_determinism(undetermined.looks_up_by_address)
    assert "by id()" not in str(caught.value)
    with pytest.raises(Nondeterminism, match=r"(?s)cause: a generator of random numbers of its own: GENERATOR .*cause: an address, by id\(\)"):
        simsock.check_determinism(undetermined.has_an_address_far_away)


def test_what_is_the_same_in_one_process_only_is_found_in_fresh_ones():
    assert simsock.check_determinism(undetermined.set_of_texts)
    with pytest.raises(Nondeterminism, match=r"(?s)between processes \(hash seed \d in the second\) at .*cause: the order of a set of texts: WORDS"):
        simsock.check_determinism(undetermined.set_of_texts, processes=2)


def test_sets_of_an_attribute_and_sets_made_on_the_spot_are_seen():
    with pytest.raises(Nondeterminism, match=r"(?s)hash\(\), which for texts .*the order of a set of objects: self.things \(tests/search/undetermined.py"):
        simsock.check_determinism(undetermined.visits_a_registry)
    with pytest.raises(Nondeterminism, match=r"likely cause: the order of a set that is made here \(tests/search/undetermined.py"):
        simsock.check_determinism(undetermined.made_on_the_spot, processes=2)


def test_what_differs_only_in_schedules_of_a_search_is_found_by_default():
    assert simsock.check_determinism(undetermined.only_when_they_race, strategy="fifo")
    with pytest.raises(Nondeterminism, match=r"(?s)two runs with seed 1, schedule \d of a search, differ at .*GENERATOR"):
        simsock.check_determinism(undetermined.only_when_they_race, seed=1)


def test_a_sound_test_has_no_difference_and_its_digest_is_the_plain_run_s():
    digest = simsock.check_determinism(undetermined.sound, processes=1)
    with simsock.Simulation() as sim:
        undetermined.sound(sim)
    assert digest == sim.digest


def test_bad_arguments_are_told():
    with pytest.raises(UsageError, match="processes: expected a whole number from 0 to 100, got -1"):
        simsock.check_determinism(undetermined.sound, processes=-1)
    with pytest.raises(UsageError, match=r"processes: .* must be importable in another process"):
        simsock.check_determinism(lambda sim: None, processes=1)


def test_the_command_says_it_too(capsys):
    assert main(["check", "tests.search.undetermined:sound"]) == 0
    assert re.fullmatch(r"the same in every run, digest [0-9a-f]{32}\n", capsys.readouterr().out)
    assert main(["check", "tests.search.undetermined:own_generator"]) == 1
    assert "likely cause: a generator of random numbers of its own: GENERATOR" in capsys.readouterr().err
    assert main(["check", "tests.search.undetermined:nothing"]) == 2
