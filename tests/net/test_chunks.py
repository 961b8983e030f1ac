"""How received bytes are cut, and that whatever a link does to a stream, the bytes and the end arrive as over a perfect one."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simsock.choices import ReplaySource, Tape
from simsock.errors import UsageError
from simsock.net import Link
from simsock.net.chunks import check_chunks, make_cutter
from simsock.net.fabric import fabric_of
from simsock.world.simulation import Simulation

TEXT = b"".join(b"line %d\n" % number for number in range(40))


def connected(sim):
    with sim.host("server"):
        listener = sim.network.socket.create_server((sim.host("server").addresses[0], 80))
    client = sim.connect(("server", 80))
    server, _ = listener.accept()
    listener.close()
    return client, server


def received(size=1000, read=None, **options):
    """The pieces in which TEXT arrives, and the world's deviations."""
    with Simulation(**options) as sim:
        client, server = connected(sim)
        client.sendall(TEXT)
        client.close()
        pieces = []
        while piece := (read or (lambda sock, size: sock.recv(size)))(server, size):
            pieces.append(piece)
        server.close()
        assert b"".join(pieces) == TEXT
        return [len(piece) for piece in pieces], sim.deviations, sim.token, sim.digest


def test_whole_chunks_are_all_there_is():
    assert received()[0] == [len(TEXT)]
    assert received(size=100)[0] == [100, 100, 100, len(TEXT) - 300]


def test_bytes_come_one_at_a_time():
    assert received(chunks="bytes")[0] == [1] * len(TEXT)


def test_sizes_are_repeated():
    sizes, deviations, *_ = received(chunks=[10, 1, 50])
    assert sizes[:6] == [10, 1, 50, 10, 1, 50]
    assert deviations == []
    assert received(chunks=[10, 50], size=20)[0][:4] == [10, 20, 10, 20]


def test_random_chunks_differ_by_seed_and_are_told_as_deviations():
    sizes, deviations, *_ = received(chunks="random", seed=1)
    assert len(sizes) > 3
    assert all(label == "chunks server<-client #1" for label, _, _ in deviations)
    assert sizes == received(chunks="random", seed=1)[0] != received(chunks="random", seed=2)[0]


def test_random_chunks_can_be_repeated_from_their_deviations_and_from_the_token():
    sizes, deviations, token, digest = received(chunks="random", seed=1)
    assert received(token=token)[::3] == (sizes, digest)
    pairs = Tape(ReplaySource(deviations))
    cut = make_cutter("random", pairs, "chunks server<-client #1")
    have = len(TEXT)
    again = []
    while have:
        again.append(min(have, cut(have)))
        have -= again[-1]
    assert again == sizes


def test_the_dull_answer_is_everything():
    cut = make_cutter("random", Tape(ReplaySource([])), "x")
    assert [cut(have) for have in (1, 2, 1000)] == [1, 2, 1000]


@pytest.mark.parametrize("chunks", ["random", "bytes", [3]])
def test_nothing_is_never_received_before_the_end(chunks):
    for seed in range(5):
        assert 0 not in received(chunks=chunks, seed=seed)[0]


def test_buffers_and_files_are_cut_too():
    def into(sock, size):
        buffer = bytearray(size)
        return bytes(buffer[: sock.recv_into(buffer)])

    assert received(chunks=[7], read=into)[0][:3] == [7, 7, 7]
    with Simulation(chunks=[7]) as sim:
        client, server = connected(sim)
        client.sendall(TEXT)
        client.close()
        with server.makefile("rb") as file:
            assert len(file.peek()) == 7
            assert file.readlines() == TEXT.splitlines(keepends=True)
        server.close()


def test_each_connection_and_direction_has_chunks_of_its_own():
    with Simulation(chunks="random", seed=3) as sim:
        pairs = [connected(sim) for _ in range(2)]
        for client, server in pairs:
            client.sendall(TEXT)
            server.sendall(TEXT)
            for sock in (client, server):
                sock.recv(100, sim.network.socket.MSG_WAITALL)
                fabric_of(sim._kernel)
                sock.close()
        labels = {label for label, _, _ in sim.deviations}
    assert labels == {f"chunks {way} #{number}" for way in ("server<-client", "client<-server") for number in (1, 2)}


@pytest.mark.parametrize("chunks", ["some", [], [0], [-1], [1.5], [True], 5, None, b"whole"])
def test_chunks_that_make_no_sense_are_named(chunks):
    with pytest.raises(UsageError, match="chunks: expected 'whole', 'random', 'bytes' or a list of sizes in bytes, got "):
        check_chunks(chunks)
    with pytest.raises(UsageError, match="chunks: "):
        Simulation(chunks=chunks)


# -- whatever the link does ----------------------------------------------------------------------------------------------------------

SHARES = st.sampled_from([0, 0.05, 0.3])
LINKS = st.builds(
    lambda latency, jitter, loss: Link(latency=latency, jitter=jitter, loss=loss), st.sampled_from([0, 0.001, 0.3]), st.sampled_from([0, 0.0005, 0.2]), SHARES
)
CHUNKS = st.sampled_from(["whole", "random", "bytes", [1, 1000], [70_000]])
SIZES = st.lists(st.sampled_from([1, 2, 100, 1459, 1460, 1461, 5000, 70_000, 200_000]), max_size=8)
ENDS = st.sampled_from(["close", "half-close", "unread"])


def conversation(seed, link, chunks, plans, ends, buffers, change):
    """Both ends send and read at once; what each received and how it ended for it."""
    with Simulation(seed=seed, link=link, chunks=chunks, max_steps=20_000_000) as sim:
        module = sim.network.socket
        client, server = connected(sim)
        outcomes = {}

        def send(sock, name, sizes, end):
            for number, size in enumerate(sizes):
                sock.sendall(bytes([number + 1]) * size)
            if end != "unread":
                sock.shutdown(module.SHUT_WR)

        def read(sock, name):
            got = bytearray()
            try:
                while part := sock.recv(30_000):
                    got += part
                outcomes[name] = (bytes(got), "end")
            except OSError as error:
                outcomes[name] = (bytes(got), error.errno)

        socks = {"client": client, "server": server}
        for sock in socks.values():
            if buffers:
                sock.setsockopt(module.SOL_SOCKET, module.SO_RCVBUF, buffers)
                sock.setsockopt(module.SOL_SOCKET, module.SO_SNDBUF, buffers)
        tasks = [sim.spawn(send, sock, name, plans[name], ends[name]) for name, sock in socks.items()]
        readers = [sim.spawn(read, sock, name) for name, sock in socks.items()]
        if change is not None:
            sim.sleep("150ms")
            sim.link("client", "server", latency=change.latency_ns / 1e9, jitter=change.jitter_ns / 1e9, loss=change.loss)
        for task in tasks:
            task.result()
        for name, sock in socks.items():
            if ends[name] == "unread":
                sock.shutdown(module.SHUT_WR)
        for reader in readers:
            reader.result()
        for sock in socks.values():
            sock.close()
        sim.settle()
        tables = [host.tcp._bound for host in fabric_of(sim._kernel).hosts()], [host.tcp._held for host in fabric_of(sim._kernel).hosts()]
        return outcomes, tables


@pytest.mark.once
@given(
    st.integers(0, 1 << 32),
    LINKS,
    CHUNKS,
    st.fixed_dictionaries({"client": SIZES, "server": SIZES}),
    st.fixed_dictionaries({"client": ENDS, "server": ENDS}),
    st.sampled_from([None, 2000, 50_000]),
    st.none() | LINKS,
)
def test_a_stream_is_what_was_sent_whatever_the_link_the_chunks_and_the_buffers(seed, link, chunks, plans, ends, buffers, change):
    if chunks == "bytes":
        plans = {name: [min(size, 300) for size in sizes] for name, sizes in plans.items()}
    outcomes, tables = conversation(seed, link, chunks, plans, ends, buffers, change)
    for name, other in (("client", "server"), ("server", "client")):
        assert outcomes[name] == (b"".join(bytes([number + 1]) * size for number, size in enumerate(plans[other])), "end")
    assert tables == ([{}, {}, {}], [{}, {}, {}]), "closed sockets are forgotten"


@given(st.integers(0, 1 << 32), LINKS, st.integers(0, 5000), st.integers(0, 5000))
def test_a_reset_comes_after_what_was_sent_before_it(seed, link, size, unread):
    with Simulation(seed=seed, link=link) as sim:
        client, server = connected(sim)
        server.sendall(b"u" * unread)
        sim.settle()
        client.sendall(b"x" * size)
        sim.settle()
        client.close()
        got = bytearray()
        ending = None
        try:
            if link.loss and unread:
                sim.settle()
                server.sendall(b"a RST is sent once; when it was lost, this brings another")
            while part := server.recv(1000):
                got += part
        except OSError as error:
            ending = error.errno
        if unread == 0:
            assert (got, ending) == (b"x" * size, None)
        else:
            assert ending == errno.ECONNRESET
            assert got == b"x" * size or link.loss
        server.close()
