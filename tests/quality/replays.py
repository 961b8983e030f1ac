"""``python -m tests.quality.replays``: failing tokens, replayed in new processes, on this Python and on others: the same failure, the same digest.

Owns the drawing of tokens, their replays and the counts. Law: every search is at ``preempt="calls"``, where one record is one run on every Python; what a
replay gives is compared with the run that was found, digest and place of the failure, and nothing is tried twice.
"""

from __future__ import annotations

import argparse
import json
import shlex
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import simsock
from simsock.choices import Token
from simsock.search.runner import Runner, signature
from simsock.world.options import Options
from tests.quality import racy_programs

HERE = Path(__file__).resolve().parents[2]
SCHEDULES = 500
"""Tried by each search."""
AGAIN = "from tests.quality.replays import again; again()"


def opposite_locks(sim: Any) -> None:
    """Two locks that are taken in opposite orders."""
    one, other = threading.Lock(), threading.Lock()

    def take(first: Any, second: Any) -> None:
        with first, second:
            pass

    _together(lambda: take(one, other), lambda: take(other, one))


def woken_for_nothing(sim: Any) -> None:
    """``if`` where ``while`` is needed: who is woken second finds nothing."""
    filled, items = threading.Condition(), []

    def consume() -> None:
        with filled:
            if not items:
                filled.wait()
            items.pop()

    def produce() -> None:
        with filled:
            items.append(1)
            filled.notify_all()

    _together(consume, consume, produce, produce)


class Seats(socketserver.StreamRequestHandler):
    """Locks twice: once to look, once to take."""

    def handle(self) -> None:
        server: Any = self.server
        with server.lock:
            free = server.free
        self.wfile.write(b"wait\n")
        with server.lock:
            server.free = free - 1


def seats(sim: Any) -> None:
    """Three clients of a standard threading server, each of whom takes a seat."""

    def take() -> None:
        with socket.create_connection(address) as client, client.makefile() as replies:
            replies.read()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Seats) as server:
        counted: Any = server
        counted.lock, counted.free = threading.Lock(), 3
        address = server.server_address
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        _together(take, take, take)
        server.shutdown()
        serving.join()
    assert counted.free == 0


def _together(*bodies: Callable[[], Any]) -> None:
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


OWN: dict[str, Callable[[Any], None]] = {"opposite locks": opposite_locks, "woken for nothing": woken_for_nothing, "seats": seats}
AT_CALLS = ("twostage", "twostage_20", "bluetooth", "stringbuffer", "one preemption, 20 lines", "one preemption, 20 lock operations")
PROGRAMS: dict[str, Callable[[Any], None]] = {**OWN, **{name: racy_programs.PROGRAMS[name][0] for name in AT_CALLS}}


class Drawn(NamedTuple):
    """A failing run: of which program, its token, its digest, and where it fails."""

    name: str
    token: str
    digest: str | None
    fails: str


def run_again(name: str, token: str) -> tuple[str | None, str]:
    """Replay a token: the digest, and where it fails (``"passes"``, or what did not fit)."""
    carried = Token.decode(token)
    with Runner(PROGRAMS[name], Options.from_dict(carried.options)) as runner:
        outcome = runner.repeat(carried, digest=True)
    if outcome.mismatches:
        return outcome.digest, f"does not fit: {outcome.mismatches[0]}"
    return outcome.digest, repr(signature(outcome.error)) if outcome.error is not None else "passes"


def draw(count: int, say: Callable[[str], object] = print) -> Iterator[Drawn]:
    """So many failing runs: of each program in its turn, with the next seed each round, shrunk in every other one."""
    found = number = 0
    while found < count:
        seed, place = divmod(number, len(PROGRAMS))
        number += 1
        name = [*PROGRAMS][place]
        verdict = simsock.explore(PROGRAMS[name], SCHEDULES, seed=seed, preempt="calls", shrink=bool(seed % 2))
        if verdict.token is None:
            say(f"{name}: nothing found with seed {seed} in {SCHEDULES} schedules")
            continue
        found += 1
        yield Drawn(name, verdict.token, *run_again(name, verdict.token))


def again() -> None:
    """In a new process: replay the tokens of standard input, and print what came of each."""
    print(json.dumps([run_again(name, token) for name, token in json.load(sys.stdin)]))


def replay(runs: list[Drawn], python: list[str], processes: int) -> list[str]:
    """In so many new processes of a Python; what did not come out the same, in words."""
    wrong = []
    for number in range(processes):
        mine = runs[number::processes]
        if not mine:
            break
        asked = json.dumps([(run.name, run.token) for run in mine])
        done = subprocess.run([*python, "-c", AGAIN], input=asked, capture_output=True, text=True, cwd=HERE, timeout=600, check=False)
        if done.returncode:
            wrong.append(f"{shlex.join(python)} ended with {done.returncode}: {done.stderr[-1_000:]}")
            continue
        for run, came in zip(mine, json.loads(done.stdout.splitlines()[-1]), strict=True):
            if tuple(came) != (run.digest, run.fails):
                wrong.append(f"{run.name}: {run.fails} {run.digest} became {came[1]} {came[0]}: {run.token}")
    return wrong


def main(arguments: Any = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.quality.replays", description="Failing tokens, replayed in new processes and on other Pythons.")
    parser.add_argument("--tokens", type=int, default=1_000)
    parser.add_argument("--processes", type=int, default=100, help="new ones, of each Python")
    parser.add_argument("--python", action="append", default=[], help="a command; this one by default, any number of them")
    chosen = parser.parse_args(arguments)
    began = time.process_time()
    runs = list(draw(chosen.tokens))
    shortest, longest = (limit(len(Token.decode(run.token).deviations or ()) for run in runs) for limit in (min, max))
    print(
        f"{len(runs):,} failing tokens of {len(PROGRAMS)} programs, of {shortest} to {longest} deviations ({time.process_time() - began:.0f} s of CPU)",
        flush=True,
    )
    failed = False
    for command in chosen.python or [shlex.quote(sys.executable)]:
        wrong = replay(runs, shlex.split(command), chosen.processes)
        print(f"{command}: {len(runs) - len(wrong):,} of {len(runs):,} the same, in {min(chosen.processes, len(runs)):,} processes", flush=True)
        print(*wrong[:20], sep="\n", end="\n" if wrong else "")
        failed = failed or bool(wrong)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
