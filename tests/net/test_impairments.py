"""Duplicates, damage, reordering, bursts of loss and rates: what each does to datagrams and streams."""

from __future__ import annotations

import errno

import pytest

import simsock
from simsock.errors import UsageError
from simsock.net.link.settings import GilbertElliott, Link
from simsock.report.story import Teller

MS = 1_000_000
EVERYTHING = {
    "latency": "20ms",
    "jitter": "5ms",
    "keep_order": True,
    "loss": GilbertElliott("1%", 0.25, 0, 0.9),
    "duplicate": "2%",
    "corrupt": "3%",
    "checksum": False,
    "reorder": "4%",
    "reorder_every": 7,
    "rate": "1Mbit",
    "overhead": 14,
    "queue": 50,
    "queue_bytes": "64KiB",
    "mtu": 1400,
    "distribution": "pareto",
}
TROUBLE = {
    "reset_after": 5.0,
    "close_after": "64KiB",
    "blackhole_after": 100_000,
    "slow_close": "2s",
    "slice": (1, 5),
    "toxicity": "50%",
}


def arrivals(sent, *, seed=1, gap=0, **impairments):
    """What arrives of the datagrams ``sent``, as pairs of data and virtual milliseconds, and the world."""
    with simsock.Simulation(seed=seed) as sim:
        sim.link("client", "server", both_ways=False, **impairments)
        inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
        inbox.settimeout(10)
        got = []

        def listen():
            while True:
                try:
                    data = inbox.recv(70_000)
                except TimeoutError:
                    return
                got.append((data, sim.now_ns / MS))

        task = sim.spawn(listen)
        for data in sent:
            sender.sendto(data, inbox.getsockname())
            sim.sleep(gap)
        task.result()
    return got, sim


def upload(data, *, seed=1, **impairments):
    """Send ``data`` over a stream: what came, and after how many virtual seconds."""
    with simsock.Simulation(seed=seed) as sim:
        sim.link("client", "server", **impairments)
        network = sim.network.socket
        with sim.host("server") as server:
            listener = network.create_server((server.addresses[0], 80))

        def send():
            with network.create_connection(("server", 80)) as client:
                client.sendall(data)

        task = sim.spawn(send, host="client")
        with listener, listener.accept()[0] as peer:
            got = bytearray()
            while part := peer.recv(1 << 20):
                got += part
        task.result()
        return bytes(got), sim.now


def test_a_duplicated_datagram_arrives_twice_and_certainty_asks_nothing():
    got, sim = arrivals([b"one", b"two"], duplicate=1)
    assert [data for data, _ in got] == [b"one", b"one", b"two", b"two"]
    assert not sim.deviations


def test_a_damaged_datagram_is_dropped_by_its_checksum():
    assert arrivals([b"one"], corrupt=1)[0] == []


def test_without_checksum_a_damaged_datagram_differs_in_one_bit():
    data = bytes(range(50))
    [(changed, _)], _ = arrivals([data], corrupt=1, checksum=False)
    assert int.from_bytes(changed, "big") ^ int.from_bytes(data, "big") in {1 << bit for bit in range(400)}


def test_an_empty_datagram_has_no_bit_to_flip_but_its_headers():
    assert arrivals([b""], corrupt=1, checksum=False)[0] == []


def test_every_nth_packet_skips_the_delay():
    got, _ = arrivals([b"1", b"2", b"3", b"4", b"5"], latency="10ms", reorder_every=3)
    assert got == [(b"3", 0), (b"1", 10), (b"2", 10), (b"4", 10), (b"5", 10)]


def test_reordered_packets_skip_the_delay():
    assert arrivals([b"1"], latency="10ms", reorder=1)[0] == [(b"1", 0)]


def test_with_keep_order_jitter_never_lets_datagrams_overtake():
    sent = [bytes([number]) for number in range(100)]
    wild = [data for data, _ in arrivals(sent, latency="10ms", jitter="10ms")[0]]
    kept, sim = arrivals(sent, latency="10ms", jitter="10ms", keep_order=True)
    assert sorted(wild) == sent != wild
    assert [data for data, _ in kept] == sent
    assert sim.deviations


def test_a_rate_gives_each_datagram_its_turn():
    # 972 bytes and 28 of headers are 8,000 bits.
    got, _ = arrivals([bytes(972), bytes(972)], rate="1Mbit", latency="1ms")
    assert [at for _, at in got] == [9, 17]
    got, _ = arrivals([bytes(972)], rate="1Mbit", overhead=125)
    assert [at for _, at in got] == [9]


@pytest.mark.parametrize(("limit", "arrive"), [({"queue": 2}, 2), ({"queue_bytes": 3000}, 3), ({}, 5)])
def test_what_does_not_fit_into_the_queue_is_dropped_from_its_tail(limit, arrive):
    sent = [bytes([number]) * 972 for number in range(5)]
    got, sim = arrivals(sent, rate="1Mbit", **limit)
    assert [data for data, _ in got] == sent[:arrive]
    assert len([record for record in sim.records if "queue full" in record]) == 5 - arrive


def test_the_queue_has_room_again_when_packets_have_left():
    got, _ = arrivals([bytes(972)] * 5, rate="1Mbit", queue=1, gap="8ms")
    assert [at for _, at in got] == [8, 16, 24, 32, 40]


def test_a_burst_that_never_ends_loses_all_and_one_that_ends_at_once_every_second_packet():
    sent = [bytes([number]) for number in range(6)]
    assert arrivals(sent, loss=GilbertElliott(1, 0))[0] == []
    assert [data for data, _ in arrivals(sent, loss=GilbertElliott(1, 1))[0]] == sent[1::2]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "impairments",
    [
        {"corrupt": "10%"},
        {"duplicate": "30%"},
        {"latency": "20ms", "reorder": "20%"},
        {"latency": "20ms", "jitter": "20ms", "keep_order": True},
        {"loss": GilbertElliott(0.05, 0.5)},
        {"rate": "1Mbit", "queue": 10},
        EVERYTHING,
    ],
    ids=lambda impairments: "+".join(impairments),
)
def test_a_stream_delivers_what_was_sent_whatever_the_link(seed, impairments):
    data = bytes(range(256)) * 200
    assert upload(data, seed=seed, **impairments)[0] == data


def test_a_damaged_segment_costs_a_retransmission_timeout():
    assert upload(b"x", corrupt=0)[1] == 0
    times = [upload(b"x", seed=seed, corrupt="20%")[1] for seed in range(10)]
    assert any(times) and all(round(time * 10) % 2 == 0 for time in times)


def test_what_is_rolled_up_in_a_token_is_the_same_link():
    link = Link(**EVERYTHING, **TROUBLE)
    assert Link.from_dict(link.as_dict()) == link
    assert hash(Link.from_dict(link.as_dict())) == hash(link)
    for name in (*EVERYTHING, *TROUBLE):
        assert name in repr(link)
    with simsock.Simulation(seed=3, link=link) as sim:
        token = sim.token
    with simsock.Simulation(token=token) as again:
        assert again.options.link == link


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"duplicate": 2}, "link duplicate: expected a share from 0 to 1"),
        ({"corrupt": "x"}, "link corrupt"),
        ({"checksum": False}, "checksum=False needs corrupt"),
        ({"checksum": 1}, "link checksum: expected True or False, got 1"),
        ({"keep_order": "yes"}, "link keep_order: expected True or False, got 'yes'"),
        ({"reorder": 0.1}, "reorder=0.1 needs latency or jitter"),
        ({"reorder_every": 2}, "reorder_every=2 needs latency or jitter"),
        ({"reorder_every": 1.5}, "link reorder_every: expected a whole number from 0, got 1.5"),
        ({"rate": "fast"}, "link rate: expected a rate"),
        ({"rate": "5 MB"}, "'5 MB' has no unit of rate"),
        ({"rate": "0.1bit"}, "at least one bit a second"),
        ({"rate": -1}, "link rate: expected a whole number of bits a second"),
        ({"queue": 5}, "queue=5 needs a rate"),
        ({"queue_bytes": 5}, "queue_bytes=5 needs a rate"),
        ({"overhead": 5}, "overhead=5 needs a rate"),
        ({"distribution": "poisson", "jitter": 1}, "link distribution: expected one of 'uniform', 'normal'"),
        ({"distribution": "normal"}, "distribution='normal' needs jitter"),
        ({"mtu": 67}, "link: mtu=67: expected 68 to 65535 bytes"),
        ({"mtu": "70kB"}, "link: mtu=70000: expected 68 to 65535 bytes"),
        ({"loss": GilbertElliott(2, 0.5)}, "GilbertElliott p: expected a share from 0 to 1"),
        ({"loss": GilbertElliott(0.1, "often")}, "GilbertElliott r"),
    ],
)
def test_values_that_make_no_sense_are_errors_that_name_them(values, text):
    with pytest.raises(UsageError) as caught:
        Link(**values)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "values", [{"loss": [0.1, 0.2]}, {"loss": [2, 1, 0, 1]}, {"checksum": 0}, {"rate": -1}, {"queue": "x"}, {"speed": 1}, {"duplicate": 3}]
)
def test_a_token_with_a_link_that_makes_no_sense_is_refused(values):
    with pytest.raises(UsageError, match="link: cannot read"):
        Link.from_dict(values)


def test_one_impairment_more_shifts_no_answer_of_the_others():
    def deviations(**impairments):
        _, sim = arrivals([b"x"] * 300, latency="5ms", loss="5%", **impairments)
        return [deviation for deviation in sim.deviations if deviation.label.endswith("loss")]

    assert deviations() == deviations(jitter="1ms", corrupt="20%", reorder="5%") != []


# -- the longest packet ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "option", "size"),
    [("10.0.0.3", ("IPPROTO_IP", "IP_MTU_DISCOVER", 2), 972), ("fd00::3", ("IPPROTO_IPV6", 23, 2), 952), ("fd00::3", ("IPPROTO_IPV6", 62, 1), 952)],
)
def test_a_datagram_that_is_not_to_be_fragmented_and_does_not_fit_is_refused(host, option, size):
    with simsock.Simulation() as sim:
        sim.link("client", "server", mtu=1000)
        socket = sim.network.socket
        sender = sim.datagram(host="client", address=(host.replace("3", "2"), 0))
        inbox = sim.datagram(host="server", address=(host, 53))
        sender.sendto(bytes(5_000), inbox.getsockname())
        level, name, value = option
        sender.setsockopt(getattr(socket, level), 10 if name == "IP_MTU_DISCOVER" else name, value)
        with pytest.raises(OSError, match="Message too long") as caught:
            sender.sendto(bytes(size + 1), inbox.getsockname())
        assert caught.value.errno == errno.EMSGSIZE
        sender.sendto(bytes(size), inbox.getsockname())
        assert [len(inbox.recv(10_000)) for _ in range(2)] == [5_000, size]


def test_fragments_have_headers_of_their_own():
    """4,000 bytes and 8 of UDP's header in three packets over 1,500 bytes: 60 bytes of IP headers instead of 20."""
    got, _ = arrivals([bytes(4_000)], rate="1Mbit", mtu=1500)
    assert got == [(bytes(4_000), (4_008 + 60) * 8 / 1000)]


def test_the_shape_of_jitter_is_told_in_its_words():
    sim = simsock.Simulation(seed=3)
    teller = Teller()
    teller.listen(sim)
    with sim:
        sim.link("client", "server", latency="20ms", jitter="5ms", distribution="exponential")
        inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
        sender.sendto(b"x", inbox.getsockname())
        inbox.recv(10)
        took = sim.now_ns - 20 * MS
    text = str(teller.story(None))
    assert f"packet 1 client->server took {abs(took) / MS:.4g} ms {'longer' if took > 0 else 'shorter'}" in text


def test_a_burst_without_end_is_described():
    assert Link(loss=GilbertElliott(0.5, 0)).described() == "loss 100% in a burst without end"
