"""Socket options: the table, and that a world reads, sets and refuses them as Linux does."""

from __future__ import annotations

import errno
import socket as real_socket
import struct

import pytest

from simsock.errors import Unsupported
from simsock.net.options import OPTIONS, known_to_linux
from tests.net.conftest import real_net, sim_net

KINDS = ((2, 1), (10, 1), (2, 2), (10, 2), (1, 1), (1, 2))
VALUES = (1, 2, 0, -1)

NOT_ASKED = {
    "SO_SNDBUF": "a new stream's buffer grows by itself on Linux; the largest one is the kernel's",
    "SO_RCVBUF": "the largest one is the kernel's",
    "SO_PASSCRED": "EOPNOTSUPP on internet sockets from Linux 6.16 on",
    "SO_PASSSEC": "the same",
    "SO_PASSPIDFD": "the same",
    "SO_PRIORITY": "some values are for root only",
    "SO_MARK": "for root only",
    "SO_BUSY_POLL": "for root only",
    "SO_PREFER_BUSY_POLL": "for root only",
    "SO_INCOMING_CPU": "what it may be changed over the years",
    "SO_DEBUG": "for root only",
    "SO_RCVLOWAT": "the largest one is half of the kernel's largest buffer",
    "TCP_INFO": "what it holds is the kernel's; its form has tests of its own",
    "TCP_CONGESTION": "the kernel's choice",
    "SO_RCVTIMEO": "a time, rounded to the kernel's ticks",
    "SO_SNDTIMEO": "the same",
    "SO_ZEROCOPY": "not simulated on Unix sockets either, where Linux says so with an error of its own",
    "SO_LOCK_FILTER": "cannot be taken back on Linux, and so what it says depends on what was asked before",
    "SO_TIMESTAMPING": "read as two numbers on Linux",
    "SO_MAX_PACING_RATE": "read as a long number on Linux",
    "IPV6_MTU": "may be set on Linux, within bounds",
    "IP_RECVFRAGSIZE": "an error of its own on streams",
    "IP_MULTICAST_IF": "the same",
    "IPV6_MULTICAST_IF": "the same",
    "IP_ADD_MEMBERSHIP": "the same",
    "IP_DROP_MEMBERSHIP": "the same",
    "IP_CHECKSUM": "newer than some kernels",
}
"""Options whose answers are not compared, and why."""


HEADERS = """
SO_ATTACH_FILTER 26 SO_TIMESTAMP 29 SO_TIMESTAMPNS 35 SO_TIMESTAMPING 37 SO_RXQ_OVFL 40 SO_WIFI_STATUS 41 SO_PEEK_OFF 42 SO_NOFCS 43 SO_LOCK_FILTER 44
SO_SELECT_ERR_QUEUE 45 SO_BUSY_POLL 46 SO_MAX_PACING_RATE 47 SO_INCOMING_NAPI_ID 56 SO_ZEROCOPY 60 SO_TIMESTAMP_NEW 63 SO_TIMESTAMPNS_NEW 64
SO_PREFER_BUSY_POLL 69 SO_PASSPIDFD 76
IP_MTU_DISCOVER 10 IP_RECVERR 11 IP_RECVTTL 12 IP_MTU 14 IP_FREEBIND 15 IP_PASSSEC 18 IP_RECVORIGDSTADDR 20 IP_MINTTL 21 IP_CHECKSUM 23 IP_RECVFRAGSIZE 25
IP_RECVERR_RFC4884 26 MCAST_JOIN_GROUP 42 MCAST_LEAVE_GROUP 45 IP_MULTICAST_ALL 49 IP_UNICAST_IF 50 IP_LOCAL_PORT_RANGE 51 IP_PROTOCOL 52
TCP_IS_MPTCP 43 UDP_CORK 1 UDP_ENCAP 100 UDP_NO_CHECK6_TX 101 UDP_NO_CHECK6_RX 102 UDP_SEGMENT 103 UDP_GRO 104
IPV6_2292PKTINFO 2 IPV6_2292HOPLIMIT 8 IPV6_FLOWINFO 11 IPV6_MTU_DISCOVER 23 IPV6_MTU 24 IPV6_RECVERR 25 IPV6_JOIN_ANYCAST 27 IPV6_MULTICAST_ALL 29
IPV6_ROUTER_ALERT_ISOLATE 30 IPV6_FLOWINFO_SEND 33 IPV6_AUTOFLOWLABEL 70 IPV6_MINHOPCOUNT 73 IPV6_UNICAST_IF 76 IPV6_RECVFRAGSIZE 77 IPV6_FREEBIND 78
IP_PKTINFO 8 IP_UNBLOCK_SOURCE 37 IP_BLOCK_SOURCE 38 IP_ADD_SOURCE_MEMBERSHIP 39 IP_DROP_SOURCE_MEMBERSHIP 40 TCP_MD5SIG 14 TCP_THIN_LINEAR_TIMEOUTS
16 TCP_THIN_DUPACK 17 TCP_REPAIR 19 TCP_SAVE_SYN 27 TCP_FASTOPEN_CONNECT 30 TCP_ULP 31 TCP_FASTOPEN_NO_COOKIE 34 TCP_INQ 36 TCP_TX_DELAY 37
""".split()
"""What asm-generic/socket.h, in.h, in6.h, tcp.h and udp.h say of those that not every Python's ``socket`` knows."""


def test_every_option_has_linuxs_number():
    numbers = dict(zip(HEADERS[::2], map(int, HEADERS[1::2])))
    assert all(option.number == numbers.get(option.name, getattr(real_socket, option.name, None)) for option in OPTIONS.values())
    assert len(OPTIONS) == 155


def asked(sock, option):
    """What reading an option, setting it to several values and reading it after each says."""
    seen = []
    calls = [(sock.getsockopt, ()), (sock.getsockopt, (64,))]
    for value in VALUES:
        calls += [(sock.setsockopt, (value,)), (sock.getsockopt, ())]
    for call, rest in calls:
        try:
            seen.append(call(option.level, option.number, *rest))
        except OSError as error:
            seen.append(errno.errorcode[error.errno])
        except Unsupported:
            seen.append("refused")
    return seen


def everything(make):
    for net in make():
        return {
            (option.name, option.level, kind): asked(net.keep(net.socket.socket(*kind)), option)
            for option in OPTIONS.values()
            for kind in KINDS
            if option.name not in NOT_ASKED
        }
    raise AssertionError


@pytest.mark.real
def test_every_option_is_read_and_set_as_on_linux_or_refused():
    linux, world = everything(real_net), everything(sim_net)
    different = {}
    for key, real in linux.items():
        seen = [(there, here) for there, here in zip(real, world[key]) if here != "refused" and there != here]
        if "refused" in world[key]:
            seen = seen[:1] if real[0] != world[key][0] else []  # what Linux says after having done it is another matter
        if seen:
            different[key] = seen
    assert different == {}


def test_options_that_are_not_compared_are_in_the_table():
    assert NOT_ASKED.keys() <= {option.name for option in OPTIONS.values()}


def test_what_is_heeded_or_stored_is_never_refused_and_what_is_refused_is_refused_by_name(sim):
    sockets = sim.network.socket
    for option in OPTIONS.values():
        sock = sockets.socket(2 if option.level in (0, 6, 17) else 1 if option.only == "unix" else 10, 2 if option.level == 17 else 1)
        value = b"\1" * max(8, option.size) if option.kind == "bytes" else 0 if option.unset == 1 else 1
        said = ""
        try:
            sock.setsockopt(option.level, option.number, value)
        except Unsupported as error:
            said = str(error)
        except OSError:
            said = "an error of Linux"
        refused = f"{option.name} (option {option.number} of level {option.level}) is not simulated" in said
        assert refused == (option.effect == "refused"), (option, said)
        assert said or option.effect in ("heeded", "stored")


def test_what_linux_knows_and_the_table_does_not_is_unsupported_and_what_neither_knows_is_enoprotoopt(sim):
    sock = sim.network.socket.socket()
    assert known_to_linux(6, 29) and (6, 29) not in OPTIONS
    with pytest.raises(Unsupported, match=r"setsockopt: option 29 of level 6 is not simulated"):
        sock.setsockopt(6, 29, 1)
    with pytest.raises(Unsupported, match=r"getsockopt: option 29 of level 6 is not simulated"):
        sock.getsockopt(6, 29)
    for call in (lambda: sock.setsockopt(6, 999, 1), lambda: sock.getsockopt(6, 999)):
        with pytest.raises(OSError, match="Protocol not available"):
            call()


@pytest.mark.parametrize("option", [option for option in OPTIONS.values() if option.effect == "refused" and not option.order], ids=lambda option: option.name)
def test_a_refused_option_may_be_set_to_what_it_is(sim, option):
    sock = sim.network.socket.socket(1 if option.only == "unix" else 10, 1 if option.level == 6 else 2)
    sock.setsockopt(option.level, option.number, option.unset)
    if option.kind != "bytes":
        assert sock.getsockopt(option.level, option.number) == option.unset


# -- what some of them do ------------------------------------------------------------------------------------------------------------


def test_tcp_info_begins_with_the_state_and_tells_the_segment_size(net):
    with net.listener() as listener:
        assert listener.getsockopt(6, 11, 104)[0] == 10
        client = net.keep(net.socket.create_connection(listener.getsockname()))
        server = net.keep(listener.accept()[0])
    info = client.getsockopt(6, 11, 104)
    assert len(info) == 104 and info[0] == 1
    assert struct.unpack_from("I", info, 16)[0] == client.getsockopt(6, real_socket.TCP_MAXSEG)
    server.close()
    fresh = net.tcp()
    assert fresh.getsockopt(6, 11, 1) == b"\7" and fresh.getsockopt(6, 11) & 0xFF == 7


def test_tcp_info_of_a_socket_without_a_connection_has_no_sizes_but_the_least(net):
    fresh = net.tcp().getsockopt(6, 11, 104)
    counts = struct.unpack("8B24I", fresh)
    snd_mss, rcv_mss, pmtu, advmss, reordering, total_retrans = (counts[8 + number] for number in (2, 3, 13, 19, 20, 23))
    assert (rcv_mss, pmtu, advmss, reordering, total_retrans) == (0, 0, 0, 3, 0) and snd_mss == 536


def test_tcp_info_tells_what_is_under_way(sim):
    sim.link("client", "server", latency="50ms")
    with sim.host("server") as host:
        listener = sim.network.socket.create_server((host.addresses[0], 80))
    with sim.host("client"):
        client = sim.network.socket.create_connection(("server", 80))
    client.setblocking(False)
    client.send(bytes(5 * 1460))
    info = struct.unpack("8B24I", client.getsockopt(6, 11, 104))
    rto, _, mss, _, unacknowledged = info[8:13]
    assert (rto, mss, unacknowledged) == (300_000, 1460, 5)
    assert info[8 + 15] == 100_000  # the round trip, in microseconds
    assert info[8 + 18] == 10  # the congestion window, in segments
    listener.close()


def test_tcp_maxseg_limits_the_segments_of_both_ends(sim):
    sockets = sim.network.socket
    sim.link("client", "server", latency="1ms")
    with sim.host("server") as host:
        listener = sockets.create_server((host.addresses[0], 80))
    with sim.host("client"):
        client = sockets.socket()
        client.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_MAXSEG, 500)
        assert client.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_MAXSEG) == 500
        client.connect(("server", 80))
    server = listener.accept()[0]
    for sock in (client, server):
        assert sock.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_MAXSEG) == 500
        sock.sendall(bytes(1200))
        sender = sim._kernel.files[sock.fileno()].sender
        assert [len(segment.data) for segment in sender.segments] == [500, 500, 200]


@pytest.mark.parametrize("value", [-1, 1, 87, 32_768])
def test_tcp_maxseg_has_bounds(net, value):
    with pytest.raises(OSError, match="Invalid argument"):
        net.tcp().setsockopt(6, 2, value)


def test_tcp_notsent_lowat_makes_a_writer_wait_while_so_much_has_not_set_out(sim):
    sim.link("client", "server", latency="1ms")
    with sim.host("server") as host:
        listener = sim.network.socket.create_server((host.addresses[0], 80))
    with sim.host("client"):
        client = sim.network.socket.create_connection(("server", 80))
    client.setblocking(False)
    client.setsockopt(6, 25, 1000)
    assert client.send(bytes(30_000)) == 30_000  # one call may go over it
    assert len(sim._kernel.files[client.fileno()].tx) > 1000
    with pytest.raises(BlockingIOError):
        client.send(b"x")
    assert not sim._kernel.files[client.fileno()].poll() & 4
    sim.settle()
    assert client.send(b"x") == 1 and sim._kernel.files[client.fileno()].poll() & 4
    listener.close()


def test_the_congestion_control_is_called_reno_and_no_other_is_simulated(sim):
    sock = sim.network.socket.socket()
    assert sock.getsockopt(6, 13, 16) == b"reno".ljust(16, b"\0")
    sock.setsockopt(6, 13, b"reno")
    with pytest.raises(Unsupported, match=r"TCP_CONGESTION 'cubic' is not simulated; 'reno' is"):
        sock.setsockopt(6, 13, b"cubic")
    with pytest.raises(FileNotFoundError):
        sock.setsockopt(6, 13, b"nonesuch")
    with pytest.raises(OSError, match="Invalid argument"):
        sock.setsockopt(6, 13, b"")


@pytest.mark.parametrize("kind", [(2, 1), (2, 2), (1, 1)])
def test_so_rcvtimeo_ends_a_wait_of_a_socket_that_blocks_with_eagain(net, kind):
    if kind == (2, 2):
        sock = net.udp()
    else:
        sock, other = net.pair() if kind == (2, 1) else net.socket.socketpair()
        net.keep(sock), net.keep(other)
    sock.setsockopt(1, 20, struct.pack("ll", 0, 30_000))
    began = net.now()
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    assert 0.025 <= net.now() - began < 5
    assert struct.unpack("ll", sock.getsockopt(1, 20, 16)) == (0, 30_000) or net.kind == "real"
    sock.settimeout(0.001)
    with pytest.raises(TimeoutError):
        sock.recv(1)


def test_so_rcvtimeo_ends_a_wait_for_a_connection(net):
    listener = net.listener()
    listener.setsockopt(1, 20, struct.pack("ll", 0, 20_000))
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_so_sndtimeo_ends_a_wait_for_room(net):
    one, other = net.socket.socketpair()
    net.keep(one), net.keep(other)
    one.setsockopt(1, 21, struct.pack("ll", 0, 20_000))
    with pytest.raises(BlockingIOError):
        while True:
            one.send(bytes(10_000))


def test_so_sndtimeo_ends_connect_with_einprogress(sim):
    sim.link("client", "server", loss=1)
    with sim.host("server"):
        pass
    with sim.host("client"):
        client = sim.network.socket.socket()
    client.setsockopt(1, 21, struct.pack("ll", 2, 0))
    began = round(sim.now, 4)
    assert client.connect_ex(("server", 80)) == errno.EINPROGRESS
    assert round(sim.now, 4) - began == 2


def test_a_time_that_makes_no_sense_is_edom(net):
    for micros in (-1, 1_000_000):
        with pytest.raises(OSError, match="Numerical argument out of domain"):
            net.tcp().setsockopt(1, 20, struct.pack("ll", 0, micros))


def test_ip_mtu_is_that_of_the_way_to_the_peer(sim):
    sim.link("client", "server", mtu=900)
    with sim.host("client"):
        sock = sim.network.socket.socket(2, 2)
    with sim.host("server") as host:
        address = host.addresses[0]
    with pytest.raises(OSError, match="not connected"):
        sock.getsockopt(0, 14)
    sock.connect((address, 9))
    sock.send(b"x")
    assert sock.getsockopt(0, 14) == 900


def test_tcp_info_of_an_idle_connection_is_all_constants(sim):
    listener = sim.network.socket.create_server(("127.0.0.1", 80))
    client = sim.network.socket.create_connection(("127.0.0.1", 80))
    head = (1, 0, 0, 0, 0, 6, 0x77, 1)
    room = 131_072
    counts = (200_000, 0, 1460, 1460, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1500, room)
    rest = (0, 0, 0x7FFF_FFFF, 10, 1460, 3, 0, room, 0)
    assert client.getsockopt(6, 11, 248) == struct.pack("=8B24I", *head, *counts, *rest).ljust(248, b"\0")
    listener.close()
