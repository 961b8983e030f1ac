"""The receiving half of a stream: a segment is handed in, an acknowledgement comes out."""

from __future__ import annotations

import errno

from simsock.net.tcp.segments import Segment
from tests.net.tcp.bench import ROOM, SEGMENT, at


def test_a_segment_in_order_is_acknowledged_with_the_time_at_which_it_was_sent(bench):
    _, receiver = bench.connected()
    assert receiver.process(bench.segment(0), 7) == (at(1), at(0) + ROOM, (), 7)
    assert bench.far.read(10_000) == bytes(SEGMENT)


def test_a_segment_behind_a_hole_is_told_and_waits(bench):
    _, receiver = bench.connected()
    ack, _, blocks, sent_at = receiver.process(bench.segment(2), 7)
    assert (ack, blocks, sent_at) == (at(0), ((at(2), at(3)),), -1)
    assert bench.far.read(10) is None
    receiver.process(bench.segment(0), 8)
    ack, _, blocks, _ = receiver.process(bench.segment(1), 9)
    assert (ack, blocks) == (at(3), ())
    assert len(bench.far.read(10_000)) == 3 * SEGMENT


def test_stretches_behind_holes_grow_together_and_the_latest_is_told_first(bench):
    _, receiver = bench.connected()
    for number in (2, 6, 4, 3):
        answer = receiver.process(bench.segment(number), 0)
    assert answer[2] == ((at(2), at(5)), (at(6), at(7)))


def test_no_more_than_three_stretches_are_told(bench):
    _, receiver = bench.connected()
    for number in (2, 4, 6, 8):
        answer = receiver.process(bench.segment(number), 0)
    assert [start for start, _ in answer[2]] == [at(8), at(6), at(4)]


def test_a_segment_that_came_before_is_acknowledged_again_and_read_once(bench):
    _, receiver = bench.connected()
    receiver.process(bench.segment(0), 0)
    assert receiver.process(bench.segment(0), 5)[0] == at(1)
    receiver.process(bench.segment(2), 0)
    receiver.process(bench.segment(2), 0)
    assert receiver._early_bytes == SEGMENT
    assert len(bench.far.read(10_000)) == SEGMENT


def test_the_room_told_does_not_count_what_waits_behind_a_hole(bench):
    bench.far.receive_bytes_max = 10 * SEGMENT
    _, receiver = bench.connected(room=0)
    _, edge, _, _ = receiver.process(bench.segment(3), 0)
    assert edge == at(0) + 9 * SEGMENT
    _, edge, _, _ = receiver.process(bench.segment(0), 0)
    assert edge == at(1) + 8 * SEGMENT


def test_the_window_never_shrinks_although_the_buffer_does(bench):
    _, receiver = bench.connected(room=20 * SEGMENT)
    bench.far.receive_bytes_max = 4 * SEGMENT
    _, edge, _, _ = receiver.process(bench.segment(0), 0)
    assert edge == at(20)


def test_no_room_is_told_rather_than_less_than_a_segment(bench):
    bench.far.receive_bytes_max = 4 * SEGMENT
    _, receiver = bench.connected(room=0)
    for number in range(3):
        receiver.process(bench.segment(number), 0)
    assert receiver.window == SEGMENT
    bench.far.rx += b"x"
    receiver._edge = receiver.nxt
    assert receiver.process(bench.segment(0), 0)[1] == receiver.nxt


def test_reading_is_told_when_there_is_twice_the_room_the_sender_knows_of(bench):
    bench.far.receive_bytes_max = 8 * SEGMENT
    _, receiver = bench.connected(room=8 * SEGMENT)
    for number in range(6):
        receiver.process(bench.segment(number), 0)
    bench.back.lying.clear()
    bench.far.read(SEGMENT)
    assert bench.back.lying == []
    bench.far.read(SEGMENT)
    assert len(bench.back.lying) == 1
    bench.far.read(SEGMENT)
    assert len(bench.back.lying) == 1


def test_a_fin_ends_the_stream_once_all_before_it_is_there(bench):
    _, receiver = bench.connected()
    receiver.process(Segment(at(1), b"", True, 0), 0)
    assert bench.far.state.name == "ESTABLISHED"
    assert receiver.process(bench.segment(0), 0)[0] == at(1) + 1
    assert bench.far.state.name == "CLOSE-WAIT"


def test_data_for_an_end_that_was_closed_is_answered_by_a_reset(bench):
    _, receiver = bench.connected()
    bench.far.released()
    bench.back.lying.clear()
    assert receiver.process(bench.segment(0), 0) is None
    assert len(bench.back.lying) == 1
    bench.back.deliver()
    assert bench.near.error == errno.ECONNRESET and bench.near.state.name == "CLOSED"


def test_what_comes_again_after_a_good_end_is_acknowledged_again(bench):
    _, receiver = bench.connected()
    fin = Segment(1, b"", True, 0)
    receiver.process(fin, 0)
    bench.far.shutdown(False, True)
    bench.far.sender.answered((2, at(50), (), -1))
    assert bench.far.state.name == "CLOSED"
    assert receiver.process(fin, 0)[0] == 2


def test_what_comes_after_a_bad_end_is_answered_by_a_reset(bench):
    _, receiver = bench.connected()
    bench.far.reset()
    bench.back.lying.clear()
    assert receiver.process(bench.segment(0), 0) is None
    assert len(bench.back.lying) == 1


def test_a_host_that_is_down_answers_nothing(bench):
    _, receiver = bench.connected()
    bench.far.vanish()
    bench.hosts[1].down = True
    assert receiver.process(bench.segment(0), 0) is None and bench.back.lying == []


def test_what_waits_behind_a_hole_takes_room_as_well_when_it_is_asked_whether_there_is_news(bench):
    _, receiver = bench.connected()
    bench.far.receive_bytes_max = ROOM
    for number in range(1, 41):
        receiver.process(bench.segment(number), 0)
    assert receiver.has_no_news(at(60))
    assert not receiver.has_no_news(at(60) - 1)
