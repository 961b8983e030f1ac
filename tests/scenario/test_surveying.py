"""Every schedule of a scenario, whatever fails: shares of failures, and what came of the clients over time."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simsock import cli
from simsock.clients import Outcome, Report
from simsock.scenario import read, run
from simsock.scenario.surveying import WINDOWS_MAX, Windows, survey

SERVER = """
import socketserver
import time

class Server(socketserver.ThreadingTCPServer):
    served = 0

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        seen = self.server.served
        time.sleep(0)
        self.server.served = seen + 1
        self.wfile.write(b"hello\\n")

class Hanging(Handler):
    def handle(self):
        super().handle()
        if self.server.served == 1:
            raise ValueError("lost")

def check(server):
    assert server.served == 2, "one was lost"
"""
SCENARIO = """
[scenario]
name = "counted"
about = "Two clients."
expect = "fails"
error = "one was lost"

[server]
class = "surveyed:Server"
handler = "surveyed:Handler"

[[populations]]
kind = "polite"
count = 2
request = "x\\n"

[check]
function = "surveyed:check"

[search]
schedules = 40
preempt = "calls"
"""


@pytest.fixture
def here(folder_with):
    return folder_with({"surveyed.py": SERVER, "counted.toml": SCENARIO})


def test_every_schedule_is_run_and_failures_are_counted_by_kind(here):
    plan = read("counted.toml")
    found = survey(plan)
    assert found.as_expected
    (failure,) = found.failures
    assert (failure.type, failure.message, failure.place) == ("AssertionError", "AssertionError: one was lost", "surveyed.py:23")
    assert 1 < failure.schedules == found.failed < 40
    assert found.told == 40
    assert failure.first == run(plan).verdict.failing_schedule, "the same schedules as those of a search"
    (row,) = found.clients
    assert (row["count"], row["served"]) == (80, 80)
    assert sum(window["count"] for window in found.windows) == 80


def test_the_numbers_of_a_survey_are_the_same_each_time_and_another_seed_has_others(here):
    plan = read("counted.toml")
    told = [survey(plan, seed=seed).lines(lambda failure: failure.token) for seed in (0, 0, 1)]
    assert told[0] == told[1] != told[2]


def test_a_failure_is_repeated_by_its_command(here, capsys):
    assert cli.main(["run", "counted.toml", "--all", "--set", "search.schedules=20", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-2])
    assert (result["kind"], result["schedules"], result["clients_told"]) == ("survey", 20, 20)
    (failure,) = result["failures"]
    assert failure["share"] == result["share"] == result["failed"] / 20
    assert cli.main(failure["command"].split()[1:]) == 1
    assert "fails: AssertionError: one was lost (surveyed.py:23)" in capsys.readouterr().out


def test_a_survey_is_told_in_words_and_a_surprise_is_the_exit_code(here, capsys):
    (here / "counted.toml").write_text(SCENARIO.replace('"fails"', '"inconclusive"').replace('error = "one was lost"', ""))
    assert cli.main(["run", "counted.toml", "--all"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("%), seed 0")
    assert " of 40 schedules failed (" in lines[1]
    assert "what came of the clients of 40 schedules (virtual seconds):" in lines
    assert lines[-1].startswith("NOT AS EXPECTED: expected that no schedule fails, and schedule ")


def test_an_error_that_is_not_the_one_expected_is_a_surprise(here):
    (here / "counted.toml").write_text(SCENARIO.replace('error = "one was lost"', 'error = "two"'))
    assert survey(read("counted.toml")).surprise == "expected an error with 'two' in it, and none of those that came has it"


def test_ctrl_c_ends_a_survey_with_what_there_is(here, capsys):
    pressed = "calls = []\n\n\ndef check(server):\n    calls.append(1)\n    if len(calls) == 6:\n        raise KeyboardInterrupt"
    (here / "surveyed.py").write_text(SERVER.replace("def check(server):", pressed))
    assert cli.main(["run", "counted.toml", "--all", "--json"]) == 130
    result, end = map(json.loads, capsys.readouterr().out.splitlines()[-2:])
    assert (result["schedules"], result["complete"], result["said"][:11]) == (5, False, "interrupted")
    assert (end["said"], end["tried"], end["schedules"], end["results"]) == ("interrupted after 5 schedules", 5, 40, 1)


def test_a_sweep_of_surveys_ends_with_its_table(here, capsys):
    assert cli.main(["run", "counted.toml", "--all", "--schedules", "20", "--sweep", "populations.1.count=2,3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[lines.index("the sweep:") + 2 :]
    assert [line.split()[:2] for line in table] == [["populations.1.count=2", "fails"], ["populations.1.count=3", "fails"]]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--report", "out"), "--report: not together with --all"),
        (("--jobs", "2"), "--jobs 2: not together with --all"),
        (("--set", "search.strategy=dfs"), "--all: expected a strategy that draws, and search.strategy = 'dfs'"),
    ],
)
def test_what_does_not_go_together_with_all_is_said(here, capsys, more, told):
    assert cli.main(["run", "counted.toml", "--all", *more]) == 2
    assert told in capsys.readouterr().err
    assert not (here / "out").exists()


_outcomes = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 5000), st.floats(0, 100), st.sampled_from(["served", "reset"])), max_size=12)


def report_of(clients):
    outcomes, came = {}, {}
    for kind, began, took, result in clients:
        outcomes.setdefault(kind, []).append(Outcome(kind, result, seconds=took))
        came.setdefault(kind, []).append(began)
    return Report(outcomes, came)


@given(st.lists(_outcomes, max_size=6), st.randoms(use_true_random=False))
def test_windows_are_the_same_in_whatever_order_runs_are_added_and_count_each_client_once(runs, chance: random.Random):
    def windows_of(runs):
        windows = Windows()
        for clients in runs:
            windows.add(report_of(clients))
        return windows.rows()

    rows = windows_of(runs)
    assert rows == windows_of(chance.sample(runs, len(runs)))
    assert sum(row["count"] for row in rows) == sum(map(len, runs))
    assert len({row["from_s"] for row in rows}) <= WINDOWS_MAX
    for row in rows:
        ended = [began + took for clients in runs for kind, began, took, _ in clients if kind == row["kind"]]
        assert row["count"] == sum(row["from_s"] <= at < row["to_s"] for at in ended)
