"""One end of a stream: readiness, shutting down, and the errors of its end."""

from __future__ import annotations

import errno

import pytest

from simsock.kernel.files import POLLHUP, POLLIN, POLLOUT, POLLRDHUP
from tests.net.tcp.bench import SEGMENT


def test_a_stream_is_writable_while_a_third_of_its_buffer_is_free(bench):
    bench.near.send_bytes_max = 900
    bench.connected(room=0)
    bench.near.write(bytes(600))
    assert bench.near.poll() & POLLOUT
    bench.near.write(bytes(1))
    assert not bench.near.poll() & POLLOUT


def test_what_is_not_acknowledged_counts_as_buffered(bench):
    bench.near.send_bytes_max = 9 * SEGMENT
    sender, _ = bench.connected()
    bench.near.write(bytes(9 * SEGMENT))
    assert not bench.near.poll() & POLLOUT and bench.near.unsent_and_unacknowledged == 9 * SEGMENT
    sender.answered((1 + 3 * SEGMENT, 1 + 100 * SEGMENT, (), -1))
    assert bench.near.poll() & POLLOUT


def test_both_directions_over_is_a_hang_up(bench):
    _, receiver = bench.connected()
    bench.far.shutdown(False, True)
    receiver_of_near = bench.far.sender.receiver
    bench.back.deliver()
    assert bench.near.poll() == POLLIN | POLLRDHUP | POLLOUT
    bench.near.shutdown(False, True)
    assert bench.near.poll() == POLLIN | POLLRDHUP | POLLOUT | POLLHUP
    assert receiver_of_near.nxt == 2 and receiver.nxt == 1


@pytest.mark.parametrize(("shut", "number"), [(False, errno.EPIPE), (True, errno.ECONNRESET)])
def test_a_reset_in_close_wait_is_a_broken_pipe_and_in_last_ack_a_reset(bench, shut, number):
    bench.connected()
    bench.near.fin_arrives()
    if shut:
        bench.near.shutdown(False, True)
    bench.near.reset()
    assert bench.near.error == number


def test_one_that_was_shut_down_before_it_was_connected_sends_its_fin_when_it_is_shut_down_again(bench):
    with pytest.raises(OSError, match="not connected"):
        bench.near.shutdown(False, True)
    bench.connected()
    assert bench.near.state.name == "ESTABLISHED" and bench.out.lying == []
    bench.near.shutdown(False, True)
    assert bench.near.state.name == "FIN-WAIT-1" and len(bench.out.lying) == 1


def test_one_that_was_shut_down_before_it_was_connected_sends_its_fin_when_it_is_closed(bench):
    with pytest.raises(OSError, match="not connected"):
        bench.near.shutdown(False, True)
    bench.connected()
    bench.near.released()
    assert bench.near.state.name == "FIN-WAIT-1" and len(bench.out.lying) == 1


def test_closing_with_unread_bytes_is_a_reset(bench):
    bench.connected()
    bench.near.rx += b"unread"
    bench.near.released()
    bench.out.deliver()
    assert bench.far.error == errno.ECONNRESET and bench.far.state.name == bench.near.state.name == "CLOSED"


def test_both_ends_close_at_once_and_both_keep_their_ports(bench):
    bench.connected()
    for end, port in ((bench.near, 1000), (bench.far, 80)):
        end.bound_ip = end.local[0]
        end.shutdown(False, True)
        assert port == end.local[1]
    bench.out.deliver()
    bench.back.deliver()
    assert bench.near.state.name == bench.far.state.name == "CLOSING"
    while bench.out.lying or bench.back.lying:
        for way in (bench.out, bench.back):
            if way.lying:
                way.deliver()
    assert bench.near.state.name == bench.far.state.name == "CLOSED"
    assert list(bench.hosts[0].tcp.in_time_wait(0)) == [1000] and list(bench.hosts[1].tcp.in_time_wait(0)) == [80]
