"""Names that are unknown, fail for the moment, are slow, or have addresses that help nobody."""

from __future__ import annotations

import errno
import socket

import pytest

import simsock
from simsock.errors import UsageError


@pytest.fixture
def sim():
    with simsock.Simulation() as sim:
        sim.host("shop")
        yield sim


def addresses(name="shop"):
    return [row[4][0] for row in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)]


@pytest.mark.parametrize(("fail", "number"), [("unknown", socket.EAI_NONAME), ("temporary", socket.EAI_AGAIN)])
@pytest.mark.parametrize("ask", ["getaddrinfo", "gethostbyname", "gethostbyname_ex"])
def test_a_name_fails_until_it_is_well_again(sim, fail, number, ask):
    sim.resolver("shop", fail=fail)
    with pytest.raises(socket.gaierror) as caught:
        getattr(socket, ask)("SHOP", *([80] if ask == "getaddrinfo" else []))
    assert caught.value.errno == number
    sim.resolver("shop")
    assert getattr(socket, ask)("shop", *([80] if ask == "getaddrinfo" else []))


def test_an_order_for_every_name_counts_where_there_is_none_for_the_name(sim):
    sim.host("mail")
    sim.resolver("*", fail="unknown")
    sim.resolver("shop", delay="1ms")
    assert addresses() and sim.now == 0.001
    with pytest.raises(socket.gaierror, match="Name or service not known"):
        addresses("mail")
    assert addresses("127.0.0.1") == ["127.0.0.1"] and addresses("localhost"), "nobody is asked for these"


def test_a_slow_answer_takes_virtual_time_and_lets_others_run(sim):
    sim.resolver("shop", delay="5s")
    task = sim.spawn(addresses, host="client")
    sim.sleep(1)
    assert not task.done
    assert task.result() == list(sim.host("shop").addresses) and sim.now == 5


def test_a_name_may_have_several_addresses_in_the_order_given(sim):
    other = sim.host("other").addresses[0]
    sim.resolver("shop", addresses=[other, "fd00::99", "10.0.0.77"])
    assert addresses() == [other, "fd00::99", "10.0.0.77"]
    assert socket.gethostbyname_ex("shop")[2] == [other, "10.0.0.77"]


def test_an_address_that_nobody_has_is_silent_and_the_next_one_is_tried(sim):
    with sim.host("other") as other:
        listener = socket.create_server((other.addresses[0], 80))
    sim.resolver("shop", addresses=["10.9.9.9", other.addresses[0]])
    with sim.host("client"), socket.create_connection(("shop", 80), timeout=3) as client:
        assert client.getpeername() == (other.addresses[0], 80)
    assert round(sim.now, 4) == 3
    listener.close()


def test_connect_to_a_silent_address_ends_in_etimedout(sim):
    sim.resolver("shop", addresses="10.9.9.9")
    with sim.host("client"), pytest.raises(TimeoutError) as caught:
        socket.create_connection(("shop", 80))
    assert caught.value.errno == errno.ETIMEDOUT and sim.now == 127


def test_datagrams_to_a_silent_address_vanish_and_elsewhere_there_is_no_way(sim):
    sim.resolver("shop", addresses="10.9.9.9")
    sender = sim.datagram()
    assert sender.sendto(b"x", ("10.9.9.9", 53)) == 1
    with pytest.raises(OSError, match="Network is unreachable"):
        sender.sendto(b"x", ("10.9.9.8", 53))
    sim.settle()


def test_a_name_that_fails_by_chance_asks_the_tape_is_repeated_and_told():
    def needs_the_name(sim):
        sim.host("shop")
        sim.resolver("shop", fail="temporary", chance="10%")
        addresses()
        addresses()

    verdict = simsock.explore(needs_the_name, schedules=200)
    assert verdict.failed and isinstance(verdict.error, socket.gaierror)
    texts = [str(step) for step in verdict.deviations]
    assert texts[-1:] in (
        ["the name shop failed for the moment when it was asked for the 1st time"],
        ["the name shop failed for the moment when it was asked for the 2nd time"],
    )
    with pytest.raises(socket.gaierror):
        simsock.replay(needs_the_name, verdict.token)


def test_the_order_stands_in_the_records(sim):
    sim.resolver("shop", fail="unknown", chance=0.5, delay="20ms", addresses=["10.9.9.9"])
    orders = [record[3] for record in sim.records if record[2] == "resolver"]
    assert orders == ["shop: fails (unknown) 0.5 of the time, takes 20 ms, has 10.9.9.9"]


@pytest.mark.parametrize(
    ("name", "order", "text"),
    [
        ("shop", {"fail": "often"}, "resolver: fail='often': expected None, 'unknown' or 'temporary'"),
        ("", {}, "resolver: expected a name"),
        ("shop", {"addresses": ["shop"]}, "resolver: addresses: expected IP addresses, got 'shop'"),
        ("shop", {"chance": 2}, "resolver chance: expected a share"),
        ("shop", {"delay": -1}, "resolver delay"),
    ],
)
def test_orders_that_make_no_sense_are_errors(sim, name, order, text):
    with pytest.raises(UsageError) as caught:
        sim.resolver(name, **order)
    assert text in str(caught.value)
