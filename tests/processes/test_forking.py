"""``os.fork`` in a world, and how processes end and are waited for."""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import gc
import os
import queue
import random
import signal
import sys
import time
import uuid

import pytest

from simsock import Deadlock, Simulation, Unsupported
from simsock.kernel.identity import PROCESS
from tests.processes.children import child, status_of


def test_a_child_runs_with_a_copy_of_the_memory_and_its_exit_status_is_waited_for(world):
    things = ["parent's"]
    pid = os.fork()
    if not pid:
        things.append("child's")
        os._exit(len(things) + 5)
    assert os.waitpid(pid, 0) == (pid, 7 << 8)
    assert things == ["parent's"]


def test_processes_have_numbers_that_are_the_same_in_every_run(world):
    reading, writing = os.pipe()
    numbers = [child(lambda: os.write(writing, f"{os.getpid()} {os.getppid()}\n".encode()) and 0) for _ in range(2)]
    assert [status_of(pid) for pid in numbers] == [0, 0]
    assert os.getpid() == PROCESS
    assert numbers == [PROCESS + 1, PROCESS + 2]
    assert os.read(reading, 100) == b"".join(b"%d %d\n" % (pid, PROCESS) for pid in numbers)


def test_a_child_sleeps_in_virtual_time_and_its_parent_waits_for_it(world):
    pid = child(time.sleep, 3600)
    assert os.waitpid(pid, 0) == (pid, 0)
    assert round(world.now) == 3600


def test_clocks_of_parent_and_child_are_one(world):
    reading, writing = os.pipe()

    def look():
        time.sleep(5)
        os.write(writing, repr((time.time(), time.monotonic())).encode())

    assert status_of(child(look)) == 0
    there = eval(os.read(reading, 100))
    assert there == (time.time(), time.monotonic())


def test_a_child_that_spins_on_a_clock_or_asks_many_things_is_no_deadlock(world):
    def spin():
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
        for _ in range(2_500):
            os.getppid()
        for _ in range(2_500):
            time.time()

    assert status_of(child(spin)) == 0


@pytest.fixture
def lonely():
    """Whether this process has no real child, such as the tracker that multiprocessing starts once: whoever waits for any child is told of that one."""
    return not pytest.importorskip("psutil").Process().children()


def test_who_has_no_child_has_none_to_wait_for(lonely, world):
    any_child = [os.wait, lambda: os.waitpid(-1, os.WNOHANG)] if lonely else []
    for wait in any_child:
        with pytest.raises(ChildProcessError):
            wait()
    pid = child(lambda: 3)
    assert status_of(pid) == 3
    for wait in (lambda: os.waitpid(pid, 0), *any_child):
        with pytest.raises(ChildProcessError) as caught:
            wait()
        assert caught.value.errno == errno.ECHILD


def test_who_only_looks_is_told_that_no_child_has_ended_yet(world):
    pid = child(time.sleep, 10)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    assert os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is None
    time.sleep(11)
    assert os.waitpid(-1, os.WNOHANG) == (pid, 0)


def test_the_child_that_ends_first_is_waited_for_first(world):
    slow, quick = child(time.sleep, 9), child(time.sleep, 3)
    assert [os.wait()[0], os.wait()[0]] == [quick, slow]


def test_waitid_tells_how_a_child_ended_and_can_leave_it_to_be_waited_for(world):
    pid = child(lambda: 4)
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    assert (found.si_pid, found.si_status, found.si_code) == (pid, 4, os.CLD_EXITED)
    assert os.wait4(pid, 0)[:2] == (pid, 4 << 8)


def test_home_cannot_be_ended(world):
    with pytest.raises(Unsupported, match=r"os\._exit: it would end the process in which the world runs"):
        os._exit(0)


# -- ends ------------------------------------------------------------------------------------------------------------------------------------


def test_what_a_child_raises_and_nobody_catches_fails_the_test_and_gives_status_1():
    with pytest.raises(LookupError, match="in the child") as caught, Simulation():
        pid = os.fork()
        if not pid:
            raise LookupError("in the child")
        assert status_of(pid) == 1
    notes = "\n".join(caught.value.__notes__)
    assert f"in process {PROCESS + 1}, task process-1" in notes
    assert "test_what_a_child_raises_and_nobody_catches" in notes


def test_a_child_never_leaves_the_block_of_its_world():
    left = []
    with Simulation():
        pid = os.fork()
        if pid:
            assert status_of(pid) == 0
    left.append(os.getpid())  # a child would come by here, too, and in pytest's code after that
    assert left == [os.getpid()]


@pytest.mark.parametrize(("code", "status"), [(5, 5), (None, 0), ("words", 1)])
def test_sys_exit_ends_a_child_with_its_code(world, code, status):
    pid = os.fork()
    if not pid:
        sys.exit(code)
    assert status_of(pid) == status


def test_a_child_that_was_forked_by_a_thread_ends_with_the_thread(world):
    def thread():
        pids.append(os.fork())

    pids = []
    world.spawn(thread).result()
    assert status_of(pids[0]) == 0


def test_a_child_that_crashes_is_told_by_the_signal_that_ended_it(world):
    def crash():
        faulthandler.disable()
        ctypes.string_at(0)

    pid = child(crash)
    assert status_of(pid) == -signal.SIGSEGV


def test_atexit_functions_of_the_child_run_in_it_and_those_of_its_parent_do_not(world):
    import atexit

    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        atexit.register(os.write, writing, b"child's")
        sys.exit()
    assert status_of(pid) == 0
    assert os.read(reading, 100) == b"child's"


def test_a_child_that_still_runs_at_the_end_of_its_world_is_killed_and_told():
    with pytest.warns(Warning, match="process-1"), Simulation() as sim:
        child(time.sleep, 1e6)
    assert "task process-1" in sim.leaks


def test_a_child_that_has_not_begun_yet_is_killed_as_well():
    with pytest.raises(LookupError), Simulation():
        child(time.sleep, 1)
        raise LookupError


# -- chance, threads, locks --------------------------------------------------------------------------------------------------------------------


def test_each_process_has_chance_of_its_own_and_the_same_in_every_run():
    def draw():
        return f"{random.random()} {uuid.uuid4()} {os.urandom(4).hex()}\n".encode()

    def run():
        with Simulation(seed=9):
            reading, writing = os.pipe()
            for _ in range(2):
                status_of(child(lambda: os.write(writing, draw()) and 0))
            return [*os.read(reading, 1000).splitlines(), draw()]

    one, other = run(), run()
    assert one == other
    assert len(set(one)) == 3


def test_random_seed_without_arguments_draws_from_the_world():
    def run():
        with Simulation(seed=9):
            random.seed()
            return random.random()

    assert run() == run()


def test_in_a_child_the_thread_that_forked_is_the_main_thread_and_alone(world):
    import threading

    ended = []

    def thread():
        pid = os.fork()
        if not pid:
            alone = threading.enumerate() == [threading.main_thread()] == [threading.current_thread()]
            os._exit(0 if alone and threading.active_count() == 1 and not other.is_alive() else 1)
        ended.append(status_of(pid))

    other = threading.Thread(target=time.sleep, args=(5,))
    other.start()
    one = threading.Thread(target=thread)
    one.start()
    one.join()
    other.join()
    assert ended == [0]


def test_a_lock_that_a_thread_holds_while_another_one_forks_is_never_free_in_the_child():
    """The classic deadlock: nobody is there who would release it."""
    import threading

    lock = threading.Lock()

    def holder():
        with lock:
            queue.Queue().get()

    with pytest.raises(Deadlock, match="which was not copied into this process"), Simulation():
        threading.Thread(target=holder, name="holder", daemon=True).start()
        time.sleep(1)
        pid = os.fork()
        if not pid:
            with lock:
                os._exit(0)
        os.waitpid(pid, 0)


def test_a_lock_can_be_waited_for_in_a_child_only_so_long(world):
    import threading

    lock = threading.Lock()
    lock.acquire()
    assert status_of(child(lambda: 7 if lock.acquire(timeout=3) else 8)) == 8
    assert round(world.now) == 3


# -- the same in every run ---------------------------------------------------------------------------------------------------------------------


def busy(seed, **options):
    with Simulation(seed=seed, **options) as sim:
        reading, writing = os.pipe()
        for number in range(3):
            pid = os.fork()
            if not pid:
                for turn in range(3):
                    os.write(writing, b"%d%d " % (number, turn))
                os._exit(0)
        for _ in range(3):
            os.wait()
        return os.read(reading, 100), sim.digest


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_run_with_processes_is_the_same_each_time(preempt):
    options = {"strategy": "random", "preempt": preempt}
    assert busy(5, **options) == busy(5, **options)
    assert len({busy(seed, **options)[0] for seed in range(8)}) > 1


def test_the_digest_of_processes_is_the_same_on_every_python():
    assert busy(1)[1] == "3e0c5e48a3be960ae7af1e3ea1536005"


def test_nothing_is_left_of_a_world_with_processes():
    psutil = pytest.importorskip("psutil")
    gc.collect()  # what tests before this one have left open
    before, children = len(os.listdir("/proc/self/fd")), psutil.Process().children()
    for seed in range(5):
        busy(seed)
    gc.collect()
    assert psutil.Process().children() == children
    assert len(os.listdir("/proc/self/fd")) == before
