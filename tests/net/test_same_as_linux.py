"""Random sequences of socket calls, on Linux loopback and in a world: each call has the same outcome, and poll(2) says the same."""

from __future__ import annotations

import socket as real_socket
import struct
import time
from os import environ

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXAMPLES = int(environ.get("SIMSOCK_TEST_EXAMPLES", "200"))
"""Enough for every day; raise it after changing the states of a stream."""
SHUT_RD, SHUT_WR, SHUT_RDWR = 0, 1, 2
FAMILIES = st.sampled_from([real_socket.AF_INET, real_socket.AF_INET6])

ON_CONNECTED = st.one_of(
    st.tuples(st.just("send"), st.sampled_from([1, 10, 700])),
    st.tuples(st.just("recv"), st.sampled_from([1, 5, 1000])),
    st.tuples(st.just("peek"), st.just(5)),
    st.tuples(st.just("shutdown"), st.sampled_from([SHUT_RD, SHUT_WR, SHUT_RDWR])),
    st.tuples(st.just("poll"), st.just(0)),
    st.tuples(st.just("error"), st.just(0)),
    st.tuples(st.just("peer"), st.just(0)),
    st.tuples(st.just("close"), st.just(0)),
    st.tuples(st.just("reset"), st.just(0)),
)
ON_FRESH = st.one_of(
    st.tuples(st.just("connect"), st.sampled_from(["listener", "nobody"])),
    st.tuples(st.just("bind"), st.sampled_from(["any", "loopback"])),
    st.tuples(st.just("listen"), st.just(5)),
    st.tuples(st.just("accept"), st.just(0)),
    st.tuples(st.just("name"), st.just(0)),
    ON_CONNECTED,
)


def call(net, sock, what, value, others):
    if what == "send":
        return sock.send(b"x" * value)
    if what == "recv":
        return len(sock.recv(value))
    if what == "peek":
        return len(sock.recv(value, real_socket.MSG_PEEK))
    if what == "shutdown":
        return sock.shutdown(value)
    if what == "poll":
        return [hex(net.bits(other)) if other.fileno() >= 0 else "closed" for other in others]
    if what == "error":
        return sock.getsockopt(real_socket.SOL_SOCKET, real_socket.SO_ERROR)
    if what == "peer":
        return sock.getpeername()[0]
    if what == "name":
        host, port = sock.getsockname()[:2]
        return host, port != 0
    if what == "reset":
        sock.setsockopt(real_socket.SOL_SOCKET, real_socket.SO_LINGER, struct.pack("ii", 1, 0))
    return sock.close()


def call_fresh(net, sock, what, value, where):
    host = where["listener"][0]
    if what == "connect":
        return sock.connect_ex(where[value])
    if what == "bind":
        return sock.bind(("" if value == "any" else host, 0))
    if what == "listen":
        return sock.listen(value)
    if what == "accept":
        accepted, address = sock.accept()
        accepted.close()
        return address[0]
    return call(net, sock, what, value, [sock])


def noted(fn, *args):
    try:
        return fn(*args)
    except (OSError, OverflowError, ValueError) as error:
        return type(error).__name__, getattr(error, "errno", None), str(error)


def run_connected(net, family, program, pause):
    """Outcomes of calls on the two ends of a connection, with what poll(2) says of both after the last one."""
    ends = net.pair(family)
    for sock in ends:
        sock.setblocking(False)
    seen = []
    for end, (what, value) in [*program, (0, ("poll", 0))]:
        seen.append((end, what, value, noted(call, net, ends[end], what, value, ends)))
        time.sleep(pause)
    return seen


def run_fresh(net, family, program, pause):
    """Outcomes of calls on one new socket, with a listener and a closed port to connect to."""
    where = {"listener": net.listener(family).getsockname()}
    with net.socket.socket(family) as other:
        other.bind((where["listener"][0], 0))
        where["nobody"] = other.getsockname()
    sock = net.tcp(family)
    sock.setblocking(False)
    seen = []
    for what, value in [*program, ("poll", 0)]:
        seen.append((what, value, noted(call_fresh, net, sock, what, value, where)))
        time.sleep(pause)
    return seen


@pytest.fixture
def compare(request):
    """``compare(run, family, program)``: run it on both and compare."""
    conftest = next(plugin for plugin in request.config.pluginmanager.get_plugins() if hasattr(plugin, "sim_net"))

    def outcome(make, run, *args):
        seen = None
        for net in make():
            seen = run(net, *args)
        return seen

    def check(run, family, program):
        world = outcome(conftest.sim_net, run, family, program, 0)
        if outcome(conftest.real_net, run, family, program, 0) != world:
            # The kernel of a busy machine may deliver late; only what also happens in slow motion is a difference.
            assert world == outcome(conftest.real_net, run, family, program, 0.005)

    return check


@pytest.mark.once
@pytest.mark.real
def test_random_calls_on_both_ends_of_a_connection_have_linuxs_outcomes(compare):
    @settings(max_examples=EXAMPLES)
    @given(FAMILIES, st.lists(st.tuples(st.sampled_from([0, 1]), ON_CONNECTED), min_size=1, max_size=14))
    def check(family, program):
        compare(run_connected, family, program)

    check()


@pytest.mark.once
@pytest.mark.real
def test_random_calls_on_a_new_socket_have_linuxs_outcomes(compare):
    @settings(max_examples=EXAMPLES)
    @given(FAMILIES, st.lists(ON_FRESH, min_size=1, max_size=10))
    def check(family, program):
        compare(run_fresh, family, program)

    check()
