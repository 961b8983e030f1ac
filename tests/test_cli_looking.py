"""Looking at what a search has found: reports, a regression test, and the debugger."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from simsock import cli

PROGRAM = '''
import threading

def test_race(sim):
    count = [0]
    def bump():
        seen = count[0]
        count[0] = seen + 1
    threads = [threading.Thread(target=bump) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert count[0] == 2, """said "so" \\x1b[31m"""
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "looked_at.py").write_text(PROGRAM)
    yield tmp_path
    sys.modules.pop("looked_at", None)


def token_in(text):
    return next(line for line in text.splitlines() if line.startswith("token: ")).removeprefix("token: ")


def test_a_search_writes_a_report_and_a_test_that_fails_until_the_program_is_mended(here, capsys):
    assert cli.main(["explore", "looked_at:test_race", "--report", "out", "--write-test", "test_again.py"]) == 1
    shown = capsys.readouterr().out
    facts = json.loads((here / "out/looked_at-test_race.json").read_text())
    assert facts["verdict"] == "fails"
    assert len(facts["steps"]) == 1
    assert facts["token"] == token_in(shown)
    told = (here / "out/looked_at-test_race.txt").read_text()
    assert "what was not as usual, and is enough to make it fail:\n  1. task bump-" in told and "raced on: items of count" in told
    written = (here / "test_again.py").read_text()
    assert written.replace("\n", "").isprintable()

    def run():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_again.py"]
        return subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=120, check=False)

    first = run()
    assert first.returncode == 1, first.stdout + first.stderr
    assert "2 failed" in first.stdout
    mended = PROGRAM.replace("    count = [0]\n", "    count = [0]\n    lock = threading.Lock()\n").replace(
        "        seen = count[0]\n        count[0] = seen + 1\n", "        with lock:\n            seen = count[0]\n            count[0] = seen + 1\n"
    )
    (here / "looked_at.py").write_text(mended)
    second = run()
    assert second.returncode == 0, second.stdout + second.stderr


def test_a_test_does_not_overwrite_a_file(here, capsys):
    (here / "taken.py").write_text("mine")
    assert cli.main(["explore", "looked_at:test_race", "--write-test", "taken.py"]) == 2
    assert "--write-test taken.py: it is there already" in capsys.readouterr().err
    assert (here / "taken.py").read_text() == "mine"


def test_a_replay_writes_a_report_and_opens_the_debugger_at_a_step_and_where_it_failed(here, capsys, monkeypatch):
    cli.main(["explore", "looked_at:test_race"])
    token = token_in(capsys.readouterr().out)
    asked = iter(["p seen", "c", "p count", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(asked))
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main(["replay", token, "looked_at:test_race", "--step", "1", "--pdb", "--report", "out"]) == 1
    shown = capsys.readouterr()
    assert re.search(r"step 1: task bump-\d stands here, and (main|bump-\d) goes on instead", shown.out)
    assert "seen = count[0]" in shown.out or "count[0] = seen + 1" in shown.out
    assert "\n0\n" in shown.out  # seen
    assert "[1]" in shown.out  # count, where it failed
    assert json.loads((here / "out/replay.json").read_text())["token"] == token


def test_a_run_that_was_looked_at_has_the_story_that_it_has_otherwise(here, capsys, monkeypatch):
    cli.main(["explore", "looked_at:test_race"])
    token = token_in(capsys.readouterr().out)
    cli.main(["replay", token, "looked_at:test_race"])
    untouched = capsys.readouterr().out
    monkeypatch.setattr("builtins.input", lambda prompt="": "c")
    monkeypatch.setattr(sys, "stdin", None)
    cli.main(["replay", token, "looked_at:test_race", "--step", "1"])
    story = untouched[untouched.index("step by step") :]
    assert story in capsys.readouterr().out


def test_a_step_that_is_not_there_is_told(here, capsys):
    cli.main(["explore", "looked_at:test_race"])
    token = token_in(capsys.readouterr().out)
    assert cli.main(["replay", token, "looked_at:test_race", "--step", "9"]) == 1
    assert "--step 9: the run has fewer steps" in capsys.readouterr().err
