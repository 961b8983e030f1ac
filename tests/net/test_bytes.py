"""Sending, receiving and ending a stream, on loopback and in a world."""

from __future__ import annotations

import errno
import socket as real_socket
import struct

import pytest

SHUT_RD, SHUT_WR, SHUT_RDWR = real_socket.SHUT_RD, real_socket.SHUT_WR, real_socket.SHUT_RDWR
PEEK, WAITALL, DONTWAIT = real_socket.MSG_PEEK, real_socket.MSG_WAITALL, real_socket.MSG_DONTWAIT
MIB = 1 << 20


def reset(sock):
    """Close with a RST instead of a FIN."""
    sock.setsockopt(real_socket.SOL_SOCKET, real_socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def drain(sock, pieces=None):
    data = bytearray()
    while part := sock.recv(65536):
        data += part
        if pieces is not None:
            pieces.append(len(part))
    return bytes(data)


def fill(sock):
    """Send until nothing fits; how many bytes were taken."""
    sent = 0
    try:
        while True:
            sent += sock.send(b"x" * 65536)
    except BlockingIOError:
        return sent


def test_bytes_have_no_boundaries(net):
    client, server = net.pair()
    client.sendall(b"one")
    client.send(b"two")
    net.settle()
    assert server.recv(4) == b"onet"
    assert server.recv(100) == b"wo"


@pytest.mark.parametrize("data", [bytearray(b"abcd"), memoryview(b"abcd"), memoryview(b"aXbXcXdX")[::2].tobytes(), memoryview(b"abcd").cast("H")])
def test_anything_with_bytes_in_it_can_be_sent(net, data):
    client, server = net.pair()
    client.sendall(data)
    assert client.send(data) == 4
    assert server.recv(8, WAITALL) == b"abcdabcd"


def test_receiving_into_a_buffer(net):
    client, server = net.pair()
    client.sendall(b"abcdefghij")
    buffer = bytearray(b".........")
    assert server.recv_into(buffer, 3) == 3
    assert server.recv_into(memoryview(buffer)[4:], 2) == 2
    assert buffer == b"abc.de..."
    assert server.recv_into(buffer) == 5
    assert buffer == b"fghije..."
    client.sendall(b"kl")
    assert server.recvfrom_into(buffer) == (2, None)
    client.sendall(b"m")
    assert server.recvfrom(10) == (b"m", None)


def test_nothing_asked_for_is_nothing_received(net):
    client, server = net.pair()
    assert server.recv(0) == b""
    assert server.recv_into(bytearray()) == 0
    client.sendall(b"x")
    assert server.recv(0) == b""
    assert server.recv(1) == b"x"


def test_nothing_sent_is_nothing_received(net):
    client, server = net.pair()
    assert client.send(b"") == 0
    client.sendall(b"")
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(1)


def test_peeking_takes_nothing_away(net):
    client, server = net.pair()
    client.sendall(b"hello")
    assert server.recv(2, PEEK) == b"he"
    assert server.recv(10, PEEK) == b"hello"
    assert server.recv(10) == b"hello"


def test_peeking_waits_for_bytes(net):
    client, server = net.pair()
    waiting = net.spawn(server.recv, 10, PEEK)
    net.settle()
    assert not waiting.done
    client.sendall(b"there")
    assert waiting.result(10) == b"there"
    assert server.recv(10) == b"there"


def test_waiting_for_all_bytes(net):
    client, server = net.pair()
    waiting = net.spawn(server.recv, 6, WAITALL)
    client.sendall(b"abc")
    net.settle()
    assert not waiting.done
    client.sendall(b"defgh")
    assert waiting.result(10) == b"abcdef"
    assert server.recv(10) == b"gh"


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_waiting_for_all_bytes_ends_with_the_stream(net, end):
    client, server = net.pair()
    client.sendall(b"abc")
    net.settle()
    client.close() if end == "eof" else reset(client)
    assert server.recv(6, WAITALL) == b"abc"
    if end == "reset":
        with pytest.raises(ConnectionResetError):
            server.recv(6, WAITALL)
    assert server.recv(6, WAITALL) == b""


def test_a_socket_with_a_timeout_does_not_wait_for_all_bytes(net):
    client, server = net.pair()
    server.settimeout(5)
    client.sendall(b"abc")
    net.settle()
    assert server.recv(6, WAITALL) == b"abc"


def test_a_flag_for_not_waiting(net):
    client, server = net.pair()
    with pytest.raises(BlockingIOError, match=r"^\[Errno 11\] Resource temporarily unavailable$"):
        server.recv(1, DONTWAIT)
    client.sendall(b"x")
    net.settle()
    assert server.recv(1, DONTWAIT) == b"x"
    client.setblocking(False)
    fill(client)
    client.setblocking(True)
    with pytest.raises(BlockingIOError):
        client.send(b"x" * 65536, DONTWAIT)


def test_receiving_gives_up_after_its_timeout(net):
    client, server = net.pair()
    server.settimeout(0.02)
    began = net.now()
    for receive in (lambda: server.recv(1), lambda: server.recv_into(bytearray(1)), lambda: server.recvfrom(1), lambda: server.recv(1, PEEK)):
        with pytest.raises(TimeoutError, match=r"^timed out$") as caught:
            receive()
        assert caught.value.errno is None
    assert net.now() - began >= 0.0799
    client.sendall(b"late")
    assert server.recv(10) == b"late"


def test_a_reader_wakes_up_for_bytes_for_the_end_and_for_a_reset(net):
    for wake in (lambda sock: sock.sendall(b"x"), lambda sock: sock.close(), reset):
        client, server = net.pair()
        waiting = net.spawn(attempt, server.recv, 10)
        net.settle()
        assert not waiting.done
        wake(client)
        outcome = waiting.result(10)
        assert outcome in (b"x", b"", errno.ECONNRESET)


def attempt(fn, *args):
    try:
        return fn(*args)
    except OSError as error:
        return error.errno


def test_several_megabytes_arrive_whatever_the_buffers(net):
    client, server = net.pair()
    data = bytes(range(256)) * (3 * MIB // 256)
    reading = net.spawn(drain, server)
    client.sendall(data)
    client.close()
    assert reading.result(30) == data


def test_a_blocking_send_takes_everything(net):
    client, server = net.pair()
    reading = net.spawn(drain, server)
    assert client.send(b"x" * (2 * MIB)) == 2 * MIB
    client.close()
    assert len(reading.result(30)) == 2 * MIB


def test_a_send_that_must_not_block_is_short_and_then_refused(net):
    client, server = net.pair()
    client.setblocking(False)
    taken = client.send(b"x" * (64 * MIB))
    assert 0 < taken < 64 * MIB
    taken += fill(client)
    with pytest.raises(BlockingIOError, match=r"^\[Errno 11\] Resource temporarily unavailable$"):
        client.send(b"x")
    with pytest.raises(BlockingIOError):
        client.sendall(b"x")
    assert net.select.select([], [client], [], 0) == ([], [], [])
    client.shutdown(SHUT_WR)
    assert len(drain(server)) == taken


def test_a_send_with_a_timeout_takes_what_fits_or_gives_up(net):
    client, server = net.pair()
    client.settimeout(0.02)
    assert 0 < client.send(b"x" * (64 * MIB)) < 64 * MIB
    client.setblocking(False)
    fill(client)
    client.settimeout(0.02)
    for send in (client.send, client.sendall):
        with pytest.raises(TimeoutError, match=r"^timed out$"):
            send(b"x" * 65536)


def test_the_timeout_of_sendall_is_for_all_of_it(net):
    client, server = net.pair()
    client.settimeout(0.1)
    stop = net.threading.Event()

    def read_slowly():
        while not stop.is_set():
            net.nap()
            try:
                server.recv(4096, DONTWAIT)
            except BlockingIOError:
                pass

    reading = net.spawn(read_slowly)
    began = net.now()
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        client.sendall(b"x" * (64 * MIB))
    took = net.now() - began
    stop.set()
    reading.result(10)
    assert 0.0999 <= took < (0.1001 if net.kind == "sim" else 5)


def test_a_writer_wakes_up_when_the_reader_makes_room(net):
    client, server = net.pair()
    client.setblocking(False)
    taken = fill(client)
    client.setblocking(True)
    writing = net.spawn(client.send, b"more")
    net.settle()
    assert not writing.done
    server.recv(taken, WAITALL)
    assert writing.result(10) == 4
    assert server.recv(10) == b"more"


@pytest.mark.parametrize("ending", ["reset", "shutdown"])
def test_a_writer_wakes_up_when_there_is_nobody_to_read_any_more(net, ending):
    client, server = net.pair()
    client.setblocking(False)
    fill(client)
    client.setblocking(True)
    writing = net.spawn(attempt, client.sendall, b"more")
    net.settle()
    assert not writing.done
    if ending == "reset":
        server.close()  # with unread bytes
        assert writing.result(10) == errno.ECONNRESET
    else:
        client.shutdown(SHUT_WR)
        assert writing.result(10) == errno.EPIPE


def test_half_close_ends_one_direction_only(net):
    client, server = net.pair()
    client.sendall(b"question")
    client.shutdown(SHUT_WR)
    assert drain(server) == b"question"
    with pytest.raises(BrokenPipeError, match=r"^\[Errno 32\] Broken pipe$"):
        client.send(b"more")
    server.sendall(b"answer")
    server.close()
    assert drain(client) == b"answer"


def test_a_reader_that_shut_down_reads_what_there_is_and_then_the_end(net):
    client, server = net.pair()
    server.shutdown(SHUT_RD)
    assert server.recv(10) == b""
    client.sendall(b"late")
    net.settle()
    assert server.recv(10) == b"late"
    assert server.recv(10) == b""
    server.sendall(b"still sends")
    assert client.recv(100) == b"still sends"


def test_shutting_down_wakes_the_own_reader(net):
    _, server = net.pair()
    waiting = net.spawn(server.recv, 10)
    net.settle()
    server.shutdown(SHUT_RD)
    assert waiting.result(10) == b""


def test_closing_with_unread_bytes_resets_after_what_was_sent(net):
    client, server = net.pair()
    client.sendall(b"never read")
    server.sendall(b"last words")
    net.settle()
    server.close()
    net.settle()
    assert client.recv(100) == b"last words"
    with pytest.raises(ConnectionResetError, match=r"^\[Errno 104\] Connection reset by peer$"):
        client.recv(100)
    assert client.recv(100) == b""
    with pytest.raises(BrokenPipeError):
        client.send(b"x")


def test_writing_to_a_closed_peer_fails_the_second_time(net):
    client, server = net.pair()
    server.close()
    net.settle()
    assert client.send(b"into the void") == 13
    net.settle()
    with pytest.raises(BrokenPipeError, match=r"^\[Errno 32\] Broken pipe$"):
        client.send(b"again")
    assert client.recv(1) == b""


def test_lingering_for_no_time_is_a_reset(net):
    client, server = net.pair()
    client.sendall(b"lost or not")
    reset(client)
    net.settle()
    assert server.recv(100) == b"lost or not"
    with pytest.raises(ConnectionResetError):
        server.recv(100)
    client, server = net.pair()
    reset(client)
    net.settle()
    assert server.getsockopt(real_socket.SOL_SOCKET, real_socket.SO_ERROR) == errno.ECONNRESET
    assert server.recv(1) == b""


def test_no_names_after_the_end(net):
    client, server = net.pair()
    own = client.getsockname()
    client.shutdown(SHUT_WR)
    server.close()
    net.settle()
    with pytest.raises(OSError, match=r"^\[Errno 107\] Transport endpoint is not connected$"):
        client.getpeername()
    with pytest.raises(OSError, match=r"^\[Errno 107\]"):
        client.shutdown(SHUT_RDWR)
    assert client.getsockname() == own


def test_closing_does_not_wake_who_waits_and_the_connection_lives_on(net):
    client, server = net.pair()
    waiting = net.spawn(server.recv, 10)
    net.settle()
    server.close()
    net.settle()
    assert not waiting.done
    client.sendall(b"still")
    assert waiting.result(10) == b"still"
    assert client.recv(1) == b""


def test_closing_under_a_reader_with_a_timeout_is_a_bad_descriptor_once_it_wakes(net):
    client, server = net.pair()
    server.settimeout(10)
    waiting = net.spawn(attempt, server.recv, 10)
    net.settle()
    server.close()
    net.settle()
    client.sendall(b"still")
    assert waiting.result(10) == errno.EBADF


def test_two_readers_of_one_socket_share_its_bytes(net):
    client, server = net.pair()
    readers = [net.spawn(server.recv, 1) for _ in range(2)]
    net.settle()
    client.sendall(b"ab")
    assert sorted(reader.result(10) for reader in readers) == [b"a", b"b"]


def test_two_writers_of_one_socket_lose_nothing(net):
    client, server = net.pair()
    reading = net.spawn(drain, server)
    writers = [net.spawn(client.sendall, letter * MIB) for letter in (b"a", b"b")]
    for writer in writers:
        writer.result(30)
    client.close()
    data = reading.result(30)
    assert (data.count(b"a"), data.count(b"b"), len(data)) == (MIB, MIB, 2 * MIB)


def test_both_ends_may_send_more_than_fits_if_both_read(net):
    client, server = net.pair()
    writers = [net.spawn(sock.sendall, b"x" * MIB) for sock in (client, server)]
    readers = [net.spawn(sock.recv, MIB, WAITALL) for sock in (client, server)]
    assert [len(reader.result(30)) for reader in readers] == [MIB, MIB]
    for writer in writers:
        writer.result(30)


def test_data_for_a_socket_that_is_shut_down_both_ways_resets_the_connection(net):
    for order in ([SHUT_RDWR], [SHUT_RD, SHUT_WR], [SHUT_WR, SHUT_RD]):
        client, server = net.pair()
        for how in order:
            client.shutdown(how)
        server.sendall(b"anyone?")
        net.settle()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(BrokenPipeError):
            server.send(b"x")
