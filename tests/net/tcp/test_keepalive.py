"""Keepalive: probes of an idle connection."""

from __future__ import annotations

import errno

from simsock.net.sockets import IPPROTO_TCP, SOL_SOCKET
from tests.net.tcp.bench import MS

S = 1000 * MS
SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT = 9, 4, 5, 6, 18


def alive(bench, **options):
    bench.connected()
    for level, name, value in ((IPPROTO_TCP, TCP_KEEPIDLE, 10), (IPPROTO_TCP, TCP_KEEPINTVL, 3), (IPPROTO_TCP, TCP_KEEPCNT, 2), (SOL_SOCKET, SO_KEEPALIVE, 1)):
        bench.near.set_option(level, name, value)
    return bench.near.keepalive


def asked(bench):
    count = len(bench.out.lying)
    bench.out.lying.clear()
    return count


def test_the_first_probe_comes_after_so_long_without_a_word(bench):
    alive(bench)
    bench.clock.advance(10 * S - 1)
    assert asked(bench) == 0
    bench.clock.advance(1)
    assert asked(bench) == 1


def test_whatever_is_heard_puts_it_off(bench):
    keepalive = alive(bench)
    bench.clock.advance(9 * S)
    keepalive.hears()
    bench.clock.advance(10 * S - 1)
    assert asked(bench) == 0
    bench.clock.advance(1)
    assert asked(bench) == 1


def test_after_so_many_probes_in_vain_the_connection_is_given_up(bench):
    alive(bench)
    bench.clock.advance(10 * S + 2 * 3 * S - 1)
    assert asked(bench) == 2 and bench.near.connected
    bench.clock.advance(1)
    assert bench.near.error == errno.ETIMEDOUT and bench.near.state.name == "CLOSED"


def test_an_answer_begins_the_count_anew(bench):
    alive(bench)
    bench.clock.call_at(1000 * S, print, None)  # or nothing else would be left to happen, and nobody asks for that
    bench.clock.advance(10 * S)
    bench.out.deliver()
    bench.back.deliver()
    bench.clock.advance(10 * S - 1)
    assert asked(bench) == 0 and bench.near.connected
    bench.clock.advance(1 + 3 * S)
    assert asked(bench) == 2 and bench.near.connected
    bench.clock.advance(3 * S)
    assert not bench.near.connected


def test_tcp_user_timeout_decides_instead_of_the_count(bench):
    alive(bench)
    bench.near.set_option(IPPROTO_TCP, TCP_USER_TIMEOUT, 20_000)
    bench.clock.advance(19 * S)
    assert bench.near.connected and asked(bench) == 4
    bench.clock.advance(3 * S)
    assert not bench.near.connected


def test_without_the_option_nobody_asks(bench):
    alive(bench)
    bench.near.set_option(SOL_SOCKET, SO_KEEPALIVE, 0)
    assert bench.near.keepalive is None
    bench.clock.advance(100 * S)
    assert asked(bench) == 0


def test_data_without_an_acknowledgement_is_not_idle(bench):
    alive(bench)
    bench.near.write(b"x")
    bench.near.sender._arm(1000 * S)
    bench.out.lying.clear()
    bench.near.sender._timer and bench.clock.call_off(bench.near.sender._timer)
    bench.clock.advance(10 * S)
    assert asked(bench) == 0


def test_a_probe_of_a_connection_that_is_gone_is_answered_by_a_reset(bench):
    alive(bench)
    bench.far._die()
    bench.clock.advance(10 * S)
    bench.out.deliver()
    bench.back.deliver()
    assert bench.near.error == errno.ECONNRESET


def test_one_probe_is_answered_and_then_the_peer_is_gone(bench):
    """Nothing else is left to happen: a peer that would answer as before is not asked again, one that would not is."""
    alive(bench)
    bench.clock.advance(10 * S)
    bench.out.deliver()
    bench.back.deliver()
    bench.far._die()
    bench.clock.advance(10 * S)
    assert asked(bench) == 1


def test_one_probe_is_answered_and_nothing_else_is_left_to_happen(bench):
    alive(bench)
    bench.clock.advance(10 * S)
    bench.out.deliver()
    bench.back.deliver()
    bench.clock.advance(100 * S)
    assert asked(bench) == 0 and bench.near.connected


def test_an_end_that_is_over_leaves_no_timer(bench):
    """The world would wait for it."""
    keepalive = alive(bench)
    assert bench.fabric.background_timers == 1
    bench.near.reset()
    assert not keepalive._timer.armed and bench.fabric.background_timers == 0 and bench.clock.timers.next_deadline() is None
