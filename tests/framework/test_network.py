"""Which network is in force, who sees it, and what is not a network."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
import threading
import time
import types

import pytest

from simsock import network as networks
from simsock import socketserver
from simsock.errors import UsageError
from simsock.network import RealNetwork, SimulatedNetwork, in_force, use


def test_the_real_network_is_the_standard_library_itself():
    network = RealNetwork()
    assert (network.socket, network.selectors, network.threading, network.time, network.os) == (socket, selectors, threading, time, os)


def test_until_something_else_is_said_the_real_network_is_in_force():
    assert isinstance(in_force(), RealNetwork)
    assert in_force() is in_force()


def test_use_puts_a_network_in_force_and_takes_it_out_again():
    before = in_force()
    network = RealNetwork()
    with use(network) as same:
        assert same is network
        assert in_force() is network
    assert in_force() is before


def test_use_ends_with_an_error_too_and_does_not_hide_it():
    before = in_force()
    with pytest.raises(LookupError), use(RealNetwork()):
        raise LookupError
    assert in_force() is before


def test_blocks_nest_and_the_same_network_may_be_used_twice():
    outer, inner = RealNetwork(), RealNetwork()
    with use(outer):
        with use(inner), use(outer):
            assert in_force() is outer
        assert in_force() is outer
        with use(inner):
            assert in_force() is inner
        assert in_force() is outer


def test_blocks_of_different_threads_may_end_in_any_order():
    before = in_force()
    first, second = use(RealNetwork()), use(RealNetwork())
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert in_force() is second.network
    second.__exit__(None, None, None)
    assert in_force() is before


def test_one_use_may_be_entered_again():
    again = use(RealNetwork())
    for _ in range(2):
        with again, again:
            assert in_force() is again.network
    assert in_force() is not again.network


def test_ending_a_use_that_was_entered_twice_ends_the_latest():
    again, between = use(RealNetwork()), use(RealNetwork())
    with again, between:
        with again:
            assert in_force() is again.network
        assert in_force() is between.network


def test_ending_a_block_that_was_not_entered_is_an_error():
    with pytest.raises(UsageError, match="is not in force"):
        use(RealNetwork()).__exit__(None, None, None)


def test_a_thread_sees_what_is_in_force_where_it_was_started():
    seen = []
    network = RealNetwork()
    with use(network):
        thread = threading.Thread(target=lambda: seen.append(in_force()))
        thread.start()
        thread.join()
    assert seen == [network]


@pytest.mark.real
def test_a_server_uses_the_network_in_force_where_it_is_made_and_keeps_it():
    network = RealNetwork()
    with use(network):
        server = socketserver.TCPServer(("127.0.0.1", 0), None)
    with server:
        assert server.network is network
    with socketserver.UDPServer(("127.0.0.1", 0), None) as other:
        assert other.network is in_force()


@pytest.mark.real
def test_a_server_s_own_network_wins_over_the_one_in_force():
    network = RealNetwork()
    with use(RealNetwork()), socketserver.ThreadingTCPServer(("127.0.0.1", 0), None, True, network=network) as server:
        assert server.network is network


def test_a_server_takes_its_network_by_keyword_only():
    with pytest.raises(TypeError):
        socketserver.TCPServer(("127.0.0.1", 0), None, False, RealNetwork())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("sim", r"'sim' \(str\) has no socket, selectors, threading, time, os"),
        (None, r"None \(NoneType\) has no socket, selectors, threading, time, os"),
        (types.SimpleNamespace(socket=1, threading=2, os=3), r"has no selectors, time$"),
        (types.SimpleNamespace(network=RealNetwork()), r"was its attribute \.network meant\?"),
        (RealNetwork, r"RealNetwork is a class: make one of it, RealNetwork\(\)"),
    ],
)
def test_what_is_no_network_is_refused_with_what_was_probably_meant(wrong, told):
    before = in_force()
    with pytest.raises(UsageError, match=told):
        use(wrong)
    assert in_force() is before
    if wrong is not None:
        with pytest.raises(UsageError, match=told):
            socketserver.TCPServer(("127.0.0.1", 0), None, network=wrong)


def test_anything_with_the_five_modules_is_a_network():
    network = types.SimpleNamespace(socket=socket, selectors=selectors, threading=threading, time=time, os=os)
    with use(network):
        assert in_force() is network


def test_the_simulated_network_is_made_of_the_stand_ins(bed):
    if bed.kind == "real":
        pytest.skip("about worlds")
    from simsock import stdlib

    assert isinstance(bed.network, SimulatedNetwork)
    for name in networks.NAMES:
        assert getattr(bed.network, name) is getattr(stdlib, name)


def test_a_network_has_no_other_modules():
    with pytest.raises(AttributeError, match="a network has socket, selectors, threading, time, os, and not random"):
        SimulatedNetwork().random  # noqa: B018 - asking is the test


def test_the_testbed_s_network_is_in_force(bed):
    assert in_force() is bed.network


def test_networks_say_what_they_are():
    assert repr(RealNetwork()) == "<simsock.RealNetwork>"
    assert repr(SimulatedNetwork()) == "<simsock.network.SimulatedNetwork>"


def test_nothing_is_imported_before_it_is_asked_for():
    code = "import sys, simsock.network as n; n.use(n.RealNetwork()); n.use(n.SimulatedNetwork())\n"
    code += "print([m for m in ('socket', 'selectors', 'threading', 'simsock.stdlib.socket', 'simsock.socketserver') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    )
    assert done.stdout.strip() == "[]"
