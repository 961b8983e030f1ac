"""The tape itself: counting, recording, limits, and what a replay says about answers that it could not use."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import pytest

import simsock.choices.tape
from simsock.choices import DefaultSource, Deviation, ReplaySource, SeededSource, Tape
from simsock.errors import LimitExceeded, UsageError

SOURCES = [DefaultSource(), SeededSource(7), ReplaySource([("a", 1_000, 1)]), ReplaySource([("other", 0, 1)])]


def test_the_default_answers_are_zero_false_and_the_lowest_amount():
    tape = Tape(DefaultSource())
    assert [tape.choose("a", n) for n in (1, 2, 100)] == [0, 0, 0]
    assert [tape.chance("b", p) for p in (0, 0.5, 1, Fraction(1, 3))] == [False] * 4
    assert [tape.amount("c", low, low + 9) for low in (-5, 0, 3)] == [-5, 0, 3]
    assert tape.deviations == []
    assert tape.plan("a") == {}
    assert tape.mismatches() == []


@pytest.mark.parametrize("source", SOURCES)
def test_a_label_has_one_stream_that_counts_every_question(source):
    tape = Tape(source)
    stream = tape.stream("a")
    assert tape.stream("a") is stream
    assert tape.stream("b") is not stream
    assert stream.label == "a"
    stream.choose(4)
    stream.choose(1)
    stream.chance(0)
    stream.chance(1)
    stream.chance(0.25)
    stream.amount(3, 9)
    stream.amount(3, 3)
    tape.choose("a", 2)
    tape.chance("a", 0.5)
    tape.amount("a", 0, 1)
    assert stream.index == 10


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("n", [0, -3])
def test_a_choice_among_nothing_is_an_error_naming_label_and_value(source, n):
    with pytest.raises(UsageError, match=rf"'a'.*at least one possibility.*{n}"):
        Tape(source).choose("a", n)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan"), float("inf"), Fraction(3, 2), "1%", None, [0.5]])
def test_a_probability_outside_zero_to_one_is_an_error_naming_it(source, p):
    stream = Tape(source).stream("a")
    stream.chance(0.5)
    with pytest.raises(UsageError) as caught:
        stream.chance(p)
    assert repr(p) in str(caught.value)
    assert "'a'" in str(caught.value)


@pytest.mark.parametrize("source", SOURCES)
def test_an_amount_between_crossed_ends_is_an_error_naming_both(source):
    with pytest.raises(UsageError, match=r"'a'.*at least 5 and at most 4"):
        Tape(source).amount("a", 5, 4)


def test_an_amount_is_recorded_as_its_distance_from_the_lowest():
    tape = Tape(SeededSource(7))
    answers = [tape.amount("a", 100, 103) for _ in range(50)]
    assert set(answers) == {100, 101, 102, 103}
    assert tape.deviations == [Deviation("a", index, answer - 100) for index, answer in enumerate(answers) if answer > 100]


def test_deviations_stand_in_the_order_in_which_they_happened():
    tape = Tape(SeededSource(7))
    tape.chance("z", 1)
    tape.record("task main schedule", 4, 2)
    tape.chance("a", 1)
    tape.chance("z", 1)
    assert tape.deviations == [("z", 0, 1), ("task main schedule", 4, 2), ("a", 0, 1), ("z", 1, 1)]
    assert all(type(deviation) is Deviation for deviation in tape.deviations)
    assert tape.deviations[1].label == "task main schedule"
    assert tape.deviations[1].index == 4
    assert tape.deviations[1].value == 2


def test_a_default_decided_elsewhere_is_not_recorded_and_a_negative_answer_is_an_error():
    tape = Tape(DefaultSource())
    tape.record("a", 3, 0)
    assert tape.deviations == []
    with pytest.raises(UsageError, match=r"'a'.*-1.*question 3"):
        tape.record("a", 3, -1)


def test_the_limit_of_deviations_is_an_error_that_names_it():
    tape = Tape(SeededSource(7), limit=3)
    for _ in range(3):
        tape.chance("a", 1)
    with pytest.raises(LimitExceeded, match=r"more than 3 deviations.*'deviations'.*'a'") as caught:
        tape.chance("a", 1)
    assert caught.value.facts == {"limit": "deviations"}
    with pytest.raises(LimitExceeded, match="'b'"):
        tape.record("b", 0, 1)
    with pytest.raises(LimitExceeded, match="'c'"):
        Tape(ReplaySource([("c", 0, 1)]), limit=0).choose("c", 2)
    assert len(tape.deviations) == 3
    assert Tape(SeededSource(7)).limit == 1_000_000


# -- what a replay could not use -------------------------------------------------------------------------------------------------------------


def test_a_replay_that_fits_has_no_mismatches():
    tape = Tape(ReplaySource([("a", 1, 2), ("b", 0, 1), ("task x", 5, 3)]))
    assert [tape.choose("a", 3) for _ in range(3)] == [0, 2, 0]
    assert tape.chance("b", 0.5)
    tape.record("task x", 5, 3)
    assert tape.mismatches() == []


def test_a_deviation_that_was_never_asked_for_is_named():
    tape = Tape(ReplaySource([("a", 4, 2), ("b", 0, 1), ("c", 1, 1)]))
    for _ in range(3):
        tape.choose("a", 3)
    tape.chance("c", 0.5)
    assert tape.mismatches() == [
        "'a': the replay has answer 2 to question 4, which was never asked (3 questions were, counting from 0)",
        "'b': the replay has answer 1 to question 0, which was never asked",
        "'c': the replay has answer 1 to question 1, which was never asked (one question was, counting from 0)",
    ]


def test_an_answer_out_of_range_becomes_the_default_and_is_named():
    tape = Tape(ReplaySource([("a", 0, 3), ("b", 0, 2), ("c", 1, 8), ("d", 0, 1)]))
    assert tape.choose("a", 3) == 0
    assert tape.chance("b", 0.5) is False
    assert [tape.amount("c", 10, 17) for _ in range(2)] == [10, 10]
    assert tape.choose("d", 1) == 0
    assert tape.deviations == []
    assert tape.mismatches() == [
        "'a': the replay has answer 3 to question 0, where only 0 to 2 were possible: 3 is out of range, the default was taken",
        "'b': the replay has answer 2 to question 0, where only 0 to 1 were possible: 2 is out of range, the default was taken",
        "'c': the replay has answer 8 to question 1, where only 0 to 7 were possible: 8 is out of range, the default was taken",
        "'d': the replay has answer 1 to question 0, where only 0 was possible: 1 is out of range, the default was taken",
    ]


def test_the_scheduler_tells_of_answers_that_it_used_refused_or_changed():
    tape = Tape(ReplaySource([("task x", 0, 1), ("task x", 3, 2), ("task x", 6, 4), ("task x", 9, 1)]))
    assert tape.plan("task x") == {0: 1, 3: 2, 6: 4, 9: 1}
    tape.record("task x", 0, 1)
    tape.record("task x", 3, 1)
    tape.refuse("task x", 6, 4, 2)
    assert tape.mismatches() == [
        "'task x': the replay has answer 2 to question 3, but answer 1 was taken",
        "'task x': the replay has answer 4 to question 6, where only 0 to 1 were possible: 4 is out of range, the default was taken",
        "'task x': the replay has answer 1 to question 9, which was never asked",
    ]


def test_a_plan_is_the_callers_own_copy():
    source = ReplaySource([("a", 0, 1)])
    Tape(source).plan("a").clear()
    assert Tape(source).plan("a") == {0: 1}
    assert Tape(source).plan("b") == {}
    assert Tape(source).choose("a", 2) == 1


# -- the house's demands -----------------------------------------------------------------------------------------------------------------------


def test_a_dropped_tape_leaves_nothing_for_the_garbage_collector():
    def use(source):
        tape = Tape(source)
        for label in "ab":
            tape.choose(label, 3)
            tape.chance(label, 0.5)
            tape.chance(label, 0.25)

    for source in SOURCES:
        use(source)
        gc.collect()
        gc.disable()
        try:
            use(source)
            assert gc.collect() == 0
        finally:
            gc.enable()


def test_importing_the_package_loads_no_heavy_module():
    root = Path(simsock.choices.tape.__file__).parent.parent
    code = f"""
        import sys, types
        bare = types.ModuleType("simsock")  # so that only this package's own imports are seen
        bare.__path__ = [{str(root)!r}]
        sys.modules["simsock"] = bare
        before = set(sys.modules)
        import simsock.choices
        loaded = set(sys.modules) - before
        heavy = loaded & {{"json", "zlib", "base64", "dataclasses", "inspect", "fractions", "simsock.choices.tokens", "simsock.choices.shrinking"}}
        assert not heavy, heavy
        assert "Token" in dir(simsock.choices)
        simsock.choices.Token, simsock.choices.shrink, simsock.choices.Shrunk
        assert "simsock.choices.tokens" in sys.modules
    """
    subprocess.run([sys.executable, "-S", "-c", textwrap.dedent(code)], check=True)


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError, match="Tokn"):
        _ = simsock.choices.Tokn
    for name in simsock.choices.__all__:
        assert getattr(simsock.choices, name).__name__ == name
