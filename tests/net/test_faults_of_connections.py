"""Links that reset, end, silence or slice single connections, as Toxiproxy's toxics do."""

from __future__ import annotations

import errno

import pytest

import simsock
from simsock.errors import UsageError
from simsock.net.link.settings import Link


def connection(sim, **impairments):
    """(client, server): the ends of a stream from a host to another, with trouble on the way from client to server."""
    sim.link("client", "server", both_ways=False, **impairments)
    network = sim.network.socket
    with sim.host("server") as server:
        listener = network.create_server((server.addresses[0], 80))
    with sim.host("client"):
        client = network.create_connection(("server", 80))
    with listener, sim.host("server"):
        return client, listener.accept()[0]


def read_all(sock):
    """Every byte until the end of the stream or an error, and how it ended."""
    got = b""
    while True:
        try:
            part = sock.recv(100_000)
        except OSError as error:
            return got, error.errno
        if not part:
            return got, 0
        got += part


@pytest.fixture
def sim():
    with simsock.Simulation() as sim:
        yield sim


@pytest.mark.parametrize("limit", [1, 1000, 1460, 1461, 5000])
def test_a_connection_is_reset_after_so_many_bytes_for_both_ends(sim, limit):
    client, server = connection(sim, reset_after=limit)
    client.sendall(b"x" * 10_000)
    assert read_all(server) == (b"x" * limit, errno.ECONNRESET)
    with pytest.raises(ConnectionResetError):
        client.recv(10)
    assert [record[2:] for record in sim.records if "by the link" in record] == [("reset", "by the link")]


def test_fewer_bytes_pass(sim):
    client, server = connection(sim, reset_after=11)
    client.sendall(b"x" * 10)
    client.close()
    assert read_all(server) == (b"x" * 10, 0)


@pytest.mark.parametrize("limit", [1, 3000])
def test_a_connection_ends_after_so_many_bytes_for_both_ends(sim, limit):
    client, server = connection(sim, close_after=limit)
    client.sendall(b"x" * limit)
    assert read_all(server) == (b"x" * limit, 0)
    assert client.recv(10) == b""
    with pytest.raises(OSError, match="Connection reset|Broken pipe"):  # noqa: RUF043
        for _ in range(3):
            client.sendall(b"more")
            sim.sleep(1)


def test_a_connection_is_silent_after_so_many_bytes(sim):
    client, server = connection(sim, blackhole_after=3000)
    client.sendall(b"x" * 10_000)
    server.settimeout(60)
    assert read_all(server) == (b"x" * 2920, None), "two whole segments"
    server.settimeout(None)
    with pytest.raises(TimeoutError) as caught:
        client.recv(10)
    assert caught.value.errno == errno.ETIMEDOUT
    server.close()


@pytest.mark.parametrize(
    ("impairments", "ending"),
    [({"reset_after": "2s"}, errno.ECONNRESET), ({"close_after": 2.0}, 0), ({"blackhole_after": "2s"}, None)],
)
def test_the_same_after_a_time(sim, impairments, ending):
    client, server = connection(sim, **impairments)

    def drip():
        try:
            for _ in range(10):
                client.sendall(b"x")
                sim.sleep(0.5)
        except OSError:
            pass

    task = sim.spawn(drip)
    server.settimeout(30)
    got, how = read_all(server)
    assert (len(got), how) == (4, ending) or (len(got), how) == (5, ending)
    assert sim.now == (pytest.approx(2) if ending is not None else pytest.approx(31.5, abs=0.6))
    task.result()
    server.close()
    client.close()


def test_the_end_of_a_stream_is_late(sim):
    client, server = connection(sim, slow_close="3s")
    client.sendall(b"x")
    client.close()
    assert server.recv(10) == b"x" and sim.now == 0
    assert server.recv(10) == b"" and sim.now == 3


def test_bytes_arrive_in_slices(sim):
    client, server = connection(sim, slice=[1, 5, 2])
    client.sendall(b"abcdefghijk")
    parts = [server.recv(100) for _ in range(5)]
    assert parts == [b"a", b"bcdef", b"gh", b"i", b"jk"]


def test_a_toxicity_spares_the_rest():
    """Binomial: 400 connections of which 30 % suffer, 120 ± 4 standard deviations of 9.2."""
    with simsock.Simulation(seed=3) as sim:
        sim.link("client", "server", both_ways=False, reset_after=1, toxicity="30%")
        network = sim.network.socket
        with sim.host("server") as host:
            listener = network.create_server((host.addresses[0], 80), backlog=10)
        suffered = 0
        for _ in range(400):
            with sim.host("client"):
                client = network.create_connection((host.addresses[0], 80))
            server, _address = listener.accept()
            client.sendall(b"x")
            client.close()
            suffered += read_all(server)[1] == errno.ECONNRESET
            server.close()
        listener.close()
    assert 83 <= suffered <= 157


def test_a_connection_that_suffers_by_chance_is_found_shrunk_and_told():
    def serves(sim):
        client, server = connection(sim, reset_after=1, toxicity="5%")
        client.sendall(b"x")
        client.close()
        assert read_all(server) == (b"x", 0)

    verdict = simsock.explore(serves, schedules=300)
    assert verdict.failed
    assert [str(step) for step in verdict.deviations] == ["connection 1 client->server was one that suffers: reset after 1 byte"]


def test_links_with_trouble_are_written_as_they_were_given():
    link = Link(reset_after="64KiB", close_after="5s", blackhole_after=100, slow_close=2, slice=3, toxicity=0.5)
    assert eval(repr(link), {"Link": Link}) == link  # what was just made
    assert Link.from_dict(link.as_dict()) == link
    assert Link(reset_after=1.5) == Link(reset_after="1500ms") != Link(reset_after=1)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"reset_after": "soon"}, "link reset_after: expected a duration"),
        ({"reset_after": -1}, "link reset_after: expected a whole number of bytes"),
        ({"close_after": True}, 'link close_after: expected bytes such as 10_000 or "64KiB", or a duration'),
        ({"blackhole_after": 0.0}, "link blackhole_after: 0.0 is no time"),
        ({"slice": 0.5}, "link slice: expected a number of bytes from 1"),
        ({"slice": [1, 0]}, "link slice: expected a number of bytes from 1"),
        ({"slow_close": "x"}, "link slow_close"),
        ({"toxicity": 0.5}, "toxicity=0.5 needs one of reset_after, close_after, blackhole_after, slow_close, slice"),
    ],
)
def test_values_that_make_no_sense_are_errors_that_name_them(values, text):
    with pytest.raises(UsageError) as caught:
        Link(**values)
    assert text in str(caught.value)
