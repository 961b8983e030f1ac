"""File objects over sockets, on loopback and in a world."""

from __future__ import annotations

import gc
import io

import pytest

from simsock.world.simulation import Simulation


def test_lines_and_bytes(net):
    client, server = net.pair()
    with client.makefile("wb") as out, server.makefile("rb") as file:
        out.write(b"one\ntwo\nthree")
        out.flush()
        client.shutdown(net.socket.SHUT_WR)
        assert file.readline() == b"one\n"
        assert file.read(2) == b"tw"
        assert file.peek(1)[:1] == b"o"
        assert file.read1(10) == b"o\nthree"
        assert file.read() == b""
        assert list(file) == []


def test_a_line_comes_in_pieces(net):
    client, server = net.pair()
    with server.makefile("rb") as file:
        reading = net.spawn(file.readline)
        for piece in (b"one ", b"line", b"\nand more"):
            assert not reading.done
            client.sendall(piece)
            net.settle()
        assert reading.result(10) == b"one line\n"
        client.close()
        assert file.read() == b"and more"


def test_reading_all_waits_for_the_end(net):
    client, server = net.pair()
    with server.makefile("rb") as file:
        reading = net.spawn(file.read)
        client.sendall(b"a" * 100_000)
        net.settle()
        assert not reading.done
        client.close()
        assert reading.result(10) == b"a" * 100_000


def test_text_has_an_encoding_and_newlines(net):
    client, server = net.pair()
    with client.makefile("w", encoding="latin-1", newline="\r\n") as out, server.makefile("rb") as raw:
        out.write("grün\n")
        out.flush()
        assert raw.readline() == b"gr\xfcn\r\n"
    with server.makefile("w", encoding="utf-8", newline="") as out, client.makefile("r", encoding="utf-8") as text:
        out.write("één\r\nzwei\r")
        out.flush()
        server.shutdown(net.socket.SHUT_WR)
        assert text.readlines() == ["één\n", "zwei\n"]
        assert text.mode == "r"
        assert text.encoding == "utf-8"


def test_both_directions_through_one_file(net):
    client, server = net.pair()
    with client.makefile("rwb") as one, server.makefile("rw", encoding="ascii", newline="\n") as other:
        one.write(b"question\n")
        one.flush()
        assert other.readline() == "question\n"
        other.write("answer\n")
        other.flush()
        assert one.readline() == b"answer\n"
        assert isinstance(one, io.BufferedRWPair)


def test_without_a_buffer_reads_are_what_recv_returns(net):
    client, server = net.pair()
    with server.makefile("rwb", buffering=0) as file:
        client.sendall(b"abc")
        net.settle()
        assert file.read(2) == b"ab"
        assert file.read(10) == b"c"
        assert file.write(b"back") == 4
        assert client.recv(10) == b"back"
        server.setblocking(False)
        assert file.read(1) is None
        assert (file.readable(), file.writable(), file.seekable(), file.fileno()) == (True, True, False, server.fileno())


def test_the_default_mode_reads_text(net):
    client, server = net.pair()
    client.sendall(b"text\n")
    with server.makefile() as file:
        assert file.readline() == "text\n"


def test_the_connection_lives_until_the_last_file_is_closed(net):
    client, server = net.pair()
    reader, writer = client.makefile("rb"), client.makefile("wb")
    client.close()
    server.sendall(b"hello\n")
    assert reader.readline() == b"hello\n"
    reader.close()
    writer.write(b"bye")
    writer.flush()
    assert server.recv(10) == b"bye"
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(1)
    writer.close()
    net.settle()
    assert server.recv(10) == b""


def test_closing_the_files_leaves_the_socket_open(net):
    client, server = net.pair()
    with client.makefile("rb"), client.makefile("wb"):
        pass
    client.sendall(b"x")
    assert server.recv(1) == b"x"


def test_closing_a_file_sends_what_it_still_has(net):
    client, server = net.pair()
    with client.makefile("w") as out:
        out.write("kept back")
        client.close()
    assert server.makefile("rb").read() == b"kept back"


def test_a_file_that_nobody_holds_sends_what_it_still_has(net):
    client, server = net.pair()
    out = client.makefile("w")
    out.write("kept back")
    client.close()
    del out
    gc.collect()
    net.settle()
    assert server.recv(100) == b"kept back"
    assert server.recv(100) == b""


def test_after_a_timeout_the_file_cannot_be_read_any_more(net):
    client, server = net.pair()
    server.settimeout(0.02)
    with server.makefile("rb") as file:
        with pytest.raises(TimeoutError, match=r"^timed out$"):
            file.readline()
        client.sendall(b"late\n")
        with pytest.raises(OSError, match=r"^cannot read from timed out object$"):
            file.readline()


def test_errors_of_the_socket_come_through(net):
    client, server = net.pair()
    client.sendall(b"x")
    net.settle()
    with server.makefile("rb") as file, client.makefile("rb") as other:
        server.sendall(b"unread")
        net.settle()
        client.close()
        other.close()
        net.settle()
        assert file.read(1) == b"x"
        with pytest.raises(ConnectionResetError):
            file.read(1)


def test_two_tasks_share_one_reader(net):
    client, server = net.pair()
    with server.makefile("rb") as file:
        readers = [net.spawn(file.readline) for _ in range(3)]
        net.settle()
        for line in (b"one\n", b"two\n", b"three\n"):
            client.sendall(line)
            net.settle()
        assert sorted(reader.result(10) for reader in readers) == [b"one\n", b"three\n", b"two\n"]


def test_two_tasks_share_one_writer_whose_socket_is_full(net):
    client, server = net.pair()
    with client.makefile("wb", buffering=1024) as out:
        writers = [net.spawn(out.write, letter * (1 << 20)) for letter in (b"a", b"b")]
        net.settle()
        got = server.recv(1 << 20, net.socket.MSG_WAITALL)
        rest = net.spawn(server.recv, 1 << 20, net.socket.MSG_WAITALL)
        assert [writer.result(10) for writer in writers] == [1 << 20, 1 << 20]
        out.flush()
        data = got + rest.result(10)
        assert (data.count(b"a"), data.count(b"b")) == (1 << 20, 1 << 20)


def test_a_reader_that_dies_when_its_turn_has_come_passes_it_on(sim):
    client, server = sim_pair(sim)
    file = server.makefile("rb")
    first, second, third = (sim.spawn(file.readline) for _ in range(3))
    sim.settle()

    guard = file._guard
    leave = guard.leave

    def leave_and_cancel():
        leave()
        if not second.done and second.woken:
            second.cancel()

    type(guard).leave = lambda guard: leave_and_cancel()
    try:
        client.sendall(b"one\n")
        assert first.result() == b"one\n"
    finally:
        type(guard).leave = leave.__func__
    client.sendall(b"two\n")
    assert third.result(5) == b"two\n"
    assert second.cancelled
    file.close()


def sim_pair(sim):
    sockets = sim.network.socket
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        client = sockets.create_connection(listener.getsockname())
        return client, listener.accept()[0]


@pytest.mark.parametrize("mode", ["rb", "wb", "rwb", "r", "w", "rw"])
def test_a_file_in_a_cycle_of_references_closes_without_parking_whoever_collects_it(mode):
    def run(seed):
        with Simulation(seed=seed, strategy="random") as sim:
            client, server = sim_pair(sim)

            def litter():
                other = client.dup()
                file = other.makefile(mode)
                if "w" in mode:
                    file.write("text" if "b" not in mode else b"text")
                other.close()
                cycle = [file]
                cycle.append(cycle)

            for _ in range(3):
                sim.spawn(litter)
            others = [sim.spawn(sim.sleep, 0.001) for _ in range(3)]
            sim.settle()
            client.close()
            for other in others:
                other.result()
            while server.recv(100):
                pass
            server.close()
        return sim.digest

    assert [run(seed) for seed in range(5)] == [run(seed) for seed in range(5)]


def test_collecting_a_file_in_a_cycle_is_no_scheduling_point(sim):
    client, server = sim_pair(sim)
    kernel = sim._kernel
    for mode in ("rb", "wb", "rwb", "r", "w", "rw"):
        file = client.dup().makefile(mode)
        if "w" in mode:
            file.write("text" if "b" not in mode else b"text")
        cycle = [file]
        cycle.append(cycle)
        del file, cycle
    before = kernel.steps
    gc.collect()
    assert kernel.steps == before
    sim.settle()
    assert len(kernel.files) == 2
    client.close()
    server.close()


@pytest.mark.filterwarnings("ignore:unclosed file")
@pytest.mark.parametrize(("mode", "sent"), [("rwb", b""), ("wb", b"text"), ("rw", b"text"), ("w", b"text")])
@pytest.mark.parametrize("first", ["socket", "file"])
def test_a_file_that_is_dropped_sends_what_the_standard_one_does(net, mode, sent, first):
    """A binary file for both directions loses what was not flushed: CPython closes its reading half, and so the socket's file, first."""
    client, server = net.pair()
    file = client.makefile(mode)
    file.write("text" if "b" not in mode else b"text")
    if first == "socket":
        client.close()
    del file
    if first == "file":
        client.close()
    assert server.makefile("rb").read() == sent
