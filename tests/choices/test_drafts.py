"""A run that is made of another one: what it takes over, what is drawn anew, and that its record stays small enough for a token."""

from __future__ import annotations

import pytest

from simsock.choices import Deviation, Tape
from simsock.choices.drafts import DEVIATIONS_MAX, Draft, DraftSource


def answers(draft, *labels, count=20):
    """What is answered to so many questions of each label, each with ten answers."""
    tape = Tape(DraftSource(draft, 50))
    return [[tape.choose(label, 10) for _ in range(count)] for label in labels]


def test_what_is_drafted_is_answered_and_all_else_is_dull():
    drafted, other = answers(Draft("0/2", (Deviation("link a->b jitter", 3, 7),)), "link a->b jitter", "link b->a jitter")
    assert drafted == [0, 0, 0, 7, *[0] * 16]
    assert not any(other)


def test_past_the_cut_answers_are_drawn_from_the_seed_of_what_is_new():
    kept = tuple(Deviation("link a->b jitter", index, 9) for index in range(5))
    (one,) = answers(Draft("0/2", kept, 5, fresh=1), "link a->b jitter")
    (other,) = answers(Draft("0/2", kept, 5, fresh=2), "link a->b jitter")
    assert one[:5] == other[:5] == [9] * 5
    assert one != other and any(one[5:])


@pytest.mark.parametrize("draft", [Draft("0/2", (), new_faults=True), Draft("0/2", (), 0)])
def test_what_is_drawn_anew_has_no_more_deviations_than_fit_into_a_token(draft):
    tape = Tape(DraftSource(draft, 50))
    for number in range(2 * DEVIATIONS_MAX):
        tape.choose(f"link a->{'bc'[number % 2]} jitter", 1_000)
        tape.chance("link a->b loss", 0.5)
    assert len(tape.deviations) == DEVIATIONS_MAX
