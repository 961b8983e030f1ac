"""Every schedule of a scenario, whatever fails: shares of failures, and what came of the clients over time."""

from __future__ import annotations

import json
import os
import pickle
import random
from concurrent.futures import Executor, Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simsock import cli
from simsock.clients import Outcome, Report
from simsock.scenario import read, run
from simsock.scenario.gathering import SurveyTest
from simsock.scenario.running import ScenarioTest, importable, search_options
from simsock.scenario.surveying import WINDOWS_MAX, Windows, survey
from simsock.search.guiding import Guide
from simsock.search.jobs import Division
from simsock.world.options import SEARCH_DEFAULTS, Options

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


@pytest.mark.slow
def test_the_numbers_are_the_same_with_any_number_of_processes(here):
    def told(jobs):
        found = survey(read("counted.toml"), schedules=120, jobs=jobs)
        failures = [(failure.schedules, failure.first, failure.token, failure.lines) for failure in found.failures]
        return failures, found.failed, found.clients, found.windows, found.told, found.lines(lambda failure: failure.token)

    assert told(1) == told(2)


@pytest.mark.parametrize("strategy", ["portfolio", "guided"])
def test_the_numbers_are_the_same_however_schedules_are_divided(here, strategy):
    """As processes do it, one part after the other in this one."""
    plan = read("counted.toml", (f"search.strategy={strategy}",))
    whole = survey(plan, schedules=30)
    with importable(plan):
        options, target = options_of_survey(plan)
        division = Division((SurveyTest(ScenarioTest(plan), options, target), options, 0), 30, 1, None, None, Guide(0) if strategy == "guided" else None)
        division.batch = 7
        division.run(InTurn())
        gathered = division.what[0].gathered
    assert (gathered.schedules, gathered.failed) == (30, whole.failed)
    assert [(one.first, one.schedules, one.token) for one in gathered.sorted_failures()] == [(one.first, one.schedules, one.token) for one in whole.failures]
    assert gathered.windows.rows() == whole.windows
    assert whole.failed > 1


class InTurn(Executor):
    """Does what is handed in at once, with copies, as another process would."""

    def submit(self, fn, /, *given):
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(fn(*pickle.loads(pickle.dumps(given))))))
        return future


def options_of_survey(plan):
    made = search_options(ScenarioTest(plan), plan)
    target = made.pop("target")
    return Options(**{**SEARCH_DEFAULTS, **made}), target


@pytest.mark.parametrize("strategy", ["portfolio", "surw:selective"])
def test_who_asks_for_a_search_is_no_part_of_it(here, strategy):
    """What stands on the line that calls it, in which file, and whether there is one at all."""
    plan = read("counted.toml", (f"search.strategy={strategy}",))
    space = {"survey": survey, "plan": plan}
    exec(compile("def ask():\n    seen = served = survey(plan, schedules=40)\n    return served", "/somewhere/asking.py", "exec"), space)
    command = lambda failure: failure.token  # noqa: E731
    assert space["ask"]().lines(command) == survey(plan, schedules=40).lines(command)


def test_by_dfs_every_order_is_counted_once(here):
    plan = read("counted.toml", ("search.strategy=dfs",))
    found = survey(plan, schedules=20)
    again = survey(plan, schedules=20, jobs=3)
    assert found.lines(lambda failure: failure.token) == again.lines(lambda failure: failure.token)
    assert found.verdict.schedules == found.verdict.evidence.orders == 20
    small = read("counted.toml", ("search.strategy=dfs:0", "populations.1.count=1"))
    all_of_them = survey(small, schedules=1000)
    assert (all_of_them.verdict.bound, all_of_them.verdict.schedules < 1000) == (0, True)
    assert all_of_them.failed == all_of_them.verdict.schedules
    assert "these are all schedules with no preemption" in all_of_them.lines(lambda failure: failure.token)
    assert run(small, schedules=1000).verdict.failing_schedule == all_of_them.verdict.failing_schedule, "the same schedules as those of a search"


def test_a_report_of_a_survey_shows_failures_by_kind_windows_and_the_first_failure(here, capsys):
    assert cli.main(["run", "counted.toml", "--all", "--report", "out", "--json"]) == 0
    result = [json.loads(line) for line in capsys.readouterr().out.splitlines()][-2]
    assert [os.path.basename(path) for path in result["files"]] == [f"counted-all.{ending}" for ending in ("html", "txt", "json", "pcapng")]
    facts = json.loads((here / "out/counted-all.json").read_text())
    assert (facts["kind"], facts["failed"], facts["windows"]) == ("survey", result["failed"], result["windows"])
    assert facts["command"] == facts["failures"][0]["command"]
    assert facts["error"]["message"] == "one was lost"
    assert facts["story"]["lanes"]["rows"] and facts["packets"]
    page = (here / "out/counted-all.html").read_text()
    assert '<h2 id="failures">' in page and '<h2 id="windows">' in page and "surveyed.py:23" in page
    assert (here / "out/index.html").exists()


def test_a_report_of_a_survey_without_failures_shows_its_first_schedule(here, capsys):
    (here / "surveyed.py").write_text(SERVER.replace("assert server.served == 2", "assert server.served"))
    assert cli.main(["run", "counted.toml", "--all", "--schedules", "3", "--report", "out"]) == 1
    facts = json.loads((here / "out/counted-all.json").read_text())
    assert (facts["command"], facts["story"], facts["failures"]) == (None, None, [])
    assert facts["packets"]


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

    def merged(runs):
        half = len(runs) // 2
        windows, others = Windows(), Windows()
        for number, clients in enumerate(runs):
            (windows if number < half else others).add(report_of(clients))
        windows.merge(others)
        return windows.rows()

    rows = windows_of(runs)
    assert merged(runs) == rows
    assert rows == windows_of(chance.sample(runs, len(runs)))
    assert sum(row["count"] for row in rows) == sum(map(len, runs))
    assert len({row["from_s"] for row in rows}) <= WINDOWS_MAX
    for row in rows:
        ended = [began + took for clients in runs for kind, began, took, _ in clients if kind == row["kind"]]
        assert row["count"] == sum(row["from_s"] <= at < row["to_s"] for at in ended)
