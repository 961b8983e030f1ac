"""Is a test the same run each time?

Owns ``check_determinism``: which runs are compared, and the journal by which the first difference is found. Does not know what causes there are
(``causes``). Laws: what is compared is what happened, line by line where lines are points; whoever listens changes no run; a difference is told where it
shows first, with the task, the line, and what was read near it that is not the world's.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.errors import Nondeterminism, UsageError
from simsock.kernel import session
from simsock.kernel.program_lines import place_text, program_frame, short_path
from simsock.kernel.units import format_ns
from simsock.kernel.watchers import Watcher
from simsock.search.causes import causes_at
from simsock.search.runner import Outcome, Runner
from simsock.world.options import SEARCH_DEFAULTS, WORLD_OPTIONS, Options, check_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Unpack

    from simsock.kernel.records import Record
    from simsock.kernel.task import Task
    from simsock.world.simulation import Simulation
    from simsock.world.typed import WorldOptions

SCHEDULES = range(2, 7)
"""Of a search by the default strategy: one of each of those that it takes in turn."""
ENTRIES_MAX = 200_000
"""Of a journal: what comes later is compared by the digest alone."""
PROCESSES_MAX = 100
_SHOWN_MAX = 300


class Journal(Watcher):
    """What happened, in order; with that of an earlier run, the first place where this one is another."""

    def __init__(self, known: list[tuple[Any, ...]] | None = None) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self.records = 0
        self.difference: str | None = None
        self._known = known

    def recorded(self, record: Record) -> None:
        self._note(("record", *record))
        self.records += 1

    def waits(self, task: Task) -> None:
        if session.active is not None:
            self._note(("wait", session.active.now, task.path, task.why, None if task.timer is None else task.timer.deadline))

    def line(self, task: Task, code: CodeType, at: int) -> None:
        self._note(("line", task.path, short_path(code.co_filename), code.co_name, at))

    def _note(self, entry: tuple[Any, ...]) -> None:
        place = len(self.entries)
        if place >= ENTRIES_MAX or self.difference is not None:
            return
        self.entries.append(entry)
        known = self._known
        if known is not None and (place >= len(known) or known[place] != entry):
            self.difference = self._told(known[place] if place < len(known) else None, entry)

    def _told(self, left: Any, right: Any) -> str:
        frame = program_frame(sys._getframe(2)) or _frame_of_parent()
        where = f"record {self.records}" if right[0] == "record" else f"a {right[0]}, after {self.records} records"
        task = session.active.current.path if session.active is not None else "?"
        lines = [f"{where}:", f"  first run:  {_shown(left)}", f"  second run: {_shown(right)}", f"  in task {task}, at {place_text(frame)}"]
        lines += [f"  likely cause: {cause}" for cause in causes_at(frame)]
        return "\n".join(lines)


def _frame_of_parent() -> FrameType | None:
    """Where those stand who started the task that runs, the nearest first, if they are still there."""
    task = session.active.current.parent if session.active is not None else None
    while task is not None:
        frame = program_frame(getattr(task.greenlet, "gr_frame", None))
        if frame is not None:
            return frame
        task = task.parent
    return None


def _shown(entry: Any) -> str:
    if entry is None:
        return "nothing more"
    if entry[0] == "record":
        text = repr(entry[1:])
    elif entry[0] == "line":
        text = f"{entry[2]}:{entry[4]} in {entry[3]}, task {entry[1]}"
    else:
        _, now, path, why, deadline = entry
        text = f"{format_ns(now)}: task {path} waits: {why}" + ("" if deadline is None else f", until {format_ns(deadline)}")
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."


class Told(NamedTuple):
    """What a run gave, as plain values for another process."""

    digest: str | None
    signature: str
    steps: int
    entries: list[tuple[Any, ...]]
    difference: str | None


def _listen(runner: Runner, seed: int | str, number: int | None, known: list[tuple[Any, ...]] | None, kept: list[Any] | None = None) -> Told:
    """One run, beside what is ``known`` of the first. ``kept`` holds the first one's world, so that the second's has not the same address by chance."""
    journal = Journal(known)

    def prepare(sim: Simulation) -> None:
        sim._watchers.append(journal)
        if kept is not None:
            kept.append(sim)

    outcome: Outcome
    if number is None:
        outcome = runner.run(seed, digest=True, prepare=prepare)
    else:
        outcome = runner.schedule(seed, number, digest=True, prepare=prepare)
    told = Told(outcome.digest, repr(outcome.signature), outcome.steps, journal.entries, journal.difference)
    del outcome
    gc.collect()
    return told


def check_determinism(test: Callable[[Simulation], object], seed: int | str = 0, *, processes: int = 0, **options: Unpack[WorldOptions]) -> str:
    """Run ``test`` twice with one seed; returns the digest, or raises ``Nondeterminism`` naming the first difference, its line and what may be the cause.

    ``options`` are those of ``Simulation``. Without ``strategy`` and ``preempt`` among them some schedules of a search are run twice as well, with a
    search's defaults: preempted between lines, by the strategies that it takes in turn. With ``processes`` each run is also repeated in so many fresh
    processes, each with another hash seed (``test`` must then be importable): that shows what is the same in one process only, as the order of a set.
    What the test raises does not matter here, only whether all runs do the same.
    """
    check_names("check_determinism", options, (*WORLD_OPTIONS, "seed", "processes"))
    if isinstance(processes, bool) or not isinstance(processes, int) or not 0 <= processes <= PROCESSES_MAX:
        raise UsageError(f"processes: expected a whole number from 0 to {PROCESSES_MAX}, got {processes!r}")
    plain = Options(**options)
    kinds: list[tuple[Options, list[int | None]]] = [(plain, [None])]
    if "strategy" not in options and "preempt" not in options:
        kinds.append((Options(**{**SEARCH_DEFAULTS, **options}), list(SCHEDULES)))
    digest = ""
    for checked, numbers in kinds:
        firsts: list[Told] = []
        with Runner(test, checked) as runner:
            for number in numbers:
                kept: list[Any] = []
                one = _listen(runner, seed, number, None, kept)
                _compare(one, _listen(runner, seed, number, one.entries), _called(seed, number, ""))
                firsts.append(one)
        digest = digest or str(firsts[0].digest)
        for fresh in range(processes):
            _compare_elsewhere(test, checked, seed, numbers, firsts, fresh)
    return digest


def _called(seed: int | str, number: int | None, where: str) -> str:
    schedule = f", schedule {number} of a search," if number is not None else ""
    return f"two runs with seed {seed!r}{schedule} differ{where}"


def _compare(one: Told, other: Told, called: str) -> None:
    if one[:3] == other[:3] and other.difference is None and len(one.entries) == len(other.entries):
        return
    if other.difference is not None:
        raise Nondeterminism(f"{called} at {other.difference}")
    lengths = f"{len(one.entries)} and {len(other.entries)} entries"
    raise Nondeterminism(f"{called}: {lengths}, errors {_or_none(one.signature)} and {_or_none(other.signature)}")


def _or_none(signature: str) -> str:
    return "none" if signature == "()" else signature


def _compare_elsewhere(test: Any, options: Options, seed: int | str, numbers: list[int | None], firsts: list[Told], fresh: int) -> None:
    """The same runs in a fresh process with another hash seed, each beside the journal of its first."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    try:
        pickle.dumps((test, options))
    except Exception as error:
        raise UsageError(f"processes: {test!r} and its options must be importable in another process: {error}") from error
    hash_seed = str(fresh + 1)
    before = os.environ.get("PYTHONHASHSEED")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        os.environ["PYTHONHASHSEED"] = hash_seed
        try:
            answer = pool.submit(_in_fresh_process, test, options, seed, numbers, [one.entries for one in firsts])
        finally:
            if before is None:
                del os.environ["PYTHONHASHSEED"]
            else:
                os.environ["PYTHONHASHSEED"] = before
        for number, one, other in zip(numbers, firsts, answer.result(), strict=True):
            _compare(one, other, _called(seed, number, f" between processes (hash seed {hash_seed} in the second)"))


def _in_fresh_process(test: Any, options: Options, seed: int | str, numbers: list[int | None], known: list[list[tuple[Any, ...]]]) -> list[Told]:
    with Runner(test, options) as runner:
        return [_listen(runner, seed, number, entries) for number, entries in zip(numbers, known, strict=True)]


__all__ = ["check_determinism"]
