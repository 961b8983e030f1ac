"""A search in several processes.

Owns the division of schedules among processes. Law: the answer is the lowest failing schedule number, whatever the number of jobs.
A test that gathers something while it runs has methods ``harvest`` (called in the process that ran it: takes what was gathered, picklable) and
``reap`` (called in this one, with that).
"""

from __future__ import annotations

import pickle
import signal
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import Any

from simsock.errors import UsageError
from simsock.world.options import Options

BATCH = 200
"""Schedules that one process tries before it reports."""


def first_failure(test: Any, options: Options, seed: int | str, schedules: int, jobs: int, executor: Executor | None, progress: Any) -> int | None:
    """The number of the first failing schedule, or None."""
    try:
        pickle.dumps((test, options))
    except Exception as error:
        raise UsageError(f"jobs={jobs}: {test!r} and its options must be importable in another process: {error}") from error
    if executor is not None:
        return _search(executor, test, options, seed, schedules, jobs, progress)
    # spawn: a fork would copy whatever threads and locks this process has
    context = get_context("spawn")
    count = context.Value("q", 0)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_process, initargs=(count,))
    try:
        found = _search(pool, test, options, seed, schedules, jobs, progress)
    except BaseException as error:
        # What was tried in batches that are under way counts as well. Asked before the kill: a process may die with the counter's lock.
        tried = count.value
        # An orderly shutdown would wait for the batches under way; a second Ctrl-C in that wait leaves the pool hanging for ever.
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        if progress is not None and isinstance(error, KeyboardInterrupt):
            progress(tried)
        raise
    pool.shutdown(cancel_futures=True)
    return found


class _Process:
    """What a process of a search knows of it: the count of schedules that all of them have tried (None in other processes)."""

    count: Any = None


def _begin_process(count: Any) -> None:
    """Leave interrupts to the parent, and remember where schedules are counted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Process.count = count


def _search(pool: Executor, test: Any, options: Options, seed: int | str, schedules: int, jobs: int, progress: Any) -> int | None:
    starts = iter(range(1, schedules + 1, BATCH))
    running: dict[Future[tuple[int | None, Any]], int] = {}
    found: int | None = None
    tried = 0
    while True:
        while len(running) < jobs * 2 and (found is None) and (start := next(starts, None)) is not None:
            running[pool.submit(_batch, test, options, seed, start, min(start + BATCH, schedules + 1))] = start
        if not running:
            return found
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            start = running.pop(future)
            failed, gathered = future.result()
            if gathered is not None:
                test.reap(gathered)
            tried += BATCH
            if failed is not None and (found is None or failed < found):
                found = failed
            if progress is not None:
                progress(min(tried, schedules))
        if found is not None:
            # A batch under way is waited for: in an executor of threads its worlds live in this process, where there is room for one.
            for future in [later for later, start in running.items() if start > found and later.cancel()]:
                del running[future]


def _batch(test: Any, options: Options, seed: int | str, first: int, end: int) -> tuple[int | None, Any]:
    from simsock.search.runner import Runner

    harvest = getattr(test, "harvest", None)
    count = _Process.count
    failed = None
    with Runner(test, options) as runner:
        if runner.learn(seed, first) and harvest is not None:
            harvest()  # of runs that other batches count
        for number in range(first, end):
            failing = runner.schedule(seed, number).error is not None
            if count is not None:
                with count.get_lock():
                    count.value += 1
            if failing:
                failed = number
                break
    return failed, harvest() if harvest is not None else None
