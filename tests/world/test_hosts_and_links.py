"""Hosts and the links between them, as a test sets them up."""

from __future__ import annotations

import socketserver as standard
import threading

import pytest

import simsock
from simsock import Link, UsageError


class Loud(standard.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


@pytest.fixture
def sim():
    with simsock.Simulation() as sim:
        yield sim


def rtt(sim, a="a", b="b") -> float:
    """Seconds that a datagram takes there and back."""
    one, other = sim.datagram(host=a), sim.datagram(host=b)
    began = sim.now
    one.sendto(b"ping", other.getsockname())
    data, sender = other.recvfrom(10)
    other.sendto(data, sender)
    assert one.recv(10) == b"ping"
    return round(sim.now - began, 9)


class TestHosts:
    """``sim.host``."""

    def test_a_name_makes_a_host_with_an_address_of_each_kind(self):
        with simsock.Simulation() as sim:
            host = sim.host("shop")
            four, six = host.addresses
            assert four.startswith("10.0.0.") and six.startswith("fd00::")
            assert host.name == "shop"
            assert sim.host("shop") is host

    def test_its_addresses_can_be_given(self):
        with simsock.Simulation() as sim:
            assert sim.host("shop", ["192.0.2.7"]).addresses == ("192.0.2.7",)
            assert sim.datagram(host="shop").getsockname()[0] == "192.0.2.7"

    def test_code_in_its_block_runs_there(self):
        with simsock.Simulation() as sim:
            socket = sim.network.socket
            with sim.host("shop") as shop:
                assert socket.gethostname() == "shop"
                with sim.host("inner"):
                    assert socket.gethostname() == "inner"
                assert socket.gethostname() == "shop"
            assert socket.gethostname() == "localhost"
            assert shop.name == "shop"

    def test_the_block_of_one_task_is_not_anothers(self):
        with simsock.Simulation() as sim:
            socket = sim.network.socket
            shop = sim.host("shop")

            def work():
                with shop:
                    sim.sleep(2)
                    return socket.gethostname()

            task = sim.spawn(work)
            sim.sleep(1)
            with shop:
                sim.sleep(2)
                assert socket.gethostname() == "shop"
            assert socket.gethostname() == "localhost"
            assert task.result() == "shop"

    def test_a_task_is_spawned_on_a_host(self):
        with simsock.Simulation() as sim:
            name = sim.network.socket.gethostname
            assert sim.spawn(name).result() == "localhost"
            assert sim.spawn(name, host="shop").result() == "shop"
            assert sim.spawn(name, host=sim.host("shop")).result() == "shop"
            assert sim.host("shop").spawn(name).result() == "shop"

    def test_a_task_that_a_task_spawns_is_on_its_host(self):
        with simsock.Simulation() as sim:
            assert sim.host("shop").spawn(lambda: sim.spawn(sim.network.socket.gethostname).result()).result() == "shop"

    def test_a_clock_skew_that_is_no_duration_is_an_error(self):
        with simsock.Simulation() as sim, pytest.raises(UsageError, match="clock_skew: expected seconds"):
            sim.host("shop", clock_skew=[5])

    def test_it_shows_its_name_and_addresses(self):
        with simsock.Simulation() as sim:
            assert repr(sim.host("shop", ["192.0.2.7"])) == "<simsock.Host shop 192.0.2.7>"


class TestLinks:
    """``sim.link``."""

    def test_without_any_all_links_are_perfect(self):
        with simsock.Simulation() as sim:
            assert rtt(sim) == 0

    def test_the_worlds_link_is_that_of_all_hosts(self):
        with simsock.Simulation(link=Link(latency="10ms")) as sim:
            assert rtt(sim) == 0.02
            assert rtt(sim, "c", "d") == 0.02

    def test_a_link_is_set_both_ways(self):
        with simsock.Simulation() as sim:
            sim.link("a", "b", latency="10ms")
            assert rtt(sim) == 0.02
            assert rtt(sim, "a", "c") == 0

    def test_or_one_way(self):
        with simsock.Simulation() as sim:
            sim.link("a", "b", both_ways=False, latency="10ms")
            assert rtt(sim) == 0.01

    def test_or_to_all_the_others(self):
        with simsock.Simulation() as sim:
            sim.link("a", latency="10ms")
            assert rtt(sim) == rtt(sim, "a", "c") == rtt(sim, "d", "a") == 0.02
            assert rtt(sim, "b", "c") == 0

    def test_one_between_two_hosts_counts_more_than_one_of_a_host(self):
        with simsock.Simulation(link=Link(latency=1)) as sim:
            sim.link("a", latency="10ms")
            sim.link("a", "b", latency="20ms")
            assert rtt(sim) == 0.04

    def test_without_impairments_it_becomes_perfect(self):
        with simsock.Simulation(link=Link(latency=1)) as sim:
            sim.link("a", "b")
            assert rtt(sim) == 0

    def test_hosts_can_be_given_by_themselves(self):
        with simsock.Simulation() as sim:
            sim.link(sim.host("a"), sim.host("b"), latency="10ms")
            assert rtt(sim) == 0.02

    def test_setting_a_link_is_part_of_the_record(self):
        with simsock.Simulation() as sim:
            sim.link("a", "b", latency="10ms")
            assert sim.records[-1][1:5] == ("main", "link", "a", "b")
            sim.host("a"), sim.host("b")

    @pytest.mark.parametrize(
        ("impairments", "words"),
        [
            ({"latency": -1}, ["latency", "-1"]),
            ({"latency": "soon"}, ["latency", "'soon'"]),
            ({"loss": 2}, ["loss", "2"]),
            ({"loss": "2 bananas"}, ["loss", "'2 bananas'"]),
            ({"no_such_thing": 1}, ["no_such_thing"]),
        ],
    )
    def test_an_impairment_that_makes_no_sense_is_an_error_that_shows_it(self, impairments, words):
        with simsock.Simulation() as sim:
            with pytest.raises((UsageError, TypeError)) as caught:
                sim.link("a", "b", **impairments)
            assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("address", [("127.0.0.1", 0), ("127.0.0.1", 8000), ("", 0)])
@pytest.mark.parametrize("given", ["address", "server"])
def test_connect_reaches_a_standard_server_that_listens_on_its_own_loopback_or_everywhere(address, given):
    with simsock.Simulation() as sim:
        server = standard.ThreadingTCPServer(address, Loud)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = sim.connect(server if given == "server" else server.server_address)
        client.sendall(b"hello\n")
        assert client.recv(100) == b"HELLO\n"
        assert client.getsockname()[0] == (sim.host("client").addresses[0] if not address[0] else "127.0.0.1")
        server.shutdown()
        server.server_close()


def test_connect_with_a_host_keeps_to_it(sim):
    with sim.host("server"), sim.network.socket.create_server(("127.0.0.1", 80)):
        with pytest.raises(ConnectionRefusedError):
            sim.connect(("127.0.0.1", 80), host="client")
        assert sim.connect(("127.0.0.1", 80)).getsockname()[0] == "127.0.0.1"


def test_connect_does_not_choose_among_several_hosts(sim):
    listeners = []
    for name in ("one", "other"):
        with sim.host(name):
            listeners.append(sim.network.socket.create_server(("127.0.0.1", 80)))
    with pytest.raises(ConnectionRefusedError):
        sim.connect(("127.0.0.1", 80))
