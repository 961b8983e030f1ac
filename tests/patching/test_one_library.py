"""One library of threads: a program has the same orders with the standard modules in a patched world and with those of ``sim.network``."""

from __future__ import annotations

import queue
import sys
import threading
from hashlib import blake2b
from types import SimpleNamespace

import pytest

import simsock
from simsock.errors import Deadlock, TaskWillNotEnd
from simsock.stdlib import queue as sim_queue
from simsock.stdlib import threading as sim_threading

STANDARD = SimpleNamespace(threading=threading, queue=queue, patch=True)
COPIED = SimpleNamespace(threading=sim_threading, queue=sim_queue, patch=False)
SEEDS = range(60)


@pytest.fixture(params=[STANDARD, COPIED], ids=["patched", "unpatched"])
def std(request):
    return request.param


def finish(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def locks(std, out):
    lock, again = std.threading.Lock(), std.threading.RLock()

    def work(name):
        for turn in range(3):
            with lock:
                out.append((name, turn))
            with again, again:
                pass

    threads = [std.threading.Thread(target=work, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
        out.append("started")
    for thread in threads:
        thread.join()
        out.append("joined")
    for thread in threads:
        thread.join()
        out.append(thread.is_alive())


def conditions(std, out):
    condition, box = std.threading.Condition(), []

    def take(name):
        with condition:
            while not box:
                condition.wait()
            out.append((name, box.pop()))

    def give():
        for number in range(3):
            with condition:
                box.append(number)
                condition.notify()

    threads = [*(std.threading.Thread(target=take, args=(name,)) for name in range(3)), std.threading.Thread(target=give)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        out.append("alive")
        threads[0].join(0.001)
        threads[-1].join(0)


def events(std, out):
    event, semaphore, barrier = std.threading.Event(), std.threading.Semaphore(1), std.threading.Barrier(3)

    def work(name):
        event.wait()
        with semaphore:
            out.append(name)
        barrier.wait()
        out.append(-name)

    threads = [std.threading.Thread(target=work, args=(name,)) for name in range(1, 4)]
    for thread in threads:
        thread.start()
    out.append((event.is_set(), std.threading.active_count()))
    event.set()
    for thread in threads:
        thread.join()


def queues(std, out):
    items = std.queue.Queue(2)

    def put(name):
        for number in range(3):
            items.put((name, number))

    def get():
        for _ in range(3):
            out.append(items.get())
            items.task_done()

    threads = [std.threading.Thread(target=put, args=(0,)), std.threading.Thread(target=get)]
    threads += [std.threading.Thread(target=put, args=(1,)), std.threading.Thread(target=get)]
    for thread in threads:
        thread.start()
    items.join()
    out.append((items.empty(), items.qsize()))
    for thread in threads:
        thread.join()


def simple_queues(std, out):
    items = std.queue.SimpleQueue()

    def put(name):
        for number in range(3):
            items.put((name, number, std.threading.current_thread().name))

    def get():
        for _ in range(3):
            try:
                out.append(items.get(timeout=0.5))
            except std.queue.Empty:
                out.append(None)

    finish([std.threading.Thread(target=target, args=args, daemon=True) for target, args in ((put, (0,)), (get, ()), (put, (1,)), (get, ()))])


class Anyhow:
    """A strategy that will be the same when simsock's own have become better."""

    def begin(self, run):
        self.state = int(run.seed) + 1
        self.asked = []

    def pick(self, task, runnable, preempting):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        self.asked.append((task.path, [other.path for other in runnable]))
        return runnable[(self.state >> 33) % len(runnable)]

    def end(self, run):
        pass


EXPECTED = {
    locks: "3bbffbc9b74e05c9",
    conditions: "ca23e909b73596ea",
    events: "8578c937a18ceaf3",
    queues: "b643fe127ce907c7",
    simple_queues: "3bc783e1de870cd6",
}


@pytest.mark.parametrize("program", EXPECTED)
def test_one_seed_is_one_order_in_both_kinds_of_worlds_and_on_every_python(std, program):
    orders = set()
    hashed = blake2b(digest_size=8)
    for seed in SEEDS:
        out = []
        anyhow = Anyhow()
        with simsock.Simulation(seed=seed, strategy=anyhow, patch=std.patch):
            program(std, out)
        orders.add(str(anyhow.asked))
        hashed.update(f"{anyhow.asked} {out}".encode())
    assert len(orders) > 50
    assert hashed.hexdigest() == EXPECTED[program]


# Starting


class Asked:
    """A strategy that switches nowhere and notes who was asked."""

    def __init__(self):
        self.who = []

    def begin(self, run):
        self.who.clear()

    def pick(self, task, runnable, preempting):
        self.who.append(task.path)
        return runnable[0]

    def end(self, run):
        pass


def test_starting_a_thread_is_one_question(std):
    asked = Asked()
    with simsock.Simulation(strategy=asked, patch=std.patch):
        threads = [std.threading.Thread(target=int) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert asked.who == ["main"] * 4
        for thread in threads:
            thread.join()


def test_the_threads_of_a_loop_are_started_before_the_first_runs_and_run_in_their_order(std):
    with simsock.Simulation(patch=std.patch):
        log = []
        threads = [std.threading.Thread(target=log.append, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
            log.append("started")
        for thread in threads:
            thread.join()
    assert log == ["started"] * 3 + [0, 1, 2]


def test_several_threads_are_alive_at_once_in_many_schedules_of_a_search():
    most = []

    def test(sim):
        live = [0]
        peak = [0]

        def work():
            live[0] += 1
            peak[0] = max(peak[0], live[0])
            one = 1
            live[0] -= one

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        most.append(peak[0])

    simsock.explore(test, schedules=100, preempt="lines", scope=__file__, seed=1)
    assert sum(peak >= 2 for peak in most) >= 30


@pytest.mark.filterwarnings("ignore::simsock.LeakWarning")  # of those that had not got to it
@pytest.mark.parametrize("crash", [True, False])
def test_a_world_may_end_and_a_host_crash_while_a_thread_is_starting(std, crash):
    def start():
        std.threading.Thread(target=std.threading.Event().wait, daemon=True).start()

    for seed in range(60):
        with simsock.Simulation(seed=seed, strategy="random", patch=std.patch) as sim:
            host = sim.host("server")
            for _ in range(2):
                host.spawn(start)
            sim.sleep(0)
            if crash:
                host.crash()
                sim.sleep(1)
                assert std.threading.active_count() == 1


def test_setting_an_event_that_nobody_waits_for_switches_no_tasks(std):
    with simsock.Simulation(patch=std.patch) as sim:
        log = []
        event = std.threading.Event()
        sim.spawn(log.append, "other")
        event.set()
        assert log == []


# Ending


def test_the_end_of_a_world_does_not_disturb_who_asks_whether_a_thread_lives(std):
    seen = []
    with simsock.Simulation(patch=std.patch) as sim:
        thread = std.threading.Thread(target=sim.sleep, args=(100,), daemon=True)
        thread.start()

        def ask():
            try:
                sim.sleep(50)
            finally:
                seen.append(thread.is_alive())

        std.threading.Thread(target=ask, daemon=True).start()
        sim.sleep(1)
    assert seen in ([True], [False])
    assert not thread.is_alive()


def test_the_interrupt_that_a_thread_raises_is_that_thread_s_error(std):
    def work():
        raise KeyboardInterrupt

    with simsock.Simulation(patch=std.patch) as sim:
        expected = sim.expect_errors(KeyboardInterrupt)
        thread = std.threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(expected.errors) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # which says that Python has ignored the kill
def test_a_kill_reaches_a_task_through_a_finalizer_that_waits():
    after = []
    with simsock.Simulation() as sim:

        class Slow:
            def __del__(self):
                sim.sleep(1)

        def work():
            slow = Slow()
            del slow
            for _ in range(3):
                after.append(sim.now)
                sim.sleep(10)

        host = sim.host("server")
        task = host.spawn(work)
        sim.sleep(0.5)
        host.crash()
        sim.sleep(100)
        assert task.done and len(after) <= 1


def test_a_kill_reaches_a_task_that_catches_everything():
    rounds = []
    with simsock.Simulation() as sim:

        def stubborn():
            while len(rounds) < 5:
                try:
                    sim.sleep(1)
                    rounds.append(sim.now)
                except BaseException:
                    rounds.append("caught")

        task = sim.spawn(stubborn)
        sim.sleep(1.5)
        task.cancel()
        sim.sleep(10)
        assert task.done and rounds[:2] == [1.0, "caught"]


def test_a_task_that_is_cancelled_may_make_calls_while_it_tidies_up():
    with simsock.Simulation() as sim:
        done = []

        def work():
            try:
                sim.sleep(100)
            finally:
                sim.sleep(1)
                done.append(sim.now)

        task = sim.spawn(work)
        sim.sleep(1)
        task.cancel()
        sim.sleep(5)
        assert done == [2.0]


def test_a_task_that_will_not_die_ends_the_run_with_its_place():
    with pytest.raises(TaskWillNotEnd, match=r"swallows TaskKilled at .*test_one_library"), simsock.Simulation() as sim:

        def stubborn():
            while True:
                try:
                    sim.sleep(1)
                except BaseException:
                    continue

        task = sim.spawn(stubborn)
        sim.sleep(1.5)
        task.cancel()
        sim.sleep(100)


# Tables of waits


def test_a_table_of_waits_names_the_program_s_own_objects_numbered_by_kind(std):
    with simsock.Simulation(patch=std.patch):
        event, first, second = std.threading.Event(), std.queue.Queue(), std.queue.Queue(1)
        lock, condition, semaphore, barrier = std.threading.Lock(), std.threading.Condition(), std.threading.Semaphore(0), std.threading.Barrier(2)
        second.put(1)

        def wait_for_news():
            with condition:
                condition.wait()

        for name, wait in (
            ("event", event.wait),
            ("get", first.get),
            ("put", lambda: second.put(2)),
            ("join", second.join),
            ("condition", wait_for_news),
            ("semaphore", semaphore.acquire),
            ("barrier", barrier.wait),
            ("lock", lock.acquire),
        ):
            std.threading.Thread(target=wait, name=name, daemon=True).start()
        lock.acquire()
        with pytest.raises(Deadlock) as caught:
            std.threading.Event().wait()
        rows = {line.split()[0]: line for line in caught.value.facts["report"].splitlines()[1:]}
        for name, words in {
            "event": "wait for Event-1",
            "get": "get from Queue-1",
            "put": "put to Queue-2",
            "join": "join Queue-2",
            "condition": "wait for Condition-1",
            "semaphore": "acquire Semaphore-1",
            "barrier": "wait for Barrier-1",
            "lock": "acquire Lock-1",
            "main": "wait for Event-2",
        }.items():
            assert words in rows[name]
        assert rows["lock"].endswith("main")
        assert "itself" not in str(caught.value)


def test_a_real_lock_is_an_instance_of_what_makes_locks_in_a_world():
    real = (threading.Lock(), threading.RLock(), queue.SimpleQueue())
    with simsock.Simulation():
        made = (threading.Lock(), threading.RLock(), queue.SimpleQueue())
        assert [isinstance(one, type(other)) for one, other in zip(real, made, strict=True)] == [True] * 3
        assert [isinstance(one, type(other)) for one, other in zip(made, made[1:] + made[:1], strict=True)] == [False] * 3


def test_profile_and_trace_functions_of_a_thread_are_gone_with_it():
    def hook(frame, event, argument):
        return None

    def outer():
        return sys.getprofile(), sys.gettrace()

    before = outer()
    seen = []
    with simsock.Simulation() as sim:
        threading.setprofile(hook)
        threading.settrace(hook)
        thread = threading.Thread(target=lambda: seen.append((sim.sleep(1), outer())[1]))
        try:
            thread.start()
            seen.append(outer())
            thread.join()
            seen.append(outer())
        finally:
            threading.setprofile(None)
            threading.settrace(None)
    assert seen == [before, (hook, hook), before]
    assert outer() == before
