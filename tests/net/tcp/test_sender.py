"""The sending half of a stream, acknowledgement by acknowledgement."""

from __future__ import annotations

import errno

import pytest

from simsock.net.tcp.sender import GIVE_UP_NS, ORPHAN_GIVE_UP_NS
from tests.net.tcp.bench import MS, SEGMENT, at

FAR_EDGE = 1 + 100 * SEGMENT


def answer(ack, *blocks, edge=FAR_EDGE, sent_at=-1):
    """Everything before segment ``ack`` is there, and behind holes the segments of ``blocks``."""
    return at(ack), edge, tuple((at(first), at(last)) for first, last in blocks), sent_at


def sending(bench, count):
    """A sender that has sent so many segments, and a look at them."""
    sender, _ = bench.connected()
    bench.near.write(bytes(count * SEGMENT))
    assert bench.sent() == [(at(number), SEGMENT) for number in range(count)]
    return sender


def test_three_segments_behind_a_hole_and_not_two_say_that_it_is_lost(bench):
    sender = sending(bench, 5)
    sender.answered(answer(0, (1, 2)))
    sender.answered(answer(0, (1, 3)))
    assert bench.sent() == []
    sender.answered(answer(0, (1, 4)))
    assert bench.sent() == [(at(0), SEGMENT)]


def test_a_segment_that_was_sent_again_is_not_taken_for_lost_because_of_what_was_known_before(bench):
    sender = sending(bench, 6)
    sender.answered(answer(0, (1, 4)))
    assert bench.sent() == [(at(0), SEGMENT)]
    sender.answered(answer(0, (1, 5)))
    sender.answered(answer(0, (1, 6)))
    assert bench.sent() == []


def test_a_loss_halves_the_window_once_until_all_that_was_sent_by_then_is_there(bench):
    sender = sending(bench, 10)
    sender.answered(answer(0, (1, 4)))
    assert sender.congestion.window == 10 * SEGMENT // 2
    sender.answered(answer(1, (2, 4), (5, 8)))
    assert sender.congestion.window == 10 * SEGMENT // 2
    bench.sent()
    sender.answered(answer(10))
    bench.near.write(bytes(8 * SEGMENT))
    assert len(bench.sent()) == 5
    sender.answered(answer(10, (11, 14)))
    assert sender.congestion.window == 5 * SEGMENT // 2


def test_while_losses_are_repaired_the_window_does_not_grow_and_right_after_it_does(bench):
    sender = sending(bench, 10)
    sender.answered(answer(0, (1, 4)))
    bench.near.write(bytes(20 * SEGMENT))  # more than the window allows, so that it is in the way
    window = sender.congestion.window
    sender.answered(answer(4))
    assert sender.congestion.window == window
    sender.answered(answer(10))  # exactly what had been sent when the loss was found
    assert sender.congestion.window == window + SEGMENT


def test_after_a_timeout_one_segment_sets_out_and_the_window_is_one_segment(bench):
    sender = sending(bench, 10)
    bench.clock.advance(200 * MS)
    assert bench.sent() == [(at(0), SEGMENT)]
    assert sender.congestion.window == SEGMENT
    assert sender.congestion.threshold == 10 * SEGMENT // 2


def test_a_second_timeout_of_the_same_segment_leaves_the_threshold(bench):
    sender = sending(bench, 10)
    bench.clock.advance(200 * MS)
    bench.sent()
    bench.clock.advance(400 * MS)
    assert bench.sent() == [(at(0), SEGMENT)]
    assert sender.congestion.threshold == 10 * SEGMENT // 2


def test_timeouts_double(bench):
    sending(bench, 1)
    times = []
    for _ in range(4):
        while not bench.sent():
            bench.clock.advance(MS)
        times.append(bench.clock.now // MS)
    assert times == [200, 600, 1400, 3000]


def test_what_a_timeout_took_for_lost_and_is_there_after_all_is_not_sent_again(bench):
    sender = sending(bench, 4)
    bench.clock.advance(200 * MS)
    assert bench.sent() == [(at(0), SEGMENT)]
    sender.answered(answer(1, (2, 4)))
    assert bench.sent() == [(at(1), SEGMENT)]
    sender.answered(answer(4))
    assert bench.sent() == []
    bench.near.write(b"more")
    assert bench.sent() == [(at(4), 4)]


def test_a_little_room_is_not_filled_in_drips_while_something_is_on_its_way(bench):
    sender, _ = bench.connected(room=4 * SEGMENT)
    bench.near.write(bytes(10 * SEGMENT))
    assert len(bench.sent()) == 4
    sender.answered(answer(3, edge=at(4) + 100))
    assert bench.sent() == []
    sender.answered(answer(4, edge=at(4) + 100))  # nothing else to wait for
    assert bench.sent() == [(at(4), 100)]


def test_half_of_the_most_room_there_ever_was_is_filled_at_once(bench):
    size = 100
    sender, _ = bench.connected(room=4 * size)
    bench.near.write(bytes(10 * size))
    assert bench.sent() == [(1, 4 * size)]
    sender.answered((1 + 2 * size, 1 + 5 * size, (), -1))
    assert bench.sent() == []  # one of four
    sender.answered((1 + 2 * size, 6 * size, (), -1))
    assert bench.sent() == []  # all but a byte of two
    sender.answered((1 + 3 * size, 1 + 6 * size, (), -1))
    assert bench.sent() == [(1 + 4 * size, 2 * size)]


def test_no_more_is_under_way_than_the_congestion_window_allows(bench):
    sender, _ = bench.connected()
    bench.near.write(bytes(30 * SEGMENT))
    assert len(bench.sent()) == 10
    sender.answered(answer(1))
    assert len(bench.sent()) == 2  # slow start


def test_no_more_is_under_way_than_there_is_room(bench):
    bench.connected(room=3 * SEGMENT)
    bench.near.write(bytes(30 * SEGMENT))
    assert len(bench.sent()) == 3


def test_a_receiver_without_room_is_asked_after_each_timeout_and_longer_and_longer(bench):
    bench.connected(room=0)
    bench.near.write(b"x")
    asked = []
    while len(asked) < 3:
        bench.clock.advance(MS)
        if bench.out.lying:
            asked.append(bench.clock.now // MS)
            bench.out.lying.clear()
    assert asked == [200, 600, 1400]


def test_room_ends_the_questions(bench):
    sender, _ = bench.connected(room=0)
    bench.near.write(b"x")
    assert bench.sent() == []
    sender.answered(answer(0))
    assert bench.sent() == [(1, 1)] and not sender.probe.armed


@pytest.mark.parametrize(("orphan", "after"), [(False, GIVE_UP_NS), (True, ORPHAN_GIVE_UP_NS)])
def test_a_sender_gives_up_at_the_first_timeout_after_so_long(bench, orphan, after):
    sending(bench, 1)
    bench.near.orphan = orphan
    bench.clock.advance(after - MS)
    assert bench.near.connected
    bench.clock.advance(121_000 * MS)
    assert not bench.near.connected and bench.near.error == errno.ETIMEDOUT


def test_the_fin_takes_a_sequence_number_and_is_sent_after_the_data(bench):
    sender, _ = bench.connected()
    bench.near.write(b"bye")
    bench.near.shutdown(False, True)
    assert bench.sent() == [(1, 3), (4, 0)]
    assert bench.near.state.name == "FIN-WAIT-1"
    sender.answered((5, FAR_EDGE, (), -1))
    assert bench.near.state.name == "FIN-WAIT-2"


def test_an_acknowledgement_that_tells_when_its_segment_was_sent_is_measured(bench):
    sender = sending(bench, 1)
    bench.clock.advance(80 * MS)
    sender.answered(answer(1, sent_at=0))
    assert sender.round_trip.smoothed_ns == 10 * MS  # an eighth of the way from 0
