"""How much may be on its way at once."""

from __future__ import annotations

from simsock.net.tcp.congestion import Congestion

SIZE = 100


def test_it_begins_with_ten_segments():
    assert Congestion(SIZE).window == 10 * SIZE


def test_in_slow_start_it_grows_by_what_is_acknowledged():
    congestion = Congestion(SIZE)
    congestion.grow(250)
    assert congestion.window == 1250


def test_after_it_by_one_segment_for_a_whole_window():
    congestion = Congestion(SIZE)
    congestion.halve(10 * SIZE)
    assert congestion.window == congestion.threshold == 5 * SIZE
    for _ in range(4):
        congestion.grow(SIZE)
    assert congestion.window == 5 * SIZE
    congestion.grow(SIZE)
    assert congestion.window == 6 * SIZE
    for _ in range(5):
        congestion.grow(SIZE)
    assert congestion.window == 6 * SIZE
    congestion.grow(SIZE)
    assert congestion.window == 7 * SIZE


def test_slow_start_ends_at_the_threshold_and_not_beyond_it():
    congestion = Congestion(SIZE)
    congestion.collapse(16 * SIZE)
    congestion.window = 7 * SIZE
    congestion.grow(5 * SIZE)
    assert congestion.window == 8 * SIZE


def test_it_is_never_halved_below_two_segments():
    congestion = Congestion(SIZE)
    congestion.halve(SIZE)
    assert congestion.window == congestion.threshold == 2 * SIZE


def test_it_collapses_to_one_segment_and_remembers_half_of_what_was_under_way():
    congestion = Congestion(SIZE)
    congestion.collapse(12 * SIZE)
    assert (congestion.window, congestion.threshold) == (SIZE, 6 * SIZE)
    congestion.collapse(None)
    assert (congestion.window, congestion.threshold) == (SIZE, 6 * SIZE)
    congestion.collapse(0)
    assert congestion.threshold == 2 * SIZE


def test_what_was_counted_towards_the_next_segment_is_forgotten_with_a_loss():
    congestion = Congestion(SIZE)
    congestion.halve(10 * SIZE)
    congestion.grow(4 * SIZE)
    congestion.halve(10 * SIZE)
    congestion.grow(SIZE)
    assert congestion.window == 5 * SIZE


def test_after_a_rest_it_is_ten_segments_at_most():
    congestion = Congestion(SIZE)
    congestion.grow(20 * SIZE)
    congestion.restart()
    assert congestion.window == 10 * SIZE
    congestion.collapse(None)
    congestion.restart()
    assert congestion.window == SIZE


def test_after_a_loss_it_takes_a_whole_window_to_the_last_byte_until_it_grows():
    congestion = Congestion(SIZE)
    congestion.halve(10 * SIZE)
    congestion.grow(5 * SIZE - 1)
    assert congestion.window == 5 * SIZE
    congestion.grow(1)
    assert congestion.window == 6 * SIZE
    congestion.collapse(4 * SIZE)
    congestion.grow(SIZE)  # slow start, up to the threshold
    congestion.grow(2 * SIZE - 1)
    assert congestion.window == congestion.threshold == 2 * SIZE
    congestion.grow(1)
    assert congestion.window == 3 * SIZE


def test_without_any_loss_it_is_a_whole_window_to_the_last_byte_as_well():
    congestion = Congestion(SIZE)
    congestion.threshold = congestion.window
    congestion.grow(10 * SIZE - 1)
    assert congestion.window == 10 * SIZE
    congestion.grow(1)
    assert congestion.window == 11 * SIZE
