"""How many bytes a send takes, that nothing but sends is cut, and that no byte is lost by whoever looks at what was taken."""

from __future__ import annotations

import os
import re
import socket
import tempfile

import pytest

import simsock
from simsock.errors import UsageError
from simsock.world.simulation import Simulation

TEXT = bytes(range(256)) * 20


def pair(family):
    if family == "unix":
        server = socket.socket(socket.AF_UNIX)
        server.bind(b"\0there")
        server.listen()
        client = socket.socket(socket.AF_UNIX)
        client.connect(b"\0there")
    elif family == "socketpair":
        return socket.socketpair()
    else:
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    server.close()
    return client, accepted


def write(sock, data):
    return os.write(sock.fileno(), data)


def sendmsg(sock, data):
    return sock.sendmsg([data[:100], data[100:]])


def to_the_end(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))


def send_some(sock, data):
    return sock.send(data)


def taken(family="tcp", send=send_some, times=5, **options):
    with Simulation(**options) as sim:
        client, server = pair(family)
        counts = [send(client, TEXT) for _ in range(times)]
        client.close()
        assert to_the_end(server) == b"".join(TEXT[:count] for count in counts)
        server.close()
        return counts, sim.deviations, sim.token, sim.digest


def test_a_send_takes_all_unless_told_otherwise():
    assert taken()[0] == [len(TEXT)] * 5


def test_bytes_and_sizes_are_what_a_send_takes():
    assert taken(sends="bytes")[0] == [1] * 5
    assert taken(sends=[7, 100])[0] == [7, 100, 7, 100, 7]
    assert taken(sends=[100_000])[0] == [len(TEXT)] * 5


@pytest.mark.parametrize("family", ["tcp", "unix", "socketpair"])
@pytest.mark.parametrize("send", [send_some, sendmsg, write], ids=["send", "sendmsg", "write"])
def test_random_sends_take_a_part_by_the_seed_and_are_repeated_from_the_token(family, send):
    counts, deviations, token, digest = taken(family, send, sends="random", seed=1)
    assert all(0 < count <= len(TEXT) for count in counts)
    assert len(set(counts)) == 5
    expected = {"tcp": "localhost->localhost #1", "unix": "localhost->localhost #2", "socketpair": "localhost/socketpair->localhost/socketpair #1"}
    assert {label for label, _, _ in deviations} == {f"sends {expected[family]}"}
    assert counts == taken(family, send, sends="random", seed=1)[0] != taken(family, send, sends="random", seed=2)[0]
    assert taken(family, send, token=token)[::3] == (counts, digest)


def test_nothing_else_is_cut():
    with Simulation(sends="bytes"):
        client, server = pair("tcp")
        client.sendall(TEXT)
        with tempfile.TemporaryFile() as file:
            file.write(TEXT)
            file.flush()
            assert client.sendfile(file, 0) == len(TEXT)
        client.send(b"")
        client.makefile("wb", buffering=0).write(b"x")
        client.close()
        assert to_the_end(server) == TEXT * 2 + b"x"
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        assert datagrams.sendto(TEXT, datagrams.getsockname()) == len(TEXT)
        assert datagrams.recv(65536) == TEXT
        reading, writing = os.pipe()
        assert os.write(writing, TEXT) == len(TEXT)
        packets, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        assert packets.send(TEXT) == len(TEXT)
        assert other.recv(65536) == TEXT
        for end in (reading, writing):
            os.close(end)
        for sock in (server, datagrams, packets, other):
            sock.close()


def test_other_streams_of_questions_stay_what_they_are():
    def cuts(**options):
        return [entry for entry in taken(chunks="random", link="flaky-wifi", loopback=True, seed=3, **options)[1] if not entry[0].startswith("sends")]

    assert {label for label, _, _ in cuts()} <= {label for label, _, _ in cuts(sends=[len(TEXT)])}
    assert cuts() == cuts(sends=[len(TEXT)])


def lossy(sim):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            client.settimeout(5)
            client.send(b"a message of some bytes")
            client.shutdown(socket.SHUT_WR)
            assert to_the_end(accepted) == b"a message of some bytes"


def test_a_search_finds_the_send_that_should_be_a_sendall_and_tells_it_in_one_line():
    verdict = simsock.explore(lossy, 20, sends="random", preempt="calls")
    assert verdict.status == "fails"
    assert len(verdict.deviations) == 1
    assert re.search(r"send 1 of connection #1 from localhost to localhost took \d+ of [\d,]+ bytes", str(verdict)), str(verdict)
    with pytest.raises(AssertionError):
        simsock.replay(lossy, verdict.token)
    assert simsock.explore(lossy, 20, preempt="calls").status == "inconclusive"


@pytest.mark.parametrize("wrong", ["all", 0, [], [0], [True], None])
def test_what_is_no_way_to_send_is_an_error_that_names_the_option(wrong):
    with pytest.raises(UsageError, match="sends: expected 'whole', 'random', 'bytes' or a list of sizes in bytes, got"):
        Simulation(sends=wrong)
