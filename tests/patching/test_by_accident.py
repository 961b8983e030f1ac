"""What would be real by accident in a world: waits, clocks, chance and ends of the process that are reached by rarer names."""

from __future__ import annotations

import _thread
import errno
import fcntl
import gc
import multiprocessing
import os
import re
import resource
import select
import signal
import socket
import ssl
import struct
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from simsock.errors import Unsupported
from simsock.world.simulation import Simulation


def test_a_task_waits_in_virtual_time_for_a_lock_of_a_file_that_another_has(tmp_path):
    with Simulation(max_real_time=20) as sim, open(tmp_path / "lock", "w") as one, open(tmp_path / "lock", "w") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        waiting = sim.spawn(fcntl.flock, other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sim.sleep(3)
        assert not waiting.done
        fcntl.flock(one, fcntl.LOCK_UN)
        waiting.result(timeout=0.01)
        fcntl.lockf(one, fcntl.LOCK_EX)
        fcntl.lockf(one, fcntl.LOCK_UN)
        with socket.socket() as sock, pytest.raises(Unsupported, match=r"fcntl\.flock of the simulated descriptor"):
            fcntl.flock(sock, fcntl.LOCK_SH)


def test_the_old_names_of_threads_and_locks_are_simulated_too():
    with Simulation(max_real_time=20) as sim:
        lock = _thread.allocate()
        lock.acquire()
        _thread.start_new(lambda: (time.sleep(5), lock.release()), ())
        assert lock.acquire(timeout=10)
        assert round(sim.now, 4) == 5


def test_processor_time_is_the_virtual_clock_s():
    with Simulation() as sim:
        sim.sleep(3)
        assert os.times()[:4] == (3, 0, 0, 0)
        assert os.times().elapsed == time.monotonic()
        used = resource.getrusage(resource.RUSAGE_SELF)
        assert (used.ru_utime, used.ru_stime) == (3, 0)
        assert used.ru_maxrss > 0
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime == 0


def test_a_loop_that_yields_its_processor_lets_the_others_run():
    with Simulation(max_real_time=20) as sim:
        done = []
        sim.spawn(lambda: (sim.sleep(1), done.append(1)))
        while not done:
            os.sched_yield()


def test_what_openssl_draws_for_a_program_is_the_world_s():
    drawn = []
    for seed in (1, 1, 2):
        with Simulation(seed=seed):
            drawn.append(ssl.RAND_bytes(16))
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 16


@pytest.mark.parametrize(
    "call",
    [
        lambda: os._exit(3),
        os.abort,
        os.openpty,
        lambda: time.clock_settime(time.CLOCK_REALTIME, 0),
        lambda: time.clock_settime_ns(time.CLOCK_REALTIME, 0),
        lambda: time.pthread_getcpuclockid(threading.get_ident()),
    ],
    ids="_exit abort openpty clock_settime clock_settime_ns pthread_getcpuclockid".split(),
)
def test_what_would_end_the_process_or_set_its_clock_is_refused_by_name(call):
    with Simulation(), pytest.raises(Unsupported, match=r"(os|time)\.\w+"):
        called = call if isinstance(call, type(lambda: None)) else getattr(os, call.__name__)
        called()


def test_who_only_looks_for_the_end_of_a_process_is_let_through():
    with Simulation(), pytest.raises(ChildProcessError):
        os.waitpid(os.getpid(), os.WNOHANG)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="from 3.13 on")
def test_a_real_timer_is_refused():
    with Simulation(), pytest.raises(Unsupported, match=r"os\.timerfd_create"):
        os.timerfd_create(time.CLOCK_MONOTONIC)


def test_a_simulated_descriptor_is_no_terminal_and_no_directory(tmp_path):
    with Simulation(), socket.socket() as sock:
        fd = sock.fileno()
        with pytest.raises(termios.error) as caught:
            termios.tcgetattr(sock)
        assert caught.value.args[0] == errno.ENOTTY
        for call in (os.listdir, os.scandir, os.chdir):
            with pytest.raises(NotADirectoryError):
                call(fd)
        with pytest.raises(OSError, match="Invalid argument"):
            os.truncate(fd, 0)
        for call in (os.statvfs, os.fstatvfs, os.utime, lambda fd: os.chown(fd, -1, -1), lambda fd: os.fchown(fd, -1, -1), os.listxattr):
            with pytest.raises(Unsupported, match=r"os\.\w+ of the simulated descriptor"):
                call(fd)
        (tmp_path / "file").touch()
        os.chown(tmp_path / "file", os.getuid(), gid=os.getgid())
        os.utime(tmp_path / "file")
        assert os.listdir(tmp_path) == ["file"]
        assert [entry.name for entry in os.scandir(tmp_path)] == ["file"]


def test_a_connection_that_outlives_its_world_is_closed_and_its_end_is_silent(monkeypatch):
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: ignored.append(told.exc_value))
    real = multiprocessing.Pipe()
    with Simulation(max_real_time=20):
        kept = [*multiprocessing.Pipe(), *multiprocessing.Pipe(duplex=False)]
        kept[0].send("hello")
        assert kept[1].recv() == "hello"
    assert all(connection.closed for connection in kept)
    with pytest.raises(OSError, match="handle is closed"):
        kept[1].recv()
    del kept
    gc.collect()
    assert ignored == []
    real[0].send("on")
    assert real[1].recv() == "on"
    for connection in real:
        connection.close()


def test_a_descriptor_s_name_in_the_file_system_is_refused_and_the_directory_of_them_has_it():
    with Simulation():
        reading, writing = os.pipe()
        for call in (lambda: Path(f"/dev/fd/{reading}").read_bytes(), lambda: os.open(f"/proc/self/fd/{writing}", os.O_WRONLY)):
            with pytest.raises(Unsupported, match=r"open\('/.*/\d+'\): that is a simulated descriptor"):
                call()
        with pytest.raises(FileNotFoundError):
            Path("/dev/fd/99999").read_bytes()
        assert os.listdir("/proc/self/fd") == os.listdir(Path("/dev/fd")) == ["0", "1", "2", str(reading), str(writing)]
        with pytest.raises(NotADirectoryError):
            os.listdir(reading)


def test_a_file_is_sent_into_a_pipe(tmp_path):
    (tmp_path / "file").write_bytes(b"abcdef" * 20_000)
    with Simulation(max_real_time=20) as sim, open(tmp_path / "file", "rb") as file:
        reading, writing = os.pipe()
        sending = sim.spawn(os.sendfile, writing, file.fileno(), 1, 100_000)
        got = b""
        while len(got) < 100_000:
            got += os.read(reading, 70_000)
        assert got == (b"abcdef" * 20_000)[1:100_001]
        assert sending.result(timeout=1) == 100_000


def test_rarer_calls_fail_as_on_linux():
    with Simulation(), socket.socket() as sock, select.epoll() as poller:
        for number, call in {
            errno.EINVAL: (
                lambda: signal.siginterrupt(signal.SIGKILL, True),
                lambda: fcntl.fcntl(sock, fcntl.F_DUPFD, -1),
                lambda: fcntl.fcntl(sock, fcntl.F_DUPFD, 10_000_000),
                lambda: os.read(poller.fileno(), 1),
            ),
            errno.ENOTTY: (lambda: os.tcgetpgrp(sock.fileno()), lambda: os.tcsetpgrp(sock.fileno(), 1)),
        }.items():
            for one in call:
                with pytest.raises(OSError, match=re.escape(os.strerror(number))):
                    one()
        with pytest.raises(OverflowError, match="C int"):
            select.select([1 << 40], [], [], 0)
        made = [fcntl.fcntl(sock, fcntl.F_DUPFD, least) for least in (0, 200, sock.fileno() + 20, sock.fileno() + 20)]
        assert made[2:] == [sock.fileno() + 20, sock.fileno() + 21]
        assert made[1] == made[0] + 1


def test_what_is_not_acknowledged_is_told():
    """SIOCOUTQ."""

    def unsent(file):
        return struct.unpack("i", fcntl.ioctl(file, termios.TIOCOUTQ, bytes(4)))[0]

    with Simulation(link="lan") as sim, socket.create_server(("", 0)) as server:
        client = sim.connect((socket.gethostbyname(socket.gethostname()), server.getsockname()[1]))
        one, two = socket.socketpair()
        one.send(b"12345")
        assert (unsent(one), unsent(two)) == (768, 0)
        two.recv(5)
        assert unsent(one) == 0
        client.send(b"123")
        assert unsent(client) == 3
        sim.sleep(1)
        assert unsent(client) == 0
        for file in (server, os.pipe()[0]):
            with pytest.raises(OSError, match=r"Invalid argument|Inappropriate ioctl"):
                unsent(file)


LOOKS = os.path.exists, lambda path: Path(path).is_file(), lambda path: os.path.isdir(f"{path}-none") or os.path.exists(path)


@pytest.mark.parametrize("exists", LOOKS)
def test_who_looks_again_and_again_for_a_file_that_comes_lets_time_pass(tmp_path, exists):
    path = str(tmp_path / "file")
    with Simulation(max_real_time=60) as sim:
        threading.Timer(0.5, lambda: Path(path).write_bytes(b"x")).start()
        while not exists(path):
            pass
        assert 0.5 <= sim.now < 1


def test_who_looks_for_many_files_moves_no_time(tmp_path):
    with Simulation() as sim:
        for _ in range(20):
            assert not any(os.path.exists(tmp_path / str(number)) for number in range(1000))
            sim.sleep(0.001)
        assert sim.now == pytest.approx(0.02)
