"""Threads in a world: who they are, what becomes of their errors, and what ``threading`` and ``signal`` know about them."""

from __future__ import annotations

import _thread
import concurrent.futures
import queue
import signal
import sys
import threading
import time
import traceback

import pytest
from hypothesis import strategies as st

import simsock
from simsock.stdlib import _locks
from tests.real_signals import strike_here


class Before(threading.Thread):
    """A subclass from before the world."""

    def __init__(self):
        super().__init__(name="before", daemon=True)
        self.seen = None

    def run(self):
        time.sleep(1)
        self.seen = threading.current_thread()


def test_a_subclass_from_before_the_world_runs_in_virtual_time(world):
    with world() as sim:
        thread = Before()
        thread.start()
        assert thread.is_alive()
        thread.join()
        assert round(sim.now, 4) == 1
        assert not thread.is_alive()
    assert thread.seen is thread


def test_a_thread_that_was_made_before_the_world_can_be_started_in_it(world):
    thread = Before()
    with world(max_real_time=10) as sim:
        thread.start()
        thread.join()
        assert round(sim.now, 4) == 1
    assert thread.seen is thread
    assert not thread.is_alive()


def test_the_operating_system_s_name_of_the_thread_is_left_alone(world):
    def name():
        with open(f"/proc/self/task/{real_thread}/comm") as comm:
            return comm.read().strip()

    real_thread = threading.get_native_id()
    before = name()
    with world():
        thread = threading.Thread(target=lambda: None, name="a-task")
        thread.start()
        thread.join()
        threading.current_thread().name = threading.current_thread().name
    assert name() == before


def test_every_task_has_a_thread_object_and_an_identity_of_its_own(world):
    with world() as sim:
        main = threading.current_thread()
        assert main is threading.main_thread()
        assert threading.get_ident() == main.ident
        seen = {}

        def work(name):
            me = threading.current_thread()
            seen[name] = (me, threading.get_ident(), threading.get_native_id(), threading.main_thread())
            time.sleep(1)
            assert threading.current_thread() is me

        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        task = sim.spawn(work, "spawned")
        time.sleep(0.5)
        assert threading.active_count() == 4
        assert threading.enumerate()[:1] == [main]
        assert _thread._count() == 3
        assert set(threads) < set(threading.enumerate())
        for thread in threads:
            thread.join()
        task.result()
        assert [thread.name for thread in threads] == ["Thread-1 (work)", "Thread-2 (work)"]
        assert len({ident for _, ident, _, _ in seen.values()} | {main.ident}) == 4
        assert [seen[name][0] for name in "ab"] == threads
        assert isinstance(seen["spawned"][0], threading._DummyThread)
        assert all(entry[3] is main for entry in seen.values())


def test_after_a_world_threading_knows_what_it_knew_before(world):
    def knows():
        real = set(range(_thread._count())), set(range(threading.active_count()))
        return *real, set(threading.enumerate()), set(threading._active), set(threading._limbo), set(threading._dangling)

    with world():  # starts the watchdog
        pass
    before = knows()
    counter = threading._counter
    with world() as sim:
        sim.spawn(threading.current_thread)
        threading.Thread(target=time.sleep, args=(1,)).start()
        threading.Thread(target=time.sleep, args=(1e5,), daemon=True).start()
        time.sleep(2)
    assert all(now <= then for now, then in zip(knows(), before, strict=True))  # real threads of other tests may have ended meanwhile
    assert threading._counter is counter


def test_an_error_that_leaves_a_thread_fails_the_test(world):
    def fail():
        raise LookupError("from a thread")

    with pytest.raises(LookupError, match="from a thread"), world():
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()


def test_a_program_s_own_unraisablehook_takes_the_error_of_a_thread_without_an_object(world, monkeypatch):
    def fail():
        raise LookupError("from a thread")

    taken = []
    with world() as sim:
        monkeypatch.setattr(sys, "unraisablehook", taken.append)
        _thread.start_new_thread(fail, ())
        time.sleep(1)
        monkeypatch.undo()
        assert not sim.errors
    [found] = taken
    assert (found.exc_type, str(found.exc_value)) == (LookupError, "from a thread")
    assert traceback.extract_tb(found.exc_traceback)[0].name == "fail"
    words = "Exception ignored in thread started by"
    assert (found.err_msg, found.object) == ((words, fail) if sys.version_info < (3, 13) else (f"{words} {fail!r}", None))
    with pytest.raises(LookupError, match="from a thread"), world():
        _thread.start_new_thread(fail, ())
        time.sleep(1)


@pytest.mark.skipif(not hasattr(_thread, "_ThreadHandle"), reason="CPython has it from 3.13 on")
def test_a_handle_of_a_thread_is_for_one_thread(world):
    with world():
        handle = _thread._ThreadHandle()
        _thread.start_joinable_thread(int, handle=handle)
        with pytest.raises(RuntimeError, match=r"^thread already started$"):
            _thread.start_joinable_thread(int, handle=handle)
        handle.join()


def test_a_program_s_own_excepthook_takes_the_error(world, monkeypatch):
    taken = []
    with world():
        monkeypatch.setattr(threading, "excepthook", lambda args: taken.append((args.exc_type, args.thread.name)))
        thread = threading.Thread(target=lambda: 1 / 0, name="divides")
        thread.start()
        thread.join()
        monkeypatch.undo()
    assert taken == [(ZeroDivisionError, "divides")]


def test_hooks_that_a_program_leaves_in_threading_are_gone_with_its_world(world):
    def hooks():
        return threading.excepthook, threading._trace_hook, threading._profile_hook

    def nothing(*facts):
        pass

    before = hooks()
    with world():
        threading.excepthook = nothing
        threading.settrace(nothing)
        threading.setprofile(nothing)
    assert hooks() == before
    with pytest.raises(ZeroDivisionError), world():
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()


def test_sys_exit_and_the_end_of_the_world_are_no_errors_of_a_thread(world):
    with world():
        threading.Thread(target=lambda: (_ for _ in ()).throw(SystemExit(3))).start()
        threading.Thread(target=time.sleep, args=(1e5,), daemon=True).start()
        time.sleep(1)


def test_a_raw_thread_s_error_fails_the_test_too(world):
    with pytest.raises(ZeroDivisionError), world():
        _thread.start_new_thread(lambda: 1 / 0, ())
        time.sleep(1)


def test_a_timer_fires_at_its_virtual_time_or_is_cancelled(world):
    fired = []
    with world() as sim:
        timer = threading.Timer(3600, lambda: fired.append(round(sim.now, 4)))
        timer.start()
        cancelled = threading.Timer(1800, lambda: fired.append("cancelled"))
        cancelled.start()
        time.sleep(10)
        cancelled.cancel()
        timer.join()
        cancelled.join()
    assert fired == [3600]


def test_handlers_of_signals_can_be_set_by_the_first_task_only(world):
    before = signal.getsignal(signal.SIGUSR1)
    with world():
        caught = []
        signal.signal(signal.SIGUSR1, lambda number, frame: caught.append(number))
        signal.raise_signal(signal.SIGUSR1)
        assert caught == [signal.SIGUSR1]
        signal.signal(signal.SIGUSR1, before)
        assert signal.set_wakeup_fd(-1) == -1
        with pytest.raises(OSError, match="Bad file descriptor"):
            signal.set_wakeup_fd(98765)
        errors = []

        def off_the_main_thread():
            for call in (lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN), lambda: signal.set_wakeup_fd(-1)):
                try:
                    call()
                except ValueError as error:
                    errors.append(str(error))

        thread = threading.Thread(target=off_the_main_thread)
        thread.start()
        thread.join()
        assert errors == [f"{name} only works in main thread of the main interpreter" for name in ("signal", "set_wakeup_fd")]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_a_pool_s_threads_have_the_same_names_in_every_world(world):
    def names():
        with world(), concurrent.futures.ThreadPoolExecutor(2) as pool:
            return sorted(set(pool.map(lambda _: (time.sleep(1), threading.current_thread().name)[1], range(4))))

    assert names() == names() == ["ThreadPoolExecutor-0_0", "ThreadPoolExecutor-0_1"]


def test_a_world_may_be_entered_in_another_os_thread_than_the_main_one(world):
    found = []

    def run():
        with world() as sim:
            me = threading.current_thread()
            worker = threading.Thread(target=time.sleep, args=(5,))
            worker.start()
            worker.join()
            found.append((me is threading.main_thread(), me.name, round(sim.now, 4)))

    thread = threading.Thread(target=run, name="runner")
    thread.start()
    thread.join()
    assert found == [(False, "runner", 5)]


PROGRAM = """
    import concurrent.futures, logging, queue, threading, time, tempfile, random
    from simsock import Simulation
    LOCK = threading.Lock()
    pool = None
    for round in range(2):
        with Simulation(patch=True) as sim:
            threads = [threading.Thread(target=time.sleep, args=(1,)) for _ in range(3)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            threading.Thread(target=queue.Queue().get, daemon=True).start()
            pool = concurrent.futures.ThreadPoolExecutor(2)
            assert pool.submit(lambda: 7).result() == 7
            logging.warning  # its shutdown at exit takes handlers' locks
            kept = threading.Thread(target=lambda: LOCK.acquire() and time.sleep(1e5), daemon=True)
            kept.start()
            time.sleep(1)
            pool.shutdown()
    real = threading.Thread(target=time.sleep, args=(0.01,))
    real.start()
    print(f"done {sim.now:.3f}")
"""


def test_an_interpreter_that_ran_worlds_ends_without_a_word(in_process):
    assert in_process(PROGRAM) == "done 2.000\n"


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals come in the main thread")
def test_ctrl_c_in_the_middle_of_taking_a_lock_leaves_it_free(world):
    # The real lock below the hybrid, and Ctrl-C after it was taken, in what counts as the hybrid's own code.
    space = {"strike": strike_here, "SIGINT": int(signal.SIGINT), "__name__": _locks.__name__}
    source = "def take(*how):\n    taken = real(*how)\n    strike(SIGINT)\n    return taken\n"
    exec(compile(source, _locks.__file__, "exec"), space)
    with world():
        lock = threading.Lock()
        real = space["real"] = lock._take
        lock._take = space["take"]
        with pytest.raises(KeyboardInterrupt), lock:
            lock._take = real
            time.sleep(1)
        assert not lock.locked()


def test_tasks_that_threading_has_not_started_are_plain_threads_to_it(world):
    seen = {}

    def work(name):
        me = threading.current_thread()
        seen[name] = (me.name, me.daemon, me.is_alive())
        threading.Thread(target=lambda: seen.setdefault(f"{name}'s", threading.current_thread().daemon)).start()

    with world() as sim:
        sim.spawn(work, "spawned", name="worker").result()
        sim.settle()
        made = threading.Thread()
        assert made.name == "Thread-2", "after the one that the task made; the task itself takes no number"
        inner = sim.network.threading.Thread(target=work, args=("ours",), name="inner")
        inner.start()
        inner.join()
        sim.settle()
    assert seen == {"spawned": ("worker", False, True), "spawned's": False, "ours": ("inner", False, True), "ours's": False}
    assert threading._DummyThread.__module__ == "threading"


def test_a_handler_s_threads_are_found_when_they_are_left(world):
    class Forgets(simsock.socketserver.BaseRequestHandler):
        def handle(self):
            threading.Thread(target=time.sleep, args=(1000,)).start()

    with pytest.warns(simsock.LeakWarning, match="task handler-1/sleep-1"):
        said = simsock.talk(Forgets, b"")
    assert [leak.split("/")[0] for leak in said.leaks] == ["task handler-1"]
    with pytest.raises(AssertionError, match="leaves behind: task handler-1/"):
        simsock.fuzz(Forgets, st.just(b"x"), examples=5)


def test_a_task_s_thread_can_be_joined(world):
    with world() as sim:
        found = []
        task = sim.spawn(lambda: (found.append(threading.current_thread()), sim.sleep(5)))
        sim.sleep(1)
        found[0].join(timeout=2)
        assert sim.now == 3 and found[0].is_alive()
        found[0].join()
        assert sim.now == 5 and not found[0].is_alive() and task.done


def test_a_thread_that_threading_does_not_know_outlives_its_world(world):
    said = queue.SimpleQueue()

    def enter():
        with world():
            threading.current_thread()
        me = threading.current_thread()
        said.put((me.is_alive(), me.name.startswith("Dummy-")))
        threading._active.pop(threading.get_ident(), None)

    _thread.start_new_thread(enter, ())
    assert said.get(timeout=30) == (True, True)


def test_threads_from_before_are_not_among_the_worlds(world):
    """A program that waits for all that there are would wait for the harness's."""
    end = threading.Event()
    real = threading.Thread(target=end.wait, daemon=True)
    real.start()
    try:
        for _ in range(2):
            with world():
                thread = threading.Thread(target=time.sleep, args=(1,), name="mine")
                assert (threading.active_count(), threading.enumerate()) == (1, [threading.main_thread()])
                thread.start()
                assert (threading.active_count(), threading.enumerate()) == (2, [threading.main_thread(), thread])
                for other in threading.enumerate():
                    if other is not threading.main_thread():
                        other.join()
                assert threading.active_count() == 1
            assert real in threading.enumerate()
    finally:
        end.set()
        real.join()
