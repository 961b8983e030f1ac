"""Unix sockets: the same programs on Linux and in a world."""

from __future__ import annotations

import asyncio
import os
import os as real_os
import socket
import stat
import struct
from pathlib import Path

import pytest

from simsock.errors import Unsupported
from simsock.world.simulation import Simulation

STREAM, DATAGRAM, PACKETS = 1, 2, 5
KINDS = {"streams": STREAM, "datagrams": DATAGRAM, "packets": PACKETS}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Paths are relative to an empty directory: short enough for an address."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def unix(net, kind=STREAM, name=None):
    sock = net.keep(net.socket.socket(net.socket.AF_UNIX, kind))
    sock.setblocking(False)
    if name is not None:
        sock.bind(name)
    return sock


def pair(net, kind=STREAM):
    ends = net.socket.socketpair(net.socket.AF_UNIX, kind)
    for end in ends:
        net.keep(end).setblocking(False)
    return ends


def fill(sock, size):
    """How many messages of a size a socket takes before it would wait."""
    for count in range(1000):
        try:
            if sock.send(b"x" * size) < size:
                return count
        except BlockingIOError:
            return count
    raise AssertionError("it never waits")


@pytest.fixture
def twins(twins, here, monkeypatch):
    """Each in a directory of its own: what is bound to a path leaves a file."""

    def run(program):
        def program_there(net, notes):
            (here / net.kind).mkdir()
            monkeypatch.chdir(here / net.kind)
            program(net, notes)

        twins(program_there)

    return run


@pytest.mark.real
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_new_socket_has_linuxs_answers_to_everything(twins, kind):
    def program(net, notes):
        sock = unix(net, kind)
        notes("family", lambda: (int(sock.family), int(sock.type), sock.proto))
        notes("poll", net.bits, sock)
        for name in ("getsockname", "getpeername", "accept", "listen"):
            notes(name, getattr(sock, name))
        notes("recv", sock.recv, 1)
        notes("recvfrom", sock.recvfrom, 1)
        notes("send", sock.send, b"x")
        notes("shutdown", sock.shutdown, 1)
        notes("send", sock.send, b"x")
        notes("shutdown", sock.shutdown, 0)
        notes("recv", sock.recv, 1)
        notes("poll", net.bits, sock)

    twins(program)


@pytest.mark.real
def test_names_are_taken_and_refused_as_on_linux(twins):
    def program(net, notes):
        sock = unix(net)
        for name in (5, ("a", 1), None, "x" * 108, b"\0" + b"x" * 108):
            notes("bad name", sock.bind, name)
        notes("bind", sock.bind, "path")
        notes("its name", sock.getsockname)
        notes("the same again", sock.bind, "path")
        notes("another", sock.bind, "other")
        notes("abstract", sock.bind, b"\0abstract")
        notes("automatic", sock.bind, "")
        other = unix(net)
        notes("taken", other.bind, "path")
        notes("taken, otherwise written", other.bind, "./path")
        notes("longest", other.bind, "x" * 107)
        notes("kind", unix(net, DATAGRAM).connect, "path")
        sock.close()
        notes("still taken", unix(net).bind, "path")
        notes("nobody there", unix(net).connect, "path")
        real_os.unlink("path")
        notes("gone", unix(net).connect, "path")
        notes("free", unix(net).bind, "path")
        for nothing in ("", "nothing", b"\0nothing", "x" * 200):
            notes("connect", unix(net).connect, nothing)
            notes("connect_ex", lambda nothing=nothing: unix(net).connect_ex(nothing) if len(nothing) < 100 else None)
            notes("sendto", unix(net, DATAGRAM).sendto, b"x", nothing)

    twins(program)


@pytest.mark.real
def test_abstract_names_go_with_their_socket_and_are_apart_by_type(twins):
    def program(net, notes):
        stream, datagrams = unix(net, STREAM, b"\0simsock test"), unix(net, DATAGRAM, b"\0simsock test")
        notes("name", stream.getsockname)
        notes("taken", unix(net).bind, b"\0simsock test")
        stream.listen()
        client = unix(net)
        notes("connect", client.connect, b"\0simsock test")
        notes("peer", client.getpeername)
        notes("accepted", lambda: net.keep(stream.accept()[0]).getsockname())
        stream.close()
        notes("gone", unix(net).connect, b"\0simsock test")
        notes("free", unix(net).bind, b"\0simsock test")
        datagrams.close()
        automatic = unix(net, DATAGRAM, "")
        notes("automatic", lambda: (automatic.getsockname()[0], len(automatic.getsockname())))

    twins(program)


@pytest.mark.real
@pytest.mark.parametrize("kind", [STREAM, PACKETS], ids=["streams", "packets"])
def test_a_connection_lives_and_ends_as_on_linux(twins, kind):
    def program(net, notes):
        listener = unix(net, kind, "server")
        notes("listen", listener.listen, 5)
        notes("poll", net.bits, listener)
        client = unix(net, kind)
        notes("connect", client.connect, "server")
        notes("poll", lambda: (net.bits(client), net.bits(listener)))
        notes("sent before it was accepted", client.send, b"hello")
        server, address = listener.accept()
        net.keep(server).setblocking(False)
        notes("address", lambda: (address, server.getsockname(), server.getpeername(), client.getsockname(), client.getpeername()))
        notes("shown", lambda: [repr(end).partition(", laddr")[2] + repr(end).partition(", raddr")[2] for end in (server, client)])
        notes("recvfrom", server.recvfrom, 3)
        notes("rest", server.recv, 10)
        notes("connected already", client.connect, "server")
        notes("listening already", listener.connect, "server")
        notes("sendto", client.sendto, b"x", "server")
        notes("recv", server.recv, 1)
        client.shutdown(net.socket.SHUT_WR)
        notes("polls", lambda: (net.bits(client), net.bits(server)))
        notes("end", server.recv, 1)
        notes("send", client.send, b"x")
        notes("answer", server.send, b"bye")
        notes("recv", client.recv, 10)
        client.shutdown(net.socket.SHUT_RD)
        notes("no reader", server.send, b"x")
        server.close()
        notes("polls", net.bits, client)
        notes("recv", client.recv, 1)
        notes("peer", client.getpeername)
        for number in range(2):
            left = unix(net, kind)
            left.connect("server")
            if number:
                left.send(b"x")
        listener.close()
        notes("what was never accepted", lambda: (net.bits(left), left.getsockopt(1, 4)))
        notes("send", left.send, b"x")
        notes("recv", left.recv, 1)

    twins(program)


@pytest.mark.real
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_peer_that_closes_over_unread_data(twins, kind):
    def program(net, notes):
        one, other = pair(net, kind)
        one.send(b"unread")
        other.send(b"read")
        other.close()
        notes("poll", net.bits, one)
        notes("recv", one.recv, 100)
        notes("recv", one.recv, 100)
        notes("send", one.send, b"x")
        notes("send", one.send, b"x")
        notes("peer", one.getpeername)
        notes("poll", net.bits, one)

    twins(program)


@pytest.mark.real
def test_a_full_backlog_refuses_those_that_do_not_wait(twins):
    def program(net, notes):
        listener = unix(net, STREAM, "server")
        listener.listen(1)
        clients = [unix(net) for _ in range(4)]
        for client in clients:
            notes("connect", client.connect_ex, "server")
        notes("polls", lambda: [net.bits(client) for client in clients])
        clients[2].settimeout(5)
        notes("with a timeout", clients[2].connect, "server")
        listener.listen(2)
        notes("after a longer backlog", clients[2].connect, "server")
        net.keep(listener.accept()[0])
        notes("after accept", clients[3].connect, "server")

    twins(program)


def test_connecting_to_a_full_backlog_waits_for_room(net):
    listener = unix(net, STREAM, "server")
    listener.setblocking(True)
    listener.listen(0)
    first, second = unix(net), unix(net)
    first.connect("server")
    second.setblocking(True)
    waiting = net.spawn(second.connect, "server")
    net.settle()
    for _ in range(2):
        net.keep(listener.accept()[0])
    assert waiting.result(10) is None and second.getpeername() == "server"


def test_a_listener_that_closes_refuses_those_that_wait_for_room(net):
    listener = unix(net, STREAM, "server")
    listener.listen(0)
    first, second = unix(net), unix(net)
    first.connect("server")
    second.setblocking(True)
    waiting = net.spawn(second.connect_ex, "server")
    net.settle()
    listener.close()
    assert waiting.result(10) == 111


@pytest.mark.once
@pytest.mark.real
@pytest.mark.parametrize("size", [1, 192, 193, 1000, 3777, 5000, 16_065, 40_000])
def test_buffers_hold_what_linuxs_hold(twins, size):
    def program(net, notes):
        for kind in KINDS.values():
            one, _ = pair(net, kind)
            notes((kind, size), fill, one, size)
            notes("poll", net.bits, one)

    twins(program)


@pytest.mark.real
def test_a_big_write_takes_what_fits_and_the_rest_when_there_is_room(twins):
    def program(net, notes):
        one, other = pair(net)
        notes("send", one.send, b"x" * 1_000_000)
        notes("poll", net.bits, one)
        notes("recv", lambda: len(other.recv(36_544)))
        notes("poll", net.bits, one)
        notes("send", one.send, b"x" * 1_000_000)
        notes("recv", lambda: len(other.recv(10_000_000)))
        notes("poll", net.bits, one)
        notes("too long", pair(net, DATAGRAM)[0].send, b"x" * 212_961)
        notes("longest", pair(net, DATAGRAM)[0].send, b"x" * 212_960)

    twins(program)


def test_a_blocking_write_waits_for_the_reader(net):
    one, other = pair(net)
    for end in (one, other):
        end.setblocking(True)
    writing = net.spawn(one.sendall, b"x" * 1_000_000)
    got = 0
    while got < 1_000_000:
        got += len(other.recv(70_000))
    assert got == 1_000_000 and writing.result(10) is None


@pytest.mark.real
def test_datagrams_find_their_way_as_on_linux(twins):
    def program(net, notes):
        server, client, nameless = unix(net, DATAGRAM, "server"), unix(net, DATAGRAM, "client"), unix(net, DATAGRAM)
        notes("send", nameless.sendto, b"hello", "server")
        notes("recv", server.recvfrom, 3)
        notes("empty", client.sendto, b"", "server")
        notes("poll", net.bits, server)
        notes("recv", server.recvfrom, 3)
        server.connect("client")
        notes("of another", nameless.sendto, b"x", "server")
        notes("connect of another", nameless.connect, "server")
        notes("of the peer", client.sendto, b"x", "server")
        client.connect("server")
        notes("both ways", lambda: (client.send(b"y"), server.send(b"z"), server.recv(9), server.recv(9), client.recv(9)))
        client.send(b"lost")
        unix(net, DATAGRAM, "third")
        notes("elsewhere", server.connect, "third")
        notes("what was there is lost", server.recv, 9)
        notes("and its sender hears of it", lambda: (net.bits(client), client.getsockopt(1, 4)))
        notes("refused", client.send, b"x")
        server.close()
        notes("gone", client.send, b"x")
        notes("and forgotten", client.send, b"x")
        own = unix(net, DATAGRAM, "own")
        own.connect("own")
        notes("to itself", lambda: (own.send(b"me"), own.recvfrom(9)))
        own.shutdown(net.socket.SHUT_RD)
        notes("shut", nameless.sendto, b"x", "own")
        notes("recv", own.recv, 1)
        notes("shut", lambda: net.bits(own))

    twins(program)


@pytest.mark.real
def test_what_a_peer_sent_before_it_went_is_lost_when_its_going_is_noticed(twins):
    def program(net, notes):
        here, there = pair(net, DATAGRAM)
        notes("sent", there.send, b"last words")
        there.close()
        notes("there", net.bits, here)
        notes("gone", here.send, b"x")
        notes("lost", here.recv, 99)

    twins(program)


@pytest.mark.real
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_path_of_a_socket_that_is_closed_refuses_and_those_of_others_do_not(twins, kind):
    def program(net, notes):
        servers = [unix(net, kind, name) for name in ("first", "second", "third")]
        if kind != DATAGRAM:
            for server in servers:
                server.listen()
        servers[1].close()
        for name in ("first", "second", "third"):
            notes(name, unix(net, kind).connect, name)

    twins(program)


@pytest.mark.real
@pytest.mark.skipif(Path("/proc/sys/net/unix/max_dgram_qlen").read_text().strip() != "10", reason="this machine's queue has another length")
def test_a_queue_of_datagrams_fills_up(twins):
    def program(net, notes):
        server, client = unix(net, DATAGRAM, "server"), unix(net, DATAGRAM)
        client.connect("server")
        notes("count", fill, client, 1)
        notes("poll", net.bits, client)
        notes("another", unix(net, DATAGRAM).sendto, b"x", "server")
        server.recv(1)
        notes("poll", net.bits, client)
        notes("room", client.send, b"x")

    twins(program)


def test_a_sender_waits_for_room_in_the_queue(net):
    server, client = unix(net, DATAGRAM, "server"), unix(net, DATAGRAM)
    client.connect("server")
    filled = fill(client, 1)
    client.setblocking(True)
    sending = net.spawn(client.send, b"last")
    net.settle()
    got = []
    server.setblocking(True)
    while got[-1:] != [b"last"]:
        got.append(server.recv(9))
    assert len(got) == filled + 1 and sending.result(10) == 4


def test_a_connected_sender_is_writable_again_when_the_queue_has_room(net):
    server, client = unix(net, DATAGRAM, "server"), unix(net, DATAGRAM)
    client.connect("server")
    fill(client, 1)
    waiting = net.spawn(net.select.select, [], [client], [], 10)
    net.settle()
    server.recv(1)
    assert waiting.result(10)[1] == [client]


@pytest.mark.real
def test_options_and_credentials(twins):
    def program(net, notes):
        sock, (one, _) = unix(net), pair(net)
        for level, name in ((6, 1), (0, 1), (41, 26), (1, 2), (1, 15), (1, 9), (1, 13), (1, 3), (1, 17), (1, 38), (1, 39), (1, 30), (1, 7), (1, 8)):
            notes(("get", level, name), sock.getsockopt, level, name)
            notes(("set", level, name), sock.setsockopt, level, name, 1)
            notes(("get", level, name), sock.getsockopt, level, name)
        notes("nobody", lambda: struct.unpack("3i", sock.getsockopt(1, 17, 12)))
        notes("peer", lambda: struct.unpack("3i", one.getsockopt(1, 17, 12)) == (real_os.getpid(), real_os.getuid(), real_os.getgid()))
        listener = unix(net, STREAM, "listener")
        listener.listen()
        notes("listener", lambda: struct.unpack("3i", listener.getsockopt(1, 17, 12))[0] == real_os.getpid())
        notes("of the internet", lambda: struct.unpack("3i", net.tcp().getsockopt(1, 17, 12)))

    twins(program)


@pytest.mark.real
def test_pairs_and_kinds_that_there_are_and_are_not(twins):
    def program(net, notes):
        for arguments in ((1, 1), (1, 2), (1, 5), (1, 1, 1), (1, 1, 5), (2, 1), (10, 2), (1, 1 | 0o4000)):

            def shown(arguments=arguments):
                ends = net.socket.socketpair(*arguments)
                answer = [(int(end.family), int(end.type), end.proto, end.gettimeout(), end.getsockname(), end.getpeername()) for end in ends]
                for end in ends:
                    end.close()
                return answer

            notes(arguments, shown)
        notes("protocol", net.socket.socket, 1, 1, 5)

    twins(program)


def test_a_stopped_listener_ends_a_waiting_accept(net):
    listener = unix(net, STREAM, "server")
    listener.setblocking(True)
    listener.listen()
    waiting = net.spawn(listener.accept)
    net.settle()
    listener.shutdown(net.socket.SHUT_RDWR)
    with pytest.raises(OSError, match="Invalid argument"):
        waiting.result(10)
    with pytest.raises(ConnectionRefusedError):
        unix(net).connect("server")


# What only a world has


def test_hosts_see_one_file_system_and_reach_their_own_sockets_only(here):
    with Simulation(patch=False) as sim:
        sockets, os = sim.network.socket, sim.network.os
        one, other, stranger = (sockets.socket(sockets.AF_UNIX) for _ in range(3))
        one.bind("server")
        one.listen()
        with sim.host("elsewhere"):
            stranger = sockets.socket(sockets.AF_UNIX)
            with pytest.raises(OSError, match="Address already in use"):
                stranger.bind("server")
            with pytest.raises(ConnectionRefusedError):
                stranger.connect("server")
            stranger.bind(b"\0name")
        abstract = sockets.socket(sockets.AF_UNIX)
        abstract.bind(b"\0name")
        other.connect(str(here / "server"))
        assert other.getpeername() == "server" and os.listdir(here) == ["server"]
        os.remove("server")
        for sock in (one, other, stranger, abstract):
            sock.close()
    assert real_os.listdir(here) == []


def test_a_bound_socket_is_a_file_to_everybody_who_asks(here):
    with Simulation():
        with socket.socket(socket.AF_UNIX) as server:
            before = os.umask(0o027)
            server.bind("server")
            os.umask(before)
            path = here / "server"
            assert path.exists() and path.is_socket() and os.path.exists("server") and stat.S_IMODE(os.stat("server").st_mode) == 0o750
            path.chmod(0o600)
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600
            assert os.listdir() == ["server"] and [entry.name for entry in os.scandir(here)] == ["server"]
        assert path.is_socket()  # as on Linux, it stays when the socket is closed
        path.unlink()
        assert not path.exists()


def test_a_file_of_that_kind_that_is_made_without_a_socket_goes_with_its_world(here):
    with Simulation():
        for kind, name in ((stat.S_IFSOCK, "alone"), (stat.S_IFREG, "file")):
            os.mknod(name, kind | 0o600)
        folder = os.open(here, os.O_RDONLY)
        (here / "moved").mkdir()
        os.mknod("moved/by_its_folder", stat.S_IFSOCK | 0o600, dir_fd=folder)
        os.close(folder)
        os.rename("moved/by_its_folder", "moved/and_renamed")
        with socket.socket(socket.AF_UNIX) as sock, pytest.raises(ConnectionRefusedError):
            sock.connect("alone")
    assert sorted(real_os.listdir(here)) == ["file", "moved"]
    assert real_os.listdir(here / "moved") == []


def bound_with_a_mode():
    """What the modes of a socket and of its file are when it is given one before it is bound."""
    with socket.socket(socket.AF_UNIX) as server:
        os.fchmod(server.fileno(), 0o750)
        own = stat.S_IMODE(os.fstat(server.fileno()).st_mode)
        server.bind("server")
        of_file = stat.S_IMODE(os.stat("server").st_mode)
        os.fchmod(server.fileno(), 0o777)  # changes no file any more
        return own, of_file, stat.S_IMODE(os.stat("server").st_mode)


def test_the_mode_of_a_socket_becomes_that_of_its_file(here):
    real = bound_with_a_mode()
    real_os.unlink("server")
    with Simulation():
        assert bound_with_a_mode() == real == (0o750, 0o750, 0o750)
    with Simulation(), socket.socket() as stream:
        os.fchmod(stream.fileno(), 0o600)
        assert stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o600


def listening(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def test_the_files_go_with_their_world_however_it_ends_and_whatever_they_are_called_by_then(here):
    with Simulation() as sim:
        sim.spawn(listening, "by a task")
        kept = listening("kept"), listening("renamed")
        os.rename("renamed", "to this")
        (here / "file").write_text("real")
        sim.settle()
        with sim.host("server") as host:
            host.spawn(listening, "of a host that crashes")
            sim.settle()
            host.crash()
        assert sorted(os.listdir()) == ["by a task", "file", "kept", "of a host that crashes", "to this"]
        for server in kept:
            server.close()
    assert os.listdir() == ["file"]
    with pytest.raises(ZeroDivisionError), Simulation():
        kept = listening("another")
        assert 1 / 0
    assert os.listdir() == ["file"]


def test_a_file_that_took_the_place_of_a_sockets_stays(here):
    with Simulation():
        listening("server").close()
        os.unlink("server")
        (here / "server").write_text("of the program")
    assert (here / "server").read_text() == "of the program"


def test_files_of_sockets_leave_nothing_in_the_digest(here):
    digests = set()
    for name in ("one", "a longer name"):
        with Simulation() as sim:
            server = listening(name)
            client = socket.socket(socket.AF_UNIX)
            client.connect(name)
            client.close()
            server.close()
        digests.add(sim.digest)
    assert len(digests) == 1


def test_asyncio_starts_a_server_twice_on_one_path(here):
    async def answer(reader, writer):
        writer.close()

    async def ask():
        async with await asyncio.start_unix_server(answer, "server"):
            reader, writer = await asyncio.open_unix_connection("server")
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    with Simulation():
        asyncio.run(ask())
        asyncio.run(ask())


@pytest.mark.real
def test_paths_lead_to_files_as_on_linux(twins):
    def program(net, notes):
        notes("no directory", unix(net).bind, "missing/server")
        notes("no directory", unix(net).connect, "missing/server")
        Path("file").write_text("x")
        notes("no directory but a file", unix(net).bind, "file/server")
        notes("a file", unix(net).bind, "file")
        notes("a file", unix(net).connect, "file")
        Path("dangling").symlink_to("nowhere")
        notes("a link to nowhere", unix(net).bind, "dangling")
        notes("a link to nowhere", unix(net).connect, "dangling")
        notes("a directory", unix(net).connect, ".")
        server = unix(net, STREAM, "server")
        notes("a directory and a name", unix(net).bind, "server/x")
        server.listen(9)
        Path("link").symlink_to("server")
        Path("hard").hardlink_to("server")
        for name in ("link", "hard", "./server"):
            notes(name, lambda name=name: (client := unix(net)).connect(name) or client.getpeername())
        Path("server").rename("renamed")
        notes("its old name", unix(net).connect, "server")
        notes("its new name", lambda: (client := unix(net)).connect("renamed") or client.getpeername())
        notes("free again", unix(net).bind, "server")
        notes("nobody listens", unix(net).connect, "server")
        datagrams = unix(net, DATAGRAM, "datagrams")
        notes("sendto", unix(net, DATAGRAM).sendto, b"x", "renamed")
        notes("sendto", unix(net, DATAGRAM).sendto, b"x", "file")
        Path("datagrams").unlink()
        notes("sendto", unix(net, DATAGRAM).sendto, b"x", "datagrams")
        notes("it keeps its name", datagrams.getsockname)

    twins(program)


def test_chunks_cut_named_connections_and_leave_pairs_alone():
    with Simulation(patch=False, chunks="bytes") as sim:
        sockets = sim.network.socket
        listener, client = sockets.socket(sockets.AF_UNIX), sockets.socket(sockets.AF_UNIX)
        listener.bind("server")
        listener.listen()
        client.connect("server")
        server, _ = listener.accept()
        client.sendall(b"abc")
        one, other = sockets.socketpair()
        one.sendall(b"abc")
        assert server.recv(10) == b"a" and other.recv(10) == b"abc"
        for sock in (listener, client, server, one, other):
            sock.close()


def test_raw_unix_sockets_and_other_pairs_are_not_simulated(sim):
    sockets = sim.network.socket
    with pytest.raises(Unsupported, match=r"type <SocketKind.SOCK_RAW: 3> of AF_UNIX is not simulated"):
        sockets.socket(sockets.AF_UNIX, sockets.SOCK_RAW)
    with pytest.raises(Unsupported, match="socketpair: type 3 is not simulated"):
        sockets.socketpair(sockets.AF_UNIX, 3)
    with pytest.raises(Unsupported, match="socketpair: family 17 is not simulated"):
        sockets.socketpair(17)


@pytest.mark.parametrize("size", [3_000, 5_000, 20_000])
def test_a_unix_stream_takes_as_much_at_once_as_a_small_buffer_has_room_for(twins, size):
    def program(net, notes):
        one, other = net.socket.socketpair()
        net.keep(one), net.keep(other)
        one.setsockopt(1, 7, size)
        one.setblocking(False)
        notes("taken", one.send, bytes(200_000))
        notes("and then", one.send, bytes(200_000))

    twins(program)


def test_a_path_that_is_bound_again_is_another_file_as_long_as_the_first_socket_is_there(net):
    first = unix(net, name="here")
    before = real_os.stat("here").st_ino
    real_os.unlink("here")
    second = unix(net, name="here")
    assert real_os.stat("here").st_ino != before
    first.close()
    second.close()
    real_os.unlink("here")
