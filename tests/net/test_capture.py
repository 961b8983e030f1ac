"""``sim.capture(path)``: what is in the file, as two independent libraries read it (python-pcapng the blocks, dpkt the packets)."""

from __future__ import annotations

from typing import NamedTuple

import dpkt
import pytest
from pcapng import FileScanner
from pcapng.blocks import EnhancedPacket

from simsock import Drop, Link, Pass, Simulation, UsageError
from simsock.net.fabric import fabric_of
from simsock.world.capturing.recorder import Captures

pytestmark = pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")  # python-pcapng's, of its own tables

SLOW = Link(latency="10ms")
LOSSY = Link(latency="10ms", jitter="2ms", loss="8%")
EPOCH_NS = 1_767_225_600_000_000_000
"""2026-01-01, where a world's clock starts."""
MS = 1_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


class Seen(NamedTuple):
    """A packet in a file."""

    host: str
    ns: int
    outgoing: bool
    comment: str
    raw: bytes
    ip: dpkt.ip.IP | dpkt.ip6.IP6

    @property
    def l4(self):
        return self.ip.data

    @property
    def flags(self):
        return self.ip.data.flags


def read(path):
    """The packets of a file, in order."""
    seen = []
    with open(path, "rb") as file:
        for block in FileScanner(file):
            if isinstance(block, EnhancedPacket):
                assert block.interface.link_type == 101  # LINKTYPE_RAW
                assert block.timestamp_resolution == 1e-9
                raw = bytes(block.packet_data)
                assert len(raw) == block.captured_len == block.packet_len
                ip = dpkt.ip.IP(raw) if raw[0] >> 4 == 4 else dpkt.ip6.IP6(raw)
                outgoing = {"inbound": False, "outbound": True}[block.options["epb_flags"].inout]
                ns = (block.timestamp_high << 32 | block.timestamp_low) - EPOCH_NS
                seen.append(Seen(block.interface.options["if_name"], ns, outgoing, block.options.get("opt_comment", ""), raw, ip))
    return seen


def assert_checksums(seen):
    """dpkt fills in what is 0: the same bytes come out."""
    for one in seen:
        again = type(one.ip)(one.raw)
        assert again.data.sum != 0
        again.data.sum = 0
        if isinstance(again, dpkt.ip.IP):
            assert again.sum != 0
            again.sum = 0
        assert bytes(again) == one.raw


def reassembled(seen, port):
    """The bytes that arrived for a port, put together by their sequence numbers; nothing may be missing or differ."""
    stream: dict[int, int] = {}
    for one in seen:
        for place, byte in enumerate(one.l4.data, one.l4.seq):
            assert stream.setdefault(place, byte) == byte
    assert sorted(stream) == list(range(1, len(stream) + 1)), f"holes in what arrived at port {port}"
    return bytes(stream[place] for place in sorted(stream))


def listening(sim, ip="10.0.0.2", port=80, family=2):
    with sim.host("server"):
        return sim.network.socket.create_server((ip, port), family=family)


def exchange(sim, request, reply):
    """One connection, request and reply and the end of both."""
    listener = listening(sim)

    def serve():
        sock, _ = listener.accept()
        with sock:
            got = b""
            while data := sock.recv(65_536):
                got += data
            assert got == request
            sock.sendall(reply)

    task = sim.spawn(serve, host="server")
    with sim.connect(("10.0.0.2", 80)) as client:
        client.sendall(request)
        client.shutdown(1)
        got = b""
        while data := client.recv(65_536):
            got += data
        assert got == reply
    task.result()
    listener.close()
    sim.sleep(5)


LINKS = pytest.mark.parametrize("link", ["perfect", SLOW, LOSSY, SLOW.but(mtu=576, jitter="9ms")], ids=["perfect", "slow", "lossy", "short and jittery"])
REQUEST, REPLY = bytes(range(256)) * 150, bytes(reversed(range(256))) * 40


@LINKS
def test_a_connection_is_all_there_from_the_handshake_to_the_last_acknowledgement(tmp_path, link):
    with Simulation(seed=2, link=link) as sim:
        sim.capture(tmp_path / "all.pcapng")
        exchange(sim, REQUEST, REPLY)
    seen = read(tmp_path / "all.pcapng")
    assert_checksums(seen)
    assert [one.ns for one in seen] == sorted(one.ns for one in seen)
    assert {one.host for one in seen} == {"client", "server"}
    assert {one.flags for one in seen if one.l4.data} == {ACK | PSH}
    for host, own, other in (("client", "out", "in"), ("server", "in", "out")):
        mine = [one for one in seen if one.host == host]
        # the SYN may have been lost, and is then sent again; the handshake is the first time that each of the three is there
        first = {flags: next(one for one in mine if one.flags == flags and not one.l4.data) for flags in (SYN, SYN | ACK, ACK)}
        syn, answer, ack = first.values()
        assert syn.ns <= answer.ns <= ack.ns
        assert (syn.l4.seq, answer.l4.seq, answer.l4.ack, ack.l4.seq, ack.l4.ack) == (0, 0, 1, 1, 1)
        assert (syn.outgoing, answer.outgoing) == ((True, False) if host == "client" else (False, True)), (own, other)
        options = dict(dpkt.tcp.parse_opts(syn.l4.opts))
        assert int.from_bytes(options[2], "big") == (536 if "mtu" in str(link) else 1460)
        assert options[3] == b"\x03"
        fins = [one for one in mine if one.flags & FIN]
        assert {one.outgoing for one in fins} == {True, False}
        lasts = {one.outgoing: one.l4.seq + 1 for one in fins}
        for outgoing in (True, False):
            assert max(one.l4.ack for one in mine if one.outgoing is not outgoing) == lasts[outgoing]  # acknowledged with its FIN
    assert reassembled([one for one in seen if one.host == "server" and not one.outgoing], 80) == REQUEST
    assert reassembled([one for one in seen if one.host == "client" and not one.outgoing], 0) == REPLY
    assert max(len(one.l4.data) for one in seen) == (536 if "mtu" in str(link) else 1460)
    assert not [one for one in seen if one.flags & RST]


@pytest.mark.once
@LINKS
def test_nobody_sends_beyond_the_window_nor_acknowledges_what_has_not_come(tmp_path, link):
    with Simulation(seed=2, link=link) as sim:
        sim.capture(tmp_path / "all.pcapng")
        listener = listening(sim)
        client = sim.connect(("10.0.0.2", 80))
        server, _ = listener.accept()
        task = sim.spawn(client.sendall, b"w" * 400_000)
        sim.sleep(3)  # the window closes
        left = 400_000
        while left:
            left -= len(server.recv(left))
        task.result()
        client.close(), server.close(), listener.close()
    for host in ("client", "server"):
        edge = {True: 0, False: 0}
        got = {True: 0, False: 0}
        closed = 0
        for one in read(tmp_path / "all.pcapng"):
            if one.host != host:
                continue
            tcp = one.l4
            window = tcp.win if tcp.flags & SYN else tcp.win << 3
            end = tcp.seq + len(tcp.data) + bool(tcp.flags & (SYN | FIN))
            if not one.comment and tcp.data:
                assert end <= edge[one.outgoing], "more than there was room for"
            got[one.outgoing] = max(got[one.outgoing], end)
            assert tcp.ack <= got[not one.outgoing]
            edge[not one.outgoing] = max(edge[not one.outgoing], tcp.ack + window)
            closed += window == 0
        assert closed >= 1, "the window was closed"


def test_what_is_lost_is_seen_where_it_left_and_again_after_the_timeout(tmp_path):
    dropped = []

    def lose_the_first(packet):
        if packet.data and not dropped:
            dropped.append(packet)
            return Drop
        return Pass

    with Simulation(link=SLOW) as sim:
        sim.capture(tmp_path / "all.pcapng")
        listener = listening(sim)
        client = sim.connect(("10.0.0.2", 80))
        server, _ = listener.accept()
        with sim.rule(lose_the_first):
            client.sendall(b"hello")
            assert server.recv(10) == b"hello"
        sim.sleep(1)
        client.close(), server.close(), listener.close()
    data = [one for one in read(tmp_path / "all.pcapng") if one.l4.data]
    left, again = [one for one in data if one.host == "client"]
    (arrived,) = [one for one in data if one.host == "server"]
    assert (left.comment, again.comment, arrived.comment) == ("lost on the way", "", "")
    assert left.raw == again.raw == arrived.raw
    assert again.ns - left.ns == 220 * MS  # the timeout: 200 ms and the round trip of 20 ms
    assert arrived.ns - again.ns == 10 * MS


def test_each_host_sees_a_packet_at_its_own_time_to_the_nanosecond(tmp_path):
    with Simulation(link=Link(latency=0.001234567)) as sim:
        sim.capture(tmp_path / "all.pcapng")
        sim.sleep(1.5)
        listener = listening(sim)
        sim.connect(("10.0.0.2", 80)).close()
        listener.close()
    syns = [(one.host, one.outgoing, one.ns) for one in read(tmp_path / "all.pcapng") if one.flags == SYN]
    assert syns == [("client", True, 1_500_000_000), ("server", False, 1_501_234_567)]


def test_the_clock_starts_where_the_world_s_does(tmp_path):
    with Simulation(start_time="2026-02-03T04:05:06Z") as sim:
        sim.capture(tmp_path / "all.pcapng")
        sim.datagram(host="a").sendto(b"x", sim.datagram(host="b").getsockname())
    assert read(tmp_path / "all.pcapng")[0].ns + EPOCH_NS == 1_770_091_506_000_000_000


@pytest.mark.parametrize("link", ["perfect", SLOW], ids=["perfect", "slow"])
def test_refusals_and_resets_are_there(tmp_path, link):
    with Simulation(link=link) as sim:
        sim.capture(tmp_path / "all.pcapng")
        sim.host("server")
        with pytest.raises(ConnectionRefusedError):
            sim.connect(("10.0.0.2", 81))
        listener = listening(sim)
        client = sim.connect(("10.0.0.2", 80))
        server, _ = listener.accept()
        client.sendall(b"unread")
        sim.sleep(1)
        server.close()
        sim.sleep(1)
        client.close(), listener.close()
    seen = read(tmp_path / "all.pcapng")
    assert_checksums(seen)
    refusal, reset = [one for one in seen if one.flags & RST and one.host == "server"]
    assert (refusal.l4.sport, refusal.l4.seq, refusal.l4.ack, refusal.flags, refusal.outgoing) == (81, 0, 1, RST | ACK, True)
    assert (reset.l4.sport, reset.l4.seq, reset.l4.ack, reset.flags, reset.outgoing) == (80, 1, 7, RST | ACK, True)
    assert [one.raw for one in seen if one.flags & RST and one.host == "client" and not one.outgoing] == [refusal.raw, reset.raw]


@pytest.mark.parametrize(("fault", "flag"), [("reset_after", RST), ("close_after", FIN)])
def test_what_the_link_itself_sends_leaves_no_host_and_reaches_both(tmp_path, fault, flag):
    with Simulation(link=Link(latency="1ms", **{fault: "0.5s"})) as sim:
        sim.capture(tmp_path / "all.pcapng")
        listener = listening(sim)
        client = sim.connect(("10.0.0.2", 80))
        server, _ = listener.accept()
        server.send(b"abc")
        sim.sleep(0.7)
        seen = [one for one in read_so_far(sim, tmp_path) if one.flags & flag]
        client.close(), server.close(), listener.close()
    assert sorted((one.host, one.outgoing, one.l4.seq, one.l4.ack) for one in seen) == [("client", False, 4, 1), ("server", False, 1, 4)]


def read_so_far(sim, tmp_path):
    """What a capture has so far; it ends with this."""
    for capture in list(sim._kernel.room(Captures).open):
        capture.close()
    return read(tmp_path / "all.pcapng")


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("link", ["perfect", SLOW], ids=["perfect", "slow"])
def test_datagrams_and_streams_have_the_headers_of_their_family(tmp_path, link, v6):
    ip = "fd00::2" if v6 else "10.0.0.2"
    with Simulation(link=link) as sim:
        sim.capture(tmp_path / "all.pcapng")
        with listening(sim, ip, family=10 if v6 else 2):
            client = sim.connect((ip, 80))
            client.close()
            receiver, sender = sim.datagram(host="server", address=(ip, 53)), sim.datagram(address=("fd00::3" if v6 else "10.0.0.3", 4000))
            for data in (b"", b"odd", b"even", bytes(40_000)):
                sender.sendto(data, (ip, 53))
                assert receiver.recv(65_536) == data
    seen = read(tmp_path / "all.pcapng")
    assert_checksums(seen)
    assert {type(one.ip) for one in seen} == {dpkt.ip6.IP6 if v6 else dpkt.ip.IP}
    datagrams = [one for one in seen if isinstance(one.l4, dpkt.udp.UDP) and one.host == "server"]
    assert [(one.l4.sport, one.l4.dport, len(one.l4.data), one.l4.ulen) for one in datagrams] == [(4000, 53, n, n + 8) for n in (0, 3, 4, 40_000)]
    assert datagrams[1].l4.data == b"odd"
    assert [one.flags for one in seen if isinstance(one.l4, dpkt.tcp.TCP) and one.host == "client"][:3] == [SYN, SYN | ACK, ACK]


def test_datagrams_that_are_doubled_or_lost_or_damaged_are_seen_so(tmp_path):
    def copies(name, **link):
        with Simulation(link=Link(latency="1ms", **link)) as sim:
            sim.capture(tmp_path / name)
            receiver = sim.datagram(host="b")
            sim.datagram(host="a").sendto(b"data", receiver.getsockname())
            sim.sleep(1)
        seen = read(tmp_path / name)
        assert_checksums(seen)
        return [(one.host, one.comment, one.l4.data == b"data") for one in seen]

    assert copies("twice", duplicate=1) == [("a", "", True), ("b", "", True), ("b", "", True)]
    assert copies("never", loss=1) == [("a", "lost on the way", True)]
    assert copies("damaged", corrupt=1, checksum=False) == [("a", "", True), ("b", "", False)]


def test_what_is_held_arrives_when_it_is_let_go_and_nothing_reaches_a_host_that_is_down(tmp_path):
    with Simulation(link=SLOW) as sim:
        sim.capture(tmp_path / "all.pcapng")
        receiver, sender = sim.datagram(host="b"), sim.datagram(host="a")
        sim.hold("a", "b")
        sender.sendto(b"held", receiver.getsockname())
        sim.sleep(1)
        sim.release("a", "b")
        sender.sendto(b"late", receiver.getsockname())
        sim.host("b").crash()
        sim.sleep(1)
        sender.sendto(b"never", receiver.getsockname() if receiver.fileno() < 0 else ("10.0.0.2", 32768))
        sim.sleep(1)
    seen = [(one.host, bytes(one.l4.data), one.ns // MS, one.comment) for one in read(tmp_path / "all.pcapng")]
    assert seen == [
        ("a", b"held", 0, ""),
        ("b", b"held", 1000, ""),
        ("a", b"late", 1000, ""),
        ("a", b"never", 2000, "lost on the way"),
    ]


def test_a_host_s_talk_with_itself_is_seen_once(tmp_path):
    with Simulation() as sim:
        sim.capture(tmp_path / "all.pcapng")
        with listening(sim) as listener, sim.host("server"):
            client = sim.network.socket.create_connection(("10.0.0.2", 80))
            server, _ = listener.accept()
            client.sendall(b"hello")
            client.close(), server.recv(10), server.close()
    seen = read(tmp_path / "all.pcapng")
    assert {one.host for one in seen} == {"server"}
    assert [one.flags for one in seen] == [SYN, SYN | ACK, ACK, ACK | PSH, ACK, ACK | FIN, ACK, ACK | FIN, ACK]


# The file


def test_a_with_block_ends_the_capture_and_its_file_is_whole(tmp_path):
    with Simulation() as sim:
        receiver, sender = sim.datagram(host="b"), sim.datagram(host="a")
        sender.sendto(b"before", receiver.getsockname())
        with sim.capture(tmp_path / "some.pcapng") as capture:
            sender.sendto(b"during", receiver.getsockname())
        sender.sendto(b"after", receiver.getsockname())
        assert fabric_of(sim._kernel).tap is None
        assert [bytes(one.l4.data) for one in read(capture.path)] == [b"during", b"during"]
        assert capture.packets == 2
        capture.close()  # once more does nothing
        assert repr(capture).endswith("with 2 packets>")


def test_hosts_can_be_chosen_and_several_captures_run_at_once(tmp_path):
    with Simulation(link=SLOW) as sim:
        both, one, none = (tmp_path / name for name in ("both", "one", "none"))
        sim.capture(both)
        sim.capture(str(one), hosts="b")
        sim.capture(none, hosts=[sim.host("c")])
        sim.datagram(host="a").sendto(b"x", sim.datagram(host="b").getsockname())
        sim.sleep(1)
    assert [(seen.host, seen.outgoing) for seen in read(both)] == [("a", True), ("b", False)]
    assert [(seen.host, seen.outgoing) for seen in read(one)] == [("b", False)]
    assert read(none) == []


def test_a_world_that_fails_leaves_a_whole_file(tmp_path):
    with pytest.raises(ZeroDivisionError), Simulation() as sim:
        sim.capture(tmp_path / "all.pcapng")
        listener = listening(sim)
        client = sim.connect(("10.0.0.2", 80))
        client.sendall(b"the last words")
        assert listener and 1 / 0
    assert b"".join(one.l4.data for one in read(tmp_path / "all.pcapng") if one.host == "server") == b"the last words"


def test_an_interface_has_its_host_s_name_and_addresses(tmp_path):
    with Simulation() as sim:
        sim.capture(tmp_path / "all.pcapng")
        sim.datagram(host="a").sendto(b"x", sim.datagram(host="b").getsockname())
    with open(tmp_path / "all.pcapng", "rb") as file:
        scanner = FileScanner(file)
        list(scanner)
    shown = [(interface.options["if_name"], interface.options["if_description"]) for interface in scanner.current_section.interfaces.values()]
    assert len(shown) == 2
    assert {name for name, _ in shown} == {"a", "b"}
    assert all(address.startswith("10.0.0.") and ", fd00::" in address for _, address in shown)


def test_a_path_that_cannot_be_written_is_an_error_at_once(tmp_path):
    with Simulation() as sim:
        with pytest.raises(UsageError, match=r"capture: cannot write .*nowhere/x.pcapng: No such file or directory"):
            sim.capture(tmp_path / "nowhere" / "x.pcapng")
        with pytest.raises(UsageError, match=r"capture: cannot write .*: Is a directory"):
            sim.capture(tmp_path)
        with pytest.raises(UsageError, match=r"capture: expected the path of a file, got 7\.5"):
            sim.capture(7.5)
        with pytest.raises(UsageError, match=r"capture: expected hosts by name or as themselves, got \[\]"):
            sim.capture(tmp_path / "x", hosts=[])
        assert fabric_of(sim._kernel).tap is None
        sim.capture(tmp_path / "twice")
        with pytest.raises(UsageError, match="twice is being written already"):
            sim.capture(tmp_path / "." / "twice")
    with pytest.raises(UsageError, match="has ended"):
        sim.capture(tmp_path / "late")


def test_a_full_disk_fails_the_end_of_the_world_and_nothing_before():
    with pytest.raises(UsageError, match="capture: cannot write /dev/full: No space left on device"), Simulation() as sim:
        sim.capture("/dev/full")
        exchange(sim, REQUEST, REPLY)
        done = sim.now
    assert done == 5


# Observers change nothing


def run(capture, link, strategy="random", preempt="calls"):
    """A world in which much happens; everything that tells whether two runs are equal."""
    with Simulation(seed=11, strategy=strategy, link=link, chunks="random", preempt=preempt) as sim:
        capture(sim)
        listener = listening(sim)

        def serve():
            for _ in range(3):
                sock, _ = listener.accept()
                with sock:
                    while data := sock.recv(5_000):
                        sock.sendall(data[::2])

        def visit(size):
            with sim.connect(("10.0.0.2", 80)) as sock:
                sock.sendall(b"v" * size)
                sock.shutdown(1)
                while sock.recv(5_000):
                    pass

        udp, other = sim.datagram(host="client"), sim.datagram(host="server")
        tasks = [sim.spawn(serve, host="server"), *(sim.spawn(visit, size) for size in (3, 20_000, 200_000))]
        for number in range(20):
            udp.sendto(b"%d" % number, other.getsockname())
        for task in tasks:
            task.result()
        sim.sleep(3)
        listener.close()
        return sim.digest, sim.now_ns, sim._kernel.steps, sim._kernel.switches, sim.records, sim.deviations, sim.token


@pytest.mark.parametrize(
    "link",
    ["perfect", SLOW, Link(latency="10ms", jitter="2ms", loss="8%", duplicate=0.1, corrupt=0.02, reorder=0.1), SLOW.but(rate="2Mbit", queue=20), "hostile"],
    ids=["perfect", "slow", "lossy", "narrow", "hostile"],
)
def test_a_capture_changes_nothing(tmp_path, link):
    def capture(sim):
        sim.capture(tmp_path / "all.pcapng")

    try:
        without = run(lambda sim: None, link)
    except OSError as error:  # a hostile link may reset
        with pytest.raises(type(error)):
            run(capture, link)
    else:
        assert run(capture, link) == without
    seen = read(tmp_path / "all.pcapng")
    assert len(seen) > 100
    assert_checksums(seen)


def test_on_a_perfect_way_every_second_segment_is_acknowledged_and_the_last(tmp_path):
    with Simulation() as sim:
        sim.capture(tmp_path / "all.pcapng")
        with listening(sim) as listener:
            client = sim.connect(("10.0.0.2", 80))
            server, _ = listener.accept()
            client.sendall(bytes(5 * 1460))
            client.close(), server.close()
    sizes = []
    for one in read(tmp_path / "all.pcapng"):
        if one.host == "server" and not one.flags & (SYN | FIN):
            sizes.append(len(one.l4.data) or "answer")
    assert sizes[1:9] == [1460, 1460, "answer", 1460, 1460, "answer", 1460, "answer"]
