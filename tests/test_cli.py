"""The command line: what it prints where, and how it exits."""

import builtins
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import dpkt
import pytest
from pcapng import FileScanner
from pcapng.blocks import EnhancedPacket

import simsock
from simsock import cli
from simsock.choices import Token
from simsock.cli import main, target_from
from simsock.errors import UsageError
from simsock.search import memory

pytestmark = pytest.mark.usefixtures("modules_stay_as_they_are")
ROOT = Path(__file__).resolve().parent.parent
LOST_UPDATE = "scenarios/lost-update.toml"
TWIN = "scenarios/lost-update-locked.toml"

PROGRAM = """
import signal


def racing(sim):
    box = [0]

    def add():
        seen = box[0]
        seen += 1
        box[0] = seen

    tasks = [sim.spawn(add) for _ in range(2)]
    for task in tasks:
        task.result()
    assert box[0] == 2


def fine(sim):
    sim.sleep(1)


def presses_ctrl_c(sim):
    counted.append(1)
    if len(counted) == 42:
        signal.raise_signal(signal.SIGINT)
    sim.sleep(1)


def fails_with_umlauts(sim):
    raise ValueError("gr\\u00fc\\u00dfe \\u2192")


def endless(sim):
    if not counted:
        print("running", flush=True)
    counted.append(1)
    sim.sleep(1)


counted = []
NOT_A_FUNCTION = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a copy of the scenarios and a module ``program``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").mkdir()
    for path in (ROOT / "scenarios").glob("*counter*.py"):
        (tmp_path / "scenarios" / path.name).write_text(path.read_text())
    for name in (LOST_UPDATE, TWIN):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def simsock_command(capsys):
    """Calls ``main``; returns its exit code, standard output and standard error."""

    def call(*arguments):
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def process(*arguments, cwd, **options):
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **options.pop("env", {})}
    command = [sys.executable, "-m", "simsock", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, **options)


def token_in(text):
    return re.search(r"^token: (simsock1\.\S+)$", text, re.MULTILINE)[1]


# -- run -------------------------------------------------------------------------------------------------------------------------------------


def test_the_lost_update_is_found_shrunk_told_and_repeated_by_one_command(here, simsock_command):
    code, out, err = simsock_command("run", LOST_UPDATE)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{LOST_UPDATE}: A threading server counts visitors without a lock, and loses one."
    assert re.match(r"fails: schedule \d+ of seed 0 raised AssertionError: 3 visitors came, [12] were counted", lines[1])
    steps = [line for line in lines if re.match(r"  \d\. ", line)]
    assert 1 <= len(steps) <= 3
    assert any(re.search(r"task \S+ ran between counter\.py:\d+ and counter\.py:\d+ of handler-\d", step) for step in steps)
    assert any(re.fullmatch(r" *handler-\d +handler-\d.*", line) for line in lines), "the columns"
    assert any(re.fullmatch(r" +AssertionError: 3 visitors came, [12] were counted", line) for line in lines), "the error, in a column and not cut"
    assert f"repeat it: simsock replay {token_in(out)}" in lines
    assert re.fullmatch(r"repeated from its token: same error, raised at scenarios/counter\.py:\d+", lines[-2])
    assert lines[-1] == "as expected: fails"
    assert max(map(len, (line for line in lines if "simsock1." not in line))) <= 120


def test_the_correct_twin_is_inconclusive_as_it_expects(here, simsock_command):
    code, out, err = simsock_command("run", TWIN, "--schedules", "60")
    assert (code, err) == (0, "")
    _, tried, seen, ending = out.splitlines()
    assert (tried, ending) == ("inconclusive, 60 schedules tried (seed 0)", "as expected: inconclusive")
    assert re.fullmatch(r"\d+ different orders, \d+% of the last tenth new; at most \d tasks alive at once", seen)


def test_an_expectation_that_is_not_met_exits_with_1_and_prints_the_token(here, simsock_command):
    (here / LOST_UPDATE).write_text((here / LOST_UPDATE).read_text().replace('"fails"\nerror = "visitors came"', '"inconclusive"'))
    code, out, _ = simsock_command("run", LOST_UPDATE)
    assert code == 1
    assert re.fullmatch(r"NOT AS EXPECTED: expected that no schedule fails, and schedule \d+ does", out.splitlines()[-1])
    assert token_in(out)


def test_a_race_that_is_not_found_exits_with_1(here, simsock_command):
    code, out, _ = simsock_command("run", LOST_UPDATE, "--schedules", "5", "--server", "counter_locked:CountingServer")
    assert code == 1
    lines = out.splitlines()
    assert [lines[1], *lines[3:]] == [
        "inconclusive, 5 schedules tried (seed 0)",
        "NOT AS EXPECTED: expected that a schedule fails, and none does (5 schedules tried)",
    ]


def test_another_seed_tries_other_schedules(here, simsock_command):
    tokens = {token_in(simsock_command("run", LOST_UPDATE, "--seed", seed)[1]) for seed in ("0", "1", "some text")}
    assert len(tokens) == 3
    assert {str(Token.decode(token).seed).partition("/")[0] for token in tokens} == {"0", "1", "some text"}


def test_several_scenarios_run_one_after_the_other_and_the_worst_counts(here, simsock_command):
    code, out, _ = simsock_command("run", TWIN, LOST_UPDATE, "--schedules", "50")
    assert code == 0
    assert out.index(TWIN) < out.index(LOST_UPDATE)
    (here / TWIN).write_text((here / TWIN).read_text().replace('"inconclusive"', '"fails"'))
    assert simsock_command("run", TWIN, LOST_UPDATE, "--schedules", "50")[0] == 1


def test_every_file_is_checked_before_the_first_one_is_run(here, simsock_command):
    (here / "broken.toml").write_text("[scenario]\nnme = 1\n")
    code, out, err = simsock_command("run", TWIN, "broken.toml")
    assert (code, out) == (2, "")
    assert err == "simsock: broken.toml: scenario.nme = 1: unknown key; did you mean scenario.name?\n"


def test_a_scenario_whose_server_is_not_there_exits_with_2_and_the_others_run(here, simsock_command):
    (here / LOST_UPDATE).write_text((here / LOST_UPDATE).read_text().replace("counter:CountingServer", "counter:Nobody"))
    code, out, err = simsock_command("run", LOST_UPDATE, TWIN, "--schedules", "5")
    assert code == 2
    assert err == f"simsock: {LOST_UPDATE}: server.class = 'counter:Nobody': 'counter' has no 'Nobody'\n"
    assert "as expected: inconclusive" in out


def test_a_server_from_the_working_directory_can_take_the_place_of_the_files(here, simsock_command):
    (here / "mine.py").write_text((here / "scenarios" / "counter_locked.py").read_text())
    code, out, _ = simsock_command("run", LOST_UPDATE, "--server", "mine:CountingServer", "--schedules", "5")
    assert code == 1
    assert "inconclusive" in out


def test_a_replaced_server_is_part_of_the_command_that_repeats_it(here, simsock_command):
    _, out, _ = simsock_command("run", TWIN, "--server", "counter:CountingServer")
    command = re.search(r"^repeat it: simsock (.*)$", out, re.MULTILINE)[1].split()
    assert command[-2:] == ["--server", "counter:CountingServer"]
    code, out, _ = simsock_command(*command)
    assert code == 1
    assert "counter.py" in out


def test_a_scenario_outside_the_working_directory_is_named_in_the_command_that_repeats_it(here, simsock_command, monkeypatch):
    (here / "deep").mkdir()
    monkeypatch.chdir(here / "deep")
    _, out, _ = simsock_command("run", f"../{LOST_UPDATE}")
    command = re.search(r"^repeat it: simsock (.*)$", out, re.MULTILINE)[1].split()
    assert command[-1] == f"../{LOST_UPDATE}"
    assert simsock_command(*command)[0] == 1
    code, _, err = simsock_command(*command[:-1])
    assert code == 2
    assert "does not say what it was made for" in err


def test_a_report_is_the_story_as_text_and_as_json(here, simsock_command):
    code, out, _ = simsock_command("run", LOST_UPDATE, TWIN, "--schedules", "100", "--report", "out/reports")
    assert code == 0
    lines = out.splitlines()
    assert "report: out/reports/lost-update.html, out/reports/lost-update.txt, out/reports/lost-update.json and out/reports/lost-update.pcapng" in lines
    assert "report: out/reports/lost-update-locked.html, out/reports/lost-update-locked.txt and out/reports/lost-update-locked.json" in lines
    text = (here / "out/reports/lost-update.txt").read_text(encoding="utf-8")
    assert text.rstrip() in out
    facts = json.loads((here / "out/reports/lost-update.json").read_text(encoding="utf-8"))
    assert (facts["verdict"], facts["as_expected"], facts["repeated"]) == ("fails", True, True)
    assert facts["token"] == token_in(out)
    assert facts["error"]["type"] == "AssertionError"
    assert all(step.keys() == {"label", "index", "value", "text"} for step in facts["steps"])
    assert facts["steps"][0]["text"] in text
    twin = json.loads((here / "out/reports/lost-update-locked.json").read_text(encoding="utf-8"))
    assert (twin["verdict"], twin["schedules"], twin["token"], twin["steps"]) == ("inconclusive", 100, None, [])
    assert sorted(path.name for path in (here / "out/reports").iterdir()) == [
        "index.html",
        "index.json",
        "lost-update-locked.html",
        "lost-update-locked.json",
        "lost-update-locked.txt",
        "lost-update.html",
        "lost-update.json",
        "lost-update.pcapng",
        "lost-update.txt",
        "simsock.sarif",
    ]


def hosts_and_payloads(path):
    """What python-pcapng and dpkt read in a capture."""
    with open(path, "rb") as file:
        blocks = [block for block in FileScanner(file) if isinstance(block, EnhancedPacket)]
    return {block.interface.options["if_name"] for block in blocks}, [bytes(dpkt.ip.IP(bytes(block.packet_data)).data.data) for block in blocks]


@pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")  # python-pcapng's, of its own tables
def test_a_report_has_a_capture_of_the_failing_run(here, simsock_command):
    _, out, _ = simsock_command("run", LOST_UPDATE, "--report", "found")
    hosts, payloads = hosts_and_payloads(here / "found" / "lost-update.pcapng")
    assert hosts == {"server", "client-1", "client-2", "client-3"}
    assert sum(len(data) > 0 for data in payloads) >= 2 * 3, "each visitor's request, where it left and where it arrived"
    assert f"token: {json.loads((here / 'found' / 'lost-update.json').read_text())['token']}" in out.splitlines()


def test_a_run_that_comes_out_otherwise_has_no_capture_and_that_is_said(here, simsock_command):
    path = here / "scenarios" / "counter.py"
    path.write_text(path.read_text() + "\n\nimport builtins\nbuiltins.loaded = getattr(builtins, 'loaded', 0) + 1\nCHANGED = builtins.loaded > 1\n")
    source = path.read_text()
    path.write_text(
        source.replace(
            "    def handle(self)", "    def handle(self):\n        if CHANGED:\n            return\n        self._handle()\n\n    def _handle(self)", 1
        )
    )
    try:
        _, out, _ = simsock_command("run", LOST_UPDATE, "--report", "found")
    finally:
        del builtins.loaded
    assert out.splitlines()[-2:] == [
        "report: found/lost-update.html, found/lost-update.txt and found/lost-update.json",
        "no capture of the failing run: it did not come out the same when it was repeated for one",
    ]
    assert not list((here / "found").glob("*.pcapng*"))
    assert json.loads((here / "found" / "lost-update.json").read_text())["packets"] == [], "nothing is told of another run"


def test_reports_of_files_of_the_same_name_do_not_overwrite_each_other(here, simsock_command):
    simsock_command("run", TWIN, TWIN, "--schedules", "1", "--report", "out")
    assert (here / "out/lost-update-locked.json").exists()
    assert (here / "out/lost-update-locked-2.json").exists()


def test_a_report_folder_that_cannot_be_made_is_an_error_before_anything_runs(here, simsock_command):
    (here / "taken").write_text("")
    code, out, err = simsock_command("run", TWIN, "--report", "taken")
    assert (code, out) == (2, "")
    assert err.startswith("simsock: --report taken: cannot be made: ")


def test_jobs_share_the_work_and_find_the_same(here, simsock_command):
    alone, together = (simsock_command("run", LOST_UPDATE, *more) for more in ((), ("--jobs", "2")))
    # Without addresses: pytest may have rewritten the program's asserts, which show objects then.
    assert re.sub("0x[0-9a-f]+", "0x", str(together)) == re.sub("0x[0-9a-f]+", "0x", str(alone))


# -- replay ----------------------------------------------------------------------------------------------------------------------------------


def test_a_token_repeats_its_run_and_says_where_it_fails(here, simsock_command):
    token = token_in(simsock_command("run", LOST_UPDATE)[1])
    code, out, err = simsock_command("replay", token)
    assert (code, err) == (1, "")
    assert out.startswith(
        "the token asks for: strategy='random', preempt='lines', max_steps=200000, max_time_ns=86400000000000\nTraceback (most recent call last):\n"
    )
    assert f"{os.sep}simsock{os.sep}" not in out.partition("\n\n")[0].replace(str(here), "")
    assert "ran between counter.py:" in out
    assert re.fullmatch(r"fails: AssertionError: 3 visitors came, [12] were counted \(scenarios/counter\.py:\d+\)", out.splitlines()[-1])


def test_a_hundred_replays_are_the_same(here, simsock_command):
    token = token_in(simsock_command("run", LOST_UPDATE)[1])
    code, out, _ = simsock_command("replay", token, "--times", "100")
    assert code == 1
    assert out.splitlines()[-1] == "100 of 100 the same"


def test_replays_that_differ_are_counted_and_exit_with_2(here, simsock_command):
    (here / "fickle.py").write_text("count = []\n\ndef test(sim):\n    count.append(1)\n    assert len(count) != 3\n")
    token = Token(0, {}, (), target="fickle:test").encode()
    code, out, _ = simsock_command("replay", token, "fickle:test", "--times", "5")
    assert code == 2
    assert out.splitlines() == ["the run passes", "4 of 5 the same; the first that was not: AssertionError"] or out.splitlines()[-1].startswith(
        "4 of 5 the same"
    )


def test_a_run_that_passes_exits_with_0(here, simsock_command):
    token = Token(0, {}, (), target="program:fine").encode()
    assert simsock_command("replay", token, "program:fine") == (0, "the token asks for: nothing but the defaults\nthe run passes\n", "")


def test_a_token_that_no_longer_fits_says_where_and_exits_with_2(here, simsock_command):
    token = token_in(simsock_command("run", LOST_UPDATE)[1])
    code, out, err = simsock_command("replay", token, TWIN)
    if code == 2:
        assert "does not fit this program any more" in err
        assert "schedule'" in err
    else:  # it may fit by chance: then it passes
        assert (code, out.splitlines()[1:]) == (0, ["the run passes"])
    code, out, err = simsock_command("replay", token, "program:fine")
    assert (code, len(out.splitlines())) == (2, 1)
    assert "the run passes, and the token does not fit this program any more:\n" in err
    assert "which was never asked" in err


def test_a_token_can_come_from_standard_input(here, simsock_command, monkeypatch):
    token = token_in(simsock_command("run", LOST_UPDATE)[1])
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"  {token[:40]}\n{token[40:]}\n"))
    assert simsock_command("replay", "-")[0] == 1


@pytest.mark.parametrize("token", ["nonsense", "simsock1.AAAA", "simsock9.AAAA", ""])
def test_a_damaged_token_exits_with_2(simsock_command, token):
    code, out, err = simsock_command("replay", token)
    assert (code, out) == (2, "")
    assert err.startswith("simsock: ")
    assert "token" in err


def test_code_that_a_token_names_is_not_run_unless_it_is_given_by_hand(here, simsock_command):
    (here / "trap.py").write_text("open('sprung', 'w').close()\n\ndef test(sim):\n    pass\n")
    token = Token(0, {}, (), target="trap:test").encode()
    code, out, err = simsock_command("replay", token)
    assert (code, out) == (2, "")
    assert err == (
        "simsock: the token was made for 'trap:test'; a token may come from a stranger, so code that it names is not run: "
        "if you trust it, name it yourself after the token, as module:function\n"
    )
    assert not (here / "sprung").exists()
    assert simsock_command("replay", token, "trap:test")[0] == 0
    assert (here / "sprung").exists()


def test_a_token_of_pytests_says_how_it_is_repeated():
    with pytest.raises(UsageError, match=r"pytest \.\.\. --simsock-replay=TOKEN"):
        target_from("tests/test_x.py::test_it")


@pytest.mark.parametrize("target", ["/etc/x.toml", "../x.toml", "a/../../x.toml", "a/../scenarios/x.toml", "..\\x.toml", "link/x.toml", "a\n.toml"])
def test_a_token_leads_to_no_file_outside_the_working_directory(here, simsock_command, target):
    (here.parent / "x.toml").write_text("")
    (here / "link").symlink_to(here.parent)
    for named in (target, f"{here}/{LOST_UPDATE}"):
        code, out, err = simsock_command("replay", Token(0, {}, (), target=named).encode())
        assert (code, out) == (2, "")
        assert "which is no relative path inside the working directory" in err


def test_a_token_whose_file_is_not_there_says_so(here, simsock_command):
    code, _, err = simsock_command("replay", Token(0, {}, (), target="gone.toml").encode())
    assert code == 2
    assert "there is no such file here" in err


def test_a_token_with_options_that_mean_nothing_is_an_error_and_no_crash(here, simsock_command):
    for options in (
        {"strategy": "clever"},
        {"link": 5},
        {"link": [["loss", "x"]]},
        {"max_time_ns": -1},
        {"other": 1},
        {"preempt": "never"},
        {"max_steps": "x"},
    ):
        code, _, err = simsock_command("replay", Token(0, options, ()).encode(), "program:fine")
        assert (code, err.startswith("simsock: ")) == (2, True), options


def test_a_replacement_for_the_server_of_no_scenario_is_an_error(here, simsock_command):
    code, _, err = simsock_command("replay", Token(0, {}, ()).encode(), "program:fine", "--server", "a:b")
    assert code == 2
    assert "only a scenario has a server to replace" in err


# -- explore, scenarios ----------------------------------------------------------------------------------------------------------------------


def test_explore_finds_a_race_in_a_function_of_the_working_directory(here, simsock_command):
    code, out, err = simsock_command("explore", "program:racing", "--schedules", "200")
    assert (code, err) == (1, "")
    assert re.search(r"  1\. task add-[12] ran between program\.py:\d+ and program\.py:\d+ of add-[12]", out)
    command = re.search(r"^repeat it: simsock (.*)$", out, re.MULTILINE)[1].split()
    assert command[-1] == "program:racing"
    code, again, _ = simsock_command(*command)
    assert code == 1
    assert "fails: AssertionError: assert box[0] == 2 (program.py:" in again


def test_explore_says_inconclusive_and_exits_with_0_when_it_finds_nothing(here, simsock_command):
    code, out, err = simsock_command("explore", "program:fine", "--schedules", "7", "--seed", "x")
    assert (code, out.splitlines()[0], err) == (0, "inconclusive, 7 schedules tried (seed 'x')", "")
    assert simsock_command("explore", "program:racing", "--schedules", "7", "--preempt", "calls", "--strategy", "fifo")[0] == 0


def test_explore_shares_the_work_among_jobs(here, simsock_command):
    assert simsock_command("explore", "program:racing", "--seed", "0", "--jobs", "2")[1] == simsock_command("explore", "program:racing", "--seed", "0")[1]


def test_explore_keeps_what_fails_and_tries_it_first(here, simsock_command):
    _, out, _ = simsock_command("explore", "program:racing", "--seed", "5")
    assert (here / ".simsock" / ".gitignore").read_text().endswith("\n*\n")
    code, again, _ = simsock_command("explore", "program:racing")
    assert code == 1
    assert ", kept from an earlier search, raised AssertionError" in again.splitlines()[0]
    assert token_in(again) == token_in(out)
    _, other, _ = simsock_command("explore", "program:racing", "--seed", "6")
    assert "of seed 6 raised" in other.splitlines()[0], "whoever names a seed gets its search"
    assert "kept" not in simsock_command("explore", "program:racing", "--database", "none")[1].splitlines()[0]
    (here / "program.py").write_text(PROGRAM.replace("assert box[0] == 2", "assert box[0]"))
    sys.modules.pop("program")
    code, passes, _ = simsock_command("explore", "program:racing", "--schedules", "3")
    assert (code, passes.count("passes now")) == (0, 2)
    assert "passes now" not in simsock_command("explore", "program:racing", "--schedules", "3")[1]


def test_the_default_folder_has_one_name():
    assert cli.FOLDER == memory.FOLDER


def test_explore_takes_the_options_of_a_world_and_says_how_to_repeat_a_run_with_them(here, simsock_command):
    options = ["--scope", "program", "--no-patch", "--link", "3g,loss=0", "--max-time", "2h", "--no-shrink", "--strategy", "random", "--max-real-time", "50"]
    code, out, _ = simsock_command("explore", "program:racing", *options)
    assert code == 1
    command = re.search(r"^repeat it: simsock (.*)$", out, re.MULTILINE)[1].split()
    assert command[-4:] == ["--scope", "program", "--consent", "patch=False"]
    code, again, _ = simsock_command(*command)
    assert code == 1
    assert "fails: AssertionError: assert box[0] == 2 (program.py:" in again
    assert "max_time_ns=7200000000000" in again.splitlines()[0]
    code, _, err = simsock_command("explore", "program:fine", "--max-time", "soon")
    assert (code, "max_time" in err and "soon" in err) == (2, True)
    assert simsock_command("run", LOST_UPDATE, "--scope", "x")[0] == 2


def test_ctrl_c_while_a_failure_is_shrunk_tells_the_shortest_run_so_far(here, simsock_command):
    source = PROGRAM.replace("    box = [0]\n", "    counted.append(1)\n    if len(counted) == 40:\n        raise KeyboardInterrupt\n    box = [0]\n")
    (here / "program.py").write_text(source.replace("for _ in range(2)]", "for _ in range(6)]").replace("== 2", "== 6"))
    code, out, err = simsock_command("explore", "program:racing")
    assert (code, out) == (130, "")
    assert re.match(r"simsock: interrupted while a failure was shrunk: schedule \d+ of seed 0 raised builtins\.AssertionError; the shortest run so far", err)
    assert simsock_command("replay", token_in(err), "program:racing")[0] == 1
    assert simsock_command("explore", "program:racing")[1].splitlines()[0].count("kept from an earlier search") == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("program", "program: expected \"module:name\", got 'program'"),
        ("nowhere:f", "nowhere:f: there is no module 'nowhere'"),
        ("program:nothing", "program:nothing: 'program' has no 'nothing'"),
        ("program:NOT_A_FUNCTION", "program:NOT_A_FUNCTION: expected a function that takes a Simulation, found 3"),
    ],
)
def test_explore_names_what_it_cannot_find(here, simsock_command, target, message):
    assert simsock_command("explore", target) == (2, "", f"simsock: {message}\n")


@pytest.mark.parametrize(("option", "value"), [("--strategy", "clever"), ("--preempt", "never")])
def test_explore_names_an_option_that_means_nothing(here, simsock_command, option, value):
    code, _, err = simsock_command("explore", "program:fine", option, value)
    assert code == 2
    assert value in err


def test_scenarios_lists_each_file_with_what_it_shows(here, simsock_command):
    code, out, err = simsock_command("scenarios")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{TWIN}  The same server with a lock: no schedule that is tried loses a visit.",
        f"{LOST_UPDATE}         A threading server counts visitors without a lock, and loses one.",
    ]


def test_scenarios_tells_of_a_broken_file_and_lists_the_others(here, simsock_command):
    (here / "scenarios" / "a.toml").write_text("x")
    code, out, err = simsock_command("scenarios")
    assert code == 2
    assert len(out.splitlines()) == 2
    assert err.startswith("simsock: scenarios/a.toml: not TOML: ")


def test_scenarios_lists_another_folder(here, simsock_command):
    (here / "scenarios").rename(here / "others[1]")
    code, out, _ = simsock_command("scenarios", "others[1]")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["others[1]/lost-update-locked.toml", "others[1]/lost-update.toml"]
    assert simsock_command("scenarios", "none")[::2] == (2, "simsock: there is no none/*.toml in this directory\n")


HERD = "scenarios/thundering-herd.toml"


@pytest.fixture
def herd(here):
    """The working directory also has a scenario with a population."""
    for name in (HERD, "scenarios/tickets.py"):
        (here / name).write_text((ROOT / name).read_text())
    return here


def test_what_came_of_clients_is_a_table_and_part_of_the_report(herd, simsock_command):
    code, out, err = simsock_command("run", HERD, "--schedules", "2", "--report", "found")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[1:5] == [
        "what came of the clients of all 2 schedules (virtual seconds):",
        "  clients  count  served  refused  timed out     min  median     p99     max",
        "  polite     400     400        0          0  0.030s  0.150s  0.270s  0.270s",
        "inconclusive, 2 schedules tried (seed 0)",
    ]
    assert "as expected: inconclusive" in lines
    facts = json.loads((herd / "found" / "thundering-herd.json").read_text())
    assert facts["clients_of"] == "all schedules"
    (row,) = facts["clients"]
    assert (row["kind"], row["count"], row["served"], round(row["median"], 4)) == ("polite", 400, 400, 0.15)
    assert "  polite     400     400" in (herd / "found" / "thundering-herd.txt").read_text()


def test_a_broken_server_in_place_of_the_files_fails_with_a_token_that_repeats_it(herd, simsock_command):
    code, out, _ = simsock_command("run", HERD, "--server", "tickets:Oversold")
    assert code == 1
    assert "what came of the clients of schedule 1, which fails (virtual seconds):" in out.splitlines()
    code, out, _ = simsock_command("replay", token_in(out), "--server", "tickets:Oversold")
    assert code == 1
    assert "fails: AssertionError: 200 sold of 50 (scenarios/tickets.py:45)" in out.splitlines()


def test_scenarios_says_when_there_are_none(tmp_path, monkeypatch, simsock_command):
    monkeypatch.chdir(tmp_path)
    assert simsock_command("scenarios", "scenarios") == (2, "", "simsock: there is no scenarios/*.toml in this directory\n")


# -- usage -----------------------------------------------------------------------------------------------------------------------------------


def test_the_version_is_that_of_the_package(simsock_command):
    assert simsock_command("--version") == (0, f"simsock {simsock.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("walk",),
        ("run",),
        ("replay",),
        ("explore",),
        ("run", "x.toml", "--schedules", "0"),
        ("run", "x.toml", "--schedules", "-1"),
        ("run", "x.toml", "--jobs", "many"),
        ("replay", "x", "--times", "0"),
        ("run", "x.toml", "--unknown"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong_on_standard_error(simsock_command, arguments):
    code, out, err = simsock_command(*arguments)
    assert (code, out) == (2, "")
    assert "usage: simsock" in err
    assert "error: " in err


@pytest.mark.parametrize("command", ["run", "replay", "explore", "scenarios"])
def test_each_command_has_help_that_any_terminal_can_show(simsock_command, command):
    code, out, _ = simsock_command(command, "--help")
    assert code == 0
    assert out.isascii()
    assert command in out


@pytest.mark.parametrize(("command", "meaning"), [("run", "0 as expected, 1 an expectation failed"), ("replay", "1 the run fails (again), 0 it passes, 2 ")])
def test_help_says_what_the_exit_codes_mean(simsock_command, command, meaning):
    assert meaning in " ".join(simsock_command(command, "--help")[1].split())


# -- Ctrl-C, terminals, encodings ------------------------------------------------------------------------------------------------------------


def test_ctrl_c_inside_a_run_exits_with_130_and_says_how_far_it_came(here, simsock_command):
    code, out, err = simsock_command("explore", "program:presses_ctrl_c")
    assert (code, out, err) == (130, "", "simsock: interrupted after 42 schedules\n")


def test_ctrl_c_in_a_scenario_exits_with_130(here, simsock_command):
    source = (here / "scenarios" / "counter_locked.py").read_text()
    (here / "scenarios" / "counter_locked.py").write_text(
        source.replace("def check(server):", "runs = []\n\n\ndef check(server):\n    runs.append(1)\n    if len(runs) == 3:\n        raise KeyboardInterrupt")
    )
    code, _, err = simsock_command("run", TWIN)
    assert (code, err) == (130, "simsock: interrupted after 3 schedules\n")


def test_ctrl_c_in_a_replay_exits_with_130(here, simsock_command):
    token = Token(0, {}, ()).encode()
    code, _, err = simsock_command("replay", token, "program:presses_ctrl_c", "--times", "100")
    assert (code, err) == (130, "simsock: interrupted while a run was repeated\n")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_from_the_terminal_ends_the_command_and_its_processes(here, jobs):
    command = [sys.executable, "-m", "simsock", "explore", "program:endless", "--schedules", "10000000", "--jobs", jobs]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, cwd=here, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert running.stdout.readline().startswith("running")
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=30)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    assert running.returncode == 130
    assert re.fullmatch(r"simsock: interrupted after [\d,]+ schedules?", err.splitlines()[-1])
    assert "Traceback" not in out


def test_progress_is_shown_on_a_terminal_only(here, simsock_command, monkeypatch):
    quiet = simsock_command("run", TWIN, "--schedules", "200")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code, out, err = simsock_command("run", TWIN, "--schedules", "200")
    assert (code, out) == quiet[:2]
    assert quiet[2] == ""
    assert f"\r{TWIN}: 1 of 200 schedules" in err
    assert err.endswith("\r\033[K")


def test_python_m_simsock_is_the_command(here):
    done = process("run", LOST_UPDATE, cwd=here)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"repeated from its token: same error" in done.stdout
    assert process("run", "gone.toml", cwd=here).returncode == 2


def test_a_terminal_that_knows_only_ascii_gets_escapes(here):
    done = process("explore", "program:fails_with_umlauts", cwd=here, env={"PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0", "LC_ALL": "C"})
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"gr\\xfc\\xdfe \\u2192" in done.stdout


def test_a_reader_that_goes_away_is_no_reason_for_a_traceback(here):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "simsock", "run", LOST_UPDATE, TWIN, "--schedules", "20"]
    running = subprocess.Popen(command, cwd=here, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdout.close()
    _, err = running.communicate(timeout=60)
    assert err == b""
    assert running.returncode in (0, 2)


def test_a_digest_does_not_depend_on_who_listens_or_where_it_runs(here, simsock_command):
    """The same token in two processes with different hash seeds."""
    token = token_in(simsock_command("run", LOST_UPDATE)[1])
    outs = {process("replay", token, cwd=here, env={"PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
    assert len({out.partition(b"note:")[0] for out in outs}) == 1
