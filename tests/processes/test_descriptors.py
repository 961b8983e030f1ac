"""Descriptors of several processes: copies at a fork, pipes, sockets, polls, and their ends."""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import stat
import time

import pytest

from simsock import Simulation
from simsock.kernel.identity import PROCESS
from tests.processes.children import child, status_of


def test_a_pipe_ends_when_the_last_process_has_closed_it(world):
    reading, writing = os.pipe()

    def write():
        os.close(reading)
        os.write(writing, b"one ")
        time.sleep(2)
        os.write(writing, b"two")

    pid = child(write)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert file.read() == b"one two"
    assert round(world.now) == 2
    assert status_of(pid) == 0


def test_a_pipe_that_nobody_reads_any_more_breaks(world):
    reading, writing = os.pipe()
    assert status_of(child(os.close, reading)) == 0
    os.write(writing, b"x")  # the parent's own end is open
    os.close(reading)

    def write():
        try:
            os.write(writing, b"x")
        except BrokenPipeError:
            return 7

    assert status_of(child(write)) == 7


def test_a_killed_child_closes_what_it_had(world):
    reading, writing = os.pipe()
    pid = child(time.sleep, 100)
    os.close(writing)
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)
    assert os.read(reading, 1) == b""
    assert status_of(pid) == -signal.SIGKILL


def test_much_goes_through_a_pipe_that_is_small(world):
    reading, writing = os.pipe()

    def write():
        os.close(reading)
        return os.write(writing, b"x" * 300_000) != 300_000

    pid = child(write)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert len(file.read()) == 300_000
    assert status_of(pid) == 0


def test_a_pair_of_sockets_joins_parent_and_child(world):
    mine, yours = socket.socketpair()

    def echo():
        mine.close()
        with yours, yours.makefile("rwb") as file:
            for line in file:
                file.write(line.upper())
                file.flush()

    pid = child(echo)
    yours.close()
    mine.sendall(b"hello\nworld\n")
    mine.shutdown(socket.SHUT_WR)
    assert mine.makefile("rb").read() == b"HELLO\nWORLD\n"
    assert status_of(pid) == 0


def test_workers_that_were_forked_before_share_a_listener(world):
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    def work():
        for _ in range(2):
            connection, peer = listener.accept()
            assert peer == connection.getpeername()
            with connection:
                time.sleep(1)
                connection.sendall(b"%d" % os.getpid())

    workers = [child(work) for _ in range(3)]
    listener.close()
    clients = [socket.create_connection(address) for _ in range(6)]
    answers = [int(client.recv(100)) for client in clients]
    assert sorted(answers) == sorted(workers * 2)
    assert [status_of(pid) for pid in workers] == [0, 0, 0]
    assert round(world.now) == 2


def test_a_child_makes_connections_of_its_own(world):
    listener = socket.create_server(("127.0.0.1", 0))

    def call():
        with socket.create_connection(listener.getsockname(), timeout=5) as connection:
            connection.sendall(b"x" * 200_000)
            connection.shutdown(socket.SHUT_WR)
            assert connection.gettimeout() == 5
            assert connection.recv(10) == b"200000"
            buffer = bytearray(4)
            assert connection.recv_into(buffer) == 0

    pid = child(call)
    connection, _ = listener.accept()
    size = 0
    while data := connection.recv(65536):
        size += len(data)
    connection.sendall(b"%d" % size)
    connection.close()
    assert status_of(pid) == 0


def test_errors_of_calls_are_those_of_linux_in_a_child_too(world):
    def try_all():
        with pytest.raises(ConnectionRefusedError) as refused:
            socket.create_connection(("127.0.0.1", 9))
        assert refused.value.errno == 111
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.read(10_999, 1)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.close(10_999)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(0.5)
            with pytest.raises(TimeoutError, match="timed out"):
                sock.recvfrom(10)
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        with pytest.raises(socket.gaierror):
            socket.create_connection(("no.such.host.invalid", 9))
        with pytest.raises(TypeError):
            sock.send("text")

    assert status_of(child(try_all)) == 0


@pytest.mark.parametrize("kind", [selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector])
def test_a_child_waits_for_several_descriptors(world, kind):
    pipes = [os.pipe() for _ in range(3)]

    def wait():
        with kind() as selector:
            for number, (reading, _) in enumerate(pipes):
                selector.register(reading, selectors.EVENT_READ, number)
            assert selector.select(1) == []
            ready = selector.select()
            return 10 + ready[0][0].data

    pid = child(wait)
    time.sleep(2)
    os.write(pipes[1][1], b"x")
    assert status_of(pid) == 11


def test_select_gives_back_the_objects_that_it_was_given(world):
    one, other = socket.socketpair()

    def look():
        return select.select([other], [one], [], 1) != ([], [one], [])

    assert status_of(child(look)) == 0


def test_what_a_child_closes_stays_open_in_its_parent(world):
    one, other = socket.socketpair()
    assert status_of(child(lambda: one.close() or other.close())) == 0
    one.sendall(b"x")
    assert other.recv(1) == b"x"


def test_an_object_that_a_child_drops_is_closed_there(world):
    reading, writing = os.pipe()
    one, other = socket.socketpair()
    held = [one, other]
    del one, other

    def drop():
        with pytest.warns(ResourceWarning):
            held.clear()
        os.write(writing, b"x")

    pid = child(drop)
    assert os.read(reading, 1) == b"x"
    assert status_of(pid) == 0
    held[0].sendall(b"x")
    assert held[1].recv(1) == b"x"


def test_descriptors_travel_between_processes(world):
    mine, yours = socket.socketpair()
    pid = os.fork()
    if not pid:
        listener = socket.create_server(("127.0.0.1", 5000))
        socket.send_fds(yours, [b"here"], [listener.fileno()])
        os._exit(0)
    data, (fd,), _, _ = socket.recv_fds(mine, 10, 1)
    assert data == b"here"
    assert status_of(pid) == 0
    with socket.socket(fileno=fd) as listener:
        assert listener.getsockname() == ("127.0.0.1", 5000)
        with socket.create_connection(("127.0.0.1", 5000)):
            assert listener.accept()[1][0] == "127.0.0.1"


def test_the_sockets_of_all_processes_are_listed_and_die_with_their_host(world):
    server = world.host("server")

    def serve():
        listener = socket.create_server(("", 80))
        listener.accept()

    def start():
        child(serve)

    server.spawn(start).result()
    world.settle()
    assert [(entry.host, entry.state) for entry in world.netstat()] == [("server", "LISTEN")]
    server.crash()
    world.settle()
    assert list(world.netstat()) == []


def test_a_program_that_closes_all_descriptors_in_its_child_keeps_the_world(world):
    reading, writing = os.pipe()

    def daemon():
        os.dup2(writing, 10_500)
        os.closerange(3, 10_500)
        os.write(10_500, b"alive")

    pid = child(daemon)
    assert os.read(reading, 10) == b"alive"
    assert status_of(pid) == 0


def test_real_files_have_the_same_times_for_all_processes(world, tmp_path):
    path = tmp_path / "beat"
    path.write_text("x")
    began = path.stat().st_mtime

    def beat():
        time.sleep(5)
        path.write_text("y")
        assert round(path.stat().st_mtime - began) == 5
        time.sleep(5)
        os.utime(path, (7, 8))

    pid = child(beat)
    time.sleep(7)
    assert round(path.stat().st_mtime - began) == 5
    assert status_of(pid) == 0
    assert path.stat().st_mtime == 8


def test_a_child_gives_a_socket_a_mode_which_its_file_is_made_with(world, tmp_path):
    path = tmp_path / "server"

    def serve():
        with socket.socket(socket.AF_UNIX) as server:
            os.fchmod(server.fileno(), 0o750)
            server.bind(str(path))
            return stat.S_IMODE(os.fstat(server.fileno()).st_mode) != 0o750

    assert status_of(child(serve)) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_a_file_of_the_kind_socket_that_a_child_has_made_goes_with_the_world(tmp_path):
    path = tmp_path / "made"
    with Simulation():
        assert status_of(child(lambda: os.mknod(path, stat.S_IFSOCK | 0o600))) == 0
        assert path.is_socket()
    assert not path.exists()


def test_a_real_file_is_sent_from_process_to_process(world, tmp_path):
    here, there = socket.socketpair()
    words = tmp_path / "words"

    def takes(sock):
        _, (fd,), _, _ = socket.recv_fds(sock, 1, 1)
        os.write(fd, b"%d\n" % (os.getpid() - PROCESS))
        os.close(fd)

    def gives(sock):
        with words.open("ab", buffering=0) as file:
            socket.send_fds(sock, [b"x"], [file.fileno()])

    first = child(takes, there)
    gives(here)
    assert status_of(first) == 0
    second = child(gives, there)
    takes(here)
    assert status_of(second) == 0
    third, fourth = child(gives, there), child(takes, here)
    assert [status_of(pid) for pid in (third, fourth)] == [0, 0]
    assert words.read_text() == "1\n0\n4\n"
    fifth = child(lambda: socket.send_fds(there, [b"x"], [9_999]))
    world.expect_errors(OSError, match="Bad file descriptor")
    assert status_of(fifth) == 1
