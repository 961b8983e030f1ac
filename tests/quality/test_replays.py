"""What a search prints is repeated in a new process, from the first world on: the same error, on the same line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import simsock
from simsock.search.runner import signature
from tests.quality import racy_programs, replays
from tests.quality.racy_programs import PROGRAMS

HERE = Path(__file__).resolve().parents[2]
QUICK = [name for name in PROGRAMS if not name.endswith(("_10", "_20"))]
AGAIN = "from tests.quality.test_replays import again; again()"


def again():
    """In a new process: replay the tokens of standard input, and print where each fails."""
    found = []
    for name, token in json.load(sys.stdin):
        try:
            simsock.replay(PROGRAMS[name][0], token, scope=racy_programs.__file__)
        except BaseException as error:
            found.append(repr(signature(error)))
        else:
            found.append("passes")
    print(json.dumps(found))


def found_by_searches(names, seeds):
    """Program, token and where it fails, for each program and seed; shrunk in every other seed."""
    for seed in seeds:
        for name in names:
            test, options = PROGRAMS[name]
            verdict = simsock.explore(test, 1_000, seed=seed, shrink=bool(seed % 2), scope=racy_programs.__file__, **options)
            yield name, verdict.token, repr(signature(verdict.error))


def count(names, seeds, processes):
    """Search, and replay in so many new processes; how many runs there were."""
    runs = list(found_by_searches(names, seeds))
    for number in range(processes):
        mine = runs[number::processes]
        done = subprocess.run([sys.executable, "-c", AGAIN], input=json.dumps([run[:2] for run in mine]), capture_output=True, text=True, cwd=HERE, timeout=600)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [where for *_, where in mine]
    return len(runs)


def test_fifty_tokens_fail_where_they_did_in_new_processes():
    assert count(QUICK, range(4), 4) >= 50


@pytest.mark.exhaustive
@pytest.mark.timeout(7_200)
def test_a_thousand_do():
    assert count(list(PROGRAMS), range(59), 100) >= 1_000


@pytest.mark.slow
def test_the_command_counts_what_comes_out_otherwise():
    runs = list(replays.draw(len(replays.PROGRAMS)))
    assert [run.name for run in runs] == [*replays.PROGRAMS]
    assert replays.replay(runs, [sys.executable], 2) == []
    other = runs[1]._replace(digest="another")
    (wrong,) = replays.replay([runs[0], other], [sys.executable], 1)
    assert wrong.startswith(f"{other.name}: ")
    assert other.token in wrong
