"""Partitions, packets held back, rules: what a test can order, and what programs meet then."""

from __future__ import annotations

import errno

import pytest

import simsock
from simsock.errors import UsageError
from simsock.net.fabric import fabric_of


@pytest.fixture
def sim():
    with simsock.Simulation() as sim:
        yield sim


def inbox_and_sender(sim, server="server", client="client"):
    inbox, sender = sim.datagram(host=server), sim.datagram(host=client)
    inbox.setblocking(False)
    return inbox, sender


def drain(sim, inbox):
    """What has arrived by now."""
    sim.settle()
    got = []
    while True:
        try:
            got.append(inbox.recv(1000))
        except BlockingIOError:
            return got


def connection(sim, **hosts):
    """(client, server): the two ends of a stream, made without a server program."""
    network = sim.network.socket
    with sim.host("server") as server:
        listener = network.create_server((server.addresses[0], 80))
    with sim.host("client"):
        client = network.create_connection(("server", 80))
    with listener, sim.host("server"):
        return client, listener.accept()[0]


# -- partitions --------------------------------------------------------------------------------------------------------------------------


def test_datagrams_vanish_in_a_partition_and_arrive_again_after_it(sim):
    inbox, sender = inbox_and_sender(sim)
    sender.sendto(b"before", inbox.getsockname())
    sim.partition("client", "server")
    sender.sendto(b"during", inbox.getsockname())
    inbox.sendto(b"back", sender.getsockname())
    sim.heal("client", "server")
    sender.sendto(b"after", inbox.getsockname())
    assert drain(sim, inbox) == [b"before", b"after"]
    sender.setblocking(False)
    with pytest.raises(BlockingIOError):
        sender.recv(10)
    assert sim.now == 0, "perfect again"


def test_what_is_under_way_when_a_partition_begins_arrives(sim):
    sim.link("client", "server", latency="1s")
    inbox, sender = inbox_and_sender(sim)
    sender.sendto(b"x", inbox.getsockname())
    sim.partition("client", "server")
    assert drain(sim, inbox) == [b"x"]


def test_a_stream_over_a_perfect_link_stops_in_a_partition_and_goes_on_after_it(sim):
    client, server = connection(sim)
    client.sendall(b"one")
    assert server.recv(10) == b"one"
    sim.partition("client", "server")
    client.sendall(b"two")
    server.settimeout(3)
    with pytest.raises(TimeoutError):
        server.recv(10)
    sim.heal()
    server.settimeout(None)
    assert server.recv(10) == b"two"
    assert sim.now > 3
    client.close()
    assert server.recv(10) == b""
    server.close()


def test_one_way_cuts_what_one_side_sends_only(sim):
    one, other = sim.datagram(host="a"), sim.datagram(host="b")
    one.setblocking(False)
    other.setblocking(False)
    sim.partition("a", "b", one_way=True)
    one.sendto(b"lost", other.getsockname())
    other.sendto(b"there", one.getsockname())
    assert drain(sim, other) == [] and drain(sim, one) == [b"there"]


def test_connect_gives_up_with_etimedout_after_virtual_time(sim):
    sim.partition("client", "server")
    with sim.host("client"), pytest.raises(TimeoutError) as caught:
        sim.network.socket.create_connection((sim.host("server").addresses[0], 80))
    assert caught.value.errno == errno.ETIMEDOUT
    assert sim.now == 127, "1+2+4+8+16+32+64 seconds"


def test_a_stream_that_nobody_answers_is_given_up_after_linux_s_time(sim):
    client, server = connection(sim)
    sim.partition("client", "server")
    client.sendall(b"x")
    with pytest.raises(TimeoutError) as caught:
        client.recv(10)
    assert caught.value.errno == errno.ETIMEDOUT
    assert 900 < sim.now < 1100, "some 15 minutes"
    server.close()


def test_a_host_can_be_cut_off_from_all_others_also_from_those_that_come_later(sim):
    first, sender = inbox_and_sender(sim, server="first")
    sim.partition("client")
    later, _ = inbox_and_sender(sim, server="later")
    own = sim.datagram(host="client")
    own.setblocking(False)
    for target in (first, later, own):
        sender.sendto(b"x", target.getsockname())
    assert drain(sim, first) == drain(sim, later) == []
    assert drain(sim, own) == [b"x"], "never from itself"
    sim.heal("client", "later")
    for target in (first, later):
        sender.sendto(b"y", target.getsockname())
    assert drain(sim, first) == [] and drain(sim, later) == [b"y"]


def test_groups_are_cut_off_from_groups(sim):
    boxes = {name: inbox_and_sender(sim, server=name)[0] for name in "abcd"}
    sim.partition(["a", "b"], [sim.host("c"), "d"])
    for source in boxes.values():
        for target in boxes.values():
            source.sendto(b"x", target.getsockname())
    assert [len(drain(sim, box)) for box in boxes.values()] == [2, 2, 2, 2]
    sim.heal("a", "c")
    boxes["a"].sendto(b"y", boxes["c"].getsockname())
    boxes["b"].sendto(b"y", boxes["c"].getsockname())
    assert len(drain(sim, boxes["c"])) == 1


def test_a_partition_stands_in_the_records_and_changes_the_digest():
    def run(cut):
        with simsock.Simulation() as sim:
            sim.host("a"), sim.host("b")
            if cut:
                sim.partition("a", "b", one_way=True)
                sim.heal("a")
                sim.heal()
        return [record[2:] for record in sim.records if record[2] in ("partition", "heal")], sim.digest

    told, digest = run(True)
    assert told == [("partition", "a -> b"), ("heal", "a <-> all others"), ("heal", "everything")]
    assert digest != run(False)[1]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda sim: sim.partition("a", "a"), "partition: a host cannot be cut off from itself"),
        (lambda sim: sim.heal(None, "a"), "heal: expected hosts before 'a'"),
        (lambda sim: sim.rule(3), "rule: expected a function that takes a packet, got 3"),
    ],
)
def test_orders_that_make_no_sense_are_errors(sim, call, text):
    with pytest.raises(UsageError) as caught:
        call(sim)
    assert text in str(caught.value)


# -- hold and release --------------------------------------------------------------------------------------------------------------------


def test_what_is_held_stays_under_way_until_it_is_released_in_order(sim):
    sim.link("client", "server", latency="10ms")
    inbox, sender = inbox_and_sender(sim)
    sender.sendto(b"under way", inbox.getsockname())
    sim.hold("client", "server")
    sim.sleep(0.005)
    sender.sendto(b"held", inbox.getsockname())
    sim.sleep(5)
    assert drain(sim, inbox) == []
    sim.release("client", "server")
    assert drain(sim, inbox) == [b"under way", b"held"]
    assert sim.now == 5.005
    sender.sendto(b"later", inbox.getsockname())
    sim.sleep(0.01)
    assert drain(sim, inbox) == [b"later"]


def test_a_held_stream_over_a_perfect_link_arrives_whole_and_once(sim):
    client, server = connection(sim)
    sim.hold("client", "server", one_way=True)
    client.sendall(b"a" * 5_000)
    server.settimeout(0.1)
    with pytest.raises(TimeoutError):
        server.recv(10)
    sim.release()
    got = b""
    while len(got) < 5_000:
        got += server.recv(10_000)
    assert got == b"a" * 5_000
    client.close()
    assert server.recv(10) == b""
    server.close()


def test_settle_does_not_wait_for_what_is_held(sim):
    inbox, sender = inbox_and_sender(sim)
    sim.hold("client")
    sender.sendto(b"x", inbox.getsockname())
    sim.settle()
    assert sim.now == 0 and drain(sim, inbox) == []
    sim.release("client")
    assert drain(sim, inbox) == [b"x"]


# -- rules -------------------------------------------------------------------------------------------------------------------------------


def test_a_rule_passes_drops_and_delays_and_holds_for_its_block(sim):
    inbox, sender = inbox_and_sender(sim)

    def rule(packet):
        return {b"drop": simsock.Drop, b"late": simsock.Deliver("30ms"), b"pass": simsock.Pass}.get(packet.data)

    with sim.rule(rule):
        for data in (b"drop", b"late", b"pass", b"else"):
            sender.sendto(data, inbox.getsockname())
        assert drain(sim, inbox) == [b"pass", b"else", b"late"]
        assert sim.now == 0.03
    sender.sendto(b"drop", inbox.getsockname())
    assert drain(sim, inbox) == [b"drop"]
    told = [record[1:5] for record in sim.records if record[1] == "link client->server"]
    assert told == [("link client->server", "rule", "Drop", "udp"), ("link client->server", "rule", "Deliver('30ms')", "udp")]


def test_a_rule_sees_what_a_packet_is(sim):
    seen = []
    sim.rule(seen.append)
    inbox, sender = inbox_and_sender(sim)
    sender.sendto(b"hello", inbox.getsockname())
    assert seen == [
        simsock.Packet("client", "server", "udp", 33, b"hello", sender.getsockname(), inbox.getsockname(), ""),
    ]
    seen.clear()
    client, server = connection(sim)
    client.sendall(b"bytes")
    server.recv(10)
    sim.settle()
    segments = [packet for packet in seen if packet.protocol == "tcp"]
    assert [(packet.source, packet.flags) for packet in segments[:3]] == [("client", "SYN"), ("server", "SYN ACK"), ("client", "ACK")]
    assert all(packet.source_address == client.getsockname() for packet in segments if packet.source == "client")
    assert all(packet.source_address == server.getsockname() for packet in segments if packet.source == "server")
    assert [(packet.data, packet.size) for packet in segments if packet.data] == [(b"bytes", 45)]
    client.close()
    server.close()


def test_a_rule_can_lose_the_first_syn(sim):
    lost = []

    def rule(packet):
        if packet.flags == "SYN" and not lost:
            lost.append(packet)
            return simsock.Drop
        return simsock.Pass

    with sim.rule(rule):
        client, server = connection(sim)
    assert sim.now == 1
    client.close()
    server.close()


def test_the_first_rule_that_does_not_pass_decides_and_each_may_be_removed(sim):
    inbox, sender = inbox_and_sender(sim)
    passes = sim.rule(lambda packet: simsock.Pass)
    drops = sim.rule(lambda packet: simsock.Drop)
    late = sim.rule(lambda packet: simsock.Deliver("1s"))
    sender.sendto(b"one", inbox.getsockname())
    drops.remove()
    sender.sendto(b"two", inbox.getsockname())
    assert drain(sim, inbox) == [b"two"] and sim.now == 1
    late.remove()
    passes.remove()
    sender.sendto(b"three", inbox.getsockname())
    assert drain(sim, inbox) == [b"three"] and sim.now == 1


@pytest.mark.parametrize(("rule", "text"), [(lambda packet: 1 / 0, "division by zero"), (lambda packet: "drop", "expected Pass, Drop or Deliver")])
def test_a_rule_that_fails_fails_the_test_and_its_packet_passes(rule, text):
    with pytest.raises((ZeroDivisionError, UsageError), match=text), simsock.Simulation() as sim:
        inbox, sender = inbox_and_sender(sim)
        with sim.rule(rule):
            sender.sendto(b"x", inbox.getsockname())
            assert drain(sim, inbox) == [b"x"]


def test_a_rule_comes_before_the_links_condition(sim):
    sim.link("client", "server", loss=1, latency="1s")
    inbox, sender = inbox_and_sender(sim)
    with sim.rule(lambda packet: simsock.Deliver("2ms")):
        sender.sendto(b"x", inbox.getsockname())
        assert drain(sim, inbox) == [b"x"]
    assert sim.now == 0.002


def test_segments_are_cut_to_the_mtu(sim):
    sim.link("client", "server", mtu=576)
    client, server = connection(sim)
    sizes = []
    sim.rule(lambda packet: sizes.append(packet.size) if packet.data else None)
    client.sendall(bytes(2_000))
    got = 0
    while got < 2_000:
        got += len(server.recv(10_000))
    assert sizes == [576, 576, 576, 2_000 - 3 * 536 + 40]
    client.close()
    server.close()


def test_the_same_seed_gives_the_same_run_with_faults():
    def digest():
        with simsock.Simulation(seed=9, link="flaky-wifi") as sim:
            client, server = connection(sim)
            sim.partition("client", "server")
            client.sendall(b"x" * 3_000)
            sim.sleep(2)
            sim.heal()
            got = 0
            while got < 3_000:
                got += len(server.recv(10_000))
            client.close()
            server.close()
        return sim.digest

    assert digest() == digest()


def test_the_story_of_a_failing_run_tells_the_faults_beside_what_the_tasks_did():
    def needs_an_answer(sim):
        inbox, sender = inbox_and_sender(sim)
        sim.partition("client", "server")
        sender.sendto(b"x", inbox.getsockname())
        sim.host("server").pause()
        sim.host("server").jump(5)
        sim.resolver("server", fail="unknown")
        assert drain(sim, inbox) == [b"x"]

    verdict = simsock.explore(needs_an_answer, schedules=3)
    assert verdict.failed
    told = "\n".join(verdict.story.columns)
    for words in ("(partition client <-> server)", "(pause server)", "(jump server +5 s)", "(resolver server: fails (unknown))"):
        assert words in told, told


def test_a_perfect_link_is_perfect_again_when_all_faults_are_over(sim):
    net = fabric_of(sim._kernel)
    wire = net.wire(net.host("client"), net.host("server"))
    for begin, end in ((sim.partition, sim.heal), (sim.hold, sim.release)):
        assert wire.perfect
        begin("client", "server")
        assert not wire.perfect
        end()
    with sim.rule(lambda packet: None):
        assert not wire.perfect
    sim.host("server").crash()
    assert not wire.perfect
    sim.host("server").restart()
    assert wire.perfect


def test_a_refusal_over_a_configured_loopback_sets_out_from_the_closed_port(sim):
    sim.link("client", "client", latency="1ms")
    seen = []
    sim.rule(lambda packet: seen.append((packet.flags, packet.source_address[1], packet.destination_address[1])))
    with sim.host("client") as host, pytest.raises(ConnectionRefusedError):
        sim.network.socket.create_connection((host.addresses[0], 81))
    (syn, port, closed), refusal = seen
    assert (syn, closed) == ("SYN", 81) and refusal == ("RST ACK", 81, port)
