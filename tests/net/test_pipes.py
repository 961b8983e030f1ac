"""Pipes and event counters: the same programs on Linux and in a world."""

from __future__ import annotations

import fcntl as real_fcntl
import io
import os as real_os
import select
import stat
import struct
import sys

import pytest

from simsock.errors import Unsupported
from simsock.stdlib import fcntl as sim_fcntl
from simsock.world.simulation import Simulation

F_SETPIPE_SZ, F_GETPIPE_SZ, FIONREAD, FIONBIO = 1031, 1032, 0x541B, 0x5421


def modules(net):
    return (real_os, real_fcntl) if net.kind == "real" else (net.sim.network.os, sim_fcntl)


def bits(net, fd, mask=0x2007):
    """What poll(2) says of a descriptor."""
    poll = net.select.poll()
    poll.register(fd, mask)
    ready = poll.poll(0)
    return ready[0][1] if ready else 0


@pytest.mark.real
def test_bytes_come_out_of_a_pipe_as_they_went_in(twins):
    def program(net, notes):
        os, _ = modules(net)
        r, w = os.pipe()
        notes("write", os.write, w, b"hello")
        notes("writev", os.writev, w, [b" wor", b"", b"ld"])
        notes("some", os.read, r, 4)
        first, second = bytearray(3), bytearray(10)
        notes("readv", os.readv, r, [first, second])
        notes("where they went", lambda: (bytes(first), bytes(second)))
        if sys.version_info >= (3, 14):
            os.write(w, b"more than fits")
            notes("readinto", os.readinto, r, first)
            notes("readinto nothing", os.readinto, r, bytearray())
            notes("readinto the rest", os.readinto, r, memoryview(second)[2:])
            notes("where they went now", lambda: (bytes(first), bytes(second), os.read(r, 100)))
        notes("nothing wanted", os.read, r, 0)
        notes("the wrong end", os.read, w, 1)
        notes("the other wrong end", os.write, r, b"x")
        notes("negative", os.read, r, -1)
        os.close(w)
        notes("the end", os.read, r, 10)
        notes("twice", os.read, r, 10)
        os.close(r)
        notes("closed", os.read, r, 10)

    twins(program)


@pytest.mark.real
def test_a_reader_waits_for_a_writer_and_a_writer_for_room(twins):
    def program(net, notes):
        os, _ = modules(net)
        r, w = os.pipe()

        def late():
            net.nap()
            os.write(w, b"late")

        task = net.spawn(late)
        notes("read", os.read, r, 10)
        task.result(10)
        filled = os.write(w, bytes(65_536))

        def empty():
            net.nap()
            return len(os.read(r, 4096))

        task = net.spawn(empty)
        notes("a write that had to wait", os.write, w, b"x")
        notes("emptied", task.result, 10)
        notes("filled", lambda: filled)
        for fd in (r, w):
            os.close(fd)

    twins(program)


@pytest.mark.real
@pytest.mark.parametrize("sizes", [[1] * 20, [4095] * 20, [100, 4096, 100], [5000, 60_000, 5000], [65_536, 1], [4096] * 17, [3000, 2000] * 12])
def test_a_pipe_has_room_for_pages_as_on_linux(twins, sizes):
    def program(net, notes):
        os, fcntl = modules(net)
        r, w = os.pipe2(os.O_NONBLOCK)
        for size in sizes:
            notes(f"write {size}", os.write, w, bytes(size))
            notes("ready", bits, net, w)
        unread = bytearray(4)
        fcntl.ioctl(r, FIONREAD, unread)
        notes("unread", lambda: struct.unpack("i", unread))
        notes("a byte", lambda: len(os.read(r, 1)))
        notes("and again", os.write, w, bytes(4096))
        notes("a page", lambda: len(os.read(r, 4096)))
        notes("once more", os.write, w, bytes(4097))
        notes("all of it", lambda: len(os.read(r, 1_000_000)))
        notes("empty", os.read, r, 1)
        for fd in (r, w):
            os.close(fd)

    twins(program)


@pytest.mark.real
def test_the_size_of_a_pipe_is_asked_and_set_in_powers_of_two(twins):
    def program(net, notes):
        os, fcntl = modules(net)
        r, w = os.pipe2(os.O_NONBLOCK)
        notes("size", fcntl.fcntl, r, F_GETPIPE_SZ)
        notes("set", fcntl.fcntl, w, F_SETPIPE_SZ, 5000)
        notes("size", fcntl.fcntl, r, F_GETPIPE_SZ)
        notes("write", os.write, w, bytes(100_000))
        notes("too small", fcntl.fcntl, w, F_SETPIPE_SZ, 4096)
        notes("larger", fcntl.fcntl, w, F_SETPIPE_SZ, 16_384)
        notes("write", os.write, w, bytes(100_000))
        notes("access", lambda: [fcntl.fcntl(fd, real_fcntl.F_GETFL) & 3 for fd in (r, w)])
        for fd in (r, w):
            os.close(fd)

    twins(program)


@pytest.mark.real
def test_what_pollers_are_told_of_a_pipe(twins):
    def program(net, notes):
        os, _ = modules(net)
        r, w = os.pipe()
        notes("new", lambda: (bits(net, r), bits(net, w)))
        notes("select", lambda: net.select.select([r], [w], [], 0) == ([], [w], []))
        os.write(w, b"x")
        notes("written", lambda: (bits(net, r), bits(net, w)))
        again = os.dup(w)
        os.close(w)
        notes("one of two writers", lambda: bits(net, r))
        os.close(again)
        notes("no writer", lambda: bits(net, r))
        os.read(r, 1)
        notes("empty, no writer", lambda: bits(net, r))
        os.close(r)
        r, w = os.pipe()
        os.close(r)
        notes("no reader", lambda: bits(net, w))
        notes("written to nobody", os.write, w, b"x")
        os.close(w)

    twins(program)


@pytest.mark.real
def test_a_selector_watches_pipes_beside_sockets(twins):
    def program(net, notes):
        os, _ = modules(net)
        r, w = os.pipe()
        client, server = net.pair()
        selector = net.selectors.DefaultSelector()
        for name, file in (("pipe", r), ("socket", server)):
            selector.register(file, net.selectors.EVENT_READ, name)

        def later():
            net.nap()
            os.write(w, b"x")

        task = net.spawn(later)
        notes("woken by", lambda: [key.data for key, _ in selector.select(10)])
        task.result(10)
        os.read(r, 1)
        client.sendall(b"y")
        net.settle()
        notes("then by", lambda: [key.data for key, _ in selector.select(10)])
        selector.close()
        for fd in (r, w):
            os.close(fd)

    twins(program)


@pytest.mark.real
def test_event_counters_count_as_on_linux(twins):
    def program(net, notes):
        os, _ = modules(net)
        fd = os.eventfd(2, os.EFD_NONBLOCK)
        notes("ready", bits, net, fd)
        notes("too short", os.read, fd, 4)
        notes("read", os.eventfd_read, fd)
        notes("empty", os.eventfd_read, fd)
        os.eventfd_write(fd, 3)
        os.eventfd_write(fd, 4)
        notes("bytes", os.read, fd, 8)
        notes("all ones", os.write, fd, b"\xff" * 8)
        os.eventfd_write(fd, 2**64 - 2)
        notes("full", lambda: bits(net, fd))
        notes("too much", os.eventfd_write, fd, 1)
        for whence in (0, 2, 4, 5):
            notes("seek", os.lseek, fd, 3, whence)
        notes("no room", os.posix_fallocate, fd, 0, 1)
        notes("advice", os.posix_fadvise, fd, 0, 1, 0)
        os.close(fd)
        fd = os.eventfd(2, os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
        for _ in range(3):
            notes("by ones", os.eventfd_read, fd)
        notes("bad flags", os.eventfd, 0, 0x40)
        os.close(fd)

    twins(program)


@pytest.mark.real
def test_a_descriptor_takes_the_place_of_another(twins):
    def program(net, notes):
        os, fcntl = modules(net)
        r, w = os.pipe()
        other, spare = os.pipe()
        notes("dup2", lambda: os.dup2(w, spare) == spare)
        notes("inheritable", os.get_inheritable, spare)
        notes("its reader is alone now", os.read, other, 1)
        notes("write", os.write, spare, b"through the copy")
        notes("read", os.read, r, 100)
        notes("onto itself", lambda: os.dup2(w, w) == w)
        notes("of nothing", os.dup2, other + 500, w)
        os.closerange(min(r, w, other, spare), max(r, w, other, spare) + 1)
        notes("all closed", os.read, r, 1)

    twins(program)


@pytest.mark.real
def test_file_objects_of_descriptors(twins):
    def program(net, notes):
        os, _ = modules(net)
        r, w = os.pipe()
        writing, reading = os.fdopen(w, "w", encoding="ascii"), os.fdopen(r)
        notes("write", writing.write, "one\ntwo\nthree")
        notes("flush", writing.flush)
        notes("a line", reading.readline)
        writing.close()
        notes("the rest", reading.read)
        notes("kinds", lambda: (reading.readable(), reading.writable(), reading.seekable(), reading.isatty(), reading.fileno() == r))
        reading.close()
        notes("closed", os.read, r, 1)
        r, w = os.pipe2(os.O_NONBLOCK)
        raw = os.fdopen(r, "rb", 0)
        notes("nothing yet", raw.read, 5)
        os.write(w, b"bytes")
        notes("some", raw.read, 3)
        notes("not writable", raw.write, b"x")
        notes("a mode that is none", os.fdopen, w, "z")
        notes("text without a buffer", os.fdopen, w, "w", 0)
        notes("which closed it", os.close, w)
        raw.close()

    twins(program)


@pytest.mark.real
def test_a_file_object_reads_as_far_ahead_as_cpython_s_buffers_do(twins):
    def program(net, notes):
        os, _ = modules(net)
        r, w = os.pipe2(os.O_NONBLOCK)
        os.write(w, bytes(5000))
        reading = os.fdopen(r, "rb")
        notes("a byte", reading.read, 1)
        notes("what is left in the pipe", lambda: len(os.read(r, 10_000)))
        reading.close()
        os.close(w)

    twins(program)


@pytest.mark.real
def test_calls_that_make_no_sense_fail_as_on_linux(twins):
    def program(net, notes):
        os, _ = modules(net)
        r, w = os.pipe()
        notes("kind", lambda: stat.S_ISFIFO(os.fstat(r).st_mode))
        notes("the same by stat", lambda: stat.S_ISFIFO(os.stat(r).st_mode))
        notes("seek", os.lseek, r, 0, 0)
        notes("pread", os.pread, r, 1, 0)
        notes("truncate", os.ftruncate, w, 0)
        notes("sync", os.fsync, w)
        notes("terminal", lambda: (os.isatty(r), os.isatty(w)))
        notes("its size", os.get_terminal_size, r)
        notes("bad flags", os.pipe2, 0x7)
        for fd in (r, w):
            os.close(fd)

    twins(program)


@pytest.mark.real
def test_requests_about_what_is_unread_and_whether_to_wait(twins):
    def program(net, notes):
        os, fcntl = modules(net)
        client, server = net.pair()
        client.sendall(b"four")
        net.settle()
        notes("as bytes", fcntl.ioctl, server, FIONREAD, bytes(4))
        notes("into a buffer", lambda: [fcntl.ioctl(server, FIONREAD, found := bytearray(4)), bytes(found)])
        datagrams = net.udp()
        for data in (b"three", b"longer than that"):
            datagrams.sendto(data, datagrams.getsockname())
        net.settle()
        notes("the next datagram", fcntl.ioctl, datagrams, FIONREAD, bytes(4))
        fcntl.ioctl(server, FIONBIO, struct.pack("i", 1))
        notes("does not wait", lambda: os.get_blocking(server.fileno()))
        notes("an interface", lambda: fcntl.ioctl(datagrams, 0x8915, b"lo".ljust(40, b"\0"))[:24])
        notes("none such", fcntl.ioctl, datagrams, 0x8915, b"nope".ljust(40, b"\0"))
        notes("no terminal", fcntl.ioctl, server, 0x5413, bytes(8))

    twins(program)


@pytest.mark.real
@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET"])
def test_requests_about_what_is_unread_on_unix_sockets(twins, kind):
    def program(net, notes):
        _, fcntl = modules(net)
        socket = net.socket
        one, other = socket.socketpair(socket.AF_UNIX, getattr(socket, kind))
        notes("nothing yet", fcntl.ioctl, other, FIONREAD, bytes(4))
        one.send(b"three")
        one.send(b"longer than that")
        notes("two messages", fcntl.ioctl, other, FIONREAD, bytes(4))
        notes("a part", other.recv, 3)
        notes("the rest", fcntl.ioctl, other, FIONREAD, bytes(4))
        alone = socket.socket(socket.AF_UNIX, getattr(socket, kind))
        notes("alone", fcntl.ioctl, alone, FIONREAD, bytes(4))
        if kind != "SOCK_DGRAM":
            alone.bind(b"\0unread " + kind.encode())
            alone.listen()
            notes("listening", fcntl.ioctl, alone, FIONREAD, bytes(4))
        for sock in (one, other, alone):
            sock.close()

    twins(program)


@pytest.mark.real
def test_regular_files_are_always_ready_and_no_business_of_epolls(twins, tmp_path):
    def program(net, notes):
        with open(tmp_path / "file", "w+b") as file:
            notes("select", lambda: net.select.select([file], [file], [file], 5) == ([file], [file], []))
            notes("poll", lambda: bits(net, file))
            with net.select.epoll() as epoll:
                notes("epoll", epoll.register, file)
        gone = real_os.dup(1)
        real_os.close(gone)
        notes("closed", lambda: net.select.select([gone], [], [], 0))

    twins(program)


def test_a_real_pipe_in_a_poller_is_an_error_that_says_so():
    r, w = real_os.pipe()
    with Simulation():
        for ask in (lambda: select.select([r], [], [], 1), lambda: select.epoll().register(r)):
            with pytest.raises(Unsupported, match=f"descriptor {r}, a real pipe, .*: nothing inside a world can wait for it"):
                ask()
    for fd in (r, w):
        real_os.close(fd)


def test_what_cannot_be_simulated_is_named():
    with Simulation() as sim:
        os = sim.network.os
        r, w = os.pipe()
        for call, words in (
            (lambda: os.pipe2(os.O_DIRECT), "O_DIRECT"),
            (lambda: os.mkfifo("fifo"), "named pipes"),
            (lambda: os.dup2(w, 1), "cannot take the place of a real descriptor"),
            (lambda: os.dup2(1, w), "cannot take the place of a simulated one"),
            (lambda: sim_fcntl.ioctl(r, 0x1234, bytes(4)), "request 0x1234"),
        ):
            with pytest.raises(Unsupported, match=words):
                call()
        os.close(r)
        os.close(w)


def test_open_and_fileio_know_the_worlds_descriptors_and_every_other_file(tmp_path):
    path = tmp_path / "file"
    with Simulation():
        r, w = real_os.pipe()
        with open(w, "wb", buffering=0, closefd=False) as raw:
            assert raw.write(b"one") == 3
        assert io.FileIO(w, "wb", closefd=False).write(b"two") == 3 and isinstance(raw, io.FileIO)
        with open(path, "w") as file:
            file.write("a real file")
        with open(path, "rb", 0) as file:
            assert file.read() == b"a real file" and isinstance(file, io.FileIO)

        class Mine(io.FileIO):
            """A class made inside a world."""

        with Mine(path) as mine:
            assert mine.read() == b"a real file"
        assert real_os.read(r, 10) == b"onetwo"
        real_os.close(r)
        real_os.close(w)
    assert issubclass(Mine, io.FileIO) and Mine.__mro__[1] is io.FileIO


def test_a_dropped_writer_sends_what_it_held_and_an_end_of_file_comes():
    with Simulation() as sim:
        r, w = real_os.pipe()
        file = real_os.fdopen(w, "wb")
        file.write(b"held")
        del file
        sim.settle()
        assert real_os.read(r, 10) == b"held" and real_os.read(r, 10) == b""
        real_os.close(r)


def test_descriptors_that_a_world_leaves_open_are_told_and_closing_them_later_is_no_error():
    with Simulation() as sim:
        r, w = real_os.pipe()
        close = real_os.close
        held = [r, w]
    assert [leak for leak in sim.leaks if "pipe" in leak] == [f"descriptor {fd}: pipe {r}->{w}" for fd in held]
    for fd in held:
        close(fd)
