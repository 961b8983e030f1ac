"""Shrinking: planted causes are found exactly, nothing that passes is ever returned, the budget is kept."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simsock.choices import Deviation, ReplaySource, SeededSource, Shrunk, Tape, shrink
from simsock.errors import Nondeterminism, UsageError

SETS = st.dictionaries(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), st.integers(1, 50), max_size=25).map(
    lambda answers: tuple(Deviation(label, index, value) for (label, index), value in answers.items())
)


def planted(cause):
    """Fails when each deviation of ``cause`` is there with at least its value."""

    def still_fails(deviations):
        values = {(label, index): value for label, index, value in deviations}
        return all(values.get((label, index), 0) >= value for label, index, value in cause)

    return still_fails


def capricious(salt):
    """Fails for about every third set, without rhyme or reason, but always the same."""

    def still_fails(deviations):
        return blake2b(repr((salt, tuple(map(tuple, deviations)))).encode(), digest_size=1).digest()[0] % 3 == 0

    return still_fails


@settings(deadline=None)
@given(SETS, st.data())
def test_a_planted_cause_is_found_exactly(deviations, data):
    cause = [deviation._replace(value=data.draw(st.integers(1, deviation.value))) for deviation in deviations if data.draw(st.booleans())]
    assert shrink(deviations, planted(cause)).deviations == tuple(cause)
    assert shrink(deviations, planted(cause)).exhausted is False


@settings(max_examples=300, deadline=None)
@given(SETS, st.integers(0, 10_000), st.integers(1, 60))
def test_whatever_the_failure_the_result_fails_and_the_budget_is_kept(deviations, salt, budget):
    fails = capricious(salt)
    tried = []

    def still_fails(candidate):
        assert type(candidate) is tuple
        assert all(type(deviation) is Deviation for deviation in candidate)
        tried.append(candidate)
        return fails(candidate)

    if not fails(deviations):
        with pytest.raises(Nondeterminism):
            shrink(deviations, still_fails, budget)
        return
    shrunk = shrink(deviations, still_fails, budget)
    assert fails(shrunk.deviations)
    assert shrunk.runs == len(tried) <= budget
    assert len(set(tried)) == len(tried), "a set was run twice"
    assert not shrunk.exhausted or shrunk.runs == budget
    if not shrunk.exhausted:
        best = shrunk.deviations
        for place, deviation in enumerate(best):
            assert not fails(best[:place] + best[place + 1 :])
            assert deviation.value == 1 or not fails((*best[:place], deviation._replace(value=1), *best[place + 1 :]))
    assert shrink(deviations, fails, budget) == shrunk


def test_three_causes_among_a_thousand_deviations_take_few_runs():
    tape = Tape(SeededSource(1))
    while len(tape.deviations) < 1_000:
        tape.choose("task main schedule", 9)
    deviations = tape.deviations
    cause = [deviations[100]._replace(value=1), deviations[101], deviations[877]._replace(value=1)]
    shrunk = shrink(deviations, planted(cause))
    assert shrunk.deviations == tuple(cause)
    assert not shrunk.exhausted
    assert shrunk.runs < 150


def test_a_run_that_fails_without_any_deviation_is_recognised_at_once():
    deviations = [Deviation("a", index, 5) for index in range(500)]
    assert shrink(deviations, lambda _: True) == Shrunk((), 2, exhausted=False)
    assert shrink([], lambda _: True) == Shrunk((), 1, exhausted=False)


def test_values_are_lowered_to_the_least_that_fails():
    assert shrink([Deviation("a", 0, 2**60)], planted([("a", 0, 1)])).deviations == (("a", 0, 1),)
    found = shrink([Deviation("a", 0, 2**60)], planted([("a", 0, 123_456_789)]))
    assert found.deviations == (("a", 0, 123_456_789),)
    assert found.runs < 100


def test_a_deletion_that_lowering_makes_possible_is_made():
    def still_fails(deviations):
        values = {deviation.index: deviation.value for deviation in deviations}
        return values.get(0, 0) >= 1 and (1 in values or values[0] == 1)

    assert shrink([Deviation("a", 0, 9), Deviation("a", 1, 4)], still_fails).deviations == (("a", 0, 1),)


def test_an_exhausted_budget_is_told_with_the_best_so_far():
    deviations = [Deviation("a", index, 1) for index in range(64)]
    fails = planted(deviations[10:12])
    shrunk = shrink(deviations, fails, budget=6)
    assert shrunk.exhausted
    assert shrunk.runs == 6
    assert len(shrunk.deviations) < 64
    assert fails(shrunk.deviations)
    assert shrink(deviations, fails, budget=1) == Shrunk(tuple(deviations), 1, exhausted=True)


def test_the_order_of_the_deviations_is_kept():
    deviations = [Deviation("z", 3, 1), Deviation("a", 0, 1), Deviation("m", 7, 1), Deviation("a", 1, 1)]
    assert shrink(deviations, planted([deviations[0], deviations[2], deviations[3]])).deviations == (deviations[0], deviations[2], deviations[3])


def test_a_failure_that_does_not_repeat_is_an_error():
    with pytest.raises(Nondeterminism, match="passes when it is repeated"):
        shrink([Deviation("a", 0, 1)], lambda _: False)


def test_an_error_in_the_run_is_not_swallowed():
    def still_fails(deviations):
        if len(deviations) < 2:
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        shrink([Deviation("a", 0, 1), Deviation("a", 1, 1)], still_fails)


@pytest.mark.parametrize("budget", [0, -1])
def test_a_budget_of_no_runs_is_an_error(budget):
    with pytest.raises(UsageError, match=str(budget)):
        shrink([Deviation("a", 0, 1)], lambda _: True, budget)


def test_a_seeded_run_shrinks_through_replays_to_its_cause():
    def run(source):
        """A program that fails when a loss is followed by a long delay of the next packet."""
        tape = Tape(source)
        previous = False
        for _ in range(200):
            lost = tape.chance("loss", 0.1)
            late = tape.amount("jitter", 10, 1_000) > 600
            if previous and late:
                return tape, True
            previous = lost
        return tape, False

    tape, failed = run(SeededSource(4))
    assert failed
    shrunk = shrink(tape.deviations, lambda deviations: run(ReplaySource(deviations))[1])
    assert [(deviation.label, deviation.value) for deviation in shrunk.deviations] == [("loss", 1), ("jitter", 591)]
    again, failed = run(ReplaySource(shrunk.deviations))
    assert failed
    assert again.mismatches() == []


# -- afresh ----------------------------------------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A question as shrinking wants it."""

    label: str
    index: int
    count: int
    rank: int


PLAIN = [Asked(label, index, 3, rank) for index in range(20) for label, rank in (("cold", 2), ("hot", 0))]
NOISE = tuple(Deviation("noise", index, 1) for index in range(30))


def fails_with(*causes):
    """Fails when all deviations of one of the causes are there."""

    def still_fails(deviations):
        there = set(deviations)
        return any(there.issuperset(cause) for cause in causes)

    return still_fails


@pytest.mark.parametrize(("label", "value"), [("hot", 1), ("hot", 2), ("cold", 2), ("hot", 4), ("cold", 3)])
def test_one_deviation_of_the_plain_run_is_preferred_to_what_is_left_of_the_found_ones(label, value):
    single = Deviation(label, 7, value)
    shrunk = shrink(NOISE, fails_with(NOISE[3:9], {single}), questions=lambda base: PLAIN)
    assert shrunk.deviations == (single,)
    assert not shrunk.exhausted


def test_hot_questions_come_first_then_earlier_ones_and_choosing_comes_before_holding_back():
    tried = []

    def still_fails(deviations):
        tried.append(deviations)
        return deviations == NOISE

    with pytest.raises(Nondeterminism):
        shrink(NOISE, lambda deviations: False, questions=lambda base: PLAIN)
    shrink(NOISE, still_fails, 10_000, lambda base: PLAIN)
    singles = [only for only, *more in tried[2:] if not more and only.label != "noise"]
    assert singles[:6] == [("hot", 0, 1), ("hot", 0, 2), ("hot", 1, 1), ("hot", 1, 2), ("hot", 2, 1), ("hot", 2, 2)]
    assert singles[40:43] == [("hot", 0, 3), ("hot", 0, 4), ("hot", 1, 3)]
    assert singles[80] == ("cold", 0, 1)
    assert singles.index(("cold", 19, 2)) < singles.index(("cold", 0, 3))


def test_a_run_of_no_deviation_at_all_is_tried_first():
    assert shrink(NOISE, lambda deviations: True, questions=lambda base: PLAIN) == Shrunk((), 2, False)


def test_where_one_does_not_do_pairs_are_tried():
    pair = (Deviation("hot", 3, 1), Deviation("hot", 9, 4))
    found = tuple(Deviation("hot", index, 2) for index in range(20))
    shrunk = shrink(found, fails_with(found[3:9], pair), 50_000, lambda base: PLAIN)
    assert set(shrunk.deviations) == set(pair)


def test_pairs_are_tried_where_nothing_is_known_of_any_question_as_at_calls():
    asked = [Asked("call", index, 3, 2) for index in range(10)]
    pair = (Deviation("call", 3, 1), Deviation("call", 9, 4))
    found = tuple(Deviation("call", index, 2) for index in range(10))
    assert set(shrink(found, fails_with(found[3:9], pair), 50_000, lambda base: asked).deviations) == set(pair)


def test_pairs_are_tried_with_the_deviation_nearest_to_the_failure_first():
    found = tuple(Deviation("hot", index, 1) for index in range(0, 12, 2))
    pair = {found[-1], Deviation("hot", 7, 2)}

    def still_fails(candidate):
        return set(candidate) >= set(found) or set(candidate) == pair

    # 80 runs of one deviation, those that leave out, and fewer than the pairs of all six deviations would take
    assert set(shrink(found, still_fails, 320, lambda base: PLAIN).deviations) == pair


def test_what_the_network_did_stays_and_one_answer_of_the_scheduler_is_tried_beside_it():
    lost = Deviation("link a->b loss", 0, 1)
    single = Deviation("hot", 5, 2)
    found = (lost, *(Deviation("hot", index, 1) for index in range(8)))
    shrunk = shrink(found, fails_with(found, {lost, single}), questions=lambda base: PLAIN)
    assert set(shrunk.deviations) == {lost, single}


def test_runs_are_counted_and_the_limit_leaves_room_for_leaving_out():
    runs = []
    many = [Asked("hot", index, 5, 0) for index in range(5_000)]

    def still_fails(deviations):
        runs.append(deviations)
        return fails_with(NOISE[3:6])(deviations)

    def questions(base):
        runs.append(base)
        return many

    shrunk = shrink(NOISE, still_fails, 1_000, questions)
    assert shrunk.deviations == NOISE[3:6]
    assert shrunk.exhausted
    assert shrunk.runs == len(runs) <= 1_000


@settings(max_examples=100, deadline=None)
@given(SETS, st.integers(0, 10_000), st.integers(1, 60))
def test_whatever_the_questions_the_result_fails_and_the_budget_is_kept(deviations, salt, budget):
    fails = capricious(salt)
    runs = []
    if not fails(deviations):
        return
    shrunk = shrink(deviations, lambda candidate: runs.append(candidate) or fails(candidate), budget, lambda base: runs.append(base) or PLAIN)
    assert fails(shrunk.deviations)
    assert shrunk.runs == len(runs) <= budget


def test_what_two_answers_of_a_loop_did_is_told_as_one_s_doing_a_little_later():
    round_and_hold = (Deviation("loop main round", 1, 1), Deviation("loop main holds", 3, 1))
    single = Deviation("loop main round", 2, 1)
    shrunk = shrink(round_and_hold, fails_with(round_and_hold, {single}), questions=lambda base: PLAIN)
    assert shrunk.deviations == (single,)
