"""Who the process is in a world: numbers of its own, the same in every run, by which nothing of another process can be reached."""

from __future__ import annotations

import logging
import os
import pathlib
import platform
import re
import select
import signal
import socket
import struct
import threading

import pytest

from simsock import Fenced, Unsupported


def seen():
    own = {"getpid": os.getpid(), "getppid": os.getppid(), "getpgrp": os.getpgrp(), "group": os.getpgid(0), "session": os.getsid(os.getpid())}
    ends = socket.socketpair()
    own["peer"] = struct.unpack("3i", ends[0].getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    own["native"] = threading.get_native_id()
    own["logged"] = logging.makeLogRecord({}).process
    own["names"] = (socket.gethostname(), os.uname().nodename, platform.node())
    for end in ends:
        end.close()
    return own


class Still:
    """The world stands still in the block, as it does when it is pytest's turn."""

    def __init__(self, sim):
        self.sim = sim

    def __enter__(self):
        self.sim._suspend()

    def __exit__(self, *exc):
        self.sim._resume()


def test_the_numbers_are_the_worlds_and_the_harness_sees_the_real_ones(world):
    before = seen()
    found = []
    for _ in range(2):
        with world() as sim:
            found.append(seen())
            with sim.host("box"):
                assert os.uname().nodename == socket.gethostname() == "box"
            with Still(sim):
                assert os.getpid() == before["getpid"]
    assert found[0] == found[1]
    assert found[0]["getpid"] == found[0]["native"] == found[0]["peer"] == found[0]["logged"] == found[0]["getpgrp"] == found[0]["session"] > 4_194_304
    assert found[0]["getppid"] != before["getppid"]
    assert found[0]["names"] == ("localhost",) * 3
    assert seen() == before


def test_a_signal_to_either_number_is_the_worlds(world):
    real = os.getpid()
    got = []
    with world():
        signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
        for pid in (os.getpid(), real, -os.getpgrp()):
            os.kill(pid, signal.SIGUSR1)
        os.killpg(os.getpgrp(), signal.SIGUSR1)
        with pytest.raises(Fenced, match=r"os\.kill"):
            os.kill(os.getppid(), 0)
    assert len(got) == 4


def test_what_the_system_is_asked_by_the_worlds_number_is_this_process_or_refused_by_name(world):
    affinity = os.sched_getaffinity(0)
    with world():
        assert os.sched_getaffinity(os.getpid()) == affinity
        with pytest.raises(Fenced, match=r"open of /proc/5000000/stat.*ask for /proc/self, which is the real one"):
            open(f"/proc/{os.getpid()}/stat")  # noqa: SIM115  # it is refused
        with pytest.raises(Fenced, match=r"os\.listdir of /proc/5000000/fd"):
            os.listdir(f"/proc/{os.getpid()}/fd")
        with pytest.raises(Fenced, match=r"open of b'/proc/5000000/stat'.*ask for /proc/self"):
            open(b"/proc/5000000/stat")  # noqa: SIM115
        with pytest.raises(Fenced, match=r"open of /proc/4999999/stat.*4999999 is a process in the world only, of which /proc knows nothing"):
            open(f"/proc/{os.getppid()}/stat")  # noqa: SIM115
        for look in (os.stat, os.lstat, os.path.exists, os.path.lexists, os.path.isdir, pathlib.Path.exists):
            with pytest.raises(Unsupported, match=r"^os\.l?stat\('/proc/5000000'\): 5000000 is the process in the world only: ask for /proc/self"):
                look(pathlib.Path(f"/proc/{os.getpid()}"))
        with open("/proc/self/stat") as file:
            assert file.read(1)
        assert not os.path.exists("/proc/4194304/stat")


def test_priorities_and_limits_asked_by_the_worlds_number_are_this_processs(world):
    resource = pytest.importorskip("resource")
    priority, limit = os.getpriority(os.PRIO_PROCESS, 0), resource.getrlimit(resource.RLIMIT_NOFILE)
    with world():
        assert os.getpriority(os.PRIO_PROCESS, os.getpid()) == priority
        os.setpriority(os.PRIO_PROCESS, os.getpid(), priority)
        assert resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE) == limit
        os.close(os.pidfd_open(os.getpid()))


def test_a_program_does_not_move_the_real_process_into_another_group_or_session(world):
    group, session = os.getpgrp(), os.getsid(0)
    with world():
        os.setpgid(0, 0)
        os.setpgid(os.getpid(), os.getpgrp())
        os.setpgrp()
        with pytest.raises(PermissionError):
            os.setsid()  # it leads its group
        with pytest.raises(PermissionError):
            os.setpgid(0, 1)
        with pytest.raises(ProcessLookupError):
            os.setpgid(1, 0)
    assert (os.getpgrp(), os.getsid(0)) == (group, session)


def test_psutil_tells_of_this_process(world):
    psutil = pytest.importorskip("psutil")
    real = psutil.Process().create_time()
    with world():
        assert psutil.Process().pid == os.getpid()
        assert psutil.Process().create_time() == psutil.Process(os.getpid()).create_time() == real
        assert os.getpid() in psutil.pids() and psutil.pid_exists(os.getpid())
        assert os.getpid() in {process.pid for process in psutil.process_iter()}
        assert psutil.Process().ppid() == os.getppid()
        assert psutil.Process().children() == []
        before = psutil.Process().num_fds()
        with socket.socket(), socket.socket():
            assert psutil.Process().num_fds() == before + 2
    assert psutil.Process().pid == os.getpid()
    assert os.getpid() in psutil.pids() and psutil.Process().ppid() == os.getppid()


def test_links_in_proc_of_the_worlds_number_and_of_its_descriptors(world):
    with world():
        with pytest.raises(Unsupported, match=r"^os\.readlink\('/proc/5000000/exe'\): 5000000 is the process in the world only"):
            os.readlink(f"/proc/{os.getpid()}/exe")
        pipe, counter = os.pipe(), os.eventfd(0)
        with socket.socket() as sock, select.epoll() as poller:
            names = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in (sock.fileno(), *pipe, counter, poller.fileno())}
            inode = os.fstat(sock.fileno()).st_ino
            assert os.readlink(b"/dev/fd/%d" % sock.fileno()) == b"socket:[%d]" % inode
        assert [re.sub(r"\d+", "N", name) for name in names.values()] == ["socket:[N]", *["pipe:[N]"] * 2, "anon_inode:[eventfd]", "anon_inode:[eventpoll]"]
        with pytest.raises(FileNotFoundError):
            os.readlink(f"/proc/self/fd/{sock.fileno()}")
        for fd in (*pipe, counter):
            os.close(fd)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: open("/proc/net/tcp"), r"open of /proc/net/tcp.*this machine's sockets; sim\.netstat\(\)"),  # noqa: SIM115  # it is refused
        (lambda: pathlib.Path("/proc/self/net/udp6").read_text(), r"open of /proc/self/net/udp6.*sim\.netstat\(\)"),
        (lambda: os.scandir("/proc/self/fd"), r"os\.scandir of /proc/self/fd.*os\.listdir of it has the world's"),
    ],
)
def test_what_proc_tells_of_this_machine_and_would_pass_for_the_worlds_is_refused(world, call, hint):
    with world(), pytest.raises(Fenced, match=hint):
        call()


def test_addresses_in_the_names_of_threads_stay_out_of_digests(world):
    keep, digests = [], set()
    for _ in range(2):
        with world(strategy="random") as sim:
            keep.append(object())
            thread = threading.Thread(target=threading.Event().wait, args=(1,), name=f"pool-{id(keep[-1])}-{keep[-1]!r}-{id(keep[-1]):x}")
            thread.start()
            thread.join()
            assert str(id(keep[-1])) in thread.name
        digests.add(sim.digest)
    assert len(digests) == 1


def test_names_of_threads_that_only_look_like_addresses_are_kept(world):
    names = []
    with world(records=100) as sim:
        for name in ("7f0123456789a", "x7f0123456789", "deadbeefcafe", "0123456789ab", "7f-0123456789"):
            thread = threading.Thread(target=sim.sleep, args=(1,), name=name)
            thread.start()
            thread.join()
            names.append(name)
        assert [record[3] for record in sim._kernel.log.records() if record[2] == "spawn"] == names


def test_a_program_that_walks_through_a_set_of_sockets_repeats(world):
    keep, digests = [], set()
    for _ in range(3):
        with world() as sim:
            keep.append([object() for _ in range(7)])
            with socket.create_server(("127.0.0.1", 0)) as server:
                clients = {socket.create_connection(server.getsockname()) for _ in range(9)}
                for client in clients:
                    client.close()
        keep.append(clients)
        assert all(client in clients for client in list(clients)), "it has its hash for good"
        digests.add(sim.digest)
    assert len(digests) == 1
