"""Answers that somebody else draws: when is drawn, and how far it goes."""

from __future__ import annotations

from simsock.choices import DrawnSource, Tape

DULL, MANNER, FAR = (0, 7), (0, 2), (0, 4095)


def drawing(answers):
    """A source whose draws are looked up by their range, highest where there is none, and the ranges that were drawn."""
    drawn = []

    def draw(low, high):
        drawn.append((low, high))
        return answers.get((low, high), high)

    return DrawnSource(draw), drawn


def places_before_each(drawn):
    """How many places there had been each time that it was drawn whether there are more."""
    begun = drawn[drawn.index(MANNER) :]
    return [begun[:number].count(FAR) for number, one in enumerate(begun) if one == (0, 7)]


def test_where_places_are_many_it_is_drawn_after_the_first_second_fourth_and_so_on_whether_there_are_more():
    source, drawn = drawing({MANNER: 2, FAR: 0})
    assert [source.pick("a", 3) for _ in range(20)] == [2] * 20
    assert places_before_each(drawn) == [1, 2, 4, 8, 16]


def test_where_places_are_few_it_is_drawn_after_each():
    source, drawn = drawing({MANNER: 1, FAR: 0})
    assert [source.pick("a", 3) for _ in range(6)] == [2] * 6
    assert places_before_each(drawn) == [1, 2, 3, 4, 5]


def test_nothing_is_drawn_in_a_dull_run():
    source, drawn = drawing({DULL: 0})
    assert [source.pick(label, 3) for label in "ab" for _ in range(5)] == [0] * 10
    assert drawn == [DULL]


def test_nothing_is_drawn_for_a_chance_that_is_certain_and_its_coming_true_is_recorded():
    source, drawn = drawing({MANNER: 2, FAR: 0})
    tape = Tape(source)
    stream = tape.stream("a")
    assert [stream.chance(p) for p in (1, 0, 1.0, 0.0)] == [True, False, True, False]
    assert not drawn and [(one.index, one.value) for one in tape.deviations] == [(0, 1), (2, 1)]


def test_a_chance_that_comes_true_where_a_place_is_drawn_is_recorded():
    source, _ = drawing({MANNER: 2, FAR: 0})
    tape = Tape(source)
    assert [tape.stream("a").chance(0.5) for _ in range(3)] == [True] * 3
    assert [(one.index, one.value) for one in tape.deviations] == [(0, 1), (1, 1), (2, 1)]
