"""Where answers come from: pinned numbers, streams that do not disturb each other, chances that come out as often as they should, replay."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simsock.choices import DefaultSource, ReplaySource, SeededSource, Tape, derive_seed, generator
from simsock.choices.sources import gap_table
from simsock.errors import UsageError

# -- pinned: these may never change, on any Python, or every seed that people wrote down means another run -----------------------------------


GOLDEN_SEED_7_A = 10246668499907366168
GOLDEN_SEED_EMPTY = 10734006239897485896
GOLDEN_SEED_ODD = 3955069670817261268
GOLDEN_CHOICES_6 = [4, 5, 1, 0, 4, 5, 2, 4, 3, 2, 0, 2, 0, 4, 3, 0, 0, 4, 3, 3, 5, 1, 3, 2]
GOLDEN_CHOICES_2 = [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1]
GOLDEN_CHOICES_LARGE = [283876445317487439957737913706, 948999143876003189009680397596]
GOLDEN_CHOICES_FRIDAY = [441]
GOLDEN_AMOUNTS = [450443419, 202013047, 432616388, 72387549, 4622840, 665800449]
GOLDEN_CHANCES = {
    "0.5": [0, 3, 8, 9, 10, 11, 12, 14],
    "0.1": [32, 66, 120, 124, 143, 153, 161, 168],
    "0.01": [168, 231, 238, 314, 345, 399, 467, 485],
    "0.0005": [168, 1300, 3710, 6331, 9570, 10714, 14309, 15957],
    "0.999": [120, 290, 513, 3811, 4852, 5687, 5796, 7440],
    "1/3": [0, 2, 10, 17, 18, 19, 21, 24],
}


def test_derived_seeds_are_the_pinned_ones():
    assert derive_seed(7, "a") == GOLDEN_SEED_7_A
    assert derive_seed("7", "a") == GOLDEN_SEED_7_A
    assert derive_seed("", "") == GOLDEN_SEED_EMPTY
    assert derive_seed(-1, "link ä->\udc80 loss") == GOLDEN_SEED_ODD


def test_choices_are_the_pinned_ones():
    tape = Tape(SeededSource(7))
    assert [tape.choose("link client->server loss", 6) for _ in range(24)] == GOLDEN_CHOICES_6
    assert [tape.choose("task main schedule", 2) for _ in range(24)] == GOLDEN_CHOICES_2
    assert [tape.choose("large", 10**30) for _ in range(2)] == GOLDEN_CHOICES_LARGE
    assert [Tape(SeededSource("friday")).choose("a", 1000)] == GOLDEN_CHOICES_FRIDAY


def test_amounts_are_the_pinned_ones():
    tape = Tape(SeededSource(7))
    assert [tape.amount("jitter", -1_000, 1_000_000_000) for _ in range(6)] == GOLDEN_AMOUNTS


@pytest.mark.parametrize("p", [0.5, 0.1, 0.01, 0.0005, 0.999, Fraction(1, 3)])
def test_chances_come_true_at_the_pinned_questions(p):
    tape = Tape(SeededSource(7))
    wanted = p != 0.999  # there the misses are the rare ones
    hits = []
    while len(hits) < 8:
        if tape.chance("loss", p) is wanted:
            hits.append(tape.stream("loss").index - 1)
    assert hits == GOLDEN_CHANCES[str(p)]


# -- streams of their own ----------------------------------------------------------------------------------------------------------------------

QUESTIONS = st.tuples(
    st.sampled_from("abc"), st.one_of(st.integers(1, 40), st.sampled_from([0.0, 0.001, 0.3, 0.5, 0.99, 1.0]), st.tuples(st.integers(-9, 9), st.integers(0, 99)))
)


def ask(tape, label, what):
    if isinstance(what, tuple):
        return tape.amount(label, what[0], what[0] + what[1])
    return tape.chance(label, what) if isinstance(what, float) else tape.choose(label, what)


@settings(deadline=None)
@given(st.integers(), st.lists(QUESTIONS, max_size=60), st.data())
def test_asking_other_labels_in_between_shifts_nothing(seed, questions, data):
    alone = Tape(SeededSource(seed))
    expected = [ask(alone, *question) for question in questions]
    disturbed = Tape(SeededSource(seed))
    answers = []
    for question in questions:
        for what in data.draw(st.lists(st.sampled_from([2, 7, 0.5, 0.01]), max_size=3)):
            ask(disturbed, "another", what)
        answers.append(ask(disturbed, *question))
    assert answers == expected
    assert [deviation for deviation in disturbed.deviations if deviation.label != "another"] == alone.deviations


def test_labels_and_seeds_differ_in_what_they_answer():
    tapes = [Tape(SeededSource(seed)) for seed in (1, 2, "one")]
    runs = {tuple(tape.choose(label, 1 << 30) for _ in range(4)) for tape in tapes for label in ("a", "b", "a ")}
    assert len(runs) == 9


def test_questions_with_one_possible_answer_draw_nothing():
    plain, padded = Tape(SeededSource(7)).stream("a"), Tape(SeededSource(7)).stream("a")
    for _ in range(50):
        assert padded.choose(1) == 0
        assert padded.amount(4, 4) == 4
        assert padded.chance(0) is False
        assert padded.chance(0.0) is False
        assert padded.chance(1) is True
        assert padded.choose(1_000) == plain.choose(1_000)


def test_a_certain_chance_makes_no_generator():
    stream = Tape(SeededSource(7)).stream("a")
    for _ in range(20):
        stream.chance(0)
        stream.chance(1)
        stream.choose(1)
    assert stream._bits is None


def test_a_rare_chance_draws_once_for_many_questions():
    stream = Tape(SeededSource(7)).stream("a")
    stream.chance(0.0005)
    draws = []
    inner = stream._bits
    stream._bits = lambda size: draws.append(size) or inner(size)
    hits = sum(stream.chance(0.0005) for _ in range(20_000))
    assert hits > 0
    assert len(draws) == hits * len(gap_table(0.0005)) < 1_000


@pytest.mark.parametrize("seed", [3.5, None, b"7", True])
def test_a_seed_that_is_no_number_or_text_is_an_error_naming_it(seed):
    with pytest.raises(UsageError, match="seed"):
        SeededSource(seed)


def test_a_generator_depends_on_seed_and_label():
    assert generator(7, "a").getrandbits(64) == Random(derive_seed(7, "a")).getrandbits(64)
    assert generator(7, "a").getrandbits(64) != generator(7, "b").getrandbits(64)


# -- fairness ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 5, 7, 16, 33])
def test_choices_are_even(n):
    asked = 3_000 * n
    stream = Tape(SeededSource(11)).stream("a")
    counts = [0] * n
    for _ in range(asked):
        counts[stream.choose(n)] += 1
    # Five standard deviations of a binomial count.
    assert all(abs(count - 3_000) < 5 * math.sqrt(3_000) for count in counts), counts


@pytest.mark.parametrize(("p", "asked"), [(0.5, 60_000), (0.1, 60_000), (0.01, 200_000), (0.0005, 600_000), (0.999, 60_000)])
@pytest.mark.parametrize("seed", [1, 2, "three"])
def test_a_chance_comes_true_as_often_as_it_should(p, asked, seed):
    stream = Tape(SeededSource(seed)).stream("loss")
    hits = sum(stream.chance(p) for _ in range(asked))
    assert abs(hits - p * asked) < 4 * math.sqrt(asked * p * (1 - p))


def test_a_label_that_asks_with_two_probabilities_in_turn_gets_both_right():
    stream = Tape(SeededSource(5)).stream("loss")
    stream.choose(2)
    draws = []
    inner = stream._bits
    stream._bits = lambda size: draws.append(size) or inner(size)
    rare = often = 0
    for _ in range(60_000):
        rare += stream.chance(0.02)
        often += stream.chance(0.5)
    assert abs(rare - 1_200) < 4 * math.sqrt(1_200)
    assert abs(often - 30_000) < 4 * math.sqrt(15_000)
    # One gap at first and one after each success: the gap of one waits while the other is asked.
    assert len(draws) == (1 + rare) * len(gap_table(0.02)) + (1 + often) * len(gap_table(0.5))


@pytest.mark.parametrize("p", [0.5, 0.1, 0.01, 0.0005, 0.999, Fraction(1, 3), 1e-9, 1.0, 2**-53])
def test_the_drawn_gap_has_the_geometric_distribution(p):
    table = gap_table(p)
    q = 1 - Fraction(p)
    for gap in [*range(20), 1_000, 5_000]:
        drawn = Fraction(1)
        for weight, threshold in table:
            share = Fraction(threshold, 1 << 64)
            drawn *= share if gap & weight else 1 - share
        if gap >= 1 << len(table):
            drawn = Fraction(0)
        # The bits' odds are rounded to 2^-64, which for a rare chance is a larger part of what is left.
        assert abs(drawn - Fraction(p) * q**gap) < Fraction(1, 1 << 60)


def test_a_probability_too_small_to_count_still_ends():
    assert 60 < len(gap_table(5e-324)) < 80
    assert gap_table(0) == gap_table(1) == ()
    stream = Tape(SeededSource(7)).stream("a")
    assert not any(stream.chance(5e-324) for _ in range(100))
    assert all(stream.chance(1 - Fraction(1, 1 << 80)) for _ in range(100))


# -- replay ------------------------------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(), st.lists(QUESTIONS, max_size=80))
def test_a_replay_gives_the_same_answers_and_the_same_record(seed, questions):
    first = Tape(SeededSource(seed))
    answers = [ask(first, *question) for question in questions]
    again = Tape(ReplaySource(first.deviations))
    assert [ask(again, *question) for question in questions] == answers
    assert again.deviations == first.deviations
    assert again.mismatches() == []
    assert {label: stream.index for label, stream in again._streams.items()} == {label: stream.index for label, stream in first._streams.items()}


def test_a_replayed_chance_is_true_exactly_where_recorded():
    tape = Tape(ReplaySource([("a", 2, 1)]))
    assert [tape.chance("a", p) for p in (1, 0.5, 0, 0.5)] == [False, False, True, False]


def test_an_empty_replay_is_the_dull_run():
    assert Tape(ReplaySource([])).mismatches() == []
    assert Tape(ReplaySource([])).choose("a", 5) == Tape(DefaultSource()).choose("a", 5) == 0


def test_one_replay_source_serves_many_tapes():
    source = ReplaySource([("a", 0, 1)])
    for _ in range(3):
        tape = Tape(source)
        assert tape.choose("a", 2) == 1
        assert tape.mismatches() == []


@pytest.mark.parametrize(
    ("deviations", "says"),
    [
        ([("a", 0, 1), ("a", 0, 2)], "'a': two answers to question 0, 1 and 2"),
        ([("a", -1, 1)], "'a'.*index from 0.*-1"),
        ([("a", 3, 0)], "'a'.*value from 1.*0"),
    ],
)
def test_a_record_that_makes_no_sense_is_an_error(deviations, says):
    with pytest.raises(UsageError, match=says):
        ReplaySource(deviations)
