"""Random worlds are the same however they are run: ``python -m tests.quality.worlds_at_random``.

Owns the ways in which a batch of worlds is run (``WAYS``), and the comparison. Does not know what is in a world (``random_programs``). Laws:

* what all ways are compared with is the plain one: all worlds of a batch one after another in one process;
* a difference is told with its seed, its way and the first place where the two runs part; nothing is tried again;
* with other Pythons programs are compared that are preempted at calls and have no act that is ``local``; words that people read are not.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import simsock
from simsock.world.options import Options
from tests.quality import random_programs
from tests.quality.random_programs import Plan, Ran, program, run

ROOT = Path(__file__).resolve().parents[2]
TOLD_MAX = 3
"""Of so many differences of one way it is looked for where they begin."""
UNDER_PYTEST = "tests/quality/worlds_under_pytest.py"


class Way(NamedTuple):
    """How a batch is run."""

    mode: str = "plain"
    """What the process does: a name in ``MODES``."""
    flags: tuple[str, ...] = ()
    """Arguments of the interpreter."""
    environment: tuple[tuple[str, str], ...] = ()
    every: int = 1
    """Slow ones are tried with every so many-th world of a batch."""
    under: str = ""
    """``"coverage"`` or ``"pytest"``."""


WAYS: dict[str, Way] = {
    "later, shuffled": Way("shuffled"),
    "first": Way("first", every=3),
    "other hash seed": Way("first", environment=(("PYTHONHASHSEED", "1"),), every=5),
    "another hash seed, backwards": Way("backwards", environment=(("PYTHONHASHSEED", "4000000000"),), every=3),
    "twice": Way("twice", every=5),
    "in a search's session": Way("session", every=5),
    "sharing a session": Way("shared", every=2),
    "replayed from tokens": Way("replayed", every=4),
    "replayed from deviations": Way("deviations", every=4),
    "watched": Way("watched", every=2),
    "gc off": Way("gc_off", every=2),
    "gc all the time": Way("gc_often", every=10),
    "gc frozen, real generator seeded": Way("gc_frozen", every=3),
    "-X dev": Way("shuffled", ("-X", "dev"), every=3),
    "-O, tracemalloc": Way("plain", ("-O", "-X", "tracemalloc=5"), every=6),
    "under coverage": Way("plain", under="coverage", every=6),
    "inside a test of pytest": Way("plain", under="pytest", every=3),
    "as tests of pytest": Way("tests", under="pytest", every=3),
    "searched with jobs": Way("jobs", every=15),
}
EVERYWHERE = Way("everywhere")
"""What another Python runs, and this one to compare with."""


# -- in a worker -----------------------------------------------------------------------------------------------------------------------------


def plain(plans: list[Plan]) -> Iterator[Ran]:
    """One after another."""
    for what in plans:
        yield run(what)


def shuffled(plans: list[Plan]) -> Iterator[Ran]:
    return plain(random.Random(5).sample(plans, len(plans)))


def backwards(plans: list[Plan]) -> Iterator[Ran]:
    return plain(plans[::-1])


def twice(plans: list[Plan]) -> Iterator[Ran]:
    """The same world again at once."""
    for what in plans:
        run(what)
        yield run(what)


def first(plans: list[Plan]) -> Iterator[Ran]:
    """Each as the first world of its process: a fork of one that has had none."""
    for what in plans:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                with os.fdopen(writer, "w") as stream:
                    json.dump(run(what), stream, default=repr)
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as stream:
            text = stream.read()
        os.waitpid(child, 0)
        yield Ran(*json.loads(text)) if text else Ran(what.seed, "the process died", "", "", 0, [], [], "", "")


def session(plans: list[Plan]) -> Iterator[Ran]:
    """Inside a session that outlives the world, as schedules of a search run."""
    from simsock.search.runner import Runner

    for what in plans:
        random_programs.clear_old()
        worlds: list[Any] = []

        def test(sim: simsock.Simulation, what: Plan = what) -> None:
            program(what, sim)
            sim._table = str(sim.netstat())  # type: ignore[attr-defined]

        with Runner(test, Options(**random_programs.options(what))) as runner:
            for _ in range(2):
                random_programs.clear_old()
                outcome = runner.run(what.seed, prepare=worlds.append)
        yield random_programs._told(what, worlds[-1], outcome.error, getattr(worlds[-1], "_table", ""))


def shared(plans: list[Plan]) -> Iterator[Ran]:
    """In a session that all worlds of the batch share, whatever their kinds."""
    with simsock.session():
        yield from plain(plans)


def replayed(plans: list[Plan]) -> Iterator[Ran]:
    """From the token of a first run."""
    for what in plans:
        ran = run(what)
        consent = {} if what.face != "bare" else {"patch": False}
        yield run(what, token=ran.token, scope=random_programs.options(what)["scope"], max_real_time=600, **consent)


def deviations(plans: list[Plan]) -> Iterator[Ran]:
    """From the answers of a first run that were not the dull ones, as the runs of shrinking are."""
    for what in plans:
        taken: list[Any] = []
        run(what, prepare=taken.append)
        answers = tuple(taken[0].deviations)
        yield run(what, prepare=lambda sim, answers=answers: setattr(sim, "_planned", answers))


class Looks(simsock.Watcher):
    """Hears everything."""

    def __init__(self) -> None:
        self.heard = 0

    def record(self, record: Any) -> None:
        self.heard += 1

    def fails(self, task: Any, call: Any, number: Any, on: Any) -> None:
        self.heard += len(task.path)


def watched(plans: list[Plan]) -> Iterator[Ran]:
    """With a watcher, and all records kept."""
    for what in plans:
        yield run(what, records=1_000_000, prepare=lambda sim: sim.add_watcher(Looks()))


def gc_off(plans: list[Plan]) -> Iterator[Ran]:
    gc.disable()
    return plain(plans)


def gc_often(plans: list[Plan]) -> Iterator[Ran]:
    gc.set_threshold(2, 2, 2)
    return plain(plans)


def gc_frozen(plans: list[Plan]) -> Iterator[Ran]:
    """Everything frozen, the process's own generator in another state before each world."""
    gc.set_threshold(50_000)
    for what in plans:
        gc.freeze()
        gc.unfreeze()
        random.seed(what.seed * 7)
        yield run(what)


def jobs(plans: list[Plan]) -> Iterator[Ran]:
    """A search by two processes says what one says: here that is what is compared, with itself."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        for what in plans:
            chosen = random_programs.options(what)
            alone, many = (simsock.explore(Searched(what), 12, seed=what.seed, shrink=False, executor=one, **chosen) for one in (None, executor))
            said = [(v.status, v.schedules, v.failing_schedule, v.token, v.alive, v.orders if not v.failed else None) for v in (alone, many)]
            if said[0] != said[1]:
                yield Ran(what.seed, f"{said[0]} {said[1]}", "", "", 0, [], [], "", "")


class Searched:
    """A plan as a test that other processes can be sent."""

    __name__ = "searched"

    def __init__(self, what: Plan) -> None:
        self.what = what

    def __call__(self, sim: simsock.Simulation) -> None:
        with random_programs.nothing_old():
            program(self.what, sim)


MODES: dict[str, Callable[[list[Plan]], Iterator[Ran]]] = {
    one.__name__: one for one in (plain, shuffled, backwards, twice, first, session, shared, replayed, deviations, watched, gc_off, gc_often, gc_frozen, jobs)
}
MODES["everywhere"] = plain


def plans_of(mode: str, seeds: list[int]) -> list[Plan]:
    return [random_programs.plan(seed, mode == "everywhere") for seed in seeds]


def tell(mode: str, seeds: list[int], full: bool, stream: Any) -> None:
    """Run worlds, and write a line for each: what is compared, and with ``full`` all that is known."""
    for ran in MODES[mode](plans_of(mode, seeds)):
        json.dump(ran if full else ran[:4], stream, default=repr)
        stream.write("\n")
        stream.flush()


# -- the comparison --------------------------------------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    way: str
    seed: int
    text: str


def command(way: Way, seeds: list[int], full: bool, python: list[str], into: str) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of a process that runs a batch."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "pytest_plugin")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0", **dict(way.environment)}
    environment["WORLDS_AT_RANDOM"] = json.dumps({"mode": way.mode, "seeds": seeds, "full": full, "into": into})
    start = [*python, *way.flags]
    if way.under == "pytest":
        picked = "test_each" if way.mode == "tests" else "test_all"
        return [*start, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--timeout=0", "-W", "ignore", f"{UNDER_PYTEST}::{picked}"], environment
    if way.under == "coverage":
        environment["COVERAGE_FILE"] = into + ".coverage"
        return [*start, "-m", "coverage", "run", "-m", "tests.quality.worlds_at_random", "--work"], environment
    return [*start, "-m", "tests.quality.worlds_at_random", "--work"], environment


def batch(way: Way, seeds: list[int], full: bool = False, python: list[str] | None = None) -> dict[int, list[Any]]:
    """Run a batch in a process of its own; what it says of each world."""
    if not seeds:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        into = f"{folder}/said"
        arguments, environment = command(way, seeds, full, python or [sys.executable], into)
        if python is not None:  # inside another root the environment may not arrive
            names = ("PYTHONPATH", "PYTHONHASHSEED", "WORLDS_AT_RANDOM")
            arguments = ["env", *(f"{name}={environment[name]}" for name in names), *arguments]
            if len(python) > 1:
                arguments = [*python[:-1], *arguments[: len(names) + 1], python[-1], *arguments[len(names) + 1 + len(python) :]]
        done = subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=3_000)
        lines = Path(into).read_text().splitlines() if os.path.exists(into) else []
        if done.returncode > (way.mode == "tests"):  # where a world that raises is a test that fails
            raise SystemExit(f"{shlex.join(arguments)}\nended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}")
    return {said[0]: said for said in map(json.loads, lines)}


def compare(name: str, way: Way, reference: dict[int, list[Any]], seeds: list[int], python: list[str] | None = None) -> list[Difference]:
    """The worlds of a batch that are not what they are in the reference."""
    picked = seeds[:: way.every]
    if way.under == "coverage" and sys.version_info < (3, 12):  # other worlds are refused there
        picked = [seed for seed in picked if random_programs.plan(seed).preempt == "calls"]
    said = batch(way, picked, python=python)
    if way.mode == "jobs":
        return [Difference(name, seed, said[seed][1]) for seed in said]
    compared = slice(1, {"everywhere": 3, "tests": 2}.get(way.mode, 4))
    wrong = [seed for seed in picked if seed not in said or said[seed][compared] != reference[seed][compared]]
    return [Difference(name, seed, first_difference(way, seed, picked, python) if place < TOLD_MAX else "") for place, seed in enumerate(wrong)]


def first_difference(way: Way, seed: int, picked: list[int], python: list[str] | None) -> str:
    """Where a run parts from its reference, in words."""
    before = picked[: picked.index(seed) + 1] if way.mode not in ("shuffled", "backwards") else picked
    one = batch(EVERYWHERE if way.mode == "everywhere" else Way(), [seed], True)[seed]
    other = batch(way, before, True, python).get(seed)
    what = random_programs.plan(seed, way.mode == "everywhere")
    about = f"strategy {what.strategy}, preempt {what.preempt}, link {what.link}, {what.face}"
    if other is None:
        return f"{about}: it was not run"
    for name, left, right in (("act", one[6], other[6]), ("record", one[5][-50:], other[5][-50:]), ("error", [one[7]], [other[7]])):
        for number, (a, b) in enumerate(zip(left, right, strict=False)):
            if a != b:
                return f"{about}: {name} {number}\n    reference: {a}\n    this way:  {b}"
        if len(left) != len(right):
            return f"{about}: {len(left)} {name}s in the reference, {len(right)} this way"
    return f"{about}: steps {one[4]} and {other[4]}, runs {one[1:4]} and {other[1:4]}"


def compare_all(names: list[str], seeds: list[int], pythons: list[list[str]], processes: int, say: Callable[[str], object]) -> list[Difference]:
    """Every way, and every other Python."""
    with ThreadPoolExecutor(processes) as pool:
        half = len(seeds) // 2
        here = [pool.submit(batch, Way(), part) for part in (seeds[:half], seeds[half:])]
        there = pool.submit(batch, EVERYWHERE, seeds) if pythons else None
        reference = {seed: said for part in here for seed, said in part.result().items()}
        if missing := [seed for seed in seeds if seed not in reference]:
            raise SystemExit(f"no word of worlds {missing}")
        asked = {name: pool.submit(_timed, name, WAYS[name], reference, seeds, None) for name in names}
        if there is not None:
            everywhere = there.result()
            for python in pythons:
                asked[f"on {shlex.join(python)}"] = pool.submit(_timed, f"on {shlex.join(python)}", EVERYWHERE, everywhere, seeds, python)
        found = []
        for name, answer in asked.items():
            differences, took = answer.result()
            say(f"{name}: {len(differences)} differences ({took:.0f} s)")
            for one in differences:
                say(f"  world {one.seed}: {one.text}")
            found += differences
    return found


def _timed(name: str, way: Way, reference: Any, seeds: list[int], python: list[str] | None) -> tuple[list[Difference], float]:
    began = time.monotonic()
    return compare(name, way, reference, seeds, python), time.monotonic() - began


def main(arguments: Any = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.quality.worlds_at_random", description="Random worlds, run in many ways: their digests are compared."
    )
    parser.add_argument("--worlds", type=int, default=300, help="how many (300)")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first one (0)")
    parser.add_argument("--ways", default="", help="those whose names contain one of these, by commas; all without: " + "; ".join(WAYS))
    parser.add_argument("--python", action="append", default=[], metavar="COMMAND", help="another Python to compare with, such as python3.13")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch", type=int, default=1_000, help="worlds in a process (1000)")
    parser.add_argument("--show", type=int, metavar="SEED", help="print one world: its plan, what every act gave, its last records, its error")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.work:
        work()
        return 0
    if chosen.show is not None:
        return show(chosen.show)
    names = [name for name in WAYS if any(part.strip() in name for part in chosen.ways.split(","))]
    found: list[Difference] = []
    last = chosen.first + chosen.worlds
    for start in range(chosen.first, last, chosen.batch):
        seeds = list(range(start, min(start + chosen.batch, last)))
        print(f"worlds {seeds[0]} to {seeds[-1]}", flush=True)
        found += compare_all(names, seeds, [shlex.split(one) for one in chosen.python], chosen.processes, lambda line: print(line, flush=True))
    print(f"{chosen.worlds} worlds, {len(found)} differences")
    return 1 if found else 0


def work() -> None:
    """In a process that was started for a batch."""
    asked = json.loads(os.environ["WORLDS_AT_RANDOM"])
    with open(asked["into"], "w") as stream:
        tell(asked["mode"], asked["seeds"], asked["full"], stream)


def show(seed: int) -> int:
    """One world, for people."""
    what = random_programs.plan(seed)
    ran = run(what, records=60)
    for name, value in what._asdict().items():
        print(f"{name}: {value}")
    for entry in [*ran.trace, *ran.records]:
        print("  ", *entry)
    print(ran.run, ran.words, ran.steps, ran.error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
