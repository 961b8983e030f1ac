"""A search in several processes finds what one process finds."""

from __future__ import annotations

import os
import pickle
import random
import signal
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

import simsock
from simsock import UsageError
from simsock.search.jobs import Tried, first_failure
from simsock.search.runner import Runner
from simsock.world.options import Options
from tests.search import programs


def rare(sim) -> None:
    """A lost update that needs several deviations: found late, so that batches run side by side."""
    counter = programs.Counter()

    def twice() -> None:
        value = counter.value
        for _ in range(6):
            sim.sleep(0)
        counter.value = value + 1

    tasks = [sim.spawn(twice) for _ in range(2)]
    for task in tasks:
        task.result()
    assert counter.value in (1, 2)
    first = counter.value
    for task in [sim.spawn(programs.bump, counter) for _ in range(5)]:
        task.result()
    assert counter.value != first + 1


def test_the_verdict_does_not_depend_on_the_number_of_jobs(monkeypatch):
    monkeypatch.setattr("simsock.search.jobs.BATCH", 2)
    one = simsock.explore(rare, 2_000, seed=8)
    two = simsock.explore(rare, 2_000, seed=8, jobs=2)
    assert one.failed
    assert one.failing_schedule > 4, "several batches are under way when it is found"
    assert (two.failing_schedule, two.schedules, two.token) == (one.failing_schedule, one.schedules, one.token)
    with pytest.raises(AssertionError):
        two.replay()


def test_a_healthy_test_is_inconclusive_with_jobs_too():
    told = []
    verdict = simsock.explore(programs.kept_update, 450, jobs=2, progress=told.append)
    assert str(verdict).splitlines()[0] == "inconclusive, 450 schedules tried (seed 0)"
    assert str(verdict) == str(simsock.explore(programs.kept_update, 450))
    assert told[-1] == 450


def counted(sim) -> None:
    """Tells every run to a file."""
    with open(os.environ["SIMSOCK_COUNTED"], "ab") as file:
        file.write(b".")


def test_an_interrupted_search_has_tried_what_was_tried_in_batches_under_way(monkeypatch, tmp_path):
    path = tmp_path / "counted"
    monkeypatch.setenv("SIMSOCK_COUNTED", str(path))
    told = []

    def interrupted(running, return_when):
        """No batch ends before Ctrl-C."""
        for _ in range(3_000):
            if path.exists() and path.stat().st_size >= 10:
                raise KeyboardInterrupt
            time.sleep(0.01)
        raise AssertionError("no process has begun within half a minute")

    monkeypatch.setattr("simsock.search.jobs.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simsock.explore(counted, 100_000, jobs=2, progress=told.append, strategy="random")
    assert len(told) == 1
    assert 10 - 2 <= told[0] <= path.stat().st_size, "two may have been under way"


def test_a_test_that_other_processes_cannot_import_is_an_error_that_names_it():
    with pytest.raises(UsageError, match=r"jobs=2: <function .*<lambda>.* must be importable in another process"):
        simsock.explore(lambda sim: None, jobs=2)


def test_options_that_other_processes_cannot_have_are_an_error():
    class Local:
        def begin(self, run):
            pass

        def pick(self, task, runnable, preempting):
            return runnable[0]

        def end(self, run):
            pass

    with pytest.raises(UsageError, match=r"jobs=2: .* must be importable in another process"):
        simsock.explore(programs.clean, strategy=Local(), jobs=2)


class AllAtOnce(Executor):
    """Every batch is done when it is submitted; those in ``failing`` (by first schedule) failed with the schedule given."""

    def __init__(self, failing):
        self.failing = failing

    def submit(self, batch, test, options, seed, first, *more):
        future = Future()
        future.set_result(Tried(self.failing.get(first)))
        return future


def test_the_lowest_failing_schedule_counts_whichever_batch_is_done_first():
    for _ in range(30):  # which of several finished batches is looked at first is a matter of chance
        pool = AllAtOnce({201: 390, 401: 402, 601: 777})
        assert first_failure(programs.clean, None, 0, 2_000, 3, pool, None) == 390


def test_an_executor_can_be_brought():
    with ThreadPoolExecutor(1) as pool:  # of one thread: there is one world at a time in a process
        assert simsock.explore(programs.lost_update, seed=1, executor=pool).token == simsock.explore(programs.lost_update, seed=1).token


class Lagging(ThreadPoolExecutor):
    """The first batch fails at once; the second is under way by then, and takes its time."""

    def __init__(self):
        super().__init__(2)
        self.under_way = threading.Event()
        self.ended = []

    def submit(self, batch, test, options, seed, first, *more):
        return super().submit(self.run, first)

    def run(self, first):
        if first == 1:
            assert self.under_way.wait(10)
            return Tried(1)
        self.under_way.set()
        time.sleep(0.2)
        self.ended.append(first)
        return Tried(None)


def test_no_batch_is_under_way_when_the_answer_is_there():
    with Lagging() as pool:
        assert first_failure(programs.clean, None, 0, 400, 2, pool, None) == 1
        assert pool.ended == [201]


class Careless(Executor):
    """Says of every batch that it is cancelled, if asked, and goes on with it."""

    def __init__(self):
        self.threads = []

    def submit(self, batch, *what):
        future = Future()

        def run():
            answer = batch(*what)
            if not future.cancelled():
                future.set_result(answer)

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        return future


def fails_second(sim) -> None:
    fails_second.runs += 1
    assert sim.seed != "0/2"


def test_a_batch_that_goes_on_although_it_was_cancelled_is_waited_for_and_ends_with_its_schedule(monkeypatch):
    monkeypatch.setattr("simsock.search.jobs.BATCH", 100_000)
    fails_second.runs = 0
    pool = Careless()
    verdict = simsock.explore(fails_second, 200_000, executor=pool, strategy="random", shrink=False)
    assert verdict.failing_schedule == 2
    for thread in pool.threads:
        thread.join(60)
        assert not thread.is_alive()
    assert fails_second.runs < 100_000, "the second batch had nothing to look for"


class Coin:
    """A strategy of one's own: everything that it draws from is made when a run begins."""

    def begin(self, run):
        self.draw = random.Random(run.seed)
        self.tasks = len(run.counts)

    def pick(self, task, runnable, preempting):
        assert self.tasks == 3, "the tasks of the plain order: main and two more"
        return self.draw.choice(runnable)

    def end(self, run):
        del self.draw


def orders(sim) -> None:
    """Writes down in which order two tasks had their turns."""
    turns = []

    def turn(letter) -> None:
        for _ in range(6):
            sim.sleep(0)
            turns.append(letter)

    for task in [sim.spawn(turn, "a"), sim.spawn(turn, "b")]:
        task.result()
    with open(os.environ["SIMSOCK_ORDERS"], "a") as file:
        file.write("".join(turns) + "\n")


@pytest.mark.parametrize("strategy", [Coin(), "random"])
def test_the_runs_of_a_search_are_the_same_whatever_the_number_of_jobs(strategy, monkeypatch, tmp_path):
    monkeypatch.setattr("simsock.search.jobs.BATCH", 40)
    found = {}
    for jobs in (1, 2):
        path = tmp_path / f"orders{jobs}"
        monkeypatch.setenv("SIMSOCK_ORDERS", str(path))
        simsock.explore(orders, 120, preempt="calls", strategy=strategy, jobs=jobs)
        found[jobs] = path.read_text().split()
    assert set(found[1]) == set(found[2])
    assert len(set(found[1])) > 60
    assert found[1][0] in ("abababababab", "bababababa"), "the first is the plain order"


def test_a_schedule_is_the_same_run_in_whatever_order_schedules_are_tried(monkeypatch, tmp_path):
    options = Options(strategy=Coin(), preempt="calls")
    found = []
    for numbers in ([1, 2, 3, 7], [7, 3, 2, 1], [7]):
        with Runner(orders, options) as runner:
            monkeypatch.setenv("SIMSOCK_ORDERS", str(tmp_path / "any"))
            found.append({number: runner.schedule("s", number).deviations for number in numbers})
    assert found[0] == found[1]
    assert found[2][7] == found[0][7]
    assert found[0][1] == ()


class Fails:
    """A strategy that cannot go on in schedule 3."""

    def begin(self, run):
        self.number = run.number

    def pick(self, task, runnable, preempting):
        if self.number == 3:
            raise LookupError("at a loss")
        return runnable[0]

    def end(self, run):
        pass


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_strategy_that_fails_ends_the_search_and_is_no_failure_of_the_test(jobs):
    with pytest.raises(LookupError, match="at a loss"):
        simsock.explore(programs.clean, 10, strategy=Fails(), jobs=jobs)


def test_a_scope_that_is_a_module_goes_to_other_processes():
    """As it is, or among others."""
    for scope in (programs, [programs, "/tmp"]):
        options = pickle.loads(pickle.dumps(Options(scope=scope)))
        assert options.scope == [programs, "/tmp"][: len(scope) if isinstance(scope, list) else 1]


def looks_at_ctrl_c(sim):
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_test_does_not_see_that_the_processes_of_a_search_ignore_ctrl_c():
    """asyncio does: with Python's own handler in place it sets another, which is two steps more."""
    assert simsock.explore(looks_at_ctrl_c, 20, jobs=2).status == "inconclusive"
