"""A search in several processes.

Owns the division of schedules among processes, and what is done when one of them dies. Does not know what a schedule is. Laws:

* the answer is the lowest failing schedule number, whatever the number of jobs;
* a process that dies loses its batch only, which is tried again, alone; one that kills its process again is an error that names it;
* batches in threads of one process wait for each other: there is one world at a time. Those that nobody wants any more end with their schedule: an
  executor may call a batch cancelled that goes on, as Dask does.

A test that gathers something while it runs has methods ``harvest`` (called in the process that ran it: takes what was gathered, picklable) and
``reap`` (called in this one, with that). One that wants every schedule run, whatever fails, has a method ``hear`` as well, which is called with the number and
the outcome of each, in the process that ran it.
"""

from __future__ import annotations

import itertools
import os
import pickle
import signal
from _thread import allocate_lock
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.errors import SearchFailure, UsageError
from simsock.kernel.file_times import first_begin, follow
from simsock.kernel.signals import ignore_in_this_process
from simsock.search.evidence import Evidence
from simsock.search.guiding import GENERATION, Guide, first_of
from simsock.search.sources import Files, files_of, name_files
from simsock.world.options import Options

if TYPE_CHECKING:
    from simsock.choices.drafts import Draft
    from simsock.kernel.strategies import Profile

BATCH = 200
"""Schedules that one process tries before it reports, unless they are made of earlier ones."""
PARTS = 4
"""Batches of one generation of a guided search, for an executor of whom nobody knows how many it serves at once."""
PARTS_MAX = 8
one_at_a_time = allocate_lock()
"""Held by the thread of this process that has worlds of a search in which others may have some as well."""
_numbers = itertools.count()
_wanted_up_to: dict[str, int] = {}
"""Of searches of this process, by their keys, that have found a failure or were interrupted: schedules after this one are of no use to them."""


class Tried(NamedTuple):
    """What a batch says: its first failing schedule, what the test gathered, and what was seen; of a guided search also what each run showed."""

    failed: int | None
    gathered: Any = None
    evidence: Evidence | None = None
    runs: tuple[tuple[int, Any], ...] = ()
    profile: Profile | None = None


class Lessons(NamedTuple):
    """What a batch of a guided search is given: what the first schedules have shown, if that is known, and what its schedules are made of."""

    profile: Profile | None
    drafts: dict[int, Draft]


def first_failure(
    test: Any,
    options: Options,
    seed: int | str,
    schedules: int,
    jobs: int,
    executor: Executor | None,
    progress: Any,
    evidence: Evidence | None = None,
    guide: Guide | None = None,
    batch: int = BATCH,
) -> int | None:
    """The number of the first failing schedule, or None. ``guide``: which runs others are made of, where some are; it hears of all of them. ``batch``: how
    many schedules a process tries before it reports."""
    try:
        pickle.dumps((test, options))
    except Exception as error:
        raise UsageError(f"jobs={jobs}: {test!r} and its options must be importable in another process: {error}") from error
    division = Division((test, options, seed), schedules, jobs, progress, evidence, guide)
    division.batch = batch
    division.parts = PARTS if executor is not None else min(jobs, PARTS_MAX)
    division.files = files_of(test) if executor is not None else None
    if executor is not None:
        try:
            division.run(executor)
        except BrokenExecutor as error:
            raise SearchFailure(f"the executor {executor!r} is broken: {error}") from error
        except BaseException:
            _wanted_up_to[division.key] = 0
            raise
        return division.found
    # spawn: a fork would copy whatever threads and locks this process has
    context = get_context("spawn")
    count = context.Value("q", 0)
    while not division.is_done:
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_process, initargs=(count,))
        try:
            division.run(pool)
        except BrokenExecutor:
            division.process_died()
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
    return division.found


class _Process:
    """What a process of a search knows of it: the count of schedules that all of them have tried (None in other processes)."""

    count: Any = None


def _begin_process(count: Any) -> None:
    """Leave interrupts to the parent, and remember where schedules are counted."""
    ignore_in_this_process(signal.SIGINT)
    _Process.count = count


class Division:
    """The batches of one search: which are to be tried, which are under way. It outlives a pool whose process died."""

    def __init__(
        self,
        what: tuple[Any, Options, int | str],
        schedules: int,
        jobs: int,
        progress: Any = None,
        evidence: Evidence | None = None,
        guide: Guide | None = None,
    ) -> None:
        self.what = what
        self.schedules = schedules
        self.jobs = jobs
        self.progress = progress
        self.evidence = evidence
        self.guide = guide
        self.batch = BATCH
        self.parts = 1
        """Batches that a generation of a guided search is divided into."""
        self.files: Files | None = None
        """Where the test was written, for an executor that may send it without that."""
        self.found: int | None = None
        self.tried = 0
        self.is_done = False
        self.key = f"{os.getpid()} {next(_numbers)}"
        """The search, for its batches that are in this process."""
        self._profile: Profile | None = None
        self._start = 1
        """The first schedule that no batch has had."""
        self._suspects: list[int] = []
        """Batches that were under way when a process died: each is tried again alone, so that the next death names one."""
        self._alone: int | None = None
        self._running: dict[Future[Tried], int] = {}

    def _next(self) -> int | None:
        """The first schedule of the batch to be tried next, if one more may be under way."""
        if self._suspects:
            if self._running:
                return None
            self._alone = self._suspects.pop(0)
            return self._alone
        if self._alone is not None or len(self._running) >= self.jobs * 2 or self.found is not None or self._start > self.schedules:
            return None
        start = self._start
        if self.guide is not None and first_of(start) > self.guide.known + 1:
            return None  # its generation is made of those that are under way
        self._start = self._end(start)
        return start

    def _end(self, start: int) -> int:
        """The schedule after the last one of the batch that begins with ``start``."""
        end = start + self.batch
        if self.guide is not None:
            end = min(start - (-GENERATION // self.parts), first_of(start) + GENERATION)
        return min(end, self.schedules + 1)

    def _lessons(self, start: int) -> Lessons | None:
        guide = self.guide
        if guide is None:
            return None
        drafts = {number: draft for number in range(start, self._end(start)) if (draft := guide.draft(number)) is not None}
        return Lessons(self._profile, drafts)

    def run(self, pool: Executor) -> None:
        """Try all batches, or all before the first failure."""
        running = self._running
        while True:
            while (start := self._next()) is not None:
                try:
                    running[pool.submit(_batch, *self.what, start, self._end(start), first_begin(), self._lessons(start), self.files, self.key)] = start
                except BrokenExecutor:
                    self._suspects.insert(0, start)
                    raise
            if not running:
                self.is_done = True
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                answer = future.result()  # before it is forgotten: the batch of a dead process is tried again
                self._told(running.pop(future), answer)
            if self.found is not None:
                # A batch under way is waited for: in an executor of threads its worlds live in this process, where there is room for one.
                _wanted_up_to[self.key] = self.found
                for future in [later for later, start in running.items() if start > self.found and later.cancel()]:
                    del running[future]

    def _told(self, start: int, answer: Tried) -> None:
        self._alone = None
        failed, gathered, evidence, runs, profile = answer
        if gathered is not None:
            self.what[0].reap(gathered)
        if evidence is not None and self.evidence is not None:
            self.evidence.merge(evidence)
        if self.guide is not None:
            self._profile = self._profile or profile
            for number, tried in runs:
                self.guide.note(number, tried)
        self.tried += self._end(start) - start
        if failed is not None and (self.found is None or failed < self.found):
            self.found = failed
        if self.progress is not None:
            self.progress(min(self.tried, self.schedules))

    def process_died(self) -> None:
        """The pool is of no use any more: its batches are tried again in another one."""
        if self._alone is not None:
            end = self._end(self._alone) - 1
            raise SearchFailure(f"a process died while it tried schedules {self._alone} to {end} of seed {self.what[2]!r}, and again when it tried them alone")
        self._suspects += sorted(start for start in self._running.values() if self.found is None or start < self.found)
        self._running.clear()


def _batch(
    test: Any,
    options: Options,
    seed: int | str,
    first: int,
    end: int,
    first_begin_ns: int,
    lessons: Lessons | None = None,
    files: Files | None = None,
    key: str = "",
) -> Tried:
    from simsock.search.runner import Runner

    follow(first_begin_ns)
    if files is not None:
        name_files(test, files)
    harvest, hear = getattr(test, "harvest", None), getattr(test, "hear", None)
    count = _Process.count
    failed = None
    evidence = Evidence()
    runs: list[tuple[int, Any]] = []
    drafts = lessons.drafts if lessons is not None else {}
    with one_at_a_time, Runner(test, options) as runner:
        if lessons is not None and lessons.profile is not None:
            runner.profile = seed, lessons.profile
        if runner.learn(seed, first) and harvest is not None:
            harvest()  # of runs that other batches count
        for number in range(first, end):
            if number > _wanted_up_to.get(key, number):
                break
            outcome = runner.drafted(seed, number, drafts.get(number))
            evidence.note(number, outcome.order, outcome.alive, outcome.happened)
            if count is not None:
                with count.get_lock():
                    count.value += 1
            if hear is not None:
                hear(number, outcome)
            elif outcome.error is not None:
                failed = number
                break
            if lessons is not None:
                runs.append((number, outcome.tried))
            del outcome
        known = runner.profile if lessons is not None and lessons.profile is None else None
    profile = known[1] if known is not None and known[1].runs >= known[1].wanted else None
    return Tried(failed, harvest() if harvest is not None else None, evidence, tuple(runs), profile)
