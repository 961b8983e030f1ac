"""What links do to handshakes, streams and datagrams: every time here is virtual and exact."""

from __future__ import annotations

import errno

import pytest

from simsock import errors
from simsock.net import Link
from simsock.net.fabric import fabric_of
from simsock.world.simulation import Simulation

MS = 1_000_000
LINK_LATER = "cell cell_overhead slot".split()


@pytest.fixture
def world(request):
    """``world(seed=…, link=…)``: a simulation that lasts as long as the test."""
    made = []

    def make(**options):
        sim = Simulation(**options).__enter__()
        made.append(sim)
        return sim

    yield make
    for sim in made:
        sim.__exit__(None, None, None)


def listening(sim, host="server", port=80, **options):
    with sim.host(host) as machine:
        return sim.network.socket.create_server((machine.addresses[0], port), **options)


def fresh(sim, host="client"):
    with sim.host(host):
        return sim.network.socket.socket()


def connected(sim, client_host="client"):
    listener = listening(sim)
    client = fresh(sim, client_host)
    client.connect(("server", 80))
    server, _ = listener.accept()
    listener.close()
    return client, server


def gather(sock):
    data = bytearray()
    while part := sock.recv(1 << 20):
        data += part
    return bytes(data)


def lossy(sim, *, share=1.0, **others):
    sim.link("client", "server", both_ways=False, loss=share, **others)


# -- the handshake -------------------------------------------------------------------------------------------------------------------


def test_connecting_takes_a_round_trip_and_accepting_half_of_one_more(world):
    sim = world(link=Link(latency="40ms"))
    listener = listening(sim)
    accepting = sim.spawn(lambda: (listener.accept()[0], sim.now_ns))
    client = fresh(sim)
    client.connect(("server", 80))
    assert sim.now_ns == 80 * MS
    server, when = accepting.result()
    assert when == 120 * MS


def test_a_refusal_takes_a_round_trip(world):
    sim = world(link=Link(latency="40ms"))
    sim.host("server")
    with pytest.raises(ConnectionRefusedError):
        fresh(sim).connect(("server", 80))
    assert sim.now_ns == 80 * MS


def test_each_direction_has_its_own_latency(world):
    sim = world()
    sim.link("client", "server", both_ways=False, latency=1)
    sim.link("server", "client", both_ways=False, latency=0.25)
    client, server = connected(sim)
    assert sim.now == 2.25
    client.sendall(b"x")
    server.recv(1)
    assert sim.now == 3.25
    server.sendall(b"x")
    client.recv(1)
    assert sim.now == 3.5


@pytest.mark.parametrize(("lost", "waits"), [(1, 1), (2, 3), (3, 7), (4, 15)])
def test_a_lost_syn_is_sent_again_after_1_3_7_and_15_seconds(world, lost, waits):
    sim = world()
    listener = listening(sim)
    lossy(sim)
    heal_at = waits - 0.5
    sim.spawn(lambda: (sim.sleep(heal_at), sim.link("client", "server")))
    fresh(sim).connect(("server", 80))
    assert sim.now == waits
    listener.close()


def test_connecting_is_given_up_after_127_seconds(world):
    sim = world()
    listener = listening(sim)
    lossy(sim)
    sock = fresh(sim)
    assert listener.fileno() >= 0
    with pytest.raises(TimeoutError, match=r"^\[Errno 110\] Connection timed out$") as caught:
        sock.connect(("server", 80))
    assert caught.value.errno == errno.ETIMEDOUT
    assert sim.now == 127


def test_an_answer_that_is_lost_costs_the_client_a_second_too(world):
    sim = world()
    listener = listening(sim)
    sim.link("server", "client", both_ways=False, loss=1)
    sim.spawn(lambda: (sim.sleep(0.5), sim.link("client", "server")))
    fresh(sim).connect(("server", 80))
    assert sim.now == 1
    listener.close()


def test_a_lost_third_packet_of_the_handshake_delays_accept_by_a_second(world):
    sim = world(link=Link(latency="10ms"))
    listener = listening(sim)
    client = fresh(sim)
    sim.spawn(lambda: (sim.sleep(0.015), lossy(sim, latency="10ms"), sim.sleep(0.5), sim.link("client", "server", latency="10ms")))
    client.connect(("server", 80))
    assert sim.now_ns == 20 * MS
    listener.accept()
    assert sim.now_ns == 1030 * MS


def test_a_timeout_of_the_program_comes_before(world):
    sim = world()
    listener = listening(sim)
    lossy(sim)
    sock = fresh(sim)
    sock.settimeout(5)
    assert listener.fileno() >= 0
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        sock.connect(("server", 80))
    assert round(sim.now, 4) == 5
    assert sock.connect_ex(("server", 80)) == errno.EALREADY


def test_a_socket_closed_while_it_connects_is_forgotten(world):
    sim = world(link=Link(latency=1))
    listener = listening(sim)
    sock = fresh(sim)
    sock.setblocking(False)
    sock.connect_ex(("server", 80))
    sock.close()
    sim.settle()
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert fabric_of(sim._kernel).host("client").tcp._bound == {}


def test_a_full_backlog_leaves_the_syn_unanswered_until_there_is_room(world):
    sim = world()
    listener = listening(sim, backlog=1)
    clients = [fresh(sim) for _ in range(3)]
    for client in clients:
        client.setblocking(False)
        assert client.connect_ex(("server", 80)) == errno.EINPROGRESS
    sim.sleep(0.5)
    assert clients[2].connect_ex(("server", 80)) == errno.EALREADY
    listener.accept()
    sim.sleep(0.49)
    assert clients[2].connect_ex(("server", 80)) == errno.EALREADY
    sim.sleep(0.02)
    assert clients[2].connect_ex(("server", 80)) == 0


def test_a_listener_that_closes_while_a_client_connects_resets_it(world):
    sim = world(link=Link(latency="10ms"))
    listener = listening(sim)
    sim.spawn(lambda: (sim.sleep(0.015), listener.close()))
    client = fresh(sim)
    client.connect(("server", 80))
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert sim.now_ns == 40 * MS


def test_an_address_that_no_host_has_is_unreachable(world):
    sim = world()
    for target in (("10.9.9.9", 80), ("fd00::9999", 80)):
        with sim.host("client"):
            sock = sim.network.socket.socket(sim.network.socket.AF_INET6 if ":" in target[0] else sim.network.socket.AF_INET)
        with sock, pytest.raises(OSError, match=r"^\[Errno 101\] Network is unreachable$"):
            sock.connect(target)


def test_loopback_reaches_no_other_host(world):
    sim = world()
    listening(sim)
    sock = fresh(sim)
    sock.bind(("127.0.0.1", 0))
    with pytest.raises(OSError, match=r"^\[Errno 22\] Invalid argument$"):
        sock.connect(("server", 80))
    with pytest.raises(ConnectionRefusedError):
        fresh(sim).connect(("127.0.0.1", 80))


# -- streams -------------------------------------------------------------------------------------------------------------------------


def test_bytes_take_the_latency_of_their_direction(world):
    sim = world(link=Link(latency="40ms"))
    client, server = connected(sim)
    began = sim.now_ns
    client.sendall(b"hello")
    assert sim.now_ns == began
    assert server.recv(10) == b"hello"
    assert sim.now_ns == began + 40 * MS


def test_the_end_and_a_reset_take_the_latency_too(world):
    sim = world(link=Link(latency="40ms"))
    client, server = connected(sim)
    began = sim.now_ns
    client.sendall(b"last")
    client.close()
    assert gather(server) == b"last"
    assert sim.now_ns == began + 40 * MS
    sim.settle()
    client, server = connected_again(sim)
    server.sendall(b"unread")
    sim.settle()
    began = sim.now_ns
    client.close()
    with pytest.raises(ConnectionResetError):
        server.recv(1)
    assert sim.now_ns == began + 40 * MS


def connected_again(sim):
    listener = listening(sim, port=81)
    client = fresh(sim)
    client.connect(("server", 81))
    return client, listener.accept()[0]


@pytest.mark.parametrize("seed", range(5))
def test_jitter_never_changes_the_order_of_a_stream(world, seed):
    sim = world(seed=seed, link=Link(latency="50ms", jitter="50ms"))
    client, server = connected(sim)
    for number in range(200):
        client.sendall(number.to_bytes(2, "big"))
    client.close()
    data = gather(server)
    assert data == b"".join(number.to_bytes(2, "big") for number in range(200))
    assert sim.deviations, "jitter was asked for"


@pytest.mark.parametrize(("outage", "arrives"), [("100ms", 0.2), ("300ms", 0.6), ("1s", 1.4), ("10min", 684.6)])
def test_a_lost_segment_comes_after_its_retransmission_timeout_and_holds_up_what_follows(world, outage, arrives):
    sim = world()
    client, server = connected(sim)
    lossy(sim)
    client.sendall(b"first")
    sim.spawn(lambda: (sim.sleep(outage), sim.link("client", "server"), client.sendall(b"second")))
    assert server.recv(100) == b"firstsecond"
    assert sim.now == pytest.approx(arrives)


@pytest.mark.parametrize("seed", range(8))
def test_a_lossy_stream_is_late_by_whole_retransmission_timeouts_and_complete(world, seed):
    sim = world(seed=seed, link=Link(latency="10ms"))
    client, server = connected(sim)
    lossy(sim, share=0.3, latency="10ms")
    arrivals = []

    def read():
        while part := server.recv(1):
            arrivals.append((part, sim.now_ns))

    reading = sim.spawn(read)
    sent = []
    for number in range(60):
        sent.append((bytes([number]), sim.now_ns))
        client.sendall(bytes([number]))
        sim.sleep("30s")
    client.close()
    reading.result()
    assert [part for part, _ in arrivals] == [part for part, _ in sent]
    late = [(there - went - 10 * MS) / MS for (_, there), (_, went) in zip(arrivals, sent)]
    # The timeout is the round trip and 200 ms, and it doubles.
    assert set(late) <= {220 * (2**times - 1) for times in range(8)}
    assert any(late) and not all(late)


def test_a_stream_is_given_up_after_15_retransmissions(world):
    sim = world()
    client, server = connected(sim)
    lossy(sim)
    began = sim.now
    client.sendall(b"never arrives")
    with pytest.raises(TimeoutError, match=r"^\[Errno 110\] Connection timed out$"):
        client.recv(1)
    assert sim.now - began == pytest.approx(924.6)


def test_a_reset_that_is_lost_is_sent_again_when_data_comes(world):
    sim = world(link=Link(latency="10ms"))
    client, server = connected(sim)
    server.sendall(b"unread")
    sim.settle()
    lossy(sim, latency="10ms")
    client.close()
    sim.settle()
    sim.link("client", "server", latency="10ms")
    server.sendall(b"anyone?")
    with pytest.raises(ConnectionResetError):
        server.recv(1)


def test_a_small_window_over_a_long_link_throttles(world):
    sim = world(link=Link(latency="50ms"))
    listener = listening(sim)
    listener.setsockopt(sim.network.socket.SOL_SOCKET, sim.network.socket.SO_RCVBUF, 5000)
    client = fresh(sim)
    client.connect(("server", 80))
    server, _ = listener.accept()
    reading = sim.spawn(gather, server)
    began = sim.now
    client.sendall(b"x" * 200_000)
    client.close()
    assert reading.result() == b"x" * 200_000
    # 10,000 bytes a round trip of 100 ms
    assert 1.9 <= sim.now - began <= 2.2


def test_a_reset_does_not_overtake_the_bytes_before_it(world):
    sim = world(link=Link(latency="50ms"))
    client, server = connected(sim)
    server.sendall(b"unread")
    sim.settle()
    client.sendall(b"first")
    sim.link("client", "server", latency="1ms")
    client.close()
    assert server.recv(10) == b"first"
    with pytest.raises(ConnectionResetError):
        server.recv(10)


@pytest.mark.parametrize("before", [{}, {"latency": 0.05}, {"latency": 0.05, "jitter": 0.05}, {"loss": 0.5}])
@pytest.mark.parametrize("after", [{}, {"latency": 0.001}])
def test_a_link_that_changes_keeps_the_order_of_what_is_under_way(world, before, after):
    sim = world(seed=3)
    client, server = connected(sim)
    reading = sim.spawn(gather, server)
    expected = b""
    for turn in range(20):
        sim.link("client", "server", **(before if turn % 2 == 0 else after))
        for number in range(5):
            piece = b"<%d.%d>" % (turn, number)
            expected += piece
            client.sendall(piece)
            sim.sleep(0.003)
    client.close()
    assert reading.result() == expected


def test_a_link_that_becomes_perfect_during_the_handshake_loses_nothing(world):
    sim = world(link=Link(latency=1))
    listener = listening(sim)
    client = fresh(sim)
    client.connect(("server", 80))
    sim.link("client", "server")
    client.sendall(b"early")
    client.close()
    server, _ = listener.accept()
    assert gather(server) == b"early"
    assert sim.now == 3


# -- datagrams -----------------------------------------------------------------------------------------------------------------------


def datagrams(sim):
    sender, receiver = sim.datagram(host="client"), sim.datagram(host="server")
    receiver.setsockopt(sim.network.socket.SOL_SOCKET, sim.network.socket.SO_RCVBUF, 1 << 30)
    return sender, receiver


def received(receiver):
    receiver.setblocking(False)
    got = []
    while True:
        try:
            got.append(receiver.recv(100))
        except BlockingIOError:
            return got


def test_a_datagram_takes_the_latency(world):
    sim = world(link=Link(latency="40ms"))
    sender, receiver = datagrams(sim)
    sender.sendto(b"x", receiver.getsockname())
    receiver.recv(1)
    assert sim.now_ns == 40 * MS


def test_a_lost_datagram_does_not_come_and_certain_loss_asks_nothing(world):
    sim = world()
    sender, receiver = datagrams(sim)
    lossy(sim)
    for _ in range(100):
        assert sender.sendto(b"x", receiver.getsockname()) == 1
    sim.settle()
    assert received(receiver) == []
    assert sim.deviations == []
    assert sim._kernel.in_flight == 0


def test_datagrams_may_overtake_each_other_under_jitter(world):
    sim = world(seed=1, link=Link(latency="50ms", jitter="50ms"))
    sender, receiver = datagrams(sim)
    for number in range(100):
        sender.sendto(bytes([number]), receiver.getsockname())
    sim.settle()
    got = received(receiver)
    assert sorted(got) == [bytes([number]) for number in range(100)] != got
    assert sim.now <= 0.1


def test_without_jitter_datagrams_keep_their_order(world):
    sim = world(link=Link(latency="50ms"))
    sender, receiver = datagrams(sim)
    for number in range(100):
        sender.sendto(bytes([number]), receiver.getsockname())
    sim.settle()
    assert received(receiver) == [bytes([number]) for number in range(100)]


def test_five_percent_loss_loses_about_five_percent(world):
    sim = world(seed=11, link=Link(loss="5%"))
    sender, receiver = datagrams(sim)
    got = 0
    for _ in range(100):
        for _ in range(100):
            sender.sendto(b"x", receiver.getsockname())
        sim.settle()
        got += len(received(receiver))
    lost = 10_000 - got
    # Binomial with n = 10,000 and p = 0.05: the mean is 500, one deviation 21.8; four of them are 413 to 587.
    assert 413 <= lost <= 587
    assert lost == len([deviation for deviation in sim.deviations if deviation.label == "link client->server loss"])


def test_jitter_does_not_change_which_packets_are_lost():
    def losses(**impairments):
        with Simulation(seed=5, link=Link(**impairments)) as sim:
            sender, receiver = datagrams(sim)
            for _ in range(500):
                sender.sendto(b"x", receiver.getsockname())
            sim.settle()
            return [deviation for deviation in sim.deviations if deviation.label.endswith("loss")]

    assert losses(loss=0.1) == losses(loss=0.1, latency="10ms", jitter="5ms") != []


def test_jitter_stays_within_its_band():
    with Simulation(seed=5, link=Link(latency="10ms", jitter="4ms")) as sim:
        sender, receiver = datagrams(sim)
        delays = []
        for _ in range(300):
            began = sim.now_ns
            sender.sendto(b"x", receiver.getsockname())
            receiver.recv(1)
            delays.append(sim.now_ns - began)
        assert 6 * MS <= min(delays) < 7 * MS < 13 * MS < max(delays) <= 14 * MS
        assert 9.5 * MS < sum(delays) / 300 < 10.5 * MS


# -- the perfect link ----------------------------------------------------------------------------------------------------------------


def test_a_perfect_link_makes_no_timer(world):
    sim = world()
    kernel = sim._kernel
    calls = []
    add = kernel.timers.add
    type(kernel.timers).add = lambda self, *args: calls.append(args) or add(*args)
    try:
        client, server = connected(sim)
        client.sendall(b"x" * 1000)
        assert len(server.recv(2000)) == 1000
        server.close()
        client.close()
        sender, receiver = datagrams(sim)
        sender.sendto(b"x", receiver.getsockname())
        receiver.recv(1)
    finally:
        del type(kernel.timers).add
        type(kernel.timers).add = add.__func__
    assert calls == []
    assert len(kernel.timers) == 0 and kernel.in_flight == 0
    assert sim.now == 0


# -- configuration -------------------------------------------------------------------------------------------------------------------


def latency(sim, a, b):
    net = fabric_of(sim._kernel)
    return net.wire(net.host(a), net.host(b)).latency_ns // MS


def test_links_are_set_both_ways_one_way_or_for_all_of_a_host(world):
    sim = world(link=Link(latency="1ms"))
    assert latency(sim, "a", "b") == 1
    sim.link("a", "b", latency="2ms")
    assert (latency(sim, "a", "b"), latency(sim, "b", "a"), latency(sim, "a", "c")) == (2, 2, 1)
    sim.link("a", "b", both_ways=False, latency="3ms")
    assert (latency(sim, "a", "b"), latency(sim, "b", "a")) == (3, 2)
    sim.link("a", latency="4ms")
    assert (latency(sim, "a", "b"), latency(sim, "b", "a"), latency(sim, "a", "d"), latency(sim, "c", "a")) == (4, 4, 4, 4)
    assert (latency(sim, "a", "a"), latency(sim, "b", "c")) == (0, 1)
    sim.link("a", both_ways=False)
    assert (latency(sim, "a", "b"), latency(sim, "b", "a")) == (0, 4)
    sim.link("a", "a", latency="5ms")
    assert latency(sim, "a", "a") == 5


def test_the_latest_setting_counts_whether_or_not_the_link_was_used_before(world):
    def settings(used_before):
        sim = Simulation(link=Link(latency="1ms"))
        with sim:
            for host in "abcd":
                sim.host(host)
            if used_before:
                for a, b in ("ab", "ba", "bc", "cb"):
                    latency(sim, a, b)
            sim.link("a", "b", latency="2ms")
            sim.link("b", latency="3ms")
            sim.link("b", "c", latency="4ms")
            return [latency(sim, a, b) for a, b in ("ab", "ba", "bc", "cb", "bd")]

    assert settings(True) == settings(False) == [3, 3, 4, 4, 3]


@pytest.mark.parametrize(
    ("impairments", "text"),
    [
        ({"loss": 5}, "link loss: expected a share from 0 to 1"),
        ({"loss": -0.1}, "got -0.1"),
        ({"loss": "5 apples"}, "got '5 apples'"),
        ({"loss": True}, "got True"),
        ({"latency": -1}, "link latency: expected a duration that is not negative, got -1"),
        ({"latency": "80"}, "'80' has no unit of time"),
        ({"jitter": float("inf")}, "link jitter: expected a finite number of seconds"),
        ({"latency": None}, "got None"),
        ({"speed": 3}, "unknown impairment speed=3; expected one of "),
    ],
)
def test_values_that_make_no_sense_are_errors_that_name_them(sim, impairments, text):
    with pytest.raises(errors.UsageError) as caught:
        sim.link("a", "b", **impairments)
    assert text in str(caught.value)


@pytest.mark.parametrize("name", LINK_LATER)
def test_impairments_of_later_stages_are_refused_by_name(name):
    with pytest.raises(errors.Unsupported, match=f"link: {name}=0.5 is not simulated yet"):
        Link(**{name: 0.5})


def test_shares_and_durations_are_written_as_people_do():
    assert Link(loss="1%") == Link(loss=0.01)
    assert Link(latency="80ms", jitter="1ms") == Link(latency=0.08, jitter=0.001)
    assert hash(Link(loss="1%")) == hash(Link(loss=0.01))
    assert repr(Link(latency="80ms", loss="1%")) == "Link(latency=0.08, loss=0.01)"
    assert Link.from_dict(Link(latency="80ms", jitter="1ms", loss="1%").as_dict()) == Link(latency="80ms", jitter="1ms", loss="1%")
    with pytest.raises(errors.UsageError, match="unknown profile 'dialup'"):
        Simulation(link="dialup")
    with pytest.raises(errors.UsageError, match="expected a Link or a profile's name, got 3"):
        Simulation(link=3)


def test_what_is_sent_at_the_very_beginning_over_a_way_that_delays_nothing_takes_no_time(world):
    sim = world(link=Link(loss=1e-9))
    listener = listening(sim)
    client = sim.connect(("server", 80))
    server, _ = listener.accept()
    client.sendall(b"now")
    assert server.recv(9) == b"now"
    assert sim.now == 0


def test_that_nobody_has_a_datagram_s_port_is_heard_after_the_latency_of_both_directions(world):
    sim = world()
    sim.link("client", "server", both_ways=False, latency="30ms")
    sim.link("server", "client", both_ways=False, latency="50ms")
    sim.host("server")
    with sim.host("client"):
        sock = sim.network.socket.socket(type=2)
    sock.connect(("server", 80))
    sock.send(b"x")
    with pytest.raises(ConnectionRefusedError):
        sock.recv(1)
    assert sim.now == 0.08


def test_a_way_that_holds_more_packets_than_it_can_says_so(world, monkeypatch):
    monkeypatch.setattr("simsock.net.link.wire.HELD_PACKETS_MAX", 2)
    sim = world()
    with sim.host("server"):
        server = sim.network.socket.socket(type=2)
        server.bind(("0.0.0.0", 80))
    with sim.host("client"):
        client = sim.network.socket.socket(type=2)
    sim.hold("client", "server")
    for number in range(4):
        client.sendto(b"%d" % number, ("server", 80))
    sim.sleep("1ms")
    assert [record[1:] for record in sim.records if record[2] == "too many held"] == [("link client->server", "too many held", 2)] * 2
    sim.release("client", "server")
    sim.sleep("1ms")
    assert [server.recv(9), server.recv(9)] == [b"0", b"1"]
