"""Searches with other processes, from a script, with executors of several kinds, under pytest-xdist; and processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from types import CodeType, FunctionType

import pytest

import simsock
from simsock.search import jobs as searching_jobs
from tests.real_signals import strike
from tests.search import programs

SCRIPT = """
import multiprocessing
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import simsock


def lost_update(sim):
    state = {"value": 0}
    ready = threading.Event()

    def add():
        ready.wait()
        seen = state["value"]
        state["value"] = seen + 1

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.set()
    for thread in threads:
        thread.join()
    assert state["value"] == 2


if __name__ == "__main__":
    kind = sys.argv[1]
    options = {"schedules": 600, "max_real_time": 20}
    if kind == "jobs":
        verdict = simsock.explore(lost_update, jobs=2, **options)
    elif kind == "threads":
        with ThreadPoolExecutor(2) as pool:
            verdict = simsock.explore(lost_update, executor=pool, **options)
    elif kind == "one":
        verdict = simsock.explore(lost_update, **options)
    elif kind == "dask":
        from dask.distributed import Client, LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            verdict = simsock.explore(lost_update, executor=client.get_executor(), **options)
    else:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(kind)) as pool:
            verdict = simsock.explore(lost_update, executor=pool, **options)
    print(verdict.status, verdict.failing_schedule)
"""


def run_script(folder: Path, kind: str) -> str:
    path = folder / "search_it.py"
    path.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run([sys.executable, str(path), kind], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["jobs", "threads", "fork", "forkserver"])
def test_a_script_that_searches_its_own_function_finds_the_same_with_any_executor(kind, tmp_path):
    assert run_script(tmp_path, kind) == run_script(tmp_path, "one")


@pytest.mark.slow
def test_a_dask_cluster_finds_the_same(tmp_path):
    pytest.importorskip("distributed")
    assert run_script(tmp_path, "dask") == run_script(tmp_path, "one")


def test_a_test_in_a_worker_of_xdist_may_search_with_several_processes(pytester):
    pytest.importorskip("xdist")
    pytester.makepyfile(
        race="""
        import threading

        def lost_update(sim):
            state = [0]

            def add():
                seen = state[0]
                state[0] = seen + 1

            threads = [threading.Thread(target=add) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert state[0] == 2
        """,
        test_it="""
        import simsock
        from race import lost_update

        def test_it():
            assert simsock.explore(lost_update, 300, jobs=2, max_real_time=20).failed
        """,
    )
    result = pytester.runpytest_subprocess("-n", "1", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


class ByValue(Executor):
    """Sends functions of a script as ``cloudpickle`` does: without the names of their files."""

    def submit(self, function, test, *arguments):
        future = Future()
        future.set_result(function(nameless(test), *arguments))
        return future


def nameless(function):
    """A copy of a function of ``programs`` that does not say where it was written, nor do those that it calls."""

    def of_code(code):
        return code.replace(co_filename="<dynamic-code>", co_consts=tuple(of_code(inner) if isinstance(inner, CodeType) else inner for inner in code.co_consts))

    space = dict(vars(programs))
    for name, value in vars(programs).items():
        if isinstance(value, FunctionType):
            space[name] = FunctionType(of_code(value.__code__), space, name, value.__defaults__)
    return space[function.__name__]


def test_a_test_that_is_sent_without_the_name_of_its_file_has_the_same_lines_in_scope():
    assert simsock.explore(programs.lost_update, 300, executor=ByValue()).failing_schedule == simsock.explore(programs.lost_update, 300).failing_schedule
    assert simsock.explore(programs.kept_update, 30, executor=ByValue()).orders == simsock.explore(programs.kept_update, 30).orders > 1


# -- processes that die ----------------------------------------------------------------------------------------------------------------------


def dies_once(sim) -> None:
    """Kills its process, the first time that anybody runs it."""
    path = Path(os.environ["SIMSOCK_DIED"])
    if not path.exists():
        path.touch()
        strike(signal.SIGKILL)
    programs.lost_update(sim)


def dies(sim) -> None:
    """Kills its process."""
    strike(signal.SIGKILL)


def test_a_process_that_dies_loses_its_batch_only_which_is_tried_again(monkeypatch, tmp_path):
    monkeypatch.setenv("SIMSOCK_DIED", str(tmp_path / "died"))
    monkeypatch.setattr(searching_jobs, "BATCH", 20)
    told = []
    verdict = simsock.explore(dies_once, 100, jobs=2, progress=told.append)
    assert (tmp_path / "died").exists()
    assert verdict.failing_schedule == simsock.explore(dies_once, 100).failing_schedule, "it dies once only"


def test_a_batch_that_kills_its_process_every_time_is_an_error_that_names_it():
    with pytest.raises(simsock.SearchFailure, match="died while it tried schedules 1 to 200 of seed 0, and again when it tried them alone"):
        simsock.explore(dies, 1_000, jobs=2)


def test_batches_in_threads_of_one_process_wait_for_each_other(monkeypatch):
    monkeypatch.setattr(searching_jobs, "BATCH", 5)
    with ThreadPoolExecutor(3) as pool:
        verdict = simsock.explore(programs.kept_update, 60, executor=pool)
    one = simsock.explore(programs.kept_update, 60)
    assert (verdict.status, verdict.orders, verdict.new_at_the_end, verdict.alive) == ("inconclusive", one.orders, one.new_at_the_end, one.alive)
