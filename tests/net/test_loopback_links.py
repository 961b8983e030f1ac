"""A link on the way of a host to itself: asked for by ``loopback=``, and told when it is missing."""

from __future__ import annotations

import socket
import warnings

import pytest

import simsock


def sent(numbers=40):
    """What arrives of datagrams that an unmodified program sends to itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        inbox.bind(("127.0.0.1", 0))
        inbox.settimeout(5)
        for number in range(numbers):
            sender.sendto(b"%d" % number, inbox.getsockname())
        found = []
        try:
            while True:
                found.append(int(inbox.recv(10)))
        except TimeoutError:
            return found


@pytest.mark.once
@pytest.mark.parametrize("options", [{"link": "hostile"}, {"link": simsock.Link(loss=0.5)}, {"link": "3g", "loopback": False}])
def test_a_link_that_nothing_was_sent_over_is_told(options):
    with pytest.warns(simsock.NoEffectWarning, match=r"^link=.* had no effect: .*loopback=True"), simsock.Simulation(**options):
        assert sent() == list(range(40))


def test_it_is_told_with_the_line_of_the_world():
    with pytest.warns(simsock.NoEffectWarning) as caught, simsock.Simulation(link="3g"):
        sent(1)
    assert caught[0].filename == __file__


def test_loopback_has_the_link_when_it_is_asked_for():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with simsock.Simulation(link=simsock.Link(loss=0.5, latency="10ms"), loopback=True) as sim:
            assert 5 < len(sent()) < 35
            listener = socket.create_server(("localhost", 0))
            began = sim.now
            socket.create_connection(listener.getsockname()).close()
            assert sim.now - began >= 0.02
            listener.close()


@pytest.mark.filterwarnings("error")
def test_nothing_is_told_where_nothing_was_sent_or_hosts_were_made_or_loopback_has_a_link_of_its_own():
    with simsock.Simulation(link="3g"):
        one, other = socket.socketpair()
        one.sendall(b"x")
        assert other.recv(1) == b"x"
        one.close()
        other.close()
    with simsock.Simulation(link="3g") as sim:
        sim.host("client")
        sent(1)
    with simsock.Simulation(link="3g") as sim:
        sim.link("localhost", "localhost", simsock.Link(latency="1ms"))
        sent(1)
    with simsock.Simulation():
        sent(1)


def test_loopback_of_every_host_has_it_and_a_setting_of_its_own_counts_more():
    with simsock.Simulation(link=simsock.Link(latency="10ms"), loopback=True) as sim:
        sim.link("own", "own", "perfect")
        took = []
        for name in ("other", "own"):
            with sim.host(name), socket.create_server(("127.0.0.1", 0)) as listener:
                began = sim.now
                socket.create_connection(listener.getsockname()).close()
                took.append(sim.now - began)
        assert took == [0.02, 0]


def test_a_token_carries_it():
    def test(sim):
        assert len(sent()) == 40

    verdict = simsock.explore(test, 5, link=simsock.Link(loss=0.2), loopback=True)
    assert verdict.failed
    with pytest.raises(AssertionError):
        simsock.replay(test, verdict.token)


def test_what_makes_no_sense_is_an_error():
    with pytest.raises(simsock.UsageError, match=r"loopback: expected True .* or False, got 'yes'"):
        simsock.Simulation(loopback="yes")


@pytest.mark.parametrize("both_ways", [True, False])
def test_a_link_of_the_only_host_to_all_others_has_no_effect_and_says_so(both_ways):
    def program(sim, second=None, condition="3g", both_ways=True):
        sim.link("localhost", second, condition, both_ways=both_ways)
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname()).close()

    words = r"^sim\.link with Link\(.* had no effect: .*sim\.link\('localhost', 'localhost', "
    with pytest.warns(simsock.NoEffectWarning, match=words), simsock.Simulation() as sim:
        program(sim, both_ways=both_ways)
    with simsock.Simulation() as sim:
        program(sim, "localhost", simsock.Link(latency="10ms"))
    with simsock.Simulation() as sim:
        program(sim, condition="perfect")
    with simsock.Simulation() as sim:
        sim.host("client")
        program(sim)
