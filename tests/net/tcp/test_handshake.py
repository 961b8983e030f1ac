"""The handshake, segment by segment."""

from __future__ import annotations

import errno

import pytest

from simsock.net.tcp import handshake
from tests.net.tcp.bench import FAR, MS

S = 1000 * MS


@pytest.fixture
def listener(bench):
    bench.far.bind(*FAR)
    handshake.listen(bench.far, 0)
    return bench.far


def connect(bench, stream=None):
    stream = stream or bench.near
    bench.fabric.connect(stream, FAR)
    return stream


def another(bench):
    return bench.fabric.stream(bench.hosts[0], 2)


def test_syn_syn_ack_ack(bench, listener):
    connect(bench)
    assert bench.near.state.name == "SYN-SENT" and listener.state.name == "LISTEN"
    bench.out.deliver()
    assert bench.near.state.name == "SYN-SENT" and len(bench.back.lying) == 1
    bench.back.deliver()
    assert bench.near.state.name == "ESTABLISHED" and bench.near.peer.state.name == "SYN-RECEIVED"
    assert handshake.accept(listener) is None
    bench.out.deliver()
    accepted = handshake.accept(listener)
    assert accepted is bench.near.peer and accepted.state.name == "ESTABLISHED"


def test_a_syn_is_sent_again_after_1_3_7_seconds_and_given_up(bench):
    connect(bench)
    times = [0]
    bench.out.lying.clear()
    while bench.near.state.name == "SYN-SENT":
        bench.clock.advance(S)
        if bench.out.lying:
            times.append(bench.clock.now // S)
            bench.out.lying.clear()
    assert times == [0, 1, 3, 7, 15, 31, 63] and bench.clock.now == 127 * S
    assert bench.near.error == errno.ETIMEDOUT


def test_a_closed_port_answers_with_a_reset(bench):
    connect(bench)
    bench.out.deliver()
    bench.back.deliver()
    assert bench.near.error == errno.ECONNREFUSED and bench.near.state.name == "CLOSED"


def test_a_syn_that_comes_twice_makes_one_connection(bench, listener):
    connect(bench)
    bench.clock.advance(S)
    bench.out.deliver()
    bench.out.deliver()
    assert len(bench.back.lying) == 2
    bench.back.deliver()
    bench.back.deliver()
    bench.out.deliver()
    assert len(listener.accepting.ready) == 1 and bench.out.lying == []


def test_one_more_than_the_backlog_waits_and_the_next_syn_goes_unanswered(bench, listener):
    for _ in range(2):
        connect(bench, another(bench))
        bench.out.deliver()
        if bench.back.lying:
            bench.back.deliver()
            bench.out.deliver()
    assert len(listener.accepting.ready) == 1 and bench.back.lying == []
    handshake.accept(listener)
    bench.clock.advance(S)
    bench.out.deliver()
    assert len(bench.back.lying) == 1


def test_a_syn_ack_is_sent_again_until_it_is_answered_and_then_the_child_is_gone(bench, listener):
    connect(bench)
    bench.out.deliver()
    bench.back.deliver()
    child, answers = bench.near.peer, []
    while child.state.name == "SYN-RECEIVED":
        answers.append(bench.clock.now // S) if bench.out.lying else None
        bench.out.lying.clear()
        bench.clock.advance(S)
    assert answers == [0, 1, 3, 7, 15, 31]
    assert child.state.name == "CLOSED" and handshake.accept(listener) is None


def test_data_completes_a_handshake_whose_last_acknowledgement_was_lost(bench, listener):
    connect(bench)
    bench.out.deliver()
    bench.back.deliver()
    bench.out.lying.clear()
    bench.near.write(b"hello")
    bench.out.deliver()
    assert handshake.accept(listener).read(10) == b"hello"


def test_the_round_trip_of_the_handshake_is_measured(bench, listener):
    connect(bench)
    bench.clock.advance(40 * MS)
    bench.out.deliver()
    bench.clock.advance(30 * MS)
    bench.back.deliver()
    assert bench.near.first_round_trip_ns == 70 * MS


def test_a_listener_that_stops_resets_who_waits(bench, listener):
    connect(bench)
    bench.out.deliver()
    bench.back.deliver()
    bench.out.deliver()
    listener.shutdown(True, False)
    assert listener.state.name == "CLOSED"
    bench.back.deliver()
    assert bench.near.error == errno.ECONNRESET
