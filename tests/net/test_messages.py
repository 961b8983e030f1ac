"""sendmsg, recvmsg, ancillary data and flags: the same programs on Linux and in a world."""

from __future__ import annotations

import gc
import os as real_os
import struct
from array import array

import pytest

from simsock.errors import Unsupported
from simsock.world.simulation import Simulation

STREAM, DATAGRAM, PACKETS = 1, 2, 5
KINDS = {"streams": STREAM, "datagrams": DATAGRAM, "packets": PACKETS}
MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_TRUNC, MSG_EOR, MSG_WAITALL, MSG_CONFIRM, MSG_NOSIGNAL, MSG_MORE = 1, 2, 4, 0x20, 0x80, 0x100, 0x800, 0x4000, 0x8000
MSG_CMSG_CLOEXEC = 0x4000_0000


def pair(net, kind=STREAM):
    ends = net.socket.socketpair(net.socket.AF_UNIX, kind)
    for end in ends:
        net.keep(end).setblocking(False)
    return ends


def rights(*fds):
    return [(1, 1, array("i", fds).tobytes())]


def os_of(net):
    return real_os if net.kind == "real" else net.sim.network.os


class Counted:
    """Receives, and tells of descriptors only how many there are; closes them."""

    def __init__(self, net):
        self.os = os_of(net)

    def __call__(self, sock, *arguments):
        data, messages, flags, address = sock.recvmsg(*arguments)
        shown = []
        for level, kind, content in messages:
            if (level, kind) == (1, 1):
                fds = array("i", content)
                for fd in fds:
                    self.os.close(fd)
                content = len(fds)
            elif (level, kind) == (1, 2):
                content = len(content)
            shown.append((level, kind, content))
        return data, shown, int(flags), address


@pytest.mark.real
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_descriptors_travel_with_their_bytes_as_on_linux(twins, kind):
    def program(net, notes):
        one, other = pair(net, kind)
        fd = net.tcp().fileno()
        receive = Counted(net)

        def both(label, data, fds, *arguments):
            notes(f"{label}: sent", one.sendmsg, data, rights(*fds))
            notes(f"{label}: received", receive, other, *arguments)

        both("two", [b"one", b"two"], [fd, fd], 100, 100)
        one.send(b"before")
        one.sendmsg([b"with"], rights(fd))
        one.send(b"after")
        for _ in range(3):
            notes("around", receive, other, 100, 100)
        one.sendmsg([b"with"], rights(fd))
        one.sendmsg([b"other"], rights(fd))
        for _ in range(2):
            notes("each", receive, other, 100, 100)
        one.sendmsg([b"part"], rights(fd))
        for _ in range(2):
            notes("part", receive, other, 2, 100)
        one.sendmsg([b"peek"], rights(fd))
        notes("peek", receive, other, 2, 100, MSG_PEEK)
        notes("then", receive, other, 100, 100)
        for room in (0, 4, 15, 16, 20, 23, 24, 28, 100):
            both(f"room for {room}", [b"x"], [fd, fd, fd], 10, room)
        both("empty", [b""], [fd], 10, 100)
        both("no buffers", [], [fd], 10, 100)
        both("not open", [b"x"], [999_999], 10, 100)
        both("253", [b"x"], [fd] * 253, 10, 5000)
        both("254", [b"x"], [fd] * 254, 10, 5000)
        one.sendmsg([b"dropped"], rights(fd))
        notes("recv", other.recv, 100)
        for messages in (rights(fd) + rights(fd), [(1, 1, b"")], [(1, 1, b"\0")], [(1, 77, b"abc")], [(6, 1, b"abc")], [(1, 2, b"short")]):
            notes("sendmsg", one.sendmsg, [b"x"], messages)
            notes("recvmsg", receive, other, 10, 100)

    twins(program)


@pytest.mark.real
def test_credentials_as_on_linux(twins):
    def program(net, notes):
        one, other = pair(net)
        receive = Counted(net)
        own = struct.pack("3i", real_os.getpid(), real_os.getuid(), real_os.getgid())
        notes("own", one.sendmsg, [b"x"], [(1, 2, own)])
        notes("nobody asked", receive, other, 10, 100)
        other.setsockopt(1, 16, 1)
        one.send(b"x")
        notes("asked", lambda: other.recvmsg(10, 100)[1] == [(1, 2, own)])
        for room in (0, 16, 20, 28, 32, 48, 52):
            one.sendmsg([b"y"], rights(net.tcp().fileno()))
            notes(room, receive, other, 10, room)
        sock = net.keep(net.socket.socket(net.socket.AF_UNIX, DATAGRAM))
        sock.setsockopt(1, 16, 1)
        notes("a name", lambda: (sock.getsockname(), len(sock.getsockname())))

    twins(program)


def test_a_socket_that_was_passed_is_the_same_connection(net):
    one, other = pair(net)
    client, server = net.pair()
    net.socket.send_fds(one, [b"here"], [server.fileno()])
    server.close()
    data, fds, flags, address = net.socket.recv_fds(other, 10, 3)
    assert (data, flags, address, len(fds)) == (b"here", 0, None, 1)
    passed = net.keep(net.socket.socket(fileno=fds[0]))
    assert (passed.family, passed.type) == (client.family, client.type) and passed.getpeername() == client.getsockname()
    passed.sendall(b"hello")
    client.settimeout(10)
    assert client.recv(10) == b"hello"


def test_a_connection_in_flight_stays_open_and_ends_with_what_carried_it(net):
    one, other = pair(net)
    client, server = net.pair()
    one.sendmsg([b"x"], rights(server.fileno()))
    server.close()
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)
    other.close()
    client.settimeout(10)
    assert client.recv(1) == b""


def test_real_files_travel_through_a_world(tmp_path):
    (tmp_path / "file").write_text("content")
    with Simulation(patch=False) as sim:
        one, other = sim.network.socket.socketpair()
        with open(tmp_path / "file") as file:
            sim.network.socket.send_fds(one, [b"x"], [file.fileno(), file.fileno()])
            peeked = other.recvmsg(1, 100, MSG_PEEK)[1][0][2]
            real_os.close(array("i", peeked)[0])
            real_os.close(array("i", peeked)[1])
        _, (first, second), _, _ = sim.network.socket.recv_fds(other, 1, 5)
        assert real_os.read(first, 100) == b"content"
        sim.network.socket.send_fds(one, [b"x"], [second])
        before = len(real_os.listdir("/proc/self/fd"))
        other.close()
        one.close()
        gc.collect()
        assert len(real_os.listdir("/proc/self/fd")) == before - 1  # what nobody took is closed
        for fd in (first, second):
            real_os.close(fd)


@pytest.mark.real
def test_messages_of_datagrams_as_on_linux(twins):
    def program(net, notes):
        one, other = net.udp(), net.udp()
        for sock in (one, other):
            sock.setblocking(False)
        here, there = one.getsockname(), other.getsockname()
        family, (loopback, _) = one.family, here
        notes("nobody", one.sendmsg, [b"x"])
        notes("sent", one.sendmsg, [b"he", bytearray(b"ll"), memoryview(b"o")], [], 0, there)
        notes("flags", lambda: other.recvmsg(3)[:3])
        one.sendmsg([b"hello"], [], 0, there)
        notes("from", lambda: other.recvmsg(10)[3] == here)
        notes("nothing", other.recvmsg, 10)
        notes("empty", one.sendmsg, [], [], 0, there)
        notes("received", lambda: other.recvmsg(10)[:3])
        notes("descriptors mean nothing", one.sendmsg, [b"x"], rights(0), 0, there)
        notes("received", lambda: other.recvmsg(10, 100)[:3])
        notes("unknown", one.sendmsg, [b"x"], [(1, 77, b"")], 0, there)
        one.sendto(b"hello", there)
        buffers = [bytearray(2), bytearray(2), bytearray(9)]
        notes("into", lambda: other.recvmsg_into(buffers)[:3])
        notes("buffers", lambda: [bytes(buffer) for buffer in buffers])
        one.sendto(b"hello", there)
        notes("too small", lambda: other.recvmsg_into([bytearray(2), bytearray(1)])[:3])
        one.sendto(b"hello", there)
        data, *rest = other.recvmsg(2, 0, MSG_PEEK | MSG_TRUNC)
        notes("peek", lambda: (data[:2], len(data), rest[:2]))  # what follows has no defined value
        notes("peek into", lambda: other.recvmsg_into([bytearray(2)], 0, MSG_PEEK | MSG_TRUNC)[:3])
        notes("recv", lambda: len(other.recv(2, MSG_TRUNC)))
        notes("many", one.sendmsg, [b"x"] * 1025, [], 0, there)
        notes("many", other.recvmsg_into, [bytearray(1)] * 1025)
        for flag in (MSG_OOB, MSG_DONTROUTE, MSG_EOR, MSG_CONFIRM, MSG_NOSIGNAL):
            notes(flag, one.sendto, b"x", flag, there)
        for bad in (3, [3], b"abc", ["x"]):
            notes(bad, one.sendmsg, bad)
        for bad in (3, [3], [(1, 2)], [("a", 2, b"")], [(1, 2, "x")]):
            notes(bad, one.sendmsg, [b"x"], bad)
        for arguments in ((-1,), (1, -1), (1, 1 << 40)):
            notes(arguments, one.recvmsg, *arguments)
        for arguments in (([b"x"],), (3,), ([bytearray(1)], -1)):
            notes(arguments, one.recvmsg_into, *arguments)
        assert family and loopback

    twins(program)


@pytest.mark.real
def test_messages_of_streams_as_on_linux(twins):
    def program(net, notes):
        one, other = net.pair()
        for sock in (one, other):
            sock.setblocking(False)
        notes("sent", one.sendmsg, [b"he", b"llo"], rights(0), 0, other.getsockname())
        net.settle()
        notes("received", other.recvmsg, 3, 100)
        notes("rest", other.recvmsg_into, [bytearray(1), bytearray(5)])
        notes("empty", one.sendmsg, [])
        notes("unknown", one.sendmsg, [b"x"], [(1, 77, b"abc")])
        for flag in (MSG_DONTROUTE, MSG_EOR, MSG_CONFIRM, MSG_NOSIGNAL):
            notes(flag, one.send, b"x", flag)
        net.settle()
        notes("recv", lambda: len(other.recv(100, MSG_WAITALL)))
        notes("flag", lambda: int(other.recvmsg(1, 0, MSG_CMSG_CLOEXEC)[2]))
        one.shutdown(net.socket.SHUT_WR)
        net.settle()
        notes("end", other.recvmsg, 10, 100)

    twins(program)


@pytest.mark.real
def test_flags_of_unix_sockets_as_on_linux(twins):
    def program(net, notes):
        for kind in KINDS.values():
            one, other = pair(net, kind)
            for flag in (MSG_DONTROUTE, MSG_EOR, MSG_CONFIRM, MSG_NOSIGNAL, MSG_MORE):
                notes((kind, flag), one.send, b"xy", flag)
            notes((kind, "flag"), lambda other=other: int(other.recvmsg(1, 0, MSG_CMSG_CLOEXEC)[2]))
            notes((kind, "trunc"), lambda other=other: len(other.recv(1, MSG_TRUNC)))
            notes((kind, "peek"), other.recv, 1, MSG_PEEK)
            notes((kind, "wait for all, not blocking"), other.recv, 100, MSG_WAITALL)
            notes((kind, "nobody"), one.sendmsg, [b"x"], [], 0, "nobody")
            if kind != STREAM:
                notes((kind, "urgent"), one.send, b"x", MSG_OOB)
                notes((kind, "urgent"), other.recv, 1, MSG_OOB)

    twins(program)


def test_waiting_for_all_of_a_unix_stream(net):
    one, other = pair(net)
    other.setblocking(True)
    one.send(b"abc")
    waiting = net.spawn(other.recv, 9, MSG_WAITALL)
    net.settle()
    one.sendmsg([b"def"], [])
    net.settle()
    one.send(b"ghi")
    assert waiting.result(10) == b"abcdefghi"


def test_what_is_urgent_on_a_unix_stream_is_not_simulated(sim):
    one, other = sim.network.socket.socketpair()
    with pytest.raises(Unsupported, match="send: flags 0x1 "):
        one.send(b"x", MSG_OOB)
    with pytest.raises(Unsupported, match="recv: flags 0x1 "):
        other.recv(1, MSG_OOB)
    udp = sim.datagram()
    with pytest.raises(Unsupported, match="sendto: flags 0x8000 "):
        udp.sendto(b"x", MSG_MORE, ("localhost", 9))
    with pytest.raises(Unsupported, match=r"UDP_SEGMENT \(ancillary data 103 of level 17\) is not simulated"):
        udp.sendmsg([b"x"], [(17, 103, b"\0\0")], 0, ("localhost", 9))
    with pytest.raises(PermissionError):
        one.sendmsg([b"x"], [(1, 2, struct.pack("3i", 1, 2, 3))])
    for sock in (one, other, udp):
        sock.close()


# sendfile


@pytest.fixture
def content(tmp_path):
    """A file of 600,000 bytes, more than buffers hold."""
    path = tmp_path / "content"
    path.write_bytes(bytes(range(256)) * 2_344)
    return path


def read_all(sock, count):
    data = b""
    while len(data) < count and (part := sock.recv(100_000)):
        data += part
    return data


@pytest.mark.parametrize("family", ["internet", "unix"])
def test_sendfile_sends_what_was_asked_for(net, content, family):
    one, other = net.pair() if family == "internet" else net.socket.socketpair()
    net.keep(one), net.keep(other)
    for offset, count, size in ((0, None, 600_064), (100, 5_000, 5_000), (600_000, None, 64), (700_000, None, 0)):
        with open(content, "rb") as file:
            sending = net.spawn(one.sendfile, file, offset, count)
            assert read_all(other, size) == content.read_bytes()[offset : offset + size]
            assert sending.result(10) == size
            assert file.tell() == min(offset + size, 600_064) or not size


def test_sendfile_reads_from_the_position_that_a_file_has_only_without_its_descriptor(net, content):
    one, other = net.pair()

    class Memory:
        """Something to read from that is no file."""

        def __init__(self, data):
            self.data = data

        def read(self, size):
            part, self.data = self.data[:size], self.data[size:]
            return part

    sending = net.spawn(one.sendfile, Memory(b"abc" * 10_000), 0, 20_000)
    assert read_all(other, 20_000) == (b"abc" * 10_000)[:20_000] and sending.result(10) == 20_000


@pytest.mark.real
def test_what_sendfile_refuses(twins, content):
    def program(net, notes):
        one, other = map(net.keep, net.socket.socketpair())
        with open(content, "rb") as file:
            notes("datagrams", net.udp().sendfile, file)
            notes("count", one.sendfile, file, 0, -1)
            notes("count", one.sendfile, file, 0, 1.5)
            one.setblocking(False)
            notes("non-blocking", one.sendfile, file)
        with open(content) as file:
            notes("text", one.sendfile, file)
            one.settimeout(0.01)
        with open(content, "rb") as file:
            notes("timeout", one.sendfile, file)
        assert other.fileno() >= 0

    twins(program)


def test_sendfile_of_the_system_takes_what_fits(net, content):
    os = os_of(net)
    one, other = net.socket.socketpair()
    net.keep(one), net.keep(other)
    one.setblocking(False)
    with open(content, "rb") as file:
        first = os.sendfile(one.fileno(), file.fileno(), 10, 3)
        assert (first, file.tell()) == (3, 0)
        taken = os.sendfile(one.fileno(), file.fileno(), None, 1_000_000)
        assert 100_000 < taken < 600_000 and file.tell() == taken
        with pytest.raises(BlockingIOError):
            while True:
                assert os.sendfile(one.fileno(), file.fileno(), 0, 100_000)
    assert other.recv(3) == bytes(range(10, 13))
