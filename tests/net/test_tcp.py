"""What a program meets on a link that loses, delays and damages: retransmissions, windows, silence, and ways to end."""

from __future__ import annotations

import errno
import struct

import pytest

from simsock.errors import Deadlock
from simsock.net.fabric import fabric_of
from simsock.net.link.wire import Wire
from simsock.net.tcp.states import ENDED, ESTABLISHED
from simsock.world.simulation import Simulation

MS = 1_000_000
SEGMENT = 1460


@pytest.fixture
def sim():
    with Simulation(records=100_000) as sim:
        yield sim


def listening(sim, **options):
    with sim.host("server") as host:
        return sim.network.socket.create_server((host.addresses[0], 80), **options)


def fresh(sim):
    with sim.host("client"):
        return sim.network.socket.socket()


def connected(sim):
    with listening(sim) as listener:
        client = fresh(sim)
        client.connect(("server", 80))
        return client, listener.accept()[0]


def end_of(sim, sock):
    """What the kernel has behind a socket."""
    return sim._kernel.files[sock.fileno()]


def buffers(sim, sock, size):
    module = sim.network.socket
    sock.setsockopt(module.SOL_SOCKET, module.SO_RCVBUF, size)
    sock.setsockopt(module.SOL_SOCKET, module.SO_SNDBUF, size)


def silence(sim, *ways):
    for way in ways or ("client server", "server client"):
        sim.link(*way.split(), both_ways=False, loss=1)


def told(sim, what):
    return [record[0] for record in sim.records if record[2] == what]


def gather(sock):
    data = bytearray()
    while part := sock.recv(1 << 20):
        data += part
    return bytes(data)


@pytest.fixture
def lose(monkeypatch):
    """``lose("client->server", 3, 4)``: these packets of a wire, counted from here, are lost; it returns the list of sizes of all that set out."""
    plans = {}
    seen = {}
    lost = Wire.lost

    def decide(self, size=40):
        sizes = seen.setdefault(self.name, [])
        sizes.append(size)
        return len(sizes) in plans.get(self.name, ()) or lost(self, size)

    monkeypatch.setattr(Wire, "lost", decide)

    def plan(name, *numbers):
        plans[name] = numbers
        seen[name] = []
        return seen[name]

    return plan


# -- losses --------------------------------------------------------------------------------------------------------------------------


def test_one_lost_segment_among_many_is_repaired_in_one_round_trip_without_the_timer(sim, lose):
    sim.link("client", "server", latency="50ms")
    client, server = connected(sim)
    reading = sim.spawn(gather, server)
    began = sim.now_ns
    lose("client->server", 3)
    client.sendall(bytes(range(10)) * SEGMENT)
    client.close()
    assert reading.result() == bytes(range(10)) * SEGMENT
    assert (sim.now_ns - began) / MS == 50 + 100
    assert told(sim, "retransmission timeout") == [] and told(sim, "fast retransmit") == [began + 100 * MS]


def test_several_lost_segments_of_one_window_are_repaired_without_the_timer(sim, lose):
    sim.link("client", "server", latency="50ms")
    client, server = connected(sim)
    reading = sim.spawn(gather, server)
    lose("client->server", 2, 4)
    client.sendall(bytes(10 * SEGMENT))
    client.close()
    assert reading.result() == bytes(10 * SEGMENT)
    assert told(sim, "retransmission timeout") == [] and len(told(sim, "fast retransmit")) == 1


def test_a_loss_near_the_end_waits_for_the_timer(sim, lose):
    sim.link("client", "server", latency="50ms")
    client, server = connected(sim)
    began = sim.now_ns
    lose("client->server", 3)
    client.sendall(bytes(4 * SEGMENT))
    count = 0
    while count < 4 * SEGMENT:
        count += len(server.recv(1 << 20))
    # Two segments are acknowledged after 100 ms; the timer runs anew from then, for the round trip and 200 ms.
    assert (sim.now_ns - began) / MS == 100 + 300 + 50
    assert len(told(sim, "retransmission timeout")) == 1


def test_a_lost_acknowledgement_is_made_good_by_the_next(sim, lose):
    sim.link("client", "server", latency="50ms")
    client, server = connected(sim)
    sizes = lose("server->client", 1, 2, 3)
    data = lose("client->server")
    client.sendall(bytes(5 * SEGMENT))
    sim.settle()
    assert len(sizes) == 5 and len(data) == 5
    assert told(sim, "retransmission timeout") == []
    assert len(server.recv(1 << 20)) == 5 * SEGMENT


def test_a_last_acknowledgement_that_is_lost_costs_a_segment_sent_twice_and_read_once(sim, lose):
    client, server = connected(sim)
    sim.link("client", "server", latency="50ms")
    lose("server->client", 1)
    data = lose("client->server")
    client.sendall(b"once")
    sim.settle()
    assert data == [44, 44]
    assert server.recv(100) == b"once"
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(100)


@pytest.mark.parametrize("seed", range(3))
def test_reordered_segments_arrive_in_order(seed):
    with Simulation(seed=seed) as sim:
        sim.link("client", "server", latency="50ms", reorder="20%")
        client, server = connected(sim)
        reading = sim.spawn(gather, server)
        data = b"".join(number.to_bytes(2, "big") for number in range(30_000))
        client.sendall(data)
        client.close()
        assert reading.result() == data


def test_silence_for_longer_than_a_timeout_begins_with_a_small_window_again(sim, lose):
    sim.link("client", "server", latency="50ms")
    client, server = connected(sim)
    for sock in (client, server):
        buffers(sim, sock, 1 << 20)
    reading = sim.spawn(gather, server)
    client.sendall(bytes(200 * SEGMENT))
    sim.settle()
    sim.sleep("1s")
    sizes = lose("client->server")
    client.setblocking(False)
    client.send(bytes(100 * SEGMENT))
    assert len(sizes) == 10
    client.close()
    assert len(reading.result()) == 300 * SEGMENT


def test_a_way_that_becomes_long_is_measured_anew_although_all_is_sent_twice_at_first(sim):
    client, server = connected(sim)  # over a perfect link, so the first timeout is 200 ms
    sim.link("client", "server", latency="400ms")
    for number in range(30):
        client.sendall(bytes([number]))
        sim.sleep("2s")
    assert len(told(sim, "retransmission timeout")) <= 4
    assert server.recv(100) == bytes(range(30))


# -- outages -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ways", [("client server",), ("server client",), ("client server", "server client")])
def test_what_was_sent_into_an_outage_arrives_after_it(sim, ways):
    sim.link("client", "server", latency="10ms")
    client, server = connected(sim)
    silence(sim, *ways)
    data = bytes(range(256)) * 1000
    sending = sim.spawn(lambda: (client.sendall(data), client.close()))
    sim.sleep("20s")
    sim.link("client", "server", latency="10ms")
    assert gather(server) == data
    sending.result()
    # 0.22 s, doubled seven times, is 28.06 s: the first try after the outage.
    assert sim.now == pytest.approx(28.1, abs=1)


def test_after_an_outage_on_a_perfect_link_the_machine_is_put_away(sim):
    client, server = connected(sim)
    silence(sim)
    client.sendall(b"one")
    sim.spawn(lambda: (sim.sleep("10s"), sim.link("client", "server")))
    assert server.recv(10) == b"one"
    sim.settle()
    client.sendall(b"two")
    assert server.recv(10) == b"two"
    end = end_of(sim, client)
    assert end.sender is None and end.uncounted and end_of(sim, server).peer_receiver is None
    assert len(sim._kernel.timers) == 0


def test_a_window_that_opens_during_an_outage_is_learned_of_by_a_probe(sim):
    client, server = connected(sim)
    client.setblocking(False)
    sent = 0
    try:
        while True:
            sent += client.send(bytes(10_000))
    except BlockingIOError:
        pass
    silence(sim, "server client")
    assert len(server.recv(1 << 20)) == 131_072
    sim.sleep("5s")
    sim.link("client", "server")
    count = 131_072
    while count < sent:
        count += len(server.recv(1 << 20))
    assert sim.now == pytest.approx(6.2)  # probes after 0.2, 0.6, 1.4, 3, 6.2 s


def test_a_reader_that_never_reads_is_a_deadlock_and_not_probed_for_ever(sim):
    sim.link("client", "server", latency="10ms")
    client, server = connected(sim)
    with pytest.raises(Deadlock):
        client.sendall(bytes(1_000_000))
    assert sim.now < 10
    assert server.fileno() >= 0


def test_a_peer_that_does_not_answer_probes_is_given_up(sim):
    client, server = connected(sim)
    client.setblocking(False)
    while True:
        try:
            client.send(bytes(10_000))
        except BlockingIOError:
            break
    client.setblocking(True)
    silence(sim)
    server.recv(10_000)
    with pytest.raises(TimeoutError):
        client.sendall(bytes(1_000_000))
    assert 924.6 <= sim.now <= 924.6 + 240


@pytest.mark.parametrize("seconds", [1, 30, 2000])
def test_a_user_timeout_is_when_data_without_acknowledgement_is_given_up(sim, seconds):
    client, server = connected(sim)
    client.setsockopt(sim.network.socket.IPPROTO_TCP, sim.network.socket.TCP_USER_TIMEOUT, seconds * 1000)
    silence(sim)
    client.sendall(b"x")
    with pytest.raises(TimeoutError, match="timed out"):
        client.recv(1)
    assert sim.now == seconds
    assert server.fileno() >= 0


def test_a_user_timeout_and_a_count_of_syns_end_an_attempt_to_connect(sim):
    with listening(sim):
        silence(sim)
        for option, value, seconds in (("TCP_USER_TIMEOUT", 5000, 5), ("TCP_SYNCNT", 2, 7)):
            began, sock = sim.now, fresh(sim)
            sock.setsockopt(sim.network.socket.IPPROTO_TCP, getattr(sim.network.socket, option), value)
            with pytest.raises(TimeoutError):
                sock.connect(("server", 80))
            assert sim.now - began == seconds
            sock.close()


# -- keepalive -----------------------------------------------------------------------------------------------------------------------


def keep_alive(sim, sock, idle=10, interval=2, count=3):
    module = sim.network.socket
    sock.setsockopt(module.SOL_SOCKET, module.SO_KEEPALIVE, 1)
    sock.setsockopt(module.IPPROTO_TCP, module.TCP_KEEPIDLE, idle)
    sock.setsockopt(module.IPPROTO_TCP, module.TCP_KEEPINTVL, interval)
    sock.setsockopt(module.IPPROTO_TCP, module.TCP_KEEPCNT, count)


@pytest.mark.parametrize("latency", [0, "20ms"])
def test_keepalive_finds_a_peer_that_fell_silent(sim, latency):
    sim.link("client", "server", latency=latency)
    client, server = connected(sim)
    keep_alive(sim, client)
    sim.sleep(4)
    server.sendall(b"x")
    client.recv(1)
    heard = sim.now
    silence(sim)
    with pytest.raises(TimeoutError, match="timed out"):
        client.recv(1)
    assert sim.now - heard == pytest.approx(10 + 3 * 2)


def test_keepalive_does_not_disturb_who_is_there(sim):
    sim.link("client", "server", latency="20ms")
    client, server = connected(sim)
    keep_alive(sim, client)
    sim.spawn(lambda: (sim.sleep(1000), server.sendall(b"late")))
    assert client.recv(10) == b"late"
    assert sim.now > 1000


def test_keepalive_and_a_user_timeout(sim):
    client, server = connected(sim)
    keep_alive(sim, client, count=100)
    client.setsockopt(sim.network.socket.IPPROTO_TCP, sim.network.socket.TCP_USER_TIMEOUT, 15_000)
    silence(sim)
    with pytest.raises(TimeoutError):
        client.recv(1)
    assert sim.now == 16  # the first probe's time after 15 s
    assert server.fileno() >= 0


@pytest.mark.parametrize("latency", [0, "20ms"])
def test_a_deadlock_is_one_although_keepalive_is_on(sim, latency):
    sim.link("client", "server", latency=latency)
    client, server = connected(sim)
    for sock in (client, server):
        keep_alive(sim, sock)
    with pytest.raises(Deadlock):
        client.recv(1)
    assert sim.now < 60


def test_keepalive_leaves_data_without_acknowledgement_to_its_own_timer(sim):
    client, server = connected(sim)
    keep_alive(sim, client)
    silence(sim)
    client.sendall(b"x")
    with pytest.raises(TimeoutError):
        client.recv(1)
    assert sim.now == 924.6
    assert server.fileno() >= 0


def test_keepalive_of_a_listener_is_its_childrens(sim):
    with listening(sim) as listener:
        keep_alive(sim, listener)
        client = fresh(sim)
        client.connect(("server", 80))
        server, _ = listener.accept()
    silence(sim)
    with pytest.raises(TimeoutError):
        server.recv(1)
    assert sim.now == 16
    client.close()


def test_keepalive_can_be_switched_off_again(sim):
    client, server = connected(sim)
    keep_alive(sim, client)
    client.setsockopt(sim.network.socket.SOL_SOCKET, sim.network.socket.SO_KEEPALIVE, 0)
    silence(sim)
    with pytest.raises(Deadlock):
        client.recv(1)
    assert sim.now == 0 and server.fileno() >= 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("TCP_KEEPIDLE", 0), ("TCP_KEEPIDLE", 32_768), ("TCP_KEEPINTVL", 0), ("TCP_KEEPCNT", 128), ("TCP_SYNCNT", 0), ("TCP_USER_TIMEOUT", -1)],
)
def test_values_out_of_bounds_are_refused_as_on_linux(net, option, value):
    sock = net.tcp()
    with pytest.raises(OSError, match="Invalid argument") as caught:
        sock.setsockopt(net.socket.IPPROTO_TCP, getattr(net.socket, option), value)
    assert caught.value.errno == errno.EINVAL


# -- the end -------------------------------------------------------------------------------------------------------------------------


def linger(sim, sock, seconds):
    sock.setsockopt(sim.network.socket.SOL_SOCKET, sim.network.socket.SO_LINGER, struct.pack("ii", 1, seconds))


def test_close_lingers_until_everything_is_acknowledged(sim):
    sim.link("client", "server", latency="50ms")
    client, server = connected(sim)
    linger(sim, client, 5)
    began = sim.now_ns
    client.sendall(b"x" * 100)
    client.close()
    assert (sim.now_ns - began) / MS == 100
    assert gather(server) == b"x" * 100


def test_close_lingers_for_its_time_and_no_longer(sim):
    client, server = connected(sim)
    silence(sim)
    linger(sim, client, 5)
    client.sendall(b"x")
    client.close()
    assert round(sim.now, 4) == 5
    sim.link("client", "server")
    assert gather(server) == b"x"  # it went on in the background


def test_close_with_linger_waits_for_a_reader_on_a_perfect_link_too(sim):
    client, server = connected(sim)
    linger(sim, client, 100)
    client.setblocking(False)
    client.send(bytes(1 << 20))
    client.send(bytes(1 << 20))
    reading = sim.spawn(lambda: (sim.sleep(3), len(gather(server))))
    client.close()
    assert sim.now == 3
    assert reading.result()[1] == 2 * 131_072


def test_a_fin_is_sent_again_until_it_is_acknowledged(sim):
    sim.link("client", "server", latency="10ms")
    client, server = connected(sim)
    silence(sim, "client server")
    client.close()
    sim.spawn(lambda: (sim.sleep(1), sim.link("client", "server", latency="10ms")))
    assert server.recv(1) == b""
    assert len(told(sim, "retransmission timeout")) == 3
    server.close()
    sim.settle()
    assert fabric_of(sim._kernel).host("client").tcp._bound == {} == fabric_of(sim._kernel).host("server").tcp._held


def test_a_last_acknowledgement_of_the_end_that_is_lost_is_repeated_and_no_reset(sim, lose):
    sim.link("client", "server", latency="10ms")
    client, server = connected(sim)
    client.close()
    assert server.recv(1) == b""
    lose("client->server", 1)
    server.shutdown(sim.network.socket.SHUT_WR)
    end = end_of(sim, server)
    sim.settle()
    assert end.state is ENDED and end.error == 0
    assert told(sim, "RST") == []


def test_both_ends_close_at_once(sim):
    sim.link("client", "server", latency="10ms")
    client, server = connected(sim)
    client.shutdown(sim.network.socket.SHUT_WR)
    server.shutdown(sim.network.socket.SHUT_WR)
    assert client.recv(1) == b"" == server.recv(1)
    sim.settle()
    assert end_of(sim, client).state is end_of(sim, server).state is ENDED
    assert told(sim, "retransmission timeout") == []


def test_what_nobody_has_any_more_is_given_up_earlier(sim):
    client, server = connected(sim)
    silence(sim)
    client.sendall(b"x")
    client.close()
    bound = fabric_of(sim._kernel).host("client").tcp._bound
    sim.sleep(102)
    assert bound
    sim.sleep(0.3)  # 102.2 s: tcp_orphan_retries of 8 (ip-sysctl.rst)
    assert bound == {}
    assert server.fileno() >= 0


def test_who_closes_first_keeps_its_port_over_a_long_way_too(sim):
    sim.link("client", "server", latency="20ms")
    client, server = connected(sim)
    server.close()
    assert client.recv(1) == b""
    client.close()
    sim.settle()
    with sim.host("server") as host:
        sock = sim.network.socket.socket()
        with pytest.raises(OSError, match="Address already in use"):
            sock.bind((host.addresses[0], 80))
        sim.sleep(60)
        sock.bind((host.addresses[0], 80))
    sock.close()


# -- crashes and meddling links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [0, "20ms"])
def test_a_host_that_crashed_is_silent_and_answers_with_a_reset_when_it_is_up_again(sim, latency):
    sim.link("client", "server", latency=latency)
    client, server = connected(sim)
    host = fabric_of(sim._kernel).host("server")
    host.down = True
    end_of(sim, server).vanish()
    client.sendall(b"anybody?")
    sim.sleep(10)
    assert end_of(sim, client).state is ESTABLISHED
    host.down = False
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert 10 < sim.now < 30
    assert len(told(sim, "retransmission timeout")) >= 5


@pytest.mark.parametrize("latency", [0, "20ms"])
def test_a_crash_that_nobody_noticed_is_found_by_keepalive(sim, latency):
    sim.link("client", "server", latency=latency)
    client, server = connected(sim)
    keep_alive(sim, client)
    end_of(sim, server).vanish()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert sim.now == pytest.approx(10, abs=0.2)


def test_a_host_that_is_down_answers_no_syn_and_its_queue_is_gone(sim):
    listener = listening(sim)
    client = fresh(sim)
    client.connect(("server", 80))
    host = fabric_of(sim._kernel).host("server")
    host.down = True
    end_of(sim, listener).vanish()
    other = fresh(sim)
    other.settimeout(10)
    with pytest.raises(TimeoutError):
        other.connect(("server", 80))
    host.down = False
    with pytest.raises(ConnectionResetError):
        client.sendall(b"x")
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        fresh(sim).connect(("server", 80))


@pytest.mark.parametrize("latency", [0, "20ms"])
def test_a_link_that_hangs_up_is_an_end_and_then_a_reset(sim, latency):
    sim.link("client", "server", latency=latency)
    client, server = connected(sim)
    for sock in (client, server):
        end_of(sim, sock).hang_up()
    assert client.recv(1) == b"" == server.recv(1)
    client.sendall(b"x")
    sim.settle()
    with pytest.raises(BrokenPipeError):
        client.sendall(b"x")


def test_a_link_that_resets_ends_both_ends_at_once(sim):
    sim.link("client", "server", latency="20ms")
    client, server = connected(sim)
    client.sendall(b"x")
    for sock in (client, server):
        end_of(sim, sock).reset()
    for sock in (client, server):
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    sim.settle()
    assert sim._kernel.in_flight == 0


# -- the accept queue ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "accepted"), [(b"patience", 0.35), (b"", 1.3)])
def test_a_queue_that_fills_up_during_the_handshake_delays_who_finds_no_room(sim, data, accepted):
    sim.link("client", "server", latency="100ms")
    listener = listening(sim, backlog=0)  # one waits
    clients = [fresh(sim) for _ in range(2)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex(("server", 80))
    sim.sleep("250ms")
    assert [client.connect_ex(("server", 80)) for client in clients] == [0, 0]
    clients[1].send(data)
    server, _ = listener.accept()
    assert sim.now == pytest.approx(0.3)
    second, _ = listener.accept()
    assert sim.now == pytest.approx(accepted)  # with the next data, or when the SYN-ACK is sent again after a second
    assert second.getpeername() == clients[1].getsockname()
    assert len(told(sim, "backlog full")) == 1
    server.close()


def test_a_connection_that_never_finds_room_is_forgotten_by_the_server(sim):
    sim.link("client", "server", latency="100ms")
    listener = listening(sim, backlog=0)
    clients = [fresh(sim) for _ in range(2)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex(("server", 80))
    sim.sleep("70s")
    assert len(told(sim, "backlog full")) == 6  # Linux's tcp_synack_retries of 5
    clients[1].setblocking(True)
    clients[1].sendall(b"x")
    with pytest.raises(ConnectionResetError):
        clients[1].recv(1)
    listener.close()


def test_data_completes_a_handshake_whose_last_acknowledgement_was_lost(sim, lose):
    sim.link("client", "server", latency="10ms")
    listener = listening(sim)
    lose("client->server", 2)
    client = fresh(sim)
    client.connect(("server", 80))
    client.sendall(b"x")
    server, _ = listener.accept()
    assert sim.now_ns == 30 * MS
    assert server.recv(1) == b"x"
