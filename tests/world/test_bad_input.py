"""Values that make no sense are told with the value and what was expected, wherever they are given."""

from __future__ import annotations

import math
import socketserver

import pytest

import simsock
from simsock import GilbertElliott, Link, Simulation, UsageError


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"latency": "1e400s"}, "1e400s"),
        ({"latency": 1e300}, "1e+300"),
        ({"rate": "1e400kbit"}, "1e400kbit"),
        ({"mtu": "1e400kB"}, "1e400kB"),
        ({"loss": GilbertElliott(2, 0.2)}, "got 2"),
        ({"loss": GilbertElliott(0, 0.1)}, "GilbertElliott(p=0, r=0.1"),
        ({"loss": GilbertElliott(0, 0)}, "more than 0"),
    ],
)
def test_a_link_s(options, told):
    with pytest.raises(UsageError) as caught:
        Link(**options)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scope": 3}, "scope: expected modules, files or folders"),
        ({"scope": ["no_such_module"]}, "'no_such_module'"),
        ({"start_time": math.inf}, "inf"),
        ({"start_time": math.nan}, "nan"),
        ({"max_time": math.inf}, "inf"),
    ],
)
def test_a_world_s(options, told):
    with pytest.raises(UsageError) as caught, Simulation(**options):
        pass
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda sim: sim.link(["a", "c"], "b", latency=1), "['a', 'c']"),
        (lambda sim: sim.partition(3, "b"), "expected a host or several, got 3"),
        (lambda sim: sim.partition([], "b"), "expected a host or several, got []"),
        (lambda sim: sim.hold("a", []), "hold: expected a host or several, got []"),
        (lambda sim: sim.partition("a", "a"), "cannot be cut off from itself"),
        (lambda sim: sim.partition("a", "b", one_way="yes"), "one_way: expected True or False, got 'yes'"),
        (lambda sim: sim.host("x", addresses="10.0.0.9"), "expected several, such as a list, got '10.0.0.9'"),
        (lambda sim: sim.host("x", addresses=[]), "expected at least one"),
        (lambda sim: sim.host(7), "got 7"),
        (lambda sim: sim.spawn(print, host=7), "got 7"),
        (lambda sim: sim.resolver("x", chance=0.5), "chance=0.5 needs fail"),
        (lambda sim: sim.sleep(1e300), "1e+300"),
    ],
)
def test_a_call_s(call, told):
    with Simulation() as sim:
        for name in "ab":
            sim.host(name)
        with pytest.raises(UsageError) as caught:
            call(sim)
        assert told in str(caught.value)
    assert simsock.kernel.session.active is None


def test_a_rule_that_waits_is_an_error():
    with pytest.raises(UsageError, match=r"rule: .* waited: a rule decides at once"), Simulation() as sim:
        inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
        with sim.rule(lambda packet: sim.sleep(1)):
            sender.sendto(b"x", inbox.getsockname())
        assert inbox.recv(10) == b"x"


@pytest.mark.parametrize(
    "start",
    [
        lambda sim: sim.serve(simsock.socketserver.BaseRequestHandler),
        lambda sim: sim.datagram(host="server"),
        lambda sim: sim.connect(("client", 80), host="server"),
        lambda sim: sim.spawn(print, host="server"),
    ],
)
def test_nothing_starts_on_a_host_that_is_down(start):
    with Simulation() as sim:
        sim.host("server").crash()
        with pytest.raises(UsageError, match="host 'server' is down; restart it first"):
            start(sim)


def test_a_capture_of_what_is_no_host_is_an_error(tmp_path):
    with Simulation() as sim, pytest.raises(UsageError, match="capture: expected hosts by name or as themselves, got 3"):
        sim.capture(tmp_path / "x.pcapng", hosts=3)


class Brings(socketserver.ThreadingTCPServer):
    """A server class that brings its handler."""

    daemon_threads = True

    def __init__(self, address):
        super().__init__(address, socketserver.BaseRequestHandler)


def test_a_server_class_is_served_alone_if_it_brings_its_handler():
    with Simulation() as sim:
        served = sim.serve(Brings, port=7)
        assert type(served.server) is Brings and served.address[1] == 7
        with pytest.raises(UsageError, match=r"Brings is made from an address alone, and brings its own handler: sim\.serve\(Brings\)"):
            sim.serve(Brings, socketserver.BaseRequestHandler)
        with pytest.raises(UsageError, match=r"needs its handler: sim\.serve\(ThreadingTCPServer, Handler\)"):
            sim.serve(socketserver.ThreadingTCPServer)


def test_what_is_waited_for_is_a_function():
    with Simulation() as sim, pytest.raises(UsageError, match="run_until: expected a function without arguments, got True"):
        sim.run_until(True)
