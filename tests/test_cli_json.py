"""``--json``: what a script reads, and what every command ends with."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simsock import cli
from simsock.choices import Token
from simsock.cli.arguments import EXIT_CODES
from simsock.report.diagnosis import Diagnosis
from simsock.report.plain import as_json

pytestmark = pytest.mark.usefixtures("modules_stay_as_they_are")
ROOT = Path(__file__).resolve().parent.parent
SEEN_BY_LOOKING = {"ended_ns", "hosts", "packets", "packets_left_out", "faults", "sockets", "records"}
PROGRAM = """
import signal
import threading
import time

def racing(sim):
    box = [0]
    def add():
        seen = box[0]
        seen += 1
        box[0] = seen
    print("racing", flush=True)
    tasks = [sim.spawn(add) for _ in range(2)]
    for task in tasks:
        task.result()
    assert box[0] == 2, "lost \\ud800 one \\x1b[31m \\u2028"

def fine(sim):
    sim.sleep(1)

def stuck(sim):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

runs = []

def presses_ctrl_c(sim):
    runs.append(1)
    if len(runs) == 42:
        signal.raise_signal(signal.SIGINT)

def another_each_time(sim):
    runs.append(1)
    time.sleep(len(runs))
"""
SERVER = """
import socketserver
import time

class Late(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        time.sleep(1)
        self.wfile.write(b"hello\\n")

def is_well(server):
    return True

def is_pressed(server):
    raise KeyboardInterrupt
"""
SCENARIO = """
[scenario]
name = "late"
about = "A server that takes a second."
expect = "inconclusive"

[server]
class = "socketserver:ThreadingTCPServer"
handler = "lately:Late"

[[populations]]
kind = "polite"
count = 2
request = "x\\n"

[expectations]
served = { polite = "100ms" }
replies = { polite = "hello\\n" }
no_leaks = true
check = "lately:is_well"

[search]
schedules = 3
preempt = "calls"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a module ``program`` and a scenario of a server that is late."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "lately.py").write_text(SERVER)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios/late.toml").write_text(SCENARIO)
    (tmp_path / "patient.toml").write_text(SCENARIO.replace('"100ms"', '"2s"'))
    return tmp_path


@pytest.fixture
def read(capsys):
    """Calls ``main`` with ``--json``: its exit code, the objects on standard output, and standard error."""

    def call(*arguments):
        code = cli.main([*arguments, "--json"])
        out, err = capsys.readouterr()
        return code, objects(out), err

    return call


def objects(out):
    """What stands in lines of JSON, each of which is fit for any reader."""
    assert out.endswith("\n")
    for line in out.removesuffix("\n").split("\n"):
        assert line.isprintable()
        line.encode("utf-8")
    assert len(out.splitlines()) == out.count("\n"), "no reader of lines sees other ones"
    made = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]
    assert {one["schema"] for one in made} == {1}
    assert [one["event"] for one in made].index("end") == len(made) - 1
    return made


def only(made, event):
    (one,) = [one for one in made if one["event"] == event]
    return one


def test_a_search_is_told_object_by_object_and_the_last_one_has_the_exit_code(here, read):
    code, made, _ = read("explore", "program:racing", "--database", "none")
    assert code == 1
    assert [one["event"] for one in made] == ["begin", *["progress"] * (len(made) - 3), "result", "end"]
    assert len(made) > 3
    assert made[0] == {"schema": 1, "event": "begin", "kind": "search", "title": "program:racing", "schedules": 1000, "seed": 0}
    assert made[1] == {"schema": 1, "event": "progress", "kind": "search", "title": "program:racing", "tried": 1, "schedules": 1000}
    assert made[-1] == {"schema": 1, "event": "end", "exit_code": 1, "results": 1, "errors": 0, "interrupted": False}


def test_a_failure_has_its_error_its_place_its_story_and_what_repeats_it(here, read):
    result = only(read("explore", "program:racing", "--database", "none")[1], "result")
    assert result["verdict"] == "fails"
    assert result["schedules"] >= result["failing_schedule"] >= 1
    assert result["error"]["type"] == "AssertionError"
    assert "lost \\ud800 one \\x1b[31m" in result["error"]["message"]
    assert re.fullmatch(r"program\.py:\d+", result["error"]["place"])
    assert [step["text"] for step in result["steps"]]
    tasks = result["story"]["lanes"]["tasks"]
    rows = [row for row in result["story"]["lanes"]["rows"] if row["kind"] == "line"]
    assert {tasks[row["task"]] for row in rows} >= {"add-1", "add-2"}
    assert all(row["text"] and row["at_ns"] >= 0 and row["line"] > 0 and row["file"].endswith("program.py") for row in rows)
    program, *words = result["command"].split()
    assert program == "simsock"
    code, made, _ = read(*words)
    again = only(made, "result")
    assert (code, again["kind"], again["outcome"], again["token"]) == (1, "replay", "fails", result["token"])
    assert again["error"] == result["error"]
    assert again["story"]["lanes"] == result["story"]["lanes"]


def test_a_deadlock_has_the_table_of_who_waits_for_what(here, read):
    result = only(read("explore", "program:stuck", "--database", "none")[1], "result")
    assert result["error"]["type"] == "Deadlock"
    ((task, waits_for, where, held_by),) = result["tasks"]
    assert "Lock" in waits_for
    assert "program.py:" in where
    assert task == held_by


def test_a_result_is_what_the_report_says_but_for_what_is_seen_by_looking_again(here, read):
    result = only(read("explore", "program:racing", "--database", "none", "--report", "out", "--write-test", "test_it.py")[1], "result")
    files, written = result.pop("files"), result.pop("test")
    assert written == "test_it.py"
    report = json.loads((here / "out/program-racing.json").read_text())
    assert "out/program-racing.json" in files
    assert {key: value for key, value in result.items() if key not in ("event", "tasks")} == {
        key: value for key, value in report.items() if key not in (SEEN_BY_LOOKING | {"tasks", "simsock"})
    }
    assert report.keys() >= SEEN_BY_LOOKING


def test_a_scenario_has_its_clients_and_each_expectation_with_whether_it_was_met(here, read):
    code, made, _ = read("run", "scenarios/late.toml", "patient.toml")
    assert code == 1
    late, patient = (one for one in made if one["event"] == "result")
    assert (late["as_expected"], patient["as_expected"]) == (False, True)
    assert {key: late["clients"][0][key] for key in ("kind", "count", "served", "refused", "timed out")} == {
        "kind": "polite",
        "count": 2,
        "served": 2,
        "refused": 0,
        "timed out": 0,
    }
    assert [(one["name"], one["wanted"], one["passed"]) for one in late["expectations"]] == [
        ("served.polite", "100ms", False),
        ("replies.polite", "hello\n", True),
        ("no_leaks", True, True),
        ("expectations.check", "lately:is_well", None),
    ]
    assert late["expectations"][0]["said"].startswith("expectations.served.polite = '100ms': 2 of 2 were not: served after 1s")
    assert [one["passed"] for one in patient["expectations"]] == [True] * 4
    assert made[-1]["results"] == 2


def test_what_a_sweep_sets_stands_in_each_result(here, read):
    made = read("run", "patient.toml", "--sweep", "link.loss=0%,1%")[1]
    assert [one["settings"] for one in made if one["event"] == "result"] == [["link.loss=0%"], ["link.loss=1%"]]


def test_what_is_printed_otherwise_goes_to_standard_error(here, read, capsys):
    err = read("explore", "program:racing", "--database", "none")[2]
    assert err.startswith("racing\n")
    assert "fails: schedule " in err
    assert cli.main(["explore", "program:racing", "--database", "none"]) == 1
    assert capsys.readouterr().out.startswith("racing\n"), "and standard output is as it was afterwards"


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_stream_that_is_closed_from_the_beginning_is_no_error(here, capsys, monkeypatch, closed):
    monkeypatch.setattr(sys, closed, None)
    assert cli.main(["explore", "program:fine", "--schedules", "1", "--database", "none", "--json"]) == 0
    out, err = capsys.readouterr()
    if closed == "stderr":
        assert only(objects(out), "result")["verdict"] == "inconclusive"
    else:
        assert (out, err.partition(",")[0]) == ("", "inconclusive")


def test_what_is_written_to_descriptor_1_goes_to_standard_error(here, capfd, monkeypatch):
    (here / "writes.py").write_text("import os\nos.write(1, b'from C')\ndef test(sim): pass\n")
    monkeypatch.setattr(sys, "stdout", os.fdopen(1, "w", closefd=False))
    assert cli.main(["explore", "writes:test", "--schedules", "1", "--database", "none", "--json"]) == 0
    out, err = capfd.readouterr()
    assert only(objects(out), "result")["verdict"] == "inconclusive"
    assert err.startswith("from C")
    os.write(1, b"back again")
    assert capfd.readouterr().out == "back again"


def test_the_script_in_the_documentation_reads_a_story_and_repeats_it(here, capsys, monkeypatch):
    (here / "app").mkdir()
    (here / "app/races.py").write_text(PROGRAM.replace("def racing", "def test_orders"))
    script = re.search(r"^```py\n(.*?)^```", (ROOT / "docs/json.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[1]

    def in_this_process(command, **_):
        capsys.readouterr()
        cli.main(command[1:])
        return subprocess.CompletedProcess(command, 0, capsys.readouterr().out)

    monkeypatch.setattr(subprocess, "run", in_this_process)
    names = {}
    exec(script, names)
    assert names["result"]["error"]["type"] == "AssertionError"
    assert only(names["again"], "result")["error"] == names["result"]["error"]


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("run",), "UsageError", "arguments are required: SCENARIO"),
        (("walk",), "UsageError", "invalid choice: 'walk'"),
        (("run", "gone.toml"), "ScenarioError", "gone.toml: cannot be read"),
        (("replay", "simsock1.x"), "BadToken", ""),
        (("explore", "program:nobody"), "UsageError", "nobody"),
        (("scenarios", "nowhere"), "UsageError", "there is no nowhere/*.toml"),
        (("doctor", "no_such_module"), "UsageError", "cannot import 'no_such_module'"),
    ],
)
def test_an_error_is_an_object_and_the_exit_code_is_the_same(here, read, capsys, arguments, kind, words):
    code, made, err = read(*arguments)
    error = only(made, "error")
    assert (code, error["type"]) == (2, kind)
    assert words in error["message"]
    assert made[-1]["exit_code"] == 2
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.replace("[--json] ", "") == err.replace("[--json] ", "")


def test_a_scenario_that_cannot_run_is_an_error_with_its_file_and_the_others_run(here, read):
    (here / "gone.toml").write_text(SCENARIO.replace("lately:Late", "lately:Nobody"))
    code, made, _ = read("run", "gone.toml", "patient.toml")
    assert code == 2
    assert only(made, "error")["file"] == "gone.toml"
    assert only(made, "result")["file"] == "patient.toml"
    assert (made[-1]["results"], made[-1]["errors"]) == (1, 1)


def test_the_last_object_after_ctrl_c_says_what_was_done_so_far(here, read):
    code, made, _ = read("explore", "program:presses_ctrl_c", "--database", "none")
    assert code == 130
    end = made[-1]
    assert (end["exit_code"], end["interrupted"], end["said"]) == (130, True, "interrupted after 42 schedules")
    assert (end["title"], end["tried"], end["schedules"], end["token"]) == ("program:presses_ctrl_c", 41, 1000, None)


def test_ctrl_c_while_a_failure_is_shrunk_gives_its_token(here, read, monkeypatch):
    monkeypatch.setattr("simsock.search.telling.shrink", lambda *_: signal.raise_signal(signal.SIGINT))
    end = read("explore", "program:racing", "--database", "none")[1][-1]
    assert (end["exit_code"], end["results"]) == (130, 0)
    assert Token.decode(end["token"])


def test_an_error_of_a_programs_import_that_nobody_expects_is_told_and_raised(here, capsys, monkeypatch):
    monkeypatch.setattr(cli.scenarios, "glob", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["scenarios", "--json"])
    error, end = objects(capsys.readouterr().out)
    assert (error["type"], end["exit_code"]) == ("ZeroDivisionError", 1)


def test_a_program_that_ends_itself_while_it_is_imported_is_told(here, capsys):
    (here / "ends.py").write_text("raise SystemExit(3)")
    with pytest.raises(SystemExit):
        cli.main(["doctor", "ends", "--json"])
    error, end = objects(capsys.readouterr().out)
    assert (error["type"], end["exit_code"]) == ("SystemExit", 3)


def test_check_says_whether_runs_are_the_same(here, read):
    result = only(read("check", "program:fine")[1], "result")
    assert (result["outcome"], result["error"]) == ("passes", None)
    assert re.fullmatch("[0-9a-f]{16,}", result["digest"])
    code, made, _ = read("check", "program:another_each_time")
    result = only(made, "result")
    assert (code, result["outcome"], result["error"]["type"]) == (1, "fails", "Nondeterminism")


def test_a_replay_that_is_made_many_times_tells_how_many_were_the_same(here, read):
    made = read("replay", Token(0, {}, ()).encode(), "program:fine", "--times", "3")[1]
    result = only(made, "result")
    assert (result["outcome"], result["times"], result["same"], result["other"]) == ("passes", 3, 3, None)
    assert made[1] == {"schema": 1, "event": "progress", "kind": "replay", "title": "program:fine", "tried": 1, "schedules": 3}


def test_a_token_from_standard_input_is_told_as_it_is_typed(here, read, monkeypatch):
    token = Token(0, {}, ()).encode()
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"  {token}\n"))
    result = only(read("replay", "-", "program:fine")[1], "result")
    assert (result["token"], result["command"]) == (token, f"simsock replay {token} program:fine")


def test_scenarios_and_profiles_are_an_object_each(here, read):
    assert only(read("scenarios")[1], "scenario") == {
        "schema": 1,
        "event": "scenario",
        "file": "scenarios/late.toml",
        "name": "late",
        "about": "A server that takes a second.",
        "expected": "inconclusive",
    }
    assert "satellite-geo" in [one.get("name") for one in read("profiles")[1]]


def test_the_doctor_lists_each_finding_with_its_remedy(here, read, monkeypatch):
    from simsock.patching.doctor import Captured, ForeignLock
    from simsock.patching.living import THREAD, Living
    from simsock.patching.native import Native

    kept = [Captured("time.sleep", "set", False), Captured("time.time", "app.now", True)]
    found = Diagnosis(kept, [ForeignLock("Lock", (), False)], [Native("pycurl", "libcurl")], [Living(THREAD, "poller", "app.thread")], openssl=False)
    monkeypatch.setattr("simsock.report.diagnosis.diagnose", lambda _: found)
    code, made, _ = read("doctor")
    result = only(made, "result")
    assert (code, result["good"]) == (1, False)
    told = [(one["kind"], one["what"], one["places"], one["by"]) for one in result["findings"]]
    assert told[:4] == [
        ("function", "time.sleep", ["set"], None),
        ("lock", "Lock", [], None),
        (THREAD, "poller", ["app.thread"], None),
        ("native module", "pycurl", [], "libcurl"),
    ]
    assert [one["remedy"] is None for one in result["findings"]] == [False, False, False, False, True]
    every = only(read("doctor", "--all")[1], "result")["findings"]
    assert [one["what"] for one in every if one["kind"] == "function"] == ["time.sleep", "time.time"]


_anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.sampled_from(["\ud800", "\x1b", "\u2028"])
    | st.builds(lambda: 10**5000)
    | st.builds(object),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers() | st.binary(), inner),
    max_leaves=5,
)


@given(_anything, st.none() | st.just(2))
def test_whatever_is_told_is_json_that_every_reader_takes(value, indent):
    text = as_json({"value": value}, indent)
    assert text.replace("\n", "").isprintable()
    read = json.loads(text.encode("utf-8"), parse_constant=pytest.fail)
    json.dumps(read, ensure_ascii=False).encode("utf-8")


def test_what_json_has_no_word_for_is_told_as_text():
    value = {"nan": float("nan"), "infinity": float("-inf"), "bytes": b"\x00\xff'", "lone": "a\ud800", "control": "\x1b\u2028", 3: (1, 2)}
    assert json.loads(as_json(value)) == {
        "nan": "nan",
        "infinity": "-inf",
        "bytes": "\\x00\\xff'",
        "lone": "a\\ud800",
        "control": "\x1b\u2028",
        "3": [1, 2],
    }


# -- the documentation -------------------------------------------------------------------------------------------------------------------------


def rows_of(page, title):
    """The table under a title, without its head."""
    part = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert part, title
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in part.splitlines() if line.startswith("|")][2:]


def test_every_key_of_every_object_stands_in_the_documentation(here, read, monkeypatch):
    monkeypatch.setattr("simsock.report.diagnosis.diagnose", lambda _: Diagnosis([], [], [], []))
    made = read("run", "scenarios/late.toml", "--report", "out")[1] + read("explore", "program:fine", "--schedules", "2", "--database", "none")[1]
    made += read("check", "program:fine")[1] + read("replay", Token(0, {}, ()).encode(), "program:fine")[1] + read("doctor")[1] + read("run")[1]
    made += read("run", "patient.toml", "--all")[1]
    monkeypatch.setattr(sys, "stdin", io.StringIO("run 5s\n"))
    made += read("shell", "patient.toml")[1]
    made += read("scenarios")[1] + read("profiles")[1] + read("init")[1] + read("explore", "program:presses_ctrl_c", "--database", "none")[1]
    events = {row[0].strip("`"): set(re.findall(r"`([a-z_]+)`", row[1])) for row in rows_of("json.md", "The objects")}
    known = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs/reports.md").read_text(encoding="utf-8").partition("\n## The JSON\n")[2]))
    known |= {key for row in rows_of("json.md", "The result") for key in re.findall(r"`([a-z_]+)`", row[0])}
    for one in made:
        told = events[one["event"]] | {"schema", "event"} | (known if one["event"] == "result" else set())
        assert one.keys() <= told, one["event"]
    assert events.keys() == {one["event"] for one in made}


def test_the_table_of_exit_codes_is_the_one_that_help_shows(capsys):
    shown = {(row[0].strip("`").removeprefix("simsock "), int(row[1])): row[2] for row in rows_of("json.md", "Exit codes")}
    told = {(command, code): words for command, codes in EXIT_CODES.items() for code, words in codes.items()}
    assert shown == told | {("COMMAND", 130): "interrupted by Ctrl-C"}
    commands = next(action for action in cli.make_parser()._actions if action.choices).choices
    assert commands.keys() == EXIT_CODES.keys()
    for command, codes in EXIT_CODES.items():
        assert cli.main([command, "--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert all(f"{code} {words}" in text for code, words in codes.items())
        assert "--json" in text


RACING = ("explore", "program:racing", "--database", "none")
ENDS = {
    ("run", 0): ("run", "patient.toml"),
    ("run", 1): ("run", "scenarios/late.toml"),
    ("run", 2): ("run", "broken.toml"),
    ("explore", 0): ("explore", "program:fine", "--schedules", "2", "--database", "none"),
    ("explore", 1): RACING,
    ("explore", 2): ("explore", "program:nobody"),
    ("replay", 0): ("replay", "TOKEN", "program:fine"),
    ("replay", 1): ("replay", "TOKEN", "program:stuck"),
    ("replay", 2): ("replay", "damaged"),
    ("check", 0): ("check", "program:fine"),
    ("check", 1): ("check", "program:another_each_time"),
    ("check", 2): ("check", "program:nobody"),
    ("doctor", 0): ("doctor",),
    ("doctor", 1): ("doctor",),
    ("doctor", 2): ("doctor", "no_such_module"),
    ("scenarios", 0): ("scenarios",),
    ("scenarios", 2): ("scenarios", "nowhere"),
    ("profiles", 0): ("profiles",),
    ("profiles", 2): ("profiles", "too", "much"),
    ("completion", 0): ("completion", "bash"),
    ("completion", 2): ("completion", "cmd"),
    ("init", 0): ("init",),
    ("init", 2): ("init", "late"),
    ("shell", 0): ("shell", "patient.toml"),
    ("shell", 1): ("shell", "patient.toml"),
    ("shell", 2): ("shell", "patient.toml"),
}
TYPED = {0: "run 5s", 1: "connect\nrun 1ms\nreset 1\nrun 5s", 2: "fly"}
"""What comes from a pipe, for those who read it."""


@pytest.mark.parametrize(("command", "code"), [(command, code) for command, codes in EXIT_CODES.items() for code in codes])
def test_each_command_ends_with_each_of_its_codes(here, read, monkeypatch, command, code):
    from simsock.patching.native import Native

    monkeypatch.setattr(sys, "stdin", io.StringIO(TYPED[code]))
    found = [Native("pycurl", "libcurl")] if code else []
    monkeypatch.setattr("simsock.report.diagnosis.diagnose", lambda _: Diagnosis([], [], found, []))
    if (command, code) == ("completion", 0):
        pytest.importorskip("shtab")
    token = Token(0, {}, ()).encode()
    ended, made, _ = read(*(token if word == "TOKEN" else word for word in ENDS[command, code]))
    assert (ended, made[-1]["exit_code"]) == (code, code)


@pytest.mark.parametrize("command", EXIT_CODES)
def test_each_command_ends_with_130_when_it_is_interrupted(here, read, monkeypatch, command):
    def pressed(*_, **__):
        raise KeyboardInterrupt

    names = {"run": "simsock.scenario.read", "scenarios": "simsock.scenario.read", "doctor": "simsock.report.diagnosis.diagnose"}
    names |= {
        "replay": "simsock.choices.Token.decode",
        "profiles": "simsock.net.link.profiles.profile_rows",
        "init": "simsock.scenario.first_files.first_files",
        "shell": "simsock.scenario.walking.read",
        "completion": "simsock.cli.completing.import_module",
    }
    monkeypatch.setattr(names.get(command, "simsock.scenario.loading.load_function"), pressed)
    files = {"run": ("patient.toml",), "shell": ("patient.toml",), "explore": ("program:fine",), "check": ("program:fine",)}
    arguments = {**files, "replay": ("token",), "completion": ("bash",)}
    code, made, _ = read(command, *arguments.get(command, ()))
    assert (code, [one["event"] for one in made], made[-1]["interrupted"]) == (130, ["end"], True)
